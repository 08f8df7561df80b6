"""Past the plain task: unequal teachers, label noise, learning rates past η_c, and N = 1e12."""

from collections.abc import Iterator

import numpy as np

from quadlib.claims.base import Effort, Finding, claim
from quadlib.dynamics.ode import integrate
from quadlib.ensemble import ensemble
from quadlib.escape import escape_law
from quadlib.plateau import critical_learning_rate, plateau
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory

__all__ = ["any_N", "floor", "past_eta_c", "staircase"]

_HOME = "06_beyond"
_T = [1.6, 1.0, 0.4]


def learned(run: Trajectory) -> Array:
    """Squared length of each column of M, relative to that of a zero-loss solution, T diagonal."""
    p, k = run.task.p, run.task.p_star
    return np.asarray((run.M**2).sum(-2) * k / (p * np.diag(run.task.T) ** 2))


@claim(
    "staircase",
    "Unequal teachers are learned one after another, the largest T_r first.",
    _HOME,
)
def staircase(effort: Effort) -> Iterator[Finding]:
    """Growth rates on the plateau against (3.4), and the order in every run of SGD."""
    task, eta = Task(6, 3, _T), 0.05
    level = plateau(task, eta)
    # From the plateau itself, with M so small that it stays linear: the ODE alone
    M = 1e-9 * np.random.default_rng(0).standard_normal((6, 3))
    run = integrate(task, Overlaps(level.q * np.eye(6), M), eta=eta, alpha=[0.0, 20.0])
    growth = np.log(np.linalg.norm(run.M[1], axis=0) / np.linalg.norm(run.M[0], axis=0)) / 20
    s = level.q - sum(_T) / 3
    for r, t in enumerate(_T):
        rate = -2 * eta * (s + 2 * level.q / 6 - 2 * t / 3)
        yield Finding(f"growth rate of M for T_r = {t}", rate, float(growth[r]), tolerance=1e-5)
    runs = 400 if effort == "full" else 60
    found = ensemble(
        task,
        eta=eta,
        alpha=np.linspace(0, 900, 451),
        N=10**6,
        runs=runs,
        seed=0,
        method="diffusion",
        progress=False,
    )
    parts = (found.M**2).sum(-2) * 3 / (6 * np.square(_T))
    times = found.alpha[(parts > 0.5).argmax(1)]
    ordered = (np.diff(times, axis=1) > 0).all(1) & (parts[:, -1] > 0.5).all(1)
    yield Finding(
        "SGD runs that learn them in this order, p = 6, N = 1e6", runs, int(ordered.sum())
    )


@claim("floor", "Label noise ν leaves a loss of (ν/2)/(1 − φ(η)), to first order in ν.", _HOME)
def floor(effort: Effort) -> Iterator[Finding]:
    """End of the ODE, and of the exact chain at finite N."""
    noise = 0.01
    for task, eta in (
        (Task(2, 2, label_noise=noise), 0.1),
        (Task(2, 2, [1.5, 0.5], noise), 0.1),
        (Task(4, 2, label_noise=noise), 0.05),
    ):
        run = integrate(task, random_overlaps(task, 10**4, 1), eta=eta, alpha=[3000.0])
        t = np.diag(task.T)
        name = f"ODE, p = {task.p}, T = diag({t[0]:g}, {t[1]:g}), η = {eta}"
        predicted = floor_prediction(task, eta)
        yield Finding(name, predicted, float(run.loss[-1]), 0.0, 10 * noise * predicted)
    task, eta = Task(2, 2, label_noise=noise), 0.1
    runs = 100 if effort == "full" else 20
    late = ensemble(
        task,
        eta=eta,
        alpha=np.linspace(100, 200, 11),
        N=500,
        runs=runs,
        seed=1,
        progress=False,
    ).loss.mean(1)
    predicted = floor_prediction(task, eta)
    yield Finding(
        "SGD, exact chain, p = p* = 2, N = 500, η = .1",
        predicted,
        float(late.mean()),
        float(late.std(ddof=1) / np.sqrt(runs)),
        tolerance=0.05 * predicted,  # order ν, and p p*/N
    )


def floor_prediction(task: Task, eta: float) -> float:
    """(ν/2)/(1 − φ), φ = (2η/p*) Σ_r T_r/(1 − 4ηT_r/p*)."""
    t, k = np.linalg.eigvalsh(task.T), task.p_star
    phi = 2 * eta / k * (t / (1 - 4 * eta * t / k)).sum()
    return float(task.label_noise / 2 / (1 - phi))


@claim(
    "past-eta-c",
    "Past η_c the ODE leaves zero loss and settles above it; past the last plateau it diverges.",
    _HOME,
)
def past_eta_c(effort: Effort) -> Iterator[Finding]:
    """Below, between and above the two learning rates, p = 4, p* = 2."""
    task = Task(4, 2)
    critical = critical_learning_rate(task)
    start = random_overlaps(task, 10**6, 1)
    below = integrate(task, start, eta=0.9 * critical, alpha=[2000.0])
    between = integrate(task, start, eta=1.1 * critical, alpha=[1900.0, 2000.0])
    yield Finding("η = 0.9 η_c: loss at α = 2000", 0.0, float(below.loss[-1]), tolerance=1e-4)
    yield Finding(
        "η = 1.1 η_c: change of the loss from α = 1900 to 2000, relative",
        0.0,
        float(between.loss[1] / between.loss[0] - 1),
        tolerance=1e-3,
    )
    yield Finding("η = 1.1 η_c: loss above 0.1 at the end", 1, int(between.loss[-1] > 0.1))
    diverged = 0
    try:
        integrate(task, start, eta=1.3 * critical, alpha=[2000.0])
    except DivergenceError:
        diverged = 1
    yield Finding("η = 1.3 η_c, past the last plateau: the ODE diverges", 1, diverged)
    runs = 50
    found = ensemble(
        task, eta=1.3 * critical, alpha=[50.0], N=2000, runs=runs, seed=0, progress=False
    )
    yield Finding("and so do SGD runs, N = 2000", runs, int(found.diverged.sum()))


@claim("any-N", "One law of the escape time holds from N = 1e3 to 1e12.", _HOME)
def any_N(effort: Effort) -> Iterator[Finding]:
    """Mean escape time against the law, by the diffusion."""
    task, eta = Task(4, 2), 0.1
    runs = 2000 if effort == "full" else 300
    for N in (10**3, 10**6, 10**9, 10**12):
        law = escape_law(task, N, eta)
        times = ensemble(
            task,
            eta=eta,
            alpha=np.arange(0, law.mean + 12 * law.std, 0.25),
            N=N,
            runs=runs,
            seed=2,
            method="diffusion",
            progress=False,
        ).escape_times
        yield Finding(
            f"mean escape time, N = {N:.0e}, p = 4, p* = 2, η = .1",
            law.mean,
            float(times.mean()),
            float(times.std(ddof=1) / np.sqrt(runs)),
            tolerance=0.01 * law.mean,
        )
