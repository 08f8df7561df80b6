"""SGD without N-dimensional vectors: the exact chain of the overlaps."""

from typing import Any

import numpy as np

from quadlib.dynamics.compiled import compiled
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.task import Task

__all__ = ["OverlapChain"]

BLOCK = 6
"""Inputs for which new directions are opened before the basis is made small again."""


class OverlapChain:
    r"""One-pass SGD in a basis of k = p* + p directions, exact in law for every N ≥ p + p*.

    The first p* directions are the teacher's, the next p span the students: W = √N Fᵀ E with
    orthonormal rows E and F (k, p). Of an input only its k coordinates x_j ~ N(0, I) and its
    products with the earlier inputs of a block of steps matter. The parts outside the basis
    are independent Gaussian vectors of dimension D = N − k, and Y Yᵀ is their Gram matrix if

    .. math:: Y_{ji} \sim N(0, 1) \;(i < j), \qquad Y_{jj}^2 \sim χ^2(D - j).

    With V the students before rescaling (w_i = P_i v_i, P = 1 if free), a step is

    .. math:: μ_j &= F^T x_j - \sum_{i<j} c_i (x_i \cdot x_j + y_i \cdot y_j), \quad λ = P μ_j,\\
              c_j &= (2ηΔ/N) μ_j .

    After the block F and its new rows −Yᵀc, p + BLOCK of them without the teacher's, are
    reduced to p by a QR factorisation.

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
        m = (start.M @ self.teacher / self.root_t).T  # (8.1)
        g, R = np.linalg.eigh(start.Q - m.T @ m)
        B = np.sqrt(np.maximum(g, 0.0))[:, None] * R.T
        block = max(1, min(BLOCK, N - k - p))
        self.F = np.vstack([m, B, np.zeros((block, p))])
        self.P = np.ones(p)
        self.x = np.zeros((block, k + p + block))
        self.c = np.zeros((block, p))
        self.scratch = (np.zeros(p), np.zeros(p), np.zeros((p, p)))
        self.position = 0
        bound = 1e6 * (1 + np.trace(start.Q) / p + np.trace(task.T) / k)
        noise = np.sqrt(task.label_noise)
        self.constants = (t / k, 2 * eta / N, N - k - p, noise, bound, spherical, rng)
        self.loop = _loop(p, k, block)

    def advance(self, steps: int) -> bool:
        """Do some SGD steps; False if the error Δ left all bounds."""
        self.position, finite = self.loop(
            steps, self.position, self.F, self.P, self.x, self.c, *self.scratch, *self.constants
        )
        return bool(finite)

    def overlaps(self) -> tuple[Array, Array]:
        """Q and M after the steps done so far, in the middle of a block or not."""
        j, k = self.position, len(self.root_t)
        F = (self.F - self.x[:j].T @ self.c[:j]) * self.P
        return F.T @ F, F[:k].T * self.root_t @ self.teacher.T


@compiled
def _loop(p: int, k: int, block: int) -> Any:
    d = k + p

    def loop(
        steps: int,
        j: int,
        F: Any,
        P: Any,
        x: Any,
        c: Any,
        mu: Any,
        dot: Any,
        R: Any,
        weight: Any,
        rate: float,
        D: int,
        noise: float,
        bound: float,
        spherical: bool,
        rng: Any,
    ) -> Any:
        for _ in range(steps):
            mu[:] = 0.0
            target = 0.0
            for a in range(k):
                z = rng.standard_normal()
                x[j, a] = z
                target += weight[a] * z * z
                for i in range(p):
                    mu[i] += F[a, i] * z
            for a in range(k, d):
                z = rng.standard_normal()
                x[j, a] = z
                for i in range(p):
                    mu[i] += F[a, i] * z
            for b in range(j):
                x[j, d + b] = rng.standard_normal()
            if D > 0:
                x[j, d + j] = np.sqrt(rng.chisquare(D - j))  # (8.5)
            for b in range(j):
                product = 0.0
                for a in range(d + block):
                    product += x[b, a] * x[j, a]
                for i in range(p):
                    mu[i] -= product * c[b, i]
            output = 0.0
            for i in range(p):
                output += (P[i] * mu[i]) ** 2
            error = output / p - target
            if noise > 0.0:
                error -= noise * rng.standard_normal()
            if not abs(error) < bound:
                return j, False
            h = rate * error
            for i in range(p):
                c[j, i] = h * mu[i]
            if spherical:
                R2 = 0.0
                for a in range(d + block):
                    R2 += x[j, a] ** 2
                for i in range(p):
                    change = h * (P[i] * mu[i]) ** 2
                    P[i] /= np.sqrt(1 - 2 * change + h * change * R2)
            j += 1
            if j == block:
                for b in range(block):
                    for a in range(d + block):
                        for i in range(p):
                            F[a, i] -= x[b, a] * c[b, i]
                if spherical:  # measured, since a deviation from the sphere may grow as e^α
                    for i in range(p):
                        square = 0.0
                        for a in range(d + block):
                            square += F[a, i] * F[a, i]
                        P[i] = 1 / np.sqrt(square)
                for a in range(d + block):
                    for i in range(p):
                        F[a, i] *= P[i]
                P[:] = 1.0
                # F[k:] becomes the R of its QR factorisation, by modified Gram-Schmidt
                for r in range(p):
                    dot[:] = 0.0
                    for a in range(k, d + block):
                        z = F[a, r]
                        for i in range(p):
                            dot[i] += z * F[a, i]
                    square = dot[r]
                    scale = 1 / np.sqrt(square) if square > 0.0 else 0.0
                    for i in range(p):
                        R[r, i] = scale * dot[i] if i >= r else 0.0
                        dot[i] *= scale * scale
                    for a in range(k, d + block):
                        z = F[a, r]
                        for i in range(p):
                            F[a, i] -= z * dot[i]
                F[k:d] = R
                F[d:] = 0.0
                x[:] = 0.0
                j = 0
        return j, True

    return loop
