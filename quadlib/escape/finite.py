"""What is left at finite N: noise of the growth rate, and the loss that fluctuations cost."""

import math

import numpy as np

from quadlib.escape.linear import LinearStage
from quadlib.shapes import Array


class FiniteSize:
    """Fluctuations on the plateau to first order in 1/N, (4.7)-(4.9).

    Averages over a sample are exact: polynomials in its fields, by Gaussian quadrature. But of the
    label of teacher units past the second only mean and variance count.
    """

    def __init__(self, stage: LinearStage) -> None:
        p, k, eta, q = stage.p, stage.k, stage.eta, stage.level.q
        t, s = stage.t[::-1], q - stage.t.sum() / k
        (za, zb, xa, xb, others, rest), weights = _sample(stage)
        zz, xx = za**2 + zb**2 + others, t[0] * xa**2 + (t[1] * xb**2 if k > 1 else 0.0)
        error = q * zz / p - xx / k + rest
        # Relative changes times N: of Q, its trace, its rest, and M, in pair a and in pair b
        kick = -4 * eta * error + 4 * eta**2 * error**2
        trace = kick * zz / p
        pairs = [
            [-2 * eta * x**2 * (error + 2 * q * z**2 / p), trace, kick * z**2 - trace]
            for z, x in ((za, xa), (zb, xb))
        ]
        if stage.spherical:
            pairs = [[m - (mean + more) / 2] for m, mean, more in pairs]
        changes = np.array(pairs)
        changes -= (changes @ weights)[..., None]
        same, other = (np.einsum("in,jn,n->ij", changes[0], x, weights) for x in changes)
        e = min(p, k)
        self.covariance = same / e + other * (1 - 1 / e)
        self.off_diagonal = float(weights @ (kick * za * zb) ** 2)
        self.p, self.q, self.sign = p, q, -1 if stage.spherical else 1
        # Relaxation of tr Q and of the rest of Q, and what they do to the growth rate
        self.kappa_rest = 8 * eta * q / p - 4 * eta**2 * (4 * s * q / p + 16 * q**2 / p**2)
        self.norm, (self.decay, self.response) = 0.0, np.zeros((2, 0))
        if not stage.spherical:
            kappa, response = stage.response()
            self.decay = np.array([kappa, self.kappa_rest])
            self.response = np.array([response, -4 * eta * q / p / self.kappa_rest])
            self.norm = float(same[1, 1] / (2 * kappa))

    def growth(self, alpha: float) -> float:
        """N times the variance of the mean logarithm of M after α, (4.8)."""
        u = (np.arange(64) + 0.5) / 64 * alpha
        done = 1 - np.exp(-np.outer(self.decay, u))
        c = np.concatenate([np.ones((1, 64)), self.response[:, None] * done])
        return float(np.einsum("iu,ij,ju->", c, self.covariance, c)) * alpha / 64

    def excess(self, alpha: float) -> float:
        """N times the loss by which fluctuations of Q raise that of the ODE at α, (4.9)."""
        x = min(-2 * self.kappa_rest * alpha, 200.0)  # beyond, there is no law
        variance = self.off_diagonal * alpha * (math.expm1(x) / x if x else 1.0) + math.exp(x)
        return float(variance * self.q**2 * (1 + self.sign / self.p) * (self.p > 1))


def _sample(stage: LinearStage) -> tuple[list[Array], Array]:
    """Nodes of z_a, z_b, x_a, x_b, the other z² and the rest of the error; and weights."""
    from scipy.special import roots_genlaguerre

    p, k, hermite = stage.p, stage.k, np.polynomial.hermite_e.hermegauss
    nothing, normal, rest = (np.zeros(1), np.ones(1)), hermite(7), hermite(3)
    others = roots_genlaguerre(4, (p - 4) / 2) if p > 2 else nothing
    t = stage.t[: k - 2] / k
    scale = math.sqrt(2 * (t**2).sum() + stage.label_noise)
    axes = [normal, normal if p > 1 else nothing, normal, normal if k > 1 else nothing]
    axes += [(2 * others[0], others[1]), (scale * rest[0] - t.sum(), rest[1])]
    weights = np.ones(1)
    for _, w in axes:
        weights = np.multiply.outer(weights, w / w.sum())
    grid = np.meshgrid(*(x for x, _ in axes), indexing="ij")
    return [x.ravel() for x in grid], weights.ravel()
