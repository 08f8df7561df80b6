"""Runs can be followed to the end: late losses keep their digits, and states stay possible."""

import importlib
import signal
import threading
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import quadlib as ql
from quadlib.dynamics.components import Components, _independent, component_loss
from quadlib.dynamics.flow import _Reduction
from quadlib.state import scaled_covariance
from quadlib.task import mean_change

LATE = np.concatenate([[0.0], np.geomspace(1e8, 1e12, 5)])


@pytest.mark.parametrize(("p", "T"), [(3, None), (8, None), (5, [1.5, 0.5])])
def test_the_loss_of_gradient_flow_follows_its_power_law_to_1e12(p: int, T: Any) -> None:
    """L α² is within 1e-6 of its limit from α = 1e8 on."""
    task = ql.Task(p, 2, T)
    run = ql.gradient_flow(task, ql.random_overlaps(task, 1000, 0), eta=0.1, alpha=LATE)
    C = ql.late_time_law(task, 0.1, gradient_noise=False).prefactor
    np.testing.assert_allclose((run.loss * run.alpha**2)[1:], C, rtol=1e-6)


@pytest.mark.parametrize("p", [3, 8])
def test_the_loss_of_the_ode_follows_its_power_law_to_1e12(p: int) -> None:
    """The relative correction is of order 1/α, and rtol = 1e-8 leaves 1e-6 of the loss."""
    task = ql.Task(p, 2)
    run = ql.integrate(task, ql.random_overlaps(task, 1000, 0), eta=0.05, alpha=LATE)
    np.testing.assert_allclose(
        (run.loss * run.alpha**2)[1:], ql.late_time_law(task, 0.05).prefactor, rtol=2e-6
    )


@pytest.mark.parametrize("noise", [True, False])
def test_at_p_equal_to_p_star_the_loss_falls_exponentially_to_1e_25(noise: bool) -> None:
    task = ql.Task(2, 2, [1.2, 0.8])
    how: dict[str, Any] = dict(eta=0.05, alpha=np.linspace(0, 1000, 201))
    state, law = ql.random_overlaps(task, 1000, 0), ql.late_time_law(task, 0.05, "free", noise)
    runs = [ql.integrate(task, state, gradient_noise=noise, **how)]
    if not noise:
        runs.append(ql.gradient_flow(task, state, **how))
    for run in runs:
        late = (run.loss < 1e-14) & (run.loss > 1e-25)
        slopes = np.diff(np.log(run.loss[late])) / np.diff(run.alpha[late])
        assert len(slopes) > 20
        np.testing.assert_allclose(slopes[len(slopes) // 2 :], -law.rate, rtol=1e-3)
        assert run.loss[-1] < 1e-26


@pytest.mark.parametrize(("p", "eta"), [(2, 0.245), (3, 0.28)])
def test_a_coarse_tolerance_ends_at_a_solution_too(p: int, eta: float) -> None:
    """Q and M then are 1e-6 beside one; the loss still falls at its rate, and the run ends."""
    task = ql.Task(p, p)
    start = ql.random_overlaps(task, 10**6, 25)
    alpha = np.append(np.linspace(0, 2500, 1001), 1e5)
    run = ql.integrate(task, start, eta=eta, alpha=alpha, rtol=1e-6)
    late = (run.loss < 1e-12) & (run.loss > 1e-25)
    slopes = np.diff(np.log(run.loss[late])) / np.diff(run.alpha[late])
    assert len(slopes) > 20
    np.testing.assert_allclose(slopes, -ql.late_time_law(task, eta).rate, rtol=1e-3)
    assert run.loss[-1] < 1e-26


def counted_run(monkeypatch: pytest.MonkeyPatch, *args: Any, **how: Any) -> tuple[Any, list[float]]:
    times, derivative = list[float](), Components.derivative

    def counted(self: Components, alpha: float, y: Any) -> Any:
        times.append(alpha)
        return derivative(self, alpha, y)

    with monkeypatch.context() as patched:
        patched.setattr(Components, "derivative", counted)
        return ql.integrate(*args, **dict(constraint="spherical") | how), times


@pytest.mark.parametrize(
    ("p", "share", "rtol"),
    [(1, 0.5, 1e-8), (2, 0.5, 1e-12), (3, 0.1, 1e-8), (3, 0.5, 1e-5), (4, 0.9, 1e-8)],
)
def test_on_the_sphere_the_loss_falls_exponentially_to_1e_30_and_then_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, p: int, share: float, rtol: float
) -> None:
    """At T = I, where norms that errors of steps have put off one would hold it at rtol²."""
    task = ql.Task(p, p)
    eta = share * ql.critical_learning_rate(task)
    rate = ql.late_time_law(task, eta, "spherical").rate
    assert rate is not None
    start = ql.random_overlaps(task, 10**4, 1, constraint="spherical")
    alpha = np.append(np.linspace(0, 200 / rate, 401), 1e5 / rate)
    run, times = counted_run(monkeypatch, task, start, eta=eta, alpha=alpha, rtol=rtol)
    late = (run.loss < 1e-14) & (run.loss > 1e-25)
    slopes = np.diff(np.log(run.loss[late])) / np.diff(run.alpha[late])
    assert len(slopes) > 20
    np.testing.assert_allclose(slopes, -rate, rtol=1e-3)
    assert run.loss[-1] < 1e-30
    learned = run.alpha[run.loss < 1e-29][0]
    assert sum(time > learned for time in times) < 500


def test_on_the_sphere_unequal_teachers_are_learned_to_1e_30_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There each norm keeps off one only as long as their sum does."""
    task = ql.Task(4, 4, [1.3, 1.0, 0.9, 0.8])
    start = ql.random_overlaps(task, 10**4, 1, constraint="spherical")
    run, times = counted_run(monkeypatch, task, start, eta=0.1, alpha=[3e5], rtol=1e-8)
    assert run.loss[0] < 1e-30
    assert len(times) < 25_000


def literal(task: ql.Task, start: ql.Overlaps, eta: float, end: float) -> np.ndarray:
    """The covariance C of the fields after `end` on the sphere, (1.8), (1.9) and (2.1)-(2.3)."""
    p, A = task.p, np.diag(task.readout)

    def drift(_alpha: float, flat: np.ndarray) -> np.ndarray:
        C = flat.reshape(A.shape)
        s, CAC = np.trace(A @ C), C @ A @ C
        square = s**2 + 2 * np.trace(A @ CAC) + task.label_noise
        Phi, Gamma = s * C + 2 * CAC, square * C + 4 * s * CAC + 8 * CAC @ A @ C
        dC = np.zeros_like(C)
        dC[:p] -= 2 * eta * Phi[:p]
        dC[:, :p] -= 2 * eta * Phi[:, :p]
        dC[:p, :p] += 4 * eta**2 * Gamma[:p, :p]
        D = np.append(dC.diagonal()[:p] / C.diagonal()[:p], np.zeros(len(C) - p))
        return (dC - C * (D[:, None] + D) / 2).ravel()

    C = np.block([[start.Q, start.M], [start.M.T, task.T]])
    run = solve_ivp(drift, (0.0, end), C.ravel(), method="DOP853", rtol=1e-10, atol=1e-12)
    return run.y[:, -1].reshape(A.shape)


@pytest.mark.parametrize(
    ("p", "T", "nu", "most"),
    [
        (3, [1.0, 1.0, 1.0], 0.1, 2000),
        (4, [1.0, 1.0, 1.0, 1.0], 1e-3, 2000),
        (3, [1 + 1e-12, 1.0, 1 - 1e-12], 0.0, 3000),
        (3, [1 + 1e-10, 1.0, 1 - 1e-10], 0.0, 3000),
    ],
)
def test_on_the_sphere_a_run_at_rest_costs_nothing_more(
    monkeypatch: pytest.MonkeyPatch, p: int, T: Any, nu: float, most: int
) -> None:
    """Where labels are noisy, T nearly a multiple of 1: at α = 1e5 as at 1500."""
    task = ql.Task(p, p, T, label_noise=nu)
    start = ql.random_overlaps(task, 1000, 0, constraint="spherical")
    run, times = counted_run(monkeypatch, task, start, eta=0.05, alpha=[1500.0, 1e5])
    C = literal(task, start, 0.05, 1500.0)
    for Q, M in zip(run.Q, run.M, strict=True):
        np.testing.assert_allclose(Q, C[:p, :p], atol=1e-5)
        np.testing.assert_allclose(M, C[:p, p:], atol=1e-5)
    assert len(times) < most


def test_on_the_sphere_no_learning_rate_diverges() -> None:
    """At ηT = 30, where noise turns all units into one: its rate is (ηT)², not ηT."""
    task = ql.Task(3, 3, [1.2, 1.0, 0.6])
    start = ql.random_overlaps(task, 1000, 0, constraint="spherical")
    run = ql.integrate(task, start, eta=30.0, alpha=[0.3], constraint="spherical")
    C = literal(task, start, 30.0, 0.3)
    np.testing.assert_allclose(run.Q[0], C[:3, :3], atol=1e-5)
    np.testing.assert_allclose(run.M[0], C[:3, 3:], atol=1e-5)


@pytest.mark.parametrize(
    ("p", "k", "eta", "seed"),
    [(4, 2, 0.05, 0), (3, 2, 0.2, 0), (3, 2, 0.05, 1), (2, 1, 0.1, 0), (2, 1, 0.1, 1)],
)
def test_on_the_sphere_surplus_units_die_by_their_power_law_to_1e12(
    monkeypatch: pytest.MonkeyPatch, p: int, k: int, eta: float, seed: int
) -> None:
    """Surplus units are 1/α, and the others' part of Q⊥ is 1/α².

    In units that mix them L α² is off by up to .2 of itself at single times, of 61 here. The
    rounding of the first is 1e-4 of the second at the end.
    """
    task, alpha = ql.Task(p, k), np.append(0.0, np.geomspace(1e8, 1e12, 61))
    start = ql.random_overlaps(task, 1000, seed, constraint="spherical")
    run, times = counted_run(monkeypatch, task, start, eta=eta, alpha=alpha)
    law = ql.late_time_law(task, eta, "spherical").prefactor
    np.testing.assert_allclose((run.loss * run.alpha**2)[1:], law, rtol=1e-3)
    assert len(times) < 40_000


@pytest.mark.parametrize(
    ("p", "k", "off", "eta", "most"),
    [
        (3, 2, 1e-7, 0.05, 15_000),
        (4, 4, 1e-6, 0.05, 10_000),
    ],
)
def test_on_the_sphere_nearly_equal_teachers_are_learned_but_for_their_difference(
    monkeypatch: pytest.MonkeyPatch, p: int, k: int, off: float, eta: float, most: int
) -> None:
    """In few steps, though units turn at rates of off² for ever, and as with a finer tolerance.

    Of the difference a tenth of rtol may be wrong.
    """
    task = ql.Task(p, k, [1.0 + off, *[1.0] * (k - 1)])
    start = ql.random_overlaps(task, 1000, p, constraint="spherical")
    how: Any = dict(eta=eta, alpha=[1e10, 1e11, 1e12], constraint="spherical")
    run, times = counted_run(monkeypatch, task, start, **how)
    finer = ql.integrate(task, start, **how, rtol=1e-9)
    np.testing.assert_allclose(run.loss, finer.loss, rtol=1e-9 / off)
    assert 0 < run.loss[-1] < off**2
    assert len(times) < most


@pytest.mark.parametrize(("p", "unit", "eta"), [(5, 1.0, 1e6), (3, 1e30, 1.0)])
def test_the_ode_without_noise_is_followed_to_1e_30_at_any_eta_alpha_T(
    monkeypatch: pytest.MonkeyPatch, p: int, unit: float, eta: float
) -> None:
    """As gradient flow, whose reduction keeps its digits.

    Rounding leaves 1e-3 at 1e-26 and .06 at 1e-29, in 48 runs like these at worst. With Jacobians
    by differences no steps are found from 1e-28 on.
    """
    task = ql.Task(p, 2, [unit, 0.7 * unit])
    start = ql.random_overlaps(task, 20, 1, q0=0.5 * unit)
    alpha = np.geomspace(1.0, 1e17, 60) / (eta * unit)
    how: Any = dict(gradient_noise=False, constraint="free")
    run, times = counted_run(monkeypatch, task, start, eta=eta, alpha=alpha, **how)
    flow = ql.gradient_flow(task, start, eta=eta, alpha=alpha)
    for least, off in ((1e-24, 1e-3), (1e-26, 0.01), (1e-29, 0.3)):
        above = flow.loss > least * unit**2
        np.testing.assert_allclose(run.loss[above], flow.loss[above], rtol=off)
    assert len(times) < 20_000


@pytest.mark.parametrize("p", [2, 4])
@pytest.mark.parametrize("q0", [1e-12, 1e-4])
def test_the_loss_of_gradient_flow_never_grows(p: int, q0: float) -> None:
    """At p = p* errors of steps in E, squared, would show from 1e-18 on, where Q⊥ is less."""
    task = ql.Task(p, p)
    for seed in range(3):
        start = ql.random_overlaps(task, 20, seed, q0=q0)
        run = ql.gradient_flow(task, start, eta=0.05, alpha=np.linspace(0, 1000, 401))
        above = run.loss[run.loss > 1e-300]
        assert (np.diff(above) <= 1e-12 * above[:-1]).all()


def test_gradient_flow_is_late_when_the_last_teacher_unit_is_learned() -> None:
    """Its loss is that of surplus units alone only then."""
    task = ql.Task(3, 2, [1.0, 1e-4])
    start = ql.random_overlaps(task, 20, 0)
    how: Any = dict(eta=0.1, alpha=np.array([1e4, 3e4, 6e4, 1e5, 1e6, 1e7]))
    run = ql.integrate(task, start, gradient_noise=False, rtol=1e-10, **how)
    np.testing.assert_allclose(ql.gradient_flow(task, start, **how).loss, run.loss, rtol=1e-4)


def test_small_students_keep_the_relative_precision_of_their_loss() -> None:
    """Q⊥ stays as small as they begin, and does not tell how E falls."""
    task = ql.Task(4, 2)
    start = ql.random_overlaps(task, 20, 1, q0=1e-18)
    alpha = np.linspace(0, 400, 401)
    run = ql.integrate(task, start, eta=0.05, alpha=alpha, gradient_noise=False)
    flow = ql.gradient_flow(task, start, eta=0.05, alpha=alpha)
    np.testing.assert_allclose(run.loss, flow.loss, rtol=0.01)


def test_what_goes_round_for_ever_ends_in_a_sentence_or_at_more_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At .6 of its critical learning rate this student turns about for ever."""
    task = ql.Task(2, 2, [[0.37, 0.07], [0.07, 0.83]])
    start = ql.random_overlaps(task, 1000, 0, constraint="spherical")
    how: Any = dict(eta=0.22, constraint="spherical")
    monkeypatch.setattr("quadlib.dynamics.solver.MOST_STEPS", 2000)
    with pytest.raises(ql.DivergenceError, match="record more times"):
        ql.integrate(task, start, alpha=[4000.0], **how)
    run = ql.integrate(task, start, alpha=np.linspace(0, 4000, 401), **how)
    late = run.loss[200:]
    assert late.max() > 1.5 * late.min()


@pytest.mark.parametrize("eta", [0.2, 500.0])
def test_late_times_are_resolved_however_long_they_are_beside_the_shortest(eta: float) -> None:
    """Steps of 1/η, and first ones of 1e-8 of it, from ηα = 1e10 and more on, as in flow."""
    task, alpha = ql.Task(3, 1, [0.9999998]), np.geomspace(1e9, 1e12, 40)
    start = ql.random_overlaps(task, 10**6, 4)
    run = ql.integrate(task, start, eta=eta, alpha=alpha, gradient_noise=False, rtol=1e-8)
    flow = ql.gradient_flow(task, start, eta=eta, alpha=alpha)
    above = flow.loss > 1e-25
    np.testing.assert_allclose(run.loss[above], flow.loss[above], rtol=1e-3)


def test_across_the_teacher_nothing_is_followed_below_what_doubles_hold() -> None:
    """P dies exponentially on the sphere, where the loss stays, at T off 1, as it is."""
    task = ql.Task(1, 1, [0.9])
    start = ql.random_overlaps(task, 100, 0, constraint="spherical")
    how: Any = dict(eta=0.26, constraint="spherical", gradient_noise=False)
    run = ql.integrate(task, start, alpha=np.geomspace(1.0, 1e11, 60), **how)
    end = ql.loss(task, ql.Overlaps([[1.0]], [[np.sqrt(0.9)]]))  # 3/2 (1 − T)²
    np.testing.assert_allclose(run.loss[-30:], end, rtol=1e-5)  # E is 1e-2 of what may err by 1e-8


@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize(("p", "end"), [(4, 60.0), (3, 3e3)])
def test_times_one_rounding_apart_are_as_one(constraint: Any, p: int, end: float) -> None:
    """Wherever a solver begins anew between them."""
    task = ql.Task(p, 2)
    start = ql.random_overlaps(task, 1000, 0, constraint=constraint)
    alpha = np.linspace(0.0, end, 600)[1:]
    pairs = np.sort(np.append(alpha, np.nextafter(alpha, np.inf)))
    how: Any = dict(eta=0.1, constraint=constraint)
    one, two = (ql.integrate(task, start, alpha=times, **how) for times in (alpha, pairs))
    for part in (two.Q[::2], two.Q[1::2]):
        np.testing.assert_allclose(part, one.Q, atol=1e-5)


@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize("seed", range(3))
def test_the_components_move_as_the_overlaps_do(constraint: Any, seed: int) -> None:
    """(2.4) is (2.1)-(2.3) in other coordinates, and (2.5) is the loss."""
    task = ql.Task(4, 2, [[1.0, 0.3], [0.3, 0.6]], 0.2)
    state = ql.random_overlaps(task, 10, seed, constraint=constraint)
    motion = Components(task, state, 0.1, constraint, True)
    y, dy = motion.start, motion.derivative(0.0, motion.start)
    (m, P, E), (dm, dP, dE) = motion.parts(y), motion.parts(dy)
    assert motion.across(y) == pytest.approx(np.trace(P), rel=1e-13)
    # a tolerance is made of it, and rounding can leave −1e-250 where P dies exponentially
    assert motion.across(motion.joined(m, -P, E)) == motion.across(y)
    root = np.sqrt(motion.t) * motion.V
    C = np.block([[state.Q, state.M], [state.M.T, task.T]])
    change = mean_change(C, task, 0.1, constraint == "spherical", True)
    np.testing.assert_allclose(dm @ root.T, change[:, 4:], atol=1e-14)
    np.testing.assert_allclose(dP + dm @ m.T + m @ dm.T, change[:, :4], atol=1e-14)
    np.testing.assert_allclose(dE, (dm.T @ m + m.T @ dm) / 4, atol=1e-14)
    assert motion.loss(y) + 0.1 == pytest.approx(ql.loss(task, state), rel=1e-13)


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_what_is_recorded_is_the_possible_state_next_to_it(constraint: Any) -> None:
    """P without its negative part; norms of one on the sphere, correlations as they are."""
    task = ql.Task(3, 2, [1.5, 0.5])
    state = ql.random_overlaps(task, 10, 0, constraint=constraint)
    motion = Components(task, state, 0.1, constraint, True)
    m, P, E = motion.parts(1.1 * motion.start)
    values, vectors = np.linalg.eigh(P)
    values[0] = -0.01
    below = vectors @ np.diag(values) @ vectors.T
    above = vectors @ np.diag([0.0, *values[1:]]) @ vectors.T
    (Q,), (M,), _ = motion.record(motion.joined(m, below, E)[None])
    m = motion.R @ m
    expected = motion.R @ above @ motion.R.T + m @ m.T
    scale = 1 / np.sqrt(np.diag(expected)) if constraint == "spherical" else np.ones(3)
    np.testing.assert_allclose(Q, expected * np.outer(scale, scale), atol=1e-14)
    root = motion.V * np.sqrt(motion.t)
    np.testing.assert_allclose(M, scale[:, None] * m @ root.T, atol=1e-14)


def motion_from_the_plateau(task: ql.Task, eta: float, small: float) -> Components:
    q = ql.plateau(task, eta).q
    M = np.zeros((task.p, task.p_star))
    M[0, 0] = small
    return Components(task, ql.Overlaps(q * np.eye(task.p), M), eta, "free", True)


def test_still_is_what_changes_by_less_than_a_share_of_the_fastest_rate() -> None:
    """M that grows at the plateau's rate r, however small, against 4η tr T/p*."""
    task, eta = ql.Task(4, 2, [3.0, 1.0]), 0.05
    share = ql.plateau(task, eta).escape_rate / (4 * eta * 2.0)
    for small in (1e-5, 1e-12, 1e-40):
        motion = motion_from_the_plateau(task, eta, small)
        assert motion.still(motion.start, 1.01 * share, False)
        assert not motion.still(motion.start, 0.99 * share, False)
    motion = motion_from_the_plateau(task, eta, 0.0)
    assert motion.still(motion.start, 1e-9, False)
    moving = motion.joined(*(1.1 * x for x in motion.parts(motion.start)))
    assert not motion.still(moving, 1e-3, False)


def test_what_shrinks_is_still_where_it_is_not_seen_any_more() -> None:
    """Where r < 0: in the loss M counts squared, against 10⁻¹⁷ of tr Q."""
    task, eta = ql.Task(16, 4), 0.51
    assert ql.plateau(task, eta).escape_rate < 0
    limit = np.sqrt(1e-17 * 16 * ql.plateau(task, eta).q)
    for small, still in ((1e-3, False), (1.05 * limit, False), (0.95 * limit, True)):
        motion = motion_from_the_plateau(task, eta, small)
        assert motion.still(motion.start, 1e-9, False) is still


def assert_possible(run: ql.Trajectory) -> None:
    C = scaled_covariance(run.task, run.Q, run.M)
    assert np.linalg.eigvalsh(C).min() > -1e-14
    np.testing.assert_array_equal(run.Q, np.swapaxes(run.Q, 1, 2))
    assert np.isfinite(run.loss).all()


@pytest.mark.parametrize("noise", [True, False])
def test_identical_units_stay_identical(noise: bool) -> None:
    """Also where a saddle would part them by rounding: one unit of p learns as if alone."""
    task = ql.Task(3, 2)
    sign = np.array([1.0, 1.0, -1.0])
    state = ql.Overlaps(np.outer(sign, sign), np.outer(sign, [0.3, -0.1]))
    for constraint in ("free", "spherical"):
        run = ql.integrate(
            task, state, eta=0.05, alpha=3000.0, constraint=constraint, gradient_noise=noise
        )
        assert_possible(run)
        for Q, M in zip(run.Q, run.M, strict=True):
            np.testing.assert_allclose(Q, Q[0, 0] * np.outer(sign, sign), rtol=1e-12)
            np.testing.assert_allclose(M, np.outer(sign, M[0]), rtol=1e-12)
        assert run.loss[-1] > 0.05  # one direction cannot learn two


def test_equal_and_opposite_units_on_the_sphere_are_one_each() -> None:
    a, b, c = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]])
    units = np.array([a, b, a, -b, c])
    R, readout = _independent(units @ units.T, True)
    np.testing.assert_array_equal(R, [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, -1, 0], [0, 0, 1]])
    np.testing.assert_allclose(readout, [0.4, 0.4, 0.2])


def test_the_loss_of_a_stack_is_that_of_each() -> None:
    rng, a = np.random.default_rng(0), np.array([0.5, 0.3, 0.2])
    m, W, E = (rng.standard_normal(shape) for shape in ((4, 3, 2), (4, 3, 3), (4, 2, 2)))
    P = W @ W.swapaxes(1, 2)
    each = [component_loss(*one, a) for one in zip(m, P, E, strict=True)]
    np.testing.assert_allclose(component_loss(m, P, E, a), each, rtol=1e-13)


@pytest.mark.parametrize("rank", [1, 2])
def test_dependent_units_stay_dependent(rank: int) -> None:
    rng = np.random.default_rng(rank)
    task = ql.Task(4, 2)
    W = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 30))
    state = ql.Weights(W, ql.random_weights(task, 30, 5).W_star)
    for run in (
        ql.integrate(task, state, eta=0.05, alpha=2000.0),
        ql.gradient_flow(task, state, eta=0.05, alpha=2000.0),
    ):
        assert_possible(run)
        values = np.linalg.eigvalsh(run.Q)
        assert np.abs(values[:, : 4 - rank]).max() < 1e-12 * values.max()


def test_a_solution_is_a_fixed_point() -> None:
    O = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 2)))[0]
    task, M = ql.Task(4, 2), np.sqrt(2) * O
    state = ql.Overlaps(M @ M.T, M)
    for method, rounding in ((ql.integrate, 1e-15), (ql.gradient_flow, 1e-9)):
        run = method(task, state, eta=0.1, alpha=1e6)
        assert run.loss.max() < 10 * rounding**2
        np.testing.assert_allclose(run.M, np.broadcast_to(M, run.M.shape), atol=100 * rounding)
        assert_possible(run)


def test_ctrl_c_keeps_what_was_recorded(ctrl_c: threading.Thread) -> None:
    """A real signal in the middle of many small steps."""
    task = ql.Task(24, 4)
    state = ql.random_overlaps(task, 10**6, 0)
    alpha = np.linspace(0.0, 1000.0, 200_001)
    ql.integrate(task, state, eta=0.05, alpha=0.01)  # imports
    ctrl_c.start()
    with pytest.raises(ql.RunInterrupted, match="`trajectory`") as caught:
        ql.integrate(task, state, eta=0.05, alpha=alpha)
    so_far = caught.value.trajectory
    assert 1 <= len(so_far.alpha) < len(alpha)
    np.testing.assert_array_equal(so_far.alpha, alpha[: len(so_far.alpha)])
    assert np.isfinite(so_far.loss).all()


def test_an_interrupted_flow_keeps_what_was_recorded(monkeypatch: Any) -> None:
    """A real signal, at the fifth of its frames."""
    task, alpha = ql.Task(4, 2), np.linspace(0.0, 50.0, 11)
    state = ql.random_overlaps(task, 1000, 0)
    whole = ql.gradient_flow(task, state, eta=0.05, alpha=alpha)
    calls, frame = iter(range(11)), _Reduction.frame

    def interrupted(self: _Reduction, a: float, y: Any) -> Any:
        if next(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return frame(self, a, y)

    monkeypatch.setattr(_Reduction, "frame", interrupted)
    with pytest.raises(ql.RunInterrupted, match="after 4 of 11 recorded times") as caught:
        ql.gradient_flow(task, state, eta=0.05, alpha=alpha)
    so_far = caught.value.trajectory
    np.testing.assert_array_equal(so_far.alpha, alpha[:4])
    # the first, replaced at the end by what was given, is rotated and back here
    np.testing.assert_allclose(so_far.Q, whole.Q[:4], rtol=1e-12)
    np.testing.assert_allclose(so_far.M, whole.M[:4], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(so_far.loss, whole.loss[:4])
    assert so_far.meta == whole.meta


@pytest.mark.parametrize("call", [100, 300])
def test_an_interrupt_loses_no_state_that_was_computed(monkeypatch: Any, call: int) -> None:
    """Not those that wait to be recorded, nor those that are being recorded just then."""
    task = ql.Task(4, 2)
    how: dict[str, Any] = dict(eta=0.05, alpha=np.linspace(0.0, 200.0, 2001))
    state = ql.random_overlaps(task, 1000, 0)
    whole = ql.integrate(task, state, **how)
    calls, derivative, record = [0], Components.derivative, Components.record
    latest = [0.0]

    def counting(self: Components, alpha: float, y: Any) -> Any:
        calls[0] += 1
        latest[0] = max(latest[0], alpha)
        if calls[0] == call:
            raise KeyboardInterrupt
        return derivative(self, alpha, y)

    with monkeypatch.context() as patched:
        patched.setattr(Components, "derivative", counting)
        with pytest.raises(ql.RunInterrupted) as caught:
            ql.integrate(task, state, **how)
    some = caught.value.trajectory
    # of the points before the last step all but those of one step, which reaches over a few
    assert some.alpha[-1] > latest[0] - 5.0
    np.testing.assert_array_equal(some.loss, whole.loss[: len(some.loss)])
    times = [0]

    def recording(self: Components, y: Any) -> Any:
        times[0] += 1
        if times[0] == 2:
            raise KeyboardInterrupt
        return record(self, y)

    monkeypatch.setattr(Components, "record", recording)
    with pytest.raises(ql.RunInterrupted) as caught:
        ql.integrate(task, state, **how)
    assert len(caught.value.trajectory.alpha) > 1
    np.testing.assert_array_equal(
        caught.value.trajectory.Q, whole.Q[: len(caught.value.trajectory.Q)]
    )


def test_an_interrupt_between_two_slices_keeps_what_was_recorded(monkeypatch: Any) -> None:
    left = iter([True, True, False])

    def one_slice(pieces: Any) -> None:
        if not next(left):
            raise KeyboardInterrupt
        pieces.send(None)

    task, alpha = ql.Task(4, 2), np.linspace(0.0, 200.0, 2001)
    state = ql.random_overlaps(task, 1000, 0)
    room = importlib.import_module("quadlib.dynamics.progress")
    monkeypatch.setattr(room, "next", one_slice, False)
    with pytest.raises(ql.RunInterrupted) as caught:
        ql.integrate(task, state, eta=0.05, alpha=alpha)
    assert 1 <= len(caught.value.trajectory.alpha) < len(alpha)


@pytest.mark.parametrize("unit", [1.0, 1e6, 1e15, 1e30])
def test_on_the_sphere_units_much_shorter_than_the_teachers_come_to_rest(unit: float) -> None:
    """At large ηT nothing is learned: Q = I and M = 0, long after all has moved in 1/(ηT)²."""
    task = ql.Task(5, 2, [unit, 1.1 * unit], 6.3)
    state = ql.random_overlaps(task, 12, 1, constraint="spherical")
    run = ql.integrate(task, state, eta=0.32, alpha=1e10 / unit, constraint="spherical")
    end = ql.Overlaps(np.eye(5), np.zeros((5, 2)))
    assert run.loss[-1] == pytest.approx(ql.loss(task, end), rel=1e-9)
    assert np.abs(run.Q[-1] - np.eye(5)).max() < 1e-6


def test_units_much_longer_than_the_teachers_cost_no_steps_at_their_own_rate(
    monkeypatch: Any,
) -> None:
    """On the sphere with T → 0 the flow ends at Q = I, L = 1/2 + 1/p."""
    from quadlib.dynamics.components import Components

    task, evaluations, derivative = ql.Task(3, 3, [1e-12] * 3), [], Components.derivative

    def counted(self: Any, alpha: float, y: Any) -> Any:
        evaluations.append(alpha)
        return derivative(self, alpha, y)

    monkeypatch.setattr(Components, "derivative", counted)
    state = ql.random_overlaps(task, 100, 3, constraint="spherical")
    how: Any = dict(eta=1000.0, constraint="spherical", gradient_noise=False)
    assert ql.integrate(task, state, alpha=30.0, **how).loss[-1] == pytest.approx(5 / 6, rel=1e-9)
    assert len(evaluations) < 10_000
