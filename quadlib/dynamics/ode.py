"""The overlap ODE: one-pass SGD in the limit N → ∞, integrated with error control."""

import math
from typing import Any

import numpy as np

from quadlib.checks import Constraint, check_eta, check_flag, check_real, recording_points
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, Weights, check_start
from quadlib.task import Task, joint_covariance, mean_change
from quadlib.trajectory import DivergenceError, Trajectory, versions

__all__ = ["drift", "integrate"]

BLOW_UP = 1e6
"""A run has diverged when tr Q exceeds this many times its start plus the teacher's."""

MINIMUM_RTOL = 3e-14
"""The solvers refuse anything below 100 roundings."""


def drift(
    task: Task,
    state: Overlaps | Weights,
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
    state = check_start(task, state, constraint)
    eta, gradient_noise = check_eta(eta), check_flag("gradient_noise", gradient_noise)
    C = joint_covariance(state.Q, state.M, task.T)
    change = mean_change(C, task, eta, constraint == "spherical", gradient_noise)
    return change[:, : task.p].copy(), change[:, task.p :].copy()


def integrate(
    task: Task,
    state: Overlaps | Weights,
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
    docs/theory.md section 2. LSODA, which turns implicit where the solution makes the ODE stiff;
    for many units over a short time the explicit DOP853.
    """
    from scipy.integrate import DOP853, LSODA

    state = check_start(task, state, constraint)
    eta, gradient_noise = check_eta(eta), check_flag("gradient_noise", gradient_noise)
    rtol = check_real("rtol", rtol, strict=True)
    points = recording_points(alpha)
    p, k = task.p, task.p_star
    C = joint_covariance(state.Q, state.M, task.T)
    bound = BLOW_UP * (1 + np.trace(state.Q) + np.trace(task.T))

    def derivative(_alpha: float, y: Array) -> Array:
        C[:p] = y.reshape(p, p + k)
        C[p:, :p] = C[:p, p:].T
        return mean_change(C, task, eta, constraint == "spherical", gradient_noise).ravel()

    scale_M = np.sqrt((state.M**2).mean()) or 1.0
    atol = np.broadcast_to(rtol * np.repeat([1.0, scale_M], [p, k]), (p, p + k)).ravel()
    method = DOP853 if _explicit(task, eta, points[-1]) else LSODA
    y = np.empty((len(points), p, p + k))
    y[points == 0] = C[:p]
    done = int(points[0] == 0)
    with np.errstate(over="ignore", invalid="ignore"):
        solver = method(
            derivative, 0.0, C[:p].flatten(), points[-1], rtol=max(rtol, MINIMUM_RTOL), atol=atol
        )
        while done < len(points):
            solver.step()
            # written so that NaN counts as a divergence too
            if solver.status == "failed" or not solver.y[:: p + k + 1].sum() < bound:
                break
            passed = int(np.searchsorted(points, solver.t, side="right"))
            if passed > done:
                y[done:passed] = solver.dense_output()(points[done:passed]).T.reshape(-1, p, p + k)
                done = passed
    y = y[:done]
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
    trajectory = Trajectory(task, points[:done], Q, y[..., p:], meta)
    if done < len(points):
        raise DivergenceError(
            f"Q must stay bounded, got tr Q growing without bound before alpha = "
            f"{points[done]:g} at eta = {eta:g}; lower eta.",
            trajectory,
        )
    return trajectory


def _explicit(task: Task, eta: float, end: float) -> bool:
    """Whether LSODA's dense Jacobian of n² entries would cost more than its long steps save."""
    n = task.p * (task.p + task.p_star)
    rate = 8 * eta * np.trace(task.T) / task.p_star
    return n > 300 and bool(rate * end < 10 * n + (n / 50) ** 3)
