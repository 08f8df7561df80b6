"""When M is no longer small: the overlap ODE from many starts at once, down to some levels."""

import math
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from quadlib.checks import Constraint
from quadlib.shapes import Array
from quadlib.task import Task
from quadlib.thresholds import Matched

__all__ = ["Block", "Passages", "passages"]


class Passages(NamedTuple):
    """Times of each row to each level, infinite where never reached; and which rows ran away."""

    times: Array
    runaway: Array


class Block:
    """The ODE of e units that M reaches, in full, and of the norm of the others."""

    def __init__(self, task: Task, eta: float, constraint: Constraint, e: int) -> None:
        self.task, self.eta, self.e, self.surplus = task, eta, e, task.p - e
        self.t = np.diag(np.linalg.eigvalsh(task.T)[::-1])
        self.spherical = constraint == "spherical"
        self.A = np.repeat([1 / task.p, -1 / task.p_star], [e, task.p_star])

    def start(self, q: Array, M: Array) -> Array:
        """Return the states Q = q I and M, T diagonal, the largest first."""
        Q = q[:, None, None] * np.eye(self.e)
        return np.hstack([np.concatenate([Q, M], 2).reshape(len(M), -1), q[:, None]])

    def moments(self, y: Array) -> tuple[Array, Array, Array, Array]:
        """Return C, CA, s and E[Δ²]."""
        e, q0 = self.e, y[:, -1]
        top = y[:, :-1].reshape(len(y), e, -1)
        t = np.broadcast_to(self.t, (len(y), *self.t.shape))
        C = np.concatenate([top, np.concatenate([top[:, :, e:].swapaxes(1, 2), t], 2)], 1)
        CA = C * self.A
        s = np.einsum("naa->n", CA) + self.surplus * q0 / self.task.p
        tr = np.einsum("nab,nba->n", CA, CA) + self.surplus * (q0 / self.task.p) ** 2
        return C, CA, s, s**2 + 2 * tr + self.task.label_noise

    def loss(self, y: Array) -> Array:
        """Return the population loss."""
        return self.moments(y)[-1] / 2

    def derivative(self, y: Array) -> Array:
        """Return dy/dα, (2.1)-(2.3)."""
        e, eta, q0 = self.e, self.eta, y[:, -1]
        C, CA, s, square = self.moments(y)
        CAC = CA[:, :e] @ C
        S, E = s[:, None, None], square[:, None, None]
        dy = -2 * eta * (S * C[:, :e] + 2 * CAC)  # (2.1)
        Gamma = E * C[:, :e, :e] + 4 * S * CAC[:, :, :e] + 8 * (CAC * self.A) @ C[:, :, :e]
        dy[:, :, :e] = 2 * dy[:, :, :e] + 4 * eta**2 * Gamma  # (2.2)
        if self.spherical:
            half = np.diagonal(dy, axis1=1, axis2=2) / 2  # (2.3), Q_ii = 1
            dy -= half[:, :, None] * C[:, :e]
            dy[:, :, :e] -= half[:, None, :] * C[:, :e, :e]
        x = q0 / self.task.p
        dq0 = 4 * eta * q0 * (eta * (square + 4 * s * x + 8 * x**2) - s - 2 * x)
        return np.hstack([dy.reshape(len(y), -1), dq0[:, None]])


def passages(
    equation: Block | Matched, y: Array, levels: Array, step: float, limit: int
) -> Generator[None, None, Passages]:
    """Follow each row by Runge-Kutta steps to the lowest of the levels; yield after a step."""
    last, lowest = equation.loss(y), levels.min()
    times = np.where(last[:, None] <= levels, 0.0, math.inf)
    runaway = np.zeros(len(y), dtype=bool)
    waiting = np.flatnonzero(last > lowest)
    y, last = y[waiting], last[waiting]
    for i in range(limit):
        if len(waiting) == 0:
            break
        with np.errstate(over="ignore", invalid="ignore"):
            k1 = equation.derivative(y)
            k2 = equation.derivative(y + step / 2 * k1)
            k3 = equation.derivative(y + step / 2 * k2)
            y = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + equation.derivative(y + step * k3))
            loss = equation.loss(y)
        for j, level in enumerate(levels):
            now = (loss <= level) & (times[waiting, j] == math.inf)
            times[waiting[now], j] = step * (i + (last - level)[now] / (last - loss)[now])
        gone = ~(loss < 1e3 * max(1.0, levels.max()))
        runaway[waiting[gone]] = True
        stay = ~gone & (loss > lowest)
        still = (np.abs(loss - last)[stay] < 1e-9 * lowest).all()  # a fixed point above the level
        y, last, waiting = y[stay], loss[stay], waiting[stay]
        if still:
            break
        yield
    return Passages(times, runaway)
