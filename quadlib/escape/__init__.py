"""When SGD escapes the plateau at finite N: the law of the escape time."""

import math
from dataclasses import dataclass, field

import numpy as np

from quadlib.checks import Constraint, check_constraint, check_dimension, check_real, read_only
from quadlib.escape.linear import LinearStage
from quadlib.escape.passage import passages
from quadlib.plateau import NoPlateauError, plateau
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
        If there is no plateau at this learning rate, or random weights do not reach it.
    ValueError
        If the plateau is stable, or half of its loss cannot be lost.

    Notes
    -----
    docs/theory.md (4.1)-(4.5). The average is over a fixed set of random directions of M; for
    T = I the length of M is averaged over exactly. A term of order 1/N, which makes the mean
    right to about 1 % at N = 1000, stands in `LinearStage.drag`.
    """
    from scipy.integrate import solve_ivp
    from scipy.special import digamma, polygamma

    check_constraint(constraint)
    N = check_dimension(N, task.p, task.p_star)
    eta = check_real("eta", eta, strict=True)
    level = plateau(task, eta, constraint)
    if level.escape_rate <= 1e-6 * eta:  # zero up to rounding
        raise ValueError(
            f"eta must be small enough for the plateau to be left, got eta = {eta:g}, where M "
            f"grows at rate {level.escape_rate:.3g}; lower eta."
        )
    start = LinearStage(task, eta, constraint, plateau_noise)
    if constraint == "free" and level.q < 1 <= 1 + start.drift(1.0):  # above the larger root
        raise NoPlateauError(
            f"eta must be small enough for random weights to reach the plateau, got "
            f"eta = {eta:g}, where their norms grow without bound from the start; lower eta."
        )
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
    draws = int(np.clip(20000 / (e * (e + k)), 128, 2000))
    G = rng.standard_normal((draws, task.p, k))
    if identity:
        # The length of G is that of χ with p p* degrees of freedom, apart from its direction
        G *= math.sqrt(task.p * k) / np.linalg.norm(G, axis=(1, 2), keepdims=True)
    M = G * amplitude
    if constraint == "free" and task.p > k:
        M = np.linalg.qr(M, mode="r")  # units may be rotated: p − p* of them see nothing
    target = escape_level(task, eta, constraint)
    centres = linear + passages(task, start.t, eta, constraint, q, M, target, level.escape_rate)
    growing = max(0.0, centres.mean() - 1 / level.escape_rate)
    centres += start.drag(level.q) * growing / (N * level.escape_rate)
    mean, variance, freedom = centres.mean(), centres.var(), 0
    if identity:
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
