"""Between the chain and the ODE: a few draws of the fields stand for many samples."""

import math
from typing import Any

import numpy as np

from quadlib.dynamics.compiled import compiled
from quadlib.dynamics.record import DIVERGED, FINISHED, RUNNING, UNFIT, Record, largest_error
from quadlib.state import Overlaps
from quadlib.task import joint_covariance

ACCURATE, STABLE = 0.2, 1.0
"""A step times the fastest rate of the drift: by default, and at most."""

DRAWS = 16
"""Draws of the fields a step: one alone has heavier tails than the sum of many samples."""

SHORTEST, GROWN = 1e-3, 1e-5
"""A step of so few samples that still leaves the possible states: N is too small, or the norms
have grown to this much of what the error Δ may be, that is tenfold, and are on their way."""


class Diffusion:
    r"""Steps of length δ ≫ 1/N in α, with the mean and the covariance of N δ steps of SGD.

    With fields u = (u_s, u_t) ~ N(0, C) and their error D = uᵀAu − noise,

    .. math::
        M &\mathrel{+}= δ\,\dot M - 2η\sqrt{δ/N}\,(D u_s u_t^T - Φ_M) \\
        Q &\mathrel{+}= δ\,\dot Q - 4η\sqrt{δ/N}\,(D u_s u_s^T - Φ_Q)
                        + 4η^2\sqrt{δ/N}\,(D^2 u_s u_s^T - Γ_Q)

    where the drift (Ṁ, Q̇), with its terms of order 1/N, is averaged over the step as N δ steps of
    SGD do, and the noise over a few draws, which brings its law, not only its covariance, near
    that of many samples. δ is short against the fastest rate
    4η(|s| + 2 tr Q/p + 2 tr T/p*), and is halved where C would not stay positive semidefinite.
    Spherical units are rescaled after each step.

    Notes
    -----
    docs/theory.md (9.1)-(9.4).
    """

    def __init__(self, record: Record, run: int, start: Overlaps, rng: np.random.Generator) -> None:
        task, d = record.task, record.task.p + record.task.p_star
        self.record, self.run = record, run
        longest, safety = limits(record.step)
        self.row = np.zeros(1, dtype=np.int64)
        # α, what is left to the next record, limit of the step, last step
        self.clock = np.array([0.0, record.lengths()[0], longest, 0.0])
        self.watch = np.array([record.level, np.inf, np.inf])  # level, last loss; passage
        self.constants = (
            (record.lengths(), record.Q[run], record.M[run]),
            (joint_covariance(start.Q, start.M, task.T), np.zeros((8, d, d))),
            # an int of more than 64 bits is none to numba
            (task.p, task.readout, record.eta, float(record.N), task.label_noise),
            (largest_error(task, start), record.spherical, longest, safety),
            rng,
        )

    def advance(self, budget: int) -> bool:
        """Do at most `budget` steps; whether the run goes on."""
        record, run = self.record, self.run
        try:
            record.state[run] = _loop(budget, self.row, self.clock, self.watch, *self.constants)
        finally:  # Ctrl-C is heard when the loop returns
            record.done[run], record.recorded[run] = self.clock[0], self.row[0]
            record.passage[run] = self.watch[2]
        return bool(record.state[run] == RUNNING)


def limits(step: float | None) -> tuple[float, float]:
    """Return the longest step, and its largest product with the fastest rate."""
    return (math.inf, ACCURATE) if step is None else (step, STABLE)


@compiled
def _loop(
    budget: int,
    place: Any,
    clock: Any,
    watch: Any,
    see: Any,
    arrays: Any,
    numbers: Any,
    stepping: Any,
    rng: Any,
) -> int:
    lengths, Q, M = see
    C, scratch = arrays
    p, A, eta, N, label_noise = numbers
    bound, spherical, longest, safety = stepping
    d, row = len(C), place[0]
    alpha, left, limit = clock[0], clock[1], clock[2]

    def copy(source: Any, target: Any) -> None:
        """As target[:] = source, which takes numba seconds to compile."""
        for a in range(len(target)):
            for b in range(target.shape[1]):
                target[a, b] = source[a, b]

    def factor(C: Any, L: Any) -> bool:
        """Cholesky factor; a pivot that is zero up to rounding is zero."""
        for j in range(d):
            pivot = C[j, j]
            for c in range(j):
                pivot -= L[j, c] * L[j, c]
            if not pivot > -1e-12 * C[j, j]:
                return False
            L[j, j] = np.sqrt(max(pivot, 0.0))
            inverse = 1 / L[j, j] if pivot > 1e-15 * C[j, j] else 0.0
            for i in range(j + 1, d):
                total = C[i, j]
                for c in range(j):
                    total -= L[i, c] * L[j, c]
                L[i, j] = total * inverse
        return True

    def mean_square(s: float) -> float:
        """E[Δ²] without label noise, (1.7)."""
        square = s * s
        for a in range(d):
            for b in range(d):
                square += 2 * A[a] * A[b] * C[a, b] * C[a, b]
        return square

    L, new_L, old, CAC, rate, jump, first, second = scratch
    u, half = np.zeros(d), np.zeros(d)
    if alpha == 0.0 and not factor(C, L):
        return UNFIT
    while True:
        s = 0.0
        size = 0.0
        for a in range(d):
            s += A[a] * C[a, a]
            size += abs(A[a]) * C[a, a]
        if watch[0] >= 0.0:
            now = (mean_square(s) + label_noise) / 2
            if now <= watch[0]:
                part = (watch[0] - now) / (watch[1] - now)
                watch[2] = alpha - clock[3] * part
                clock[0] = alpha
                return FINISHED
            watch[1] = now
        while left <= 0.0:
            copy(C, Q[row])
            copy(C[:, p:], M[row])
            row += 1
            if row == len(lengths):
                clock[0], place[0] = alpha, row
                return FINISHED
            left = lengths[row]
        if budget == 0:
            clock[0], clock[1], clock[2], place[0] = alpha, left, limit, row
            return RUNNING
        budget -= 1
        fastest = 4 * eta * (abs(s) + 2 * size)
        step = min(limit, safety / fastest if fastest > 0.0 else left)
        if step < left:
            step = left / np.ceil(left / step)
        else:
            step = left
        draws = int(min(DRAWS, max(1.0, step * N + 0.5)))
        for i in range(p):
            for b in range(d):
                first[i, b], second[i, b] = 0.0, 0.0
        for _ in range(draws):
            error = 0.0
            if label_noise > 0.0:
                error -= np.sqrt(label_noise) * rng.standard_normal()
            for a in range(d):
                half[a] = rng.standard_normal()
            for a in range(d):
                u[a] = 0.0
                for b in range(a + 1):
                    u[a] += L[a, b] * half[b]
                error += A[a] * u[a] * u[a]
            if not abs(error) < bound:
                clock[0], place[0] = alpha, row
                return DIVERGED
            for i in range(p):
                for b in range(d):
                    first[i, b] += error * u[i] * u[b]
                    if b < p:
                        second[i, b] += error * error * u[i] * u[b]
        half[:] = 0.0
        copy(C, old)
        late = max(0.0, (1 - 1 / (N * step)) / 2)  # (9.4)
        for stage in range(2):  # Heun: at C, then at the end of Euler's step
            s = 0.0
            for a in range(d):
                s += A[a] * C[a, a]
            square = mean_square(s)
            for i in range(p):
                for b in range(d):
                    CAC[i, b] = 0.0
                    for a in range(d):
                        CAC[i, b] += C[i, a] * A[a] * C[a, b]
            for i in range(p):
                for b in range(d):
                    Phi = s * C[i, b] + 2 * CAC[i, b]  # (1.8)
                    rate[i, b] = -2 * eta * Phi  # (2.1)
                    noise = -2 * eta * (first[i, b] - draws * Phi)  # (9.1)
                    if b < p:
                        Gamma = square * C[i, b] + 4 * s * CAC[i, b]
                        for a in range(d):
                            Gamma += 8 * CAC[i, a] * A[a] * C[a, b]  # (1.9)
                        labels = label_noise * C[i, b]
                        mean = (1 + 6 / N) * Gamma + (1 + 2 / N) * labels
                        rate[i, b] = 2 * rate[i, b] + 4 * eta**2 * mean  # (9.3)
                        spread = second[i, b] - draws * (Gamma + labels)
                        noise = 2 * noise + 4 * eta**2 * spread  # (9.2)
                    if stage == 0:
                        jump[i, b] = np.sqrt(step / (N * draws)) * noise
            if spherical:
                for i in range(p):
                    half[i] = rate[i, i] / (2 * C[i, i])
                for i in range(p):
                    for b in range(d):
                        rate[i, b] -= (half[i] + half[b]) * C[i, b]  # (2.3)
            for i in range(p):
                for b in range(d):
                    if stage == 0:
                        C[i, b] = old[i, b] + jump[i, b] + step * rate[i, b]
                        jump[i, b] += step * (1 - late) * rate[i, b]
                    else:
                        C[i, b] = old[i, b] + jump[i, b] + step * late * rate[i, b]
                    C[b, i] = C[i, b]
        if spherical:
            for i in range(p):
                if C[i, i] > 0.0:  # or there is no factor
                    scale = 1 / np.sqrt(C[i, i])
                    for b in range(d):
                        C[i, b] *= scale
                        C[b, i] *= scale
                    C[i, i] = 1.0
        if factor(C, new_L):
            copy(new_L, L)
            alpha += step
            clock[3] = step
            left -= step
            limit = longest
        else:
            copy(old, C)
            limit = step / 2
            if limit * N < SHORTEST:
                clock[0], place[0] = alpha, row
                return DIVERGED if size > GROWN * bound else UNFIT
