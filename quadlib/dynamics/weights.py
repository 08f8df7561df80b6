"""Literal one-pass SGD on N-dimensional weights."""

from typing import Any

import numpy as np

from quadlib.dynamics.compiled import compiled
from quadlib.shapes import Array
from quadlib.state import Weights
from quadlib.task import Task

__all__ = ["LiteralSGD"]

TILE = 1024
"""Coordinates whose inputs are drawn and used while they are in the fastest cache."""


class LiteralSGD:
    r"""One step for each sample: w_i ← w_i − (2ηΔλ_i/√N) x, then |w_i| = √N if spherical.

    In units of √N: w ← P (w + c xᵀ) with c_i = −2ηΔλ_i/N and P the rescaling. A step is applied
    to the weights only while the fields of the next one are summed, which saves one of two
    passes over them: the two rows of `x` are the last sample, which waits for it, and the new.

    Notes
    -----
    docs/theory.md (1.1)-(1.5).
    """

    stride = 1

    def __init__(
        self,
        task: Task,
        start: Weights,
        eta: float,
        N: int,
        spherical: bool,
        rng: np.random.Generator,
    ) -> None:
        p, k = task.p, task.p_star
        self.w, self.teacher = start.W / np.sqrt(N), start.W_star / np.sqrt(N)
        self.x, self.c, self.P = np.zeros((2, N)), np.zeros(p), np.ones(p)
        self.parity = 0
        bound = 1e6 * (1 + (self.w**2).sum() / p + np.trace(task.T) / k)
        noise = np.sqrt(task.label_noise)
        self.constants = (2 * eta / N, noise, bound, spherical, rng)
        self.loop = _loop()

    def advance(self, steps: int) -> bool:
        """Do some SGD steps; False if the error Δ left all bounds."""
        self.parity, finite = self.loop(
            steps, self.w, self.teacher, self.x, self.parity, self.c, self.P, *self.constants
        )
        return bool(finite)

    def overlaps(self) -> tuple[Array, Array]:
        """Q and M after the steps done so far."""
        w = self.P[:, None] * (self.w + self.c[:, None] * self.x[1 - self.parity])
        return w @ w.T, w @ self.teacher.T


@compiled
def _loop() -> Any:
    def loop(
        steps: int,
        w: Any,
        teacher: Any,
        x: Any,
        parity: int,
        c: Any,
        P: Any,
        rate: float,
        noise: float,
        bound: float,
        spherical: bool,
        rng: Any,
    ) -> Any:
        p, N = w.shape
        k = len(teacher)
        field, norm = np.empty(p + k), np.empty(p)
        for _ in range(steps):
            field[:] = 0.0
            norm[:] = 0.0
            square = 0.0
            for start in range(0, N, TILE):
                new = x[parity, start : start + TILE]
                last = x[1 - parity, start : start + TILE]
                for n in range(len(new)):
                    new[n] = rng.standard_normal()
                if spherical:
                    for n in range(len(new)):
                        square += new[n] * new[n]
                for r in range(k):
                    row, total = teacher[r, start : start + TILE], 0.0
                    for n in range(len(new)):
                        total += row[n] * new[n]
                    field[p + r] += total
                for i in range(p):
                    row, total = w[i, start : start + TILE], 0.0
                    scale, move = P[i], P[i] * c[i]
                    for n in range(len(new)):
                        row[n] = scale * row[n] + move * last[n]
                        total += row[n] * new[n]
                    field[i] += total
                    if spherical:  # measured, since a deviation from the sphere may grow as e^α
                        for n in range(len(new)):
                            norm[i] += row[n] * row[n]
            output, target = 0.0, 0.0
            for i in range(p):
                output += field[i] * field[i]
            for r in range(p, p + k):
                target += field[r] * field[r]
            error = output / p - target / k
            if noise > 0.0:
                error -= noise * rng.standard_normal()  # (1.2)
            parity = 1 - parity
            finite = abs(error) < bound
            for i in range(p):
                c[i] = -rate * error * field[i] if finite else 0.0  # (1.4)
                P[i] = 1.0
                if spherical and finite:
                    new_norm = norm[i] + 2 * c[i] * field[i] + c[i] * c[i] * square
                    P[i] = 1 / np.sqrt(new_norm)  # (1.5)
            if not finite:
                return parity, False
        return parity, True

    return loop
