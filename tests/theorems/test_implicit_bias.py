"""Gradient flow conserves a matrix, and from an isotropic start ends on the closest solution."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import quadlib as ql
from quadlib.bias import closest_solution, conserved_quantity, solution_distance


def polar(M: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(M, full_matrices=False)
    return left @ right


def isotropic_weights(p: int, k: int, N: int, q0: float, seed: int) -> ql.Weights:
    """Students with Q = q0 I exactly, teachers with T = I."""
    rng = np.random.default_rng(seed)
    W = np.linalg.qr(rng.standard_normal((N, p)))[0].T
    W_star = np.linalg.qr(rng.standard_normal((N, k)))[0].T
    return ql.Weights(np.sqrt(q0 * N) * W, np.sqrt(N) * W_star)


@pytest.mark.parametrize(
    ("p", "k", "T", "N", "alpha"),
    [
        (1, 1, None, 10**4, 40.0),
        (4, 2, None, 10**4, 80.0),
        (4, 2, None, 10**12, 140.0),
        (5, 2, [1.5, 0.5], 10**4, 50.0),
        (3, 3, [[2.0, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 0.5]], 100, 40.0),
        (2, 3, None, 10**3, 60.0),
    ],
)
def test_flow_conserves_the_matrix_to_the_digits_that_are_left(
    p: int, k: int, T: object, N: int, alpha: float
) -> None:
    task = ql.Task(p, k, T)
    start = ql.random_overlaps(task, N, 1)
    flow = ql.gradient_flow(task, start, eta=0.1, alpha=np.linspace(0, alpha, 21))
    rest = flow.Q - flow.M @ np.linalg.solve(task.T, np.swapaxes(flow.M, 1, 2))
    smallest = np.linalg.eigvalsh(rest)[:, 0]
    conserved = conserved_quantity(flow)
    scale = np.abs(conserved[0]).max()
    drift = np.abs(conserved - conserved[0]).max((1, 2)) / scale
    if p < k:  # integrated, with a relative error of 1e-10 a step
        assert drift.max() < 1e-6
    else:  # rounding of Q and M by a few 1e-16, seen against what is left of Q⊥
        assert (drift < 1e-12 + 1e-15 * np.trace(flow.Q, axis1=1, axis2=2) / smallest).all()
        assert smallest[-1] < 1e-3 * smallest[0]


def test_the_ode_conserves_it_only_without_gradient_noise() -> None:
    task = ql.Task(4, 2, [1.2, 0.8])
    start = ql.random_overlaps(task, 10**4, 1)
    alpha = np.linspace(0, 50, 11)
    quiet = ql.integrate(task, start, eta=0.1, alpha=alpha, gradient_noise=False, rtol=1e-12)
    conserved = conserved_quantity(quiet)
    scale = np.abs(conserved[0]).max()
    assert np.abs(conserved - conserved[0]).max() < 1e-6 * scale
    noisy = conserved_quantity(ql.integrate(task, start, eta=0.1, alpha=alpha))
    assert np.abs(noisy - noisy[0]).max() > 0.1 * scale


@pytest.mark.parametrize(("p", "k", "q0"), [(1, 1, 1.0), (2, 1, 0.5), (4, 2, 1.0), (3, 3, 2.0)])
def test_population_gradient_descent_of_the_weights_ends_on_the_closest_solution(
    p: int, k: int, q0: float
) -> None:
    N, eta = 15, 0.1
    start = isotropic_weights(p, k, N, q0, seed=p)

    def gradient(_alpha: float, y: np.ndarray) -> np.ndarray:
        """−2η E[Δ λ x]√N for Δ = xᵀEx, written out in N dimensions: −2η W (tr E + 2E)."""
        W = y.reshape(p, N)
        E = (W.T @ W / p - start.W_star.T @ start.W_star / k) / N
        return (-2 * eta * (np.trace(E) * W + 2 * W @ E)).ravel()

    alpha = [400.0, 800.0]
    solution = solve_ivp(
        gradient, (0, 800), start.W.ravel(), "LSODA", rtol=1e-10, atol=1e-12, t_eval=alpha
    )
    closest = closest_solution(start)
    half, end = (np.linalg.norm(y - closest.ravel()) / np.sqrt(N) for y in solution.y.T)
    if p == k:
        assert end < 1e-7
    else:  # each of the p − p* surplus units has its norm squared die as 1/α, and nothing else
        # THEORY: p(p* + 2)/(8η(p + 2)α), approached as 1/α
        rest = np.sqrt((p - k) * p * (k + 2) / (8 * eta * (p + 2) * 800))
        assert end == pytest.approx(rest, rel=0.05)
        assert half / end == pytest.approx(np.sqrt(2), rel=0.05)
    final = ql.Weights(solution.y[:, -1].reshape(p, N), start.W_star)
    assert solution_distance(final) == pytest.approx(end, rel=1e-4, abs=1e-7)
    np.testing.assert_allclose(polar(final.overlaps.M), polar(start.overlaps.M), atol=1e-7)


@pytest.mark.parametrize("gradient_noise", [False, True])
def test_the_polar_factor_is_conserved_from_an_isotropic_start(gradient_noise: bool) -> None:
    task = ql.Task(4, 2)
    start = ql.Overlaps(1.5 * np.eye(4), ql.random_overlaps(task, 10**4, 3).M)
    run = ql.integrate(task, start, eta=0.1, alpha=100.0, gradient_noise=gradient_noise, rtol=1e-12)
    assert run.loss[-1] < 1e-2 * run.loss[0]
    for M in run.M[::20]:
        np.testing.assert_allclose(polar(M), polar(start.M), atol=1e-7)


def test_the_conserved_matrix_does_not_choose() -> None:
    """W and RW have one conserved matrix, and end as far apart as their orientations are."""
    task, R = ql.Task(4, 2), np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    M = ql.random_overlaps(task, 10**4, 3).M
    runs = [
        ql.integrate(task, ql.Overlaps(np.eye(4), m), eta=0.1, alpha=[0.0, 1000.0], rtol=1e-11)
        for m in (M, R @ M)
    ]
    one, other = (
        conserved_quantity(ql.Trajectory(task, run.alpha[:1], run.Q[:1], run.M[:1], {"eta": 0.1}))
        for run in runs
    )
    np.testing.assert_allclose(one, other, rtol=1e-12)
    apart = np.linalg.norm(runs[0].M[1] - runs[1].M[1])
    assert apart > 1
    assert apart == pytest.approx(np.sqrt(2) * np.linalg.norm(polar(M) - polar(R @ M)), rel=2e-3)


def test_from_a_random_start_the_ode_misses_the_closest_solution_by_one_over_root_n() -> None:
    """Slope of ln rms over four decades from 12 starts each: ± 0.02, beyond 4.5σ in 7e-6."""
    task, sizes = ql.Task(4, 2), np.array([10**4, 10**8])
    angles = np.empty((2, 12))
    for (i, seed), _ in np.ndenumerate(angles):
        N = int(sizes[i])
        start = ql.random_overlaps(task, N, (seed, N))
        end = ql.integrate(task, start, eta=0.05, alpha=np.array([260.0]), rtol=1e-10).M[-1]
        angles[i, seed] = np.linalg.norm(polar(end) - polar(start.M))
    slope = np.diff(np.log((angles**2).mean(1)) / 2) / np.diff(np.log(sizes))
    assert slope == pytest.approx(-0.5, abs=0.09)
    assert angles[0].max() < 0.2
