"""C1: one-pass SGD follows the overlap ODE, how closely, and where it does not; the exact chain."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from quadlib import Overlaps, Task, drift, escape_law, integrate, random_overlaps, random_weights
from quadlib.claims import measure as m
from quadlib.claims.base import Effort, Finding, shown_in
from quadlib.shapes import Array

__all__ = ["C1", "random_start", "one_law"]  # noqa: RUF022 as the notebook has them

claim = shown_in("01_sgd_to_ode")


def _distance(run: Any, ode: Any) -> Array:
    """Root mean square over the recorded times of the distance in Q and M."""
    square = ((run.Q - ode.Q) ** 2).sum((-2, -1)) + ((run.M - ode.M) ** 2).sum((-2, -1))
    return np.asarray(np.sqrt(square.mean(-1)))


@claim("C1")
def C1(effort: Effort) -> Iterator[Finding]:
    """In high dimension one-pass SGD follows closed ODEs for the overlap matrices."""
    runs, task, eta, sizes = m.chosen(effort, 50, 600), Task(4, 2), 0.05, (300, 1000, 3000)
    start = random_overlaps(task, 40, 1)  # of order one, the same for every N
    how: dict[str, Any] = dict(alpha=np.linspace(0.0, 30.0, 61), start=start)
    ode, flow = (
        integrate(task, start, eta=eta, alpha=how["alpha"], gradient_noise=noise, rtol=1e-10)
        for noise in (True, False)
    )
    chains = [m.sgd(task, eta, N, runs, 4, **how) for N in sizes]
    near, far = [_distance(runs, ode) for runs in chains], _distance(chains[-1], flow)
    # D² is a series in 1/N; its second term is below 2 % of the first from N = 300 on
    yield Finding(
        f"exponent of the distance SGD-ODE in N, {m.where(task, eta)}, N = 300 … 3000 (rival: 0)",
        -0.5, *m.exponent(sizes, near), 0.005, "chain", 0.0,
    )  # fmt: skip
    own, _ = m.rms(near[-1])
    yield Finding(
        "distance at N = 3000 from the ODE without its η² term (rival: as from the ODE)",
        float(np.hypot(_distance(ode, flow), own)), *m.rms(far), 0.01 * own, "chain", own,
    )  # fmt: skip
    weights, eta = random_weights(task, 30, 2), 0.2
    full, bare = (
        float(np.trace(drift(weights.task(), weights.overlaps, eta, gradient_noise=noise)[0]))
        for noise in (True, False)
    )
    x = np.random.default_rng(3).standard_normal((m.chosen(effort, 20_000, 2_000_000), 30))
    fields, teacher = (x @ W.T / np.sqrt(30) for W in (weights.W, weights.W_star))
    move = -2 * eta * ((fields**2).mean(1) - (teacher**2).mean(1))[:, None] * fields
    yield m.of_sample(
        f"mean change of tr Q in one step (1.4), times N, {m.where(task, eta, 30)}: the η² term "
        "times 1 + 6/N (rival: without it)",
        bare + (1 + 6 / 30) * (full - bare),
        (2 * move * fields + move**2 * (x**2).mean(1)[:, None]).sum(1), 0.0, "weights", bare,
    )  # fmt: skip


@claim("random start")
def random_start(effort: Effort) -> Iterator[Finding]:
    """From a random start the ODE's error in the escape time does not shrink with N."""
    task, eta = Task(4, 1), 0.1
    # SGD from one start of typical size, of which the ODE has a single escape time
    law, j = escape_law(task, 10**6, eta), np.array([2.0, 0.0, 0.0, 0.0])
    # M grows from j + √ε J instead of j, |j|² = p: the lead is the logarithm of its length
    J = np.random.default_rng(0).standard_normal((10**6, 4)) * np.sqrt(law.v_eff - 1)
    leads = np.log(np.linalg.norm(j + J, axis=1) / 2) / law.rate
    for N, few, many in ((1000, 150, 4000), (3000, 150, 4000), (10**8, 700, 16_000)):
        start, alpha = Overlaps(np.eye(4), j[:, None] / np.sqrt(N)), np.linspace(0, 60, 1201)
        ode = integrate(task, start, eta=eta, alpha=alpha, rtol=1e-9).escape_time()
        runs = m.chosen(effort, few, many)
        found = ode - m.escapes(task, eta, N, runs, 7, start=start)
        name = f"lead of SGD over the ODE of the same start, {m.where(task, eta, N)} (rival: 0)"
        yield m.of_sample(f"spread of the {name}", leads.std(), found, 0.04, m.by(N), 0.0, m.spread)
    yield m.of_sample(f"mean {name}", leads.mean(), found, 0.04, m.by(N), 0.0)


@claim("one law")
def one_law(effort: Effort) -> Iterator[Finding]:
    """The overlap chain has the law of SGD on N-dimensional vectors, for every N."""
    # At an N so small that the ODE is far off
    task, eta, N, runs, alpha = Task(2, 1), 0.1, 10, m.chosen(effort, 2000, 40_000), [15.0]
    literal, chain = (
        m.sgd(task, eta, N, runs, 8, method=how, alpha=[15.0]) for how in ("weights", None)
    )
    starts = [random_overlaps(task, N, (8, i)) for i in range(100)]
    odes = [integrate(task, there, eta=eta, alpha=alpha, rtol=1e-6).loss for there in starts]
    loss = [np.minimum(x, 1.0)[:, 0] for x in (literal.loss, chain.loss, np.array(odes))]
    shares = [literal.diverged.astype(float), chain.diverged.astype(float), np.zeros(2)]
    for name, statistic, samples in (
        ("share of runs that diverge", m.mean, shares),
        ("mean of min(loss, 1)", m.mean, loss),
        ("spread of min(loss, 1)", m.spread, loss),
    ):
        (x, x_error), (y, y_error), (limit, _) = (statistic(sample) for sample in samples)
        yield Finding(
            f"{name} at α = 15, {m.where(task, eta, N)}: weights, and chain (rival: ODE)",
            x, y, float(np.hypot(x_error, y_error)), 0.0, "weights", limit,
        )  # fmt: skip
