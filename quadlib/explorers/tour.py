"""The whole story in one picture: the loss stays on a plateau, then falls."""

import math
import time
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, cast

import ipywidgets
import numpy as np

from quadlib.dynamics import simulate
from quadlib.dynamics.ode import integrate
from quadlib.escape import escape_law
from quadlib.explorers import controls
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.plateau import Plateau
from quadlib.plotting import PALETTE, joined
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory, first_passage

__all__ = ["Tour"]

_COLUMNS = ("α", "ODE loss", "M smallest", "M largest", "Q smallest", "Q largest")
_POINTS, _RTOL = 161, 1e-5


class Setting(NamedTuple):
    """What the controls ask for, and what theory says about it at once."""

    task: Task
    N: int
    eta: float
    constraint: Any
    runs: int
    seed: int
    plateau: Plateau | None
    end: float

    @property
    def alpha(self) -> Array:
        """Recorded times."""
        return np.linspace(0.0, self.end, _POINTS)

    @property
    def half(self) -> float:
        """Loss that counts as escape, half way down from the plateau; −inf without one."""
        return (self.plateau.loss + self.floor) / 2 if self.plateau else -math.inf

    @property
    def floor(self) -> float:
        """Loss that label noise leaves."""
        return self.task.label_noise / 2

    @property
    def method(self) -> Any:
        """Every sample where that is quick or needed, else one draw for many samples."""
        return "overlaps" if self.N * self.end <= 2e5 or self.N < 300 else "diffusion"

    def warning(self, ode: Trajectory) -> str:
        """One sentence if this learning rate spoils the story, else nothing."""
        if ode.alpha[-1] < self.end:
            last = f"the ODE diverges after α = {number(ode.alpha[-1])}"
            return f"η = {number(self.eta)} is too large: {last}. Lower the learning rate η."
        return controls.warning(self.task, self.eta, self.plateau)


class Tour(Explorer):
    """SGD runs, the ODE they follow, its plateau and the time of escape; and the overlaps."""

    def build(self) -> dict[str, Any]:
        """Loss on the left; singular values of the overlaps on the right."""
        self.left, self.right = self.live.panels(1, 2)
        grey, blue, black, dark = (PALETTE[name] for name in ("sgd", "ode", "law", "theory"))
        (self.sgd,) = self.left.plot([], [], color=grey, lw=0.7, label="SGD runs")
        (self.ode,) = self.left.plot([], [], color=blue, lw=2, label="ODE, dot: escape")
        (self.levels,) = self.left.plot([], [], color=dark, ls=":", lw=1.2, label="plateau, floor")
        (self.escapes,) = self.left.plot([], [], "o", color=grey, ms=3)
        (self.law,) = self.left.plot([], [], "|-", color=black, lw=2.5, ms=12, mew=2)
        self.law.set_label("law: mean ± std")
        (self.ode_escape,) = self.left.plot([], [], "o", color=blue, ms=7)
        self.left.set(xlabel="α = samples / N", ylabel="population loss")
        (self.M,) = self.right.plot([], [], color=blue, label="singular values of M")
        (self.Q,) = self.right.plot([], [], color=blue, ls="-.", lw=1, label="eigenvalues of Q")
        self.right.set(xlabel="α = samples / N", ylabel="overlaps of the ODE")
        self.live.animate(self.sgd, self.ode, self.levels, self.law, self.escapes, self.ode_escape)
        self.live.animate(self.Q, self.M)
        for ax in (self.left, self.right):
            self.live.legend(ax)
        return {
            "p": controls.units(),
            "p_star": controls.teachers(),
            "log_N": controls.log_dimension(3.0),
            "eta": controls.learning_rate(),
            "label_noise": ipywidgets.FloatSlider(
                0.0, max=1.0, step=0.05, description="label noise"
            ),
            "constraint": controls.constraint(),
            "runs": ipywidgets.IntSlider(20, 0, 50, description="SGD runs"),
            "seed": ipywidgets.Button(description="new seed"),
        }

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw what the ODE says at once; the runs and the law of escape follow."""
        setting = _setting(values)
        ode = _ode(setting)
        escape = float(first_passage(ode.alpha, ode.loss, setting.half))
        overlaps = np.linalg.eigvalsh(ode.Q), np.linalg.svd(ode.M, compute_uv=False)
        self.ode.set_data(ode.alpha, ode.loss)
        self.ode_escape.set_data([escape], [setting.half])
        self.levels.set_data(*_levels(setting))
        for line, curves in zip((self.Q, self.M), overlaps, strict=True):
            line.set_data(*joined([ode.alpha] * curves.shape[1], curves.T))
        for empty in (self.sgd, self.law, self.escapes):
            empty.set_data([], [])
        # What blows up leaves the picture
        high = min(ode.loss.max(), 1.5 * max(ode.loss[0], setting.half))
        end = min(setting.end, controls.round_up(2 * ode.alpha[-1]))
        self.live.limits(self.left, (0.0, end), (0.0, controls.round_up(1.1 * high)))
        tall = controls.round_up(1.1 * min(float(np.max(overlaps[0])), 2 * setting.task.p))
        self.live.limits(self.right, (0.0, end), (0.0, tall))
        caption = _caption(setting, ode, escape, overlaps)
        if setting.runs:
            self.later(self.runs(setting, caption, escape))
        return caption

    def runs(self, setting: Setting, caption: Caption, escape: float) -> Pieces:
        """Add the law of the escape time, then the runs, about ten times a second."""
        law = ""
        # For p < p* half of the loss may not be lost from every start: then there is no law
        with suppress(ValueError):
            if math.isfinite(escape):
                t = escape_law(setting.task, setting.N, setting.eta, setting.constraint)
                law = f" (law for large N: {number(t.mean)} ± {number(t.std)})"
                x, y = [t.mean - t.std, t.mean + t.std], [setting.half, setting.half]
                yield partial(self.law.set_data, x, y)
        runs: list[Trajectory] = []
        shown = time.monotonic()
        for k in range(setting.runs):
            runs.append(_sgd(setting, k))
            if time.monotonic() - shown > 0.1 or k == setting.runs - 1:
                yield partial(self.show, setting, runs, caption, law, escape)
                shown = time.monotonic()
            yield None

    def show(
        self, setting: Setting, runs: list[Trajectory], caption: Caption, law: str, ode: float
    ) -> Caption:
        """Draw these runs, and say when they escape."""
        self.sgd.set_data(*joined([run.alpha for run in runs], [run.loss for run in runs]))
        times = [float(first_passage(run.alpha, run.loss, setting.half)) for run in runs]
        escaped = np.array([t for t in times if math.isfinite(t)])
        self.escapes.set_data(escaped, np.full(len(escaped), setting.half))
        how = "sample by sample" if setting.method == "overlaps" else "by the diffusion"
        text = f"{len(escaped)} of {len(runs)} SGD runs ({how}) escape"
        summary = f"{text}."
        if len(escaped):
            when = f" at α = {number(escaped.mean())} ± {number(escaped.std())}"
            summary = f"SGD escapes{when}, the ODE at {number(ode)}{law}."
            text += when + law
            if escaped.mean() < ode:
                text += (
                    ", earlier than the ODE: the samples' noise lets M grow on the plateau, "
                    "which the limit of large N leaves out"
                )
        diverged = sum(run.alpha[-1] < setting.end for run in runs)
        if diverged:
            text += f"; {diverged} diverge"
        return caption._replace(alt=f"{caption.alt} {text}.", summary=summary)

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls for the ODE, its plateau, the law of escape and the runs."""
        s = _setting(values)
        points = len(_ode(s).alpha)
        noise = f", label_noise={s.task.label_noise:g}" if s.task.label_noise else ""
        norms = f', constraint="{s.constraint}"' if s.constraint == "spherical" else ""
        cut = f"[:{points}]  # then it diverges" if points < _POINTS else ""
        lines = [
            "import numpy as np",
            "import quadlib as ql",
            f"task, N, eta = ql.Task({s.task.p}, {s.task.p_star}{noise}), {s.N}, {s.eta:g}",
            f"alpha = np.linspace(0, {s.end:g}, {_POINTS}){cut}",
            f"start = ql.random_overlaps(task, N, rng={s.seed}{norms})",
            f"ode = ql.integrate(task, start, eta=eta, alpha=alpha, rtol={_RTOL:g}{norms})",
        ]
        if s.plateau:
            lines.append(f"plateau = ql.plateau(task, eta{norms}).loss")
        if s.plateau and math.isfinite(ode_escape := _escape(s)):
            lines.append(f"law = ql.escape_law(task, N, eta{norms})  # the ODE: {ode_escape:.4g}")
        if s.runs:
            more = f"N=N, runs={s.runs}, seed={s.seed}, method='{s.method}'{norms}"
            lines.append(f"sgd = ql.ensemble(task, eta=eta, alpha=alpha, {more}, progress=False)")
        return "\n".join(lines)


def _setting(values: dict[str, Any]) -> Setting:
    task = Task(values["p"], values["p_star"], label_noise=values["label_noise"])
    N, eta, constraint = round(10 ** values["log_N"]), values["eta"], values["constraint"]
    level = controls.level(task, eta, constraint)
    rate = level.escape_rate if level and level.escape_rate > 0 else 4 * eta / task.p_star
    end = controls.round_up((math.log(N) / 2 + 4) / rate)
    runs, seed = values["runs"], values["seed"]
    return Setting(task, N, eta, constraint, runs, seed, level, min(end, 200 / eta))


def _ode(setting: Setting) -> Trajectory:
    start = random_overlaps(setting.task, setting.N, setting.seed, constraint=setting.constraint)
    return _follow(integrate, setting, start, rtol=_RTOL)


def _escape(setting: Setting) -> float:
    ode = _ode(setting)
    return float(first_passage(ode.alpha, ode.loss, setting.half))


def _sgd(setting: Setting, run: int) -> Trajectory:
    rng = controls.spawned(setting.seed, run)
    more = dict(N=setting.N, rng=rng, method=setting.method, progress=False)
    return _follow(simulate, setting, None, **more)


def _follow(rung: Any, setting: Setting, start: Overlaps | None, **more: Any) -> Trajectory:
    """Return the trajectory, as far as it goes."""
    more |= dict(eta=setting.eta, constraint=setting.constraint)
    try:
        return cast(Trajectory, rung(setting.task, start, alpha=setting.alpha, **more))
    except DivergenceError as error:
        return error.trajectory


def _levels(setting: Setting) -> tuple[Array, Array]:
    levels = [setting.floor] + ([setting.plateau.loss] if setting.plateau else [])
    ends = np.array([0.0, setting.end])
    return joined([ends] * len(levels), [[level, level] for level in levels])


def _caption(
    setting: Setting, ode: Trajectory, escape: float, overlaps: tuple[Array, Array]
) -> Caption:
    task, (Q, M) = setting.task, overlaps
    where = f"p = {task.p}, p* = {task.p_star}, N = {number(setting.N)}, η = {number(setting.eta)}"
    if task.label_noise:
        where += f", label noise {number(task.label_noise)}"
    story = f"the ODE's loss begins at {number(ode.loss[0])}"
    if setting.plateau:
        story += f"; the plateau is at {number(setting.plateau.loss)}"
    if math.isfinite(escape):
        story += f"; half of it is lost at α = {number(escape)}"
    end = f"at α = {number(ode.alpha[-1])} the loss is {number(ode.loss[-1], 2)}"
    alt = (
        f"{setting.constraint.capitalize()} norms, {where}: {story}; {end}. There the singular "
        f"values of M are {controls.span(M[-1])}, the eigenvalues of Q {controls.span(Q[-1])}."
    )
    lost = f"The ODE has lost half of the plateau at α = {number(escape)}; {end}."
    summary = lost if math.isfinite(escape) else f"The ODE does not escape; {end}."
    table = np.column_stack([ode.alpha, ode.loss, M[:, -1], M[:, 0], Q[:, 0], Q[:, -1]])
    return Caption(alt, _COLUMNS, table.tolist(), summary, setting.warning(ode))
