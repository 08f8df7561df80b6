"""Averages over random starts: where to start, and with what error."""

import math

import numpy as np

from quadlib.shapes import Array

__all__ = ["PARTS", "moments", "regressed", "saturation", "starts"]

PARTS = 8
"""Independent parts of a set of starts; their spread is the error of an average."""

_ROOTS = np.sqrt([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53])


def starts(p: int, k: int, draws: int, whole: bool) -> tuple[Array, Array]:
    """Return Gaussian p × k matrices in `PARTS` parts, and one more Gaussian number each.

    If not `whole`, the factor R of their QR decomposition stands for them: units may be rotated.
    Few dimensions are filled evenly: Kronecker's sequence, a random shift for each part.
    """
    from scipy.special import gammaincinv, ndtri

    e = min(p, k)
    entries = p * k if whole else e * k - e * (e - 1) // 2
    u = np.random.default_rng((p, k, draws)).random((PARTS, draws // PARTS, entries + 1))
    if entries < len(_ROOTS):
        u = u[:, :1] + np.outer(np.arange(draws // PARTS), _ROOTS[: entries + 1])
        u = np.abs(2 * (u % 1.0) - 1)
    more, *G = ndtri(u := u.reshape(draws, -1).T.clip(1e-12, 1 - 1e-12))
    if whole:
        return np.stack(G, -1).reshape(-1, p, k), more
    R = np.zeros((draws, e, k))
    for i in range(e):  # χ of p − i degrees of freedom on the diagonal
        R[:, i, i] = np.sqrt(2 * gammaincinv((p - i) / 2, u[1 + i]))
    R[:, *np.triu_indices(e, 1, k)] = np.array(G[e:]).T
    return R, more


def saturation(m: Array, growth: Array, t: Array) -> Array:
    """Return when half is lost in units that grow alike and saturate each for itself.

    On the sphere, to leading order, the components m_i of unit i along the teachers grow as
    a = e^{growth X} m_i and are a/√(1 + |a|²). Scaling m by e^{-c} adds c/growth to X. This X
    follows the time of the full ODE closely, and costs little.
    """
    low, high, p = np.zeros(len(m)), np.full(len(m), 40.0), m.shape[1]
    for _ in range(22):
        X = (low + high) / 2
        a = m * np.exp(X[:, None] * growth)[:, None]
        a /= np.sqrt(1 + np.einsum("npk,npk->np", a, a))[..., None]
        b = a.swapaxes(1, 2) @ a / p - t
        above = np.einsum("nij,nij->n", b, b) > (t**2).sum() / 2
        low, high = np.where(above, X, low), np.where(above, high, X)
    return np.asarray(low + high) / 2


def moments(times: Array) -> tuple[float, float, float, float]:
    """Mean and variance of the finite times, and their errors, from `PARTS` parts."""
    parts = np.ma.masked_invalid(times.reshape(PARTS, -1))
    mean, var = np.asarray(parts.mean(1)), np.asarray(parts.var(1, ddof=1))
    mean_error, var_error = (float(x.std(ddof=1)) / math.sqrt(PARTS) for x in (mean, var))
    return float(mean.mean()), float(var.mean()), mean_error, var_error


def regressed(y: Array, controls: list[tuple[Array, Array]]) -> tuple[float, float, float, float]:
    """Mean and variance of y, and their errors, from a control of which there are many more."""
    best, x, many = -1.0, y, y
    for some, all_of_them in controls:
        both = np.isfinite(some) & np.isfinite(y)
        match = abs(np.corrcoef(some[both], y[both])[0, 1]) if some[both].std() > 0 else 0.0
        if match > best:
            best, x, many = match, some, all_of_them
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    slope = float(np.cov(x, y)[0, 1] / x.var(ddof=1))
    rest, (mean, var, mean_error, var_error) = y - slope * x, moments(many)
    n, r = len(y), float(rest.var(ddof=1))
    of_rest = float(((rest - rest.mean()) ** 2).std()) / math.sqrt(n)
    var_error = math.hypot(slope**2 * var_error, of_rest, 2 * abs(slope) * math.sqrt(var * r / n))
    mean_error = math.hypot(slope * mean_error, math.sqrt(r / n))
    return float(rest.mean()) + slope * mean, r + slope**2 * var, mean_error, var_error
