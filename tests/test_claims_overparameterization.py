import numpy as np
import pytest

import quadlib as ql
from quadlib import claims
from quadlib.claims import overparameterization as over

CLAIMS = claims.of("03_overparameterization")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_holds(claim):
    verdict = claim.check()
    assert verdict.findings
    assert verdict.holds, str(verdict)


def test_all_claims_of_overparameterization_are_listed():
    names = {"C2", "prefactor", "late times", "critical", "sphere"}
    assert {claim.name for claim in CLAIMS} == names


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_nested_starts_share_their_students(constraint):
    large = over.nested_start(2, 10**4, 8, 8, constraint)
    small = over.nested_start(2, 10**4, 3, 8, constraint)
    assert np.array_equal(large.Q[:3, :3], small.Q)
    assert np.array_equal(large.M[:3], small.M)
    ql.drift(ql.Task(3, 2), small, 0.1, constraint)  # accepts it as a start


def test_near_a_solution_the_loss_is_that_of_the_noise():
    task = ql.Task(5, 2)
    assert ql.loss(task, over.near_solution(task, 0.0)) == pytest.approx(0, abs=1e-15)
    # s = 2ε/5 and AC = diag(ε/5, ε/5) in the teacher's directions, to first order with M fixed
    s = 2 * 1e-3 / 5
    cross = 2 * (1 / 2) * 1e-3 / 5  # tr ACAC grows by 2 (1/p*) ε/p − ... in each direction
    loss = ql.loss(task, over.near_solution(task, 1e-3))
    assert 0 < loss < s**2 / 2 + 4 * cross


@pytest.mark.parametrize(("p", "k"), [(1, 2), (1, 3), (2, 3), (3, 4)])
def test_floor_is_the_minimum_over_all_students_in_the_teachers_span(p, k):
    from scipy.optimize import minimize

    task, W_star = ql.Task(p, k), np.eye(k) * np.sqrt(50)

    def loss(flat):
        W = flat.reshape(p, k)
        return ql.loss(task, ql.Overlaps(W @ W.T, W @ np.eye(k)))

    rng = np.random.default_rng(p)
    best = min(minimize(loss, rng.standard_normal(p * k)).fun for _ in range(3))
    assert len(W_star) == k
    assert over.floor(p, k) == pytest.approx(best, abs=1e-8)
