"""One overlap along SGD runs and along the ODE, and how their distance falls with N."""

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import ipywidgets
import numpy as np

from quadlib.checks import check_dimension
from quadlib.dynamics import simulate
from quadlib.dynamics.ode import integrate
from quadlib.explorers import controls
from quadlib.live import Caption, Explorer, Pieces
from quadlib.plotting import PALETTE
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory

__all__ = ["SgdToOde"]

_SIZES = (10**2, 10**3, 10**4, 10**6, 10**8)
_RUNS, _START_N, _POINTS = 6, 40, 201
_ROUND = np.outer(10.0 ** np.arange(-3, 5), [1, 1.5, 2, 3, 4, 6, 8]).ravel()
_FOLLOW = ("Q₁₁", "Q₁₂", "M₁₁", "M₁₂", "loss")
_BUDGET = 3e6
"""Samples times units up to which a run is the exact chain, about 50 ms; then the diffusion."""


class SgdToOde(Explorer):
    """SGD at one N beside the ODE from the same start; their distance at many N."""

    def build(self) -> dict[str, Any]:
        """The followed overlap against α on the left, its distance against N on the right."""
        figure = self.live.figure
        figure.set_layout_engine("none")
        # places of its own: the limits of the left axes change often
        left = figure.add_axes((0.09, 0.135, 0.5, 0.84))
        right = figure.add_axes((0.675, 0.135, 0.315, 0.785))
        self.left, self.right = left, right
        self.sgd = [left.plot([], [], lw=0.8, color=PALETTE["sgd"])[0] for _ in range(_RUNS)]
        self.sgd[0].set_label(f"SGD, {_RUNS} runs")
        (self.flow,) = left.plot(
            [], [], "--", lw=1.5, color=PALETTE["flow"], label="ODE without gradient noise"
        )
        (self.ode,) = left.plot(
            [], [], lw=2, color=PALETTE["ode"], label="ODE with gradient noise (η²)"
        )
        left.set(xlabel="α = samples / N", xlim=(0, 60), ylim=(-0.5, 1.5))
        left.legend(loc="upper right", fontsize="small")
        (self.law,) = right.plot([], [], color=PALETTE["theory"], lw=1, ls=":", label="slope −½")
        (self.floor,) = right.plot(
            [], [], color=PALETTE["flow"], lw=1.5, ls="--", label="what the η² term adds"
        )
        (self.dots,) = right.plot([], [], "o", color=PALETTE["sgd"], ms=6, label="SGD − ODE")
        (self.here,) = right.plot([], [], "D", color=PALETTE["law"], ms=8, label="this N")
        right.set(xscale="log", yscale="log", xlim=(7, 1.5e8), ylim=(3e-6, 3), xlabel="N")
        right.set_title("root mean square distance", fontsize="medium")
        right.legend(loc="lower left", fontsize="small")
        moving = (self.flow, self.ode, self.law, self.floor, self.dots, self.here)
        self.live.animate(*self.sgd, *moving)
        return {
            "log_N": controls.log_dimension(3.0, 8.0),
            "eta": controls.learning_rate(),
            "p": controls.units(4, 8),
            "p_star": controls.teachers(2, 4),
            "gradient_noise": ipywidgets.Checkbox(
                True, description="gradient noise in the ODE", indent=False
            ),
            "label_noise": ipywidgets.FloatSlider(
                0.0, min=0, max=1, step=0.1, readout_format=".1f", description="label noise"
            ),
            "overlap": ipywidgets.Dropdown(options=_FOLLOW, value="M₁₁", description="follow"),
            "start": ipywidgets.ToggleButtons(
                options=["same at every N", "random at each N"], description="start"
            ),
            "seed": ipywidgets.Button(description="new seed"),
        }

    def draw(self, v: dict[str, Any]) -> Caption:
        """Both ODEs now; runs and distances a moment later."""
        task = Task(v["p"], v["p_star"], label_noise=v["label_noise"])
        what, N = v["overlap"], check_dimension(round(10 ** v["log_N"]), task.p, task.p_star)
        if what[1:] == "₁₂" and (task.p if what[0] == "Q" else task.p_star) == 1:
            units = "p" if what[0] == "Q" else "p*"
            raise ValueError(f"{what} needs {units} of at least 2, got 1; follow {what[0]}₁₁.")
        fixed = v["start"] == "same at every N"
        case = _Case(task, v["eta"], fixed, v["seed"])
        odes = {noise: case.ode(N, noise) for noise in (True, False)}
        chosen = odes[v["gradient_noise"]]
        for line, noise in ((self.ode, True), (self.flow, False)):
            line.set_data(odes[noise].alpha, followed(odes[noise], what))
            # the chosen one is drawn strong
            line.set(alpha=1.0 if noise == v["gradient_noise"] else 0.45)
        values = followed(chosen, what)
        self.live.limits(self.left, (0.0, case.end(N)), _limits(values))
        if self.left.get_ylabel() != what:
            self.left.set_ylabel(what)
        for artist in (*self.sgd, self.law, self.floor, self.dots, self.here):
            artist.set_data([], [])
        name = "ODE" if v["gradient_noise"] else "ODE without gradient noise"
        alt = (
            f"{name}: {what} goes from {values[0]:.3g} at α = 0 to {values[-1]:.3g} at "
            f"α = {chosen.alpha[-1]:.3g}" + ", where it diverges" * _diverged(chosen) + "."
        )
        picked = slice(0, None, 10)
        rows = list(zip(chosen.alpha[picked].tolist(), values[picked].tolist(), strict=True))
        caption = Caption(alt, ("α", f"{what} of the {name}"), rows)
        self.later(self._runs(case, N, v["gradient_noise"], what, caption))
        return caption

    def _runs(self, case: "_Case", N: int, noise: bool, what: str, caption: Caption) -> Pieces:
        ode = case.ode(N, noise)
        runs = [case.run(N, i) for i in range(_RUNS)]
        mean, lost = _rms([_miss(run, ode, what) for run in runs]), sum(map(_diverged, runs))
        said = f"are {mean:.2g} from it in root mean square" if mean < math.inf else "do not"
        said = f"{_RUNS} SGD runs at N = {N:.3g} {said}"
        if lost:
            said = f"{lost} of {_RUNS} SGD runs at N = {N:.3g} diverge"
        alt = f"{caption.alt[:-1]}; {said}."

        def grey() -> Caption:
            for line, run in zip(self.sgd, runs, strict=True):
                line.set_data(run.alpha, followed(run, what))
            self.here.set_data([N], [mean])
            return caption._replace(alt=alt)

        yield grey
        found: dict[int, float] = {}
        for size in _SIZES:
            miss = case.miss(size, noise, what)
            if math.isfinite(miss):
                found[size] = miss
                yield partial(self.dots.set_data, list(found), list(found.values()))
        if len(found) < 2:
            return
        sizes, distances = list(found), list(found.values())
        span = np.array([7.0, 1.5e8])
        gap = _miss(case.ode(N, True), case.ode(N, False), what)
        last = sizes[-1] if case.fixed else sizes[0]  # the largest is closest to the limit
        law = case.miss(last, True, what) * (span / last) ** -0.5
        slope = float(np.polyfit(np.log(sizes), np.log(distances), 1)[0])
        end = f"; from N = {sizes[0]:.0e} to {sizes[-1]:.0e} the distance scales as N^{slope:.2f}."
        rows = [(f"distance at N = {n:.0e}", value) for n, value in found.items()]

        def lines() -> Caption:
            self.law.set_data(span, law)
            self.floor.set_data(span, [gap, gap])  # nowhere if it is infinite
            return caption._replace(alt=alt[:-1] + end, rows=[*caption.rows, *rows])

        yield lines


class _Case:
    """A task with its learning rate and its starts."""

    def __init__(self, task: Task, eta: float, fixed: bool, seed: int) -> None:
        self.task, self.eta, self.fixed, self.seed = task, eta, fixed, seed
        self.key = (task.p, task.p_star, task.label_noise, eta)

    def size(self, N: int) -> int:
        """The N whose random start is used."""
        return _START_N if self.fixed else N

    def end(self, N: int) -> float:
        """A round α, long enough to escape at the rate of gradient flow, (3.2)."""
        end = self.task.p_star / (4 * self.eta) * (np.log(self.size(N)) / 2 + 4)
        return float(_ROUND[np.searchsorted(_ROUND, end)])

    def ode(self, N: int, noise: bool) -> Trajectory:
        return _ode(*self.key, self.size(N), self.seed, self.end(N), noise)

    def run(self, N: int, i: int) -> Trajectory:
        return _run(*self.key, self.size(N), self.seed, self.end(N), N, i)

    def miss(self, N: int, noise: bool, what: str) -> float:
        """Root mean square distance of the runs; inf if one diverged or N is too small."""
        if N < self.task.p + self.task.p_star:
            return math.inf
        ode = self.ode(N, noise)
        return _rms([_miss(self.run(N, i), ode, what) for i in range(_RUNS)])


def _start(p: int, p_star: int, size: int, seed: int) -> Overlaps:
    return random_overlaps(Task(p, p_star), size, 14 + seed)


@lru_cache(maxsize=64)
def _ode(
    p: int, p_star: int, noise: float, eta: float, size: int, seed: int, end: float, full: bool
) -> Trajectory:
    task, alpha = Task(p, p_star, label_noise=noise), np.linspace(0.0, end, _POINTS)
    start = _start(p, p_star, size, seed)
    try:
        return integrate(task, start, eta=eta, alpha=alpha, gradient_noise=full, rtol=1e-7)
    except DivergenceError as error:
        return error.trajectory


@lru_cache(maxsize=128)
def _run(
    p: int, p_star: int, noise: float, eta: float, size: int, seed: int, end: float, N: int, i: int
) -> Trajectory:
    """The exact chain if it is affordable, else the diffusion in steps far below its own error."""
    task, alpha = Task(p, p_star, label_noise=noise), np.linspace(0.0, end, _POINTS)
    exact = N <= 100 or N * end * (p + p_star) <= _BUDGET
    how: dict[str, Any] = dict(method="overlaps" if exact else "diffusion")
    if not exact:
        how["step"] = 0.001 / eta
    rng = np.random.default_rng([seed, N, i])
    start = _start(p, p_star, size, seed)
    try:
        return simulate(task, start, eta=eta, alpha=alpha, N=N, rng=rng, progress=False, **how)
    except DivergenceError as error:
        return error.trajectory


def followed(trajectory: Trajectory, what: str) -> Array:
    """The curve that a name of the control "follow" stands for."""
    if what == "loss":
        return trajectory.loss
    matrix = trajectory.Q if what[0] == "Q" else trajectory.M
    return matrix[:, 0, 1 if what[-1] == "₂" else 0]


def _limits(values: Array) -> tuple[float, float]:
    """Round limits, with room for the legend above; a divergence leaves the picture."""
    low, high = (float(np.clip(limit, -4, 8)) for limit in (values.min(), values.max()))
    span = max(high - low, 0.1)
    unit = float(_ROUND[np.searchsorted(_ROUND, span / 2)])
    bottom, top = low - 0.2 * span, high + 0.5 * span
    return float(np.floor(bottom / unit) * unit), float(np.ceil(top / unit) * unit)


def _miss(run: Trajectory, ode: Trajectory, what: str) -> float:
    """Root mean square over α of the difference; inf if one of them diverged."""
    if _diverged(run) or _diverged(ode):
        return math.inf
    return _rms(followed(run, what) - followed(ode, what))


def _diverged(trajectory: Trajectory) -> bool:
    return len(trajectory.alpha) < _POINTS


def _rms(values: Array | Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
