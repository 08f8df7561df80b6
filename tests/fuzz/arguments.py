"""Valid, almost valid and absurd arguments, by the names that the public functions give them."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

import quadlib as ql

NAN, INF = float("nan"), float("inf")
TASK = ql.Task(3, 2)
RUN = ql.integrate(TASK, ql.random_overlaps(TASK, 50, 0), eta=0.1, alpha=np.linspace(0, 60, 31))
ENSEMBLE = ql.ensemble(TASK, eta=0.1, alpha=[0.0, 9.0], N=20, runs=3, seed=0, progress=False)

ABSURD = (
    *(None, True, np.True_, "free", "x", "", b"x", object(), int, [], {}, [1, [2]], ["a"], 1j),
    *(NAN, INF, -INF, -1, -0.5, 0, -0.0, 5e-324, 1e-200, 1e200, 10**400, Fraction(1, 3)),
    *(np.array(0.05), np.float32(0.1), np.int8(3), np.ones(3), np.ones((3, 2)), np.ones((0, 3))),
    *(np.full((3, 3), NAN), np.eye(3)[:, :2].T, np.ma.masked_array([1.0, 2.0], [True, False])),
    *(np.array(["a", "b"]), np.array([None, 1], dtype=object), np.ones((2, 2), complex)),
    *(TASK, RUN, ENSEMBLE, ql.random_overlaps(TASK, 50, 0), ql.random_weights(TASK, 50, 0)),
    ql.Overlaps(np.eye(2), np.zeros((2, 1))),
)


ETAS = st.floats(0.001, 0.6) | st.sampled_from([0.0, 1e-90, 1e-30, 1.0, 1e3, 1e6])
"""Learning rates: small, usual, too large, and the ends of what is allowed."""

CONSTRAINTS = st.sampled_from(["free", "spherical"])


@cache
def scales(power: int) -> Any:
    """Sizes: near one, or anywhere up to this power of ten and down to its inverse."""
    return st.floats(0.1, 10.0) | st.floats(-power, power).map(lambda x: float(10.0**x))


FLAGS, DIGITS = st.booleans(), st.integers(0, 9)
UNITS, TEACHERS = st.integers(1, 5), st.integers(1, 3)
NOISES = st.sampled_from([0.0, 0.0, 0.3]) | scales(30)
ONE = st.just(1.0)
MEAN = ONE | scales(30)
TEACHER = st.sampled_from(["identity", "diagonal", "full"])
SEEDS = (
    st.integers(0, 2**40)
    | st.lists(st.integers(0, 99), min_size=1, max_size=3)
    | DIGITS.map(np.random.default_rng)
)
"""Integers, sequences of them, generators."""


@cache
def times(end: float) -> Any:
    """The last time, or the times themselves."""
    last = st.floats(1e-6, end) | st.sampled_from([1e-90, 1e-9])
    points = st.lists(st.floats(0.0, end), min_size=1, max_size=5, unique=True).map(sorted)
    return last | points


def _task(draw: Any, mean: Any = MEAN) -> ql.Task:
    """Of few units, with any T and label noise."""
    p, k, T = draw(UNITS), draw(TEACHERS), draw(TEACHER)
    if T == "identity":
        return ql.Task(p, k, label_noise=draw(NOISES))
    rng = np.random.default_rng(draw(DIGITS))
    diagonal = draw(mean) * rng.uniform(0.3, 3.0, k)
    if T == "diagonal":
        return ql.Task(p, k, diagonal, draw(NOISES))
    V = np.linalg.qr(rng.standard_normal((k, k)))[0]
    full = V * diagonal @ V.T
    return ql.Task(p, k, (full + full.T) / 2, draw(NOISES))


def _N(draw: Any, task: ql.Task, more: int = 34) -> int:
    return task.p + task.p_star + int(draw(st.integers(0, more)))


KINDS = st.sampled_from(["random", "weights", "plateau", "equal", "solution"])


def _a_state(draw: Any, task: ql.Task, constraint: str) -> Any:
    """Random, uncorrelated, degenerate, weights; of any size."""
    p, k, t = task.p, task.p_star, float(np.diag(task.T).max())
    seed = draw(DIGITS)
    if constraint == "spherical":
        return ql.random_overlaps(task, _N(draw, task), seed, constraint="spherical")
    kind, q0 = draw(KINDS), draw(MEAN)
    if kind == "random":
        return ql.random_overlaps(task, _N(draw, task, 10**6), seed, q0)
    if kind == "weights":
        return ql.random_weights(task, _N(draw, task), seed, q0)
    if kind == "plateau":
        return ql.Overlaps(q0 * np.eye(p), np.zeros((p, k)))
    if kind == "equal":  # units alike: Q is of rank one
        M = np.zeros((p, k))
        M[:, 0] = draw(st.sampled_from([0.0, 1e-9, 0.3])) * np.sqrt(q0 * float(task.T[0, 0]))
        return ql.Overlaps(np.full((p, p), q0), M)
    O = np.eye(p, k) * np.sqrt(max(p / k, 1e-9))
    return ql.Overlaps(O @ task.T @ O.T + 1e-6 * t * np.eye(p), O @ task.T)


def _state(draw: Any, *names: str, constrained: bool = True) -> dict[str, Any]:
    """A task and a state of it, and what else has one of these names."""
    task, constraint = _task(draw), draw(CONSTRAINTS) if constrained else "free"
    values = dict(task=task, state=_a_state(draw, task, constraint))
    more = dict(constraint=constraint, gradient_noise=None, eta=None)
    for name in names:
        values[name] = more[name]
        if values[name] is None:
            values[name] = draw(ETAS if name == "eta" else FLAGS)
    return values


def _start(draw: Any) -> dict[str, Any]:
    task = _task(draw)
    N = _N(draw, task)
    return dict(task=task, N=N, rng=draw(SEEDS), q0=draw(scales(30)), constraint=draw(CONSTRAINTS))


def _runs(draw: Any, end: float, mean: Any = MEAN) -> dict[str, Any]:
    task, constraint = _task(draw, mean), draw(CONSTRAINTS)
    N = _N(draw, task)
    how = dict(task=task, eta=draw(ETAS), alpha=draw(times(end)), N=N, constraint=constraint)
    method = "diffusion" if draw(FLAGS) else "overlaps"
    return how | dict(method=method, N=N + 50 * (method == "diffusion"), progress=False)


def _simulate(draw: Any) -> dict[str, Any]:
    how = _runs(draw, 5.0) | dict(rng=draw(SEEDS), start=None)
    if draw(FLAGS):
        how["start"] = _a_state(draw, how["task"], how["constraint"])
    if draw(FLAGS) and not isinstance(how["start"], ql.Overlaps):
        how["method"] = "weights"
        how["N"] = getattr(how["start"], "N", how["N"])
    return how


def _escape_times(draw: Any) -> dict[str, Any]:
    how = _runs(draw, 5.0, ONE)  # what a tiny teacher teaches is learned in ages
    how |= dict(method="diffusion", N=10**6, eta=draw(st.floats(0.02, 0.6)))
    del how["alpha"]
    return how | dict(runs=2, seed=(1, draw(DIGITS)))


def _level(draw: Any) -> dict[str, Any]:
    return dict(task=_task(draw), eta=draw(ETAS), constraint=draw(CONSTRAINTS))


def _escape_law(draw: Any) -> dict[str, Any]:
    N = 10 ** (1 + draw(DIGITS))
    return _level(draw) | dict(N=N, plateau_noise=draw(FLAGS))


def _weights(draw: Any) -> dict[str, Any]:
    task = _task(draw)
    N = _N(draw, task)
    return dict(weights=ql.random_weights(task, N, draw(DIGITS), draw(scales(30))))


def _inputs(draw: Any) -> dict[str, Any]:
    how = _weights(draw)
    return how | dict(X=draw(scales(40)) * np.ones((draw(UNITS), how["weights"].N)))


def _matrix(draw: Any) -> Any:
    rng, shape = np.random.default_rng(draw(DIGITS)), draw(SHAPES)
    return draw(scales(30)) * rng.standard_normal(shape)


SHAPES = st.sampled_from([(3, 2), (2, 3), (4, 3, 2), (1, 1), (2, 0)])

FUNCTIONS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "Task": lambda draw: dict(
        p=draw(st.integers(1, 9)),
        p_star=draw(st.integers(1, 4)),
        T=draw(st.none() | st.lists(scales(90), min_size=1, max_size=3)),
        label_noise=draw(scales(90)),
    ),
    "Overlaps": lambda draw: dict(Q=np.eye(3) * draw(scales(90)), M=_matrix(draw)),
    "Weights": lambda draw: vars(_weights(draw)["weights"]),
    "loss": lambda draw: _state(draw, constrained=False),
    "drift": lambda draw: _state(draw, "eta", "constraint", "gradient_noise"),
    "integrate": lambda draw: (
        _state(draw, "eta", "constraint", "gradient_noise") | dict(alpha=draw(times(40.0)))
    ),
    "gradient_flow": lambda draw: (
        _state(draw, "eta", constrained=False) | dict(alpha=draw(times(1e12)))
    ),
    "plateau": _level,
    "escape_level": _level,
    "critical_learning_rate": lambda draw: dict(task=_task(draw)),
    "learning_rates": lambda draw: dict(task=_task(draw), constraint=draw(CONSTRAINTS)),
    "escape_law": _escape_law,
    "late_time_law": _level,
    "blur_law": lambda draw: dict(task=_task(draw), eta=draw(ETAS)),
    "random_overlaps": _start,
    "random_weights": _start,
    "simulate": _simulate,
    "ensemble": lambda draw: _runs(draw, 3.0) | dict(runs=2, seed=draw(DIGITS)),
    "escape_times": _escape_times,
    "polar_factor": lambda draw: dict(M=_matrix(draw)),
    "misalignment": lambda draw: dict(O=_matrix(draw), other=_matrix(draw)),
    "closest_solution": _weights,
    "solution_distance": _weights,
    "conserved_quantity": lambda _: dict(trajectory=RUN),
    "hessian_spectrum": lambda draw: (
        _state(draw, constrained=False) | dict(N=draw(st.integers(8, 40) | st.just(10**12)))
    ),
    "hessian_operator": _weights,
    "empirical_hessian_operator": _inputs,
}


WRONG, ABSURDITY = st.integers(0, 2), st.sampled_from(ABSURD)


@st.composite
def call(draw: Any, name: str) -> dict[str, Any]:
    """Arguments of one function; in two calls of three some of them are absurd."""
    values = dict(FUNCTIONS[name](draw))
    keys = sorted(values)
    return values | {keys[draw(DIGITS) % len(keys)]: draw(ABSURDITY) for _ in range(draw(WRONG))}
