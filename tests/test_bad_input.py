"""Every public function refuses what it cannot use, in one sentence that says what to do."""

import math
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib import checks

NAN, INF = float("nan"), float("inf")
TASK = ql.Task(3, 2)
STATE = ql.random_overlaps(TASK, 50, 0)
SPHERE = ql.random_overlaps(TASK, 50, 0, constraint="spherical")
ONE_OFF = ql.Overlaps(np.diag([1.0, 1.1, 1.0]), np.zeros((3, 2)))
WEIGHTS = ql.random_weights(TASK, 50, 0)
WIDE = ql.random_overlaps(ql.Task(65, 65), 200, 0)
TALL = ql.Task(2, 3)  # fewer students than teachers
TALL_WEIGHTS = ql.random_weights(TALL, 50, 0)
NOISY = ql.Task(3, 2, label_noise=0.1)
OTHER_T = ql.Task(3, 2, [1.0, 2.0])
RUN = ql.integrate(TASK, STATE, eta=0.1, alpha=[0.0, 1.0])
LONG_RUN = ql.gradient_flow(TASK, STATE, eta=0.1, alpha=400.0)


def simulate(**changes: Any) -> Any:
    how: dict[str, Any] = dict(task=TASK, start=STATE, eta=0.1, alpha=1.0, N=50, rng=0)
    return ql.simulate(**(how | changes))


def ensemble(**changes: Any) -> Any:
    how: dict[str, Any] = dict(task=TASK, eta=0.1, alpha=1.0, N=50, runs=2, seed=0)
    return ql.ensemble(**(how | changes))


def integrate(**changes: Any) -> Any:
    return ql.integrate(**(dict(task=TASK, state=STATE, eta=0.1, alpha=1.0) | changes))


def gradient_flow(**changes: Any) -> Any:
    return ql.gradient_flow(**(dict(task=TASK, state=STATE, eta=0.1, alpha=1.0) | changes))


def drift(**changes: Any) -> Any:
    return ql.drift(**(dict(task=TASK, state=STATE, eta=0.1) | changes))


def loss(**changes: Any) -> Any:
    return ql.loss(**(dict(task=TASK, state=STATE) | changes))


def random_overlaps(**changes: Any) -> Any:
    return ql.random_overlaps(**(dict(task=TASK, N=50, rng=0) | changes))


def random_weights(**changes: Any) -> Any:
    return ql.random_weights(**(dict(task=TASK, N=50, rng=0) | changes))


def plateau(**changes: Any) -> Any:
    return ql.plateau(**(dict(task=TASK, eta=0.1) | changes))


def late_time_law(**changes: Any) -> Any:
    return ql.late_time_law(**(dict(task=TASK, eta=0.1) | changes))


def hessian_spectrum(**changes: Any) -> Any:
    return ql.hessian_spectrum(**(dict(task=TASK, state=STATE, N=50) | changes))


def empirical(X: Any) -> Any:
    return ql.empirical_hessian_operator(WEIGHTS, X)


def escape_time(level: Any) -> Any:
    return RUN.escape_time(level)


# the shared arguments: what is wrong with them, the error, and what its sentence must hold
ETA: list[tuple[Any, type[Exception], str, str]] = [
    (-0.1, ValueError, "eta", "-0.1"),
    (NAN, ValueError, "eta", "nan"),
    (INF, ValueError, "eta", "inf"),
    (10**400, ValueError, "eta", "inf"),
    (-(10**400), ValueError, "eta", "-inf"),
    ("0.1", TypeError, "eta", "'0.1'"),
    (True, TypeError, "eta", "True"),
    (None, TypeError, "eta", "None"),
    (1j, TypeError, "eta", "1j"),
    (np.ones(3), TypeError, "eta", "ndarray with 1 axes"),
]
ALPHA: list[tuple[Any, type[Exception], str, str]] = [
    ([], ValueError, "alpha", "none"),
    ([0.0, 2.0, 1.0], ValueError, "alpha", "out of order"),
    ([0.0, 1.0, 1.0], ValueError, "alpha", "out of order"),
    ([-1.0, 1.0], ValueError, "alpha", "negative"),
    ([0.0, 9e-91], ValueError, "alpha", "9e-91"),
    ([0.0, INF], ValueError, "alpha", "infinity"),
    ([0.0, NAN], ValueError, "alpha", "NaN"),
    ([[0.0, 1.0]], ValueError, "alpha", "(1, 2)"),
    ([[0.0], [1.0, 2.0]], TypeError, "alpha", "list"),
    (INF, ValueError, "alpha", "inf"),
    (NAN, ValueError, "alpha", "nan"),
    (0.0, ValueError, "alpha", "0"),
    (-1.0, ValueError, "alpha", "-1"),
    ("end", TypeError, "alpha", "end"),
    (["end"], TypeError, "alpha", "list"),
    (True, TypeError, "alpha", "True"),
    (None, TypeError, "alpha", "None"),
]
DIMENSION: list[tuple[Any, type[Exception], str, str]] = [
    (4, ValueError, "N", "got 4"),
    (0, ValueError, "N", "got 0"),
    (1, ValueError, "N", "raise N, or lower p"),
    (-50, ValueError, "N", "-50"),
    (50.0, TypeError, "N", "50.0"),
    (True, TypeError, "N", "True"),
    (np.True_, TypeError, "N", "True"),
    ("50", TypeError, "N", "'50'"),
    (NAN, TypeError, "N", "nan"),
]
RNG: list[tuple[Any, type[Exception], str, str]] = [
    (-1, ValueError, "rng", "-1"),
    (None, TypeError, "rng", "None"),
    (1.5, TypeError, "rng", "1.5"),
    (True, TypeError, "rng", "True"),
    (np.random, TypeError, "rng", "numpy.random"),
]
CONSTRAINT: list[tuple[Any, type[Exception], str, str]] = [
    ("sphere", ValueError, "constraint", "'sphere'"),
    (None, ValueError, "constraint", "None"),
]
METHOD: list[tuple[Any, type[Exception], str, str]] = [
    ("adam", ValueError, "method", "'adam'"),
    (None, ValueError, "method", "None"),
]
Q0: list[tuple[Any, type[Exception], str, str]] = [
    (0.0, ValueError, "q0", "got 0"),
    (-1.0, ValueError, "q0", "-1"),
    (NAN, ValueError, "q0", "nan"),
    (INF, ValueError, "q0", "inf"),
    ("1", TypeError, "q0", "'1'"),
]
STATES: list[tuple[Any, type[Exception], str, str]] = [
    (ql.random_overlaps(ql.Task(2, 3), 50, 0), ValueError, "state", "(2, 3)"),
    (ql.random_overlaps(ql.Task(3, 1), 50, 0), ValueError, "state", "(3, 1)"),
    (ql.Overlaps(np.eye(3), 2 * np.eye(3)[:, :2]), ValueError, "Q, M and T", "-0.4"),
    (ql.Overlaps(np.eye(3), [[0, 0], [0, 1.1], [0, 0]]), ValueError, "Q, M and T", "-0.0"),
    (ql.Overlaps(1e-20 * np.eye(3), 2e-10 * np.eye(3)[:, :2]), ValueError, "Q, M and T", "-0.4"),
    ("weights", TypeError, "state", "str"),
]
TASKS: list[tuple[Any, type[Exception], str, str]] = [("p=3", TypeError, "task", "str")]

TABLE: list[tuple[Callable[[], Any], type[Exception], str, str]] = [
    # Task
    (lambda: ql.Task(0, 2), ValueError, "p", "got 0"),
    (lambda: ql.Task(-3, 2), ValueError, "p", "-3"),
    (lambda: ql.Task(3.0, 2), TypeError, "p", "3.0"),
    (lambda: ql.Task(True, 2), TypeError, "p", "True"),
    (lambda: ql.Task("3", 2), TypeError, "p", "'3'"),
    (lambda: ql.Task(129, 2), ValueError, "p", "128, got 129"),
    (lambda: ql.Task(10**5000, 2), ValueError, "p", "got int"),
    (lambda: ql.Task("p" * 99, 2), TypeError, "p", "got str 'ppppp"),
    (lambda: ql.Task("p" * 58, 2), TypeError, "p", "got 'ppppp"),
    (lambda: ql.Task(3, 0), ValueError, "p_star", "got 0"),
    (lambda: ql.Task(3, 2.5), TypeError, "p_star", "2.5"),
    (lambda: ql.Task(3, False), TypeError, "p_star", "False"),
    (lambda: ql.Task(3, 2, [1.0, 1.0, 1.0]), ValueError, "T", "3"),
    (lambda: ql.Task(3, 2, np.eye(3)), ValueError, "T", "3"),
    (lambda: ql.Task(3, 2, np.ones((2, 3))), ValueError, "T", "(2, 3)"),
    (lambda: ql.Task(3, 2, np.ones((2, 2, 2))), ValueError, "T", "(2, 2, 2)"),
    (lambda: ql.Task(3, 2, 1.0), ValueError, "T", "()"),
    (lambda: ql.Task(3, 2, [[1.0, 0.5], [0.2, 1.0]]), ValueError, "T", "0.3"),
    (lambda: ql.Task(3, 2, [[1.0, 2.0], [2.0, 1.0]]), ValueError, "T", "-1"),
    (lambda: ql.Task(3, 2, [1.0, 0.0]), ValueError, "T", "0"),
    (lambda: ql.Task(3, 2, [1.0, -1.0]), ValueError, "T", "-1"),
    (lambda: ql.Task(3, 2, [-1.0, -1.0]), ValueError, "T", "eigenvalue -1"),
    (lambda: ql.Task(3, 2, [0.0, 0.0]), ValueError, "T", "eigenvalue 0"),
    (lambda: ql.Task(3, 2, [1.0, 1e-10]), ValueError, "T", "eigenvalue 1e-10"),
    (lambda: ql.Task(3, 1, [9e-91]), ValueError, "T", "9e-91"),
    (lambda: ql.Task(3, 2, [1.0, NAN]), ValueError, "T", "NaN"),
    (lambda: ql.Task(3, 2, np.ma.array([1.0, 2.0], mask=[0, 1])), ValueError, "T", "masked"),
    (lambda: ql.Task(3, 2, [1.0, INF]), ValueError, "T", "infinity"),
    (lambda: ql.Task(3, 2, ["a", "b"]), TypeError, "T", "list"),
    (lambda: ql.Task(3, 2, [1j, 1.0]), TypeError, "T", "list"),
    (lambda: ql.Task(3, 2, [[1.0], [1.0, 2.0]]), TypeError, "T", "list"),
    (lambda: ql.Task(3, 2, label_noise=-0.1), ValueError, "label_noise", "-0.1"),
    (lambda: ql.Task(3, 2, label_noise=NAN), ValueError, "label_noise", "nan"),
    (lambda: ql.Task(3, 2, label_noise="a"), TypeError, "label_noise", "'a'"),
    # Overlaps
    (lambda: ql.Overlaps(np.eye(3), np.ones((2, 3))), ValueError, "M", "(2, 3)"),
    (lambda: ql.Overlaps(np.eye(3), np.ones(3)), ValueError, "M", "(3,)"),
    (lambda: ql.Overlaps(np.eye(3), np.ones((3, 0))), ValueError, "M", "(3, 0)"),
    (lambda: ql.Overlaps(np.eye(3)[:2], np.ones((2, 2))), ValueError, "Q", "(2, 3)"),
    (lambda: ql.Overlaps(np.eye(0), np.ones((0, 2))), ValueError, "Q", "(0, 0)"),
    (lambda: ql.Overlaps(np.ones(3), np.ones((3, 2))), ValueError, "Q", "(3,)"),
    (lambda: ql.Overlaps([[1, 0.2], [0, 1]], np.ones((2, 1))), ValueError, "Q", "0.2"),
    (lambda: ql.Overlaps([[1, 2], [2, 1]], np.ones((2, 1))), ValueError, "Q", "-1"),
    (lambda: ql.Overlaps(-np.eye(2), np.ones((2, 1))), ValueError, "Q", "-1"),
    (lambda: ql.Overlaps([[1.0, 0], [0, -1e-8]], np.ones((2, 1))), ValueError, "Q", "-1e-08"),
    (lambda: STATE.weights(TALL, 50, 0), ValueError, "state", "(3, 2)"),
    (lambda: ql.Overlaps([[1, NAN], [NAN, 1]], np.ones((2, 1))), ValueError, "Q", "NaN"),
    (lambda: ql.Overlaps(np.eye(2), [[INF], [0]]), ValueError, "M", "infinity"),
    (lambda: ql.Overlaps(None, np.ones((2, 1))), TypeError, "Q", "NoneType"),
    (lambda: ql.Overlaps(np.eye(2), "M"), TypeError, "M", "str"),
    (lambda: ql.Overlaps(np.eye(2) * 1j, np.ones((2, 1))), TypeError, "Q", "ndarray"),
    # Weights
    (lambda: ql.Weights(WEIGHTS.W.T, WEIGHTS.W_star), ValueError, "W", "(50, 3)"),
    (lambda: ql.Weights(WEIGHTS.W, WEIGHTS.W_star.T), ValueError, "W", "(50, 2)"),
    (lambda: ql.Weights(WEIGHTS.W.T, WEIGHTS.W.T), ValueError, "W", "(50, 3)"),
    (lambda: ql.Weights(np.eye(3), np.eye(3)), ValueError, "W", "(3, 3)"),
    (lambda: ql.Weights(np.ones(5), np.ones((1, 5))), ValueError, "W", "(5,)"),
    (lambda: ql.Weights(np.ones((0, 5)), np.ones((1, 5))), ValueError, "W", "(0, 5)"),
    (lambda: ql.Weights(np.ones((1, 5)), np.ones((0, 5))), ValueError, "W_star", "(0, 5)"),
    (lambda: ql.Weights(np.full((1, 5), NAN), np.ones((1, 5))), ValueError, "W", "NaN"),
    (lambda: ql.Weights(np.ones((1, 5)), np.full((1, 5), INF)), ValueError, "W_star", "inf"),
    (lambda: ql.Weights("W", np.ones((1, 5))), TypeError, "W", "str"),
    (lambda: ql.Weights(np.full((1, 5), 2e45), np.ones((1, 5))), ValueError, "W", "2e+45"),
    (lambda: ql.Weights(np.ones((2, 5)), np.ones((2, 5))).task(), ValueError, "T", "eigenvalue"),
    (lambda: WEIGHTS.task(label_noise=-1.0), ValueError, "label_noise", "-1"),
    # a start that does not fit the request
    *[
        (
            lambda f=f, key=key, state=state: f(**{key: state}),
            error,
            key if name == "state" else name,
            what,
        )
        for f, key in (
            (loss, "state"),
            (drift, "state"),
            (integrate, "state"),
            (gradient_flow, "state"),
            (simulate, "start"),
            (hessian_spectrum, "state"),
        )
        for state, error, name, what in STATES
    ],
    *[
        (lambda f=f, key=key: f(**{key: STATE, "constraint": "spherical"}), ValueError, "Q", "0.")
        for f, key in ((drift, "state"), (integrate, "state"), (simulate, "start"))
    ],
    (lambda: drift(state=ONE_OFF, constraint="spherical"), ValueError, "Q", "0.1"),
    # arguments that several functions share
    *[
        (lambda f=f, value=value: f(task=value), *expected)
        for f in (
            loss,
            drift,
            integrate,
            gradient_flow,
            simulate,
            ensemble,
            random_overlaps,
            random_weights,
            plateau,
            late_time_law,
            hessian_spectrum,
            lambda task: ql.learning_rates(task),
            lambda task: ql.critical_learning_rate(task),
            lambda task: ql.blur_law(task, 0.1),
            lambda task: ql.escape_law(task, 50, 0.1),
            lambda task: ql.Trajectory(task, RUN.alpha, RUN.Q, RUN.M, {}),
        )
        for value, *expected in TASKS
    ],
    *[
        (lambda f=f, value=value: f(eta=value), *expected)
        for f in (drift, integrate, gradient_flow, simulate, ensemble, plateau, late_time_law)
        for value, *expected in ETA
    ],
    *[
        (lambda f=f, value=value: f(alpha=value), *expected)
        for f in (integrate, gradient_flow, simulate, ensemble)
        for value, *expected in ALPHA
    ],
    *[
        (lambda f=f, value=value: f(N=value), *expected)
        for f in (random_overlaps, random_weights, simulate, ensemble, hessian_spectrum)
        for value, *expected in DIMENSION
    ],
    *[
        (lambda f=f, value=value: f(rng=value), *expected)
        for f in (random_overlaps, random_weights, simulate)
        for value, *expected in RNG
    ],
    *[
        (lambda f=f, value=value: f(constraint=value), *expected)
        for f in (
            random_overlaps,
            random_weights,
            drift,
            integrate,
            simulate,
            ensemble,
            plateau,
            late_time_law,
        )
        for value, *expected in CONSTRAINT
    ],
    *[
        (lambda f=f, value=value: f(method=value), *expected)
        for f in (simulate, ensemble)
        for value, *expected in METHOD
    ],
    *[
        (lambda f=f, value=value: f(q0=value), *expected)
        for f in (random_overlaps, random_weights)
        for value, *expected in Q0
    ],
    (lambda: random_weights(N=10**12), ValueError, "N", "got N = 1000000000000"),
    (lambda: simulate(method="weights", start=None, N=10**12), ValueError, "N", "got N = 1"),
    # integrate
    (lambda: integrate(rtol=0.0), ValueError, "rtol", "got 0"),
    (lambda: integrate(gradient_noise=2), TypeError, "gradient_noise", "got 2"),
    (lambda: integrate(rtol=NAN), ValueError, "rtol", "nan"),
    (lambda: integrate(rtol=1.5), ValueError, "rtol", "got 1.5"),
    (lambda: integrate(rtol="small"), TypeError, "rtol", "'small'"),
    # simulate
    (lambda: simulate(step=0.1), ValueError, "step", "0.1"),
    (lambda: simulate(step=0.0, method="diffusion"), ValueError, "step", "from 1e-90"),
    (lambda: simulate(step=0.01, method="diffusion"), ValueError, "step", "0.01"),
    (lambda: simulate(N=49, method="diffusion", start=None), ValueError, "N", "got 49"),
    (
        lambda: simulate(N=60, method="diffusion", start=None, task=ql.Task(16, 5)),
        ValueError,
        "N",
        "63",
    ),
    (lambda: simulate(step=NAN, method="diffusion"), ValueError, "step", "nan"),
    (lambda: simulate(step="a", method="diffusion"), TypeError, "step", "'a'"),
    (lambda: simulate(q0=0.0), ValueError, "q0", "from 1e-90"),
    (lambda: simulate(method="weights"), TypeError, "start", "Overlaps"),
    (lambda: simulate(start=7), TypeError, "start", "int"),
    (lambda: simulate(start=int), TypeError, "start", "type"),
    (lambda: simulate(start=WEIGHTS, N=60), ValueError, "N", "60"),
    (lambda: simulate(start=WEIGHTS, N=60, method="weights"), ValueError, "N", "60"),
    (lambda: simulate(start=WEIGHTS, task=OTHER_T), ValueError, "W_star", "1"),
    (
        lambda: simulate(start=WEIGHTS, task=OTHER_T, method="weights"),
        ValueError,
        "W_star",
        "1",
    ),
    (lambda: simulate(start=TALL_WEIGHTS, method="weights"), ValueError, "start", "(2, 3)"),
    (
        lambda: simulate(start=WEIGHTS, method="weights", constraint="spherical"),
        ValueError,
        "Q",
        "0.",
    ),
    # ensemble
    (lambda: ensemble(runs=0), ValueError, "runs", "got 0"),
    (lambda: ensemble(runs=2.0), TypeError, "runs", "2.0"),
    (lambda: ensemble(runs=True), TypeError, "runs", "True"),
    (lambda: ensemble(seed=-1), ValueError, "seed", "-1"),
    (lambda: ensemble(seed=None), TypeError, "seed", "None"),
    (lambda: ensemble(executor="pool"), TypeError, "executor", "str"),
    # plateau and laws
    (lambda: plateau(eta=1.0), ql.NoPlateauError, "eta", "1"),
    (lambda: ql.critical_learning_rate(TALL), ValueError, "p", "p = 2"),
    (lambda: late_time_law(task=TALL), ValueError, "p", "p = 2"),
    (lambda: late_time_law(eta=0.0), ValueError, "eta", "got 0"),
    (lambda: late_time_law(eta=0.25), ValueError, "eta", "0.25"),
    (
        lambda: late_time_law(task=OTHER_T, constraint="spherical"),
        ValueError,
        "T",
        "3",
    ),
    (
        lambda: late_time_law(task=ql.Task(2, 2, [1.5, 0.5]), constraint="spherical"),
        ValueError,
        "T",
        "another T",
    ),
    (lambda: ql.escape_law(TASK, 10**4, 0.1, level=9.0), ValueError, "level", "got 9"),
    (lambda: ql.escape_law(TASK, 10**4, 0.0), ValueError, "eta", "from 1e-90"),
    (lambda: ql.escape_law(TASK, 10**4, 0.1, q0=0.0), ValueError, "q0", "from 1e-90"),
    (
        lambda: ql.escape_law(TASK, 99, 0.1, np.array(["free"] * 2)),
        ValueError,
        "constraint",
        "1 ax",
    ),
    (lambda: escape_time(NAN), ValueError, "level", "nan"),
    (lambda: escape_time(-1.0), ValueError, "level", "-1"),
    (lambda: escape_time("half"), TypeError, "level", "'half'"),
    # implicit bias
    (lambda: ql.closest_solution(STATE), TypeError, "weights", "Overlaps"),
    (lambda: ql.hessian_operator(STATE), TypeError, "weights", "Overlaps"),
    (lambda: ql.empirical_hessian_operator(STATE, np.ones((9, 50))), TypeError, "weights", "Over"),
    (lambda: ql.polar_factor(np.ones((0, 2))), ValueError, "M", "(0, 2)"),
    (lambda: ql.conserved_quantity(STATE), TypeError, "trajectory", "Overlaps"),
    (lambda: ql.blur_law(TASK, 0.0), ValueError, "eta", "1e-90"),
    (lambda: ql.closest_solution(TALL_WEIGHTS), ValueError, "p", "p = 2"),
    (lambda: ql.solution_distance(TALL_WEIGHTS), ValueError, "p", "p = 2"),
    (lambda: ql.conserved_quantity(LONG_RUN), ValueError, "Q", "alpha ="),
    (
        lambda: ql.conserved_quantity(ql.Trajectory(TASK, RUN.alpha, RUN.Q, RUN.M, {})),
        TypeError,
        "eta",
        "None",
    ),
    # landscape
    (lambda: hessian_spectrum(N=2**62), ValueError, "N", str(2**62)),
    (lambda: hessian_spectrum(task=ql.Task(65, 65), state=WIDE, N=10**6), ValueError, "p", "8450"),
    (lambda: empirical(np.ones((50, 7))), ValueError, "X", "(50, 7)"),
    (lambda: empirical(np.ones((0, 50))), ValueError, "X", "(0, 50)"),
    (lambda: empirical(np.ones(50)), ValueError, "X", "(50,)"),
    (lambda: empirical(np.full((2, 50), NAN)), ValueError, "X", "NaN"),
    (lambda: empirical(np.full((2, 50), 2e45)), ValueError, "X", "2e+45"),
    (lambda: empirical("X"), TypeError, "X", "str"),
]


def assert_one_sentence(message: str, quantity: str, what: str) -> None:
    assert "\n" not in message
    assert re.search(rf"(^|[ \[\"]){re.escape(quantity)}\b", message.split(" must ")[0]), message
    assert what in message
    assert message.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", message), message
    before, way_out = message.rsplit("; ", 1)
    assert " must " in before
    assert "got " in before
    assert len(way_out) > 6


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "error", "quantity", "what"),
    [
        pytest.param(*row, id=f"{i}-{row[2]}-{row[3]}".replace(" ", ""))
        for i, row in enumerate(TABLE)
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    call: Callable[[], Any], error: type[Exception], quantity: str, what: str
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    assert_one_sentence(str(caught.value), quantity, what)


def test_what_is_just_allowed_is_taken() -> None:
    assert checks.check_real("level", 0.0) == 0.0
    assert checks.check_seed("seed", [0, 7]) == (0, 7)
    np.testing.assert_array_equal(checks.recording_points([0.0, 1e-90]), [0.0, 1e-90])
    # rounding is measured by the largest entry
    Q = checks.symmetric_array("Q", [[1e6, 1.0], [1.0001, 1e6]])
    np.testing.assert_array_equal(Q, Q.T)


def test_times_are_even_up_to_a_thousand_and_then_in_their_logarithm() -> None:
    np.testing.assert_array_equal(checks.recording_points(1000.0), np.arange(201) * 5.0)
    late = checks.recording_points(1001.0)
    assert len(late) == 201
    np.testing.assert_allclose(late[[0, 1, 200]], [0.0, 0.1, 1001.0])
    np.testing.assert_allclose(np.diff(np.log(late[1:])), math.log(10010) / 199)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_file_that_is_no_trajectory(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.npz"
    if content is None:
        np.savez(path, something=np.ones(3))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="save it again") as caught:
        ql.Trajectory.load(path)
    assert_one_sentence(str(caught.value), "path", "run.npz")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ql.Trajectory.load(tmp_path / "none.npz")


@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion", "integrate"])
def test_a_divergence_holds_the_finite_trajectory_so_far(method: Any) -> None:
    task, N = ql.Task(3, 2), 1000 if method == "diffusion" else 100
    start = ql.random_weights(task, N, 1)
    alpha = np.linspace(0, 200, 20001)
    if method == "integrate":
        run = partial(ql.integrate, task, start.overlaps)
    else:
        run = partial(ql.simulate, task, start, N=N, rng=0, method=method)
    with pytest.raises(ql.DivergenceError) as caught:
        run(eta=0.6, alpha=alpha)
    so_far = caught.value.trajectory
    assert 1 < len(so_far.alpha) < len(alpha)
    np.testing.assert_array_equal(so_far.alpha, alpha[: len(so_far.alpha)])
    assert np.isfinite(so_far.Q).all()
    assert np.isfinite(so_far.M).all()
    assert np.isfinite(so_far.loss).all()
    np.testing.assert_allclose(so_far.Q[0], start.overlaps.Q, rtol=0, atol=1e-13)
    message = str(caught.value)
    assert_one_sentence(message, "Q" if method == "integrate" else "error", "eta = 0.6")


@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
def test_ctrl_c_holds_the_trajectory_so_far(method: Any, ctrl_c: threading.Thread) -> None:
    """A real signal, while the compiled loop is running."""
    task, N = ql.Task(3, 2), 10**4 if method == "weights" else 10**7
    how: dict[str, Any] = dict(N=N, rng=0, method=method, progress=False, eta=0.05)
    ql.simulate(task, None, alpha=1 / N, **how)  # compiles
    alpha = np.arange(100_001) / 100
    if method == "diffusion":
        how["step"] = 1e-5
    began = time.perf_counter()
    ctrl_c.start()
    with pytest.raises(ql.RunInterrupted) as caught:
        ql.simulate(task, None, alpha=alpha, **how)
    assert time.perf_counter() - began < 60  # and not the hours that the run would take
    so_far = caught.value.trajectory
    assert 1 <= len(so_far.alpha) < len(alpha)
    assert np.isfinite(so_far.loss).all()
    assert "\n" not in str(caught.value)
    assert "`trajectory`" in str(caught.value)
