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
from quadlib.plateau import NoPlateauError, Plateau, critical_learning_rate, plateau
from quadlib.plotting import PALETTE, joined
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory, first_passage

__all__ = ["Tour"]

_COLUMNS = ("α", "ODE loss", "M smallest", "M largest", "Q smallest", "Q largest")


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

    def rng(self, run: int) -> np.random.Generator:
        """Return the random numbers of one run; its start comes first."""
        return np.random.default_rng((self.seed, run))

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
            return f"η = {self.eta:g} is too large: the ODE diverges after α = {ode.alpha[-1]:.3g}."
        if self.plateau is None:
            return f"No plateau exists at η = {self.eta:g}: lower η."
        if self.plateau.escape_rate <= 0:
            return f"The plateau attracts at η = {self.eta:g}: lower η."
        if self.task.p < self.task.p_star:
            return "p < p*: the loss cannot reach zero."
        critical = critical_learning_rate(self.task)
        if self.eta > critical:
            return f"η = {self.eta:g} is above η_c = {critical:.3g}: solutions repel."
        return ""


class Tour(Explorer):
    """SGD runs, the ODE they follow, its plateau and the time of escape; and the overlaps."""

    def build(self) -> dict[str, Any]:
        """Loss on the left; singular values of the overlaps on the right."""
        figure = self.live.figure
        figure.set_layout_engine("none")
        sides = dict(left=0.075, right=0.985, top=0.91, bottom=0.13, wspace=0.17)
        self.left, self.right = figure.subplots(1, 2, gridspec_kw=sides)
        grey, blue, black, orange = (PALETTE[name] for name in ("sgd", "ode", "theory", "ode"))
        (self.sgd,) = self.left.plot([], [], color=grey, lw=0.7, alpha=0.8, label="SGD runs")
        (self.ode,) = self.left.plot([], [], color=blue, lw=2, label="ODE, dot: escape")
        (self.levels,) = self.left.plot([], [], color=black, ls=":", lw=1.2, label="plateau, floor")
        (self.law,) = self.left.plot([], [], "|-", color=black, lw=2.5, ms=12, mew=2)
        self.law.set_label("escape: mean ± std")
        (self.escapes,) = self.left.plot([], [], "o", color="0.35", ms=3)
        (self.ode_escape,) = self.left.plot([], [], "o", color=blue, ms=7)
        self.note = self.left.set_title("", loc="left", fontsize="medium", color=PALETTE["flow"])
        self.left.set(xlabel="α = samples / N", ylabel="population loss")
        (self.Q,) = self.right.plot([], [], color=orange, label="eigenvalues of Q")
        (self.M,) = self.right.plot([], [], color=blue, label="singular values of M")
        self.right.set(xlabel="α = samples / N", ylabel="overlaps of the ODE")
        self.live.animate(self.sgd, self.ode, self.levels, self.law, self.escapes, self.ode_escape)
        self.live.animate(self.note, self.Q, self.M)
        for ax, corner in ((self.left, "upper right"), (self.right, "upper left")):
            # Under the lines it belongs to the background: its text would cost 10 ms a move
            ax.legend(loc=corner, fontsize="small", ncols=2).set_zorder(1)
        return {
            "p": controls.students(),
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
        note = setting.warning(ode)
        overlaps = np.linalg.eigvalsh(ode.Q), np.linalg.svd(ode.M, compute_uv=False)
        self.ode.set_data(ode.alpha, ode.loss)
        self.ode_escape.set_data([escape], [setting.half])
        self.levels.set_data(*_levels(setting))
        self.note.set_text(note)
        for line, curves in zip((self.Q, self.M), overlaps, strict=True):
            line.set_data(*joined([ode.alpha] * curves.shape[1], curves.T))
        for empty in (self.sgd, self.law, self.escapes):
            empty.set_data([], [])
        # A run that blows up leaves the picture
        high = min(ode.loss.max(), 1.5 * max(ode.loss[0], setting.half))
        end = min(setting.end, controls.round_up(2 * ode.alpha[-1]))
        self.live.limits(self.left, (0.0, end), (0.0, controls.round_up(1.25 * high)))
        tall = controls.round_up(1.2 * min(float(overlaps[0].max()), 2 * setting.task.p))
        self.live.limits(self.right, (0.0, end), (0.0, tall))
        caption = _caption(setting, ode, escape, note, overlaps)
        if setting.runs:
            self.later(self.runs(setting, caption, math.isfinite(escape)))
        return caption

    def runs(self, setting: Setting, caption: Caption, escaped: bool) -> Pieces:
        """Add the law of the escape time, then the runs, about ten times a second."""
        law = ""
        # For p < p* half of the loss may not be lost from every start: then there is no law
        with suppress(ValueError):
            if escaped:
                t = escape_law(setting.task, setting.N, setting.eta, setting.constraint)
                law = f" (law: {t.mean:.1f} ± {t.std:.1f})"
                x, y = [t.mean - t.std, t.mean + t.std], [setting.half, setting.half]
                yield partial(self.law.set_data, x, y)
        runs: list[Trajectory] = []
        shown = time.monotonic()
        for k in range(setting.runs):
            runs.append(_sgd(setting, k))
            if time.monotonic() - shown > 0.1 or k == setting.runs - 1:
                yield partial(self.show, setting, runs, caption, law)
                shown = time.monotonic()

    def show(self, setting: Setting, runs: list[Trajectory], caption: Caption, law: str) -> Caption:
        """Draw these runs, and say when they escape."""
        self.sgd.set_data(*joined([run.alpha for run in runs], [run.loss for run in runs]))
        times = [float(first_passage(run.alpha, run.loss, setting.half)) for run in runs]
        escaped = np.array([t for t in times if math.isfinite(t)])
        self.escapes.set_data(escaped, np.full(len(escaped), setting.half))
        how = "sample by sample" if setting.method == "overlaps" else "by the diffusion"
        text = f"{len(escaped)} of {len(runs)} SGD runs ({how}) escape"
        if len(escaped):
            text += f" at α = {escaped.mean():.1f} ± {escaped.std():.1f}{law}"
        diverged = sum(run.alpha[-1] < setting.end for run in runs)
        if diverged:
            text += f", {diverged} diverge"
        return caption._replace(alt=f"{caption.alt} {text}.")


def _setting(values: dict[str, Any]) -> Setting:
    task = Task(values["p"], values["p_star"], label_noise=values["label_noise"])
    N, eta, constraint = round(10 ** values["log_N"]), values["eta"], values["constraint"]
    try:
        level = plateau(task, eta, constraint)
    except NoPlateauError:
        level = None
    rate = level.escape_rate if level and level.escape_rate > 0 else 4 * eta / task.p_star
    end = controls.round_up((math.log(N) / 2 + 4) / rate)
    runs, seed = values["runs"], values["seed"]
    return Setting(task, N, eta, constraint, runs, seed, level, min(end, 200 / eta))


def _ode(setting: Setting) -> Trajectory:
    start = random_overlaps(setting.task, setting.N, setting.rng(0), constraint=setting.constraint)
    return _follow(integrate, setting, start, rtol=1e-5)


def _sgd(setting: Setting, run: int) -> Trajectory:
    more = dict(N=setting.N, rng=setting.rng(run), method=setting.method, progress=False)
    return _follow(simulate, setting, None, **more)


def _follow(rung: Any, setting: Setting, start: Overlaps | None, **more: Any) -> Trajectory:
    """Return the trajectory, as far as it goes."""
    more |= dict(eta=setting.eta, constraint=setting.constraint)
    try:
        run = rung(setting.task, start, alpha=np.linspace(0.0, setting.end, 201), **more)
        return cast(Trajectory, run)
    except DivergenceError as error:
        return error.trajectory


def _levels(setting: Setting) -> tuple[Array, Array]:
    levels = [setting.floor] + ([setting.plateau.loss] if setting.plateau else [])
    ends = np.array([0.0, setting.end])
    return joined([ends] * len(levels), [[level, level] for level in levels])


def _caption(
    setting: Setting, ode: Trajectory, escape: float, note: str, overlaps: tuple[Array, Array]
) -> Caption:
    task, (Q, M) = setting.task, overlaps
    where = f"p = {task.p}, p* = {task.p_star}, N = {setting.N:,}, η = {setting.eta:g}"
    if task.label_noise:
        where += f", label noise {task.label_noise:g}"
    story = f"the ODE's loss begins at {ode.loss[0]:.3g}"
    if setting.plateau:
        story += f"; the plateau is at {setting.plateau.loss:.3f}"
    if math.isfinite(escape):
        story += f"; half of it is lost at α = {escape:.1f}"
    story += f"; at α = {ode.alpha[-1]:.3g} the loss is {ode.loss[-1]:.2g}"
    alt = (
        f"{setting.constraint.capitalize()} norms, {where}: {story}. Singular values of M reach "
        f"{M[-1].min():.2f} to {M[-1].max():.2f}, eigenvalues of Q {Q[-1].min():.2f} to "
        f"{Q[-1].max():.2f}."
    )
    table = np.column_stack([ode.alpha, ode.loss, M[:, -1], M[:, 0], Q[:, 0], Q[:, -1]])
    rows: list[list[float]] = table[:: max(1, len(table) // 20)].tolist()
    return Caption(" ".join(filter(None, (note, alt))), _COLUMNS, rows)
