"""What the ODE asks of its solver, and its coordinates, one by one: a solver that is told what to
answer stands for LSODA, and states are chosen where a rule changes."""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.dynamics.components import Components, _independent, component_loss
from quadlib.dynamics.ode import integrate_in_pieces
from quadlib.dynamics.progress import to_the_end
from quadlib.dynamics.solver import Seen
from quadlib.dynamics.solver import explicit as few
from quadlib.dynamics.solver import solved as pieces_of

T = 4.0
TASK, EYE = ql.Task(2, 1, [T]), np.eye(2)
STATE = ql.Overlaps(2 * EYE, [[1.0], [0.0]])
Answer = Callable[[Any, float], tuple[Any, int]]


class Told:
    """As scipy.integrate.ode; at each call `answer(y, stop)` gives the next state and a code.

    Its own time begins at 0 each time it is begun anew, and it sees states in units of their
    tolerances; here all times, states and tolerances are those of the run. A call takes one step.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, list[Any]()
        self.begun, self.stops = list[float](), list[float]()
        self.implicit, self.since, self.steps = False, 0.0, 0
        self.jacobians, self.views = list[Any](), list[Any]()

    @property
    def _integrator(self) -> Any:
        """As LSODA tells its steps, and with which method it goes on."""
        return SimpleNamespace(iwork=[0] * 10 + [self.steps] + [0] * 8 + [1 + self.implicit])

    def __call__(self, derivative: Any, jacobian: Any) -> Any:
        self.jacobians.append(jacobian)
        self.view = derivative.__self__
        self.views.append(self.view)
        return self

    def set_integrator(self, name: str, **how: Any) -> Any:
        assert name == "lsoda"
        assert (how["atol"] > 0.7).all()
        assert (how["atol"] < 1.5).all()
        self.asked.append(how | dict(atol=how["atol"] * self.view.unit))
        return self

    def set_initial_value(self, y: Any, t: float) -> None:
        assert t == 0
        self.since += getattr(self, "t", 0.0)
        self.y, self.t, self.steps = y, t, 0
        self.begun.append(self.since)
        return self

    def integrate(self, stop: float) -> Any:
        self.stops.append(self.since + stop)
        y, self.code = self.answer(self.view.state(self.y), self.since + stop)
        self.y = self.view.seen(y)
        self.t = stop if self.code == 2 else self.t
        self.steps += 1
        return self.y

    def get_return_code(self) -> int:
        return self.code


def solved(
    monkeypatch: pytest.MonkeyPatch,
    points: Any,
    answer: Answer,
    rtol: float = 1e-8,
    explicit: bool = False,
    motion: Any = None,
) -> tuple[Told, list[int]]:
    """What was asked, and how many states came in each piece, on a clock that stands still."""
    told = Told(answer)
    monkeypatch.setattr("scipy.integrate.ode", told)
    monkeypatch.setattr("quadlib.dynamics.solver.time.perf_counter", lambda: 0.0)
    motion = motion or Components(TASK, STATE, 0.25, "free", True)
    return told, [len(y) for y in pieces_of(motion, np.array(points), rtol, explicit)]


def stays(y: Any, _stop: float) -> tuple[Any, int]:
    return y, 2


def answered(codes: Iterator[int]) -> Answer:
    """The same state with one code after another."""
    return lambda y, _stop: (y, next(codes))


def scaled(y: Any, P: float) -> Any:
    """The state of the motion above, with P so many times itself."""
    motion = Components(TASK, STATE, 0.25, "free", True)
    m, own, E = motion.parts(y)
    return motion.joined(m, P * own, E)


def test_it_stops_at_the_points_and_before_anything_can_have_changed_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First after 1/(4η tr T/p*), later after a 32nd of the time that has passed."""
    motion = Components(TASK, STATE, 0.125, "free", True)
    told, pieces = solved(monkeypatch, [0.0, 1.0, 19.0, 20.0], stays, motion=motion)
    short, stops = 0.25 / (0.125 * T), [0.5, 1.0]
    while stops[-1] < 20.0:
        step = max(short, stops[-1] / 32)
        stops.append(min(19.0 if stops[-1] < 19.0 else 20.0, stops[-1] + step))
    assert told.stops == stops
    assert stops[-4] - stops[-5] > short
    assert pieces == [1, 3]
    assert solved(monkeypatch, [0.5], stays)[1] == [1]


def test_where_nothing_moves_it_stops_at_the_points_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    motion = Components(TASK, STATE, 0.0, "free", True)
    monkeypatch.setattr(motion, "still", lambda *_: False)
    assert solved(monkeypatch, [0.0, 0.5, 900.0], stays, motion=motion)[0].stops == [0.5, 900.0]


@pytest.mark.parametrize("eta", [0.0, 0.01, 1.0])
def test_its_first_step_is_short_for_the_drift_and_for_its_noise(
    monkeypatch: pytest.MonkeyPatch, eta: float
) -> None:
    """A hundredth of 1/η (tr Q + tr T), or of its square, which LSODA chooses where that is 0."""
    motion = Components(TASK, STATE, eta, "free", True)
    monkeypatch.setattr(motion, "still", lambda *_: False)
    (how,) = solved(monkeypatch, [0.001], stays, motion=motion)[0].asked
    rate = eta * (4.0 + T)
    expected = {0.0: 0.0, 0.01: 0.01 / rate if rate else 0.0, 1.0: 0.01 / (rate or 1.0) ** 2}
    assert how["first_step"] == pytest.approx(expected[eta], rel=1e-14)


def test_a_solver_is_begun_anew_after_500_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.arange(1001) / 4
    told, pieces = solved(monkeypatch, points, stays)
    assert told.begun == [0.0, points[500]]
    assert pieces == [1, *(2 * [128, 128, 128, 116])]
    assert all(how["nsteps"] == 500 for how in told.asked)


def test_a_solver_is_begun_anew_when_P_is_a_hundredth_of_a_third(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """.03 of it, since the loss goes as its square."""
    for factor, begun in ((0.0301, [0.0]), (0.0299, [0.0, 0.25])):
        once = iter([factor, 1.0, 1.0])
        told, _ = solved(
            monkeypatch,
            [0.25, 0.5, 0.75],
            lambda y, _: (scaled(y, next(once)), 2),  # noqa: B023
        )
        assert told.begun == begun


def test_more_than_20000_steps_without_a_point_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of code −1 stands for 500, a stop between points for one."""
    for before, vain, reached in ((0, 40, 0), (0, 39, 1), (1, 40, 0), (1, 39, 1)):
        codes = iter([2] * before + [-1] * vain + [2])
        _, pieces = solved(monkeypatch, [0.25, 0.5][: before + 1], answered(codes))
        assert sum(pieces) == before + reached
        assert next(codes, None) is None


def test_a_stop_between_points_is_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter([-1] * 39 + [2] * 501)
    assert sum(solved(monkeypatch, [1e9], answered(codes))[1]) == 0
    assert next(codes, None) is None


@pytest.mark.parametrize("code", [-1, 2])
def test_a_run_ends_where_its_norm_does_or_its_solver(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    bound = Components(TASK, STATE, 0.25, "free", True).bound
    for size, points in ((0.999 * bound, 1), (1.001 * bound, 0), (bound**1.5, 0), (math.nan, 0)):
        y = np.full(7, size / math.sqrt(7))
        codes = iter([code, 2, 2])
        assert sum(solved(monkeypatch, [0.25], lambda *_: (y, next(codes)))[1]) == points  # noqa: B023
    for code in (0, 1, -2, -3):
        assert sum(solved(monkeypatch, [0.25], lambda y, _: (y, code))[1]) == 0  # noqa: B023


def test_what_the_derivative_refuses_ends_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(y: Any, stop: float) -> Any:
        if stop > 0.3:
            raise FloatingPointError
        warnings.warn("as LSODA warns where it fails", stacklevel=1)
        return y, 2

    assert solved(monkeypatch, [0.25, 0.5, 0.75], refused)[1] == [1]


@pytest.mark.parametrize("call", [1, 2])
def test_a_solver_that_was_taken_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    calls: list[float] = []

    def taken(y: Any, stop: float) -> Any:
        calls.append(stop)
        if len(calls) == call:
            raise RuntimeError
        return y, 2

    told, pieces = solved(monkeypatch, [0.25, 0.5, 0.75], taken)
    assert told.begun == [0.0, 0.25 * (call - 1)]
    assert pieces == [call - 1, 4 - call]


def test_a_slice_takes_ten_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    told, now = Told(stays), list[float]()

    monkeypatch.setattr("scipy.integrate.ode", told)
    monkeypatch.setattr(
        "quadlib.dynamics.solver.time.perf_counter", lambda: now.append(len(now) * 0.005) or now[-1]
    )
    motion = Components(TASK, STATE, 0.25, "free", True)
    first = next(pieces_of(motion, np.arange(1, 7) / 4, 1e-8, False))
    assert len(first) == 1  # at the second look after its begin it is over


@pytest.mark.parametrize(("explicit", "turns"), [(True, True), (True, False), (False, True)])
def test_where_it_turns_implicit_it_goes_back_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch, explicit: bool, turns: bool
) -> None:
    """By a method that does not, from the last state before; where Jacobians pay it may turn."""
    motion = Components(TASK, STATE, 0.002, "free", True)
    expected = ql.integrate(TASK, STATE, eta=0.002, alpha=[0.25, 0.5], rtol=1e-12)
    told = Told(lambda y, _stop: (1.001 * y, 2))
    told.implicit = turns
    monkeypatch.setattr("scipy.integrate.ode", told)
    found = np.concatenate(list(pieces_of(motion, np.array([0.0, 0.25, 0.5]), 1e-9, explicit)))
    assert told.begun == ([0.0, 0.25] if explicit and turns else [0.0])
    off = np.abs(motion.record(found[1:])[0] - expected.Q).max((1, 2))
    assert (off < 1e-8).all() if explicit and turns else (off > 1e-4).all()


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("rtol", [1e-8, 1e-15])
@pytest.mark.parametrize("rest", [1e-8, 1e-3, 4.0])
def test_the_tolerances(
    monkeypatch: pytest.MonkeyPatch, rest: float, rtol: float, explicit: bool
) -> None:
    """Of m, P and E: of their size at first, and as Q⊥² becomes small, of the loss.

    That of E is at most 1e-3, unless rounding leaves more: it may fall while Q⊥ stays.
    """
    shrunk = iter([1.0, 0.01, 1.0, 1.0])
    motion = Components(TASK, STATE, 0.25, "free", True)
    monkeypatch.setattr(motion, "loss", lambda _: rest * T**2)
    told, _ = solved(
        monkeypatch,
        [0.25, 0.5, 0.75, 1.0],
        lambda y, _: (scaled(y, next(shrunk)), 2),
        rtol,
        explicit,
        motion,
    )
    m, P, E = motion.parts(motion.start)
    np.testing.assert_allclose(np.abs(m).ravel(), [0.5, 0.0])
    assert np.trace(P) == 3.75
    own, lower = math.sqrt(0.25 / 2), {"lband": 0, "uband": 0, "max_order_s": 1}
    for how, of_P in zip(told.asked, (3.75 / 2, min(0.0375 / 2, T * rest)), strict=True):
        of_E = min(1e-3 if rtol == 1e-8 else 1.0, math.sqrt(rest))
        sizes = own, of_P, T * of_E
        parts = [np.full(x.shape, size) for x, size in zip((m, P, E), sizes, strict=True)]
        np.testing.assert_allclose(how["atol"], rtol * motion.joined(*parts), rtol=1e-12)
        np.testing.assert_array_equal(how["rtol"], max(rtol, 3e-14))
        assert {name: how.get(name) for name in lower} == (
            lower if explicit else dict.fromkeys(lower)
        )


@pytest.mark.parametrize("p", [2, 3])
@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize("explicit", [False, True])
def test_late_on_the_sphere_surplus_units_are_seen_apart(
    monkeypatch: pytest.MonkeyPatch, p: int, constraint: Any, explicit: bool
) -> None:
    """After a thousand of the shortest times. Then P may err by 1e-15 of itself; where units are
    not apart P and E may by 1e-16 in each of the shortest times."""
    task = ql.Task(p, 2)
    state = ql.random_overlaps(task, 10, 0, constraint="spherical")
    motion = Components(task, state, 0.125, constraint, True)  # 2 is the shortest time
    aligned = list[Any]()
    monkeypatch.setattr(motion, "loss", lambda _: 1e-20)
    monkeypatch.setattr(motion, "still", lambda *_: False)
    monkeypatch.setattr(motion, "aligned", lambda y: aligned.append(y) or y)
    codes = iter([2, -1, *160 * [2], -1, *100 * [2]])
    told, _ = solved(monkeypatch, [4e3], answered(codes), explicit=explicit, motion=motion)
    assert told.begun[1] == 2.0
    assert any(begun > 2e3 for begun in told.begun)
    assert len(aligned) == len(told.begun) - 1  # as it begins, its units are what they are
    m, P, E = motion.parts(motion.start)
    for begun, seen, how in zip(told.begun, told.views, told.asked, strict=True):
        apart = constraint == "spherical" and p > 2 and begun > 2e3 and not explicit
        assert (seen.turn is not None) is apart
        least = np.zeros(2)
        if constraint == "spherical":
            least = 1e-16 * begun / 2 * np.array([np.trace(P), np.abs(E).max()])
        if apart:
            least = np.array([1e-15 * np.trace(P), 0.0])
        usual = 1e-8 * np.array([1e-20 if begun else P.trace() / p, 1e-10])
        for size, part in zip(np.maximum(least, usual), motion.parts(how["atol"])[1:], strict=True):
            np.testing.assert_allclose(part, size, rtol=1e-14)
        if apart:
            turn = seen.turn
            np.testing.assert_allclose(turn @ turn.T, np.eye(p), atol=1e-14)
            found = motion.parts(seen.seen(motion.start) * seen.unit)
            for part, expected in zip(found, (turn.T @ m, turn.T @ P @ turn, E), strict=True):
                np.testing.assert_allclose(part, expected, atol=1e-14)
            np.testing.assert_allclose(found[0][2], 0.0, atol=1e-14)  # it sees no teacher
            np.testing.assert_allclose(
                seen.state(seen.seen(motion.start)), motion.start, atol=1e-14
            )


def test_the_tolerances_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where M = 0, P = 0, or both: of 1, of the norm, of the teacher."""
    along = ql.Overlaps([[1.0, 0.0], [0.0, 0.0]], [[2.0], [0.0]])
    for state, of_m, of_P in (
        (ql.Overlaps(2 * EYE, np.zeros((2, 1))), 1.0, 4.0 / 2),
        (along, 1.0, 1.0),
        (ql.Overlaps(0 * EYE, np.zeros((2, 1))), 1.0, T / 2),
    ):
        motion = Components(TASK, state, 0.25, "free", True)
        monkeypatch.setattr(motion, "still", lambda *_: False)
        monkeypatch.setattr(motion, "loss", lambda _: 9 * T**2)
        (how,) = solved(monkeypatch, [0.25], stays, 1.0, motion=motion)[0].asked
        r, k = motion.shape[0], 1
        expected = [*([of_m] * k + [of_P] * r) * r, 1e-3 * T]
        np.testing.assert_allclose(how["atol"], expected, rtol=1e-14)


@pytest.mark.parametrize("still", [False, True])
def test_it_ends_where_all_is_learned_or_nothing_moves(
    monkeypatch: pytest.MonkeyPatch, still: bool
) -> None:
    """Below 10⁻³⁰ (tr T/p*)²; where the loss is small it moves unless that is rounding, and less
    than by a power law: 1/α is a share short/α of the fastest rate."""
    motion = Components(TASK, STATE, 0.25, "free", True)  # .25 is the shortest time
    root = 1e-30**0.25
    for rest, learned, near in (
        (0.9e-30, True, True),
        (1.1e-30, False, True),
        (0.9 * root, False, True),
        (1.1 * root, False, False),
    ):
        asked: list[tuple[float, bool]] = []

        def answer(_y: Any, share: float, near: bool) -> bool:
            asked.append((share, near))  # noqa: B023
            return still and len(asked) == 3  # noqa: B023

        monkeypatch.setattr(motion, "loss", lambda _: rest * T**2)  # noqa: B023
        monkeypatch.setattr(motion, "still", answer)
        for rtol, share in ((1e-8, 1e-9), (1e-14, 1e-14)):
            told, pieces = solved(monkeypatch, [1.0, 1e12], stays, rtol, motion=motion)
            assert sum(pieces) == 2
            assert (asked == told.asked == []) is learned
            if still and not learned:
                assert len(told.asked) == 2
            elif not learned:
                assert told.begun[-1] > 1e11
            for (used, looked), begun in zip(asked, told.begun, strict=False):
                least = min(1e-14, 1e-3 * 0.25 / begun) if begun else 0.0
                assert used == pytest.approx(least if near else share, rel=1e-14, abs=0)
                assert looked is near
            asked.clear()


@pytest.mark.parametrize(
    ("p", "k", "t", "q", "evaluations"),
    [(2, 1, 4.0, 1.0, 60), (2, 1, 1.0, 9.0, 60), (40, 10, 4.0, 1.0, 20_000 + 40**3)],
)
@pytest.mark.parametrize("share", [0.1, 0.49, 0.51, 50.0])
def test_explicit_is_what_costs_less_than_jacobians(
    p: int, k: int, t: float, q: float, evaluations: int, share: float
) -> None:
    """n = p (p + p*) unknowns take 10 n steps, and their equations n³: at the rate 8η max(T, q) of
    the drift, or 16 (η max(T, q))² of its noise."""
    task, state = ql.Task(p, k, [t] * k), ql.Overlaps(q * np.eye(p), np.zeros((p, k)))
    eta = share / max(t, q)
    end = evaluations / (8 * share if share < 0.5 else 16 * share**2)
    assert few(task, state, eta, 0.999 * end)
    assert not few(task, state, eta, 1.001 * end)


def test_the_derivative_is_compiled_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`integrate` gives the same digits whether or not anything has been compiled."""
    used: list[Any] = []

    def nothing(_y: Any, dy: Any, *_: Any) -> bool:
        dy[:] = 0.0
        used.append(dy)
        return True

    monkeypatch.setattr("quadlib.dynamics.components.derivative", nothing)
    how: Any = dict(eta=0.02, alpha=[0.5], rtol=1e-8, gradient_noise=True)
    run = ql.integrate(TASK, STATE, **how)
    Components(TASK, STATE, 0.25, "free", True).derivative(0.0, np.ones(7))
    to_the_end(integrate_in_pieces(TASK, STATE, **how))
    assert not used
    stays = to_the_end(integrate_in_pieces(TASK, STATE, **how, compiled=True))
    assert used
    np.testing.assert_allclose(stays.Q, STATE.Q[None], rtol=1e-14)
    assert np.abs(run.Q - STATE.Q).max() > 0.1


def test_a_step_may_err_by_1e_8() -> None:
    run, told = (
        ql.integrate(TASK, STATE, eta=0.02, alpha=[9.0], **how) for how in ({}, {"rtol": 1e-8})
    )
    np.testing.assert_array_equal(run.loss, told.loss)


def test_a_run_of_its_start_alone_is_what_was_given() -> None:
    task = ql.Task(4, 2, [1.5, 0.5])
    state = ql.random_overlaps(task, 100, 0)
    run = ql.integrate(task, state, eta=0.1, alpha=[0.0])
    np.testing.assert_array_equal(run.Q, state.Q[None])
    np.testing.assert_array_equal(run.M, state.M[None])


# Components


COPIES = ql.Overlaps([[1, 1, 0.6], [1, 1, 0.6], [0.6, 0.6, 1]], [[0.4], [0.4], [0.5]])
THREE = ql.Task(3, 1, [T], 0.3)


def test_units_of_one_kind_are_given_back_as_they_were() -> None:
    motion = Components(THREE, COPIES, 0.25, "spherical", True)
    assert motion.shape[0] == 2
    (Q,), (M,), (loss,) = motion.record(motion.start[None])
    np.testing.assert_allclose(Q, COPIES.Q, rtol=1e-14)
    np.testing.assert_allclose(M, COPIES.M, rtol=1e-14)
    assert loss == pytest.approx(ql.loss(THREE, COPIES), rel=1e-14)


def test_the_norm_beyond_which_a_run_has_diverged() -> None:
    """10³ times start, teacher and label noise together: 2, 4 and 3 · .25 · .3."""
    motion = Components(THREE, COPIES, 0.25, "spherical", True)
    assert motion.bound == pytest.approx(1e3 * (2 + T + 3 * 0.25 * 0.3), rel=1e-14)
    # s = tr E + tr aP is below 10³ of these where tr P is, of units of which one stands for two
    for s, raises in ((1999.0, False), (2001.0, True)):
        E = np.array([[s * motion.bound / 6e3 - motion.a.sum()]])
        y = motion.joined(np.full((2, 1), 0.1), EYE, E)
        with pytest.raises(FloatingPointError) if raises else contextlib.nullcontext():
            motion.derivative(0.0, y)
    assert not motion.still(y, 1.0, False)  # it is on its way


def test_an_eigenvalue_is_zero_below_1e_13_of_the_trace() -> None:
    for large in (1.0, 1e3):
        for small, kept in ((0.9e-13, 1), (1.1e-13, 2)):
            R, a = _independent(np.diag([large, small * large]), False)
            assert R.shape == (2, kept)
            np.testing.assert_allclose(a, np.full(kept, 0.5), rtol=1e-15)
    M = np.array([[32.0], [0.0]])
    for small, kept in ((0.9e-13, 1), (1.1e-13, 2)):  # of P, where those of Q are large
        Q = np.diag([1024 + small * 2048, 1024.0])
        motion = Components(ql.Task(2, 1), ql.Overlaps(Q, M), 0.25, "free", True)
        _, P, _ = motion.parts(motion.start)
        assert (np.linalg.eigvalsh(P) > 1e-20).sum() == kept


def test_a_direction_of_dependent_units_has_the_readout_of_one() -> None:
    R, a = _independent(np.ones((3, 3)), False)
    np.testing.assert_allclose(np.abs(R), np.full((3, 1), 3**-0.5))
    np.testing.assert_allclose(a, [1 / 3])


def test_units_are_copies_when_they_agree_to_1e_13() -> None:
    for off, kinds in ((0.9e-13, 1), (1.1e-13, 2)):
        Q = np.eye(3)
        Q[0, 1] = Q[1, 0] = -1 + off
        R, _ = _independent(Q, True)
        assert R.shape == (3, 1 + kinds)


def test_E_is_taken_from_m_where_it_is_large() -> None:
    """Above 10⁻⁶ of T/p*, in each state of a stack; below, the E that was integrated."""
    motion = Components(TASK, STATE, 0.25, "free", True)
    m, P = np.array([[math.sqrt(2 * T * (1 + 3e-6))], [0.0]]), np.zeros((2, 2))  # m²/2 − T
    for share, from_m in ((0.9e-6, False), (1.1e-6, True), (-1.1e-6, True)):
        expected = 1.5 * (T * (3e-6 if from_m else share)) ** 2  # (2.5) for p* = 1 and P = 0
        one = motion.joined(m, P, np.array([[T * share]]))
        far = motion.joined(2 * m, P, np.array([[3 * T]]))
        assert motion.loss(np.stack([far, one]))[1] == pytest.approx(expected, rel=1e-6)
    two = Components(ql.Task(2, 2, [T, T]), ql.Overlaps(2 * EYE, EYE), 0.25, "free", True)
    y = two.joined(np.diag([math.sqrt(T * (1 + 3e-6)), math.sqrt(T)]), 0 * EYE, np.diag([5e-6, 0]))
    assert two.loss(y) == pytest.approx(1.5 * (1.5e-6 * T) ** 2, rel=1e-6)  # one entry is enough


@pytest.mark.parametrize(
    ("p", "k", "t", "each"),
    [
        (1, 1, [T], True),
        (3, 3, [T, T, T], True),
        (3, 3, [T, T * (1 - 0.9e-13), T], True),
        (3, 3, [T, T * (1 - 1.1e-13), T], False),
        (3, 3, [3.0, 2.0, 1.0], False),
        (4, 2, [T, T], False),
        (2, 4, [T] * 4, False),
    ],
)
@pytest.mark.parametrize("copies", [0, 2])
def test_on_the_sphere_E_loses_what_is_in_norms_alone(
    p: int, k: int, t: Any, each: bool, copies: int
) -> None:
    """The Gram matrix of √a m, a rotation of E + t/p*, has their squares less P on its diagonal."""
    one = ql.random_overlaps(ql.Task(p, k, t), 8, 1, constraint="spherical")
    of = [*range(p), *[0] * copies]  # of the first unit
    state = ql.Overlaps(one.Q[np.ix_(of, of)], one.M[of])
    motion = Components(ql.Task(p + copies, k, t), state, 0.25, "spherical", True)
    m, P, E = motion.parts(motion.start)
    np.testing.assert_allclose(motion.aligned(motion.start), motion.start, rtol=0, atol=1e-12)
    wrong = 0.01 * np.arange(1, k + 1)  # of each norm, or in E alone, of the sum
    values, vectors = np.linalg.eigh(m.T @ (motion.a_column * m))
    if each:
        O = np.sqrt(motion.a_column) * m @ vectors @ np.diag(values**-0.5) @ vectors.T
        off = O.T @ np.diag(wrong) @ O
    else:
        off = wrong.mean() * np.eye(k)
    found = motion.parts(motion.aligned(motion.joined(m, P, E + off)))
    for part, expected in zip(found, (m, P, E), strict=True):
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-12)


def test_the_loss_is_what_it_is_called() -> None:
    """½ s² + tr E² + 2 tr aPa m mᵀ + tr aPaP, in matrices, for readouts that differ."""
    rng, a = np.random.default_rng(0), np.diag([0.5, 0.3, 0.2])
    m, W, E = (rng.standard_normal(shape) for shape in ((3, 2), (3, 3), (2, 2)))
    P, E = W @ W.T, E + E.T
    s = np.trace(E) + np.trace(P @ a)
    across, own = 2 * np.trace(a @ P @ a @ m @ m.T), np.trace(a @ P @ a @ P)
    expected = s**2 / 2 + np.trace(E @ E) + across + own
    assert component_loss(m, P, E, np.diag(a)) == pytest.approx(expected, rel=1e-13)


def test_parts_are_symmetric_in_a_stack_as_in_one() -> None:
    motion = Components(TASK, STATE, 0.25, "free", True)
    stack = np.random.default_rng(0).standard_normal((3, len(motion.start)))
    for y, *parts in zip(stack, *motion.parts(stack), strict=True):
        m, P, E = motion.parts(y)
        np.testing.assert_array_equal(P, P.T)
        for got, expected in zip(parts, (m, P, E), strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("near", [False, True])
def test_a_misfit_that_changes_is_not_still(monkeypatch: pytest.MonkeyPatch, near: bool) -> None:
    """E against the teacher at the fastest rate 4η tr T/p*, near a solution against itself; also
    one entry of it."""
    task = ql.Task(2, 2, [T, T])
    motion = Components(task, ql.Overlaps(2 * EYE, EYE), 0.25, "free", True)
    m, P, E = motion.parts(motion.start)
    size = np.abs(E).max() if near else T
    assert np.abs(E).max() < 0.99 * T
    for change, still in ((0.999, True), (1.001, False)):
        dE = np.array([[0.0, 0.0], [0.0, 1e-3 * (4 * 0.25 * T) * size * change]])
        dy = motion.joined(0 * m, 0 * P, dE)
        monkeypatch.setattr(motion, "derivative", lambda *_: dy)  # noqa: B023
        assert motion.still(motion.start, 1e-3, near) is still


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize(
    ("constraint", "direct"), [("free", False), ("spherical", False), ("spherical", True)]
)
def test_the_jacobian_is_that_of_the_derivative_where_parts_are_tiny_or_zero(
    constraint: Any, direct: bool, turns: bool, compiled: bool
) -> None:
    """Against central differences of two steps, exact for polynomials of degree four, here to
    1e-12 and its rounding; also in units of tolerances, where P is 1e-200 of the rest."""
    task = ql.Task(3, 2, [1.5, 0.5], 0.1)
    M = np.array([[1.0, 0.0], [1e-9, 0.3], [0.0, 0.5]])
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0] if turns else None
    for scale, noise in ((1.0, True), (1e-200, False)):  # noise would keep P away from 0
        motion = Components(task, ql.Overlaps(np.eye(3), M), 0.1, constraint, noise, compiled)
        motion.direct = direct
        m, P, E = motion.parts(motion.start)
        y = motion.joined(m, scale * P, E)
        seen = Seen(motion, motion.joined(m**0, scale * P**0, E**0), turn)
        z = seen.seen(y)
        kept = z.copy()
        J = seen.jacobian(0.0, z)
        np.testing.assert_array_equal(z, kept)

        def change(step: Any) -> Any:
            above, below = (seen.derivative(0.0, z + sign * step) for sign in (1, -1))  # noqa: B023
            return above - below

        for column, unit in zip(J.T, np.eye(19), strict=True):
            slope = (8 * change(1e-3 * unit) - change(2e-3 * unit)) / 0.012
            np.testing.assert_allclose(column, slope, atol=1e-11)


@pytest.mark.parametrize("p", [2, 3])
def test_rounding_leaves_the_sum_of_norms_as_it_is(p: int) -> None:
    """Late each term of tr dE is some 10⁸ times as large as their sum, which P alone tells then."""
    task = ql.Task(p, 2, [1.0, 1 + 1e-8])
    state = ql.random_overlaps(task, 1000, 0, constraint="spherical")
    motion, quick = (
        Components(task, state, 0.1, "spherical", True, compiled) for compiled in (False, True)
    )
    for y in np.concatenate(list(pieces_of(motion, np.array([300.0, 1e8]), 1e-7, False))):
        for each in (motion, quick):
            _, dP, dE = each.parts(each.derivative(0.0, y))
            sums = motion.a * dP.diagonal()
            assert abs(dE.trace() + sums.sum()) <= 1e-15 * (np.abs(sums).sum() + np.abs(dE).max())


def test_upon_the_sphere_norms_are_one_and_E_is_what_m_tells() -> None:
    task = ql.Task(3, 2, [1.5, 0.5])
    state = ql.random_overlaps(task, 10, 0, constraint="spherical")
    motion = Components(task, state, 0.1, "spherical", True)
    m, P, E = motion.parts(motion.start)
    scale = np.array([1.1, 0.9, 2.0])
    off = motion.joined(scale[:, None] * m, np.outer(scale, scale) * P, E + 0.3)
    np.testing.assert_allclose(motion.upon_sphere(off), motion.start, atol=1e-14)
    motion.direct = True
    at = motion.derivative(0.0, off).copy()
    np.testing.assert_allclose(motion.aligned(off), motion.start, atol=1e-14)
    motion.direct = False
    np.testing.assert_allclose(at, motion.derivative(0.0, motion.start), atol=1e-14)
    assert np.abs(motion.derivative(0.0, off) - at).max() > 0.1


def test_units_much_longer_than_the_teachers_are_still_in_their_rounding() -> None:
    """1e-15 of their own rate 4η tr Q; here a third of it is of the teacher's."""
    task, change = ql.Task(2, 1, [1e-6]), 1e-15 * 4 * 0.25 * 2
    motion = Components(task, ql.Overlaps(EYE, np.zeros((2, 1))), 0.25, "spherical", True)
    for factor, still in ((0.99, True), (1.01, False)):
        dy = motion.joined(np.zeros((2, 1)), factor * change * EYE, np.zeros((1, 1)))
        motion.derivative = lambda *_: dy  # type: ignore[method-assign]  # noqa: B023
        assert motion.still(motion.start, 1e-14, False) is still


@pytest.mark.parametrize("code", [-1, -4, -5])
def test_where_a_solver_finds_no_step_it_is_begun_anew(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    codes = iter([2, code, 2, 2])
    told, pieces = solved(monkeypatch, [0.25, 0.5, 0.75], answered(codes))
    assert told.begun == [0.0, 0.25]
    assert sum(pieces) == 3


@pytest.mark.parametrize("explicit", [False, True])
def test_an_implicit_solver_is_begun_anew_in_each_decade(
    monkeypatch: pytest.MonkeyPatch, explicit: bool
) -> None:
    """After a thousand of the shortest times, .25; its longest steps would leave no rest unseen."""
    points = [249.0, 251.0, 2749.0, 2761.0, 2765.0]
    told, _ = solved(monkeypatch, points, stays, explicit=explicit)
    anew = [begun for begun in told.begun if begun > 0]
    if explicit:
        assert anew == []
    else:
        assert 250 <= anew[0] <= 251
        assert 10 * anew[0] + 250 <= anew[1] <= 1.04 * (10 * anew[0] + 250)
    assert all((jacobian is None) is explicit for jacobian in told.jacobians)


@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize("rest", [0.9e-6, 1.1e-6])
def test_norms_and_E_are_taken_from_m_late_on_the_sphere_where_E_is_large(
    monkeypatch: pytest.MonkeyPatch, constraint: Any, rest: float
) -> None:
    task, state = ql.Task(2, 1, [1.0]), ql.Overlaps(EYE, [[0.5], [0.0]])
    motion = Components(task, state, 0.125, constraint, True)  # 2 is the shortest time
    monkeypatch.setattr(motion, "loss", lambda _: rest)
    monkeypatch.setattr(motion, "still", lambda *_: False)
    for end, late in ((1999.0, False), (2e3, False), (2001.0, True), (1e4, True)):
        seen: list[bool] = []
        once = iter([-1])

        def stays_and_tells(y: Any, stop: float) -> Any:
            seen.append(motion.direct)  # noqa: B023
            return y, next(once, 2) if stop > end else 2  # noqa: B023

        told, _ = solved(monkeypatch, [end, 3e4], stays_and_tells, explicit=True, motion=motion)
        assert told.begun == [0.0, end]
        assert not seen[0]
        assert seen[-1] == (late and constraint == "spherical" and rest > 1e-6)


@pytest.mark.parametrize(("first", "renewed"), [(1.9e-100, False), (7.5e-100, True)])
def test_a_Q_perp_below_1e_100_of_T_has_the_tolerance_of_that_and_renews_none(
    monkeypatch: pytest.MonkeyPatch, first: float, renewed: bool
) -> None:
    shrunk = iter([first / 3.75, 0.01, 0.01])
    motion = Components(TASK, STATE, 0.25, "free", True)
    monkeypatch.setattr(motion, "loss", lambda _: T**2)
    told, _ = solved(
        monkeypatch,
        [0.25, 0.5, 0.75],
        lambda y, _: (scaled(y, next(shrunk)), 2),
        1.0,
        motion=motion,
    )
    assert told.begun == [0.0, 0.25, 0.5][: 2 + renewed]
    expected = [3.75, max(first, T * 1e-100), T * 1e-100]
    for how, of_P in zip(told.asked, expected[: 2 + renewed], strict=True):
        assert how["atol"][1] == pytest.approx(of_P / 2, rel=1e-12, abs=0)
