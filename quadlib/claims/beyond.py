"""Past the plain task: unequal teachers, label noise, three learning rates, and N = 1e12."""

from collections.abc import Iterator

import numpy as np

import quadlib as ql
from quadlib import Overlaps, Task, integrate, plateau, random_overlaps
from quadlib.claims.base import Effort, Finding, shown_in
from quadlib.claims.measure import by, chosen, escapes, of_sample, runs_away, sgd, turning, where

__all__ = ["staircase", "floor", "past_eta_c", "any_N"]  # noqa: RUF022

claim = shown_in("06_beyond")


@claim("staircase")
def staircase(effort: Effort) -> Iterator[Finding]:
    """Unequal teachers are learned one after another, the largest T_r first."""
    T, eta, N = [1.6, 1.0, 0.4], 0.1, 2000
    task, alpha = Task(6, 3, T), np.arange(301.0)
    learned = (sgd(task, eta, N, chosen(effort, 8, 160), 15, alpha=alpha).M ** 2).sum(-2)
    learned *= 3 / (6 * np.square(T))  # 1 at a solution
    times = (learned > 0.5).argmax(1)
    ordered = (np.diff(times, axis=1) > 0).all(1) & (learned[:, -1] > 0.5).all(1)
    name = f"share of runs that learn them in this order, {where(task, eta, N)} (rival: any order)"
    yield Finding(name, 1.0, float(ordered.mean()), method="chain", rival=1 / 6)
    eta, level = 0.05, plateau(task, 0.05)
    # From the plateau itself, with M so small that it stays linear: the ODE alone
    start = Overlaps(level.q * np.eye(6), 1e-9 * np.random.default_rng(0).standard_normal((6, 3)))
    M = integrate(task, start, eta=eta, alpha=[0.0, 20.0]).M
    growth = np.log(np.linalg.norm(M[1], axis=0) / np.linalg.norm(M[0], axis=0)) / 20
    for t, measured in zip(T, growth, strict=True):
        rate = -2 * eta * (level.q - 1 + 2 * level.q / 6 - 2 * t / 3)
        rival, said = rate + 4 * eta * (1 - t) / 3, "equal rates"
        if t == 1:
            rival, said = 4 * eta / 3, "4η/p*"
        name = f"growth rate of M for T_r = {t} (rival: {said})"
        yield Finding(name, rate, float(measured), 0.0, 1e-5, "ODE", rival)


@claim("floor")
def floor(effort: Effort) -> Iterator[Finding]:
    """Label noise ν leaves a loss of (ν/2)/(1 − φ(η)), to first order in ν."""
    noise, eta, N = 0.01, 0.1, 1000
    for p, T in ((2, None), (3, [1.5, 0.5])):
        task = Task(p, 2, T, noise)
        said = f"T = {task.T.diagonal().tolist()} (rival: ν/2)"
        predicted, alpha = ql.late_time_law(task, eta).floor, np.linspace(400, 600, 11)
        late = sgd(task, eta, N, chosen(effort, 4, 120), 16, alpha=alpha).loss.mean(1)
        name = f"loss that remains, ν = {noise}, {where(task, eta, N)}, {said}"
        yield of_sample(name, predicted, late, 0.03, "chain", noise / 2)
        end = integrate(task, random_overlaps(task, 10**4, 1), eta=eta, alpha=[3000.0]).loss[0]
        name = f"loss that remains, ν = {noise}, ODE, {where(task, eta)}, {said}"
        yield Finding(name, predicted, float(end), 0.0, 0.02 * predicted, "ODE", noise / 2)


@claim("past-eta-c")
def past_eta_c(effort: Effort) -> Iterator[Finding]:
    """Past η_c the ODE leaves zero loss and, with surplus units, settles above it; past η_d it runs
    away from its plateau; past η_p there is none.
    """
    task, rates = Task(4, 2), ql.learning_rates(Task(4, 2))
    for said, eta, N, alpha, predicted in (
        ("below η_c", 0.2, 3000, 60.0, 0.0),
        ("η_d < η < η_p", (rates.runaway + rates.plateau) / 2, 2000, 600.0, 1.0),
        ("past η_p", 0.31, 2000, 300.0, 1.0),
    ):
        runs = sgd(task, eta, N, chosen(effort, 10, 300), 17, alpha=[alpha])
        name = f"share of SGD runs that diverge, {where(task, eta, N)}, {said}"
        share = float(runs.diverged.mean())
        yield Finding(name, predicted, share, method="chain", rival=1 - predicted)
    start, eta = random_overlaps(task, 10**6, 1), 1.1 * rates.critical
    before, end = integrate(task, start, eta=eta, alpha=[1900.0, 2000.0]).loss
    name = f"ODE, {where(task, eta)}: the loss at α = 2000 is that at α = 1900 (rival: zero)"
    yield Finding(name, float(before), float(end), 0.0, 1e-3 * float(before), "ODE", 0.0)
    for p in (2, 8):
        task, rates = Task(p, 1), ql.learning_rates(Task(p, 1))

        def leaves(eta: float, task: Task = task) -> bool:
            M = np.full((task.p, 1), 1e-3 / np.sqrt(task.p))
            return runs_away(task, Overlaps(plateau(task, eta).q * np.eye(task.p), M), eta, 2000.0)

        measured = turning(rates.critical, rates.plateau, 1e-3, leaves)
        name = f"η_d, p = {p}, p* = 1, by the ODE from its plateau (rival: η_p)"
        slack = 2e-3 * measured
        yield Finding(name, rates.runaway, measured, 0.0, slack, "ODE", rates.plateau)


@claim("any-N")
def any_N(effort: Effort) -> Iterator[Finding]:
    """One law of the escape time holds from N = 10³ to 10¹²."""
    task, eta = Task(4, 2), 0.1
    cases = ((10**3, 70, 2000), (4000, 60, 1600), (10**6, 70, 1000), (10**12, 70, 1000))
    for N, few, many in cases:
        law = ql.escape_law(task, N, eta)
        name = f"mean escape time, {where(task, eta, N)} (rival: growth at 4η/p*)"
        times = escapes(task, eta, N, chosen(effort, few, many), 18)
        rival = law.mean * law.rate / (2 * eta)
        yield of_sample(name, law.mean, times, 0.01, by(N), rival)
