"""Between the chain and the ODE: a few draws of the fields stand for many samples."""

import math
from typing import Any

import numpy as np

from quadlib.dynamics.compiled import compiled
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.task import Task, joint_covariance

__all__ = ["Diffusion"]

ACCURATE, STABLE = 0.2, 1.0
"""A step times the fastest rate of the drift: by default, and at most."""

DRAWS = 16
"""Draws of the fields a step: one alone has heavier tails than the sum of many samples."""


class Diffusion:
    r"""Steps of length δ ≫ 1/N in α, with the mean and the covariance of N δ steps of SGD.

    With fields u = (u_s, u_t) ~ N(0, C) and their error D = uᵀAu − noise,

    .. math::
        M &\mathrel{+}= δ\,\dot M - 2η\sqrt{δ/N}\,(D u_s u_t^T - Φ_M) \\
        Q &\mathrel{+}= δ\,\dot Q - 4η\sqrt{δ/N}\,(D u_s u_s^T - Φ_Q)
                        + 4η^2\sqrt{δ/N}\,(D^2 u_s u_s^T - Γ_Q)

    where the drift (Ṁ, Q̇) is averaged over the step by Heun's method, and the noise over a few
    draws, which brings its law, not only its covariance, near that of many samples. δ is short
    against the fastest rate 4η(|s| + 2 tr Q/p + 2 tr T/p*), and is halved where C would not stay
    positive semidefinite. Spherical units are rescaled after each step.

    Notes
    -----
    docs/theory.md (9.1), (9.2).
    """

    def __init__(
        self,
        task: Task,
        start: Overlaps,
        eta: float,
        N: int,
        spherical: bool,
        rng: np.random.Generator,
        step: float | None,
    ) -> None:
        self.p, self.N = task.p, float(N)  # an int of more than 64 bits is none to numba
        d = task.p + task.p_star
        self.C = joint_covariance(start.Q, start.M, task.T)
        self.scratch = np.zeros((8, d, d))
        bound = 1e6 * (1 + np.trace(start.Q) / task.p + np.trace(task.T) / task.p_star)
        longest = math.inf if step is None else step
        safety = ACCURATE if step is None else STABLE
        noise = task.label_noise
        self.problem = (task.p, task.readout, eta, self.N, noise, bound, spherical)
        self.stepping = (longest, safety, rng)
        # in samples; only the shortest interval between two returns depends on it
        self.stride = max(1, round(min(longest, 1.0) * N))
        self.loop = _loop()

    def advance(self, samples: int) -> bool:
        """Do the steps that stand for some samples; False if the error D left all bounds."""
        time = samples / self.N
        status = self.loop(time, self.C, self.scratch, *self.problem, *self.stepping)
        if status == 2:
            raise ValueError(
                f"N must be large enough for steps of many samples, got {self.N:g}, where the "
                'overlaps stop being a covariance; use method="overlaps".'
            )
        return bool(status == 0)

    def overlaps(self) -> tuple[Array, Array]:
        """Q and M after the steps done so far."""
        return self.C[: self.p, : self.p].copy(), self.C[: self.p, self.p :].copy()


@compiled
def _loop() -> Any:
    def loop(
        time: float,
        C: Any,
        scratch: Any,
        p: int,
        A: Any,
        eta: float,
        N: float,
        label_noise: float,
        bound: float,
        spherical: bool,
        longest: float,
        safety: float,
        rng: Any,
    ) -> Any:
        d = len(C)

        def copy(source: Any, target: Any) -> None:
            """As target[:] = source, which takes numba seconds to compile."""
            for a in range(d):
                for b in range(d):
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

        L, new_L, old, CAC, rate, jump, first, second = scratch
        u, half = np.zeros(d), np.zeros(d)
        limit = longest
        if not factor(C, L):
            return 2
        while time > 0.0:
            s = 0.0
            size = 0.0
            for a in range(d):
                s += A[a] * C[a, a]
                size += abs(A[a]) * C[a, a]
            fastest = 4 * eta * (abs(s) + 2 * size)
            step = min(limit, safety / fastest if fastest > 0.0 else time)
            if step < time:
                step = time / np.ceil(time / step)
            else:
                step = time
            draws = min(DRAWS, max(1, int(step * N + 0.5)))
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
                    return 1
                for i in range(p):
                    for b in range(d):
                        first[i, b] += error * u[i] * u[b]
                        if b < p:
                            second[i, b] += error * error * u[i] * u[b]
            half[:] = 0.0
            copy(C, old)
            for stage in range(2):  # Heun: at C, then at the end of Euler's step
                s, square = 0.0, label_noise
                for a in range(d):
                    s += A[a] * C[a, a]
                    for b in range(d):
                        square += 2 * A[a] * A[b] * C[a, b] * C[a, b]
                square += s * s  # (1.7)
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
                            CACAC = 0.0
                            for a in range(d):
                                CACAC += CAC[i, a] * A[a] * C[a, b]
                            Gamma = square * C[i, b] + 4 * s * CAC[i, b] + 8 * CACAC  # (1.9)
                            rate[i, b] = 2 * rate[i, b] + 4 * eta**2 * Gamma  # (2.2)
                            noise = 2 * noise + 4 * eta**2 * (second[i, b] - draws * Gamma)  # (9.2)
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
                        jump[i, b] += step / 2 * rate[i, b]
                        move = step * rate[i, b] if stage == 0 else jump[i, b]
                        C[i, b] = old[i, b] + move
                        C[b, i] = C[i, b]
            if spherical:
                for i in range(p):
                    scale = 1 / np.sqrt(C[i, i]) if C[i, i] > 0.0 else 1.0
                    for b in range(d):
                        C[i, b] *= scale
                        C[b, i] *= scale
                    C[i, i] = 1.0
            if factor(C, new_L):
                L, new_L = new_L, L
                time -= step
                limit = longest
            else:
                copy(old, C)
                limit = step / 2
                if limit * N < 1e-3:
                    return 2
        return 0

    return loop
