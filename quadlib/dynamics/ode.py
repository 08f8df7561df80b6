"""The overlap ODE: one-pass SGD in the limit N → ∞, integrated with error control."""

import math
import time
import warnings
from collections.abc import Generator, Iterator
from typing import Any, cast

import numpy as np

from quadlib.checks import Constraint, check_eta, check_flag, check_real, recording_points
from quadlib.dynamics.components import Components
from quadlib.dynamics.progress import to_the_end
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, Weights, check_start
from quadlib.task import Task, joint_covariance, mean_change
from quadlib.trajectory import DivergenceError, RunInterrupted, Trajectory, how_made

__all__ = ["drift", "integrate", "integrate_in_pieces"]

FLOOR = 1e-30
"""A run has converged when its loss is below this many times (tr T/p*)², and stays as it is."""

MOST_STEPS = 20_000
"""Between two recorded points; whatever needs more has lost its digits."""

RENEWED = 500
"""Steps after which a solver is begun anew, with tolerances of the present state."""

SHRUNK = 0.03
"""The tolerance is renewed whenever Q⊥ has become this many times smaller; the loss goes as Q⊥²."""

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
    explicit = _explicit(task, state, eta, points[-1])
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
        for y in _solved(motion, points, rtol, explicit):
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
            f"Q must stay bounded, and eta alpha below what doubles resolve, got neither before "
            f"alpha = {points[done]:g} at eta = {eta:g}; lower eta, or end earlier.",
            trajectory(),
        )
    return trajectory()


_TOGETHER, _SLICE = 128, 0.01
"""Points, or seconds, after which states are recorded: one by one that takes as long as steps."""


def _solved(motion: Components, points: Array, rtol: float, explicit: bool) -> Iterator[Array]:
    """Yield the states at the points, some at a time; fewer than all if the norms blow up."""
    from scipy.integrate import ode

    y, now, done, idle = motion.start, 0.0, int(points[0] == 0), 0
    times = points.tolist()  # numbers of Python's, for speed
    teacher, (m, *_) = motion.t.mean(), motion.parts(y)
    scale_m = np.sqrt((m**2).mean()) or 1.0
    # in a shorter time nothing gets SHRUNK times smaller
    short = 0.25 / (motion.eta * teacher) if motion.eta > 0 else math.inf
    if done:
        yield y[None, :]
    while done < len(points):
        across, rest = motion.across(y), motion.loss(y) / teacher**2
        if rest < FLOOR or (rest > FLOOR**0.25 and motion.still(y, max(rtol / 10, 1e-14))):
            yield np.broadcast_to(y, (len(points) - done, len(y)))
            return
        # E and Q⊥ get smaller and smaller, and the tolerance with them
        scale_P = (across or motion.norm(y) or teacher) / len(motion.a)
        scale_P = scale_P if now == 0 else min(scale_P, teacher * rest)
        scale_E = teacher * min(1.0, math.sqrt(rest))
        sizes = zip((scale_m, scale_P, scale_E), motion.parts(y), strict=True)
        how: Any = dict(atol=rtol * motion.joined(*(np.full(x.shape, size) for size, x in sizes)))
        how |= dict(rtol=max(rtol, MINIMUM_RTOL), nsteps=RENEWED)
        if explicit:  # of low order LSODA turns implicit late, and needs a diagonal only
            how |= dict(lband=0, uband=0, max_order_s=1)
        solver = ode(motion.derivative).set_integrator("lsoda", **how)
        solver.set_initial_value(y.copy(), now)
        calls, going, well = 0, True, True
        while going:
            waiting: list[Array] = []
            pause = time.perf_counter() + _SLICE
            try:
                with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
                    warnings.simplefilter("ignore")
                    while going and len(waiting) < _TOGETHER and time.perf_counter() < pause:
                        stop = solver.t + max(short, solver.t / 32)
                        if stop > times[done] * (1 - 1e-9):  # LSODA begins no shorter step
                            stop = times[done]
                        last, at = y.copy(), solver.t
                        try:
                            y, code = solver.integrate(stop), solver.get_return_code()
                            if explicit and code == 2 and solver._integrator.iwork[19] == 2:
                                y = _redone(motion, last, at, stop, how["rtol"], how["atol"])
                                calls = RENEWED
                        except FloatingPointError:
                            code = 0
                        steps = 1 if code == 2 else RENEWED  # or more: see whether y moves at all
                        calls, idle = calls + steps, idle + steps
                        # written so that NaN counts as a divergence too
                        bounded = bool(y.dot(y) < motion.bound**2) and idle <= MOST_STEPS
                        well = code in (2, -1) and bounded
                        if code == 2 and stop == times[done] and well:
                            waiting.append(y.copy())
                            done, idle = done + 1, 0
                        going = well and done < len(points) and calls < RENEWED
                        going = going and not motion.across(y) < SHRUNK * across
            except RuntimeError:  # before SciPy 1.17 there is one LSODA for all
                going = False
            finally:  # also at Ctrl-C
                ready, waiting = waiting, []
                yield np.reshape(ready, (-1, len(y)))
            if not well:
                return
        y, now = motion.aligned(y), solver.t


def _redone(
    motion: Components, y: Array, now: float, end: float, rtol: float, atol: Array
) -> Array:
    """Return the state at `end` from that at `now`, by a method that cannot turn implicit.

    Where LSODA does, it goes on with order 1, and has interpolated with that within a step of
    higher order already.
    """
    from scipy.integrate import solve_ivp

    run = solve_ivp(
        lambda alpha, y: motion.derivative(alpha, y).copy(),
        (now, end),
        y,
        method="DOP853",
        t_eval=[end],
        rtol=rtol,
        atol=atol,
    )
    return np.asarray(run.y[:, -1] if run.success else np.full(len(y), np.nan))


def _explicit(task: Task, state: Overlaps, eta: float, end: float) -> bool:
    """Whether Jacobians, of n evaluations each, would cost more than their long steps save."""
    n = task.p * (task.p + task.p_star)
    rate = 8 * eta * max(np.trace(task.T) / task.p_star, np.trace(state.Q) / task.p)
    return bool(rate * end < 10 * n + (n / 50) ** 3)
