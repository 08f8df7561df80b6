"""Averages over random starts: of few starts by the ODE, of many by a polynomial fitted to it."""

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from quadlib.checks import read_only
from quadlib.shapes import Array

PARTS = 8
"""Independent parts of a set of starts; their spread is the error of an average."""

_ROOTS = np.sqrt([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53])


def _numbers(
    draws: int, normals: int, freedom: Array
) -> Generator[None, None, tuple[Array, Array]]:
    """Return Gaussian and chi-square numbers of these degrees of freedom, one row for each.

    Few dimensions are filled evenly: Kronecker's sequence, a random shift for each part.
    """
    from scipy.special import gammaincinv, ndtri

    rng, freedom = np.random.default_rng((draws, normals, len(freedom))), freedom[:, None]
    if normals + len(freedom) > len(_ROOTS):
        numbers, squares = np.empty((normals, draws)), np.empty((len(freedom), draws))
        for row in numbers:
            yield
            rng.standard_normal(out=row)
        for degrees, row in zip(freedom[:, 0] / 2, squares, strict=True):
            yield
            rng.standard_gamma(degrees, out=row)
        return numbers, 2 * squares
    u = rng.random((PARTS, 1, normals + len(freedom)))
    u = u + np.outer(np.arange(draws // PARTS), _ROOTS[: u.shape[2]])
    u = np.abs(2 * (u % 1.0) - 1).reshape(draws, -1).T.clip(1e-12, 1 - 1e-12)
    for part in np.split(u[normals:], PARTS, axis=1):
        yield
        part[:] = 2 * gammaincinv(freedom / 2, part)
    return ndtri(u[:normals]), u[normals:]


class Spectra(NamedTuple):
    """Squares of bidiagonal matrices B: the diagonal, (n, e), beside it, (n, e − 1); and numbers.

    The singular values are those of Gaussian p × k matrices. Or there is nothing beside the
    diagonal, which is that of R in their QR decomposition.
    """

    diagonal: Array
    beside: Array
    more: Array
    entries: int

    def values(self, chosen: Any = slice(None)) -> Array:
        """Singular values of B, the largest first, or its diagonal."""
        if not self.beside.any():
            return np.asarray(np.sqrt(self.diagonal[chosen]))
        e = np.arange(self.diagonal.shape[1])
        B = np.zeros((len(self.diagonal[chosen]), len(e), len(e)))
        B[:, e, e] = np.sqrt(self.diagonal[chosen])
        B[:, e[1:], e[:-1]] = np.sqrt(self.beside[chosen])
        return np.asarray(np.linalg.svd(B, compute_uv=False))


_SPECTRA: dict[tuple[int, int, int, bool], Spectra] = {}  # they serve every N and learning rate


def spectra(p: int, k: int, draws: int, alike: bool) -> Generator[None, None, Spectra]:
    """Spectra of Gaussian p × k matrices, or, if teacher units are not alike, diagonals of R."""
    e, what = min(p, k), (p, k, draws, alike)
    if what not in _SPECTRA:
        freedom = (max(p, k) if alike else p) - np.arange(e)
        freedom = np.concatenate([freedom, np.arange(e - 1, 0, -1) * alike])
        more, squares = yield from _numbers(draws, 1, np.maximum(freedom, 1))
        diagonal, beside = read_only(squares[:e].T), read_only(alike * squares[e:].T)
        if len(_SPECTRA) == 16:
            _SPECTRA.clear()
        _SPECTRA[what] = Spectra(diagonal, beside, read_only(more[0]), int(freedom.sum()))
    return _SPECTRA[what]


def matrices(p: int, k: int, draws: int, whole: bool) -> Generator[None, None, tuple[Array, Array]]:
    """Gaussian p × k matrices, or (units may be rotated) the R of their QR; Gaussian numbers."""
    if whole:
        G, _ = yield from _numbers(draws, p * k + 1, np.zeros(0))
        return G[1:].T.reshape(-1, p, k), G[0]
    e = min(p, k)
    upper = np.triu_indices(e, 1, k)
    freedom = p - np.arange(e)
    G, squares = yield from _numbers(draws, 1 + len(upper[0]), freedom)
    R = np.zeros((draws, e, k))
    R[:, np.arange(e), np.arange(e)] = np.sqrt(squares).T
    yield
    R[:, *upper] = G[1:].T
    return R, G[0]


def of_spectra(spectra: Spectra, x: Array) -> Array:
    """Logarithms of length, det BBᵀ, and det(I + x BBᵀ) for each column of x, (e, m)."""
    diagonal, beside = spectra.diagonal, spectra.beside
    length = np.log(diagonal.sum(1) + beside.sum(1)) / 2
    if len(x) == 1:
        return np.asarray(length[:, None])
    D = 1 + np.outer(diagonal[:, 0], x[0])
    found = np.log(D)
    for i in range(1, len(x)):
        off = np.outer(diagonal[:, i - 1] * beside[:, i - 1], x[i] * x[i - 1])
        D = 1 + np.outer(diagonal[:, i] + beside[:, i - 1], x[i]) - off / D
        found += np.log(D)
    return np.column_stack([length, found, np.log(diagonal).sum(1)])


def of_matrices(G: Array, grown: Array, t: Array, whole: bool) -> Generator[None, None, Array]:
    """`_of_some` of all, some at a time, which fit a cache."""
    found: list[Array] = []
    for some in np.split(G, PARTS):
        yield
        found.append(_of_some(some, grown, t, whole))
    return np.concatenate(found)


def _of_some(G: Array, grown: Array, t: Array, whole: bool) -> Array:
    """Length of each matrix and what says how it goes on after it has grown by factors (n, k).

    Free, log det(I + GᵀG). On the sphere, where each unit saturates for itself, the loss of
    units that do, and invariants of the fourth and sixth degree of the shape.
    """
    _, p, k = G.shape
    e, W, length = min(p, k), G.swapaxes(1, 2) @ G / p, np.linalg.norm(G, axis=(1, 2))
    factors = np.linalg.cholesky(W[:, :e, :e]) if whole else G[:, :, :e]
    found = [np.log(length), *np.log(np.diagonal(factors, axis1=1, axis2=2).T)]
    for factor in grown:
        a = G * factor
        if not whole:
            found.append(np.linalg.slogdet(np.eye(k) + a.swapaxes(1, 2) @ a)[1])
            continue
        a /= np.sqrt(1 + np.einsum("npk,npk->np", a, a))[..., None]
        b = a.swapaxes(1, 2) @ a / p - np.diag(t)
        found.append(np.log(np.einsum("nij,nij->n", b, b)))
    if whole:
        G = G * (math.sqrt(p * k) / length)[:, None, None]
        r, W = np.einsum("npk,npk->np", G, G), W * (p * k / length**2)[:, None, None]
        V, WW = G.swapaxes(1, 2) @ (r[..., None] * G) / p, W @ W
        found += [np.einsum("nij,nij->n", A, B) for A, B in ((W, W), (WW, W), (V, W))]
        found += [np.einsum("nii->n", V), (r**3).mean(1), np.log(r).mean(1)]
    return np.array(found).T


class Average(NamedTuple):
    """Mean and variance over starts, their errors, and a sample of that law."""

    mean: float
    var: float
    mean_error: float
    var_error: float
    sample: Array


def average(y: Array, few: Array, many: Array, entries: int) -> Average:
    """Average y, known for a few starts, with what is known of these and of many more.

    A polynomial is fitted to y and averaged over the many; what it misses over the few. The first
    column is the logarithm of a Gaussian's length, of `entries`, the moments of which are exact.
    """
    from scipy.special import digamma, polygamma

    centre, scale = many.mean(0), many.std(0) + 1e-300
    few, many, n = (few - centre) / scale, (many - centre) / scale, len(y)
    rows, columns = np.triu_indices(few.shape[1])
    if len(rows) > n / 4:  # fewer terms
        rows = columns = np.arange(few.shape[1] if 8 * few.shape[1] < n else 0)

    def terms(x: Array) -> Array:
        return np.hstack([np.ones((len(x), 1)), x, x[:, rows] * x[:, columns]])

    few, parts = terms(few), np.array_split(many, 1 + len(many) // 512)  # which fit a cache
    weights = np.linalg.lstsq(few, y, rcond=1e-5)[0]
    fit, fits = few @ weights, np.concatenate([terms(part) @ weights for part in parts])
    fits = np.clip(fits, y.min() - y.std(), y.max() + y.std())
    length, rest = many[:, 0] * scale[0] + centre[0], y - fit
    exact, variance = (digamma(entries / 2) + math.log(2)) / 2, polygamma(1, entries / 2) / 4
    slope = float(np.cov(length, fits)[0, 1] / length.var(ddof=1))
    others = fits - slope * (length - exact)
    mean = float(others.mean())
    var = float(others.var(ddof=1) + slope**2 * variance + rest @ rest / n)
    square = rest**2 + 2 * rest * (fit - mean)
    errors = [x.reshape(PARTS, -1).mean(1).std(ddof=1) for x in (others, (others - mean) ** 2)]
    mean_error, var_error = (
        float(math.hypot(x / math.sqrt(PARTS), z.std() / math.sqrt(n - min(n - 1, few.shape[1]))))
        for x, z in zip(errors, (rest, square), strict=True)
    )
    return Average(mean, var, mean_error, var_error, fits + np.resize(rest, len(fits)))
