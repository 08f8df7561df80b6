"""The escape: level and growth on the plateau, the law of its time, and where there is none."""

from collections.abc import Iterator

import numpy as np

import quadlib as ql
from quadlib import Overlaps, Task, escape_law, integrate, plateau
from quadlib.checks import Constraint
from quadlib.claims import measure as m
from quadlib.claims.base import Effort, Finding, Method, shown_in
from quadlib.notation import number
from quadlib.plateau import last_learning_rate

__all__ = ["on_plateau", "law_of_escape", "plateau_noise", "logarithm", "existence"]  # noqa: RUF022

claim = shown_in("02_escape")


@claim("plateau")
def on_plateau(effort: Effort) -> Iterator[Finding]:
    """After the norms have adjusted, the loss is 1/(p + 2) + 1/p*, and M grows as exp(4ηα/p*); a
    finite η raises the one and slows the other.
    """
    for p in (4, 8):
        task, eta, N = Task(p, 2), 0.2, 30_000
        level, flow = plateau(task, eta), plateau(task)
        start = Overlaps(flow.q * np.eye(p), np.zeros((p, 2)))
        rest = m.sgd(task, eta, N, m.chosen(effort, 16, 160), 5, alpha=[6.0], start=start)
        name = f"loss at α = 6, {m.where(task, eta, N)} (rival: without η² term)"
        yield m.of_sample(name, level.loss, rest.loss[:, 0], 0.003, "chain", flow.loss)
        N, end, M = 10**4, 3.0, np.full((p, 2), 0.02)
        start = Overlaps(level.q * np.eye(p), M)
        grown = m.sgd(task, eta, N, m.chosen(effort, 40, 600), 6, alpha=[end], start=start)
        gain, error = m.mean((grown.M[:, 0] * M).sum((1, 2)) / (M**2).sum())
        yield Finding(
            f"growth rate of ⟨M⟩, {m.where(task, eta, N)} (rival: 4η/p*)", level.escape_rate,
            float(np.log(gain)) / end, error / gain / end, 0.01, "chain", 2 * eta,
        )  # fmt: skip
    for p, k in ((4, 2), (8, 3)):
        # Gradient flow from a tiny M
        task, eta, alpha = Task(p, k), 0.05, np.array([100.0, 150.0])
        start = Overlaps(np.eye(p), np.full((p, k), 1e-9))
        run = integrate(task, start, eta=eta, alpha=alpha, gradient_noise=False, rtol=1e-10)
        low, high = np.log(run.M[:, 0, 0] / 1e-9)
        for name, predicted, measured, rival in (
            ("level: fixed norms", 1 / (p + 2) + 1 / k, run.loss[0], 1 / p + 1 / k),
            ("growth rate / η: 4/p", 4 / k, (high - low) / (50 * eta), 4 / p),
            ("√(q/q₀): 1", (p / (p + 2)) ** 0.5, np.exp(low - 4 * eta * alpha[0] / k), 1.0),
        ):
            what, _, other = name.partition(": ")
            name = f"{what}, gradient flow, p = {p}, p* = {k} (rival: {other})"
            yield Finding(name, predicted, float(measured), 0.0, 1e-4, "ODE", rival)


@claim("escape law")
def law_of_escape(effort: Effort) -> Iterator[Finding]:
    """SGD escapes as the ODE does from Gaussian overlaps of variance v_eff/N: one law gives mean
    and spread of its time.
    """
    cases: tuple[tuple[int, int, int, int, int, Constraint], ...] = (
        (2, 2, 1000, 120, 1800, "free"), (2, 2, 1000, 320, 4800, "spherical"),
        (4, 2, 10**12, 80, 1200, "free"), (8, 4, 2000, 0, 960, "free"),
    )  # fmt: skip
    for p, k, N, few, many, constraint in cases[: m.chosen(effort, 3, 4)]:
        task, eta, runs = Task(p, k), 0.1, m.chosen(effort, few, many)
        law = escape_law(task, N, eta, constraint)
        times = m.escapes(task, eta, N, runs, 9, constraint=constraint)
        name, slow = f"escape time, {m.where(task, eta, N)}, {constraint}", law.rate * k / (4 * eta)
        rival = "(rival: growth at 4η/p*)"
        yield m.of_sample(f"mean {name} {rival}", law.mean, times, 0.01, m.by(N), slow * law.mean)
        name = f"spread of the {name} (rival: 0, the ODE)"
        yield m.of_sample(name, law.std, times, 0.05, m.by(N), 0.0, m.spread)


@claim("plateau noise")
def plateau_noise(effort: Effort) -> Iterator[Finding]:
    """The noise collected on the plateau is of the order of the random start: it lets runs escape
    earlier, at any N, and the law without it is rejected.
    """
    task = Task(4, 2)
    cases = (
        (0.2, 6.0, 10**4, 150, 3200), (0.1, 30.0, 10**10, 350, 9000),
        (0.05, 40.0, 10**10, 0, 26_000),
    )  # fmt: skip
    for eta, alpha, N, few, many in cases[: m.chosen(effort, 2, 3)]:
        # v_eff from the size of M while it is small
        start = Overlaps(np.eye(4), np.full((4, 2), 1e-9))
        ode = integrate(task, start, eta=eta, alpha=[alpha], rtol=1e-10)
        M = m.sgd(task, eta, N, m.chosen(effort, few, many), 4, alpha=[alpha]).M[:, 0]
        yield m.of_sample(
            f"v_eff = N⟨M²⟩ / (growth of the ODE)² at α = {alpha:g}, {m.where(task, eta, N)} "
            "(rival: 1, no noise)", escape_law(task, N, eta).v_eff,
            N * (M**2).mean((1, 2)) / (ode.M[0, 0, 0] / 1e-9) ** 2, 0.02 if N < 10**5 else 0.003,
            m.by(N), 1.0,
        )  # fmt: skip


@claim("ln N")
def logarithm(effort: Effort) -> Iterator[Finding]:
    """The mean escape time grows as (p*/8η) ln N at small η, its spread does not grow."""
    cases: tuple[tuple[int, float, int, int, int, int, Method], ...] = (
        (1, 0.1, 300, m.chosen(effort, 10_000, 30_000), 30, 300, "chain"),
        (2, 0.1, 300, m.chosen(effort, 3000, 10_000), 50, 500, "chain"),
        (1, 0.1, 10**4, 10**12, 250, 4000, "diffusion"),
        (2, 0.005, 10**4, 10**12, 30, 300, "diffusion"),
    )
    for k, eta, small, large, few, many, how in cases:
        task, runs = Task(4, k), m.chosen(effort, few, many)
        # At small η 2r is 8η/p*
        rate = plateau(task, eta).escape_rate if eta > 0.01 else 4 * eta / k
        low, high = (m.escapes(task, eta, N, runs, 7, method=how) for N in (small, large))
        (first, first_error), (last, last_error) = m.mean(low), m.mean(high)
        scale = 2 * rate / float(np.log(large / small))
        name = f"{m.where(task, eta, small)} … {number(large)}"
        yield Finding(
            f"slope of ⟨α_esc⟩ in ln N, times {'2r' if eta > 0.01 else '8η/p*'}, {name} "
            "(rival: p in place of p*)", 1.0, (last - first) * scale,
            float(np.hypot(first_error, last_error)) * scale, 0.02, how, 4 / k,
        )  # fmt: skip
        if how == "diffusion" and eta > 0.01:
            (narrow, first_error), (wide, last_error) = m.spread(low), m.spread(high)
            error = wide / narrow * float(np.hypot(first_error / narrow, last_error / wide))
            yield Finding(
                f"ratio of the spreads, {name} (rival: as √ln N)", 1.0, wide / narrow, error, 0.02,
                how, float(np.sqrt(np.log(large) / np.log(small))),
            )  # fmt: skip


@claim("existence")
def existence(effort: Effort) -> Iterator[Finding]:
    """Above a learning rate that grows with p and p* there is no plateau."""
    for p, k in ((1, 1), (1, 4), (4, 2), (16, 4)):
        task, predicted = Task(p, k), last_learning_rate(Task(p, k), "free")
        start = Overlaps(0.1 * np.eye(p), np.zeros((p, k)))
        # Just above it the norms take long to run away
        measured = m.turning(0.02, 1.0, 4e-3, lambda eta: m.runs_away(task, start, eta, 100 / eta))  # noqa: B023
        rival = last_learning_rate(Task(1, 1), "free") if k > 1 else ql.critical_learning_rate(task)
        yield Finding(
            f"largest η with a plateau, p = {p}, p* = {k} (rival: "
            f"{'as at p = p* = 1' if k > 1 else 'η_c'})", predicted, measured, 0.0,
            0.01 * predicted, "ODE", rival,
        )  # fmt: skip
