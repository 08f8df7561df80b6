"""Valid, almost valid and absurd arguments, by the names that the public functions give them."""

from fractions import Fraction
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


def absurd() -> Any:
    """Anything that may stand where something else belongs."""
    return st.sampled_from(ABSURD)


def etas() -> Any:
    """Learning rates: small, usual, too large, and the ends of what is allowed."""
    usual = st.floats(0.001, 0.6)
    return usual | st.sampled_from([0.0, 1e-90, 1e-30, 1.0, 1e3, 1e6])


def scales(largest: float = 1e90) -> Any:
    """Sizes: near one, or anywhere in the range."""
    logarithm = np.log10(largest)
    wide = st.floats(-logarithm, logarithm).map(lambda power: float(10.0**power))
    return st.floats(0.1, 10.0) | wide


@st.composite
def tasks(draw: Any) -> ql.Task:
    """Tasks of few units, with any T and label noise."""
    p, k = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    T = draw(st.sampled_from(["identity", "diagonal", "full"]))
    noise = draw(st.sampled_from([0.0, 0.0, 0.3]) | scales(1e30))
    unit = draw(st.just(1.0) | scales(1e30))
    if T == "identity":
        return ql.Task(p, k, label_noise=noise)
    diagonal = unit * np.array(draw(st.lists(st.floats(0.3, 3.0), min_size=k, max_size=k)))
    if T == "diagonal":
        return ql.Task(p, k, diagonal, noise)
    V = np.linalg.qr(np.random.default_rng(k).standard_normal((k, k)))[0]
    full = V * diagonal @ V.T
    return ql.Task(p, k, (full + full.T) / 2, noise)


@st.composite
def states(draw: Any, task: ql.Task, constraint: str = "free") -> Any:
    """States of this task: random, uncorrelated, degenerate, weights; of any size."""
    p, k, t = task.p, task.p_star, float(np.diag(task.T).max())
    seed = draw(st.integers(0, 5))
    if constraint == "spherical":
        return ql.random_overlaps(task, draw(st.integers(p + k, 99)), seed, constraint="spherical")
    kind = draw(st.sampled_from(["random", "weights", "plateau", "equal", "solution"]))
    q0 = draw(st.just(1.0) | scales(1e30))
    if kind == "random":
        return ql.random_overlaps(task, draw(st.integers(p + k, 10**6)), seed, q0)
    if kind == "weights":
        return ql.random_weights(task, draw(st.integers(p + k, 30)), seed, q0)
    if kind == "plateau":
        return ql.Overlaps(q0 * np.eye(p), np.zeros((p, k)))
    if kind == "equal":  # units alike: Q is of rank one
        M = np.zeros((p, k))
        M[:, 0] = draw(st.sampled_from([0.0, 1e-9, 0.3])) * np.sqrt(q0 * float(task.T[0, 0]))
        return ql.Overlaps(np.full((p, p), q0), M)
    O = np.eye(p, k) * np.sqrt(max(p / k, 1e-9))
    return ql.Overlaps(O @ task.T @ O.T + 1e-6 * t * np.eye(p), O @ task.T)


def seeds() -> Any:
    """Integers, sequences of them, generators."""
    return st.integers(0, 2**40) | st.lists(st.integers(0, 99), min_size=1, max_size=3) | st.builds(
        np.random.default_rng, st.integers(0, 9)
    )  # fmt: skip


def times(end: float = 40.0) -> Any:
    """The last time, or the times themselves."""
    last = st.floats(1e-6, end) | st.sampled_from([1e-90, 1e-9])
    points = st.lists(st.floats(0.0, end), min_size=1, max_size=5, unique=True).map(sorted)
    return last | points
