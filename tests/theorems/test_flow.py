"""Gradient flow by reduction is the overlap ODE without its noise term, and stays exact later."""

import numpy as np
import pytest

import quadlib as ql


def invariants(trajectory: ql.Trajectory) -> np.ndarray:
    """What no rotation of the student units changes: tr Q, tr Q², Mᵀ M, Mᵀ Q M."""
    Q, M = trajectory.Q, trajectory.M
    Mt = np.swapaxes(M, 1, 2)
    return np.concatenate(
        [
            np.trace(Q, axis1=1, axis2=2)[:, None],
            (Q**2).sum((1, 2))[:, None],
            (Mt @ M).reshape(len(Q), -1),
            (Mt @ Q @ M).reshape(len(Q), -1),
        ],
        axis=1,
    )


@pytest.mark.parametrize(
    ("p", "k", "T", "N"),
    [
        (4, 2, None, 10**4),
        (3, 3, [1, 0.5, 2], 10**3),
        (6, 2, [[1, 0.3], [0.3, 0.8]], 10**12),
        (1, 1, None, 10**4),
        (2, 4, None, 10**3),
        (16, 8, None, 10**5),
        (2, 2, None, 4),
        (8, 1, None, 10**3),
    ],
)
def test_flow_equals_the_ode_without_noise(p: int, k: int, T: object, N: int) -> None:
    task = ql.Task(p, k, T)
    state = ql.random_overlaps(task, N, 5)
    eta = 0.05
    alpha = np.linspace(0, 150 if N > 10 else 40, 161)  # no step without points
    flow = ql.gradient_flow(task, state, eta=eta, alpha=alpha)
    ode = ql.integrate(task, state, eta=eta, alpha=alpha, gradient_noise=False, rtol=1e-12)
    # rtol 1e-10 in ω, amplified along the unstable plateau by about α times its rate
    expected = invariants(ode)
    np.testing.assert_allclose(invariants(flow), expected, atol=1e-7 * np.abs(expected).max())
    np.testing.assert_allclose(flow.loss, ode.loss, atol=1e-8)


def test_the_flow_starts_at_the_given_overlaps() -> None:
    task = ql.Task(5, 2, [1.5, 0.7])
    state = ql.random_overlaps(task, 300, 2)
    flow = ql.gradient_flow(task, state, eta=0.1, alpha=[0.0, 1.0])
    np.testing.assert_array_equal(flow.Q[0], state.Q)
    np.testing.assert_array_equal(flow.M[0], state.M)


def test_its_loss_is_that_of_its_overlaps_with_the_noise_of_labels() -> None:
    task = ql.Task(3, 2, [1.5, 0.5], 0.3)
    flow = ql.gradient_flow(task, ql.random_overlaps(task, 50, 1), eta=0.1, alpha=[0.0, 5.0, 60.0])
    losses = [ql.loss(task, ql.Overlaps(Q, M)) for Q, M in zip(flow.Q, flow.M, strict=True)]
    np.testing.assert_allclose(flow.loss, losses, rtol=1e-9)
    assert flow.loss[0] == pytest.approx(losses[0], rel=1e-14)
    assert flow.meta["gradient_noise"] is False


def test_where_units_suffice_nothing_is_integrated_but_the_reduction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also at η = 0, where nothing moves."""
    monkeypatch.setattr("quadlib.dynamics.flow.integrate", None)
    task = ql.Task(2, 2)
    state = ql.random_overlaps(task, 50, 1)
    for eta, moved in ((1.0, True), (0.0, False)):
        flow = ql.gradient_flow(task, state, eta=eta, alpha=[0.0, 3.0])
        assert bool(abs(flow.loss[1] / flow.loss[0] - 1) > 1e-9) is moved


def test_from_an_isotropic_start_the_overlaps_themselves_are_those_of_the_flow() -> None:
    task = ql.Task(4, 2)
    state = ql.Overlaps(1.3 * np.eye(4), ql.random_overlaps(task, 1000, 2).M)
    flow = ql.gradient_flow(task, state, eta=0.1, alpha=80.0)
    ode = ql.integrate(task, state, eta=0.1, alpha=80.0, gradient_noise=False, rtol=1e-12)
    np.testing.assert_allclose(flow.Q, ode.Q, atol=1e-8)
    np.testing.assert_allclose(flow.M, ode.M, atol=1e-8)


def test_without_teacher_overlap_the_flow_ends_on_the_plateau() -> None:
    task = ql.Task(4, 2)
    state = ql.Overlaps(np.diag([0.5, 1.0, 1.5, 2.0]), np.zeros((4, 2)))
    flow = ql.gradient_flow(task, state, eta=0.1, alpha=300.0)
    assert flow.loss[-1] == pytest.approx(ql.plateau(task).loss, rel=1e-8)


def test_power_law_at_a_million() -> None:
    """L α² tends to 2.0834 for p = 4, p* = 2, η = 0.1, from any start."""
    task = ql.Task(4, 2)
    for seed in range(3):
        alpha = np.array([1e4, 1e5, 1e6])
        flow = ql.gradient_flow(task, ql.random_overlaps(task, 10**4, seed), eta=0.1, alpha=alpha)
        scaled = flow.loss * alpha**2
        assert scaled[-1] == pytest.approx(2.0834, abs=1e-3)
        # the approach is that of 1/α corrections: a tenth of the distance at each decade
        assert abs(scaled[1] - 2.0834) < 0.3 * abs(scaled[0] - 2.0834)


def test_time_and_learning_rate_enter_as_their_product() -> None:
    task = ql.Task(3, 2)
    state = ql.random_overlaps(task, 1000, 0)
    slow = ql.gradient_flow(task, state, eta=0.01, alpha=np.linspace(0, 900, 10))
    fast = ql.gradient_flow(task, state, eta=0.1, alpha=np.linspace(0, 90, 10))
    np.testing.assert_allclose(slow.loss, fast.loss, atol=1e-8)


def test_a_flow_that_needs_too_many_steps_ends_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As from Q = 10⁴⁰ I, where each step is in vain; here the limit is lower instead."""
    monkeypatch.setattr("quadlib.dynamics.flow.MOST_STEPS", 100)
    task = ql.Task(3, 2)
    with pytest.raises(ValueError, match=r"comparable with T .* alpha = 1e\+12; end earlier"):
        ql.gradient_flow(task, ql.random_overlaps(task, 50, 0), eta=0.1, alpha=1e12)


def test_the_late_loss_is_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """(6.12) at the first times it is used, where the overlaps themselves still tell the loss.

    Its first correction is 10⁻⁴ of the loss there, its second 10⁻⁸.
    """
    task = ql.Task(5, 2, [1.5, 0.5])
    state, alpha = ql.random_overlaps(task, 100, 1), np.array([6e4, 1e5])
    late = ql.gradient_flow(task, state, eta=0.1, alpha=alpha)
    monkeypatch.setattr("quadlib.dynamics.flow.LATE", np.inf)
    early = ql.gradient_flow(task, state, eta=0.1, alpha=alpha)
    assert (early.loss != late.loss).all()
    np.testing.assert_allclose(late.loss, early.loss, rtol=1e-6)


def test_a_loss_is_late_when_its_slowest_direction_is() -> None:
    """8η T_r α/p* is 16,000 in one direction and 16 in the other, which is hardly learned."""
    task = ql.Task(5, 2, [1.998, 0.002])
    run = ql.gradient_flow(task, ql.random_overlaps(task, 100, 1), eta=1.0, alpha=[2e3])
    expected = ql.loss(task, ql.Overlaps(run.Q[0], run.M[0]))
    assert run.loss[0] == pytest.approx(expected, rel=1e-9)
