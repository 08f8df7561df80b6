"""How the loss vanishes once the plateau is left."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quadlib.checks import ROUNDING, Constraint, check_constraint, check_real
from quadlib.plateau import check_solvable, critical_learning_rate
from quadlib.shapes import Array
from quadlib.task import Task

__all__ = ["LateTimeLaw", "late_time_law"]


@dataclass(frozen=True)
class LateTimeLaw:
    """Late-time loss: L ≈ prefactor/α^exponent ("power law") or L ∝ e^{−rate α} ("exponential").

    Attributes
    ----------
    kind
        "power law" or "exponential".
    exponent
        Power of 1/α; None for an exponential.
    rate
        Rate of the exponential in α; None for a power law.
    prefactor
        Limit of L α^exponent, the same from any start; None for an exponential, whose prefactor
        depends on the start.
    """

    kind: Literal["power law", "exponential"]
    exponent: float | None
    rate: float | None
    prefactor: float | None


def late_time_law(
    task: Task, eta: float, constraint: Constraint = "free", gradient_noise: bool = True
) -> LateTimeLaw:
    r"""Return how the loss of the overlap ODE vanishes at late times.

    With n = p − p* surplus units, τ the eigenvalues of T/p* and F = Σ_r 2ητ_r/(1 − 4ητ_r):

    .. math::
        p > p^*: \quad L &\simeq \frac{C}{α^2}, \qquad
              C = \frac{n (p^* + 2)}{64 η^2 (p + 2)} \, \frac{1}{1 - F} \\
        p = p^*: \quad L &\propto e^{-rα}, \qquad
              r = 4η\, λ_{\min}\left(2\,\mathrm{diag}\,τ - 8η\,\mathrm{diag}\,τ^2
                  - 4η\,ττ^T\right)

    Without gradient noise F = 0 and r = 8η T_min/p*; for T = I with it
    r = (8η/p*)(1 − η/η_c). With constraint "spherical" and p > p*

    .. math:: C = \frac{n p^*}{64 η^2 p} \left[1 + \left(1 + \frac{4n}{p p^*}\right)
              \frac{F}{1 - F}\right].

    Parameters
    ----------
    task
        The task; any T.
    eta
        Learning rate, below the critical one if there is gradient noise.
    constraint
        "free" or "spherical".
    gradient_noise
        True for one-pass SGD in high dimension (`integrate`), False for `gradient_flow`. Without
        it the law is that of the loss above label_noise/2.

    Raises
    ------
    TypeError, ValueError
        If eta is not above 0; where the loss does not vanish: p < p*, eta at or above the
        critical learning rate, or label noise, with gradient noise; where the spherical
        constraint allows no zero loss (tr T ≠ p*), or makes the rate depend on the solution
        reached (p = p*, T ≠ I).

    Notes
    -----
    docs/theory.md (6.8), (6.9). The surplus units P (n × n, the part of Q⊥ outside the range of
    M) change the error only to second order and are the slow variables. The fast E = uᵀu/p − τ
    follows them, E = −(s/2) I with s = tr AC = 2 tr P/(p(p* + 2)), and

        P' = −4η (sP + 2P²/p),   P → I p(p* + 2)/(8η(p + 2)α).

    The noise this error makes along the teacher's directions, amplified by 1/(1 − F), adds to
    the loss at the same order. With constraint "spherical" s = 0, E = −I tr P/(p p*) and
    P' = −(8η/p)(P² + P tr P/p*). Surplus units of unequal size become equal only as
    α^{−(p*+2)/(p+2)} (spherical α^{−p*/p}), and L α² deviates from C by the square of that.
    """
    eta = check_real("eta", eta, strict=True)
    check_constraint(constraint)
    check_solvable(task.p, task.p_star)
    T, p, k, n = task.T, task.p, task.p_star, task.p - task.p_star
    if constraint == "spherical":
        _check_spherical(T, n)
    if gradient_noise:
        _check_vanishing(task, eta)
    tau = np.linalg.eigvalsh(T) / k
    if n == 0:
        noise = np.diag(8 * eta * tau**2) + 4 * eta * np.outer(tau, tau)
        contraction = 2 * np.diag(tau) - gradient_noise * noise
        return LateTimeLaw(
            "exponential", None, float(4 * eta * np.linalg.eigvalsh(contraction)[0]), None
        )
    F = float((2 * eta * tau / (1 - 4 * eta * tau)).sum()) if gradient_noise else 0.0
    if constraint == "free":
        C = n * (k + 2) / (64 * eta**2 * (p + 2)) / (1 - F)
    else:
        C = n * k / (64 * eta**2 * p) * (1 + (1 + 4 * n / (p * k)) * F / (1 - F))
    return LateTimeLaw("power law", 2.0, None, C)


def _check_vanishing(task: Task, eta: float) -> None:
    critical = critical_learning_rate(task)
    if eta >= critical:
        raise ValueError(
            f"eta must be below the critical learning rate {critical:.6g} for the loss to vanish, "
            f"got {eta:g}; lower eta, or pass gradient_noise=False."
        )
    if task.label_noise > 0:
        raise ValueError(
            "label_noise must be 0 for the loss of SGD to vanish, got "
            f"{task.label_noise:g}; take a task without it, or pass gradient_noise=False."
        )


def _check_spherical(T: Array, n: int) -> None:
    k = len(T)
    if abs(np.trace(T) - k) > ROUNDING * k:
        raise ValueError(
            f'T must have trace p_star = {k} for constraint="spherical" to allow zero loss, got '
            f'{np.trace(T):g}; rescale T, or use constraint="free".'
        )
    if n == 0 and not np.allclose(T, np.eye(k), rtol=0, atol=ROUNDING):
        raise ValueError(
            'T must be the identity for a late-time rate at p = p_star with constraint="spherical" '
            "(it depends on the solution reached otherwise), got another T; use p > p_star or "
            'constraint="free".'
        )
