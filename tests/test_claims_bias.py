"""The claims of notebook 04, and the predictions in them against closed forms."""

import numpy as np
import pytest
from scipy.special import gamma, hyp2f1

import quadlib as ql
from quadlib.claims import alignment as look
from quadlib.claims.bias import power_law


@pytest.mark.parametrize("p", [1, 2, 5])
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 5.0])
def test_predicted_blur_is_the_mean_cosine_of_correlated_gaussian_vectors(p, epsilon):
    """For p* = 1 the cosine of two vectors of correlation ρ has a hypergeometric mean."""
    rho = (1 + epsilon) ** -0.5
    mean = rho * gamma((p + 1) / 2) ** 2 / (gamma(p / 2) * gamma(p / 2 + 1))
    mean *= hyp2f1(0.5, 0.5, p / 2 + 1, rho**2)
    blur, error = look.predicted_blur(p, 1, epsilon)
    assert abs(blur - (1 - mean)) < 4.5 * error  # false alarms: 9 × 7e-6


def test_misalignment_is_one_minus_the_mean_cosine_and_keeps_its_digits():
    rng = np.random.default_rng(0)
    O, other = (look.polar_factor(rng.standard_normal((5, 3))) for _ in range(2))
    assert look.misalignment(O, other) == pytest.approx(1 - np.trace(O.T @ other) / 3, rel=1e-12)
    angle = 1e-9
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert look.misalignment(turn, np.eye(2)) == pytest.approx(angle**2 / 2, rel=1e-6)


def test_polar_factor_and_distance_agree_with_the_weights():
    task = ql.Task(4, 2, [[1.0, 0.3], [0.3, 0.8]])
    w = ql.random_weights(task, 15, 0)
    O = look.polar_factor(w.overlaps.M)
    W_inf = ql.closest_solution(w)
    np.testing.assert_allclose(np.sqrt(2) * O @ w.W_star, W_inf, atol=1e-12)
    assert look.distances(task, w.overlaps, O) == pytest.approx(ql.solution_distance(w))


def test_random_solutions_have_no_loss_and_no_preferred_direction():
    task = ql.Task(3, 2, [1.5, 0.5])
    rng = np.random.default_rng(0)
    found = [look.random_solution(task, rng) for _ in range(4000)]
    assert max(ql.loss(task, state) for state in found) < 1e-12
    entries = np.array([state.M for state in found])
    # uniform: each entry of O has mean 0 and mean square 1/p
    assert np.abs(entries.mean(0) / entries.std(0)).max() < 5 / np.sqrt(4000)
    expected = np.broadcast_to(3 / 2 * np.array([1.5, 0.5]) ** 2 / 3, (3, 2))
    spread = (entries**2).std(0) / np.sqrt(4000)
    assert (np.abs((entries**2).mean(0) - expected) < 5 * spread).all()


def test_power_law_finds_the_exponent_within_its_error():
    rng = np.random.default_rng(1)
    x = np.array([1e2, 1e4, 1e6])
    samples = x[:, None] ** -0.5 * rng.standard_normal((3, 400))
    slope, error = power_law(x, samples)
    assert abs(slope + 0.5) < 4.5 * error
    assert error < 0.01
