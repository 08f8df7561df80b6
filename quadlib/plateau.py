"""The plateau: its level, how fast it is left, whether it exists; the critical learning rate."""

import math
from dataclasses import dataclass

import numpy as np

from quadlib.checks import Constraint, check_constraint, check_eta
from quadlib.state import Overlaps, loss
from quadlib.task import Task, check_task


class NoPlateauError(ValueError):
    """There is no plateau: the learning rate is too large for this task."""


@dataclass(frozen=True)
class Plateau:
    """Students uncorrelated with the teacher: M = 0, Q = q I.

    Attributes
    ----------
    q
        Squared norm of a student divided by N.
    loss
        Population loss, label noise included.
    escape_rate
        Growth rate r of the student-teacher overlaps, M ∝ e^{rα}, of the fastest teacher
        direction. The plateau is left only if it is positive.
    """

    q: float
    loss: float
    escape_rate: float


def plateau(task: Task, eta: float = 0.0, constraint: Constraint = "free") -> Plateau:
    """Return the plateau of one-pass SGD in high dimension.

    At M = 0, Q = q I, with s = q − tr T/p* and tr ACAC = q²/p + tr T²/p*²:

        q'  = −4ηq (s + 2q/p) + 4η²q [s² + 2 tr ACAC + 4sq/p + 8q²/p² + label_noise]
        r_r = −2η (s + 2q/p − 2T_r/p*)

    The plateau is the smaller positive root of q' = 0. With constraint "spherical" q = 1, and
    half of the free drift q' is subtracted from r_r.

    Parameters
    ----------
    task
        The task; any T.
    eta
        Learning rate. At 0 the level is that of gradient flow, and the escape rate 0.
    constraint
        "free" or "spherical".

    Raises
    ------
    NoPlateauError
        If q' has no positive root: student norms grow without bound.
    TypeError, ValueError
        If eta is negative or not finite, or the constraint unknown.

    Notes
    -----
    docs/theory.md (3.1)-(3.6).
    """
    check_task(task)
    eta = check_eta(eta)
    check_constraint(constraint)
    p, k, noise = task.p, task.p_star, task.label_noise
    t1 = np.trace(task.T) / k
    t2 = (task.T**2).sum() / k**2
    T_max = float(np.linalg.eigvalsh(task.T)[-1])
    # q'/(4ηq) = a q² − b q + c  (3.3)
    a = eta * (1 + 6 / p + 8 / p**2)
    b = (1 + 2 / p) * (1 + 2 * eta * t1)
    c = t1 + eta * (t1**2 + 2 * t2 + noise)
    if constraint == "spherical":
        q = 1.0
        half_drift = 2 * eta * (a - b + c)
    else:
        discriminant = b**2 - 4 * a * c
        if discriminant <= 0:
            raise NoPlateauError(
                f"eta must be small enough for a plateau to exist, got eta = {eta:g} at p = {p}, "
                f"p_star = {k}, where student norms grow without bound; lower eta."
            )
        q = 2 * c / (b + math.sqrt(discriminant))
        half_drift = 0.0
    rate = -2 * eta * (q - t1 + 2 * q / p - 2 * T_max / k) - half_drift  # (3.4), (3.5)
    level = loss(task, Overlaps(q * np.eye(p), np.zeros((p, k))))
    return Plateau(float(q), level, float(rate))


def escape_level(task: Task, eta: float, constraint: Constraint = "free") -> float:
    """Return the loss that counts as escape: half way from the label-noise floor to the plateau.

    Parameters
    ----------
    task, eta, constraint
        As in `plateau`.

    Raises
    ------
    NoPlateauError
        If there is no plateau.

    Notes
    -----
    docs/theory.md (4.4).
    """
    return (plateau(task, eta, constraint).loss + task.label_noise / 2) / 2


def last_learning_rate(task: Task, constraint: Constraint) -> float:
    """Up to which the plateau exists, (3.6), or on the sphere is left, r = 0 in (3.5)."""
    p, k, noise = task.p, task.p_star, task.label_noise
    t1 = float(np.trace(task.T)) / k
    t2 = float((task.T**2).sum()) / k**2
    if constraint == "spherical":
        s, T_max = 1 - t1, float(np.linalg.eigvalsh(task.T)[-1])
        Xi = s**2 + 2 * (1 / p + t2) + 4 * s / p + 8 / p**2 + noise
        return 2 * T_max / (k * Xi)
    rho = (p + 4) / (p + 2)
    half = t1 * (rho - 1)
    return 1 / (2 * (half + math.sqrt(half**2 + rho * (t1**2 + 2 * t2 + noise) - t1**2)))


def check_solvable(p: int, p_star: int) -> None:
    """Raise ValueError unless the student has enough units for a zero-loss solution, p ≥ p*."""
    if p < p_star:
        raise ValueError(
            f"p must be at least p_star = {p_star} for a zero-loss solution to exist, got "
            f"p = {p}; raise p."
        )


def critical_learning_rate(task: Task) -> float:
    r"""Learning rate η_c above which the overlap ODE is repelled by the zero-loss solutions.

    With τ_r the eigenvalues of T/p*, a solution attracts if and only if

    .. math:: F(η) = \sum_r \frac{2ητ_r}{1 - 4ητ_r} < 1 \quad (4ητ_r < 1), \qquad
              \frac1{η_c} = λ_{\max}\left(4\,\mathrm{diag}\,τ + 2\sqrt{τ}\sqrt{τ}^{\,T}\right),

    so η_c = p*/(2(p* + 2)) for T = I. The number of student units does not enter. The spherical
    constraint does not change η_c where it allows zero loss, tr T = p*.

    Parameters
    ----------
    task
        The task; any T. Label noise moves the floor of the loss, and η_c is that of the task
        without it.

    Raises
    ------
    ValueError
        If p < p*: no solution has zero loss.

    Notes
    -----
    docs/theory.md (3.7). Write a student near a solution as w = u e + w⊥, e the teacher's
    orthonormal directions, uᵀu/p ≈ T/p* = τ. To first order the error is
    Δ = 2 zᵀh + zᵀEz with z = e·x, h = uᵀ(w⊥·x)/p and E = uᵀu/p − τ. E contracts at any η and
    Δ² is quadratic in it; the covariance K of h feeds on the noise it makes itself,

        K' = −4η (τK + Kτ) + 16η² τ (tr K + 2K) τ.

    This is a positive map, so that its leading mode is a diagonal K in the eigenbasis of τ.
    Surplus directions of the student (p > p*) neither grow nor decay to this order.
    """
    check_task(task)
    check_solvable(task.p, task.p_star)
    tau = np.linalg.eigvalsh(task.T) / task.p_star
    modes = 4 * np.diag(tau) + 2 * np.sqrt(np.outer(tau, tau))
    return float(1 / np.linalg.eigvalsh(modes)[-1])
