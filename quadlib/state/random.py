"""The law of a random start."""

import numpy as np

from quadlib.checks import (
    Constraint,
    Random,
    as_generator,
    check_constraint,
    check_dimension,
    check_q0,
)
from quadlib.shapes import Array
from quadlib.state.overlaps import Overlaps, Weights, check_memory, random_frame
from quadlib.task import Task, check_task


def _teacher_root(task: Task) -> Array:
    """Symmetric square root of T."""
    values, vectors = np.linalg.eigh(task.T)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def random_weights(
    task: Task, N: int, rng: Random, q0: float = 1.0, constraint: Constraint = "free"
) -> Weights:
    """Draw a random start: W with independent N(0, q0) entries, W* with overlaps exactly T.

    W* = √N T^{1/2} E with E (p*, N) of uniformly random orthonormal rows. With constraint
    "spherical" each student is rescaled to norm √N, whatever q0.

    Raises
    ------
    TypeError, ValueError
        If N < p + p*, q0 is not positive, or the constraint unknown.
    """
    check_task(task)
    check_constraint(constraint)
    N = check_memory(N, task)
    q0 = check_q0(q0)
    rng = as_generator(rng, "random_weights")
    E = random_frame(N, task.p_star, rng)
    W = np.sqrt(q0) * rng.standard_normal((task.p, N))
    if constraint == "spherical":
        W *= np.sqrt(N) / np.linalg.norm(W, axis=1, keepdims=True)
    return Weights(W, np.sqrt(N) * _teacher_root(task) @ E.T)


def random_overlaps(
    task: Task, N: int, rng: Random, q0: float = 1.0, constraint: Constraint = "free"
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
    check_task(task)
    check_constraint(constraint)
    N = check_dimension(N, task.p, task.p_star)
    q0 = check_q0(q0)
    rng = as_generator(rng, "random_overlaps")
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
