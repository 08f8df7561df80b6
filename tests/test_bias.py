"""Closest solution, distance and conserved matrix against slower ways to the same thing."""

import importlib
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import minimize
from scipy.special import gamma, hyp2f1

import quadlib as ql
from quadlib.bias import closest_solution, conserved_quantity, solution_distance

TASKS = [
    (1, 1, None),
    (2, 1, [0.5]),
    (3, 3, [2.0, 1.0, 0.5]),
    (4, 2, [[1.0, 0.3], [0.3, 0.8]]),
    (6, 4, None),
]


def frame(p: int, k: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((p, k)))[0]


@pytest.mark.parametrize(("p", "k", "T"), TASKS)
def test_closest_solution_is_the_minimum_over_all_solutions(p: int, k: int, T: object) -> None:
    task = ql.Task(p, k, T)
    w = ql.random_weights(task, 20, 3)
    rng = np.random.default_rng(0)
    W_inf = closest_solution(w)
    assert ql.loss(task, ql.Weights(W_inf, w.W_star).overlaps) < 1e-12
    upper = np.triu_indices(p, 1)

    def distance(angles: np.ndarray, O: np.ndarray) -> float:
        skew = np.zeros((p, p))
        skew[upper] = angles
        rotation = expm(skew - skew.T)
        return float(np.linalg.norm(w.W - np.sqrt(p / k) * rotation @ O @ w.W_star))

    best = np.linalg.norm(w.W - W_inf)
    found = []
    for _ in range(12):  # both components of O(p) where p = k, and several starts in each
        O = frame(p, k, rng) * rng.choice([-1.0, 1.0], k)
        if p == 1:
            found.append(distance(np.zeros(0), O))
        else:
            result = minimize(distance, np.zeros(len(upper[0])), args=(O,), tol=1e-10)
            found.append(result.fun)
    assert min(found) == pytest.approx(best, rel=1e-7)
    assert solution_distance(w) == pytest.approx(best / np.sqrt(20), rel=1e-12)


@pytest.mark.parametrize(("p", "k", "T"), TASKS)
def test_squared_distance_follows_from_the_overlaps(p: int, k: int, T: object) -> None:
    """tr Q + (p/p*) tr T − 2 √(p/p*) × (sum of the singular values of M)."""
    w = ql.random_weights(ql.Task(p, k, T), 30, 1)
    M = w.overlaps.M
    square = np.trace(w.overlaps.Q) + p / k * np.trace(w.W_star @ w.W_star.T / 30)
    square -= 2 * np.sqrt(p / k) * np.linalg.norm(M, "nuc")
    assert solution_distance(w) ** 2 == pytest.approx(square, rel=1e-12)


@pytest.mark.parametrize("size", [1e-2, 1e-7, 1e-12])
def test_a_small_distance_keeps_its_digits(size: float) -> None:
    """A step away from a solution and orthogonal to all teachers is the shortest way back."""
    rng = np.random.default_rng(4)
    task = ql.Task(5, 3, [1.5, 1.0, 0.7])
    W_star = ql.random_weights(task, 40, rng).W_star
    away = rng.standard_normal((5, 40))
    away -= away @ np.linalg.pinv(W_star) @ W_star
    away *= size * np.sqrt(40) / np.linalg.norm(away)
    w = ql.Weights(np.sqrt(5 / 3) * frame(5, 3, rng) @ W_star + away, W_star)
    # entries of order one are rounded at 1e-16, their distance at some 1e-15
    assert solution_distance(w) == pytest.approx(size, rel=1e-12, abs=3e-15)


def test_without_overlap_any_solution_is_as_close() -> None:
    W_star = np.sqrt(8) * np.eye(2, 8)
    w = ql.Weights(np.eye(3, 8, k=4), W_star)
    W_inf = closest_solution(w)
    assert ql.loss(w.task(), ql.Overlaps(3 * np.eye(3), np.zeros((3, 2)))) > 1
    overlaps = ql.Weights(W_inf, W_star).overlaps
    assert ql.loss(ql.Task(3, 2), overlaps) < 1e-14


def test_conserved_matrix_of_weights_is_that_of_least_squares() -> None:
    """W − M T⁻¹ W* is what regression on the teachers leaves of the students."""
    w = ql.random_weights(ql.Task(3, 2, [[1.0, 0.4], [0.4, 2.0]]), 12, 0)
    eta, alpha = 0.1, 7.0
    rest = w.W - np.linalg.lstsq(w.W_star.T, w.W.T, rcond=None)[0].T @ w.W_star
    growth = expm(-4 * eta * alpha / 2 * w.task().T)
    M = w.overlaps.M @ growth
    expected = M.T @ np.linalg.inv(rest @ rest.T / 12) @ M
    trajectory = ql.Trajectory(
        w.task(), np.array([alpha]), w.overlaps.Q[None], w.overlaps.M[None], {"eta": eta}
    )
    np.testing.assert_allclose(conserved_quantity(trajectory)[0], expected, rtol=1e-12)


def test_too_few_units_are_refused() -> None:
    w = ql.random_weights(ql.Task(2, 3), 10, 0)
    for call in (closest_solution, solution_distance):
        with pytest.raises(
            ValueError, match=r"p must be at least p_star = 3 .* got p = 2; raise p"
        ):
            call(w)


@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_lost_digits_are_refused_and_not_returned(unit: float) -> None:
    task = ql.Task(4, 2, [unit, unit])
    start = ql.random_overlaps(task, 10**4, np.random.default_rng(0), q0=unit)
    flow = ql.gradient_flow(task, start, eta=0.1 / unit, alpha=200.0)
    with pytest.raises(
        ValueError, match=r"above rounding, got .* at alpha = 1[01].*; record a run"
    ):
        conserved_quantity(flow)
    unknown = ql.Trajectory(task, flow.alpha, flow.Q, flow.M, {})
    with pytest.raises(TypeError, match='meta\\["eta"\\] must be a real number'):
        conserved_quantity(unknown)


def test_the_polar_factor_is_the_closest_frame_and_the_closest_solution() -> None:
    w = ql.random_weights(ql.Task(4, 2, [[1.0, 0.3], [0.3, 0.8]]), 15, 0)
    M = w.overlaps.M
    O = ql.polar_factor(M)
    values, vectors = np.linalg.eigh(M.T @ M)
    np.testing.assert_allclose(O, M @ (vectors / np.sqrt(values)) @ vectors.T, atol=1e-12)
    np.testing.assert_allclose(np.sqrt(2) * O @ w.W_star, closest_solution(w), atol=1e-12)
    np.testing.assert_allclose(ql.polar_factor(M.tolist()), O, atol=1e-15)
    assert ql.polar_factor(np.stack([M, -M]))[1] == pytest.approx(-O)
    assert ql.polar_factor(np.ones((0, 3, 2))).shape == (0, 3, 2)


def test_misalignment_is_one_minus_the_mean_cosine_and_keeps_its_digits() -> None:
    rng = np.random.default_rng(0)
    O, other = frame(5, 3, rng), frame(5, 3, rng)
    assert ql.misalignment(O, other) == pytest.approx(1 - np.trace(O.T @ other) / 3, rel=1e-12)
    stack = ql.misalignment(np.stack([O, -other]), other)
    assert stack == pytest.approx([float(ql.misalignment(O, other)), 2.0])
    angle = 1e-9
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert ql.misalignment(turn, np.eye(2)) == pytest.approx(angle**2 / 2, rel=1e-6)


@pytest.mark.parametrize(("p", "eta"), [(1, 0.05), (1, 0.15), (2, 0.1), (5, 0.01), (5, 0.15)])
def test_blur_of_one_teacher_is_that_of_correlated_gaussian_vectors(p: int, eta: float) -> None:
    """The cosine of two Gaussian vectors of correlation ρ has a hypergeometric mean."""
    epsilon = ql.escape_law(ql.Task(p, 1), 10**6, eta).v_eff - 1
    rho = (1 + epsilon) ** -0.5
    mean = rho * gamma((p + 1) / 2) ** 2 / (gamma(p / 2) * gamma(p / 2 + 1))
    mean *= hyp2f1(0.5, 0.5, p / 2 + 1, rho**2)
    blur, spread = ql.blur_law(ql.Task(p, 1), eta)
    assert abs(blur - (1 - mean)) < 4.5 * spread / 200  # 40,000 draws; false alarms: 5 × 7e-6
    # From one start: J of length ℓ, whose angle the noise turns as it turns J of length ℓ/√ε
    start = np.zeros((p, 1))
    start[0] = np.sqrt(p)
    x = np.random.default_rng(1).standard_normal((40_000, p)) * np.sqrt(epsilon) + start[:, 0]
    cosine = x[:, 0] / np.linalg.norm(x, axis=1)
    given, width = ql.blur_law(ql.Task(p, 1), eta, start)
    error = np.hypot(width, cosine.std()) / 200
    assert abs(given - (1 - cosine.mean())) < 4.5 * error


def test_the_blur_of_one_teacher_is_first_order_in_epsilon() -> None:
    """ε (p − 1)/(2(p − 2)) is 2.3 % high at p = 8, η = .005, as the theory says."""
    epsilon = ql.escape_law(ql.Task(8, 1), 10**6, 0.005).v_eff - 1
    rho = (1 + epsilon) ** -0.5
    mean = rho * gamma(4.5) ** 2 / (gamma(4) * gamma(5)) * hyp2f1(0.5, 0.5, 5, rho**2)
    assert epsilon * 7 / 12 / (1 - mean) - 1 == pytest.approx(0.023, abs=5e-4)


@pytest.mark.usefixtures("unchecked")
def test_what_has_no_orientation_or_blur_says_so() -> None:
    wide, square = np.ones((3, 2)), np.ones((2, 2))
    with pytest.raises(ValueError, match=r"O and other must be matrices of one shape, got \(3, 2"):
        ql.misalignment(wide, square)
    with pytest.raises(ValueError, match="M must have 2 axes"):
        ql.polar_factor([1.0, 2.0])
    with pytest.raises(TypeError, match="M must be an array of real numbers"):
        ql.polar_factor("round")
    with pytest.raises(ValueError, match="T must be the identity for the law of the blur"):
        ql.blur_law(ql.Task(2, 2, [1.5, 0.5]), 0.1)
    with pytest.raises(ValueError, match=r"for the plateau to be left, got eta = 0.43"):
        ql.blur_law(ql.Task(8, 4), 0.43)
    with pytest.raises(ValueError, match=r"start must have shape \(2, 2\), got \(3, 2\)"):
        ql.blur_law(ql.Task(2, 2), 0.1, wide)


@pytest.mark.parametrize(("p", "k", "draws"), [(1, 1, 40_000), (16, 16, 15_625), (64, 64, 2_000)])
def test_the_blur_is_drawn_in_slices_from_so_many_pairs(
    monkeypatch: pytest.MonkeyPatch, p: int, k: int, draws: int
) -> None:
    """4·10⁶ numbers, in 32 slices."""
    room, sizes = importlib.import_module("quadlib.bias"), list[int]()
    monkeypatch.setattr(room, "polar_factor", lambda J: sizes.append(len(J)))
    monkeypatch.setattr(room, "misalignment", lambda *_: np.arange(2.0))
    nothing = SimpleNamespace(standard_normal=lambda shape: np.broadcast_to(0.0, shape))
    monkeypatch.setattr("numpy.random.default_rng", lambda _: nothing)
    pieces = room.blur_law_in_pieces(ql.Task(p, k), 0.01)
    assert sum(1 for _ in pieces) == 1 + 32
    assert sum(sizes) == 2 * draws


def test_digits_are_lost_below_32_roundings_of_the_trace() -> None:
    eps = np.finfo(float).eps
    for large in (1e6, 1e-6):
        for share, lost in ((31, True), (33, False)):
            Q = np.diag([large, share * eps * large])[None]
            run = ql.Trajectory(ql.Task(2, 1), np.zeros(1), Q, np.zeros((1, 2, 1)), {"eta": 0.1})
            with pytest.raises(ValueError, match="above rounding") if lost else nullcontext():
                ql.conserved_quantity(run)
