"""The escape from the plateau: the loss, the growth of M under it, and the law of its time."""

import math
import time
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from quadlib.dynamics import simulate
from quadlib.dynamics.ode import integrate
from quadlib.escape import EscapeLaw, escape_law
from quadlib.explorers import controls
from quadlib.live import Caption, Explorer, Pieces
from quadlib.plateau import NoPlateauError, Plateau, plateau
from quadlib.plotting import PALETTE, joined
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory, escape_level, first_passage

__all__ = ["Escape"]

_RUNS, _SHOWN, _BINS = (10, 20, 40, 80, 160, 320), 10, 30
_COLUMNS = ("α", "loss of the ODE", "‖M‖ of the ODE")


class Setting(NamedTuple):
    """What the controls ask for, and the plateau if there is one."""

    task: Task
    N: int
    eta: float
    plateau: Plateau | None
    end: float
    note: str

    @property
    def half(self) -> float:
        """Loss that counts as escape; −inf without a plateau."""
        return escape_level(self.task, self.eta, "free") if self.plateau else -math.inf

    @property
    def attracts(self) -> bool:
        """Whether M does not grow on the plateau, up to rounding."""
        return self.plateau is None or self.plateau.escape_rate <= 1e-6 * self.eta

    @property
    def method(self) -> Any:
        """Every sample where that is quick or needed, else one draw for many samples."""
        return "overlaps" if self.N * self.end <= 2e4 or self.N < 300 else "diffusion"


class Escape(Explorer):
    """Loss and ‖M‖ of the ODE and of SGD, and the histogram of escape times against the law."""

    seconds: ClassVar[float] = 2.0  # after which no more runs are begun

    def build(self) -> dict[str, Any]:
        """Loss over ‖M‖ on the left, escape times on the right."""
        figure = self.live.figure
        figure.set_layout_engine("none")
        grid = figure.add_gridspec(
            2, 2, left=0.075, right=0.975, top=0.92, bottom=0.125, wspace=0.24, hspace=0.12
        )
        self.top = figure.add_subplot(grid[0, 0])
        self.bottom = figure.add_subplot(grid[1, 0], sharex=self.top)
        self.right = figure.add_subplot(grid[:, 1])
        grey, blue, black, orange = (PALETTE[name] for name in ("sgd", "ode", "theory", "flow"))
        thin: Any = dict(color=grey, lw=0.7, alpha=0.8)
        (self.sgd,) = self.top.plot([], [], **thin, label="SGD")
        (self.ode,) = self.top.plot([], [], color=blue, lw=2, label="ODE")
        (self.level,) = self.top.plot([], [], color=black, ls=":", lw=1.2, label="plateau")
        self.note = self.top.set_title("", loc="left", fontsize="medium", color=orange)
        (self.sgd_M,) = self.bottom.plot([], [], **thin)
        (self.ode_M,) = self.bottom.plot([], [], color=blue, lw=2, label="ODE")
        (self.growth,) = self.bottom.plot([], [], color=orange, ls="--", label="√(q/q₀) $e^{rα}$")
        self.edges = np.arange(_BINS + 1.0)
        self.bars = self.right.stairs(
            np.zeros(_BINS), self.edges, fill=True, color=grey, alpha=0.6, label="SGD"
        )
        (self.law,) = self.right.plot([], [], color=black, lw=2, label="law")
        (self.bare,) = self.right.plot(
            [], [], color=orange, ls="--", label="law without plateau noise"
        )
        where: Any = dict(transform=self.right.transAxes, ha="center", color=orange)
        self.nothing = self.right.text(0.5, 0.5, "", **where)
        self.top.set(ylabel="population loss")
        self.top.tick_params(labelbottom=False)
        self.bottom.set(xlabel="α = samples / N", ylabel="‖M‖", yscale="log")
        self.right.set(xlabel="escape time α", ylabel="probability density")
        self.live.animate(self.sgd, self.ode, self.level, self.note, self.sgd_M, self.ode_M)
        self.live.animate(self.growth, self.bars, self.law, self.bare, self.nothing)
        small: Any = dict(fontsize="small")
        self.top.legend(loc="lower left", **small).set_zorder(1)  # part of the background
        self.bottom.legend(loc="lower right", **small).set_zorder(1)
        self.right.legend(loc="upper right", **small).set_zorder(1)
        return {
            "p": controls.units(),
            "p_star": controls.teachers(),
            "eta": controls.learning_rate(0.1),
            "log_N": controls.log_dimension(6.0),
        }

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw the ODE and the growth rate at once; the law and the runs follow."""
        setting = _setting(values)
        start = random_overlaps(setting.task, setting.N, np.random.default_rng(0))
        ode = _follow(integrate, setting, start, rtol=1e-5)
        norm = np.linalg.norm(ode.M, axis=(1, 2))
        self.ode.set_data(ode.alpha, ode.loss)
        self.ode_M.set_data(ode.alpha, norm)
        for line in (self.sgd, self.sgd_M, self.level, self.growth, self.law, self.bare):
            line.set_data([], [])
        self.bars.set_data(np.zeros(_BINS))
        self.note.set_text(setting.note)
        self.nothing.set_text("no escape, no law" if setting.attracts else "")
        top = ode.loss[0]
        if setting.plateau:
            ends = np.array([0.0, setting.end])
            self.level.set_data(ends, [setting.plateau.loss] * 2)
            # (3.2), with the growth rate at this learning rate; q₀ = 1
            line = norm[0] * math.sqrt(setting.plateau.q)
            self.growth.set_data(ends, line * np.exp(setting.plateau.escape_rate * ends))
            top = max(top, setting.plateau.loss)
        self.live.limits(self.top, (0.0, setting.end), (0.0, controls.round_up(1.05 * top)))
        low = 10.0 ** math.floor(math.log10(norm[0]) - 0.3)
        self.live.limits(self.bottom, (0.0, setting.end), (low, 30.0))
        caption = _caption(setting, ode, norm)
        self.later(self.runs(setting, caption))
        return caption

    def runs(self, setting: Setting, caption: Caption) -> Pieces:
        """Add the law, then the runs, twice as many each time."""
        law = None
        if not setting.attracts:
            try:
                law = escape_law(setting.task, setting.N, setting.eta)
                bare = escape_law(setting.task, setting.N, setting.eta, plateau_noise=False)
            except ValueError:
                text = "half of the plateau's loss is not lost from every start"
                caption = caption._replace(alt=f"{caption.alt} No law: {text}.")
                yield partial(self.nothing.set_text, "no law: " + text.replace(" is", "\nis"))
            else:
                caption = caption._replace(
                    alt=f"{caption.alt} The law of the escape time: {law.mean:.1f} ± "
                    f"{law.std:.2f}; without the noise collected on the plateau {bare.mean:.1f}."
                )
                yield partial(self.show_law, law, bare, caption)
        runs: list[Trajectory] = []
        begun = time.monotonic()
        for number in _RUNS if law else _RUNS[:1]:  # a histogram needs the law's limits
            for k in range(len(runs), number):
                more = dict(rng=np.random.default_rng((0, k)), method=setting.method)
                runs.append(_follow(simulate, setting, None, N=setting.N, progress=False, **more))
            yield partial(self.show_runs, setting, list(runs), caption)
            if time.monotonic() - begun > self.seconds:
                break

    def show_law(self, law: EscapeLaw, bare: EscapeLaw, caption: Caption) -> Caption:
        """Draw the densities, in limits that seldom change."""
        step = controls.round_up(law.std)
        middle = step * round(law.mean / step)
        low, high = max(0.0, middle - 4 * step), middle + 5 * step
        alpha = np.linspace(low, high, 200)
        density = law.density(alpha)
        self.law.set_data(alpha, density)
        self.bare.set_data(alpha, bare.density(alpha))
        self.edges = np.linspace(low, high, _BINS + 1)
        self.bars.set_data(np.zeros(_BINS), self.edges)
        self.live.limits(self.right, (low, high), (0.0, controls.round_up(1.5 * density.max())))
        return caption

    def show_runs(self, setting: Setting, runs: list[Trajectory], caption: Caption) -> Caption:
        """Draw these runs, and say when they escape."""
        first = runs[:_SHOWN]
        times = [run.alpha for run in first]
        self.sgd.set_data(*joined(times, [run.loss for run in first]))
        self.sgd_M.set_data(*joined(times, [np.linalg.norm(r.M, axis=(1, 2)) for r in first]))
        passages = np.array([first_passage(run.alpha, run.loss, setting.half) for run in runs])
        escaped = passages[np.isfinite(passages)]
        how = "sample by sample" if setting.method == "overlaps" else "by the diffusion"
        text = f"{len(escaped)} of {len(runs)} SGD runs ({how}) escape"
        if len(escaped):
            text += f" at α = {escaped.mean():.1f} ± {escaped.std():.2f}"
            edges = self.edges
            width = (edges[1] - edges[0]) * len(escaped)
            self.bars.set_data(np.histogram(escaped, edges)[0] / width)
        return caption._replace(alt=f"{caption.alt} {text}.")


def _setting(values: dict[str, Any]) -> Setting:
    task, N, eta = Task(values["p"], values["p_star"]), round(10 ** values["log_N"]), values["eta"]
    note, level = "", None
    try:
        level = plateau(task, eta)
    except NoPlateauError:
        note = f"No plateau exists at η = {eta:g}: student norms grow without bound."
    rate = 4 * eta / task.p_star
    setting = Setting(task, N, eta, level, 0.0, note)
    if level and setting.attracts:
        note = f"The plateau is not left at η = {eta:g}: M does not grow."
    elif level:
        rate = level.escape_rate
        note = "p < p*: the loss cannot reach zero." if task.p < task.p_star else ""
    end = min(controls.round_up((math.log(N) / 2 + 4) / rate), 200 / eta)
    return setting._replace(end=end, note=note)


def _follow(rung: Any, setting: Setting, start: Overlaps | None, **more: Any) -> Trajectory:
    """Return the trajectory, as far as it goes."""
    try:
        alpha = np.linspace(0.0, setting.end, 201)
        return cast(Trajectory, rung(setting.task, start, eta=setting.eta, alpha=alpha, **more))
    except DivergenceError as error:
        return error.trajectory


def _caption(setting: Setting, ode: Trajectory, norm: Array) -> Caption:
    task = setting.task
    alt = f"p = {task.p}, p* = {task.p_star}, N = {setting.N:.3g}, η = {setting.eta:g}: "
    if setting.plateau:
        alt += (
            f"the plateau is at loss {setting.plateau.loss:.3f}, where M goes as "
            f"exp({setting.plateau.escape_rate:.3g} α); "
        )
    escape = float(first_passage(ode.alpha, ode.loss, setting.half))
    if math.isfinite(escape):
        alt += f"the ODE has lost half of it at α = {escape:.1f}, and "
    alt += (
        f"the ODE's loss goes from {ode.loss[0]:.3g} to {ode.loss[-1]:.2g} at "
        f"α = {ode.alpha[-1]:.3g}, ‖M‖ from {norm[0]:.2g} to {norm[-1]:.2g}."
    )
    table = np.column_stack([ode.alpha, ode.loss, norm])
    rows: list[list[float]] = table[:: max(1, len(table) // 20)].tolist()
    return Caption(" ".join(filter(None, (setting.note, alt))), _COLUMNS, rows)
