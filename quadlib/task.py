"""The learning task, and the Gaussian moments that everything else rests on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from quadlib.checks import (
    MOST_UNITS,
    ROUNDING,
    SMALLEST,
    axes,
    check_integer,
    check_kind,
    check_real,
    finite_array,
    read_only,
    symmetric_array,
)
from quadlib.shapes import Array, Float


@dataclass(frozen=True, eq=False, init=False)
class Task:
    r"""A quadratic student with p units learning a quadratic teacher with p* units.

    .. math:: \hat y = \frac1p \sum_i λ_i^2, \qquad
              y = \frac1{p^*} \sum_r (λ^*_r)^2 + \sqrt{\mathrm{label\_noise}}\, ξ,

    with fields λ = W x/√N and λ* = W* x/√N of an input x ~ N(0, I_N), and ξ ~ N(0, 1).

    Parameters
    ----------
    p, p_star
        Number of student and teacher units, at most 128 each.
    T
        Teacher overlaps W* W*ᵀ/N: None for the identity, shape (p*,) for a diagonal, or a
        symmetric positive definite (p*, p*) matrix. Kept as a read-only (p*, p*) array.
    label_noise
        Variance of the noise on the labels.

    Raises
    ------
    TypeError, ValueError
        If p or p_star is not a positive integer, T not positive definite of size p_star, or
        label_noise negative or not finite.

    Notes
    -----
    docs/theory.md (1.1)-(1.3); arXiv:2604.03068.
    """

    p: int
    p_star: int
    T: Float[Array, "k k"]
    label_noise: float

    def __init__(
        self, p: int, p_star: int, T: ArrayLike | None = None, label_noise: float = 0.0
    ) -> None:
        object.__setattr__(self, "p", check_integer("p", p, 1, MOST_UNITS))
        p_star = check_integer("p_star", p_star, 1, MOST_UNITS)
        object.__setattr__(self, "p_star", p_star)
        object.__setattr__(self, "T", read_only(_teacher_overlaps(T, p_star)))
        object.__setattr__(
            self, "label_noise", check_real("label_noise", label_noise, smallest=0.0)
        )

    def __reduce__(self) -> tuple[Any, ...]:  # a copy is read-only too
        return Task, (self.p, self.p_star, self.T, self.label_noise)

    @property
    def readout(self) -> Float[Array, " d"]:
        """Diagonal of A: Δ = (field)ᵀ A (field) − noise, (1.6)."""
        return np.repeat([1 / self.p, -1 / self.p_star], [self.p, self.p_star])


def _teacher_overlaps(value: ArrayLike | None, p_star: int) -> Array:
    if value is None:
        return np.eye(p_star)
    diagonal = axes(value) == 1
    T = np.diag(finite_array("T", value, 1)) if diagonal else symmetric_array("T", value)
    if len(T) != p_star:
        raise ValueError(
            f"T must have shape ({p_star},) or ({p_star}, {p_star}) to fit p_star = {p_star}, "
            f"got a matrix of size {len(T)}; change T or p_star."
        )
    eigenvalues = np.linalg.eigvalsh(T)
    if eigenvalues[0] <= ROUNDING * eigenvalues[-1]:
        raise ValueError(
            f"T must be positive definite, got smallest eigenvalue {eigenvalues[0]:.3g}; "
            "drop teacher units that are zero or linear combinations of others."
        )
    if eigenvalues[-1] < SMALLEST:
        raise ValueError(f"T must reach {SMALLEST:g}, got {eigenvalues[-1]:g}; change the unit.")
    return T


def check_task(task: object) -> None:
    """Raise unless `task` is a Task."""
    check_kind("task", task, Task)


@dataclass(frozen=True, eq=False)
class Moments:
    """E[Δ²], Φ = E[Δ f fᵀ] and Γ = E[Δ² f fᵀ] of the fields f = (λ, λ*); see `gaussian_moments`."""

    squared_error: Float[Array, "*n"]
    Phi: Float[Array, "*n d d"]
    Gamma: Float[Array, "*n d d"]


def joint_covariance(
    Q: Float[Array, "*n p p"], M: Float[Array, "*n p k"], T: Float[Array, "k k"]
) -> Float[Array, "*n p+k p+k"]:
    """Covariance C = [[Q, M], [Mᵀ, T]] of the fields, (1.6), for one state or a stack of them."""
    p, k = M.shape[-2:]
    C = np.empty((*M.shape[:-2], p + k, p + k))
    C[..., :p, :p] = Q
    C[..., :p, p:] = M
    C[..., p:, :p] = np.swapaxes(M, -1, -2)
    C[..., p:, p:] = T
    return C


def squared_error(
    C: Float[Array, "*n d d"], readout: Float[Array, " d"], label_noise: float
) -> Float[Array, "*n"]:
    """E[Δ²] = s² + 2 tr ACAC + label_noise, s = tr AC: twice the population loss, (1.7)."""
    CA = C * readout
    s = np.trace(CA, axis1=-2, axis2=-1)
    tr_ACAC = (CA * np.swapaxes(CA, -1, -2)).sum((-2, -1))
    # tr ACAC is a squared norm; rounding may leave it a hair below zero at a zero-loss solution
    return np.asarray(s**2 + 2 * np.maximum(tr_ACAC, 0.0) + label_noise)


def gaussian_moments(
    C: Float[Array, "*n d d"], readout: Float[Array, " d"], label_noise: float
) -> Moments:
    r"""Moments of the error Δ = fᵀ A f − √label_noise ξ with Gaussian fields f ~ N(0, C).

    .. math::
              s &= \mathrm{tr}\,AC \\
              E[Δ^2] &= s^2 + 2\,\mathrm{tr}\,ACAC + \mathrm{label\_noise} \\
              Φ = E[Δ f f^T] &= s C + 2 CAC \\
              Γ = E[Δ^2 f f^T] &= E[Δ^2]\, C + 4 s\, CAC + 8\, CACAC

    Parameters
    ----------
    C
        Covariance of the fields, one (d, d) matrix or a stack.
    readout
        Diagonal of A.
    label_noise
        Variance of the label noise.

    Notes
    -----
    docs/theory.md (1.7)-(1.9).
    """
    CA = C * readout
    CAC = CA @ C
    s = np.trace(CA, axis1=-2, axis2=-1)[..., None, None]
    mean_square = squared_error(C, readout, label_noise)
    Phi = s * C + 2 * CAC
    Gamma = mean_square[..., None, None] * C + 4 * s * CAC + 8 * CA @ CAC
    return Moments(mean_square, Phi, Gamma)


def mean_change(
    C: Float[Array, "*n d d"], task: Task, eta: float, spherical: bool, gradient_noise: bool
) -> Float[Array, "*n p d"]:
    """d[Q, M]/dα of the overlap ODE, for one C or a stack."""
    p = task.p
    moments = gaussian_moments(C, task.readout, task.label_noise)
    change = -2 * eta * moments.Phi[..., :p, :]  # (2.1)
    change[..., :p] *= 2  # (2.2)
    if gradient_noise:
        change[..., :p] += 4 * eta**2 * moments.Gamma[..., :p, :p]
    if spherical:
        own = np.arange(p)
        half = change[..., own, own] / (2 * C[..., own, own])  # (2.3)
        change -= half[..., :, None] * C[..., :p, :]
        change[..., :p] -= half[..., None, :] * C[..., :p, :p]
    return change


def loss_slope(
    C: Float[Array, "*n d d"], change: Float[Array, "*n p d"], readout: Float[Array, " d"]
) -> Float[Array, "*n"]:
    """dL/dα = s s' + 2 tr A C A C', from C and d[Q, M]/dα."""
    p = change.shape[-2]
    own, twice = np.arange(p), np.repeat([1.0, 2.0], [p, len(readout) - p])
    s = np.trace(C * readout, axis1=-2, axis2=-1)
    products = C[..., :p, :] * change * readout[:p, None] * readout * twice
    return np.asarray(s * (change[..., own, own] @ readout[:p]) + 2 * products.sum((-2, -1)))
