"""What the tour and the escape follow: the ODE, its plateau, and many runs of SGD in slices."""

import math
import pickle
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from quadlib.dynamics.compiled import if_compiled, numba_found
from quadlib.dynamics.components import Components
from quadlib.dynamics.ode import integrate_in_pieces
from quadlib.dynamics.progress import to_the_end
from quadlib.dynamics.together import Together
from quadlib.escape import EscapeLaw
from quadlib.explorers import controls
from quadlib.live import Caption, Pieces
from quadlib.notation import number
from quadlib.passage import first_passage
from quadlib.plateau import NoPlateauError, Plateau, critical_learning_rate, plateau
from quadlib.plotting import joined
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory

POINTS, _RTOL = 161, 1e-5
_SLICE = 0.012  # seconds; a slider waits for one slice at most
_QUICK = threading.Event()  # set where the ODE is compiled


class Setting(NamedTuple):
    """What the controls ask for, and the plateau, if there is one."""

    task: Task
    N: int
    eta: float
    constraint: Any
    seed: int
    plateau: Plateau | None
    end: float

    @property
    def alpha(self) -> Array:
        """Recorded times."""
        return np.linspace(0.0, self.end, POINTS)

    @property
    def floor(self) -> float:
        """Loss that label noise leaves."""
        return self.task.label_noise / 2

    @property
    def half(self) -> float:
        """Loss that counts as escape, half way down from the plateau; −inf without one."""
        return (self.plateau.loss + self.floor) / 2 if self.plateau else -math.inf

    @property
    def method(self) -> Any:
        """How SGD is drawn."""
        return method(self.N, self.end)

    @property
    def leaves(self) -> bool:
        """Whether M grows on the plateau, beyond rounding."""
        return self.plateau is not None and self.plateau.escape_rate > 1e-6 * self.eta

    def ode(self) -> Trajectory:
        """Return the ODE from a random start, as far as it goes."""
        start = random_overlaps(self.task, self.N, self.seed, constraint=self.constraint)
        more: Any = dict(alpha=self.alpha, eta=self.eta, constraint=self.constraint, rtol=_RTOL)
        return as_far(self.task, start, **more)

    def warning(self, ode: Trajectory) -> str:
        """One sentence if this setting spoils the story, else nothing."""
        eta, lower = f"η = {number(self.eta)}", "Lower the learning rate η."
        too_large = f"{eta} is too large"
        if len(ode.alpha) < POINTS:
            when = f"after α = {number(ode.alpha[-1])}" if ode.alpha[-1] else "at once"
            return f"{too_large}: the ODE diverges {when}. {lower}"
        if self.plateau is None:
            return f"{too_large}: the norms grow, there is no plateau. {lower}"
        if not self.leaves:
            return f"{too_large}: on the plateau M shrinks, nothing escapes. {lower}"
        if self.task.p < self.task.p_star:
            return "Fewer student than teacher units: the loss cannot reach zero. Raise p."
        return repelled(self.task, self.eta)

    def runs(self, count: int, first: int = 0) -> Together:
        """Return runs of SGD at α = 0, from the number `first` on."""
        more: Any = dict(eta=self.eta, alpha=self.alpha, N=self.N, constraint=self.constraint)
        return begun(self.task, count, self.seed, first=first, method=self.method, **more)

    def drawn(self, runs: int) -> int:
        """Return how many of these runs are drawn."""
        return drawn(runs, self.task, self.N, self.eta, self.end, self.method)

    def calls(self, ode: Trajectory, runs: int) -> list[str]:
        """Return the library calls behind the ODE, the plateau and this many runs."""
        task, N, norms = self.task, self.N, ""
        if self.constraint != "free":
            norms = f', constraint="{self.constraint}"'
        noise = f", label_noise={task.label_noise}" if task.label_noise else ""
        cut = f"[:{len(ode.alpha)}]  # then it diverges" if len(ode.alpha) < POINTS else ""
        lines = [
            "import numpy as np",
            "import quadlib as ql",
            f"task, N, eta = ql.Task({task.p}, {task.p_star}{noise}), {N}, {self.eta:g}",
            f"alpha = np.linspace(0, {self.end:g}, {POINTS}){cut}",
            f"start = ql.random_overlaps(task, N, rng={self.seed}{norms})",
            f"ode = ql.integrate(task, start, eta=eta, alpha=alpha, rtol={_RTOL:g}{norms})",
        ]
        if self.plateau:
            lines.append(f"plateau = ql.plateau(task, eta{norms})")
        if runs:
            how = f"seed={self.seed}, method='{self.method}'{norms}, progress=False"
            lines.append(f"sgd = ql.ensemble(task, eta=eta, alpha=alpha, N=N, runs={runs}, {how})")
        return lines


def as_far(task: Task, start: Overlaps, **how: Any) -> Trajectory:
    """Return the ODE as far as it goes: half of a move's time, and a slider often comes back."""
    return _as_far(pickle.dumps((task, start, how)))


@lru_cache(64)
def _as_far(asked: bytes) -> Trajectory:
    task, start, how = pickle.loads(asked)
    return to_the_end(in_pieces(task, start, **how))


def in_pieces(task: Task, start: Overlaps, **how: Any) -> Generator[None, None, Trajectory]:
    """`as_far` in slices, of arguments of `integrate`."""
    how = dict(gradient_noise=True, compiled=_QUICK.is_set()) | how
    try:
        return (yield from integrate_in_pieces(task, start, **how))
    except DivergenceError as error:
        return error.trajectory


def quicken() -> Iterator[None]:
    """Compile the ODE, or load it: in late pieces, since no picture should wait for it."""
    if numba_found() and not _QUICK.is_set():
        task = Task(1, 1)
        motion = Components(task, random_overlaps(task, 10, 0), 0.1, "free", True, compiled=True)
        motion.derivative(0.0, motion.start)
        yield None
        motion.derivative(0.0, motion.start.astype(complex))  # for its Jacobian
        _QUICK.set()


def level_of(task: Task, eta: float, constraint: Any = "free") -> Plateau | None:
    """Return the plateau, if there is one."""
    with suppress(NoPlateauError):
        return plateau(task, eta, constraint)
    return None


def repelled(task: Task, eta: float) -> str:
    """Return one sentence if solutions repel at this learning rate, else nothing."""
    critical = critical_learning_rate(task)
    what = f"η = {number(eta)} is not below its critical value {number(critical)}"
    return f"{what}: solutions repel. Lower the learning rate η." * (eta >= critical)


def setting(values: dict[str, Any]) -> Setting:
    """Return the setting for these values of the controls."""
    task = Task(values["p"], values["p_star"], label_noise=values.get("label_noise", 0.0))
    N, eta = round(10 ** values["log_N"]), values["eta"]
    constraint = values.get("constraint", "free")
    level = level_of(task, eta, constraint)
    now = Setting(task, N, eta, constraint, values.get("seed", 0), level, 0.0)
    rate = level.escape_rate if level and now.leaves else 4 * eta / task.p_star
    end = controls.round_up((math.log(N) / 2 + 4) / rate)
    return now._replace(end=min(end, 200 / eta))


def method(N: int, end: float) -> Any:
    """Return "overlaps", every sample, where it takes a second or has to be, else "diffusion"."""
    affordable, smallest = if_compiled((250_000, 300), (5000, 100))  # twenty runs, half a second
    return "overlaps" if N * end <= affordable or N < smallest else "diffusion"


def drawn(
    runs: int, task: Task, N: int, eta: float, end: float, method: str, step: float | None = None
) -> int:
    """Return how many of these runs there are: half a second of them if nothing is compiled."""
    each, together = 2e-6 + 1.5e-7 * (task.p + task.p_star) ** 2, 3e-4  # seconds a step
    steps = end / (step or 0.0125 / eta)
    if method == "overlaps":
        steps, each, together = N * end, 2e-6, 5e-5
    few = int(np.clip((0.45 / steps - together) / each, min(runs, 6), runs))
    return if_compiled(runs, few)


def how(runs: Together, asked: int) -> str:
    """Return what a picture says of how runs are drawn, and of what is missing."""
    way = "sample by sample" if runs.method == "overlaps" else "by the diffusion"
    less = controls.fewer(
        f"{len(runs.state)} of {asked} drawn" * (len(runs.state) < asked),
        f"to α = {number(max(runs.done))}" * if_compiled(False, runs.active),
    )
    return f"{way}; {less}" if less else way


def begun(
    task: Task, runs: int, seed: Any, start: Overlaps | None = None, first: int = 0, **more: Any
) -> Together:
    """Return runs of ``ensemble(task, start=start, seed=seed, ...)`` from a number on, at α = 0."""
    norms: Any = more.get("constraint", "free")
    how = more["N"], more["eta"], more["alpha"][-1], more["method"], more.get("step")
    seeds = np.random.SeedSequence(seed).spawn(first + drawn(runs, task, *how))[first:]

    def begin(rng: np.random.Generator) -> Overlaps:
        return start or random_overlaps(task, more["N"], rng, constraint=norms)

    return Together(task, begin, [np.random.default_rng(s) for s in seeds], **more)


def advance(runs: Together, end: float) -> Iterator[None]:
    """Go on until all runs are done, or until `end`, a slice at a time."""
    while runs.advance(_SLICE) and time.process_time() < end:
        yield None
    yield from quicken()


def followed(runs: Together, end: float, show: Callable[[], Caption]) -> Pieces:
    """Go on as `advance`; show the runs about ten times a second, and at the end."""
    shown = time.monotonic()
    for _ in advance(runs, end):
        if time.monotonic() - shown > 0.1:
            yield show
            shown = time.monotonic()
        yield None
    yield show


def curves(runs: Together, values: Array) -> tuple[Array, Array]:
    """Return what one line draws of all runs; nothing where nothing is recorded."""
    seen = np.where(np.isfinite(values), values, np.nan)
    return joined([runs.alpha] * len(seen), seen)


def outcome(runs: Sequence[Together], asked: int, escaped: Array, law: EscapeLaw | None) -> str:
    """Return how many of these runs escape, when, what the law says, and how many diverge."""
    diverged = sum(int(part.diverged.sum()) for part in runs)
    text = f"{len(escaped)} of {sum(len(part.loss) for part in runs)} SGD runs "
    text += f"({how(runs[0], asked)}) "
    text += "escape" if len(escaped) or diverged else "lose half of the plateau's loss"
    if len(escaped):
        text += f" at α = {number(escaped.mean())}"
    if len(escaped) > 1:
        text += f" ± {number(escaped.std())}"
    if law:
        doubt = "for large N, not good here" if math.isfinite(law.neglected) else "not tested here"
        name = "law" if law.trusted else f"law {doubt}"
        text += f" ({name}: {number(law.mean)} ± {number(law.std)})"
    return f"{text}; {diverged} diverge" if diverged else text


def doubts(law: EscapeLaw) -> str:
    """Return one sentence if the law is not to be trusted, else nothing."""
    if law.trusted:
        return ""
    if law.divergence >= 0.02:
        return "The law is not good here: some runs blow up first. Lower the learning rate η."
    return "The law (dotted) is the limit of large N, and not good here. Raise log₁₀ N."


def passages(runs: Together, level: float) -> Array:
    """Return the escape times of the runs that have escaped."""
    times = first_passage(runs.alpha, runs.loss, level)
    return times[np.isfinite(times)]
