"""The escape: level and growth on the plateau, the law of its time, and where there is none."""

from collections.abc import Iterator

import numpy as np

from quadlib.checks import Constraint
from quadlib.claims.base import Effort, Finding, claim
from quadlib.dynamics.ode import integrate
from quadlib.ensemble import Ensemble, ensemble
from quadlib.escape import escape_law
from quadlib.plateau import plateau
from quadlib.state import Overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError

__all__ = [
    "existence",
    "largest_learning_rate",
    "law_of_escape",
    "logarithm",
    "on_plateau",
    "plateau_noise",
]

_HOME = "02_escape"


def escapes(
    task: Task, eta: float, N: int, runs: int, seed: int, constraint: Constraint = "free"
) -> Ensemble:
    """Return runs that all have time to escape; every sample at small N, else the diffusion."""
    law = escape_law(task, N, eta, constraint)
    return ensemble(
        task, eta=eta, alpha=np.linspace(0.0, law.mean + 10 * law.std, 201), N=N, runs=runs,
        seed=seed, constraint=constraint, progress=False,
        method="overlaps" if N < 10**4 else "diffusion",
    )  # fmt: skip


@claim(
    "plateau",
    "After the norms have adjusted, the loss is 1/(p + 2) + 1/p*, and M grows as e^{4ηα/p*}; "
    "a finite η raises the one and slows the other.",
    _HOME,
)
def on_plateau(effort: Effort) -> Iterator[Finding]:
    """Gradient flow from a tiny M against (3.1) and (3.2); SGD against (3.3) and (3.4)."""
    for p, k in ((1, 1), (4, 2), (8, 3)):
        task, eta = Task(p, k), 0.05
        start = Overlaps(np.eye(p), np.full((p, k), 1e-9))
        # Norms are adjusted to e^{-4ηα}
        alpha = [100.0, 150.0] if k > 1 else [60.0, 80.0]
        run = integrate(task, start, eta=eta, alpha=alpha, gradient_noise=False, rtol=1e-10)
        where = f"gradient flow, p = {p}, p* = {k}"
        yield Finding(f"level, {where}", 1 / (p + 2) + 1 / k, run.loss[0], 0.0, 2e-5)
        grown = np.log(run.M[:, 0, 0] / 1e-9)
        rate = (grown[1] - grown[0]) / (alpha[1] - alpha[0])
        yield Finding(f"growth rate / η, {where}", 4 / k, rate / eta, 0.0, 1e-4)
        prefactor = float(np.exp(grown[0] - 4 * eta * alpha[0] / k))
        yield Finding(f"prefactor √(q/q₀), {where}", (p / (p + 2)) ** 0.5, prefactor, 0.0, 1e-4)
    runs, N = 400 if effort == "full" else 100, 10**10
    for p, k in ((4, 2), (2, 2)):
        task, eta = Task(p, k), 0.1
        level, alpha = plateau(task, eta), [30.0, 45.0]
        sgd = ensemble(
            task, eta=eta, alpha=alpha, N=N, runs=runs, seed=p, method="diffusion", progress=False
        )
        # The loss drop (4.6) is far below the error here
        where = f"SGD, p = {p}, p* = {k}, η = {eta}, N = 1e10"
        yield Finding(f"level, {where}", level.loss, *_mean(sgd.loss[:, 0]), 1e-5)
        grown = np.log((sgd.M**2).sum((2, 3))) / 2
        rates = (grown[:, 1] - grown[:, 0]) / (alpha[1] - alpha[0])
        yield Finding(f"growth rate, {where}", level.escape_rate, *_mean(rates), 1e-4)


@claim(
    "escape law",
    "SGD escapes as the ODE does from Gaussian overlaps of variance v_eff/N: one law gives mean "
    "and spread of its time.",
    _HOME,
)
def law_of_escape(effort: Effort) -> Iterator[Finding]:
    """Ensembles against the law, within 1 % and 10 %."""
    more = 5 if effort == "full" else 1
    cases: tuple[tuple[int, int, float, int, int, Constraint], ...] = (
        (2, 2, 0.1, 1000, 200, "free"),
        (2, 2, 0.1, 1000, 200, "spherical"),
        (4, 2, 0.1, 10**8, 250, "free"),
        (8, 4, 0.1, 10**8, 120, "free"),
        (4, 2, 0.1, 10**12, 250, "free"),
    )
    for p, k, eta, N, runs, constraint in cases:
        task = Task(p, k)
        law = escape_law(task, N, eta, constraint)
        times = escapes(task, eta, N, more * runs, N % 89, constraint).escape_times
        where = f"p = {p}, p* = {k}, η = {eta}, N = {N:.0e}, {constraint}"
        yield Finding(f"mean escape time, {where}", law.mean, *_mean(times), 0.01 * law.mean)
        yield Finding(f"its standard deviation, {where}", law.std, *_std(times), 0.1 * law.std)


@claim(
    "plateau noise",
    "The noise collected on the plateau is as large as the random start: it lets runs escape "
    "earlier, at any N, and the law without it is rejected.",
    _HOME,
)
def plateau_noise(effort: Effort) -> Iterator[Finding]:
    """v_eff from runs of SGD, and the two laws against the same escape times."""
    runs, N, task = 2000 if effort == "full" else 400, 10**10, Task(4, 2)
    for eta, alpha in ((0.05, 60.0), (0.1, 30.0), (0.2, 20.0)):
        law = escape_law(task, N, eta)
        start = Overlaps(np.eye(4), np.full((4, 2), 1e-9))
        ode = integrate(task, start, eta=eta, alpha=[alpha], rtol=1e-10)
        gain = (ode.M[0, 0, 0] / 1e-9) ** 2
        sgd = ensemble(
            task, eta=eta, alpha=[alpha], N=N, runs=runs, seed=4, method="diffusion", progress=False
        )
        v = N * (sgd.M[:, 0] ** 2).mean((1, 2)) / gain
        yield Finding(
            f"v_eff = N⟨M²⟩ / (growth of the ODE)², p = 4, p* = 2, η = {eta}, N = 1e10",
            law.v_eff,
            *_mean(v),
            # What a step of the diffusion makes of the norm stage
            0.02 * law.v_eff,
        )
    eta, N = 0.1, 10**8
    law = escape_law(task, N, eta)
    bare = escape_law(task, N, eta, plateau_noise=False)
    mean, error = _mean(escapes(task, eta, N, runs, 5).escape_times)
    where = f"p = {task.p}, p* = {task.p_star}, η = {eta}, N = 1e8"
    lead = bare.mean - law.mean
    yield Finding(
        f"lead over the law without plateau noise, {where}",
        lead,
        bare.mean - mean,
        error,
        0.005 * law.mean,
    )
    rejected = bare.mean - mean > 4 * error
    yield Finding(f"the law without plateau noise rejected at 4 σ (1: yes), {where}", 1, rejected)


@claim(
    "ln N",
    "The mean escape time grows as (p*/8η) ln N at small η, its spread does not grow.",
    _HOME,
)
def logarithm(effort: Effort) -> Iterator[Finding]:
    """Slope of the mean, ratio of the spreads, over eight decades of N."""
    runs = 1500 if effort == "full" else 300
    for p, k, eta in ((4, 2, 0.005), (4, 2, 0.05), (2, 1, 0.05)):
        task, ends = Task(p, k), (10**4, 10**12)
        times = [escapes(task, eta, N, runs, 7).escape_times for N in ends]
        (low, low_error), (high, high_error) = map(_mean, times)
        span = np.log(ends[1] / ends[0])
        slope, error = (high - low) / span, float(np.hypot(low_error, high_error) / span)
        where = f"p = {p}, p* = {k}, η = {eta}, N = 1e4 … 1e12"
        rate = plateau(task, eta).escape_rate
        yield Finding(f"slope × 2r, {where}", 1.0, slope * 2 * rate, error * 2 * rate, 0.01)
        if eta < 0.01:
            small = k / (8 * eta)
            yield Finding(f"slope / (p*/8η), {where}", 1.0, slope / small, error / small, 0.01)
        (first, first_error), (last, last_error) = map(_std, times)
        ratio = last / first
        relative = float(np.hypot(first_error / first, last_error / last))
        yield Finding(f"ratio of the spreads, {where}", 1.0, ratio, ratio * relative, 0.05)


@claim("existence", "Above a learning rate that grows with p and p* there is no plateau.", _HOME)
def existence(effort: Effort) -> Iterator[Finding]:
    """The bound (3.6) against the learning rate at which the ODE's norms run away."""
    for p, k in ((1, 1), (1, 4), (4, 2), (16, 4)):
        measured = learning_rate_of_runaway(Task(p, k), 1e-3 if effort == "full" else 4e-3)
        predicted = largest_learning_rate(p, k)
        yield Finding(
            f"largest η with a plateau, p = {p}, p* = {k}",
            predicted,
            measured,
            tolerance=0.01 * predicted,  # just above it the norms take long to run away
        )


def largest_learning_rate(p: int, p_star: int) -> float:
    """Return the bound (3.6) on η for T = I, free."""
    rho, h = (p + 4) / (p + 2), 1 + 2 / p_star
    return float(1 / (2 * (rho - 1 + np.sqrt((rho - 1) ** 2 + rho * h - 1))))


def learning_rate_of_runaway(task: Task, width: float) -> float:
    """Bisect η between norms that settle and norms that run away, from small students."""
    start = Overlaps(0.1 * np.eye(task.p), np.zeros((task.p, task.p_star)))
    low, high = 0.02, 1.0
    while high - low > width * low:
        eta = (low + high) / 2
        try:
            integrate(task, start, eta=eta, alpha=100 / eta, rtol=1e-6)
            low = eta
        except DivergenceError:
            high = eta
    return (low + high) / 2


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _std(values: np.ndarray) -> tuple[float, float]:
    """Standard deviation and its standard error, by the fourth moment."""
    square = (values - values.mean()) ** 2
    variance = square.mean()
    error = square.std(ddof=1) / np.sqrt(len(values)) / (2 * np.sqrt(variance))
    return float(np.sqrt(variance)), float(error)
