"""More students than teachers: what that changes on the plateau, and what it changes after it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from quadlib.checks import Constraint
from quadlib.claims.base import Effort, Finding, claim
from quadlib.dynamics.flow import gradient_flow
from quadlib.dynamics.ode import integrate
from quadlib.ensemble import Ensemble, ensemble
from quadlib.escape import EscapeLaw, escape_law
from quadlib.late_time import late_time_law
from quadlib.plateau import check_solvable, plateau
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import Trajectory

__all__ = ["C2", "critical", "late_times", "prefactor", "spherical"]

_HOME = "03_overparameterization"
_ETA, _P_STAR = 0.05, 2


def nested_start(
    p_star: int, N: int, p: int, largest: int, constraint: Constraint = "free", seed: int = 0
) -> Overlaps:
    """Return the first p of `largest` random students: more students, the others unchanged."""
    full = random_overlaps(Task(largest, p_star), N, seed, constraint=constraint)
    return Overlaps(full.Q[:p, :p], full.M[:p])


def near_solution(task: Task, size: float) -> Overlaps:
    """Return a zero-loss state (5.4) plus a little noise in the units that the teacher uses."""
    check_solvable(task.p, task.p_star)
    O = np.eye(task.p, task.p_star)
    scale = task.p / task.p_star
    return Overlaps(scale * O @ task.T @ O.T + size * O @ O.T, np.sqrt(scale) * O @ task.T)


def escapes(
    p: int, N: int, runs: int, constraint: Constraint = "free", eta: float = _ETA, seed: int = 0
) -> tuple[Ensemble, EscapeLaw]:
    """Return runs of SGD that learn two teachers, recorded around their escape, and its law."""
    task = Task(p, _P_STAR)
    law = escape_law(task, N, eta, constraint)
    alpha = np.linspace(max(0.0, law.mean - 8 * law.std), law.mean + 14 * law.std, 161)
    how: dict[str, Any] = dict(method="diffusion", constraint=constraint, progress=False)
    return ensemble(task, eta=eta, alpha=alpha, N=N, runs=runs, seed=seed, **how), law


def floor(p: int, p_star: int) -> float:
    """Least loss of p students that learn p* ≥ p equal teachers.

    Each student learns one teacher, a little too large: with x the eigenvalue of WᵀW/(pN) the loss
    ½ (p x − 1)² + p (x − 1/p*)² + (p* − p)/p*² is least at x = (1 + 2/p*)/(p + 2).
    """
    return (1 - p / p_star) ** 2 / (p + 2) + (p_star - p) / p_star**2


def learning_rate_without_decay(task: Task) -> float:
    """Return the η at which the ODE neither returns to a solution nor leaves it, by bisection."""
    from scipy.optimize import brentq

    def growth(eta: float) -> float:
        run = integrate(task, near_solution(task, 1e-6), eta=eta, alpha=[100.0, 200.0], rtol=1e-12)
        return float(np.log(run.loss[1] / run.loss[0]))

    # Far from the root the error leaves its linear stage within α = 200
    k = task.p_star
    return float(brentq(growth, 0.45 * k / (k + 2), 0.52 * k / (k + 2), xtol=1e-7))


@claim(
    "C2",
    "After a norm adjustment a plateau; overparameterization changes a prefactor of the escape, "
    "not how its rate scales.",
    _HOME,
)
def C2(effort: Effort) -> Iterator[Finding]:
    """Growth of M with and without gradient noise, and escape times against ln N."""
    alpha = np.array([0.0, 150.0, 200.0])
    G = np.random.default_rng(0).standard_normal((32, _P_STAR))
    for p in (2, 8, 32):
        task, start = Task(p, _P_STAR), Overlaps(np.eye(p), 1e-12 * G[:p])
        flow = integrate(task, start, eta=_ETA, alpha=alpha, gradient_noise=False, rtol=1e-10)
        rate, growth = _growth(flow), 4 * _ETA / _P_STAR
        # What is not linear is of order ‖M‖², at most 64 · 1e-24 e^{2·20} = 2e-5
        yield Finding(f"growth rate of M, flow, p = {p}", growth, rate, tolerance=1e-4 * growth)
        size = np.linalg.norm(flow.M[1]) / np.linalg.norm(start.M) * np.exp(-growth * alpha[1])
        yield Finding(
            f"prefactor of M after the norm stage, flow, p = {p}: √(q/q0)",
            float(np.sqrt(p / (p + 2))),
            float(size),
            tolerance=1e-4,
        )
        noisy = integrate(task, start, eta=_ETA, alpha=alpha, rtol=1e-10)
        level = plateau(task, _ETA)
        for what, predicted, measured in (
            ("loss on the plateau", level.loss, float(noisy.loss[1])),
            ("growth rate of M", level.escape_rate, _growth(noisy)),
        ):
            name = f"{what}, ODE at η = {_ETA}, p = {p}"
            yield Finding(name, predicted, measured, tolerance=1e-4 * predicted)
    runs = 2000 if effort == "full" else 100
    for p in (2, 8):
        sizes = (10**4, 10**10)
        means, errors = [], []
        for N in sizes:
            found, law = escapes(p, N, runs, seed=N % 997 + p)
            means.append(found.escape_times.mean())
            errors.append(law.std / np.sqrt(runs))
        decades = float(np.log(sizes[1] / sizes[0]))
        yield Finding(
            f"slope of ⟨α_esc⟩ against ln N, SGD, p = {p}, η = {_ETA}: 1/2r",
            1 / (2 * law.rate),
            float(means[1] - means[0]) / decades,
            float(np.hypot(*errors)) / decades,
            tolerance=0.005 / (2 * law.rate),  # terms of order p p*/N at N = 1e4
        )


@claim(
    "prefactor",
    "At fixed p* the escape times of all p collapse: 2r⟨α_esc⟩ = ln N + b(p), b predicted.",
    _HOME,
)
def prefactor(effort: Effort) -> Iterator[Finding]:
    """The offset b(p) at two N; the saving of further students is bounded."""
    full = effort == "full"
    # As many runs as give b(p) the same error at every p, but for the largest
    counts = {1: 200, 2: 150, 4: 100, 8: 50, 16: 25} | ({32: 25} if full else {})
    for p, count in counts.items():
        runs = 20 * count if full else count
        for N in (10**5, 10**11):
            found, law = escapes(p, N, runs, seed=N % 997 + p)
            yield Finding(
                f"b = 2r⟨α_esc⟩ − ln N, p = {p}, N = {N:.0e}, SGD",
                offset(escape_law(Task(p, _P_STAR), 10**8, _ETA), 10**8),
                2 * law.rate * float(found.escape_times.mean()) - float(np.log(N)),
                2 * law.rate * law.std / np.sqrt(runs),
                tolerance=0.02 * law.rate * law.mean,  # 1 % of the escape time
            )


@claim(
    "late times",
    "Without surplus students the loss dies exponentially, with them as 1/α²; for p < p* never.",
    _HOME,
)
def late_times(effort: Effort) -> Iterator[Finding]:
    """Rates, prefactors and floors of flow and ODE against their closed forms."""
    eta, largest = 0.1, (12 if effort == "full" else 6)
    for p in range(_P_STAR, largest + 1):
        task, start = Task(p, _P_STAR), _alike(p)
        for noise in (False, True):
            law = late_time_law(task, eta, gradient_noise=noise)
            name = f"{'ODE' if noise else 'flow'}, p = {p}, η = {eta}"
            if law.rate is not None:
                run = _follow(task, start, eta, np.linspace(0, 60 / law.rate, 601), noise)
                # Late enough for one exponential, early enough for the digits of the loss
                i, j = np.argmax(run.loss < 1e-6), np.argmax(run.loss < 1e-8)
                fall = float(np.log(run.loss[i] / run.loss[j]))
                rate = fall / float(run.alpha[j] - run.alpha[i])
                yield Finding(f"rate of the exponential, {name}", law.rate, rate, 0.0, 0.01 * rate)
            elif law.prefactor is not None:
                run = _follow(task, start, eta, np.array([5e3, 1e4]), noise)
                # (α − α0)² L tends to C as 1/α
                C = float(((run.loss[1] ** -0.5 - run.loss[0] ** -0.5) / 5e3) ** -2)
                yield Finding(f"L α², {name}", law.prefactor, C, tolerance=0.01 * law.prefactor)
    for p, k in ((1, 2), (1, 4), (3, 4)):
        task = Task(p, k)
        run = integrate(
            task, random_overlaps(task, 10**4, 0), eta=eta, alpha=[1500.0], gradient_noise=False
        )
        yield Finding(
            f"loss that p = {p} students leave of p* = {k}, flow",
            floor(p, k),
            float(run.loss[-1]),
            tolerance=1e-6,
        )


@claim("critical", "The critical learning rate p*/(2(p* + 2)) does not depend on p.", _HOME)
def critical(effort: Effort) -> Iterator[Finding]:
    """Where the ODE turns from decay to growth near a solution."""
    students = (2, 3, 8, 16) if effort == "full" else (2, 3, 8)
    for k, p in [(1, 1), (1, 4), *((2, p) for p in students)]:
        predicted = k / (2 * (k + 2))
        measured = learning_rate_without_decay(Task(p, k))
        # the part of the error that is not linear in its size of 1e-6
        yield Finding(f"η_c, p = {p}, p* = {k}", predicted, measured, 0.0, 1e-4 * predicted)


@claim(
    "sphere",
    "Fixed norms raise the plateau to 1/p + 1/p*, and leave the logarithm of N.",
    _HOME,
)
def spherical(effort: Effort) -> Iterator[Finding]:
    """Level, growth rate, and escape times of SGD with spherical students."""
    runs = 2000 if effort == "full" else 100
    for p in (2, 4, 8):
        task = Task(p, _P_STAR)
        M = 1e-9 * np.random.default_rng(1).standard_normal((p, _P_STAR))
        run = integrate(
            task,
            Overlaps(np.eye(p), M),
            eta=_ETA,
            alpha=[0.0, 50.0, 100.0],
            constraint="spherical",
            rtol=1e-10,
        )
        predicted = 4 * _ETA / 2 - 4 * _ETA**2 * (1 / p + 1 / 2 + 4 / p**2)
        yield Finding(f"plateau, p = {p}", 1 / p + 1 / 2, float(run.loss[1]), tolerance=1e-9)
        yield Finding(f"growth rate of M, p = {p}", predicted, _growth(run), tolerance=1e-6)
        found, law = escapes(p, 10**6, runs, "spherical", seed=p)
        yield Finding(
            f"⟨α_esc⟩, p = {p}, N = 1e6, SGD",
            law.mean,
            float(found.escape_times.mean()),
            law.std / np.sqrt(runs),
            tolerance=0.01 * law.mean,
        )


def offset(law: EscapeLaw, N: int) -> float:
    """B = 2r⟨α_esc⟩ − ln N: what is left of the escape time when its logarithm is taken away."""
    return 2 * law.rate * law.mean - float(np.log(N))


def _growth(run: Trajectory) -> float:
    """Growth rate of ‖M‖ between the last two recorded points."""
    size = np.linalg.norm(run.M, axis=(1, 2))
    return float(np.log(size[-1] / size[-2]) / (run.alpha[-1] - run.alpha[-2]))


def _alike(p: int) -> Overlaps:
    """Q = I: all surplus students die alike, so that L tends to its law as fast as it can."""
    return Overlaps(np.eye(p), 0.2 * random_overlaps(Task(p, _P_STAR), 50, 1).M)


def _follow(task: Task, start: Overlaps, eta: float, alpha: Array, noise: bool) -> Trajectory:
    if noise:
        return integrate(task, start, eta=eta, alpha=alpha, rtol=1e-11)
    return gradient_flow(task, start, eta=eta, alpha=alpha)
