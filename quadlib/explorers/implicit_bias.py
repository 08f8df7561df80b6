"""Which solution is chosen: overlaps on their way from a start to the zero-loss set."""

import math
import time
from typing import Any

import ipywidgets
import numpy as np

from quadlib.bias import blur_law, misalignment, polar_factor
from quadlib.explorers import controls
from quadlib.explorers.bias_runs import POINTS, Setting, chosen, deterministic, sgd
from quadlib.live import Caption, Explorer, Pieces
from quadlib.plotting import PALETTE, joined
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.trajectory import Trajectory

__all__ = ["ImplicitBias"]

_RUNS = 30
_COLUMNS = ("α", "flow, 1 − cos", "ODE, 1 − cos", "ODE loss", "ODE M₁", "ODE M₂")
_SMALLEST = 1e-12
"""Misalignment below which nothing is drawn."""


class ImplicitBias(Explorer):
    """Paths of M to the zero-loss set, and how far they turn away from the closest solution."""

    def build(self) -> dict[str, Any]:
        """First teacher's overlaps with two students on the left; misalignment on the right."""
        figure = self.live.figure
        figure.set_layout_engine("none")
        sides = dict(left=0.08, right=0.985, top=0.91, bottom=0.13, wspace=0.22)
        grid: Any = figure.add_gridspec(1, 2, width_ratios=[1, 1.5], **sides)
        self.plane, self.right = (figure.add_subplot(part) for part in grid)
        grey, blue, orange = PALETTE["sgd"], PALETTE["ode"], PALETTE["flow"]
        turn = np.linspace(0, 2 * np.pi, 200)
        self.circle = np.cos(turn), np.sin(turn)
        (self.inside,) = self.plane.fill(*self.circle, color=PALETTE["theory"], alpha=0.12, lw=0)
        (self.set,) = self.plane.plot(*self.circle, color=PALETTE["theory"], lw=2)
        (self.paths,) = self.plane.plot([], [], color=grey, lw=0.6, alpha=0.8)
        (self.ends,) = self.plane.plot([], [], "o", color="0.35", ms=3)
        (self.ode_path,) = self.plane.plot([], [], color=blue, lw=2.5)
        (self.flow_path,) = self.plane.plot([], [], "--", color=orange, lw=1.5)
        (self.begin,) = self.plane.plot([], [], "o", color="k", ms=5)
        (self.closest,) = self.plane.plot([], [], "*", color=PALETTE["theory"], ms=15, mec="k")
        self.plane.set(aspect="equal", xlabel="M₁, student 1", ylabel="M₂, student 2")
        self.note = self.plane.text(0.0, 1.03, "", transform=self.plane.transAxes)
        self.note.set_color(orange)
        (self.sgd,) = self.right.plot([], [], color=grey, lw=0.6, alpha=0.8, label="SGD runs")
        (self.mean,) = self.right.plot([], [], color="0.25", lw=2, label="SGD, mean")
        (self.law,) = self.right.plot([], [], "k--", lw=1.2, label="SGD, predicted mean")
        (self.ode,) = self.right.plot([], [], color=blue, lw=2.5, label="ODE")
        (self.flow,) = self.right.plot([], [], "--", color=orange, lw=1.5, label="gradient flow")
        self.right.set(yscale="log", xlabel="α = samples / N", xlim=(0, 100), ylim=(1e-12, 4))
        self.right.set_ylabel("1 − cos to the closest solution")
        self.live.animate(self.inside, self.set, self.paths, self.ends, self.ode_path, self.begin)
        self.live.animate(self.flow_path, self.closest, self.note)
        self.live.animate(self.sgd, self.mean, self.law, self.ode, self.flow)
        self.right.legend(loc="lower right", fontsize="small", ncols=2).set_zorder(1)
        return {
            "angle": ipywidgets.IntSlider(35, 0, 360, step=5, description="start: angle, °"),
            "size": ipywidgets.FloatLogSlider(
                1.0, min=-1, max=1, step=0.1, readout_format=".2f", description="start: size",
            ),
            "p": controls.units(2, 8),
            "p_star": controls.teachers(1, 4),
            "eta": controls.learning_rate(0.05),
            "log_N": controls.log_dimension(4.0),
            "noise": ipywidgets.Checkbox(True, description="SGD noise", indent=False),
            "seed": ipywidgets.Button(description="new seed"),
        }  # fmt: skip

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw flow and ODE; runs of SGD follow."""
        setting = chosen(values)
        flow, ode = deterministic(setting, False), deterministic(setting, True)
        turned = [_turned(setting, run) for run in (flow, ode)]
        for line, path, run, angle in (
            (self.flow, self.flow_path, flow, turned[0]),
            (self.ode, self.ode_path, ode, turned[1]),
        ):
            line.set_data(run.alpha, angle)
            path.set_data(*_plane(run))
        for empty in (self.paths, self.ends, self.sgd, self.mean, self.law):
            empty.set_data([], [])
        self._draw_set(setting)
        self.note.set_text(setting.note)
        low = 10.0 ** (2 * math.floor(math.log10(min(t[-1] for t in turned)) / 2) - 2)
        self.live.limits(self.right, (0.0, setting.end), (low, 4.0))
        caption = _caption(setting, flow, ode, turned)
        if values["noise"]:
            self.later(self.runs(setting, caption))
        return caption

    def _draw_set(self, setting: Setting) -> None:
        radius = setting.radius
        task, solvable = setting.task, setting.task.p >= setting.task.p_star
        x, y = radius * self.circle[0], radius * self.circle[1]
        if task.p == 1:
            x, y = np.array([radius, np.nan, -radius]), np.zeros(3)
        self.set.set_marker("o" if task.p == 1 else "")
        self.set.set_data(x, y)
        self.set.set_visible(solvable)
        # The projection of a larger set than the circle fills it
        self.inside.set_xy(np.column_stack([x, y]))
        self.inside.set_visible(solvable and task.p > 2)
        start = _plane(setting.start)
        self.begin.set_data([start[0]], [start[1]])
        first = radius * polar_factor(setting.start.M)[:2, 0]
        self.closest.set_data(first[:1], [first[1] if task.p > 1 else 0.0])
        self.closest.set_visible(solvable)
        side = math.ceil(10 * max(1.15 * radius, 1.1 * math.hypot(*start))) / 10
        self.live.limits(self.plane, (-side, side), (-side, side))

    def runs(self, setting: Setting, caption: Caption) -> Pieces:
        """Add the predicted mean, then runs of SGD from the same start."""
        text = "; a run of SGD from this start"
        small = (setting.start.M**2).sum() < 0.05  # as the law of the plateau's noise assumes
        if small and setting.plateau and setting.plateau.escape_rate > 0:
            law, _ = blur_law(setting.task, setting.eta, math.sqrt(setting.N) * setting.start.M)
            yield lambda: self.law.set_data([0.0, setting.end], [law, law])
            text += f" turns by {law:.3g} in the mean (predicted)"
        runs: list[Trajectory] = []
        shown = time.monotonic()
        for k in range(_RUNS):
            runs.append(sgd(setting, k))
            if time.monotonic() - shown > 0.1 or k == _RUNS - 1:
                yield lambda: self.show(setting, runs, caption, text)
                shown = time.monotonic()

    def show(
        self, setting: Setting, runs: list[Trajectory], caption: Caption, text: str
    ) -> Caption:
        """Draw these runs, and say how far they turned."""
        turned = [_turned(setting, run) for run in runs]
        self.sgd.set_data(*joined([run.alpha for run in runs], turned))
        self.paths.set_data(*joined(*zip(*(_plane(run) for run in runs), strict=True)))
        ends = np.array([[part[-1] for part in _plane(run)] for run in runs])
        self.ends.set_data(ends[:, 0], ends[:, 1])
        whole = [t for t in turned if len(t) == POINTS]
        diverged = len(turned) - len(whole)
        if whole:
            mean = np.mean(whole, 0)
            error = np.std([t[-1] for t in whole]) / math.sqrt(len(whole))
            self.mean.set_data(np.linspace(0.0, setting.end, POINTS), mean)
            text += f": {len(whole)} runs, {mean[-1]:.3g} ± {error:.1g}"
        if diverged:
            text += f"; {diverged} of {len(runs)} runs diverge"
        return caption._replace(alt=f"{caption.alt}{text}.")


def _turned(setting: Setting, run: Trajectory) -> Array:
    turned = misalignment(polar_factor(run.M), polar_factor(setting.start.M))
    return np.maximum(turned, _SMALLEST)


def _plane(run: Trajectory | Overlaps) -> tuple[Array, Array]:
    """Overlaps of the first teacher with students 1 and 2."""
    first = run.M[..., 0]
    return first[..., 0], first[..., 1] if first.shape[-1] > 1 else 0 * first[..., 0]


def _caption(setting: Setting, flow: Trajectory, ode: Trajectory, turned: list[Array]) -> Caption:
    task, start = setting.task, _plane(setting.start)
    where = f"p = {task.p}, p* = {task.p_star}, N = {setting.N:.4g}, η = {setting.eta:g}"
    x, y = _plane(ode)
    alt = (
        f"{where}: from M₁ = {start[0]:.3g}, M₂ = {start[1]:.3g} the ODE moves to {x[-1]:.3f}, "
        f"{y[-1]:.3f} at α = {ode.alpha[-1]:.4g}, where the loss is {ode.loss[-1]:.2g} and "
        f"1 − cos to the closest solution {turned[1][-1]:.2g}; gradient flow: {turned[0][-1]:.2g}"
    )
    both = min(len(flow.alpha), len(ode.alpha))
    rows = [
        tuple(float(column[i]) for column in (ode.alpha, *turned, ode.loss, x, y))
        for i in range(0, both, 5)
    ]
    return Caption(" ".join(filter(None, (setting.note, alt))), _COLUMNS, rows)
