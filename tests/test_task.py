"""The Gaussian moments that loss, drift and noise rest on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import quadlib as ql
from quadlib.task import gaussian_moments, joint_covariance, loss_slope, mean_change


def case(p: int, k: int, noise: float, seed: int) -> tuple[ql.Task, np.ndarray]:
    """A task with a random T, and the joint covariance of a random state."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((k, k + 2)) / np.sqrt(k)
    task = ql.Task(p, k, root @ root.T, noise)
    state = ql.random_overlaps(task, p + k + 20, rng)
    return task, joint_covariance(state.Q, state.M, task.T)


@pytest.mark.parametrize(("p", "k", "noise"), [(1, 1, 0.0), (3, 2, 0.5)])
def test_moments_are_those_of_sampled_fields(p: int, k: int, noise: float) -> None:
    """Monte Carlo; 5.5 standard errors, at most 51 numbers: false alarms below 1e-5."""
    task, C = case(p, k, noise, 1)
    rng, n = np.random.default_rng(2), 400_000
    f = rng.multivariate_normal(np.zeros(p + k), C, size=n, method="cholesky")
    Delta = f**2 @ task.readout - np.sqrt(noise) * rng.standard_normal(n)
    moments = gaussian_moments(C, task.readout, noise)
    ff = f[:, :, None] * f[:, None, :]
    for samples, exact in (
        (Delta**2, moments.squared_error),
        (Delta[:, None, None] * ff, moments.Phi),
        (Delta[:, None, None] ** 2 * ff, moments.Gamma),
    ):
        error = samples.std(0) / np.sqrt(n)
        assert (np.abs(samples.mean(0) - exact) < 5.5 * error).all()


sizes = {"p": st.integers(1, 5), "k": st.integers(1, 4), "noise": st.floats(0, 3)}


@given(**sizes, seed=st.integers(0, 2**31))
def test_gamma_dominates(p: int, k: int, noise: float, seed: int) -> None:
    """Γ = E[Δ² f fᵀ] is a covariance, and by Cauchy-Schwarz at least Φ C⁻¹ Φ."""
    task, C = case(p, k, noise, seed)
    moments = gaussian_moments(C, task.readout, noise)
    gap = moments.Gamma - moments.Phi @ np.linalg.solve(C, moments.Phi)
    eigenvalues = np.linalg.eigvalsh((gap + gap.T) / 2)
    assert eigenvalues[0] > -1e-9 * np.abs(moments.Gamma).max()


@given(**sizes, seed=st.integers(0, 2**31), scale=st.floats(0.1, 10))
def test_moments_are_homogeneous(p: int, k: int, noise: float, seed: int, scale: float) -> None:
    """Fields √c times larger multiply the noiseless moments by c², c² and c³."""
    task, C = case(p, k, 0.0, seed)
    one, scaled = (gaussian_moments(c * C, task.readout, 0.0) for c in (1.0, scale))
    np.testing.assert_allclose(scaled.squared_error, scale**2 * one.squared_error, rtol=1e-10)
    for name, power in (("Phi", 2), ("Gamma", 3)):
        a, b = getattr(scaled, name), scale**power * getattr(one, name)
        np.testing.assert_allclose(a, b, atol=1e-11 * np.abs(b).max())


def test_zero_loss_exactly_at_the_solutions() -> None:
    """W = √(p/p*) O W* has loss 0 whatever T; another norm has not."""
    rng = np.random.default_rng(0)
    task = ql.Task(5, 3, [[1.0, 0.2, 0], [0.2, 0.7, 0.1], [0, 0.1, 1.5]])
    O = np.linalg.qr(rng.standard_normal((5, 3)))[0]
    M = np.sqrt(5 / 3) * O @ task.T
    solution = ql.Overlaps(np.sqrt(5 / 3) * M @ O.T, M)
    assert ql.loss(task, solution) < 1e-14
    assert ql.loss(task, ql.Overlaps(1.1 * solution.Q, np.sqrt(1.1) * M)) > 1e-3


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_the_noise_of_the_gradient_is_the_term_of_second_order(constraint: Any) -> None:
    """4η² Γ of the students, with the change of each norm projected out on the sphere; M feels it
    there alone."""
    task = ql.Task(3, 2, [1.5, 0.5], 0.2)
    state = ql.random_overlaps(task, 20, 0, constraint=constraint)
    Gamma = gaussian_moments(joint_covariance(state.Q, state.M, task.T), task.readout, 0.2).Gamma
    noise = 4 * 0.3**2 * Gamma[:3, :3]
    half = np.diag(noise)[:, None] / 2 * (constraint == "spherical")
    with_it, without = (ql.drift(task, state, 0.3, constraint, noisy) for noisy in (True, False))
    np.testing.assert_allclose(
        with_it[0] - without[0], noise - half * state.Q - half.T * state.Q, atol=1e-13
    )
    np.testing.assert_allclose(with_it[1] - without[1], -half * state.M, atol=1e-13)
    number = np.array(0.3)  # an array without axes is a number
    np.testing.assert_array_equal(ql.drift(task, state, number, constraint)[0], with_it[0])


@pytest.mark.parametrize("spherical", [False, True])
def test_a_stack_of_states_is_treated_state_by_state(spherical: bool) -> None:
    task = ql.Task(3, 2, [1.5, 0.5], 0.2)
    states = [ql.random_overlaps(task, 20, seed) for seed in range(4)]
    stack = joint_covariance(
        np.array([s.Q for s in states]), np.array([s.M for s in states]), task.T
    )
    change = mean_change(stack, task, 0.1, spherical, True)
    slope = loss_slope(stack, change, task.readout)
    for i, C in enumerate(stack):
        own = mean_change(C, task, 0.1, spherical, True)
        np.testing.assert_allclose(change[i], own, rtol=1e-12)
        assert slope[i] == pytest.approx(float(loss_slope(C, own, task.readout)), rel=1e-12)
        if spherical:
            np.testing.assert_allclose(np.diag(own), 0.0, atol=1e-13)  # norms stay what they are
