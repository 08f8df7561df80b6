"""More units than the teacher has: what that changes on the plateau, and what after it."""

from collections.abc import Iterator

import numpy as np

from quadlib.claims.base import Effort, Finding, Method, shown_in
from quadlib.claims.measure import escapes, mean, of_sample, sgd, turning, where
from quadlib.dynamics.flow import gradient_flow
from quadlib.dynamics.ode import integrate
from quadlib.escape import escape_law
from quadlib.late_time import late_time_law
from quadlib.plateau import critical_learning_rate, plateau
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task

__all__ = ["C2", "prefactor", "late_times", "critical", "spherical"]  # noqa: RUF022

claim = shown_in("03_overparameterization")
_ETA, _K = 0.05, 2


def _scale(p: int) -> float:
    """A N of L_plateau − L = A e^{2rα}: p p* v_eff times what the ODE makes of ‖M(0)‖² = 1, (4.10).

    To first order in η it is 2 q v_eff.
    """
    task, alpha = Task(p, _K), 150.0  # norms are adjusted to e^{-4ηα}
    level, law = plateau(task, _ETA), escape_law(task, 10**6, _ETA)
    gain = float(np.exp(2 * level.escape_rate * alpha))
    M = np.random.default_rng(0).standard_normal((p, _K))
    M *= 1e-2 / np.sqrt(gain) / np.linalg.norm(M)
    run = integrate(task, Overlaps(np.eye(p), M), eta=_ETA, alpha=[alpha], rtol=1e-12)
    return float(p * _K * law.v_eff * (level.loss - run.loss[0]) / (gain * (M**2).sum()))


@claim(
    "C2",
    "The loss leaves the plateau as L_plateau − L = A e^{2rα}: 2r is 8η/p* for every p to first "
    "order in η; overparameterization changes A, and so only modestly the escape.",
)
def C2(effort: Effort) -> Iterator[Finding]:
    """Rate and prefactor of the loss of SGD from random starts, before M feeds back on itself."""
    more = 7 if effort == "full" else 1
    cases: list[tuple[int, int, int, Method]] = [
        *((p, 10**4, runs, "chain") for p, runs in ((4, 80), (2, 160), (8, 40))),
        *((p, 10**10, runs, "diffusion") for p, runs in ((2, 160), (8, 80), (32, 60))),
    ]
    if more > 1:
        cases += [(p, 10**4, 50, "chain") for p in (16, 32)]
        cases += [(p, 10**10, 100, "diffusion") for p in (4, 16)]
    for p, N, runs, method in cases:
        task, exact = Task(p, _K), method == "chain"
        level, law, scale = plateau(task, _ETA), escape_law(task, 10**6, _ETA), _scale(p)
        small = np.array([1.5e-3, 6e-3] if exact else [1e-4, 4e-4])
        alpha = np.log(small * N / scale) / (2 * level.escape_rate)
        # What the norms have not yet forgotten is that of the ODE at M = 0
        rest = integrate(task, Overlaps(np.eye(p), np.zeros((p, _K))), eta=_ETA, alpha=alpha).loss
        early, late = (rest - sgd(task, _ETA, N, runs * more, method, 11, alpha=alpha).loss).T
        ratio = late.mean() / early.mean()
        error = float(np.std(late - ratio * early, ddof=1) / late.mean() / np.sqrt(len(late)))
        rate, span = 2 * level.escape_rate, float(alpha[1] - alpha[0])
        name, slack = where(task, _ETA, N), (0.04 if exact else 0.005)  # no longer linear in M²
        rival = (8 * _ETA / p if p > _K else None) if exact else 8 * _ETA / _K
        yield Finding(
            f"rate 2r of the loss, {name} (rival: {'p in place of p*' if exact else '8η/p*'})",
            rate, float(np.log(ratio)) / span, error / span, rate * slack, method, rival,
        )  # fmt: skip
        yield of_sample(
            f"A N, {name} (rival: {'q = 1' if p == _K else 'as at p = p*'})", scale,
            late * N * np.exp(-rate * alpha[1]), slack, method,
            {2: 2 * law.v_eff, 32: _scale(_K)}.get(p),
        )  # fmt: skip


def _offset(p: int, eta: float) -> float:
    """Return b(p) = 2r⟨α_esc⟩ − ln N of the law, for large N."""
    law = escape_law(Task(p, _K), 10**8, eta)
    return 2 * law.rate * law.mean - float(np.log(10**8))


@claim(
    "prefactor",
    "At fixed p* the escape times of all p collapse: 2r⟨α_esc⟩ = ln N + b(p), b predicted.",
)
def prefactor(effort: Effort) -> Iterator[Finding]:
    """The offset b(p) at two N; that of twice as many units is told from it."""
    eta, more = 0.1, 5 if effort == "full" else 1
    cases: list[tuple[int, int, int, Method]] = [
        (2, 3000, 240, "chain"), (4, 3000, 460, "chain"), (8, 10**11, 1000, "diffusion")
    ]  # fmt: skip
    if more > 1:
        cases += [(8, 3000, 600, "chain"), (16, 10**11, 600, "diffusion")]
    for p, N, runs, method in cases:
        task = Task(p, _K)
        rate = 2 * plateau(task, eta).escape_rate
        found, error = mean(escapes(task, eta, N, runs * more, method, 12))
        yield Finding(
            f"b = 2r⟨α_esc⟩ − ln N, {where(task, eta, N)} (rival: b(2p))", _offset(p, eta),
            rate * found - float(np.log(N)), rate * error, 0.02 if N < 10**5 else 0.01, method,
            _offset(2 * p, eta),
        )  # fmt: skip


@claim(
    "late times",
    "Without surplus units the loss dies exponentially, with them as 1/α²; for p < p* never.",
)
def late_times(effort: Effort) -> Iterator[Finding]:
    """Rates, prefactors and floors of flow and ODE against their closed forms."""
    eta = 0.1
    for p in range(_K, 13 if effort == "full" else 5):
        # Q = I: surplus units die alike, and L tends to its law as fast as it can
        task, start = Task(p, _K), Overlaps(np.eye(p), 0.2 * random_overlaps(Task(p, _K), 50, 1).M)
        for noise in (False, True):
            law, bare = (late_time_law(task, eta, gradient_noise=n) for n in (noise, not noise))
            name = f"{'ODE' if noise else 'flow'}, {where(task, eta)} (rival: η² term "
            name += "off)" if noise else "on)"
            # Late enough for the law, early enough for the digits of an exponential
            alpha = [5e3, 1e4] if law.rate is None else [14 / law.rate, 18 / law.rate]
            run = integrate(task, start, eta=eta, alpha=alpha, gradient_noise=noise, rtol=1e-11)
            first, last = run.loss
            if law.rate is not None:
                rate = float(np.log(first / last)) * law.rate / 4
                name = f"rate of the exponential, {name}"
                yield Finding(name, law.rate, rate, 0.0, 0.01 * rate, "ODE", bare.rate)
            elif law.prefactor is not None:  # (α − α0)² L tends to C as 1/α
                C = float(((last**-0.5 - first**-0.5) / 5e3) ** -2)
                yield Finding(f"L α², {name}", law.prefactor, C, 0.0, 0.01 * C, "ODE",
                              bare.prefactor)  # fmt: skip
    for p, k in ((1, 2), (1, 4), (3, 4)):
        end = gradient_flow(Task(p, k), random_overlaps(Task(p, k), 10**4, 0), eta=eta, alpha=1500)
        yield Finding(
            f"loss that p = {p} units leave of p* = {k}, flow (rival: one teacher unit each)",
            late_time_law(Task(p, k), eta, gradient_noise=False).floor, float(end.loss[-1]), 0.0,
            1e-6, "ODE", ((k - p) / k) ** 2 / 2 + (k - p) / k**2,
        )  # fmt: skip


@claim("critical", "The critical learning rate p*/(2(p* + 2)) does not depend on p.")
def critical(effort: Effort) -> Iterator[Finding]:
    """Where the ODE turns from decay to growth near a solution."""
    for k, p in ((1, 1), (1, 4), (2, 2), (2, 3), (2, 16 if effort == "full" else 8)):
        task, O = Task(p, k), np.eye(p, k)
        near = Overlaps((p / k + 1e-6) * O @ O.T, np.sqrt(p / k) * O)

        def grows(eta: float, task: Task = task, near: Overlaps = near) -> bool:
            first, last = integrate(task, near, eta=eta, alpha=[100.0, 200.0], rtol=1e-12).loss
            return bool(last > first)

        predicted = critical_learning_rate(task)
        # Far from the root the error leaves its linear stage within α = 200
        measured = turning(0.45 * k / (k + 2), 0.52 * k / (k + 2), 1e-5, grows)
        yield Finding(
            f"η_c, p = {p}, p* = {k} (rival: p in place of p*)", predicted, measured,
            0.0, 1e-4 * predicted, "ODE", p / (2 * (p + 2)) if p > k else None,
        )  # fmt: skip


@claim("sphere", "Fixed norms raise the plateau to 1/p + 1/p*, and leave the logarithm of N.")
def spherical(effort: Effort) -> Iterator[Finding]:
    """Escape times of SGD with fixed norms, and growth and level of the ODE."""
    cases: tuple[tuple[int, int, Method], ...] = ((2, 3000, "chain"), (4, 10**10, "diffusion"))
    for p, N, method in cases:
        task, eta, runs = Task(p, _K), 0.1, 3000 if effort == "full" else 300
        law, free = escape_law(task, N, eta, "spherical"), escape_law(task, N, eta)
        times = escapes(task, eta, N, runs, method, 13, constraint="spherical")
        name = f"⟨α_esc⟩, {where(task, eta, N)} (rival: free norms)"
        yield of_sample(name, law.mean, times, 0.01, method, free.mean)
    for p in (2, 4, 8):
        task, alpha = Task(p, _K), np.array([50.0, 100.0])
        start = Overlaps(np.eye(p), 1e-9 * np.random.default_rng(1).standard_normal((p, _K)))
        run = integrate(task, start, eta=_ETA, alpha=alpha, constraint="spherical", rtol=1e-10)
        low, high = np.linalg.norm(run.M, axis=(1, 2))
        level, rate = 1 / p + 1 / _K, 2 * _ETA - 4 * _ETA**2 * (1 / p + 1 / 2 + 4 / p**2)
        name = f"plateau, p = {p}, p* = {_K} (rival: free norms)"
        yield Finding(name, level, float(run.loss[0]), 0.0, 1e-9, "ODE", 1 / (p + 2) + 1 / 2)
        name = f"growth rate of M, {where(task, _ETA)} (rival: 4η/p*)"
        yield Finding(name, rate, float(np.log(high / low)) / 50, 0.0, 1e-6, "ODE", 2 * _ETA)
