"""Random starts: the short way has the law of the long one."""

import contextlib

import numpy as np
import pytest
from scipy import stats

import quadlib as ql
from quadlib.checks import Constraint
from quadlib.state.overlaps import check_memory


@pytest.mark.usefixtures("unchecked")  # whose checks of shapes cost more than 12,000 starts
@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize("N", [5, 12])
def test_random_overlaps_has_the_law_of_random_weights(constraint: Constraint, N: int) -> None:
    """Kolmogorov-Smirnov on each overlap and two invariants, at N = p + p* and a little above.

    14 statistics, rejected at p < 3e-6 each: false alarms below 5e-5.
    """
    task, runs = ql.Task(3, 2, [[1.0, 0.4], [0.4, 0.7]]), 3000
    short_rng, long_rng = np.random.default_rng(1), np.random.default_rng(2)

    def features(states: list[ql.Overlaps]) -> np.ndarray:
        Q, M = (np.array([getattr(state, name) for state in states]) for name in "QM")
        entries = np.concatenate([Q[:, *np.triu_indices(3)], M.reshape(runs, -1)], axis=1)
        outside = Q - M @ np.linalg.solve(task.T, np.swapaxes(M, 1, 2))
        return np.column_stack([entries, np.linalg.det(Q), np.linalg.det(outside)])

    short = features([ql.random_overlaps(task, N, short_rng, 1.4, constraint) for _ in range(runs)])
    long = features(
        [ql.random_weights(task, N, long_rng, 1.4, constraint).overlaps for _ in range(runs)]
    )
    for a, b in zip(np.transpose(short), np.transpose(long), strict=True):
        if np.ptp(a) > 1e-12:  # Q_ii = 1 on the sphere
            assert stats.ks_2samp(a, b).pvalue > 3e-6


def test_random_weights_hold_the_teacher_exactly() -> None:
    task = ql.Task(2, 3, [[1.0, 0.3, 0.0], [0.3, 2.0, 0.1], [0.0, 0.1, 0.5]], label_noise=0.2)
    w = ql.random_weights(task, 40, 3)
    again = w.task(label_noise=0.2)
    np.testing.assert_allclose(again.T, task.T, atol=1e-13)
    assert ql.loss(again, w.overlaps) == pytest.approx(ql.loss(task, w.overlaps), rel=1e-12)


def test_the_norms_of_a_random_start() -> None:
    """Entries of W have variance 1 if nothing is said, 5 standard errors; Q_ii = 1 exactly."""
    W = ql.random_weights(ql.Task(4, 2), 10**4, 0).W
    assert abs(W.var() - 1) < 5 * np.sqrt(2 / W.size)
    Q = ql.random_overlaps(ql.Task(60, 2), 100, 0, constraint="spherical").Q
    np.testing.assert_array_equal(np.diag(Q), 1.0)


def test_huge_N_costs_nothing_and_has_the_right_size() -> None:
    """At N = 1e12 √N M is standard Gaussian: its mean square over 4000 draws, 5 standard errors."""
    task, N = ql.Task(4, 2), 10**12
    rng = np.random.default_rng(0)
    M = np.array([ql.random_overlaps(task, N, rng).M for _ in range(500)])
    mean_square = N * (M**2).mean()
    assert abs(mean_square - 1) < 5 * np.sqrt(2 / M.size)


def test_the_callers_arrays_are_neither_kept_nor_changed() -> None:
    Q, M = np.eye(2), np.zeros((2, 1))
    state = ql.Overlaps(Q, M)
    Q[0, 0] = 7
    assert state.Q[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        state.M[0, 0] = 1
    assert M.flags.writeable


@pytest.mark.parametrize("task", [ql.Task(3, 2, [1.5, 0.5]), ql.Task(1, 1)])
def test_weights_drawn_from_overlaps_have_them(task):
    state = ql.random_overlaps(task, 50, 3)
    N = task.p + task.p_star
    for size in (N, 40):
        weights = state.weights(task, size, 0)
        np.testing.assert_allclose(weights.overlaps.Q, state.Q, atol=1e-13)
        np.testing.assert_allclose(weights.overlaps.M, state.M, atol=1e-13)
        np.testing.assert_allclose(weights.task().T, task.T, atol=1e-13)
    with pytest.raises(ValueError, match="N must be at least"):
        state.weights(task, N - 1, 0)


@pytest.mark.usefixtures("unchecked")
def test_weights_drawn_from_overlaps_have_no_preferred_orientation():
    # W_1 W_1^T / N averages to Q_11 / N times the identity: 2000 draws, 4.5 sigmas for 36 entries
    state, N, runs = ql.Overlaps([[2.0]], [[0.5]]), 8, 2000
    rng = np.random.default_rng(5)
    W = np.array([state.weights(ql.Task(1, 1), N, rng).W[0] for _ in range(runs)])
    products = W[:, :, None] * W[:, None, :]
    error = products.std(0) / np.sqrt(runs)
    assert (np.abs(products.mean(0) - 2.0 * np.eye(N)) < 5 * error).all()


def test_a_student_of_zeros_is_a_state() -> None:
    """Its loss is that of the teacher alone, s = −tr T/p*."""
    task = ql.Task(2, 2, [1.5, 0.5])
    zero = ql.Overlaps(np.zeros((2, 2)), np.zeros((2, 2)))
    assert ql.loss(task, zero) == pytest.approx(1 / 2 + (1.5**2 + 0.5**2) / 4, rel=1e-14)


@pytest.mark.parametrize("unit", [3e-90, 1e-12, 1e12, 1e90])
def test_units_of_every_size_are_judged_alike(unit: float) -> None:
    """The loss is of the order of T², also where rounding of W* is larger than 1e-9."""
    task = ql.Task(1, 1, [unit])
    assert ql.loss(task, ql.Overlaps([[unit]], [[unit]])) < 1e-14 * unit**2
    w = ql.Weights([[0.3 * unit**0.5] * 5], [[0.7 * unit**0.5] * 5])
    s = (0.09 - 0.49) * unit
    expected = s**2 / 2 + (0.09 * unit) ** 2 + (0.49 * unit) ** 2 - 2 * (0.21 * unit) ** 2
    assert ql.loss(w.task(), w) == pytest.approx(expected, rel=1e-12)
    assert w.task().label_noise == 0
    assert ql.Task(1, 1, [1e-90]).T == 1e-90


def test_as_many_weights_are_drawn_as_fit_in_memory() -> None:
    assert check_memory(2**28, ql.Task(2, 2)) == 2**28
    with pytest.raises(ValueError, match="fit in memory, got N = 268435457"):
        check_memory(2**28 + 1, ql.Task(2, 2))


def test_free_norms_of_a_random_start_are_random() -> None:
    Q = ql.random_overlaps(ql.Task(60, 2), 100, 0).Q
    assert (np.diag(Q) != 1.0).all()


def test_the_teacher_of_weights_is_that_of_the_task_to_1e_9_of_it() -> None:
    for unit in (1e-4, 1e4):
        for off, fits in ((0.9e-9, True), (1.1e-9, False)):
            task = ql.Task(1, 1, [unit])
            w = ql.Weights([[0.0, unit**0.5]], [[(2 * unit * (1 + off)) ** 0.5, 0.0]])
            with contextlib.nullcontext() if fits else pytest.raises(ValueError, match="deviation"):
                ql.loss(task, w)


def test_overlaps_are_possible_to_1e_9_of_the_largest_eigenvalue() -> None:
    """Of a correlation 1 + x: 2 + x and −x."""
    for off, fits in ((1.9e-9, True), (2.1e-9, False)):
        x = np.array([[1 + off]])
        with contextlib.nullcontext() if fits else pytest.raises(ValueError, match="covariance"):
            ql.loss(ql.Task(1, 1), ql.Overlaps([[1.0]], x))
    for unit in (1e-4, 1e4):
        for off, fits in ((1.9e-9, True), (2.1e-9, False)):
            Q = unit * np.array([[1.0, 1 + off], [1 + off, 1.0]])
            with contextlib.nullcontext() if fits else pytest.raises(ValueError, match="semidef"):
                ql.Overlaps(Q, np.zeros((2, 1)))
