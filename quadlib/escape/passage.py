"""When M is no longer small: the overlap ODE from many starts at once, up to a level."""

import math

import numpy as np

from quadlib.checks import Constraint
from quadlib.shapes import Array
from quadlib.task import Task

__all__ = ["passages"]


def passages(
    task: Task,
    t: Array,
    eta: float,
    constraint: Constraint,
    q: float,
    M: Array,
    level: float,
    rate: float,
) -> Array:
    """Times the overlap ODE takes from Q = q I and each M to the level, by Runge-Kutta steps.

    Students that M does not reach, all alike, are one number: their squared norm q.
    """
    n, e, k = M.shape
    p, surplus = task.p, task.p - e
    A = np.repeat([1 / p, -1 / k], [e, k])

    def moments(y: Array) -> tuple[Array, Array, Array, Array, Array]:
        C = np.zeros((len(y), e + k, e + k))
        C[:, e:, e:] = np.diag(t)
        C[:, :e] = y[:, :-1].reshape(-1, e, e + k)
        C[:, e:, :e] = np.swapaxes(C[:, :e, e:], 1, 2)
        CA, q0 = C * A, y[:, -1]
        s = np.einsum("naa->n", CA) + surplus * q0 / p
        tr = np.einsum("nab,nba->n", CA, CA) + surplus * (q0 / p) ** 2
        return C, CA, q0, s, s**2 + 2 * tr + task.label_noise

    def derivative(y: Array) -> Array:
        C, CA, q0, s, square = moments(y)
        CAC = CA[:, :e] @ C
        S, E = s[:, None, None], square[:, None, None]
        dy = -2 * eta * (S * C[:, :e] + 2 * CAC)  # (2.1)
        Gamma = E * C[:, :e, :e] + 4 * S * CAC[:, :, :e] + 8 * (CAC * A) @ C[:, :, :e]
        dy[:, :, :e] = 2 * dy[:, :, :e] + 4 * eta**2 * Gamma  # (2.2)
        if constraint == "spherical":
            half = np.diagonal(dy, axis1=1, axis2=2) / 2  # (2.3), Q_ii = 1
            dy -= half[:, :, None] * C[:, :e]
            dy[:, :, :e] -= half[:, None, :] * C[:, :e, :e]
        x = q0 / p
        Gamma0 = square * q0 + 4 * s * q0 * x + 8 * q0 * x**2
        dq0 = -4 * eta * (s * q0 + 2 * q0 * x) + 4 * eta**2 * Gamma0
        return np.hstack([dy.reshape(len(y), -1), dq0[:, None]])

    block = np.zeros((n, e, e + k))
    block[:, :, :e] = q * np.eye(e)
    block[:, :, e:] = M
    y = np.hstack([block.reshape(n, -1), np.full((n, 1), q)])
    step = min(0.15 / eta, 0.4 / rate)
    last = moments(y)[-1] / 2
    times = np.where(last <= level, 0.0, np.inf)
    waiting = np.flatnonzero(last > level)
    y, last = y[waiting], last[waiting]
    for i in range(math.ceil((15 / rate + 40 / eta) / step)):
        if len(waiting) == 0:
            return times
        with np.errstate(over="ignore", invalid="ignore"):
            k1 = derivative(y)
            k2 = derivative(y + step / 2 * k1)
            k3 = derivative(y + step / 2 * k2)
            y = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + derivative(y + step * k3))
            loss = moments(y)[-1] / 2
        passed = loss <= level
        times[waiting[passed]] = step * (i + (last - level)[passed] / (last - loss)[passed])
        change = np.abs(loss - last)[~passed]
        y, last, waiting = y[~passed], loss[~passed], waiting[~passed]
        # At a fixed point above the level, or on the way to infinity
        if len(waiting) and not 1e-10 < change.max() / level < 1e3:
            break
    raise ValueError(
        f"The task must allow half of the plateau's loss to be lost, got p = {p} and p_star = "
        f"{k}, where the ODE stays above {level:.3g}; raise p or lower eta."
    )
