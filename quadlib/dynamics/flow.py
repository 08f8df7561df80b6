"""Population gradient flow, reduced exactly to p* + 1 scalars."""

import math
from typing import Any

import numpy as np

from quadlib.checks import ROUNDING, check_eta, recording_points
from quadlib.dynamics.ode import integrate
from quadlib.shapes import Array
from quadlib.state import Overlaps, Weights, check_start
from quadlib.task import Task
from quadlib.trajectory import Trajectory, versions

__all__ = ["gradient_flow"]

RTOL = 1e-10
"""Error allowed in a step of the reduced equations."""


def gradient_flow(task: Task, state: Overlaps | Weights, *, eta: float, alpha: Any) -> Trajectory:
    r"""Follow population gradient flow, the overlap ODE without its η² term, for any α.

    With T = diag(t_r), κ = 2η, c = 4κ/p, U = M(0) T^{-1/2} and Q⊥ = Q(0) − U Uᵀ, everything
    follows from the p* + 1 scalars y_0 and ω_r = ln(1 + y_r) − 4κ t_r α/p*, zero at α = 0:

    .. math:: y_0' = 1/σ, \qquad ω_r' = e^{-ω_r}/σ - 4κ t_r/p^*, \qquad
              σ^2 = e^{\sum_r ω_r} \det A_0 \det(F + E B E),

    A_0 = I + c y_0 Q⊥,  B = Uᵀ A_0⁻¹ U,  F = 1/(1 + y),  E² = c y/(1 + y).

    Parameters
    ----------
    task, state
        What is learned, and from where.
    eta
        Learning rate; it only sets the unit of time.
    alpha
        The last time, or the increasing times to record; up to 1e6 and beyond.

    Returns
    -------
    Trajectory
        Loss and invariants are exact. The overlaps hold up to one rotation of the student's
        units (mixing them orthogonally changes no prediction): at each time the one that brings
        the student closest to its start. If Q(0) = q0 I and T = I it is the flow's own.

    Raises
    ------
    TypeError, ValueError
        If the state does not fit the task, or an argument is out of range.

    Notes
    -----
    docs/theory.md (6.1)-(6.7). Where M(0) has not full column rank (p < p*, or a start without
    teacher overlap) the reduction does not exist, and the ODE is integrated.
    """
    state = check_start(task, state)
    eta = check_eta(eta)
    points = recording_points(alpha)
    meta = {
        "method": "gradient_flow",
        "eta": eta,
        "N": math.inf,
        "seed": None,
        "constraint": "free",
        "gradient_noise": False,
        "versions": dict(versions()),
    }
    t, V = np.linalg.eigh(task.T)
    U = state.M @ V / np.sqrt(t)
    singular = np.linalg.svd(U, compute_uv=False)
    if task.p < task.p_star or singular[-1] <= ROUNDING * singular[0]:
        ode = integrate(task, state, eta=eta, alpha=points, gradient_noise=False, rtol=RTOL)
        return Trajectory(task, ode.alpha, ode.Q, ode.M, meta)
    flow = _Reduction(U, state.Q - U @ U.T, t, eta)
    Q, M = np.empty((len(points), *state.Q.shape)), np.empty((len(points), *state.M.shape))
    for i, (a, y) in enumerate(zip(points, flow.solve(points), strict=True)):
        F = flow.frame(a, y)
        Q[i] = F @ F.T
        M[i] = F[:, : len(t)] * np.sqrt(t) @ V.T
    return Trajectory(task, points, Q, M, meta)


class _Reduction:
    """Gradient flow from Q = U Uᵀ + Q⊥ towards a diagonal teacher t."""

    def __init__(self, U: Array, Q_perp: Array, t: Array, eta: float) -> None:
        p, k = U.shape
        self.c = 8 * eta / p
        self.growth = 8 * eta * t / k  # 4κ t_r/p*
        g, R = np.linalg.eigh(Q_perp)
        self.g = np.maximum(g, 0.0)
        self.U = R.T @ U  # in the eigenbasis of Q⊥, where A_0 is diagonal
        # Directions Z of unit space orthogonal to U, rotated to diagonalise Zᵀ Q⊥ Z. On them A
        # is A_0: the surplus units, which die slowly and must keep their relative precision.
        Z = np.linalg.svd(self.U)[0][:, k:]
        self.g_surplus, rotation = np.linalg.eigh(Z.T * self.g @ Z)
        L = np.diag(np.sqrt(self.g))  # Q⊥ = L Lᵀ
        self.surplus = (Z @ rotation).T @ L
        self.start = np.hstack([self.U, L])
        self.R = R

    def solve(self, points: Array) -> Array:
        """Return (y_0, ω_1, …) at each time."""
        from scipy.integrate import solve_ivp

        def derivative(alpha: float, y: Array) -> Array:
            inverse_sigma = np.exp(-self._sigma(alpha, y)[0])
            return np.append(inverse_sigma, np.exp(-y[1:]) * inverse_sigma - self.growth)

        start = np.zeros(1 + len(self.growth))
        end = points[-1] or 1.0
        solution = solve_ivp(
            derivative, (0.0, end), start, "LSODA", t_eval=points, rtol=RTOL, atol=10 * RTOL
        )
        return np.asarray(solution.y.T)

    def _sigma(self, alpha: float, y: Array) -> tuple[float, Array, Array, Array, Array]:
        """Return ln σ (6.6), which never overflows, and A_0, B, F, E² on the way."""
        y0, omega = y[0], y[1:]
        A0 = 1 + self.c * y0 * self.g
        B = self.U.T / A0 @ self.U
        ln_F = -(omega + self.growth * alpha)
        F, E2 = np.exp(ln_F), -self.c * np.expm1(ln_F)
        E = np.sqrt(np.maximum(E2, 0.0))
        ln_det = np.linalg.slogdet(np.diag(F) + E[:, None] * B * E)[1]
        return (np.log(A0).sum() + omega.sum() + ln_det) / 2, A0, B, F, E2

    def frame(self, alpha: float, y: Array) -> Array:
        """Return F with Q = F Fᵀ and U_e = F[:, :p*], closest to the start (6.5).

        P = FᵀF is known from A⁻¹ by Woodbury. Its Cholesky factor starts with that of
        P_ee = U_eᵀ X U_e; what remains are the surplus units, without any cancellation.
        """
        ln_sigma, A0, B, F, E2 = self._sigma(alpha, y)
        k = len(F)
        root_F, decay = np.sqrt(F), np.exp(-(y[1:] + ln_sigma) / 2)
        K = np.linalg.inv(B)
        Y = np.linalg.inv(root_F[:, None] * K * root_F + np.diag(E2))
        P_ee = decay[:, None] * Y * decay
        A_inverse_U = (self.U / A0[:, None]) @ K * root_F @ Y * decay
        P_eL = A_inverse_U.T * np.exp(-ln_sigma / 2) * np.sqrt(self.g)
        upper = np.linalg.cholesky(P_ee).T
        X_surplus = np.exp(-ln_sigma) / (1 + self.c * y[0] * self.g_surplus)
        P = np.zeros_like(self.start)
        P[:k, :k] = upper
        P[:k, k:] = np.linalg.solve(upper.T, P_eL)
        P[k:, k:] = np.sqrt(X_surplus)[:, None] * self.surplus
        left, _, right = np.linalg.svd(self.start @ P.T)
        return np.asarray(self.R @ left @ right @ P)
