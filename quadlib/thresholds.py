"""The learning rates at which solutions repel, the ODE runs away, the plateau ends."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from quadlib.checks import Constraint, check_constraint
from quadlib.plateau import critical_learning_rate, last_learning_rate, plateau
from quadlib.shapes import Array
from quadlib.task import Task

__all__ = ["LearningRates", "learning_rates"]

_START = 1e-3
_ACCURACY = 1e-4
_BLOWN_UP = 1e3


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

    `critical` and `plateau` are exact. `runaway` has no closed form: the ODE is integrated from
    the plateau with ε = 10⁻³ and η bisected, to a relative accuracy of 10⁻³. With columns of M of
    equal length, orthogonal to each other, the ODE closes in the norms and overlaps of matched
    pairs. It depends on the start: from other directions of M by up to 4 % for p* = 2, and for
    T ≠ I a little on ε. If no η below η_p makes the ODE run away, it is η_p.

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


def runs_away(task: Task, eta: float) -> bool:
    """Whether the ODE from near the plateau blows up: unit r and teacher r matched, (3.8)."""
    from scipy.integrate import solve_ivp

    p, k, noise = task.p, task.p_star, task.label_noise
    e = min(p, k)
    t_all = np.linalg.eigvalsh(task.T)
    t, many = np.unique(t_all[-e:].round(12), return_counts=True)  # like pairs stay alike
    t, many = np.append(t, 0.0), np.append(many, p - e)  # units without a teacher: m = 0
    tau1, tau2 = t_all.sum() / k, (t_all**2).sum() / k**2

    def derivative(_alpha: float, y: Array) -> Array:
        q, m = y.reshape(2, -1)
        s = many @ q / p - tau1
        square = s**2 + 2 * (many @ (q**2 / p**2 - 2 * m**2 / (p * k)) + tau2) + noise
        ss, st = q**2 / p - m**2 / k, q * m / p - m * t / k  # of CAC
        dq = -4 * eta * (s * q + 2 * ss)
        dq += 4 * eta**2 * (square * q + 4 * s * ss + 8 * (ss * q / p - st * m / k))
        return np.concatenate([dq, -2 * eta * (s * m + 2 * st)])

    def blown_up(_alpha: float, y: Array) -> float:
        return float(_BLOWN_UP * (1 + tau1) - y[: len(t)].max())

    event: Any = blown_up
    event.terminal = True
    level = plateau(task, eta)
    y0 = np.concatenate([np.full(len(t), level.q), _START * np.sqrt(level.q * t)])
    # Without surplus units it runs away past η_c already, but slowly
    end = 25 / level.escape_rate + (1e4 if p == k else 100) / eta
    run = solve_ivp(derivative, (0.0, end), y0, "LSODA", events=event, rtol=1e-7, atol=1e-10)
    return bool(run.status != 0)
