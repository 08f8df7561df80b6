"""SGD without N-dimensional vectors: the exact chain of the overlaps."""

from typing import Any

import numpy as np

from quadlib.dynamics.compiled import compiled
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.task import Task

__all__ = ["OverlapChain"]

TINY = 1e-280
"""The square of a length whose inverse would overflow."""


def block_length(p: int, k: int) -> int:
    """How many directions are opened before the basis is made small again.

    The larger p, the more it costs to make it small. A row of F is a multiple of four numbers,
    the width of the arithmetic.
    """
    length = 5 + p // 4
    return length + -(k + p + length) % 4


class OverlapChain:
    r"""One-pass SGD in a basis of few directions, exact in law for every N ≥ p + p*.

    The units are W = √N F E. The first p* of the orthonormal rows of E are the teacher's
    directions, the next p span the units. Of an input only its coordinates in the basis
    matter, x ~ N(0, I), and the length χ of the rest, whose direction joins the basis:

    .. math:: χ^2 \sim χ^2(N - p^* - p - j)

    for the j-th input after the basis was last made small. In this basis a step is the step of
    literal SGD, w ← P (w − (2ηΔλ/N) x), with P = 1 if free. When the new directions are too
    many, those that are not the teacher's are rotated by an LQ factorisation into the first p.

    Notes
    -----
    docs/theory.md (8.1)-(8.5).
    """

    stride = 1

    def __init__(
        self,
        task: Task,
        start: Overlaps,
        eta: float,
        N: int,
        spherical: bool,
        rng: np.random.Generator,
    ) -> None:
        p, k = task.p, task.p_star
        t, self.teacher = np.linalg.eigh(task.T)
        self.root_t = np.sqrt(t)
        m = start.M @ self.teacher / self.root_t  # (8.1)
        g, R = np.linalg.eigh(start.Q - m @ m.T)
        block = block_length(p, k)
        self.F = np.zeros((p, k + p + block))
        self.F[:, :k] = m
        self.F[:, k : k + p] = R * np.sqrt(np.maximum(g, 0.0))
        self.x, self.scratch = np.zeros((2, k + p + block)), (np.zeros(p), np.zeros((p, p)))
        bound = 1e6 * (1 + np.trace(start.Q) / p + np.trace(task.T) / k)
        noise = np.sqrt(task.label_noise)
        self.constants = (t / k, 2 * eta / N, float(N - k - p), noise, bound, spherical, rng)
        self.loop = _loop(p, k, max(1, min(block, N - k - p)))
        self.done = -1
        self.advance(1)  # only draws the first input

    def advance(self, steps: int) -> bool:
        """Do some SGD steps; False if the error Δ left all bounds."""
        finite = self.loop(self.done, steps, self.F, self.x, *self.scratch, *self.constants)
        self.done += steps
        return bool(finite)

    def overlaps(self) -> tuple[Array, Array]:
        """Q and M after the steps done so far."""
        F, k = self.F, len(self.root_t)
        return F @ F.T, F[:, :k] * self.root_t @ self.teacher.T


@compiled
def _loop(p: int, k: int, block: int) -> Any:
    d = k + p

    def loop(
        done: int,
        steps: int,
        F: Any,
        inputs: Any,
        field: Any,
        L: Any,
        weight: Any,
        rate: float,
        D: float,
        noise: float,
        bound: float,
        spherical: bool,
        rng: Any,
    ) -> bool:
        def chi(freedom: float) -> float:
            """By Marsaglia and Tsang: χ² = 2q(1 + t)³, the density of t being that of a normal
            times exp(−q g(t)), g = 3t − 3t²/2 + t³ − 3 ln(1 + t) ≤ 3t⁴/2 for t > −1/2.
            """
            q = freedom / 2 - 1 / 3
            c = 1 / np.sqrt(9 * q)
            while True:
                t = c * rng.standard_normal()
                reach = rng.standard_exponential() / q
                if (t > -0.5 and reach > 1.5 * t**4) or (
                    t > -1 and reach > 3 * t - 1.5 * t**2 + t**3 - 3 * np.log1p(t)
                ):
                    return np.sqrt(2 * q * (1 + t) ** 3)  # type: ignore[no-any-return]

        new, x = inputs[done % 2], inputs[1 - done % 2]
        j = done % block
        for step in range(done, done + steps):
            x, new = new, x
            error, output = 0.0, 0.0
            if noise > 0.0 and step >= 0:
                error = -noise * rng.standard_normal()  # (1.2)
            # An input is drawn a step ahead: the processor overlaps it with the step
            j = j + 1 if j + 1 < block else 0
            if j < 2:
                new[d:] = 0.0
            for a in range(d + j):
                new[a] = rng.standard_normal()
            if D > 0:
                new[d + j] = chi(D - j)  # (8.5)
            if step < 0:
                continue
            for a in range(k):
                error -= weight[a] * x[a] * x[a]
            for i in range(p):
                row, total = F[i], 0.0
                for a in range(len(row)):
                    total += row[a] * x[a]
                field[i] = total
                output += total * total
            error += output / p
            if not abs(error) < bound:
                return False
            for i in range(p):
                row, move = F[i], rate * error * field[i]
                for a in range(len(row)):
                    row[a] -= move * x[a]  # (8.4)
                if spherical:  # measured, since a deviation from the sphere may grow as e^α
                    norm = 0.0
                    for a in range(len(row)):
                        norm += row[a] * row[a]
                    norm = 1 / np.sqrt(norm)
                    for a in range(len(row)):
                        row[a] *= norm  # (1.5)
            if j == 0:
                # F[:, k:] becomes its factor L, by modified Gram-Schmidt
                for r in range(p):
                    first, length = F[r, k:], 0.0
                    for a in range(len(first)):
                        length += first[a] * first[a]
                    inverse = 1 / length if length > TINY else 0.0
                    length = np.sqrt(length)
                    for i in range(r + 1, p):
                        row, total = F[i, k:], 0.0
                        for a in range(len(row)):
                            total += first[a] * row[a]
                        total *= inverse
                        L[i, r] = total * length
                        for a in range(len(row)):
                            row[a] -= total * first[a]
                    first[:] = 0.0
                    for a in range(r):
                        first[a] = L[r, a]
                    first[r] = length
        return True

    return loop
