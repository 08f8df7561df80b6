import numpy as np
import pytest

import quadlib as ql
from quadlib.claims.dynamics import distance, mean_step, one_step


def test_the_mean_step_is_exact_at_small_N_where_the_drift_is_not():
    """N = 6, label noise, T ≠ I: 14 means within 5 standard errors (false alarms 8e-6).

    The factor of the η² term is 1 + 6/N = 2: the drift would miss by far more.
    """
    N, eta = 6, 0.3
    weights = ql.random_weights(ql.Task(2, 2, [1.4, 0.5]), N, 3)
    task = weights.task(label_noise=0.7)
    exact = mean_step(task, weights.overlaps, eta, N)
    limit = ql.drift(task, weights.overlaps, eta)
    steps = one_step(weights, eta, 1_000_000, 4, task.label_noise)
    worst = 0.0
    for sample, mean, drift in zip(steps, exact, limit, strict=True):
        error = sample.std(0) / np.sqrt(len(sample))
        assert (np.abs(sample.mean(0) - mean) < 5 * error).all()
        worst = max(worst, (np.abs(sample.mean(0) - drift) / error).max())
    assert worst > 10


def test_one_step_is_a_step_of_simulate():
    """Same weights, one sample each: the two means agree within 5 standard errors."""
    N, eta, runs = 8, 0.2, 4000
    weights = ql.random_weights(ql.Task(2, 1), N, 1)
    task = weights.task()
    step = one_step(weights, eta, 200_000, 2)
    ends = [
        ql.simulate(task, weights, eta=eta, alpha=[1 / N], N=N, rng=i, method="weights")
        for i in range(runs)
    ]
    for sample, after, before in (
        (step[0], [end.Q[0] for end in ends], weights.overlaps.Q),
        (step[1], [end.M[0] for end in ends], weights.overlaps.M),
    ):
        changes = N * (np.array(after) - before)
        error = np.hypot(sample.std(0) / 200_000**0.5, changes.std(0) / runs**0.5)
        assert (np.abs(sample.mean(0) - changes.mean(0)) < 5 * error).all()


def test_the_mean_step_becomes_the_drift():
    task = ql.Task(3, 2, [1.4, 0.5], label_noise=0.3)
    state = ql.random_overlaps(task, 20, 1)
    dQ, dM = ql.drift(task, state, 0.2)
    miss = []
    for N in (10**3, 10**6):
        Q, M = mean_step(task, state, 0.2, N)
        np.testing.assert_allclose(M, dM, rtol=1e-13)
        miss.append(np.abs(Q - dQ).max())
    assert miss[0] / miss[1] == pytest.approx(1000, rel=1e-6)


def test_a_distance_needs_equal_times():
    task = ql.Task(1, 1)
    start = ql.random_overlaps(task, 9, 1)
    a, b = (ql.integrate(task, start, eta=0.1, alpha=[0.0, end]) for end in (1.0, 2.0))
    with pytest.raises(ValueError, match="same times"):
        distance(a, b)
    far = ql.integrate(task, start, eta=0.05, alpha=[0.0, 1.0])
    square = ((a.Q - far.Q) ** 2 + (a.M - far.M) ** 2).sum() / 2
    assert distance(a, far) == pytest.approx(square**0.5)
