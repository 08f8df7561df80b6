"""Population gradient flow, reduced exactly to p* + 1 scalars."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from quadlib.checks import ROUNDING, check_eta, recording_points
from quadlib.dynamics.components import component_loss
from quadlib.dynamics.ode import integrate
from quadlib.shapes import Array
from quadlib.state import Overlaps, Weights, check_start, teacher_split
from quadlib.task import Task
from quadlib.trajectory import RunInterrupted, Trajectory, how_made

__all__ = ["gradient_flow"]

LATE = 1e4
"""8η T_r α/p* from which only the slow surplus units are left."""

E_ROUNDING = 5e-9
"""What is left of E at p = p* when it is less than the error of the integration."""

RTOL = 1e-11
"""Error allowed in a step of the reduced equations."""

MOST_STEPS = 10_000
"""Whatever needs more has lost its digits."""


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
        The last time, or the increasing times to record, up to 1e12.

    Returns
    -------
    Trajectory
        Loss and invariants are exact. The overlaps hold up to one rotation of the student's
        units (mixing them orthogonally changes no prediction): at each time the one that brings
        the student closest to its start. If Q(0) = q0 I and T = I it is the flow's own.

    Raises
    ------
    RunInterrupted
        At Ctrl-C, a KeyboardInterrupt that holds the trajectory so far.
    TypeError, ValueError
        If the state does not fit the task, or an argument is out of range.

    Notes
    -----
    docs/theory.md (6.1)-(6.7), (6.12). Where M(0) has not full column rank (p < p*, or a start
    without teacher overlap) the reduction does not exist, and the ODE is integrated.
    """
    state = check_start(task, state)
    eta = check_eta(eta)
    points = recording_points(alpha)
    meta = how_made("gradient_flow", eta, math.inf, None, "free", gradient_noise=False)
    t, V, U, Q_perp = teacher_split(task, state)
    singular = np.linalg.svd(U, compute_uv=False)
    if task.p < task.p_star or singular[-1] <= ROUNDING * singular[0]:
        ode = integrate(task, state, eta=eta, alpha=points, gradient_noise=False, rtol=RTOL)
        return Trajectory(task, ode.alpha, ode.Q, ode.M, meta, ode.loss)
    # the flow of λQ, λM, λT is λ times that of Q, M, T at λη times the time
    unit = t.mean()
    flow = _Reduction(U / math.sqrt(unit), Q_perp / unit, t / unit)
    Q, M = np.empty((len(points), *state.Q.shape)), np.empty((len(points), *state.M.shape))
    loss, done = np.empty(len(points)), 0
    try:
        for a, y in flow.solve(points * eta * unit):
            F = flow.frame(a, y) * math.sqrt(unit)
            Q[done] = F @ F.T
            M[done] = F[:, : len(t)] * np.sqrt(t) @ V.T
            loss[done] = flow.loss(a, y, F / math.sqrt(unit)) * unit**2 + task.label_noise / 2
            done += 1
    except np.linalg.LinAlgError:
        raise ValueError(
            f"Q must be comparable with T for the flow to keep its digits, got traces "
            f"{np.trace(state.Q):g} and {t.sum():g} up to alpha = {points[-1]:g}; end earlier."
        ) from None
    except KeyboardInterrupt:
        raise RunInterrupted(
            f"Interrupted after {done} of {len(points)} recorded times: they are in the "
            "attribute `trajectory` of this exception.",
            Trajectory(task, points[:done], Q[:done], M[:done], meta, loss[:done]),
        ) from None
    if points[0] == 0:
        Q[0], M[0] = state.Q, state.M
    return Trajectory(task, points, Q, M, meta, loss)


class _Reduction:
    """Gradient flow at η = 1 from Q = U Uᵀ + Q⊥ towards a diagonal teacher t of mean 1."""

    def __init__(self, U: Array, Q_perp: Array, t: Array) -> None:
        p, k = U.shape
        self.t = t
        self.c = 8 / p
        self.growth = 8 * t / k  # 4κ t_r/p*
        g, R = np.linalg.eigh(Q_perp)
        self.g = np.maximum(g, 0.0)
        self.speed = self.c * (self.g[-1] or 1.0)  # of y_0 while it is small
        self.U = R.T @ U  # in the eigenbasis of Q⊥, where A_0 is diagonal
        # Directions Z of unit space orthogonal to U, rotated to diagonalise Zᵀ Q⊥ Z. On them A
        # is A_0: the surplus units, which die slowly and must keep their relative precision.
        Z = np.linalg.svd(self.U)[0][:, k:]
        self.g_surplus, rotation = np.linalg.eigh(Z.T * self.g @ Z)
        L = np.diag(np.sqrt(self.g))  # Q⊥ = L Lᵀ
        self.surplus = (Z @ rotation).T @ L
        self.start = np.hstack([self.U, L])
        self.R = R

    def solve(self, points: Array) -> Iterator[tuple[float, Array]]:
        """Yield the time and (ln(1 + c g y_0), ω_1, …) at each point, g the largest of Q⊥."""
        from scipy.integrate import LSODA

        def derivative(alpha: float, y: Array) -> Array:
            slopes = np.exp(-y - self._sigma(alpha, y)[0])
            slopes[0] *= self.speed
            slopes[1:] -= self.growth
            return slopes

        y, done, steps = np.zeros(1 + len(self.growth)), 0, 0
        solver = LSODA(derivative, 0.0, y, points[-1] or 1.0, rtol=RTOL, atol=RTOL)
        while done < len(points):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                solver.step()
            steps += 1
            failed = solver.status == "failed" or steps > MOST_STEPS
            if failed or not np.isfinite(solver.y).all():
                raise np.linalg.LinAlgError
            passed = int(np.searchsorted(points, solver.t, side="right"))
            for a in points[done:passed]:
                yield a, solver.dense_output()(a)
            done = max(done, passed)

    def _sigma(self, alpha: float, y: Array) -> tuple[float, Array, Array, Array, Array]:
        """Return ln σ (6.6), which never overflows, and A_0, B, F, E² on the way."""
        omega = y[1:]
        A0 = 1 + np.expm1(y[0]) * (self.g * self.c / self.speed)
        B = self.U.T / A0 @ self.U
        ln_F = -(omega + self.growth * alpha)
        F, E2 = np.exp(ln_F), -self.c * np.expm1(ln_F)
        E = np.sqrt(np.maximum(E2, 0.0))
        ln_det = np.linalg.slogdet(np.diag(F) + E[:, None] * B * E)[1]
        return (np.log(A0).sum() + omega.sum() + ln_det) / 2, A0, B, F, E2

    def _surplus(self, ln_sigma: float, y: Array) -> Array:
        """The eigenvalues of X (6.3) that belong to the surplus units."""
        return np.asarray(
            np.exp(-ln_sigma) / (1 + np.expm1(y[0]) * (self.g_surplus * self.c / self.speed))
        )

    def loss(self, alpha: float, y: Array, F: Array) -> float:
        """Loss of the frame F; late, where F has lost it in rounding, from the scalars (6.12)."""
        p, k = len(F), len(self.t)
        if self.growth.min() * alpha < LATE:
            E = F[:, :k].T @ F[:, :k] / p - np.diag(self.t / k)
            if p == k and np.abs(E).max() < E_ROUNDING:
                E[:] = 0.0  # of the order of the rest of the loss, and enters squared
            return float(component_loss(F[:, :k], F[:, k:] @ F[:, k:].T, E, np.full(p, 1 / p)))
        b = self.c * self.g_surplus * self._surplus(self._sigma(alpha, y)[0], y)
        # E = −(ln σ)' I, where the loss is stationary: the next order of E does not enter
        return float((b.sum() ** 2 / (k + 2) + (b**2).sum()) / 64)

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
        P = np.zeros_like(self.start)
        P[:k, :k] = upper
        P[:k, k:] = np.linalg.solve(upper.T, P_eL)
        P[k:, k:] = np.sqrt(self._surplus(ln_sigma, y))[:, None] * self.surplus
        left, _, right = np.linalg.svd(self.start @ P.T)
        return np.asarray(self.R @ left @ right @ P)
