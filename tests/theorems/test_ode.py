"""The overlap ODE: its symmetries, the order of its error, its failures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import quadlib as ql
from quadlib.checks import Constraint


def start(task: ql.Task, seed: int, constraint: Constraint = "free", N: int = 200) -> ql.Overlaps:
    return ql.random_overlaps(task, N, seed, constraint=constraint)


tasks = st.builds(
    lambda p, k, noise, seed: ql.Task(
        p, k, np.random.default_rng(seed).uniform(0.3, 2, k), label_noise=noise
    ),
    p=st.integers(1, 6),
    k=st.integers(1, 4),
    noise=st.floats(0, 2),
    seed=st.integers(0, 2**31),
)


@given(task=tasks, seed=st.integers(0, 2**31), eta=st.just(0.0) | st.floats(1e-90, 0.5))
def test_the_free_drift_is_equivariant_under_rotations_of_the_students(
    task: ql.Task, seed: int, eta: float
) -> None:
    state = start(task, seed)
    O = np.linalg.qr(np.random.default_rng(seed).standard_normal((task.p, task.p)))[0]
    turned = ql.Overlaps(O @ state.Q @ O.T, O @ state.M)
    dQ, dM = ql.drift(task, state, eta)
    turned_dQ, turned_dM = ql.drift(task, turned, eta)
    assert ql.loss(task, turned) == pytest.approx(ql.loss(task, state), rel=1e-12)
    scale = 1 + np.abs(dQ).max()
    np.testing.assert_allclose(turned_dQ, O @ dQ @ O.T, atol=1e-12 * scale)
    np.testing.assert_allclose(turned_dM, O @ dM, atol=1e-12 * scale)


@given(task=tasks, seed=st.integers(0, 2**31), eta=st.just(0.0) | st.floats(1e-90, 0.5))
def test_the_spherical_drift_keeps_norms_and_commutes_with_signed_permutations(
    task: ql.Task, seed: int, eta: float
) -> None:
    state = start(task, seed, "spherical")
    rng = np.random.default_rng(seed)
    S = np.diag(rng.choice([-1.0, 1.0], task.p))[rng.permutation(task.p)]
    dQ, dM = ql.drift(task, state, eta, "spherical")
    permuted = ql.Overlaps(S @ state.Q @ S.T, S @ state.M)
    permuted_dQ, permuted_dM = ql.drift(task, permuted, eta, "spherical")
    scale = 1 + np.abs(dQ).max()
    np.testing.assert_allclose(np.diag(dQ), 0, atol=1e-12 * scale)
    np.testing.assert_allclose(permuted_dQ, S @ dQ @ S.T, atol=1e-12 * scale)
    np.testing.assert_allclose(permuted_dM, S @ dM, atol=1e-12 * scale)


def test_a_run_from_zero_begins_with_the_given_overlaps_and_no_other_does() -> None:
    task = ql.Task(4, 2, [1.5, 0.5])
    state = start(task, 0)
    for alpha, same in (([0.0, 1.0], True), ([0.1, 1.0], False)):
        run = ql.integrate(task, state, eta=0.1, alpha=alpha)
        assert np.array_equal(run.Q[0], state.Q) is same
        assert np.array_equal(run.M[0], state.M) is same


@pytest.mark.parametrize("seed", range(3))
def test_overlaps_do_not_see_rotations_of_the_input(seed: int) -> None:
    task, rng = ql.Task(3, 2), np.random.default_rng(seed)
    w = ql.random_weights(task, 20, rng)
    R = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    turned = ql.Weights(w.W @ R, w.W_star @ R)
    np.testing.assert_allclose(turned.overlaps.Q, w.overlaps.Q, atol=1e-14)
    np.testing.assert_allclose(turned.overlaps.M, w.overlaps.M, atol=1e-14)


@pytest.mark.parametrize(("p", "end", "explicit"), [(4, 60.0, True), (4, 400.0, False)])
def test_the_error_falls_with_rtol(p: int, end: float, explicit: bool) -> None:
    """Explicit and implicit: two decades of rtol, at least one of error.

    Orders up to 12 with step control give an error proportional to rtol; half of that, in the
    logarithm, is the bound.
    """
    from quadlib.dynamics.solver import explicit as few

    task = ql.Task(p, 2)
    assert few(task, start(task, 1), 0.1, end) is explicit
    state, alpha = start(task, 1), np.linspace(0, end, 21)
    rtols = np.array([1e-4, 1e-6, 1e-8])
    exact = ql.integrate(task, state, eta=0.1, alpha=alpha, rtol=1e-13).loss
    errors = [
        np.abs(ql.integrate(task, state, eta=0.1, alpha=alpha, rtol=rtol).loss - exact).max()
        for rtol in rtols
    ]
    slope = np.polyfit(np.log(rtols), np.log(errors), 1)[0]
    assert slope > 0.5
    assert errors[-1] < 1e-6


def test_a_tiny_start_keeps_its_relative_accuracy() -> None:
    """On the plateau M grows at the plateau's rate even from N = 1e12, where M(0) is 1e-6."""
    task = ql.Task(4, 2)
    level = ql.plateau(task, 0.05)
    state = ql.Overlaps(level.q * np.eye(4), ql.random_overlaps(task, 10**12, 3).M)
    alpha = np.array([0.0, 20.0, 40.0])
    M = ql.integrate(task, state, eta=0.05, alpha=alpha, rtol=1e-10).M
    # corrections are of relative order M² = 1e-12 e^{2rα} = 2e-9 at the end
    expected = state.M * np.exp(level.escape_rate * alpha)[:, None, None]
    np.testing.assert_allclose(M, expected, rtol=3e-8)


@pytest.mark.parametrize("eta", [0.4, 1.0, 10.0, 1e5])
def test_divergence_keeps_the_trajectory_so_far(eta: float) -> None:
    task = ql.Task(4, 2)
    alpha = np.concatenate([[0.0], np.geomspace(1e-12, 100, 300)])
    with pytest.raises(ql.DivergenceError, match="lower eta") as caught:
        ql.integrate(task, start(task, 0), eta=eta, alpha=alpha)
    partial = caught.value.trajectory
    assert 1 < len(partial.alpha) < 301
    assert np.isfinite(partial.loss).all()
    assert partial.loss[-1] > partial.loss[0] / 10


def test_a_solver_that_another_run_has_taken_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SciPy before 1.17 says when two runs alternate: it has one LSODA for all."""
    from scipy.integrate import ode

    task, calls, integrate = ql.Task(4, 2), [], ode.integrate
    expected = ql.integrate(task, start(task, 0), eta=0.1, alpha=60.0)

    def taken(self, *args):
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError
        return integrate(self, *args)

    monkeypatch.setattr(ode, "integrate", taken)
    run = ql.integrate(task, start(task, 0), eta=0.1, alpha=60.0)
    assert len(calls) > 5
    np.testing.assert_allclose(run.loss, expected.loss, rtol=1e-5)
