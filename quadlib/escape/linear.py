"""While M is small: norms, growth and noise of the overlaps, without feedback."""

import numpy as np

from quadlib.checks import Constraint
from quadlib.shapes import Array
from quadlib.task import Task

__all__ = ["LinearStage"]


class LinearStage:
    """The plateau's way: q(α), and growth and noise of each teacher direction."""

    def __init__(self, task: Task, eta: float, constraint: Constraint, plateau_noise: bool) -> None:
        self.p, self.k, self.eta = task.p, task.p_star, eta
        self.label_noise, self.spherical = task.label_noise, constraint == "spherical"
        self.t = np.linalg.eigvalsh(task.T)
        self.noisy = plateau_noise

    def moment(self, q: float, i: int, j: int) -> Array:
        """E[Δ² z^{2i} x_r^{2j}], λ_i = √q z and λ*_r = √T_r x at M = 0, i, j ≤ 2.

        The weight makes squares of standard Gaussians chi-square of 1 + 2i and 1 + 2j degrees.
        """
        p, k, t = self.p, self.k, self.t
        mean = q - t.sum() / k + 2 * i * q / p - 2 * j * t / k
        variance = 2 * (q**2 / p + (t**2).sum() / k**2) + 4 * (i * q**2 / p**2 + j * t**2 / k**2)
        weight = (1, 1, 3)
        return np.asarray(weight[i] * weight[j] * (mean**2 + variance + self.label_noise))

    def drift(self, q: float) -> float:
        """q'/q without constraint, (3.3)."""
        s = q - self.t.sum() / self.k
        noise = self.moment(q, 1, 0)[0]
        return float(-4 * self.eta * (s + 2 * q / self.p) + 4 * self.eta**2 * noise)

    def rates(self, q: float) -> Array:
        """r_r, (3.4) and (3.5)."""
        s = q - self.t.sum() / self.k
        free = -2 * self.eta * (s + 2 * q / self.p - 2 * self.t / self.k)
        return np.asarray(free - self.drift(q) / 2 if self.spherical else free)

    def noise(self, q: float) -> Array:
        """D_r = 4η² E[Δ² λ_i² λ*_r²] at M = 0, (4.2)."""
        return 4 * self.eta**2 * q * self.t * self.moment(q, 1, 1) * self.noisy

    def drag(self, q: float) -> float:
        """N times what ⟨ln M⟩ loses per α by the noise of its growth, fastest direction.

        A sample multiplies M by 1 − 2ηΔx²/N, whose logarithm loses half the mean square. It
        scales norms by 1 − 4ηΔz²/(pN); norms noisy around the plateau are too small on average,
        by twice what their noise would give the growth, and let M grow faster.
        """
        direct, norm = self.moment(q, 0, 2)[-1], self.moment(q, 2, 0)[-1]
        return float(4 * self.eta**2 * self.noisy * (direct / 2 - norm))

    def derivative(self, _alpha: float, y: Array) -> Array:
        """Of q, of ∫r_r, and of v_r e^{-2∫r_r}/T_r, (4.1)."""
        q, growth = y[0], y[1 : self.k + 1]
        dq = 0.0 if self.spherical else q * self.drift(q)
        dv = self.noise(q) / self.t * np.exp(-2 * growth)
        return np.concatenate([[dq], self.rates(q), dv])
