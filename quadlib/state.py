"""States of the network: overlaps, or the weights themselves; and the law of a random start."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from quadlib.checks import (
    ROUNDING,
    Constraint,
    as_generator,
    check_constraint,
    check_dimension,
    check_real,
    finite_array,
    read_only,
    symmetric_array,
)
from quadlib.shapes import Array, Float
from quadlib.task import Task, joint_covariance, squared_error

__all__ = [
    "Overlaps",
    "Weights",
    "check_start",
    "loss",
    "random_overlaps",
    "random_weights",
]

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
        if eigenvalues[0] < -ROUNDING * max(eigenvalues[-1], 0.0):
            raise ValueError(
                f"Q must be positive semidefinite, got eigenvalue {eigenvalues[0]:.3g}; "
                "compute it from weights as W @ W.T / N."
            )
        object.__setattr__(self, "Q", read_only(Q))
        object.__setattr__(self, "M", read_only(M))

    def weights(self, task: Task, N: int, rng: np.random.Generator | int) -> "Weights":
        """Draw weights that have exactly these overlaps, in a uniformly random orientation.

        [W; W*] = √N F Eᵀ with F Fᵀ = C, the joint covariance (1.6), and E (N, p + p*) of
        random orthonormal columns.

        Raises
        ------
        TypeError, ValueError
            If the overlaps do not fit the task, or N < p + p*.
        """
        check_start(task, self, "free")
        N = check_dimension(N, task.p, task.p_star)
        values, vectors = np.linalg.eigh(joint_covariance(self.Q, self.M, task.T))
        F = vectors * np.sqrt(np.maximum(values, 0.0))
        both = np.sqrt(N) * F @ _random_frame(N, len(F), as_generator(rng)).T
        return Weights(both[: task.p], both[task.p :])


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
        W, W_star = finite_array("W", W, 2), finite_array("W_star", W_star, 2)
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


def check_start(task: Task, state: Overlaps, constraint: Constraint) -> None:
    """Raise unless `state` is a possible state of `task` under `constraint`.

    Raises
    ------
    ValueError
        If the shapes differ from the task's, the joint covariance (1.6) is not positive
        semidefinite beyond rounding, or Q_ii ≠ 1 with constraint "spherical".
    """
    check_constraint(constraint)
    if state.M.shape != (task.p, task.p_star):
        raise ValueError(
            f"state must have p = {task.p} and p_star = {task.p_star} units to fit the task, got "
            f"M of shape {state.M.shape}; change the task or the state."
        )
    eigenvalues = np.linalg.eigvalsh(joint_covariance(state.Q, state.M, task.T))
    if eigenvalues[0] < -ROUNDING * eigenvalues[-1]:
        raise ValueError(
            "Q, M and T together must be a covariance (positive semidefinite), got eigenvalue "
            f"{eigenvalues[0]:.3g}; take all three from the same weights."
        )
    deviation = np.abs(np.diag(state.Q) - 1).max()
    if constraint == "spherical" and deviation > ROUNDING:
        raise ValueError(
            'Q must have a unit diagonal with constraint="spherical", got a deviation of '
            f"{deviation:.2g}; rescale each student to norm sqrt(N)."
        )


def loss(task: Task, state: Overlaps) -> float:
    """Population loss L = ½ E[Δ²] = ½ s² + tr ACAC + ½ label_noise, s = tr AC.

    Raises
    ------
    ValueError
        If the state does not fit the task.

    Notes
    -----
    docs/theory.md (1.7).
    """
    check_start(task, state, "free")
    C = joint_covariance(state.Q, state.M, task.T)
    return float(squared_error(C, task.readout, task.label_noise)) / 2


def _teacher_root(task: Task) -> Array:
    """Symmetric square root of T."""
    values, vectors = np.linalg.eigh(task.T)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def _random_frame(N: int, columns: int, rng: np.random.Generator) -> Array:
    E, R = np.linalg.qr(rng.standard_normal((N, columns)))
    return np.asarray(E * np.sign(np.diag(R)))  # uniform (Haar), not only orthonormal


def random_weights(
    task: Task,
    N: int,
    rng: np.random.Generator | int,
    q0: float = 1.0,
    constraint: Constraint = "free",
) -> Weights:
    """Draw a random start: W with independent N(0, q0) entries, W* with overlaps exactly T.

    W* = √N T^{1/2} E with E (p*, N) of uniformly random orthonormal rows. With constraint
    "spherical" each student is rescaled to norm √N, whatever q0.

    Raises
    ------
    TypeError, ValueError
        If N < p + p*, q0 is not positive, or the constraint unknown.
    """
    check_constraint(constraint)
    N = check_dimension(N, task.p, task.p_star)
    q0 = check_real("q0", q0, strict=True)
    if N * (task.p + task.p_star) > _MOST_WEIGHTS:
        raise ValueError(
            f"N must leave (p + p_star) N weights that fit in memory, got N = {N}; use "
            "random_overlaps, or a method other than weights."
        )
    rng = as_generator(rng)
    E = _random_frame(N, task.p_star, rng)
    W = np.sqrt(q0) * rng.standard_normal((task.p, N))
    if constraint == "spherical":
        W *= np.sqrt(N) / np.linalg.norm(W, axis=1, keepdims=True)
    return Weights(W, np.sqrt(N) * _teacher_root(task) @ E.T)


def random_overlaps(
    task: Task,
    N: int,
    rng: np.random.Generator | int,
    q0: float = 1.0,
    constraint: Constraint = "free",
) -> Overlaps:
    """Draw the overlaps of a random start at size N, without any N-dimensional vector.

    The law is that of ``random_weights(...).overlaps``: with G (p, p*) standard Gaussian and
    L lower triangular, L_ii² ~ χ²(N − p* − i) (i = 0..p−1) and L_ij ~ N(0, 1) below (Bartlett),

        M = √(q0/N) G T^{1/2},   Q = (q0/N) (G Gᵀ + L Lᵀ).

    Raises
    ------
    TypeError, ValueError
        If N < p + p*, q0 is not positive, or the constraint unknown.

    Notes
    -----
    docs/theory.md section 4.
    """
    check_constraint(constraint)
    N = check_dimension(N, task.p, task.p_star)
    q0 = check_real("q0", q0, strict=True)
    rng = as_generator(rng)
    G = rng.standard_normal((task.p, task.p_star))
    L = np.tril(rng.standard_normal((task.p, task.p)), -1)
    L[np.diag_indices(task.p)] = np.sqrt(rng.chisquare(float(N - task.p_star) - np.arange(task.p)))
    scale = np.full(task.p, q0 / N)
    Q = G @ G.T + L @ L.T
    if constraint == "spherical":
        scale = 1 / np.diag(Q)
    Q = Q * np.sqrt(np.outer(scale, scale))
    if constraint == "spherical":
        np.fill_diagonal(Q, 1.0)
    return Overlaps(Q, np.sqrt(scale)[:, None] * G @ _teacher_root(task))
