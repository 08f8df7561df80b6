"""The loop about LSODA that follows the overlap ODE: where it stops, and is begun anew."""

import math
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from quadlib.dynamics.components import Components
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.task import Task

__all__ = ["explicit", "solved"]

FLOOR = 1e-30
"""A run has converged when its loss is below this many times (tr T/p*)², and stays as it is."""

TINY = 1e-100
"""Of tr T/p*: a smaller Q⊥ is followed to this tolerance, since doubles end at 1e-308."""

LARGE = 1e-6
"""Where the loss is above this many times (tr T/p*)², norms and m tell E precisely enough."""

HIDING, FINE = 1e-4, 1e-11
"""On the sphere surplus units, of size 1/α, hide the others' part of Q⊥, of size 1/α², which
decides the loss: below `HIDING` tr T/p* its relative tolerance falls with it, at most to `FINE`."""

MOST_STEPS = 20_000
"""Between two recorded points; whatever needs more has lost its digits."""

RENEWED = 500
"""Steps after which a solver is begun anew, with tolerances of the present state."""

SHRUNK = 0.03
"""The tolerance is renewed whenever Q⊥ has become this many times smaller; the loss goes as Q⊥²."""

ANEW = -1, -4, -5
"""LSODA has taken `RENEWED` steps, or found none; where the state makes no sense it says others."""

MINIMUM_RTOL = 3e-14
"""The solvers refuse anything below 100 roundings."""

TOGETHER, SLICE = 128, 0.01
"""Points, or seconds, after which states are recorded: one by one that takes as long as steps."""


def solved(motion: Components, points: Array, rtol: float, explicit: bool) -> Iterator[Array]:
    """Yield the states at the points, some at a time; fewer than all if the norms blow up."""
    y, now, done, idle = motion.start, 0.0, int(points[0] == 0), 0
    times = points.tolist()  # numbers of Python's, for speed
    teacher, fine = float(motion.t.mean()), FINE
    # in a shorter time nothing gets SHRUNK times smaller
    short = 0.25 / (motion.eta * teacher) if motion.eta > 0 else math.inf
    if done:
        yield y[None, :]
    while done < len(points):
        rest, across = float(motion.loss(y)) / teacher**2, motion.across(y)
        if rest < FLOOR or (rest > FLOOR**0.25 and motion.still(y, max(rtol / 10, 1e-14))):
            yield np.broadcast_to(y, (len(points) - done, len(y)))
            return
        motion.direct = motion.spherical and now > 1000 * short and rest > LARGE
        tolerance = _tolerance(motion, y, rtol, rest, across, fine, now == 0)
        least = SHRUNK * across if across > TINY * teacher else 0.0
        # the longest steps of an implicit method leave no rest unnoticed
        latest = math.inf if explicit else 10 * now + 1000 * short
        # the ODE does not know the time: from 0 on a solver resolves any
        solver, begun = _begun(motion, y, tolerance, explicit), now
        going, well, code = True, True, 2
        while going:
            waiting: list[Array] = []
            pause = time.perf_counter() + SLICE
            try:
                with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
                    warnings.simplefilter("ignore")
                    while going and len(waiting) < TOGETHER and time.perf_counter() < pause:
                        stop = min(times[done], now + max(short, now / 32))
                        last = y.copy()
                        try:
                            y, code = solver.integrate(stop - begun), solver.get_return_code()
                            told = solver._integrator.iwork  # its steps, with what it goes on
                            going = code == 2 and told[10] < RENEWED and stop < latest
                            if explicit and code == 2 and told[19] == 2:
                                y, going = _redone(motion, last, stop - now, tolerance), False
                        except FloatingPointError:
                            code = 0
                        idle += 1 if code == 2 else RENEWED
                        # written so that NaN counts as a divergence too
                        well = bool(y.dot(y) < motion.bound**2) and idle <= MOST_STEPS
                        well = well and code in (2, *ANEW)
                        now = stop if code == 2 else begun + solver.t
                        if code == 2 and stop == times[done] and well:
                            waiting.append(y.copy())
                            done, idle = done + 1, 0
                        going = going and well and done < len(points)
                        going = going and not motion.across(y) < least
            except RuntimeError:  # before SciPy 1.17 there is one LSODA for all
                going = False
            finally:  # also at Ctrl-C
                ready, waiting = waiting, []
                yield np.reshape(ready, (-1, len(y)))
            if not well:
                return
        y, fine = motion.aligned(y), fine if code == 2 else 10 * fine  # so that steps are found


def _tolerance(
    motion: Components, y: Array, rtol: float, rest: float, across: float, fine: float, first: bool
) -> dict[str, Any]:
    """Return what LSODA may err in a step; E and Q⊥ get smaller and smaller, and this with them."""
    teacher, start = motion.t.mean(), motion.parts(motion.start)[0]
    scale_P = max(across, TINY * teacher) if across else motion.norm(y) or teacher
    scale_P /= len(motion.a)
    scales = (
        np.sqrt((start**2).mean()) or 1.0,
        scale_P if first else min(scale_P, teacher * rest),
        teacher * min(1.0, math.sqrt(rest)),
    )
    hidden = max(across / (HIDING * teacher), fine / rtol) if motion.spherical else 1.0
    shares = 1.0, min(1.0, hidden), 1.0

    def each(of_parts: tuple[float, ...]) -> Array:
        parts = zip(of_parts, motion.parts(y), strict=True)
        return rtol * motion.joined(*(np.full(x.shape, size) for size, x in parts))

    return dict(rtol=np.maximum(each(shares), MINIMUM_RTOL), atol=each(scales))


def _begun(motion: Components, y: Array, tolerance: dict[str, Any], explicit: bool) -> Any:
    """Return SciPy's LSODA at the state y, at time 0."""
    from scipy.integrate import ode

    how: Any = dict(tolerance, nsteps=RENEWED)
    if explicit:  # of low order LSODA turns implicit late, and needs a diagonal only
        how |= dict(lband=0, uband=0, max_order_s=1)
    solver = ode(motion.derivative, None if explicit else motion.jacobian)
    solver.set_integrator("lsoda", **how)
    return solver.set_initial_value(y.copy(), 0.0)


def _redone(motion: Components, y: Array, time: float, tolerance: dict[str, Any]) -> Array:
    """Return the state this time after y, by a method that cannot turn implicit.

    Where LSODA does, it goes on with order 1, and has interpolated with that within a step of
    higher order already.
    """
    from scipy.integrate import solve_ivp

    def derivative(alpha: float, y: Array) -> Array:
        return motion.derivative(alpha, y).copy()

    run = solve_ivp(derivative, (0.0, time), y, method="DOP853", t_eval=[time], **tolerance)
    return np.asarray(run.y[:, -1] if run.success else np.full(len(y), np.nan))


def explicit(task: Task, state: Overlaps, eta: float, end: float) -> bool:
    """Whether Jacobians, of n evaluations each, would cost more than their long steps save."""
    n = task.p * (task.p + task.p_star)
    size = max(np.trace(task.T) / task.p_star, np.trace(state.Q) / task.p)
    rate = 8 * eta * size * max(1.0, 2 * eta * size)  # that of the drift, or of its noise
    return bool(rate * end < 10 * n + (n / 50) ** 3)
