"""The overlap ODE: one-pass SGD in the limit N → ∞, integrated with error control."""

import math
from typing import Any

import numpy as np

from quadlib.checks import Constraint, check_constraint, check_real, recording_points
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, check_start
from quadlib.task import Task, gaussian_moments, joint_covariance
from quadlib.trajectory import DivergenceError, Trajectory, versions

__all__ = ["drift", "integrate"]

BLOW_UP = 1e6
"""A run has diverged when tr Q exceeds this many times its start plus the teacher's."""


def drift(
    task: Task,
    state: Overlaps,
    eta: float,
    constraint: Constraint = "free",
    gradient_noise: bool = True,
) -> tuple[Float[Array, "p p"], Float[Array, "p k"]]:
    """Return dQ/dα and dM/dα, the mean change of the overlaps in a unit of time.

    With the moments Φ and Γ of the joint covariance C of the fields:

        dM/dα = −2η Φ[student, teacher]
        dQ/dα = −4η Φ[student, student] + 4η² Γ[student, student]

    The η² term is the noise of the gradient; without it this is population gradient flow. With
    constraint "spherical" the change of each norm is projected out.

    Parameters
    ----------
    task, state
        What is learned, and where the student is.
    eta
        Learning rate.
    constraint
        "free" or "spherical".
    gradient_noise
        False leaves out the η² term.

    Raises
    ------
    TypeError, ValueError
        If the state does not fit the task, or eta is negative or not finite.

    Notes
    -----
    docs/theory.md (2.1)-(2.3).
    """
    check_start(task, state, constraint)
    C = joint_covariance(state.Q, state.M, task.T)
    change = _drift(C, task, check_real("eta", eta), constraint == "spherical", gradient_noise)
    return change[:, : task.p].copy(), change[:, task.p :].copy()


def _drift(C: Array, task: Task, eta: float, spherical: bool, gradient_noise: bool) -> Array:
    """d[Q, M]/dα, shape (p, p + p*)."""
    p = task.p
    moments = gaussian_moments(C, task.readout, task.label_noise)
    change = -2 * eta * moments.Phi[:p]  # (2.1)
    change[:, :p] *= 2  # (2.2)
    if gradient_noise:
        change[:, :p] += 4 * eta**2 * moments.Gamma[:p, :p]
    if spherical:
        half = change.diagonal() / (2 * C.diagonal()[:p])  # (2.3)
        change -= half[:, None] * C[:p]
        change[:, :p] -= half * C[:p, :p]
    return change


def integrate(
    task: Task,
    state: Overlaps,
    *,
    eta: float,
    alpha: Any,
    constraint: Constraint = "free",
    gradient_noise: bool = True,
    rtol: float = 1e-8,
) -> Trajectory:
    """Integrate the overlap ODE (see `drift`) from `state`.

    Parameters
    ----------
    task, state
        What is learned, and from where.
    eta
        Learning rate.
    alpha
        The last time, or the increasing times to record.
    constraint
        "free" or "spherical".
    gradient_noise
        False gives population gradient flow.
    rtol
        Error allowed in a step, relative to the overlaps; for M relative to its start, however
        small, since the escape time depends on ln M(0).

    Raises
    ------
    DivergenceError
        If the student norms grow beyond all bounds; holds the trajectory so far.
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    docs/theory.md section 2. Explicit Runge-Kutta of order 8 (Dormand-Prince); long runs, which
    are stiff at the solution, use LSODA.
    """
    from scipy.integrate import solve_ivp

    check_start(task, state, constraint)
    eta = check_real("eta", eta)
    rtol = check_real("rtol", rtol, strict=True)
    points = recording_points(alpha)
    p, k = task.p, task.p_star
    C = joint_covariance(state.Q, state.M, task.T)
    bound = BLOW_UP * (1 + np.trace(state.Q) + np.trace(task.T))

    def derivative(_alpha: float, y: Array) -> Array:
        C[:p] = y.reshape(p, p + k)
        C[p:, :p] = C[:p, p:].T
        return _drift(C, task, eta, constraint == "spherical", gradient_noise).ravel()

    def blow_up(_alpha: float, y: Array) -> float:
        return float(bound - y[:: p + k + 1].sum())

    blow_up.terminal = True  # type: ignore[attr-defined]
    scale_M = np.sqrt((state.M**2).mean()) or 1.0
    atol = np.broadcast_to(rtol * np.repeat([1.0, scale_M], [p, k]), (p, p + k)).ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        solution = solve_ivp(
            derivative,
            (0.0, points[-1]),
            C[:p].flatten(),
            method="LSODA" if _stiff(task, eta, points[-1]) else "DOP853",
            t_eval=points,
            events=blow_up,
            rtol=max(rtol, 3e-14),
            atol=atol,
        )
    y = solution.y.T.reshape(-1, p, p + k)
    meta = {
        "method": "integrate",
        "eta": eta,
        "N": math.inf,
        "seed": None,
        "constraint": constraint,
        "gradient_noise": gradient_noise,
        "versions": dict(versions()),
    }
    Q = (y[..., :p] + np.swapaxes(y[..., :p], -1, -2)) / 2
    trajectory = Trajectory(task, points[: len(y)], Q, y[..., p:], meta)
    if len(y) < len(points):
        raise DivergenceError(
            f"Q must stay bounded, got tr Q above {bound:.1g} soon after alpha = "
            f"{trajectory.alpha[-1]:g} at eta = {eta:g}; lower eta.",
            trajectory,
        )
    return trajectory


def _stiff(task: Task, eta: float, end: float) -> bool:
    """Whether an implicit method is cheaper, in spite of its dense Jacobian of n² entries."""
    rate = 8 * eta * np.trace(task.T) / task.p_star
    n = task.p * (task.p + task.p_star)
    return bool(rate * end > 1000 + 10 * n + (n / 50) ** 3)
