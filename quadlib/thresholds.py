"""The learning rates at which solutions repel, the ODE runs away, the plateau ends."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from quadlib.checks import Constraint, check_constraint
from quadlib.plateau import critical_learning_rate, last_learning_rate, plateau
from quadlib.shapes import Array
from quadlib.task import Task, check_task

__all__ = ["LearningRates", "Matched", "learning_rates"]

_START, _ACCURACY, _BLOWN_UP = 1e-3, 1e-4, 1e3


@dataclass(frozen=True)
class LearningRates:
    """Where one-pass SGD changes its ways as N → ∞: critical ≤ runaway ≤ plateau if T = I.

    Attributes
    ----------
    critical
        Above it the ODE is repelled by the zero-loss solutions, and settles above zero. Where
        there is none to repel, p < p*, nothing is lost before the ODE runs away: `runaway`.
    runaway
        Above it the ODE that leaves the plateau runs away to infinite norms, although the
        plateau exists. Infinite on the sphere.
    plateau
        Free: the last learning rate at which the plateau exists. Spherical: the last one at
        which it is left, where r = 0; it exists at every η.
    """

    critical: float
    runaway: float
    plateau: float


def learning_rates(task: Task, constraint: Constraint = "free") -> LearningRates:
    r"""Return the three learning rates of a task; any T, label noise.

    .. math:: η_c: \; φ(η) = 1, \qquad
        η_d: \; \text{the ODE from } Q = qI, M = εO\sqrt{T} \text{ stays finite below}, \qquad
        η_p: \; β^2 = 4aγ

    `critical` and `plateau` are exact. `runaway` has no closed form: the ODE of matched pairs is
    integrated from the plateau with ε = 10⁻³ and η bisected, to a relative accuracy of 10⁻³. It
    depends on the start: from other directions of M by up to 4 % for p* = 2, and for T ≠ I a
    little on ε. If no η below η_p makes the ODE run away, it is η_p.

    Parameters
    ----------
    task
        The task. Label noise shifts `runaway` and `plateau`; `critical` is that without it.
    constraint
        "free" or "spherical".

    Notes
    -----
    docs/theory.md (3.6)-(3.8).
    """
    check_task(task)
    check_constraint(constraint)
    last = last_learning_rate(task, constraint)
    runaway = math.inf if constraint == "spherical" else _runaway(task, last)
    solvable = task.p >= task.p_star
    return LearningRates(critical_learning_rate(task) if solvable else runaway, runaway, last)


def _runaway(task: Task, last: float) -> float:
    def left(eta: float) -> float:
        return plateau(task, eta).escape_rate / eta

    # Where r < 0 nothing leaves; where r is tiny, or the plateau about to vanish, it takes long
    high = last * (1 - 10 * _ACCURACY)
    if left(high) < 1e-2:
        from scipy.optimize import brentq

        high = float(brentq(lambda eta: left(eta) - 1e-2, _ACCURACY * last, high))
    if not runs_away(task, high):
        return last
    low = 0.0
    while high - low > _ACCURACY * high:
        eta = (low + high) / 2
        low, high = (low, eta) if runs_away(task, eta) else (eta, high)
    return high


class Matched:
    """The ODE where unit r sees teacher r alone, (3.8): Q and M are diagonal, other units alike.

    A state has shape (..., 2, e + 1): q and m of the e = min(p, p*) pairs, the largest T_r
    first, and of the units without a teacher, whose m is 0. On the sphere only the mean norm is
    kept.
    """

    def __init__(self, task: Task, eta: float, constraint: Constraint = "free") -> None:
        self.p, self.k, self.eta, self.noise = task.p, task.p_star, eta, task.label_noise
        t = np.linalg.eigvalsh(task.T)[::-1]
        e = min(task.p, task.p_star)
        self.t, self.many = np.append(t[:e], 0.0), np.append(np.ones(e), task.p - e)
        self.tau1, self.tau2 = t.sum() / self.k, (t**2).sum() / self.k**2
        self.spherical = constraint == "spherical"

    def start(self, q: Array | float, m: Array) -> Array:
        """Return the state with all norms q and overlaps m, shape (..., e)."""
        m = np.concatenate([m, np.zeros((*m.shape[:-1], 1))], -1)
        return np.stack([np.broadcast_to(np.asarray(q)[..., None], m.shape), m], -2)

    def moments(self, y: Array) -> tuple[Array, Array]:
        """Return s and E[Δ²], (1.7)."""
        q, m = y[..., 0, :], y[..., 1, :]
        s = q @ self.many / self.p - self.tau1
        tr = (q**2 / self.p**2 - 2 * m**2 / (self.p * self.k)) @ self.many + self.tau2
        return s, s**2 + 2 * tr + self.noise

    def derivative(self, y: Array) -> Array:
        """Return dy/dα."""
        p, k, eta, (q, m) = self.p, self.k, self.eta, (y[..., 0, :], y[..., 1, :])
        s, square = (x[..., None] for x in self.moments(y))
        ss, st = q**2 / p - m**2 / k, (q / p - self.t / k) * m  # of CAC
        dm = -2 * eta * (s * m + 2 * st)
        dq = -4 * eta * (s * q + 2 * ss)
        dq += 4 * eta**2 * (square * q + 4 * s * ss + 8 * (ss * q / p - st * m / k))
        if self.spherical:
            D = (dq @ self.many / (q @ self.many))[..., None]
            dq, dm = dq - D * q, dm - D * m / 2
        return np.stack([dq, dm], -2)


def runs_away(task: Task, eta: float) -> bool:
    """Whether the ODE blows up that starts near the plateau with M = ε O √T."""
    from scipy.integrate import solve_ivp

    level, matched = plateau(task, eta), Matched(task, eta)
    y0 = matched.start(level.q, _START * np.sqrt(level.q * matched.t[:-1]))

    def derivative(_alpha: float, y: Array) -> Array:
        return matched.derivative(y.reshape(y0.shape)).ravel()

    def blown_up(_alpha: float, y: Array) -> float:
        return float(_BLOWN_UP * (1 + matched.tau1) - y[: y0.shape[1]].max())

    event: Any = blown_up
    event.terminal = True
    # Without surplus units it runs away past η_c already, but slowly
    end = 25 / level.escape_rate + (1e4 if task.p == task.p_star else 100) / eta
    # Enough for yes or no: with a hundredth of these every learning rate is the same
    run = solve_ivp(derivative, (0.0, end), y0.ravel(), "LSODA", events=event, rtol=1e-5, atol=1e-8)
    return bool(run.status != 0)
