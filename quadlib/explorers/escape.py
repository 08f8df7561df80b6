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
from quadlib.notation import number
from quadlib.plateau import Plateau
from quadlib.plotting import PALETTE, joined
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory, escape_level, first_passage

__all__ = ["Escape"]

_RUNS, _SHOWN, _BINS, _POINTS = (10, 20, 40, 80, 160, 320), 10, 30, 201
_COLUMNS = ("α", "loss of the ODE", "‖M‖ of the ODE")


class Setting(NamedTuple):
    """What the controls ask for, and the plateau if there is one."""

    task: Task
    N: int
    eta: float
    plateau: Plateau | None
    end: float

    @property
    def alpha(self) -> Array:
        """Recorded times."""
        return np.linspace(0.0, self.end, _POINTS)

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

    def growth(self, norm: float) -> Array:
        """‖M‖ that grows from its first value at the plateau's rate, (3.2) with q₀ = 1."""
        q, rate = (self.plateau.q, self.plateau.escape_rate) if self.plateau else (math.nan, 0.0)
        return np.asarray(norm * math.sqrt(q) * np.exp(rate * self.alpha))


class Escape(Explorer):
    """Loss and ‖M‖ of the ODE and of SGD, and the histogram of escape times against the law."""

    seconds: ClassVar[float] = 2.0  # after which no more runs are begun

    def build(self) -> dict[str, Any]:
        """Loss over ‖M‖ on the left, escape times on the right."""
        sides = dict(left=0.075, right=0.97, top=0.865, bottom=0.13, wspace=0.2, hspace=0.17)
        grid = self.live.figure.add_gridspec(2, 2, **sides)
        figure = self.live.figure
        self.top, self.bottom = (figure.add_subplot(grid[row, 0]) for row in (0, 1))
        self.right = figure.add_subplot(grid[:, 1])
        grey, blue, black, dark = (PALETTE[name] for name in ("sgd", "ode", "law", "theory"))
        (self.sgd,) = self.top.plot([], [], color=grey, lw=0.7, label="SGD, ten runs")
        (self.ode,) = self.top.plot([], [], color=blue, lw=2, label="ODE")
        (self.level,) = self.top.plot([], [], color=dark, ls=":", lw=1.2, label="plateau")
        (self.sgd_M,) = self.bottom.plot([], [], color=grey, lw=0.7)
        (self.ode_M,) = self.bottom.plot([], [], color=blue, lw=2)
        (self.growth,) = self.bottom.plot([], [], color=dark, ls=":", lw=1.5)
        self.growth.set_label("growth at the plateau's rate, √(q/q₀) exp(rα)")
        self.edges = np.arange(_BINS + 1.0)
        style: Any = dict(fill=True, facecolor="#D9D9D9", edgecolor=grey, label="SGD")
        self.bars = self.right.stairs(np.zeros(_BINS), self.edges, **style)
        (self.law,) = self.right.plot([], [], color=black, lw=2, label="law")
        (self.bare,) = self.right.plot([], [], color=black, ls="--", lw=1.2)
        self.bare.set_label("law without the plateau's noise")
        for ax, y in ((self.top, "population loss"), (self.bottom, "‖M‖")):
            self.live.tidy(ax)
            ax.set(xlabel="α = samples / N" if ax is self.bottom else "", ylabel=y)
            ax.locator_params(axis="y", nbins=3)
        self.live.tidy(self.right)
        self.top.tick_params(labelbottom=False)
        self.live.log(self.bottom.yaxis)
        self.right.set(
            xlabel="escape time α", ylabel="probability density", xlim=(0, 1), ylim=(0, 1)
        )
        self.live.animate(self.sgd, self.ode, self.level, self.sgd_M, self.ode_M, self.growth)
        self.live.animate(self.bars, self.law, self.bare)
        for ax in (self.top, self.bottom, self.right):
            self.live.legend(ax)
        self.count = 0
        return {
            "p": controls.units(),
            "p_star": controls.teachers(),
            "eta": controls.learning_rate(0.1),
            "log_N": controls.log_dimension(6.0),
        }

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw the ODE and the growth rate at once; the law and the runs follow."""
        setting = _setting(values)
        ode = _ode(setting)
        norm = np.linalg.norm(ode.M, axis=(1, 2))
        self.ode.set_data(ode.alpha, ode.loss)
        self.ode_M.set_data(ode.alpha, norm)
        for line in (self.sgd, self.sgd_M, self.level, self.growth, self.law, self.bare):
            line.set_data([], [])
        self.bars.set_data(np.zeros(_BINS))
        self.live.say(self.right, "No escape, no law." if setting.attracts else "")
        top, self.count = ode.loss[0], 0
        if setting.plateau:
            self.level.set_data([0.0, setting.end], [setting.plateau.loss] * 2)
            growth = setting.growth(norm[0])
            self.growth.set_data(setting.alpha, np.where(growth < 10, growth, np.nan))
            top = max(top, setting.plateau.loss)
        self.live.limits(self.top, (0.0, setting.end), (0.0, controls.round_up(1.1 * top)))
        low = 10.0 ** (math.floor(math.log10(norm[0])) - 1)
        self.live.limits(self.bottom, (0.0, setting.end), (low, 10.0))
        caption = _caption(setting, ode, norm)
        self.later(self.runs(setting, caption))
        return caption

    def runs(self, setting: Setting, caption: Caption) -> Pieces:
        """Add the law, then the runs, twice as many each time."""
        law = None
        if not setting.attracts:
            try:
                law = escape_law(setting.task, setting.N, setting.eta)
                yield None
                bare = escape_law(setting.task, setting.N, setting.eta, plateau_noise=False)
            except ValueError:
                text = "No law: half of the plateau's loss is not lost from every start."
                caption = caption._replace(alt=f"{caption.alt} {text}")
                self.live.say(self.right, text.replace(" is", "\nis"))
            else:
                caption = caption._replace(
                    alt=f"{caption.alt} By the law of large N the escape time is "
                    f"{number(law.mean)} ± {number(law.std)}; without the noise collected on the "
                    f"plateau it would be {number(bare.mean)}."
                )
                yield partial(self.show_law, law, bare, caption)
        runs: list[Trajectory] = []
        begun = time.monotonic()
        for number_of in _RUNS if law else _RUNS[:1]:  # a histogram needs the law's limits
            for k in range(len(runs), number_of):
                more = dict(rng=controls.spawned(0, k), method=setting.method)
                runs.append(_follow(simulate, setting, None, N=setting.N, progress=False, **more))
                yield None
            yield partial(self.show_runs, setting, list(runs), caption, law)
            if time.monotonic() - begun > self.seconds:
                break

    def show_law(self, law: EscapeLaw, bare: EscapeLaw, caption: Caption) -> Caption:
        """Draw the densities, in limits that seldom change."""
        step = controls.round_up(law.std)
        middle = step * round(law.mean / step)
        low, high = max(0.0, middle - 4 * step), middle + 5 * step
        alpha = np.linspace(low, high, 200)
        density, other = law.density(alpha), bare.density(alpha)
        self.law.set_data(alpha, density)
        self.bare.set_data(alpha, other)
        self.edges = np.linspace(low, high, _BINS + 1)
        self.bars.set_data(np.zeros(_BINS), self.edges)
        tall = controls.round_up(1.4 * max(density.max(), other.max()))
        self.live.limits(self.right, (low, high), (0.0, tall))
        return caption

    def show_runs(
        self, setting: Setting, runs: list[Trajectory], caption: Caption, law: EscapeLaw | None
    ) -> Caption:
        """Draw these runs, and say when they escape."""
        first, self.count = runs[:_SHOWN], len(runs)
        times = [run.alpha for run in first]
        self.sgd.set_data(*joined(times, [run.loss for run in first]))
        self.sgd_M.set_data(*joined(times, [np.linalg.norm(r.M, axis=(1, 2)) for r in first]))
        passages = np.array([first_passage(run.alpha, run.loss, setting.half) for run in runs])
        escaped = passages[np.isfinite(passages)]
        how = "sample by sample" if setting.method == "overlaps" else "by the diffusion"
        text = f"{len(escaped)} of {len(runs)} SGD runs ({how}) escape"
        if len(escaped):
            text += f" at α = {number(escaped.mean())} ± {number(escaped.std())}"
        if law:
            text += f" (law for large N: {number(law.mean)} ± {number(law.std)})"
            edges = self.edges
            counts = np.histogram(escaped, edges)[0]
            self.bars.set_data(counts / ((edges[1] - edges[0]) * max(len(escaped), 1)))
            beside = len(escaped) - int(counts.sum())
            text += f", {beside} of them beside the histogram" * bool(beside)
        return caption._replace(alt=f"{caption.alt} {text}.", summary=f"{text}.")

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls for the ODE, the law and the runs that are shown."""
        s = _setting(values)
        points = len(_ode(s).alpha)
        cut = f"[:{points}]  # then it diverges" if points < _POINTS else ""
        lines = [
            "import numpy as np",
            "import quadlib as ql",
            f"task, N, eta = ql.Task({s.task.p}, {s.task.p_star}), {s.N}, {s.eta:g}",
            f"alpha = np.linspace(0, {s.end:g}, {_POINTS}){cut}",
            "start = ql.random_overlaps(task, N, rng=0)",
            "ode = ql.integrate(task, start, eta=eta, alpha=alpha, rtol=1e-5)",
        ]
        if s.plateau:
            lines.append("plateau = ql.plateau(task, eta)  # .loss, .q, .escape_rate")
        if len(self.law.get_xdata()):  # type: ignore[arg-type]
            lines.append("law = ql.escape_law(task, N, eta)")
            lines.append("bare = ql.escape_law(task, N, eta, plateau_noise=False)")
        more = f"runs={max(self.count, 1)}, seed=0, method='{s.method}', progress=False"
        return "\n".join([*lines, f"sgd = ql.ensemble(task, eta=eta, alpha=alpha, N=N, {more})"])


def _setting(values: dict[str, Any]) -> Setting:
    task, N, eta = Task(values["p"], values["p_star"]), round(10 ** values["log_N"]), values["eta"]
    setting = Setting(task, N, eta, controls.level(task, eta), 0.0)
    rate = 4 * eta / task.p_star
    if setting.plateau and not setting.attracts:
        rate = setting.plateau.escape_rate
    return setting._replace(end=min(controls.round_up((math.log(N) / 2 + 4) / rate), 200 / eta))


def _ode(setting: Setting) -> Trajectory:
    return _follow(integrate, setting, random_overlaps(setting.task, setting.N, 0), rtol=1e-5)


def _follow(rung: Any, setting: Setting, start: Overlaps | None, **more: Any) -> Trajectory:
    """Return the trajectory, as far as it goes."""
    more |= dict(eta=setting.eta, alpha=setting.alpha)
    try:
        return cast(Trajectory, rung(setting.task, start, **more))
    except DivergenceError as error:
        return error.trajectory


def _caption(setting: Setting, ode: Trajectory, norm: Array) -> Caption:
    task, level = setting.task, setting.plateau
    alt = f"p = {task.p}, p* = {task.p_star}, N = {number(setting.N)}, η = {number(setting.eta)}: "
    if level:
        alt += f"the plateau is at loss {number(level.loss)}, "
        alt += f"where M goes as exp({number(level.escape_rate)} α); "
    escape = float(first_passage(ode.alpha, ode.loss, setting.half))
    summary = "The ODE does not escape."
    if math.isfinite(escape):
        alt += f"the ODE has lost half of it at α = {number(escape)}, and "
        summary = f"The ODE has lost half of the plateau at α = {number(escape)}."
    alt += (
        f"the ODE's loss goes from {number(ode.loss[0])} to {number(ode.loss[-1], 2)} at "
        f"α = {number(ode.alpha[-1])}, ‖M‖ from {number(norm[0], 2)} to {number(norm[-1], 2)}."
    )
    rows = np.column_stack([ode.alpha, ode.loss, norm]).tolist()
    warning = controls.warning(task, setting.eta, level)
    return Caption(alt, _COLUMNS, rows, summary, warning)
