"""Literal one-pass SGD on N-dimensional weights."""

from typing import Any

import numpy as np

from quadlib.dynamics.compiled import compiled, numba_found
from quadlib.dynamics.record import DIVERGED, Record, Steps, largest_error
from quadlib.shapes import Array
from quadlib.state import Weights

TILE = 1024
"""Coordinates whose inputs are drawn and used while they are in the fastest cache."""


class LiteralSGD(Steps):
    r"""One step for each sample: w_i ← w_i − (2ηΔλ_i/√N) x, then |w_i| = √N if spherical.

    In units of √N: w ← P (w + c xᵀ) with c_i = −2ηΔλ_i/N and P the rescaling. A step is applied
    to the weights only while the fields of the next one are summed, which saves one of two
    passes over them: the two rows of `x` are the last sample, which waits for it, and the new.

    Notes
    -----
    docs/theory.md (1.1)-(1.5).
    """

    def __init__(self, record: Record, run: int, start: Weights, rng: np.random.Generator) -> None:
        super().__init__(record, np.array([run]))
        task, N = record.task, start.N
        arrays = (start.W, start.W_star)
        self.w, self.teacher = (np.ascontiguousarray(W / np.sqrt(N)) for W in arrays)
        self.x, self.c, self.P = np.zeros((2, N)), np.zeros(task.p), np.ones(task.p)
        self.parity, bound = 0, largest_error(task, start.overlaps)
        noise = np.sqrt(task.label_noise)
        self.constants = (2 * record.eta / N, noise, bound, record.spherical), rng

    def step(self, steps: int) -> None:
        """Do some SGD steps."""
        loop, arrays = _loop if numba_found() else _numpy_loop, (self.w, self.teacher, self.x)
        self.parity, finite = loop(steps, self.parity, arrays, (self.c, self.P), *self.constants)
        if not finite:
            self.record.state[self.runs] = DIVERGED

    def overlaps(self) -> tuple[Array, Array]:
        """Q and M after the steps done so far."""
        w = self.P[:, None] * (self.w + self.c[:, None] * self.x[1 - self.parity])
        return (w @ w.T)[None], (w @ self.teacher.T)[None]


@compiled
def _loop(steps: int, parity: int, arrays: Any, move: Any, numbers: Any, rng: Any) -> Any:
    (w, teacher, x), (c, P) = arrays, move
    rate, noise, bound, spherical = numbers
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
                scale, shift = P[i], P[i] * c[i]
                for n in range(len(new)):
                    row[n] = scale * row[n] + shift * last[n]
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
        if not abs(error) < bound:
            return parity, False
        for i in range(p):
            c[i] = -rate * error * field[i]  # (1.4)
            P[i] = 1.0
            if spherical:
                new_norm = norm[i] + 2 * c[i] * field[i] + c[i] * c[i] * square
                P[i] = 1 / np.sqrt(new_norm)  # (1.5)
    return parity, True


def _numpy_loop(
    steps: int, parity: int, arrays: Any, move: Any, numbers: Any, rng: np.random.Generator
) -> tuple[int, bool]:
    """As `_loop`, with the same random numbers."""
    (w, teacher, x), (c, P) = arrays, move
    rate, noise, bound, spherical = numbers
    for _ in range(steps):
        w += c[:, None] * x[1 - parity]
        w *= P[:, None]
        new = rng.standard_normal(out=x[parity])
        field, target = w @ new, teacher @ new
        error = field @ field / len(w) - target @ target / len(teacher)
        if noise > 0.0:
            error -= noise * rng.standard_normal()
        parity = 1 - parity
        if not abs(error) < bound:
            return parity, False
        c[:] = -rate * error * field
        P[:] = 1.0
        if spherical:
            P[:] = 1 / np.linalg.norm(w + c[:, None] * new, axis=1)
    return parity, True
