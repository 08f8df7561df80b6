"""Which solution is chosen: overlaps on their way from a start to the zero-loss set."""

import math
from functools import partial
from typing import Any

import ipywidgets
import numpy as np

from quadlib.bias import blur_law_in_pieces, misalignment, polar_factor
from quadlib.dynamics.together import Together
from quadlib.explorers import controls
from quadlib.explorers.bias_runs import POINTS, RUNS, Setting, chosen, flow, script, sgd
from quadlib.explorers.runs import as_far, curves, followed, how
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.plotting import joined
from quadlib.shapes import Array
from quadlib.trajectory import Trajectory

_COLUMNS = ("α", "ODE, 1 − cos", "ODE loss", "ODE M₁", "ODE M₂")
_SMALLEST = 1e-10
"""Misalignment below which nothing is drawn."""


class ImplicitBias(Explorer):
    """Paths of M to the zero-loss set, and how far they turn away from the closest solution."""

    def build(self) -> dict[str, Any]:
        """Overlaps of the first teacher unit with two units on the left; misalignment right."""
        self.plane, self.right = self.live.panels(1, 2, width_ratios=[1, 1.5], wspace=0.28)
        line, plane, right = self.live.line, self.plane, self.right
        angle = np.linspace(0, 2 * np.pi, 200)
        self.circle = np.cos(angle), np.sin(angle)
        (self.inside,) = plane.fill(*self.circle, color="0.93", lw=0, zorder=1.5)
        self.set = line(plane, "theory", ":", ms=14, label="zero loss")
        self.paths = line(plane, "sgd", lw=0.6)
        self.ends = line(plane, "sgd", "o", ms=3)
        self.ode_path = line(plane, "ode", lw=2.5)
        self.flow_path = line(plane, "flow", "--", lw=1.5)
        self.begin = line(plane, "theory", "o", ms=5, label="start")
        self.closest = line(plane, "theory", "*", mfc="w", ms=14, label="closest")
        plane.set(aspect="equal", xlabel="overlap M₁ of unit 1", ylabel="overlap M₂ of unit 2")
        self.sgd = line(right, "sgd", lw=0.6, label="SGD runs")
        self.mean = line(right, "sgd", lw=3, label="their mean")
        self.law = line(right, "law", lw=1.2, label="its law")
        self.ode = line(right, "ode", lw=2.5, label="ODE")
        self.flow = line(right, "flow", "--", lw=1.5, label="flow")
        self.live.log(right.yaxis)
        right.set(xlabel="α = samples / N", ylabel="1 − cos to the closest solution")
        self.live.animate()
        self.live.legend(plane)
        self.live.legend(right, ncols=5)
        return {
            "angle": ipywidgets.IntSlider(35, 0, 360, step=5, description="start: angle, °"),
            "size": ipywidgets.FloatLogSlider(
                1.0, min=-1, max=1, step=0.1, readout_format=".2f", description="start: size",
            ),
            "p": controls.units(2, 8),
            "p_star": controls.teachers(1),
            "eta": controls.learning_rate(),
            "log_N": controls.log_dimension(4.0),
            "noise": ipywidgets.Checkbox(True, description="SGD noise", indent=False),
            "seed": ipywidgets.Button(description="new seed"),
        }  # fmt: skip

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw the ODE; gradient flow and runs of SGD follow."""
        setting = chosen(values)
        task, start, alpha = setting.task, setting.start, setting.alpha
        ode = as_far(task, start, alpha=alpha, eta=setting.eta, rtol=1e-5)
        turned = _turned(setting, ode.M)
        for empty in (self.paths, self.ends, self.sgd, self.mean, self.law, self.flow):
            empty.set_data([], [])
        self.flow_path.set_data([], [])
        side = self._draw_set(setting)
        self.ode.set_data(ode.alpha, turned)
        self.ode_path.set_data(*_within(_plane(ode.M), side))
        self.live.limits(self.right, (0.0, setting.end), (_SMALLEST, 4.0))
        none = "no zero-loss solution:\nnothing to turn away from"
        below = f"1 − cos is {_size(0.0)}:\nbelow this picture"
        self.live.say(self.right, below if setting.solvable else none)
        caption = _caption(setting, ode, turned)
        rest = self.rest(setting, side, caption, values["noise"])
        self.later(rest, "flow and runs" if values["noise"] else "flow")
        return caption

    def _draw_set(self, setting: Setting) -> float:
        """Draw the zero-loss set, the start and its closest solution; return half the width."""
        radius, task = setting.radius, setting.task
        x, y = radius * self.circle[0], radius * self.circle[1]
        if task.p == 1:
            x, y = np.array([radius, np.nan, -radius]), np.zeros(3)
        self.set.set_marker("|" if task.p == 1 else "")
        self.set.set_data(x, y)
        # The projection of a larger set than the circle fills it
        self.inside.set_xy(np.column_stack([x, y]))
        start = _plane(setting.start.M)
        self.begin.set_data([start[0]], [start[1]])
        first = radius * polar_factor(setting.start.M)[:2, 0]
        self.closest.set_data(first[:1], [first[1] if task.p > 1 else 0.0])
        for artist in (self.set, self.closest, self.inside):
            artist.set_visible(setting.solvable and (task.p > 2 or artist is not self.inside))
        side = max(math.ceil(2.2 * max(radius, math.hypot(*start))) / 2, 1.5)
        self.live.limits(self.plane, (-side, side), (-side, side))
        return side

    def rest(self, setting: Setting, side: float, caption: Caption, noise: bool) -> Pieces:
        """Add gradient flow; with noise the predicted mean, then runs of SGD from this start."""
        end, run = controls.a_second(), (yield from flow(setting))
        turned, law = _turned(setting, run.M), math.nan
        if setting.solvable:
            caption = caption._replace(alt=f"{caption.alt} Gradient flow: {_size(turned[-1], 2)}.")

        def show() -> Caption:
            self.flow.set_data(run.alpha, turned)
            self.flow_path.set_data(*_within(_plane(run.M), side))
            return caption

        yield show
        if not noise:
            return
        small = (setting.start.M**2).sum() < 0.05  # as the law of the plateau's noise assumes
        if not setting.warning and small:
            root = math.sqrt(setting.N)
            pieces = blur_law_in_pieces(setting.task, setting.eta, root * setting.start.M)
            law = (yield from pieces)[0]
            if law > _SMALLEST:
                yield partial(self.law.set_data, [0.0, setting.end], [law, law])
        runs = sgd(setting)
        yield from followed(runs, end, partial(self.show, setting, runs, side, law, caption))

    def show(
        self, setting: Setting, runs: Together, side: float, law: float, caption: Caption
    ) -> Caption:
        """Draw these runs, and say how far they turned."""
        M = np.where(np.isfinite(runs.M), runs.M, 0.0)  # what is not recorded is not drawn
        turned = np.where(np.isfinite(runs.loss), _turned(setting, M), np.nan)
        x, y = _within(_plane(M), side)
        self.sgd.set_data(*curves(runs, turned))
        drawn = np.isfinite(runs.loss)
        self.paths.set_data(*joined(np.where(drawn, x, np.nan), np.where(drawn, y, np.nan)))
        last = np.maximum(runs.recorded - 1, 0)
        self.ends.set_data(*(part[np.arange(len(part)), last] for part in (x, y)))
        words = f"{len(last)} runs of SGD ({how(runs, RUNS)}) from this start"
        whole = np.nan_to_num(turned[runs.recorded == POINTS])  # rounding is nothing
        if len(whole) and setting.solvable:
            mean, end = whole.mean(0), whole[:, -1]
            self.mean.set_data(setting.alpha, np.where(mean > _SMALLEST, mean, np.nan))
            words += f" turn away from it by {_size(end.mean())} in the mean"
            if end.mean() > _SMALLEST:
                words += f" (± {number(end.std() / math.sqrt(len(end)), 1)})"
            words += f", where the law says {_size(law)}" if math.isfinite(law) else ""
        else:
            words += " are drawn"
        if diverged := int(runs.diverged.sum()):
            words += f"; {diverged} of {len(last)} diverge"
        return caption.and_so(f" {words}.")

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls that give flow and ODE, and the runs of SGD."""
        return script(chosen(values), len(self.ode_path.get_xdata()))


def _turned(setting: Setting, M: Array) -> Array:
    """1 − cos to the solution closest to the start; NaN where there is none, or it is rounding."""
    if not setting.solvable:
        return np.full(M.shape[:-2], np.nan)
    turned = misalignment(polar_factor(M), polar_factor(setting.start.M))
    return np.where(turned > _SMALLEST, turned, np.nan)


def _size(turned: float, digits: int = 3) -> str:
    return number(turned, digits) if turned > _SMALLEST else f"less than {number(_SMALLEST)}"


def _plane(M: Array) -> tuple[Array, Array]:
    """Overlaps of the first teacher unit with the units 1 and 2."""
    first = M[..., 0]
    return first[..., 0], first[..., 1] if first.shape[-1] > 1 else 0 * first[..., 0]


def _within(plane: tuple[Array, Array], side: float) -> tuple[Array, Array]:
    """What leaves the picture, in a run that blows up, is not drawn."""
    outside = np.maximum(*np.abs(plane)) > side
    x, y = (np.where(outside, np.nan, part) for part in plane)
    return x, y


def _caption(setting: Setting, ode: Trajectory, turned: Array) -> Caption:
    task, warning = setting.task, setting.warning

    def place(M: Array) -> str:
        both = zip("₁₂", _plane(M)[: task.p], strict=False)
        return ", ".join(f"M{i} = {number(float(part))}" for i, part in both)

    alt = (
        f"With p = {task.p}, p* = {task.p_star}, N = {number(setting.N)} and "
        f"η = {number(setting.eta)} the ODE goes from {place(setting.start.M)} to "
        f"{place(ode.M[-1])} at α = {number(ode.alpha[-1])}, where the loss is "
        f"{number(ode.loss[-1])}."
    )
    summary = f"The ODE ends at {place(ode.M[-1])}."
    if task.p == 1 and setting.solvable and not warning:
        warning = "One unit has two solutions, ±: 1 − cos is 0, below the picture, or 2."
    if setting.solvable:
        turns = _size(turned[-1], 2)
        summary = f"From the closest solution the ODE turns away by 1 − cos of {turns}."
        alt += f" {summary}"
    rows = np.column_stack([ode.alpha, turned, ode.loss, *_plane(ode.M)]).tolist()
    return Caption(alt, _COLUMNS, rows, summary, warning)
