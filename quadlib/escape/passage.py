"""When M is no longer small: the overlap ODE from many starts at once, down to some levels."""

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from quadlib.checks import Constraint
from quadlib.passage import cubic_root
from quadlib.shapes import Array
from quadlib.task import Task
from quadlib.thresholds import Matched


class Passages(NamedTuple):
    """Times of each row to each level, infinite where never reached; and which rows ran away."""

    times: Array
    runaway: Array


class Block:
    """The ODE of e units that M reaches, in full, and of the norm of the others.

    A state has shape (n, e, e + k + 1): Q, M for a diagonal T, the largest first, and that norm.
    """

    def __init__(self, task: Task, eta: float, constraint: Constraint, e: int) -> None:
        self.task, self.eta, self.e, self.surplus = task, eta, e, task.p - e
        self.t = np.linalg.eigvalsh(task.T)[::-1] / task.p_star
        self.spherical = constraint == "spherical"
        self.A = np.repeat([1 / task.p, -1 / task.p_star], [e, task.p_star])

    def start(self, q: Array, M: Array) -> Array:
        """Return the states Q = q I and M."""
        norms = np.broadcast_to(q[:, None, None], (len(q), self.e, 1))
        return np.concatenate([norms * np.eye(self.e), M, norms], 2)

    def moments(self, y: Array) -> tuple[Array, Array]:
        """Return s and E[Δ²], (1.7)."""
        p, e = self.task.p, self.e
        Q, M, x = y[:, :, :e], y[:, :, e:-1], y[:, 0, -1] / p
        s = np.einsum("nii->n", Q) / p + self.surplus * x - self.t.sum()
        MM, QQ = np.einsum("nij,nij->n", M, M), np.einsum("nij,nij->n", Q, Q)
        tr = QQ / p**2 - 2 * MM / (p * self.task.p_star) + self.surplus * x**2 + self.t @ self.t
        return s, s**2 + 2 * tr + self.task.label_noise

    def derivative(self, y: Array) -> Array:
        """Return dy/dα, (2.1)-(2.3)."""
        e, eta, p = self.e, self.eta, self.task.p
        s, square = (x[:, None, None] for x in self.moments(y))
        Q, top, norm = y[:, :, :e], y[:, :, :-1], y[:, :, -1:]
        turned = top.swapaxes(1, 2)
        CAC, more = np.empty_like(y), np.zeros_like(y)
        CAC[:, :, :e] = (top * self.A) @ turned
        CAC[:, :, e:-1] = Q @ y[:, :, e:-1] / p - y[:, :, e:-1] * self.t
        CAC[:, :, -1:] = norm**2 / p
        more[:, :, :e] = (CAC[:, :, :-1] * self.A) @ turned
        more[:, :, -1:] = norm**3 / p**2
        dy = -2 * eta * (s * y + 2 * CAC)  # (2.1)
        for own in (slice(e), slice(-1, None)):  # (2.2)
            Gamma = square * y[:, :, own] + 4 * s * CAC[:, :, own] + 8 * more[:, :, own]
            dy[:, :, own] = 2 * dy[:, :, own] + 4 * eta**2 * Gamma
        if self.spherical:
            half = np.einsum("nii->ni", dy[:, :, :e]) / 2  # (2.3), Q_ii = 1
            dy -= half[:, :, None] * y
            dy[:, :, :e] -= half[:, None, :] * Q
        return np.asarray(dy)


def passages(
    equation: Block | Matched, y: Array, levels: Array, step: float, limit: int
) -> Generator[None, None, Passages]:
    """Follow each row by Runge-Kutta steps to the lowest of the levels; yield after a stage."""

    def derivative(y: Array, k: Any = 0.0, h: float = 0.0) -> Array:
        with np.errstate(all="ignore"):  # of those that run away
            return np.asarray(equation.derivative(y + h * k))

    def loss(y: Array) -> Array:
        return np.asarray(equation.moments(y)[1] / 2)

    def slope(y: Array, dy: Array) -> Array:
        # exact, of a polynomial of degree two
        return np.asarray(step * (loss(y + dy) - loss(y - dy)) / 2)

    last, lowest = loss(y), levels.min()
    blown_up = 1e3 * last.max()
    times = np.where(last[:, None] <= levels, 0.0, math.inf)
    runaway, waiting = np.zeros(len(y), dtype=bool), np.flatnonzero(last > lowest)
    y, last = y[waiting], last[waiting]
    ends: list[tuple[Any, ...]] = []  # of the steps in which a row passes a level
    for i in range(limit):
        if len(waiting) == 0:
            break
        k = [derivative(y)]
        for h in (step / 2, step / 2, step):
            yield
            k.append(derivative(y, k[-1], h))
        with np.errstate(all="ignore"):
            new = y + step / 6 * (k[0] + 2 * k[1] + 2 * k[2] + k[3])
            now = loss(new)
            for j, level in enumerate(levels):
                at = np.flatnonzero((now <= level) & (last > level))
                if len(at):
                    slopes = slope(y[at], k[0][at]), slope(new[at], equation.derivative(new[at]))
                    what = np.full_like(at, i), waiting[at], np.full_like(at, j)
                    ends.append((*what, last[at], now[at], *slopes))
        gone = ~(now < blown_up)
        runaway[waiting[gone]] = True
        stay = ~gone & (now > lowest)
        still = (np.abs(now - last)[stay] < 1e-9 * lowest).all()  # a fixed point above the level
        y, last, waiting = new[stay], now[stay], waiting[stay]
        if still:
            break
        yield
    if ends:
        begun, rows, which, high, low, *of_loss = (
            np.concatenate(x) for x in zip(*ends, strict=True)
        )
        passed = begun + cubic_root(levels[which] - high, low - high, *of_loss)
        first = np.full_like(times, math.inf)
        np.minimum.at(first, (rows, which), step * passed)
        times = np.minimum(times, first)
    return Passages(times, runaway)
