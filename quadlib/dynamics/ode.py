"""The overlap ODE: one-pass SGD in the limit N → ∞, integrated with error control."""

import math
from collections.abc import Generator
from typing import Any, cast

import numpy as np

from quadlib.checks import Constraint, check_eta, check_flag, check_real, recording_points
from quadlib.dynamics.components import Components
from quadlib.dynamics.progress import to_the_end
from quadlib.dynamics.solver import MOST_STEPS, explicit, solved
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, Weights, check_start
from quadlib.task import Task, joint_covariance, mean_change
from quadlib.trajectory import DivergenceError, RunInterrupted, Trajectory, how_made

__all__ = ["drift", "integrate", "integrate_in_pieces"]


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
        If the student norms grow beyond all bounds, or where they go round for ever (on the sphere
        at large eta) too many steps are needed; holds the trajectory so far.
    RunInterrupted
        At Ctrl-C, a KeyboardInterrupt that holds the trajectory so far.
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    docs/theory.md (2.4), (2.5). LSODA, which turns implicit where the solution makes the ODE
    stiff; over a short time it is kept explicit. The loss is followed down to
    1e-30 (tr T/p*)², with either constraint, and stays there. Units that are linearly dependent
    (or, with constraint "spherical", equal or opposite) at the start stay so.
    """
    how: Any = dict(constraint=constraint, gradient_noise=gradient_noise, rtol=rtol)
    pieces = integrate_in_pieces(task, state, eta, alpha, **how)
    try:
        return to_the_end(pieces)
    except RunInterrupted:
        raise
    except KeyboardInterrupt as between:  # two slices
        return cast(Trajectory, pieces.throw(between))  # which raises what holds the run so far


def integrate_in_pieces(
    task: Task,
    state: Overlaps | Weights,
    eta: float,
    alpha: Any,
    rtol: float,
    gradient_noise: bool,
    constraint: Constraint = "free",
    compiled: bool = False,
) -> Generator[None, None, Trajectory]:
    """`integrate`, in slices of about ten milliseconds; with loops that are `compiled`."""
    state = check_start(task, state, constraint)
    eta, gradient_noise = check_eta(eta), check_flag("gradient_noise", gradient_noise)
    rtol = check_real("rtol", rtol, maximum=1.0, strict=True)
    points = recording_points(alpha)
    motion = Components(task, state, eta, constraint, gradient_noise, compiled)
    few = explicit(task, state, eta, points[-1])
    noise = dict(gradient_noise=gradient_noise)
    meta = how_made("integrate", eta, math.inf, None, constraint, **noise)
    Q = np.empty((len(points), *state.Q.shape))
    M, loss, done = np.empty((len(points), *state.M.shape)), np.empty(len(points)), 0

    def trajectory() -> Trajectory:
        if points[0] == 0:
            Q[0], M[0] = state.Q, state.M
        return Trajectory(task, points[:done], Q[:done], M[:done], meta, loss[:done])

    def keep(y: Array) -> int:
        part = slice(done, done + len(y))
        Q[part], M[part], loss[part] = motion.record(y)
        return part.stop

    y: Array | None = None
    try:
        for y in solved(motion, points, rtol, few):
            done = keep(y)
            y = None
            yield
    except KeyboardInterrupt:
        done = done if y is None else keep(y)  # which was being kept
        raise RunInterrupted(
            f"Interrupted after {done} of {len(points)} recorded times: they are in the "
            "attribute `trajectory` of this exception.",
            trajectory(),
        ) from None
    if done < len(points):
        raise DivergenceError(
            f"Q must stay bounded and need at most {MOST_STEPS} steps from one recorded time to "
            f"the next, got none that does at alpha = {points[done]:g} with eta = {eta:g}; lower "
            "eta, end earlier, or record more times.",
            trajectory(),
        )
    return trajectory()
