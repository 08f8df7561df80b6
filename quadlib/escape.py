"""When SGD escapes the plateau at finite N: the law of the escape time."""

import math
from dataclasses import dataclass, field

import numpy as np

from quadlib.checks import Constraint, check_constraint, check_dimension, check_real, read_only
from quadlib.plateau import plateau
from quadlib.shapes import Array, Float
from quadlib.task import Task
from quadlib.trajectory import escape_level

__all__ = ["EscapeLaw", "escape_law"]

_SMALL = 1e-3
"""Loss drop, relative to the plateau, up to which M grows linearly for all that matters."""


@dataclass(frozen=True, eq=False)
class EscapeLaw:
    """Distribution over runs of the escape time α at which half of the plateau is lost.

    Attributes
    ----------
    mean, std
        Mean and standard deviation over random starts and samples, in units of α.
    rate
        Growth rate of the student-teacher overlaps on the plateau, of the fastest direction.
    v_eff
        N⟨M_ir²⟩/T_r of the start from which the ODE, free of noise, would escape at the same
        time; 1 at the start, more by the noise collected on the plateau.
    """

    mean: float
    std: float
    rate: float
    v_eff: float
    _centres: Float[Array, " draws"] = field(repr=False)
    _freedom: int = field(repr=False)

    def density(self, alpha: Float[Array, " n"]) -> Float[Array, " n"]:
        """Probability density of the escape time at each `alpha`."""
        times = np.asarray(alpha, dtype=float)[:, None]
        if self._freedom == 0:  # a kernel estimate
            width = self._centres.std() * len(self._centres) ** -0.2
            kernel = np.exp(-(((times - self._centres) / width) ** 2) / 2)
            return np.asarray(kernel.mean(1) / (math.sqrt(2 * math.pi) * width))
        # α = centre − ln(x)/2r where x ~ χ²/freedom, averaged over the centres
        half = self._freedom / 2
        ln_x = -2 * self.rate * (times - self._centres)
        ln_density = half * (math.log(half) + ln_x - np.exp(np.minimum(ln_x, 700)))
        return np.asarray(2 * self.rate * np.exp(ln_density - math.lgamma(half)).mean(1))


def escape_law(
    task: Task, N: int, eta: float, constraint: Constraint = "free", *, plateau_noise: bool = True
) -> EscapeLaw:
    r"""Return the law of the escape time of one-pass SGD from a random start.

    While M is small its entries are Gaussian with variance v_r/N,

    .. math:: v_r' = 2 r_r(q) v_r + D_r(q), \qquad v_r(0) = T_r, \qquad
        v_{\mathrm{eff}} = 1 + \int_0^\infty \frac{D_r}{T_r} e^{-2\int r_r} dα,

    with the growth rate r_r and the noise D_r on the plateau's way q(α). From there the overlap
    ODE leads on to the escape, and its time is averaged over the Gaussian M.

    Parameters
    ----------
    task
        The task; any T.
    N
        Input dimension, at least p + p*; the law holds for N ≫ p p*.
    eta
        Learning rate.
    constraint
        "free" or "spherical".
    plateau_noise
        False leaves out D, the noise collected on the plateau.

    Raises
    ------
    NoPlateauError
        If there is no plateau at this learning rate.
    ValueError
        If the plateau is stable, or half of its loss cannot be lost.

    Notes
    -----
    docs/theory.md (4.1)-(4.5). The average is over a fixed set of random directions of M; for
    T = I the length of M is averaged over exactly.
    """
    from scipy.integrate import solve_ivp

    check_constraint(constraint)
    N = check_dimension(N, task.p, task.p_star)
    eta = check_real("eta", eta, strict=True)
    level = plateau(task, eta, constraint)
    if level.escape_rate <= 0:
        raise ValueError(
            f"eta must be small enough for the plateau to be left, got eta = {eta:g}, where M "
            f"grows at rate {level.escape_rate:.3g}; lower eta."
        )
    start = _Start(task, eta, constraint, plateau_noise)
    # Time until the typical loss drop (4.6) is small but no longer tiny
    drop = 2 * np.array(start.t).sum() / (task.p_star**2 * N)
    linear = max(0.0, math.log(_SMALL * level.loss / drop) / (2 * level.escape_rate))
    k = task.p_star
    y0 = np.concatenate([[1.0], np.zeros(k), np.ones(k)])
    end = linear + 10 / level.escape_rate
    way = solve_ivp(start.derivative, (0.0, end), y0, t_eval=[linear, end], rtol=1e-8, atol=1e-10)
    q, growth = way.y[0, 0], way.y[1 : k + 1, 0]
    # v_r e^{-2∫r}/T_r, now and at last (4.3); what shrinks on the plateau collects no further
    v = np.where(start.rates(level.q) > 0, way.y[k + 1 :, 1], way.y[k + 1 :, 0])
    amplitude = np.sqrt(v * start.t / N) * np.exp(growth)

    identity = bool(np.ptp(start.t) <= 1e-12 * start.t[0])
    rng = np.random.default_rng(0)
    e = task.p if constraint == "spherical" else min(task.p, k)
    draws = int(np.clip(8000 / (e * (e + k)), 64, 1000))
    G = rng.standard_normal((draws, task.p, k))
    if identity:
        # The length of G is that of χ with p p* degrees of freedom, apart from its direction
        G *= math.sqrt(task.p * k) / np.linalg.norm(G, axis=(1, 2), keepdims=True)
    M = G * amplitude
    if constraint == "free" and task.p > k:
        M = np.linalg.qr(M, mode="r")  # units may be rotated: p − p* of them see nothing
    target = escape_level(task, eta, constraint)
    centres = linear + _passages(task, start.t, eta, constraint, q, M, target, level.escape_rate)
    mean, variance, freedom = centres.mean(), centres.var(), 0
    if identity:
        from scipy.special import digamma, polygamma

        freedom = task.p * k
        half = freedom / 2
        mean -= (digamma(half) - math.log(half)) / (2 * level.escape_rate)
        variance += polygamma(1, half) / (2 * level.escape_rate) ** 2
    fastest = int(np.argmax(start.t))
    return EscapeLaw(
        float(mean),
        math.sqrt(variance),
        level.escape_rate,
        float(v[fastest]),
        read_only(centres),
        freedom,
    )


class _Start:
    """The plateau's way: q(α), and growth and noise of each teacher direction."""

    def __init__(self, task: Task, eta: float, constraint: Constraint, plateau_noise: bool) -> None:
        self.p, self.k, self.eta = task.p, task.p_star, eta
        self.label_noise, self.spherical = task.label_noise, constraint == "spherical"
        self.t = np.linalg.eigvalsh(task.T)
        self.noisy = plateau_noise

    def drift(self, q: float) -> float:
        """q'/q without constraint, (3.3)."""
        p, k, eta = self.p, self.k, self.eta
        s = q - self.t.sum() / k
        square = s**2 + 2 * (q**2 / p + (self.t**2).sum() / k**2) + self.label_noise
        noise = square + 4 * s * q / p + 8 * q**2 / p**2
        return float(-4 * eta * (s + 2 * q / p) + 4 * eta**2 * noise)

    def rates(self, q: float) -> Array:
        """r_r, (3.4) and (3.5)."""
        s = q - self.t.sum() / self.k
        free = -2 * self.eta * (s + 2 * q / self.p - 2 * self.t / self.k)
        return np.asarray(free - self.drift(q) / 2 if self.spherical else free)

    def noise(self, q: float) -> Array:
        """D_r = 4η² E[Δ² λ_i² λ*_r²] at M = 0, (4.2)."""
        if not self.noisy:
            return np.zeros(self.k)
        p, k, t = self.p, self.k, self.t
        S = t.sum()
        student = q**2 * (p + 2) * (p + 4) / p**2
        both = q * (p + 2) / p * (S + 2 * t) / k
        teacher = (S**2 + 2 * (t**2).sum() + 4 * S * t + 8 * t**2) / k**2
        return np.asarray(
            4 * self.eta**2 * q * t * (student - 2 * both + teacher + self.label_noise)
        )

    def derivative(self, _alpha: float, y: Array) -> Array:
        """Of q, of ∫r_r, and of v_r e^{-2∫r_r}/T_r, (4.1)."""
        q, growth = y[0], y[1 : self.k + 1]
        dq = 0.0 if self.spherical else q * self.drift(q)
        dv = self.noise(q) / self.t * np.exp(-2 * growth)
        return np.concatenate([[dq], self.rates(q), dv])


def _passages(
    task: Task,
    t: Array,
    eta: float,
    constraint: Constraint,
    q: float,
    M: Array,
    level: float,
    rate: float,
) -> Array:
    """Times the overlap ODE takes from Q = q I and each M to the level, by Runge-Kutta steps.

    Students that M does not reach, all alike, are one number: their squared norm q.
    """
    n, e, k = M.shape
    p, surplus = task.p, task.p - e
    A = np.repeat([1 / p, -1 / k], [e, k])
    C = np.zeros((n, e + k, e + k))
    C[:, e:, e:] = np.diag(t)

    def unpack(y: Array) -> Array:
        C[:, :e] = y[:, :-1].reshape(n, e, e + k)
        C[:, e:, :e] = np.swapaxes(C[:, :e, e:], 1, 2)
        return C

    def moments(y: Array) -> tuple[Array, Array, Array, Array]:
        CA = unpack(y) * A
        q0 = y[:, -1]
        s = np.trace(CA, axis1=1, axis2=2) + surplus * q0 / p
        tr = (CA * np.swapaxes(CA, 1, 2)).sum((1, 2)) + surplus * (q0 / p) ** 2
        return CA, q0, s, s**2 + 2 * tr + task.label_noise

    def derivative(y: Array) -> Array:
        CA, q0, s, square = moments(y)
        CAC = CA[:, :e] @ C
        S, E = s[:, None, None], square[:, None, None]
        dy = -2 * eta * (S * C[:, :e] + 2 * CAC)  # (2.1)
        Gamma = E * C[:, :e, :e] + 4 * S * CAC[:, :, :e] + 8 * (CAC * A) @ C[:, :, :e]
        dy[:, :, :e] = 2 * dy[:, :, :e] + 4 * eta**2 * Gamma  # (2.2)
        if constraint == "spherical":
            half = np.diagonal(dy, axis1=1, axis2=2) / 2  # (2.3), Q_ii = 1
            dy -= half[:, :, None] * C[:, :e]
            dy[:, :, :e] -= half[:, None, :] * C[:, :e, :e]
        x = q0 / p
        Gamma0 = square * q0 + 4 * s * q0 * x + 8 * q0 * x**2
        dq0 = -4 * eta * (s * q0 + 2 * q0 * x) + 4 * eta**2 * Gamma0
        return np.hstack([dy.reshape(n, -1), dq0[:, None]])

    block = np.zeros((n, e, e + k))
    block[:, :, :e] = q * np.eye(e)
    block[:, :, e:] = M
    y = np.hstack([block.reshape(n, -1), np.full((n, 1), q)])
    step = min(0.05 / eta, 0.2 / rate)
    times, last = np.full(n, np.inf), moments(y)[3] / 2
    times[last <= level] = 0.0
    for i in range(math.ceil(100 / (rate * step))):
        k1 = derivative(y)
        k2 = derivative(y + step / 2 * k1)
        k3 = derivative(y + step / 2 * k2)
        y = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + derivative(y + step * k3))
        loss = moments(y)[3] / 2
        passed = np.isinf(times) & (loss <= level)
        fraction = (last - level) / np.where(passed, last - loss, 1.0)
        times[passed] = step * (i + fraction[passed])
        last = loss
        if np.isfinite(times).all():
            return times
    raise ValueError(
        f"The task must allow half of the plateau's loss to be lost, got p = {p} and p_star = "
        f"{k}, where the ODE stays above {level:.3g}; raise p or lower eta."
    )
