"""Hessians against finite differences of the losses, each other, and bad input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import quadlib as ql
from quadlib.landscape import empirical_hessian_operator, hessian_operator, hessian_spectrum


def second_differences(f: Callable[[np.ndarray], float], w: np.ndarray) -> np.ndarray:
    """Hessian of a polynomial of degree four.

    Central differences of steps h and 2h err by c h² and 4 c h² exactly, so that (4 D_h − D_2h)/3
    is left with rounding only: about 1e-16 f/h².
    """

    def central(h: float) -> np.ndarray:
        n, e = w.size, h * np.eye(w.size)
        H = np.empty((n, n))
        for i in range(n):
            for j in range(i + 1):
                plus = f(w + e[i] + e[j]) + f(w - e[i] - e[j])
                H[i, j] = H[j, i] = (plus - f(w + e[i] - e[j]) - f(w - e[i] + e[j])) / (4 * h**2)
        return H

    return (4 * central(0.1) - central(0.2)) / 3


def network(p: int, k: int, N: int, seed: int, rank: int | None = None) -> ql.Weights:
    """Random weights, the students in a subspace of dimension `rank`; T is no identity."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((p, N))
    if rank is not None:
        W = rng.standard_normal((p, rank)) @ rng.standard_normal((rank, N))
    return ql.Weights(W, rng.standard_normal((k, N)))


@pytest.mark.parametrize(("p", "k", "N"), [(1, 1, 2), (2, 1, 4), (1, 2, 5), (2, 2, 4)])
def test_the_population_hessian_is_the_second_derivative_of_the_loss(
    p: int, k: int, N: int
) -> None:
    weights = network(p, k, N, p + 10 * k)
    task = weights.task(label_noise=0.3)

    def loss(w: np.ndarray) -> float:
        W = np.sqrt(N) * w.reshape(p, N)
        return ql.loss(task, ql.Weights(W, weights.W_star).overlaps)

    exact = second_differences(loss, weights.W.ravel() / np.sqrt(N))
    np.testing.assert_allclose(hessian_operator(weights) @ np.eye(p * N), exact, atol=1e-11)
    spectrum = hessian_spectrum(task, weights.overlaps, N)
    every = np.repeat(spectrum.values, spectrum.multiplicities)
    np.testing.assert_allclose(every, np.linalg.eigvalsh(exact), atol=1e-11)


@pytest.mark.parametrize(("p", "k", "n"), [(1, 1, 1), (2, 2, 7), (3, 1, 20)])
def test_the_empirical_hessian_is_the_second_derivative_of_the_mean_loss(
    p: int, k: int, n: int
) -> None:
    N = 5
    weights = network(p, k, N, 1)
    X = np.random.default_rng(2).standard_normal((n, N))
    y = ((weights.W_star @ X.T / np.sqrt(N)) ** 2).mean(0)

    def loss(w: np.ndarray) -> float:
        error = ((w.reshape(p, N) @ X.T) ** 2).mean(0) - y
        return float((error**2).mean()) / 2

    exact = second_differences(loss, weights.W.ravel() / np.sqrt(N))
    operator = empirical_hessian_operator(weights, X)
    np.testing.assert_allclose(operator @ np.eye(p * N), exact, atol=1e-10)


@given(
    p=st.integers(1, 4),
    k=st.integers(1, 3),
    rank=st.integers(0, 4),
    extra=st.integers(0, 4),
    seed=st.integers(0, 2**31),
)
def test_the_spectrum_is_that_of_the_operator_at_any_rank(
    p: int, k: int, rank: int, extra: int, seed: int
) -> None:
    """Merged eigenvalues differ by up to 1e-9 of the scale a step."""
    N = p + k + extra
    weights = network(p, k, N, seed, min(rank, p))
    spectrum = hessian_spectrum(weights.task(), weights.overlaps, N)
    dense = np.linalg.eigvalsh(hessian_operator(weights) @ np.eye(p * N))
    every = np.repeat(spectrum.values, spectrum.multiplicities)
    np.testing.assert_allclose(every, dense, atol=1e-8 * np.abs(dense).max())


@given(
    alone=st.integers(0, 4),
    seeing=st.integers(0, 3),
    k=st.integers(1, 3),
    full=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_a_hessian_of_units_that_can_be_made_orthogonal_splits_into_its_blocks(
    alone: int, seeing: int, k: int, full: bool, seed: int
) -> None:
    """Units mixed by a rotation, of which some can be made orthogonal to each other and to all."""
    rng, p, N = np.random.default_rng(seed), alone + seeing, alone + seeing + k + 2
    assume(p > 0)
    w, E = np.zeros((p, N)), np.linalg.qr(rng.standard_normal((N, N)))[0]
    w[:seeing, : k + seeing] = rng.standard_normal((seeing, k + seeing))
    w[seeing:, k + seeing :][:, :alone] = np.diag(rng.uniform(0.5, 2.0, alone))
    teacher = np.eye(k, N) + full * np.pad(rng.standard_normal((k, k)), ((0, 0), (0, N - k)))
    O = np.linalg.qr(rng.standard_normal((p, p)))[0]
    weights = ql.Weights(O @ w @ E.T, teacher @ E.T)
    spectrum = hessian_spectrum(weights.task(), weights.overlaps, N)
    dense = np.linalg.eigvalsh(hessian_operator(weights) @ np.eye(p * N))
    every = np.repeat(spectrum.values, spectrum.multiplicities)
    np.testing.assert_allclose(every, dense, atol=1e-8 * np.abs(dense).max())


def test_blocks_that_do_not_fit_are_refused_and_small_ones_are_not() -> None:
    task, q = ql.Task(128, 128), ql.plateau(ql.Task(128, 128)).q
    with pytest.raises(ValueError, match=r"dense block of p \(p \+ p_star\) rows below 8400, got"):
        hessian_spectrum(task, ql.random_overlaps(task, 10**6, 0), 10**6)
    flat = ql.Overlaps(q * np.eye(128), np.zeros((128, 128)))
    assert hessian_spectrum(task, flat, 10**6).index == 128**2


@given(
    p=st.integers(1, 5),
    k=st.integers(1, 4),
    log_N=st.floats(1, 12),
    seed=st.integers(0, 2**31),
)
def test_the_spectrum_does_not_see_rotations_of_the_students(
    p: int, k: int, log_N: float, seed: int
) -> None:
    task, N = ql.Task(p, k), int(10**log_N)
    state = ql.random_overlaps(task, N, seed)
    O = np.linalg.qr(np.random.default_rng(seed).standard_normal((p, p)))[0]
    one = hessian_spectrum(task, state, N)
    other = hessian_spectrum(task, ql.Overlaps(O @ state.Q @ O.T, O @ state.M), N)
    np.testing.assert_array_equal(one.multiplicities, other.multiplicities)
    np.testing.assert_allclose(one.values, other.values, atol=1e-12 * np.abs(one.values).max())


def operators(weights: ql.Weights) -> list[Any]:
    X = np.random.default_rng(7).standard_normal((40, weights.N))
    return [hessian_operator(weights), empirical_hessian_operator(weights, X)]


@pytest.mark.parametrize("kind", [0, 1])
def test_operators_are_symmetric_and_take_vectors_columns_and_blocks(kind: int) -> None:
    weights = network(3, 2, 11, 0)
    operator = operators(weights)[kind]
    V = np.random.default_rng(1).standard_normal((33, 5))
    columns = np.stack([operator @ v for v in V.T], axis=1)
    assert operator.shape == (33, 33)
    np.testing.assert_allclose(operator @ V, columns, atol=1e-12)
    np.testing.assert_allclose(operator @ np.asfortranarray(V), columns, atol=1e-12)
    np.testing.assert_allclose(operator.matmat(V[:, :1]), columns[:, :1], atol=1e-12)
    np.testing.assert_allclose(operator.H @ V, columns, atol=1e-12)
    np.testing.assert_allclose(V.T @ columns, columns.T @ V, atol=1e-11)


def test_operators_neither_keep_nor_change_the_callers_arrays() -> None:
    weights, rng = network(2, 1, 6, 0), np.random.default_rng(0)
    X, v = rng.standard_normal((9, 6)), rng.standard_normal(12)
    X_before, v_before = X.copy(), v.copy()
    operator = empirical_hessian_operator(weights, X)
    product = operator @ v
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(v, v_before)
    X[:] = 0
    np.testing.assert_array_equal(operator @ v, product)


def test_a_spectrum_is_read_only_and_counts_in_python_integers() -> None:
    task, N = ql.Task(4, 2), 10**12
    q = ql.plateau(task).q
    spectrum = hessian_spectrum(task, ql.Overlaps(q * np.eye(4), np.zeros((4, 2))), N)
    assert (type(spectrum.index), type(spectrum.nullity)) == (int, int)
    assert (np.diff(spectrum.values) > 0).all()
    with pytest.raises(ValueError, match="read-only"):
        spectrum.values[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        spectrum.multiplicities[0] = 0


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_every_eigenvalue_is_counted_in_every_unit(unit: float) -> None:
    """On the plateau q = p/(p + 2) and at N = p + p*, where nothing is outside of the span."""
    task = ql.Task(4, 2, [unit, unit])
    state = ql.Overlaps(ql.plateau(task).q * np.eye(4), np.zeros((4, 2)))
    for N in (6, 7, 10**6):
        spectrum = hessian_spectrum(task, state, N)
        assert (spectrum.multiplicities > 0).all()
        assert spectrum.multiplicities.sum() == 4 * N
        assert spectrum.index == 8  # M of either teacher grows in every unit
    assert np.abs(spectrum.values).max() < 100 * unit


def test_as_many_eigenvalues_as_64_bits_count() -> None:
    N = (2**63 - 1) // 7
    spectrum = hessian_spectrum(ql.Task(7, 1), ql.Overlaps(np.eye(7), np.zeros((7, 1))), N)
    assert int(spectrum.multiplicities.sum()) == 2**63 - 1


TASK = ql.Task(2, 1)
STATE = ql.Overlaps(np.eye(2), np.zeros((2, 1)))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("task", "state", "N", "error", "match"),
    [
        (TASK, STATE, 2, ValueError, "N must be at least p \\+ p_star = 3"),
        (TASK, STATE, 10.0, TypeError, "N must be an integer"),
        (TASK, STATE, True, TypeError, "N must be an integer"),
        (TASK, STATE, 2**62, ValueError, "below 2\\^63"),
        (ql.Task(3, 1), STATE, 10, ValueError, "state must have p = 3"),
        (ql.Task(2, 2), STATE, 10, ValueError, "state must have p = 2 and p_star = 2"),
        (TASK, ql.Overlaps(np.eye(2), [[2.0], [0.0]]), 10, ValueError, "must be a covariance"),
    ],
)
def test_bad_input_of_the_spectrum(
    task: ql.Task, state: ql.Overlaps, N: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        hessian_spectrum(task, state, N)


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.ones((6, 9)), ValueError, "X must have shape .* pass X.T"),
        (np.ones((0, 6)), ValueError, "n >= 1"),
        (np.ones(6), ValueError, "X must have 2 axes"),
        (np.ones((2, 3, 6)), ValueError, "X must have 2 axes"),
        (np.full((9, 6), np.nan), ValueError, "X must be finite"),
        (np.full((9, 6), np.inf), ValueError, "X must be finite"),
        (np.ones((9, 6)) * 1j, TypeError, "X must be an array of real numbers"),
        ([[1.0, 2.0], [3.0]], TypeError, "X must be an array of real numbers"),
    ],
)
def test_bad_input_of_the_empirical_operator(X: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        empirical_hessian_operator(network(2, 1, 6, 0), X)


def test_a_block_of_the_allowed_size_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    task = ql.Task(3, 2)
    state = ql.random_overlaps(task, 50, 0)
    monkeypatch.setattr("quadlib.landscape.LARGEST_BLOCK", 15)
    assert hessian_spectrum(task, state, 50).multiplicities.sum() == 150
    monkeypatch.setattr("quadlib.landscape.LARGEST_BLOCK", 14)
    with pytest.raises(ValueError, match="rows below 14, got 15"):
        hessian_spectrum(task, state, 50)


def test_what_rounding_has_moved_below_zero_tells_what_it_has_moved_above() -> None:
    """A solution known to 10⁻⁹: C has eigenvalues of that size instead of 0."""
    task, M = ql.Task(3, 1), np.array([[2.0], [-1.0], [2.0]]) / 3
    exact = hessian_spectrum(task, ql.Overlaps(M @ M.T, M), 10)
    off = 1e-10 * np.array([[1.0], [3.0], [2.0]])
    rounded = hessian_spectrum(task, ql.Overlaps(M @ M.T, M + off), 10)
    assert rounded.nullity == exact.nullity > 0
    np.testing.assert_allclose(rounded.values, exact.values, atol=1e-9)
    np.testing.assert_array_equal(rounded.multiplicities, exact.multiplicities)
