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

LEFT = 1e-15
"""What rounding leaves of Q⊥ where its units are turned."""

DRIFT = 1e-16
"""Of E, what rounding may add in one of the shortest times."""

MOST_STEPS = 20_000
"""Between two recorded points; whatever needs more has lost its digits, or goes round for ever."""

ROUNDING = 1e-14
"""What changes at less than this share of the fastest rate is at rest, but for rounding."""

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
    teacher = float(motion.t.mean())
    # in a shorter time nothing gets SHRUNK times smaller
    short = 0.25 / (motion.eta * teacher) if motion.eta > 0 else math.inf
    if done:
        yield y[None, :]
    while done < len(points):
        rest, across = float(motion.loss(y)) / teacher**2, motion.across(y)
        if not (near := rest <= FLOOR**0.25):
            share = max(rtol / 10, ROUNDING)
        else:  # to a solution, where what follows a power law may look like rest
            share = min(ROUNDING, 1e-3 * short / now) if now else 0.0
        if rest < FLOOR or motion.still(y, share, near):
            yield np.broadcast_to(y, (len(points) - done, len(y)))
            return
        y = motion.aligned(y) if now else y
        late = motion.spherical and now > 1000 * short
        motion.direct = late and rest > LARGE
        turn = motion.apart(y) if late and not explicit else None
        tolerance = _tolerance(motion, y, rtol, rest, across, now / short, turn is not None)
        least = SHRUNK * across if across > TINY * teacher else 0.0
        # the longest steps of an implicit method leave no rest unnoticed
        latest = math.inf if explicit else 10 * now + 1000 * short
        # the ODE does not know the time: from 0 on a solver resolves any
        seen = Seen(motion, tolerance["atol"], turn)
        solver, begun = _begun(seen, y, tolerance, explicit), now
        going, well, code, taken = True, True, 2, 0
        while going:
            waiting: list[Array] = []
            pause = time.perf_counter() + SLICE
            try:
                with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
                    warnings.simplefilter("ignore")
                    while going and len(waiting) < TOGETHER and time.perf_counter() < pause:
                        stop = min(times[done], now + max(short, now / 32))
                        last = y
                        try:
                            y = seen.state(solver.integrate(stop - begun))
                            code = solver.get_return_code()
                            told = solver._integrator.iwork  # its steps, with what it goes on
                            idle += told[10] - taken if code == 2 else RENEWED
                            taken = told[10]
                            going = code == 2 and taken < RENEWED and stop < latest
                            if explicit and code == 2 and told[19] == 2:
                                y, going = _redone(motion, last, stop - now, tolerance), False
                        except FloatingPointError:
                            code = 0
                        # written so that NaN counts as a divergence too
                        well = bool(y.dot(y) < motion.bound**2) and idle <= MOST_STEPS
                        well = well and code in (2, *ANEW)
                        now = stop if code == 2 else begun + solver.t
                        if code == 2 and stop == times[done] and well:
                            waiting.append(y)
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


def _tolerance(
    motion: Components,
    y: Array,
    rtol: float,
    rest: float,
    across: float,
    passed: float,
    turns: bool,
) -> dict[str, Any]:
    """Return what LSODA may err in a step; E and Q⊥ get smaller and smaller, and this with them.

    So many of the shortest times have `passed`.
    """
    teacher, start = motion.t.mean(), motion.parts(motion.start)[0]
    scale_P = max(across, TINY * teacher) if across else motion.norm(y) or teacher
    scale_P /= len(motion.a)
    scales = (
        np.sqrt((start**2).mean()) or 1.0,
        min(scale_P, teacher * rest) if passed else scale_P,
        # at first less than E, which may fall while Q⊥ stays, but more than its rounding
        teacher * min(1.0, max(1e-3, ROUNDING / rtol), math.sqrt(rest)),
    )
    parts = zip(scales, motion.parts(y), strict=True)
    atol = [np.full(x.shape, rtol * size) for size, x in parts]
    if turns:
        atol[1] = np.maximum(atol[1], LEFT * across)
    elif motion.spherical:  # where norms fix E, its rounding alone moves it, and P with it
        atol[1] = np.maximum(atol[1], DRIFT * passed * across)
        atol[2] = np.maximum(atol[2], DRIFT * passed * np.abs(motion.parts(y)[2]).max())
    return dict(rtol=max(rtol, MINIMUM_RTOL), atol=motion.joined(*atol))


class Seen:
    """The motion as LSODA sees it: of units turned, and all parts in units of their tolerances.

    These are rounded to powers of two, which leaves all digits. In other units the elimination in
    its implicit method takes those of a Q⊥ that is much smaller than the rest.
    """

    def __init__(self, motion: Components, tolerance: Array, turn: Array | None) -> None:
        self.motion, self.turn = motion, turn
        self.unit = np.exp2(np.rint(np.log2(tolerance)))

    def state(self, z: Array) -> Array:
        """The state that is seen as z."""
        y = z * self.unit
        return y if self.turn is None else self.motion.turned(y, self.turn)

    def seen(self, y: Array) -> Array:
        """A state, or its derivative, as seen."""
        y = y if self.turn is None else self.motion.turned(y, self.turn.T)
        return np.asarray(y / self.unit)

    def derivative(self, alpha: float, z: Array) -> Array:
        """dz/dα."""
        return self.seen(self.motion.derivative(alpha, self.state(z)))

    def jacobian(self, alpha: float, z: Array) -> Array:
        """∂(derivative)/∂z, each column the imaginary part that a tiny imaginary step leaves.

        Exact but for rounding: of differences, errors of 1e-8 make neutral directions unstable.
        """
        J, moved = np.empty((len(z), len(z)), order="F"), z.astype(complex)
        steps = 1e-20 * np.maximum(1.0, np.abs(z))
        for i, own in enumerate(z.tolist()):
            moved[i] = complex(own, steps[i])
            J[:, i] = self.derivative(alpha, moved).imag / steps[i]
            moved[i] = own
        return J


def _begun(seen: Seen, y: Array, tolerance: dict[str, Any], explicit: bool) -> Any:
    """Return SciPy's LSODA at the state y, at time 0."""
    from scipy.integrate import ode

    # it begins with an explicit method, which in a stiff state finds no steps by itself
    rate = seen.motion.eta * (seen.motion.norm(y) + float(seen.motion.t.sum()))
    first = 0.01 / (rate * max(1.0, rate)) if rate > 0 else 0.0
    how: Any = dict(atol=tolerance["atol"] / seen.unit, nsteps=RENEWED, first_step=first)
    if explicit:  # of low order LSODA turns implicit late, and needs a diagonal only
        how |= dict(lband=0, uband=0, max_order_s=1)
    solver = ode(seen.derivative, None if explicit else seen.jacobian)
    solver.set_integrator("lsoda", **tolerance | how)
    return solver.set_initial_value(seen.seen(y), 0.0)


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
