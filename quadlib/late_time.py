"""How the loss vanishes once the plateau is left."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quadlib.checks import ROUNDING, Constraint, check_constraint, check_eta, check_flag
from quadlib.plateau import check_solvable, critical_learning_rate
from quadlib.shapes import Array
from quadlib.task import Task, check_task

__all__ = ["LateTimeLaw", "late_time_law"]


@dataclass(frozen=True)
class LateTimeLaw:
    """Late-time loss: "power law", L ≈ floor + prefactor/α^exponent; "exponential"; or "floor".

    Attributes
    ----------
    kind
        "power law"; "exponential", L − floor ∝ e^{−rate α}; "floor", where the loss does not go
        on falling and how it settles is not said.
    exponent
        Power of 1/α; None unless it is a power law.
    rate
        Rate of the exponential in α; None unless it is one.
    prefactor
        Limit of (L − floor) α^exponent, the same from any start; None unless it is a power law.
    floor
        Loss that remains; 0 where it vanishes.
    """

    kind: Literal["power law", "exponential", "floor"]
    exponent: float | None = None
    rate: float | None = None
    prefactor: float | None = None
    floor: float = 0.0


def late_time_law(
    task: Task, eta: float, constraint: Constraint = "free", gradient_noise: bool = True
) -> LateTimeLaw:
    r"""Return how the loss of the overlap ODE ends.

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
        True for one-pass SGD in high dimension (`integrate`), False for `gradient_flow`, whose
        floor with p >= p* is label_noise/2.

    Raises
    ------
    TypeError, ValueError
        If eta is not above 0, and with gradient noise not below the critical learning rate; if
        p < p* with gradient noise or constraint "spherical", where no closed form is known;
        where the spherical constraint allows no zero loss (tr T ≠ p*), or makes the rate depend
        on the solution reached (p = p*, T ≠ I).

    Notes
    -----
    docs/theory.md (6.8)-(6.11). Surplus units of unequal size become equal only as
    α^{−(p*+2)/(p+2)} (spherical α^{−p*/p}), and L α² deviates from C by the square of that.
    """
    check_task(task)
    eta = check_eta(eta, strict=True)
    check_constraint(constraint)
    gradient_noise = check_flag("gradient_noise", gradient_noise)
    T, p, k, n = task.T, task.p, task.p_star, task.p - task.p_star
    tau, floor = np.linalg.eigvalsh(T) / k, task.label_noise / 2
    if n < 0:
        if gradient_noise or constraint == "spherical":
            check_solvable(p, k)
        lost = tau[:-p]  # the largest are learned, (6.11)
        return LateTimeLaw("floor", floor=floor + float(lost.sum() ** 2 / (p + 2) + lost @ lost))
    if constraint == "spherical":
        _check_spherical(T, n)
    F = 0.0
    if gradient_noise:
        if eta >= (critical := critical_learning_rate(task)):
            raise ValueError(
                f"eta must be below the critical learning rate {critical:.6g} for the loss to "
                f"settle near zero, got {eta:g}; lower eta, or pass gradient_noise=False."
            )
        F = float((2 * eta * tau / (1 - 4 * eta * tau)).sum())
        if floor > 0:
            return LateTimeLaw("floor", floor=floor / (1 - F))  # (6.10)
    if n == 0:
        noise = np.diag(8 * eta * tau**2) + 4 * eta * np.outer(tau, tau)
        contraction = 2 * np.diag(tau) - gradient_noise * noise
        rate = float(4 * eta * np.linalg.eigvalsh(contraction)[0])
        return LateTimeLaw("exponential", rate=rate, floor=floor)
    if constraint == "free":
        C = n * (k + 2) / (64 * eta**2 * (p + 2)) / (1 - F)
    else:
        C = n * k / (64 * eta**2 * p) * (1 + (1 + 4 * n / (p * k)) * F / (1 - F))
    return LateTimeLaw("power law", exponent=2.0, prefactor=C, floor=floor)


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
