import numpy as np
import pytest

import quadlib as ql
from quadlib.claims import overparameterization as over


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_nested_starts_share_their_students(constraint):
    large = over.nested_start(2, 10**4, 8, 8, constraint)
    small = over.nested_start(2, 10**4, 3, 8, constraint)
    assert np.array_equal(large.Q[:3, :3], small.Q)
    assert np.array_equal(large.M[:3], small.M)
    ql.drift(ql.Task(3, 2), small, 0.1, constraint)  # accepts it as a start


def test_near_a_solution_the_loss_is_that_of_the_noise():
    p, k, eps = 5, 2, 1e-3
    # in each teacher direction AC has trace ε/p and determinant −ε/(p p*)
    loss = (k * eps / p) ** 2 / 2 + k * (eps**2 / p**2 + 2 * eps / (p * k))
    assert ql.loss(ql.Task(p, k), over.near_solution(ql.Task(p, k), eps)) == pytest.approx(loss)


@pytest.mark.parametrize(("p", "k"), [(1, 2), (1, 3), (2, 3), (3, 4)])
def test_floor_is_the_minimum_over_all_students_in_the_teachers_span(p, k):
    from scipy.optimize import minimize

    task = ql.Task(p, k)

    def loss(flat):
        W = flat.reshape(p, k)
        return ql.loss(task, ql.Overlaps(W @ W.T, W))

    rng = np.random.default_rng(p)
    best = min(minimize(loss, rng.standard_normal(p * k)).fun for _ in range(3))
    assert over.floor(p, k) == pytest.approx(best, abs=1e-8)
