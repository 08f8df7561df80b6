"""Symmetries of a run: rotations and permutations of the students, of the teacher, of the input."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import quadlib as ql
from quadlib.checks import Constraint
from tests import oracles

sizes: dict[str, Any] = {
    "p": st.integers(1, 5),
    "k": st.integers(1, 4),
    "noise": st.sampled_from([0.0, 0.5]),
    "seed": st.integers(0, 2**31),
}


def orthogonal(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def random_task(p: int, k: int, noise: float, rng: np.random.Generator) -> ql.Task:
    R = orthogonal(k, rng)
    return ql.Task(p, k, R * rng.uniform(0.3, 2, k) @ R.T, noise)


def literal(task: ql.Task, w: ql.Weights, constraint: Constraint) -> ql.Trajectory:
    """The same inputs whatever the start."""
    return ql.simulate(
        task,
        w,
        eta=0.02,
        alpha=[0.0, 0.5, 2.0],
        N=w.N,
        rng=np.random.default_rng(1),
        method="weights",
        constraint=constraint,
    )


def assert_close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * max(1.0, np.abs(b).max()))


@given(**sizes)
def test_free_sgd_is_equivariant_under_rotations_of_the_students(
    p: int, k: int, noise: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    task, O = random_task(p, k, noise, rng), orthogonal(p, rng)
    w = ql.random_weights(task, 60, rng)
    run, turned = (literal(task, start, "free") for start in (w, ql.Weights(O @ w.W, w.W_star)))
    assert_close(turned.Q, O @ run.Q @ O.T)
    assert_close(turned.M, O @ run.M)
    assert_close(turned.loss, run.loss)


@given(**sizes)
def test_spherical_sgd_is_equivariant_under_signed_permutations_only(
    p: int, k: int, noise: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    task = random_task(p, k, noise, rng)
    S = np.diag(rng.choice([-1.0, 1.0], p))[rng.permutation(p)]
    w = ql.random_weights(task, 60, rng, constraint="spherical")
    run, turned = (
        literal(task, start, "spherical") for start in (w, ql.Weights(S @ w.W, w.W_star))
    )
    assert_close(turned.Q, S @ run.Q @ S.T)
    assert_close(turned.M, S @ run.M)
    assert_close(turned.loss, run.loss)


class Turned:
    """A generator whose inputs x are rotated."""

    def __init__(self, R: np.ndarray) -> None:
        self.R, self.rng = R, np.random.default_rng(1)

    def standard_normal(self, n: int | None = None) -> Any:
        z = self.rng.standard_normal(n)
        return z if n is None else self.R @ z


@settings(max_examples=10)
@given(**sizes, constraint=st.sampled_from(["free", "spherical"]))
def test_sgd_does_not_see_rotations_of_the_input(
    p: int, k: int, noise: float, seed: int, constraint: Constraint
) -> None:
    """The naive loop fed with R x from W Rᵀ and W* Rᵀ has the overlaps of the compiled one."""
    rng = np.random.default_rng(seed)
    task, R = random_task(p, k, noise, rng), orthogonal(30, rng)
    w = ql.random_weights(task, 30, rng, constraint=constraint)
    run = literal(task, w, constraint)
    turned: Any = Turned(R)
    Q, M = oracles.naive_sgd(
        task,
        ql.Weights(w.W @ R.T, w.W_star @ R.T),
        0.02,
        [0, 15, 60],
        turned,
        constraint == "spherical",
    )
    assert_close(Q, run.Q)
    assert_close(M, run.M)


@given(
    **sizes,
    constraint=st.sampled_from(["free", "spherical"]),
    eta=st.just(0.0) | st.floats(1e-90, 0.3),
)
def test_nothing_depends_on_the_teachers_frame(
    p: int, k: int, noise: float, seed: int, constraint: Constraint, eta: float
) -> None:
    """Turning the teacher units, T → R T Rᵀ and M → M Rᵀ, changes no prediction."""
    rng = np.random.default_rng(seed)
    task, R = random_task(p, k, noise, rng), orthogonal(k, rng)
    turned_task = ql.Task(p, k, R @ task.T @ R.T, noise)
    state = ql.random_overlaps(task, 60, rng, constraint=constraint)
    turned = ql.Overlaps(state.Q, state.M @ R.T)
    assert_close(np.array(ql.loss(turned_task, turned)), np.array(ql.loss(task, state)))
    dQ, dM = ql.drift(task, state, eta, constraint)
    turned_dQ, turned_dM = ql.drift(turned_task, turned, eta, constraint)
    assert_close(turned_dQ, dQ)
    assert_close(turned_dM, dM @ R.T)


@given(**sizes, scale=st.floats(0.1, 10))
def test_units_of_the_fields_are_a_convention(
    p: int, k: int, noise: float, seed: int, scale: float
) -> None:
    """All overlaps c times larger, η and √label_noise scaled with them: the same run in units of c.

    Δ scales as c and the step as ηΔλ, so that η → η/c leaves dQ/c and dM/c as they were.
    """
    rng = np.random.default_rng(seed)
    task = random_task(p, k, noise, rng)
    scaled_task = ql.Task(p, k, scale * task.T, scale**2 * noise)
    state = ql.random_overlaps(task, 60, rng)
    scaled = ql.Overlaps(scale * state.Q, scale * state.M)
    dQ, dM = ql.drift(task, state, 0.1)
    scaled_dQ, scaled_dM = ql.drift(scaled_task, scaled, 0.1 / scale)
    assert_close(scaled_dQ / scale, dQ)
    assert_close(scaled_dM / scale, dM)
