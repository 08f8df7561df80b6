"""While M is small: norms, growth and noise of the overlaps, without feedback."""

import math

import numpy as np

from quadlib.checks import Constraint
from quadlib.plateau import plateau
from quadlib.shapes import Array, Float
from quadlib.task import Task


class LinearStage:
    """The plateau's way: q(α), and growth and noise of each teacher direction, T_r ascending."""

    def __init__(
        self, task: Task, eta: float, constraint: Constraint, plateau_noise: bool, q0: float = 1.0
    ) -> None:
        self.p, self.k, self.eta, self.q0 = task.p, task.p_star, eta, q0
        self.label_noise, self.spherical = task.label_noise, constraint == "spherical"
        self.t = np.linalg.eigvalsh(task.T)
        self.noisy, self.level = plateau_noise, plateau(task, eta, constraint)
        self.unit = max(float(self.t.mean()), float(self.spherical))  # of all overlaps
        self.grows = self.rates(self.level.q) > 0  # on the plateau

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

    def shrinking(self, q: float) -> float:
        """Time in which norms shrink to q, above the plateau's, (3.3)."""
        from scipy.integrate import quad

        inverse = lambda x: -1 / self.drift(math.exp(x))  # noqa: E731
        return float(quad(inverse, math.log(q), math.log(self.q0))[0]) if q < self.q0 else 0.0

    def rates(self, q: float) -> Array:
        """r_r, (3.4) and (3.5)."""
        s = q - self.t.sum() / self.k
        free = -2 * self.eta * (s + 2 * q / self.p - 2 * self.t / self.k)
        return np.asarray(free - self.drift(q) / 2 if self.spherical else free)

    def noise(self, q: float) -> Array:
        """D_r = 4η² E[Δ² λ_i² λ*_r²] at M = 0, (4.2)."""
        return 4 * self.eta**2 * q * self.t * self.moment(q, 1, 1) * self.noisy

    def response(self) -> tuple[float, float]:
        """Relaxation rate κ of ln q on the free plateau, and (dr/d ln q)/κ."""
        q, h = self.level.q, 1e-3 * self.level.q
        kappa = q * (self.drift(q - h) - self.drift(q + h)) / (2 * h)
        slope = q * (self.rates(q + h)[-1] - self.rates(q - h)[-1]) / (2 * h)
        return kappa, float(slope) / kappa

    def drag(self) -> float:
        """N times what ⟨ln M⟩ loses per α, fastest direction, (4.7)."""
        q = self.level.q
        direct, norm = self.moment(q, 0, 2)[-1], self.moment(q, 2, 0)[-1]
        length = 6 * self.moment(q, 1, 0)[0] - 4 * self.label_noise
        share = 0.5 if self.spherical else -self.response()[1]
        return float(4 * self.eta**2 * self.noisy * (direct / 2 - norm + share * length))

    def derivative(self, _alpha: float, y: Array) -> Array:
        """Of q/q₀, of ∫r_r, and of v_r e^{-2∫r_r}/(q₀ T_r), (4.1); or, of what shrinks, noise."""
        q, growth, v = self.q0 * y[0], y[1 : self.k + 1], y[self.k + 1 :]
        dq, rates = 0.0 if self.spherical else y[0] * self.drift(q), self.rates(q)
        dv = self.noise(q) / (self.q0 * self.t) * np.exp(-2 * growth * self.grows)
        return np.concatenate([[dq], rates, dv + 2 * rates * v * ~self.grows])

    def follow(self, alpha: float) -> tuple[float, Array, Array]:
        """Return q and ∫r_r at α, and v_r e^{-2∫r_r}/T_r at last, (4.3).

        What shrinks on the plateau collects no further: of it 0, and v_r/T_r at α.
        """
        from scipy.integrate import solve_ivp

        y0, to = np.zeros(2 * self.k + 1), alpha + 10 / self.level.escape_rate
        y0[0], y0[self.k + 1 :] = 1.0, self.grows
        way = solve_ivp(self.derivative, (0.0, to), y0, "LSODA", [alpha, to], rtol=1e-9, atol=1e-11)
        growth, (now, last) = way.y[1 : self.k + 1, 0], way.y[self.k + 1 :].T
        v = self.q0 * np.where(self.grows, last, now + np.exp(2 * growth * ~self.grows))
        return self.q0 * float(way.y[0, 0]), growth * self.grows, v


def effective_variance(
    task: Task, eta: float, constraint: Constraint = "free", q0: float = 1.0
) -> Float[Array, " k"]:
    """Return v_eff of each teacher direction, T_r ascending, (4.3); independent of N."""
    return LinearStage(task, eta, constraint, True, q0).follow(0.0)[2]
