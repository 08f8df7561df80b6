"""The two ways to give a state: overlaps, or the weights themselves."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from quadlib.checks import (
    LARGEST,
    ROUNDING,
    Constraint,
    Random,
    as_generator,
    check_constraint,
    check_dimension,
    check_kind,
    finite_array,
    read_only,
    symmetric_array,
)
from quadlib.shapes import Array, Float
from quadlib.task import Task, check_task, joint_covariance, squared_error

_MOST_WEIGHTS = 2**30
"""Numbers in W and W*, 8 GB."""


@dataclass(frozen=True, eq=False, init=False)
class Overlaps:
    """Student overlaps Q = W Wᵀ/N (p, p) and student-teacher overlaps M = W W*ᵀ/N (p, p*).

    The arrays are copied and read-only.

    Raises
    ------
    TypeError, ValueError
        If Q is not symmetric and positive semidefinite, shapes do not fit, or an entry is not
        finite.

    Notes
    -----
    docs/theory.md (1.3).
    """

    Q: Float[Array, "p p"]
    M: Float[Array, "p k"]

    def __init__(self, Q: ArrayLike, M: ArrayLike) -> None:
        Q, M = symmetric_array("Q", Q), finite_array("M", M, 2)
        if len(M) != len(Q) or M.shape[1] == 0:
            raise ValueError(
                f"M must have shape (p, p_star) with p = {len(Q)} rows as Q has, got {M.shape}; "
                "pass M.T if it is transposed."
            )
        eigenvalues = np.linalg.eigvalsh(Q)
        if eigenvalues[0] < -ROUNDING * eigenvalues[-1]:
            raise ValueError(
                f"Q must be positive semidefinite, got eigenvalue {eigenvalues[0]:.3g}; "
                "compute it from weights as W @ W.T / N."
            )
        object.__setattr__(self, "Q", read_only(Q))
        object.__setattr__(self, "M", read_only(M))

    def weights(self, task: Task, N: int, rng: Random) -> "Weights":
        """Draw weights that have exactly these overlaps, in a uniformly random orientation.

        W = √N (m, Q⊥^{1/2}) Eᵀ with the components m and Q⊥ of (8.1), W* likewise, and E
        (N, p + p*) of random orthonormal columns.

        Raises
        ------
        TypeError, ValueError
            If the overlaps do not fit the task, or N < p + p*.
        """
        check_start(task, self)
        N = check_memory(N, task)
        t, V, m, Q_perp = teacher_split(task, self)
        values, vectors = np.linalg.eigh(Q_perp)
        F = np.hstack([m, vectors * np.sqrt(np.maximum(values, 0.0))])
        E = np.sqrt(N) * random_frame(N, F.shape[1], as_generator(rng, "weights")).T
        return Weights(F @ E, V * np.sqrt(t) @ E[: task.p_star])

    def __reduce__(self) -> tuple[Any, ...]:  # a copy is read-only too
        return Overlaps, (self.Q, self.M)


@dataclass(frozen=True, eq=False, init=False)
class Weights:
    """Student weights W (p, N) and teacher weights W* (p*, N), entries of order one.

    The arrays are copied and read-only.

    Raises
    ------
    TypeError, ValueError
        If an array is not 2-d and finite, the numbers of columns differ, or N < p + p*.
    """

    W: Float[Array, "p N"]
    W_star: Float[Array, "k N"]

    def __init__(self, W: ArrayLike, W_star: ArrayLike) -> None:
        largest = LARGEST**0.5
        W, W_star = finite_array("W", W, 2, largest), finite_array("W_star", W_star, 2, largest)
        (p, N), (p_star, N_star) = W.shape, W_star.shape
        if N != N_star or p == 0 or p_star == 0:
            raise ValueError(
                f"W and W_star must have shapes (p, N) and (p_star, N), got {W.shape} and "
                f"{W_star.shape}; pass the transpose of the one that has its units in columns."
            )
        if N < p + p_star:
            raise ValueError(
                f"W and W_star must have N >= p + p_star columns, got shapes {W.shape} and "
                f"{W_star.shape}; pass W.T and W_star.T if they are transposed."
            )
        object.__setattr__(self, "W", read_only(W))
        object.__setattr__(self, "W_star", read_only(W_star))

    def __reduce__(self) -> tuple[Any, ...]:
        return Weights, (self.W, self.W_star)

    @property
    def N(self) -> int:
        """Input dimension."""
        return int(self.W.shape[1])

    @property
    def overlaps(self) -> Overlaps:
        """Q = W Wᵀ/N and M = W W*ᵀ/N, (1.3)."""
        return Overlaps(self.W @ self.W.T / self.N, self.W @ self.W_star.T / self.N)

    def task(self, label_noise: float = 0.0) -> Task:
        """Return the task these weights belong to: T = W* W*ᵀ/N."""
        T = self.W_star @ self.W_star.T / self.N
        return Task(len(self.W), len(self.W_star), T, label_noise)


def scaled_covariance(
    task: Task, Q: Float[Array, "*n p p"], M: Float[Array, "*n p k"]
) -> Float[Array, "*n p+k p+k"]:
    """C (1.6) in units in which both blocks are of order one: a small T counts like a large Q."""
    Q_unit = np.sqrt(np.trace(Q, axis1=-2, axis2=-1))[..., None, None]
    Q_unit = np.where(Q_unit > 0, Q_unit, 1.0)
    T_unit = np.sqrt(np.trace(task.T))
    return joint_covariance(Q / Q_unit**2, M / Q_unit / T_unit, task.T / T_unit**2)


def check_start(
    task: Task, state: object, constraint: Constraint = "free", name: str = "state"
) -> Overlaps:
    """Return the overlaps of `state`, which must be a possible state of `task`.

    Parameters
    ----------
    task, constraint
        What is learned, and how.
    state
        Overlaps, or Weights whose W* has the overlaps T.
    name
        What the argument is called.

    Raises
    ------
    TypeError
        If `task` is no Task, or `state` neither Overlaps nor Weights.
    ValueError
        If the shapes differ from the task's, the joint covariance (1.6) is not positive
        semidefinite beyond rounding, or Q_ii ≠ 1 with constraint "spherical".
    """
    check_task(task)
    check_kind(name, state, Overlaps, Weights)
    check_constraint(constraint)
    weights = state if isinstance(state, Weights) else None
    overlaps = state if isinstance(state, Overlaps) else state.overlaps  # type: ignore[attr-defined]
    if overlaps.M.shape != (task.p, task.p_star):
        raise ValueError(
            f"{name} must have p = {task.p} and p_star = {task.p_star} units to fit the task, got "
            f"M of shape {overlaps.M.shape}; change the task or the state."
        )
    if weights is not None:
        deviation = np.abs(weights.W_star @ weights.W_star.T / weights.N - task.T).max()
        if deviation > ROUNDING * np.abs(task.T).max():
            raise ValueError(
                f"W_star must have the overlaps T of the task, got a deviation of {deviation:.2g}; "
                "take the task from the weights: task = weights.task()."
            )
    eigenvalues = np.linalg.eigvalsh(scaled_covariance(task, overlaps.Q, overlaps.M))
    if eigenvalues[0] < -ROUNDING * eigenvalues[-1]:
        raise ValueError(
            "Q, M and T together must be a covariance (positive semidefinite), got eigenvalue "
            f"{eigenvalues[0]:.3g}; take all three from the same weights."
        )
    deviation = np.abs(np.diag(overlaps.Q) - 1).max()
    if constraint == "spherical" and deviation > ROUNDING:
        raise ValueError(
            'Q must have a unit diagonal with constraint="spherical", got a deviation of '
            f"{deviation:.2g}; rescale each unit to norm sqrt(N)."
        )
    return overlaps


def teacher_split(task: Task, state: Overlaps) -> tuple[Array, Array, Array, Array]:
    """T = V diag(t) Vᵀ; components m = M V/√t along the teacher, and Q⊥ = Q − m mᵀ, (8.1)."""
    t, V = np.linalg.eigh(task.T)
    m = state.M @ V / np.sqrt(t)
    return t, V, m, state.Q - m @ m.T


def loss(task: Task, state: Overlaps | Weights) -> float:
    """Population loss L = ½ E[Δ²] = ½ s² + tr ACAC + ½ label_noise, s = tr AC.

    Raises
    ------
    TypeError, ValueError
        If the state does not fit the task.

    Notes
    -----
    docs/theory.md (1.7).
    """
    overlaps = check_start(task, state)
    C = joint_covariance(overlaps.Q, overlaps.M, task.T)
    return float(squared_error(C, task.readout, task.label_noise)) / 2


def random_frame(N: int, columns: int, rng: np.random.Generator) -> Array:
    """Orthonormal columns of uniformly random orientation."""
    E, R = np.linalg.qr(rng.standard_normal((N, columns)))
    return np.asarray(E * np.sign(np.diag(R)))  # uniform (Haar), not only orthonormal


def check_memory(N: object, task: Task) -> int:
    """Return N, for which all the weights must fit in memory."""
    number = check_dimension(N, task.p, task.p_star)
    if number * (task.p + task.p_star) > _MOST_WEIGHTS:
        raise ValueError(
            f"N must leave (p + p_star) N weights that fit in memory, got N = {number}; use "
            "random_overlaps, or a method other than weights."
        )
    return number
