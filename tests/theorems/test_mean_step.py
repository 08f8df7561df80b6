"""The drift is the mean of one SGD step, and a diffusion step has the covariance of many.

All by Monte Carlo with 6.5 standard errors, which leaves room for the heavy tails of Δ² λ λᵀ: false
alarms below 1e-10 each were they Gaussian, and there are fewer than 500 numbers.
"""

from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.checks import Constraint
from quadlib.task import joint_covariance, mean_change

FULL_T = [[1.0, 0.4], [0.4, 0.7]]
CASES = [
    pytest.param(ql.Task(3, 2), "free", id="free"),
    pytest.param(ql.Task(3, 2), "spherical", id="spherical"),
    pytest.param(ql.Task(2, 1, None, 0.8), "free", id="label-noise"),
    pytest.param(ql.Task(2, 2, FULL_T), "free", id="T"),
    pytest.param(ql.Task(3, 2, FULL_T, 0.3), "spherical", id="everything"),
]
ERRORS = 6.5


def vector(Q: np.ndarray, M: np.ndarray) -> np.ndarray:
    """Independent overlaps in one row a state."""
    upper = Q[..., *np.triu_indices(Q.shape[-1])]
    return np.concatenate([upper, M.reshape(*M.shape[:-2], -1)], axis=-1)


def drift(task: ql.Task, Q: np.ndarray, M: np.ndarray, eta: float, constraint: Any) -> np.ndarray:
    return vector(*ql.drift(task, ql.Overlaps(Q, M), eta, constraint))


def unaligned(task: ql.Task, constraint: Constraint) -> ql.Overlaps:
    """A state far from every fixed point, with overlaps of order one."""
    N, rng = 2 * (task.p + task.p_star), np.random.default_rng(3)
    return ql.random_overlaps(task, N, rng, 0.8, constraint)


def increments(
    task: ql.Task, method: Any, eta: float, constraint: Constraint, n: int, N: int, delta: float
) -> tuple[np.ndarray, np.ndarray]:
    """n steps of length delta that leave the state where it is, and their drift."""
    run = ql.simulate(
        task,
        unaligned(task, constraint),
        eta=eta,
        alpha=delta * np.arange(n + 1),
        N=N,
        rng=1,
        method=method,
        constraint=constraint,
    )
    # the state moves by less than 1e-3: its drift is linear on the way
    ends = [drift(task, run.Q[i], run.M[i], eta, constraint) for i in (0, -1)]
    return np.diff(vector(run.Q, run.M), axis=0) / delta, (ends[0] + ends[1]) / 2


def assert_mean(samples: np.ndarray, expected: np.ndarray | float) -> None:
    error = samples.std(0) / np.sqrt(len(samples))
    # a norm on the sphere does not move; what is left is rounding
    deviation = np.abs(samples.mean(0) - expected)
    assert (deviation < ERRORS * error + 1e-6).all(), deviation / error


@pytest.mark.parametrize(("task", "constraint"), CASES)
def test_the_drift_is_the_mean_step_of_the_chain(task: ql.Task, constraint: Constraint) -> None:
    for eta in (0.05, 0.5):
        steps, expected = increments(task, "overlaps", eta, constraint, 30_000, 10**8, 1e-8)
        assert np.abs(expected).max() > 0.05
        assert_mean(steps, expected)


@pytest.mark.parametrize(("task", "constraint"), CASES)
def test_the_drift_is_the_mean_step_of_literal_sgd(task: ql.Task, constraint: Constraint) -> None:
    """N (change − mean) sums to zero along a run, whatever the run does.

    The mean of a free step is exact at every N: with |x|² instead of N in the η² term, and
    E[|x|² g] = N E[g] + 2 dE[g]/d ln σ² for x ~ N(0, σ² I), of which g = Δ² λ λᵀ has degree 3 but
    for its label noise, of degree 1. The spherical one has corrections of order 1/N.
    """
    p, eta, N = task.p, 0.1, 40 if constraint == "free" else 3000
    total = []
    for seed in range(3):
        w = ql.random_weights(task, N, seed, constraint=constraint)
        run = ql.simulate(
            task,
            w,
            eta=eta,
            alpha=np.arange(2001) / N,
            N=N,
            rng=seed,
            method="weights",
            constraint=constraint,
        )
        C = joint_covariance(run.Q, run.M, task.T)[:-1]
        mean = mean_change(C, task, eta, constraint == "spherical", True)
        at_first = drift(task, run.Q[0], run.M[0], eta, constraint)
        np.testing.assert_allclose(vector(mean[0, :, :p], mean[0, :, p:]), at_first, atol=1e-12)
        if constraint == "free":
            A = np.diag(task.readout)
            CAC = C @ A @ C
            s, square = (np.trace(A @ X, axis1=1, axis2=2)[:, None, None] for X in (C, CAC))
            Gamma = (s**2 + 2 * square) * C + 4 * s * CAC + 8 * CAC @ A @ C
            more = 4 * eta**2 / N * (6 * Gamma + 2 * task.label_noise * C)
            mean[:, :, :p] += more[:, :p, :p]
        total.append(
            N * np.diff(vector(run.Q, run.M), axis=0) - vector(mean[..., :p], mean[..., p:])
        )
    assert_mean(np.concatenate(total), 0.0)


@pytest.mark.parametrize(("task", "constraint"), CASES)
def test_a_diffusion_step_has_mean_and_covariance_of_sgd(
    task: ql.Task, constraint: Constraint
) -> None:
    """Cov of a step of length δ is that of N δ SGD steps: N δ times Cov of one of them."""
    eta, N, delta = 0.1, 10**12, 1e-8
    sgd, expected = increments(task, "overlaps", eta, constraint, 30_000, 10**8, 1e-8)
    steps, same = increments(task, "diffusion", eta, constraint, 20_000, N, delta)
    np.testing.assert_allclose(same, expected, rtol=1e-2, atol=1e-2)
    assert_mean(steps, same)
    products = []
    for samples, scale in ((sgd - expected, 1e8 * 1e-8), (steps - same, N * delta)):
        products.append(scale * (samples[:, :, None] * samples[:, None, :]))
    error = np.hypot(*(product.std(0) / np.sqrt(len(product)) for product in products))
    difference = np.abs(products[0].mean(0) - products[1].mean(0))
    assert (difference < ERRORS * error + 1e-6).all(), difference / error
    diagonal = np.diagonal(products[0].mean(0))
    free = diagonal > 1e-6
    assert (np.diagonal(error)[free] < 0.25 * diagonal[free]).all()  # the error bar says something
