"""The landscape: Hessians of the population loss and of the loss on given samples.

Coordinates are w = W/√N throughout, flattened row by row: entry i N + a belongs to unit i and
input direction a.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from quadlib.checks import LARGEST, ROUNDING, check_dimension, check_kind, finite_array, read_only
from quadlib.shapes import Array, Float, Int
from quadlib.state import Overlaps, Weights, check_start
from quadlib.task import Task, joint_covariance

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator
else:
    LinearOperator = Any  # loading scipy.sparse takes longer than loading all of quadlib

LARGEST_BLOCK = 8400
"""Rows of the dense block of `hessian_spectrum`: half a gigabyte, a minute."""

RANK_ROUNDING = 32 * np.finfo(float).eps
"""An eigenvalue of C below this, times its size and its norm, is rounding and stands for zero."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Distinct eigenvalues of a Hessian, ascending, and how often each occurs.

    Attributes
    ----------
    values
        Eigenvalues; those that are zero up to rounding are 0.0.
    multiplicities
        Exact integers; their sum is p N.
    """

    values: Float[Array, " n"]
    multiplicities: Int[Array, " n"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", read_only(finite_array("values", self.values, 1)))
        counts = read_only(np.array(self.multiplicities, dtype=np.int64))
        object.__setattr__(self, "multiplicities", counts)

    @property
    def index(self) -> int:
        """Number of negative eigenvalues."""
        return int(self.multiplicities[self.values < 0].sum())

    @property
    def nullity(self) -> int:
        """Number of zero eigenvalues."""
        return int(self.multiplicities[self.values == 0].sum())


def hessian_spectrum(task: Task, state: Overlaps | Weights, N: int) -> Spectrum:
    r"""Return all p N eigenvalues of the Hessian of the population loss, at any N.

    .. math:: d^2L[V, V] &= \frac2p \mathrm{tr}\,V S V^T + \frac4{p^2} \left[(\mathrm{tr}\,w V^T)^2
                  + \mathrm{tr}\,w w^T V V^T + \mathrm{tr}\,w V^T w V^T\right] \\
              S &= s\,I + 2 (w^T w / p - w^{*T} w^* / p^*)

    The span of the rows of w and w*, of dimension at most p + p*, holds p (p + p*) eigenvalues.
    Every direction outside it has the same p eigenvalues (2/p)(s + 2 q_i/p), with q_i those of Q.

    Parameters
    ----------
    task, state
        What is learned, and where the student is; Q and M may be rank deficient.
    N
        Input dimension, at least p + p*.

    Raises
    ------
    TypeError, ValueError
        If the state does not fit the task, or N is not an integer, below p + p*, or so large
        that p N exceeds 64 bits, or the dense block has more than 8400 rows.

    Notes
    -----
    docs/theory.md (7.1)-(7.3). Inside the span the Hessian splits into small blocks where units
    can be rotated into ones that are orthogonal to the rest: on the plateau, at a solution,
    wherever Q is a multiple of the identity; there p = 128 takes a fifth of a second. Elsewhere it
    is one dense block, whose time grows as the cube of its p (p + p*) rows, 8 s for 4224 of them.

    Eigenvalues closer to each other, or to zero, than 1e-9 of the largest modulus are one.
    Directions of the span whose variance is rounding are left out: (7.2) depends on its root, so
    that a rounding of 1e-16 in Q or M would show as 1e-8. For the same reason overlaps known to a
    relative accuracy ε near a rank-deficient state determine the eigenvalues there only to √ε.
    """
    state = check_start(task, state)
    p, d = task.p, task.p + task.p_star
    N = check_dimension(N, p, task.p_star)
    if p * N > np.iinfo(np.int64).max:
        raise ValueError(
            f"N must keep the p N eigenvalues below 2^63, got N = {N} at p = {p}; lower N."
        )
    F, kind = _frame(task, state)
    w = F[:p]
    Q, s = w @ w.T, np.vdot(F * task.readout[:, None], F)
    S = s * np.eye(d) + 2 * (F.T * task.readout) @ F  # (7.2)
    values = [2 / p * (s + 2 / p * np.linalg.eigvalsh(Q))]  # (7.3)
    for block in [_whole(w, Q, S)] if (kind == kind[0]).all() else _blocks(w, Q, S, kind):
        values.append(np.linalg.eigvalsh(block).ravel())
    counts = np.ones(p + p * d, dtype=np.int64)
    counts[:p] = N - d
    return _distinct(np.concatenate(values), counts)


def _frame(task: Task, state: Overlaps) -> tuple[Array, Array]:
    """F with C = F Fᵀ, the rows of w and w* in a frame of their span, and the class of each.

    Rows of different classes are orthogonal, and column i of the frame belongs to the class of
    row i. Units, and teacher units, are rotated such that as many as can be are classes alone.
    """
    p, C = task.p, joint_covariance(state.Q, state.M, task.T)
    variances = np.linalg.eigvalsh(C)
    # a negative eigenvalue measures how far rounding has moved the others
    rounding = max(RANK_ROUNDING * len(C) * variances[-1], -2 * variances[0])
    U, size, V = np.linalg.svd(state.M)
    turn = np.zeros_like(C)
    for rows, R in ((slice(p), U), (slice(p, None), V.T)):
        rest = R[:, (size > rounding).sum() :]
        rest[:] = rest @ np.linalg.eigh(rest.T @ C[rows, rows] @ rest)[1]
        turn[rows, rows] = R
    C = turn.T @ C @ turn
    near = (np.abs(C) > rounding) | np.eye(len(C), dtype=bool)
    for _ in range(len(C).bit_length()):
        near = near.astype(float) @ near > 0
    F, kind = np.zeros_like(C), near.argmax(1)
    for own in (np.flatnonzero(kind == each) for each in np.unique(kind)):
        variances, directions = np.linalg.eigh(C[np.ix_(own, own)])
        root = np.sqrt(np.where(variances > rounding, variances, 0.0))
        F[np.ix_(own, own)] = directions * root
    return F, kind


def _whole(w: Array, Q: Array, S: Array) -> Array:
    """(7.1) of all displacements in the span."""
    p, d = w.shape
    if p * d > LARGEST_BLOCK:
        raise ValueError(
            f"p must keep a dense block of p (p + p_star) rows below {LARGEST_BLOCK}, got "
            f"{p * d}; lower p, or use hessian_operator with scipy's eigsh."
        )
    block, unit, axis = np.multiply.outer(w, w), np.arange(p), np.arange(d)
    block += w[:, None, None, :] * w.T[:, :, None]
    block[:, axis, :, axis] += Q
    block *= 4 / p**2
    block[unit, :, unit] += 2 / p * S
    return block.reshape(p * d, p * d)


def _blocks(w: Array, Q: Array, S: Array, kind: Array) -> Iterator[Array]:
    """(7.1) in blocks, those of one size together, between which it is zero.

    A unit of class c moving in a direction of class c' mixes with c' moving along c; all that
    move inside their class are joined by the trace.
    """
    p, d = w.shape
    low, high = np.sort(np.broadcast_arrays(kind[:p, None], kind), 0).reshape(2, -1)
    pair = np.where(low == high, -1, low * d + high)
    order, (_, counts) = np.argsort(pair), np.unique(pair, return_counts=True)
    first = np.cumsum(counts) - counts
    for size in np.unique(counts):
        rows = order[first[counts == size, None] + np.arange(size)]
        i, a = np.divmod(rows[..., None], d)
        j, b = i.swapaxes(1, 2), a.swapaxes(1, 2)
        block = w[i, a] * w[j, b] + (a == b) * Q[i, j] + w[i, b] * w[j, a]
        yield 4 / p**2 * block + 2 / p * (i == j) * S[a, b]


def _distinct(values: Array, counts: Array) -> Spectrum:
    """Merge the eigenvalues that differ by rounding."""
    values, counts = values[counts > 0], counts[counts > 0]
    order = np.argsort(values)
    values, counts = values[order], counts[order]
    tolerance = ROUNDING * np.abs(values).max()
    values[np.abs(values) <= tolerance] = 0.0
    first = np.flatnonzero(np.diff(values, prepend=-np.inf) > tolerance)
    sums = np.add.reduceat(counts, first)
    means = np.add.reduceat(values * counts, first) / sums
    return Spectrum(means, sums)


def hessian_operator(weights: Weights) -> LinearOperator:
    """Return the Hessian of the population loss as a symmetric operator of size p N.

    With B = V wᵀ and B* = V w*ᵀ a product costs O(p (p + p*) N):

        H V = (2/p) s V + (4/p²) [Q V + (B + Bᵀ + tr B) w] − 4/(p p*) B* w*

    Notes
    -----
    docs/theory.md (7.1), (7.2). A scipy ``LinearOperator``, ready for ``eigsh``.
    """
    check_kind("weights", weights, Weights)
    (p, N), k = weights.W.shape, len(weights.W_star)
    readout = np.repeat([1 / p, -1 / k], [p, k])
    rows = np.concatenate([weights.W, weights.W_star]) / np.sqrt(N)
    s = readout @ (rows**2).sum(1)
    left = 2 / p * s * np.eye(p) + 4 / p**2 * rows[:p] @ rows[:p].T

    def product(V: Array) -> Array:
        overlaps = (V.reshape(-1, N) @ rows.T).reshape(-1, p, p + k)  # B and B*
        B = overlaps[..., :p]
        trace = np.trace(B, axis1=1, axis2=2)[:, None, None]
        overlaps[..., :p] = B + B.swapaxes(1, 2) + trace * np.eye(p)
        change = (4 / p * readout * overlaps).reshape(-1, p + k) @ rows
        return np.asarray(left @ V + change.reshape(V.shape))

    return _symmetric_operator(p, N, product)


def empirical_hessian_operator(weights: Weights, X: ArrayLike) -> LinearOperator:
    r"""Return the Hessian of the mean loss on n samples as a symmetric operator of size p N.

    Labels are the teacher's, without noise. With fields λ = w Xᵀ (p, n) and errors Δ (n,)

    .. math:: H V = \frac1n \left[\frac4{p^2} λ_{iμ} \sum_j λ_{jμ} U_{jμ}
                  + \frac2p Δ_μ U_{iμ}\right] X, \qquad U = V X^T,

    so that a product costs little more than its two matrix products, O(n p N).

    Parameters
    ----------
    weights
        Student and teacher.
    X
        Inputs x ~ N(0, I_N) or others, one a row, shape (n, N).

    Raises
    ------
    TypeError, ValueError
        If X is not a finite (n, N) array of at least one row.

    Notes
    -----
    docs/theory.md (7.6). A scipy ``LinearOperator``, ready for ``eigsh``. X is copied.
    """
    check_kind("weights", weights, Weights)
    X = finite_array("X", X, 2, LARGEST**0.5)
    (p, N), k, n = weights.W.shape, len(weights.W_star), len(X)
    if X.shape[1] != N or n == 0:
        raise ValueError(
            f"X must have shape (n, N) with n >= 1 samples in rows and N = {N}, got {X.shape}; "
            "pass X.T if it has its samples in columns."
        )
    fields, targets = (W @ X.T / np.sqrt(N) for W in (weights.W, weights.W_star))
    error = (fields**2).sum(0) / p - (targets**2).sum(0) / k  # (1.2)
    fields *= 2 / (p * np.sqrt(n))
    error *= 2 / (p * n)

    def product(V: Array) -> Array:
        U = (V.reshape(-1, N) @ X.T).reshape(-1, p, n)
        overlap = np.einsum("in,min->mn", fields, U)[:, None]
        U *= error
        U += fields * overlap  # (7.6)
        return np.asarray((U.reshape(-1, n) @ X).reshape(V.shape))

    return _symmetric_operator(p, N, product)


def _symmetric_operator(p: int, N: int, product: Callable[[Array], Array]) -> LinearOperator:
    """Operator on flattened (p, N) arrays, from a product of a stack (m, p, N) of them."""
    from scipy.sparse.linalg import LinearOperator

    def apply(V: Array) -> Array:  # a column, or several
        stack = np.ascontiguousarray(np.asarray(V).T).reshape(-1, p, N)
        return product(stack).reshape(-1, p * N).T

    return LinearOperator(
        (p * N, p * N), matvec=apply, rmatvec=apply, matmat=apply, rmatmat=apply, dtype=float
    )
