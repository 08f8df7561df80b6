"""SGD without N-dimensional vectors: the exact chain of the overlaps."""

from typing import Any

import numpy as np

from quadlib.dynamics.compiled import compiled
from quadlib.dynamics.record import DIVERGED, FINISHED, RUNNING, Record, largest_error
from quadlib.shapes import Array
from quadlib.state import Overlaps, teacher_split
from quadlib.task import Task

TINY = 1e-280
"""The square of a length whose inverse would overflow."""


def block_length(p: int, k: int) -> int:
    """How many directions are opened before the basis is made small again.

    The larger p, the more it costs to make it small. A row of F is a multiple of four numbers,
    the width of the arithmetic.
    """
    length = 5 + p // 4
    return length + -(k + p + length) % 4


def basis(task: Task, start: Overlaps) -> tuple[Array, Array, Array, Array]:
    """Return t and V with T = V diag(t) Vᵀ, and m and a factor L of Q⊥ = L Lᵀ, (8.1)."""
    t, V, m, Q_perp = teacher_split(task, start)
    values, vectors = np.linalg.eigh(Q_perp)
    return t, V, m, vectors * np.sqrt(np.maximum(values, 0.0))


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

    def __init__(self, record: Record, run: int, start: Overlaps, rng: np.random.Generator) -> None:
        task, N = record.task, record.N
        p, k = task.p, task.p_star
        t, V, m, L = basis(task, start)
        block = block_length(p, k)
        F, x = np.zeros((p, k + p + block)), np.zeros((2, k + p + block))
        F[:, :k], F[:, k : k + p] = m, L
        samples = np.array([min(n, 2**62) for n in record.samples])
        self.record, self.run, D = record, run, float(N - k - p)
        # steps done, the first of which only draws an input; row; step of the next look
        self.clock = np.array([-1, 0, 0])
        self.watch = np.array([record.level, np.inf, np.inf])  # level, last loss; passage in steps
        self.constants = (
            (record.every, samples, record.Q[run], record.M[run]),
            (p, k, max(1, min(block, N - k - p))),
            (F, x, np.zeros(p), np.zeros((p, p))),
            (t / k, np.ascontiguousarray(np.sqrt(t)[:, None] * V.T), 2 * record.eta / N, D),
            (np.sqrt(task.label_noise), largest_error(task, start), record.spherical),
            rng,
        )

    def advance(self, budget: int) -> bool:
        """Do at most `budget` SGD steps; whether the run goes on."""
        record, run = self.record, self.run
        try:
            record.state[run] = _loop(budget, self.clock, self.watch, *self.constants)
        finally:  # Ctrl-C is heard when the loop returns
            record.done[run] = max(self.clock[0], 0) / record.N
            record.recorded[run] = self.clock[1]
            record.passage[run] = self.watch[2] / record.N
        return bool(record.state[run] == RUNNING)


@compiled
def _loop(
    budget: int,
    clock: Any,
    watch: Any,
    see: Any,
    sizes: Any,
    arrays: Any,
    geometry: Any,
    numbers: Any,
    rng: Any,
) -> int:
    every, samples, Q, M = see
    p, k, block = sizes
    F, inputs, field, L = arrays
    weight, to_M, rate, D = geometry
    noise, bound, spherical = numbers
    d, width = k + p, F.shape[1]
    done, row, look = clock

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

    def loss(F: Any) -> float:
        """(1.7) of the overlaps."""
        s, square = 0.0, noise * noise / 2
        for a in range(k):
            s -= weight[a]
            square += weight[a] * weight[a]
        total = 0.0
        for i in range(p):
            for h in range(i + 1):
                total = 0.0
                for a in range(width):
                    total += F[i, a] * F[h, a]
                square += (1 + (h < i)) * total * total / (p * p)
            s += total / p
            for a in range(k):
                square -= 2 * F[i, a] * F[i, a] * weight[a] / p
        return s * s / 2 + square  # type: ignore[no-any-return]

    def write(Q: Any, M: Any) -> None:
        for i in range(p):
            for h in range(p):
                Q[i, h] = 0.0
                for a in range(width):
                    Q[i, h] += F[i, a] * F[h, a]
            for r in range(k):
                M[i, r] = 0.0
                for a in range(k):
                    M[i, r] += F[i, a] * to_M[a, r]

    new, x = inputs[done % 2], inputs[1 - done % 2]
    j = done % block
    for step in range(done, done + budget + 1):  # pragma: no branch, since it ends in `break`
        if step == look:
            now = loss(F)
            if now <= watch[0]:
                part = (watch[0] - now) / (watch[1] - now)
                watch[2] = step - every * part
                clock[0] = step
                return FINISHED
            watch[1] = now
            look += every
        while step == samples[row]:
            write(Q[row], M[row])
            row += 1
            if row == len(samples):
                clock[0], clock[1] = step, row
                return FINISHED
        if step == done + budget:
            break
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
            unit, total = F[i], 0.0
            for a in range(len(unit)):
                total += unit[a] * x[a]
            field[i] = total
            output += total * total
        error += output / p
        if not abs(error) < bound:
            clock[0], clock[1] = step, row
            return DIVERGED
        for i in range(p):
            unit, move = F[i], rate * error * field[i]
            for a in range(len(unit)):
                unit[a] -= move * x[a]  # (8.4)
            if spherical:  # measured, since a deviation from the sphere may grow as e^α
                norm = 0.0
                for a in range(len(unit)):
                    norm += unit[a] * unit[a]
                norm = 1 / np.sqrt(norm)
                for a in range(len(unit)):
                    unit[a] *= norm  # (1.5)
        if j == 0:
            # F[:, k:] becomes its factor L, by modified Gram-Schmidt
            for r in range(p):
                first, length = F[r, k:], 0.0
                for a in range(len(first)):
                    length += first[a] * first[a]
                inverse = 1 / length if length > TINY else 0.0
                length = np.sqrt(length)
                for i in range(r + 1, p):
                    unit, total = F[i, k:], 0.0
                    for a in range(len(unit)):
                        total += first[a] * unit[a]
                    total *= inverse
                    L[i, r] = total * length
                    for a in range(len(unit)):
                        unit[a] -= total * first[a]
                first[:] = 0.0
                for a in range(r):
                    first[a] = L[r, a]
                first[r] = length
    clock[0], clock[1], clock[2] = done + budget, row, look
    return RUNNING
