"""More units than the teacher has: what that changes on the plateau, and what after it."""

from collections.abc import Iterator
from functools import cache

import numpy as np

import quadlib as ql
from quadlib import Overlaps, Task, escape_law, integrate, plateau, random_overlaps
from quadlib.claims.base import Effort, Finding, shown_in
from quadlib.claims.measure import by, chosen, escapes, mean, of_sample, sgd, turning, where

__all__ = ["C2", "prefactor", "late_times", "critical", "spherical"]  # noqa: RUF022

claim = shown_in("03_overparameterization")
_ETA, _K = 0.05, 2


@cache
def _law(p: int) -> ql.EscapeLaw:
    return escape_law(Task(p, _K), 10**6, _ETA)


@cache
def _scale(p: int) -> float:
    """A N of L_plateau − L = A exp(2rα), (4.10): p p* v_eff times what becomes of ‖M(0)‖² = 1.

    To first order in η it is 2 q v_eff.
    """
    task, alpha = Task(p, _K), 150.0  # norms are adjusted to e^{-4ηα}
    level, law = plateau(task, _ETA), _law(p)
    gain = float(np.exp(2 * level.escape_rate * alpha))
    M = np.random.default_rng(0).standard_normal((p, _K))
    M *= 1e-2 / np.sqrt(gain) / np.linalg.norm(M)
    run = integrate(task, Overlaps(np.eye(p), M), eta=_ETA, alpha=[alpha], rtol=1e-12)
    return float(p * _K * law.v_eff * (level.loss - run.loss[0]) / (gain * (M**2).sum()))


@claim("C2")
def C2(effort: Effort) -> Iterator[Finding]:
    """The loss leaves the plateau as L_plateau − L = A exp(2rα): 2r is 8η/p* for every p to first
    order in η; overparameterization changes A, and so only modestly the escape.
    """
    small_N, large_N = 10**4, 10**10
    cases = [(2, small_N, 50), (8, small_N, 36)]
    cases += [(2, large_N, 100), (8, large_N, 60), (16, large_N, 40)]
    if effort == "full":
        cases = [(2, small_N, 1000), (8, small_N, 400)]
        cases += [(2, large_N, 1000), (8, large_N, 400), (32, large_N, 200)]
        cases += [(4, small_N, 900), (16, small_N, 400), (32, small_N, 400)]
        cases += [(4, large_N, 1600), (16, large_N, 800)]
    at_p_star = _scale(_K)
    for p, N, runs in cases:
        # SGD from random starts, before M feeds back on itself
        task, exact = Task(p, _K), N == small_N
        level, law, scale = plateau(task, _ETA), _law(p), _scale(p)
        drops = np.array([1.5e-3, 6e-3] if exact else [1e-4, 4e-4])
        alpha = np.log(drops * N / scale) / (2 * level.escape_rate)
        # What the norms have not yet forgotten is that of the ODE at M = 0
        rest = integrate(task, Overlaps(np.eye(p), np.zeros((p, _K))), eta=_ETA, alpha=alpha).loss
        early, late = (rest - sgd(task, _ETA, N, runs, 11, alpha=alpha).loss).T
        ratio = late.mean() / early.mean()
        error = float(np.std(late - ratio * early, ddof=1) / late.mean() / np.sqrt(len(late)))
        rate, span = 2 * level.escape_rate, float(alpha[1] - alpha[0])
        name, slack = where(task, _ETA, N), (0.04 if exact else 0.005)  # no longer linear in M²
        said, rival = "8η/p*", 8 * _ETA / _K
        if exact:
            said, rival = ("p for p*", 8 * _ETA / p) if p > _K else ("r, as M", rate / 2)
        yield Finding(
            f"rate 2r of the loss, {name} (rival: {said})", rate, float(np.log(ratio)) / span,
            error / span, rate * slack, by(N), rival,
        )  # fmt: skip
        others = {2: ("q = 1", 2 * law.v_eff), 4: ("one overlap", scale / (4 * _K))}
        said, rival = others.get(p, ("p/p* times as at p*", at_p_star * p / _K))
        yield of_sample(
            f"A N, {name} (rival: {said})", scale, late * N * np.exp(-rate * alpha[1]), slack,
            by(N), rival,
        )  # fmt: skip


@cache
def _offset(p: int, eta: float) -> float:
    """Return b(p) = 2r⟨α_esc⟩ − ln N of the law, for large N."""
    law = escape_law(Task(p, _K), 10**8, eta)
    return 2 * law.rate * law.mean - float(np.log(10**8))


@claim("prefactor")
def prefactor(effort: Effort) -> Iterator[Finding]:
    """At fixed p* the escape times of all p collapse: 2r⟨α_esc⟩ = ln N + b(p), b predicted."""
    eta, cases = 0.1, [(2, 3000, 120), (4, 10**11, 220)]
    if effort == "full":
        cases = [(2, 3000, 1200), (4, 10**11, 3000), (4, 3000, 3000), (8, 3000, 3000)]
        cases += [(8, 10**11, 5000), (16, 10**11, 3000)]
    for p, N, runs in cases:
        task = Task(p, _K)
        rate = 2 * plateau(task, eta).escape_rate
        found, error = mean(escapes(task, eta, N, runs, 12))
        yield Finding(
            f"b = 2r⟨α_esc⟩ − ln N, {where(task, eta, N)} (rival: b(2p))", _offset(p, eta),
            rate * found - float(np.log(N)), rate * error, 0.02 if N < 10**5 else 0.01, by(N),
            _offset(2 * p, eta),
        )  # fmt: skip


@claim("late times")
def late_times(effort: Effort) -> Iterator[Finding]:
    """Without surplus units the loss dies exponentially, with them as 1/α²; for p < p* never."""
    eta = 0.1
    for p in (2, 3, 4, 6, 8, 12) if effort == "full" else (2, 3, 4):
        # Q = I: surplus units die alike, and L tends to its law as fast as it can
        task, start = Task(p, _K), Overlaps(np.eye(p), 0.2 * random_overlaps(Task(p, _K), 50, 1).M)
        for noise in (False, True):
            law, bare = (ql.late_time_law(task, eta, gradient_noise=n) for n in (noise, not noise))
            name = f"{'ODE' if noise else 'flow'}, {where(task, eta)} (rival: η² term "
            name += "off)" if noise else "on)"
            # Late enough for the law, early enough for the digits of an exponential
            alpha = [5e3, 1e4] if law.rate is None else [14 / law.rate, 18 / law.rate]
            run = integrate(task, start, eta=eta, alpha=alpha, gradient_noise=noise, rtol=1e-11)
            first, last = run.loss
            if law.rate is not None:
                found, said = float(np.log(first / last)) * law.rate / 4, "rate of the exponential"
            else:  # (α − α0)² L tends to C as 1/α
                found, said = float(((last**-0.5 - first**-0.5) / 5e3) ** -2), "L α²"
            predicted, rival = (x.rate or x.prefactor or 0.0 for x in (law, bare))
            yield Finding(f"{said}, {name}", predicted, found, 0.0, 0.01 * found, "ODE", rival)
    for p, k in ((1, 2), (1, 4), (3, 4)):
        task, start = Task(p, k), random_overlaps(Task(p, k), 10**4, 0)
        end = ql.gradient_flow(task, start, eta=eta, alpha=1500)
        yield Finding(
            f"loss that p = {p} units leave of p* = {k}, flow (rival: one teacher unit each)",
            ql.late_time_law(task, eta, gradient_noise=False).floor, float(end.loss[-1]), 0.0,
            1e-6, "ODE", ((k - p) / k) ** 2 / 2 + (k - p) / k**2,
        )  # fmt: skip


@claim("critical")
def critical(effort: Effort) -> Iterator[Finding]:
    """The critical learning rate p*/(2(p* + 2)) does not depend on p."""
    for k, p in ((1, 1), (1, 4), (2, 2), (2, 3), (2, 16 if effort == "full" else 4)):
        # Where the ODE turns from decay to growth near a solution
        task, O = Task(p, k), np.eye(p, k)
        near = Overlaps((p / k + 1e-6) * O @ O.T, np.sqrt(p / k) * O)

        def grows(eta: float, task: Task = task, near: Overlaps = near) -> bool:
            first, last = integrate(task, near, eta=eta, alpha=[100.0, 200.0], rtol=1e-12).loss
            return bool(last > first)

        predicted = ql.critical_learning_rate(task)
        # Far from the root the error leaves its linear stage within α = 200
        measured = turning(0.45 * k / (k + 2), 0.52 * k / (k + 2), 1e-5, grows)
        said, rival = ("p for p*", p / (2 * (p + 2))) if p > k else ("p*/4: 4ηT/p* = 1", k / 4)
        yield Finding(
            f"η_c, p = {p}, p* = {k} (rival: {said})", predicted, measured, 0.0,
            1e-4 * predicted, "ODE", rival,
        )  # fmt: skip


@claim("sphere")
def spherical(effort: Effort) -> Iterator[Finding]:
    """Fixed norms raise the plateau to 1/p + 1/p*, and leave the logarithm of N."""
    for p, N, few, many in ((2, 3000, 80, 2500), (4, 10**10, 100, 3600)):
        task, eta, runs = Task(p, _K), 0.1, chosen(effort, few, many)
        law, free = escape_law(task, N, eta, "spherical"), escape_law(task, N, eta)
        times = escapes(task, eta, N, runs, 13, constraint="spherical")
        name = f"⟨α_esc⟩, {where(task, eta, N)} (rival: free norms)"
        yield of_sample(name, law.mean, times, 0.01, by(N), free.mean)
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
