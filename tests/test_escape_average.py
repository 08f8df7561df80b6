"""Random starts of the escape law, and what is known of each."""

import importlib
import math
from typing import Any

import numpy as np
import pytest
from scipy.special import digamma, polygamma

import quadlib as ql
from quadlib.dynamics.progress import to_the_end
from quadlib.escape.average import average, matrices, of_matrices, of_spectra, spectra

DRAWS = 2048


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("quadlib.escape.average"), "_SPECTRA", {})


def assert_mean(values: Any, mean: float, std: float) -> None:
    """Five standard errors of independent draws, false alarm 6e-7; those that fill are nearer."""
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(len(values))


@pytest.mark.parametrize(("p", "k"), [(1, 1), (4, 2), (3, 5), (3, 3), (20, 9)])
def test_spectra_are_those_of_gaussian_matrices(p: int, k: int) -> None:
    """Mean of |G|² and of its square, of ln det GGᵀ, and independence of the numbers beside."""
    found, e, longer = to_the_end(spectra(p, k, DRAWS, True)), min(p, k), max(p, k)
    values, n = found.values(), p * k
    square, det = (values**2).sum(1), 2 * np.log(values).sum(1)
    np.testing.assert_allclose(square, found.diagonal.sum(1) + found.beside.sum(1), rtol=1e-12)
    np.testing.assert_allclose(det, np.log(found.diagonal).sum(1), rtol=1e-9, atol=1e-9)
    assert (np.diff(values) < 0).all()
    assert_mean(square, n, math.sqrt(2 * n))
    assert_mean((square - n) ** 2, 2 * n, 2 * n * math.sqrt(2 + 12 / n))
    assert_mean(det, sum(digamma((longer - i) / 2) + math.log(2) for i in range(e)), det.std())
    assert_mean((values**4).sum(1), n * (p + k + 1), (values**4).sum(1).std())
    assert found.entries == n
    assert_mean(found.more, 0.0, 1.0)
    assert_mean(found.more**2, 1.0, math.sqrt(2))
    assert_mean(found.more * (square - n), 0.0, math.sqrt(2 * n))
    some = np.array([5, 7])
    np.testing.assert_array_equal(found.values(some), values[some])
    with pytest.raises(ValueError, match="read-only"):
        found.diagonal[0] = 0.0
    assert to_the_end(spectra(p, k, DRAWS, True)) is found


@pytest.mark.parametrize(("p", "k"), [(4, 2), (2, 3)])
def test_for_unequal_teachers_the_diagonal_of_R_is_drawn(p: int, k: int) -> None:
    found, freedom = to_the_end(spectra(p, k, DRAWS, False)), p - np.arange(min(p, k))
    np.testing.assert_array_equal(found.values() ** 2, np.sqrt(found.diagonal) ** 2)
    for squares, f in zip(found.diagonal.T, freedom, strict=True):
        assert_mean(squares, f, math.sqrt(2 * f))
    assert found.entries == freedom.sum()
    assert not found.beside.any()


def test_spectra_of_sixteen_kinds_are_kept() -> None:
    kinds = [to_the_end(spectra(p, 1, 8, True)) for p in range(1, 17)]
    assert to_the_end(spectra(1, 1, 8, True)) is kinds[0]
    kinds.append(to_the_end(spectra(17, 1, 8, True)))
    assert to_the_end(spectra(17, 1, 8, True)) is kinds[16]
    assert to_the_end(spectra(1, 1, 8, True)) is not kinds[0]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("p", "k"), [(4, 2), (2, 3), (3, 3)])
def test_matrices_are_gaussian_or_their_R(p: int, k: int, whole: bool) -> None:
    """Of GᵀG the mean and the second moment, of which the QR decomposition knows all."""
    G, more = to_the_end(matrices(p, k, DRAWS, whole))
    assert G.shape == (DRAWS, p if whole else min(p, k), k)
    GG = G.swapaxes(1, 2) @ G
    for i in range(k):
        for j in range(k):
            assert_mean(GG[:, i, j], p * (i == j), math.sqrt(p * (1 + (i == j))))
    second = (GG**2).sum((1, 2))
    assert_mean(second, p * k * (p + k + 1), second.std())
    assert_mean(more, 0.0, 1.0)
    assert_mean(more**2, 1.0, math.sqrt(2))
    assert_mean(more * G[:, 0, 1], 0.0, 1.0)
    assert_mean(more * G[:, 0, 0], 0.0, math.sqrt(p))
    if whole:
        assert_mean(G[:, 0, 0] * G[:, 1, 1], 0.0, 1.0)
        assert len(np.unique(G[0])) == p * k
    else:
        assert (np.tril(G[:, :, : min(p, k)], -1) == 0).all()
        assert (np.diagonal(G, axis1=1, axis2=2) > 0).all()


def test_what_is_not_known_of_a_start_adds_to_the_variance_and_to_the_errors() -> None:
    """Noise of variance one, seen by 400 starts: their errors are those of its moments."""
    rng, n = np.random.default_rng(2), 400
    known = rng.standard_normal((4000, 3))
    known[:, 0] = np.log(np.linalg.norm(rng.standard_normal((4000, 4)), axis=1))
    y = 10 + 2 * known[:n, 0] + rng.standard_normal(n)
    found = average(y, known[:n], known, 4)
    explained = 4 * polygamma(1, 2) / 4
    assert abs(found.mean - 10 - (digamma(2) + math.log(2))) < 5 / math.sqrt(n)
    assert found.mean_error == pytest.approx(1 / math.sqrt(n), rel=0.25)
    error = math.sqrt((2 + 4 * explained) / n)
    assert abs(found.var - explained - 1) < 5 * error
    assert found.var_error == pytest.approx(error, rel=0.25)
    assert found.sample.var() == pytest.approx(found.var, rel=0.1)


@pytest.mark.parametrize(("p", "k", "alike"), [(1, 2, True), (4, 3, True), (4, 3, False)])
def test_what_is_known_of_a_spectrum(p: int, k: int, alike: bool) -> None:
    """Determinants of the bidiagonal matrix itself."""
    found, e = to_the_end(spectra(p, k, 16, alike)), min(p, k)
    x = np.exp(np.random.default_rng(0).standard_normal((e, 2)))
    known = of_spectra(found, x)
    assert known.shape == (16, 1 if e == 1 else 4)
    for row, diagonal, beside in zip(known, found.diagonal, found.beside, strict=True):
        B = np.diag(np.sqrt(diagonal)) + np.diag(np.sqrt(beside), -1)
        expected = [math.log(np.linalg.norm(B))]
        if e > 1:
            expected += [np.linalg.slogdet(np.eye(e) + np.diag(c) @ B @ B.T)[1] for c in x.T]
            expected += [2 * np.linalg.slogdet(B)[1]]
        np.testing.assert_allclose(row, expected, rtol=1e-11)


@pytest.mark.parametrize(("p", "k"), [(4, 2), (2, 3)])
def test_what_is_known_of_a_matrix(p: int, k: int) -> None:
    """Free: determinants. On the sphere: the loss of saturated units, and moments of the shape."""
    rng = np.random.default_rng(1)
    G, grown = rng.standard_normal((8, p, k)), np.exp(rng.standard_normal((2, k)))
    G[:, range(min(p, k)), range(min(p, k))] **= 2  # as in a QR decomposition positive
    t, e = np.array([0.7, 0.3, 0.2])[:k], min(p, k)
    free, sphere = (to_the_end(of_matrices(G, grown, t, whole)) for whole in (False, True))
    for i, g in enumerate(G):
        length = math.log(np.linalg.norm(g))
        dets = [np.log1p(np.linalg.svd(g * a)[1] ** 2).sum() for a in grown]
        expected = [length, *np.log(np.diag(g)[:e]), *dets]
        np.testing.assert_allclose(free[i], expected, rtol=1e-11)
        W, losses = g.T @ g / p, []
        minors = [np.linalg.slogdet(W[:j, :j])[1] for j in range(e + 1)]
        for a in grown:
            m = g * a / np.sqrt(1 + ((g * a) ** 2).sum(1))[:, None]
            T = np.diag(t) * k
            loss = ql.loss(ql.Task(p, k, T), ql.Overlaps(m @ m.T, m @ np.sqrt(T)))
            trace = np.trace(m @ m.T) / p - t.sum()
            losses.append(math.log(loss - trace**2 / 2))
        g = g * math.sqrt(p * k) / np.linalg.norm(g)
        r, W = (g**2).sum(1), g.T @ g / p
        V = sum(r[j] * np.outer(g[j], g[j]) for j in range(p)) / p
        shape = [np.trace(W @ W), np.trace(W @ W @ W), np.trace(V @ W), np.trace(V)]
        shape += [(r**3).mean(), np.log(r).mean()]
        expected = [length, *np.diff(minors) / 2, *losses, *shape]
        np.testing.assert_allclose(sphere[i], expected, rtol=1e-10)


def test_an_average_is_what_is_written_of_it() -> None:
    """One number is known: a parabola is fitted, and its slope's part of the variance exact."""
    rng, n, entries = np.random.default_rng(3), 200, 5
    known = np.log(np.linalg.norm(rng.standard_normal((1600, entries)), axis=1))
    y = 3 * known[:n] + known[:n] ** 2 + 0.2 * rng.exponential(size=n)
    found = average(y, known[:n, None], known[:, None], entries)
    parabola = np.polynomial.Polynomial.fit(known[:n], y, 2)
    fits, rest = parabola(known), y - parabola(known[:n])
    slope, _ = np.polyfit(known, fits, 1)
    exact, variance = (digamma(2.5) + math.log(2)) / 2, polygamma(1, 2.5) / 4
    others = fits - slope * (known - exact)
    mean = others.mean()
    assert found.mean == pytest.approx(mean, rel=1e-9)
    var = others.var(ddof=1) + slope**2 * variance + (rest**2).mean()
    assert found.var == pytest.approx(var, rel=1e-9)
    square = (y - mean) ** 2 - (y - rest - mean) ** 2  # of which the parabola knows nothing
    for error, of_many, of_few in (
        (found.mean_error, others, rest),
        (found.var_error, (others - mean) ** 2, square),
    ):
        parts = of_many.reshape(8, 200).mean(1).std(ddof=1) / math.sqrt(8)
        expected = math.hypot(parts, of_few.std() / math.sqrt(n - 3))
        assert error == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(found.sample, fits + np.tile(rest, 8), rtol=1e-9)


def test_a_polynomial_has_products_where_starts_can_tell_them() -> None:
    """Of 400 starts they are fitted exactly; of 80 only what can be, and noise stays noise."""
    rng = np.random.default_rng(5)
    known = rng.standard_normal((4000, 12))
    known[:, 0] = np.log(np.linalg.norm(rng.standard_normal((4000, 4)), axis=1))
    y = known[:, 1] * known[:, 2] + known[:, 0]
    found = average(y[:400], known[:400], known, 4)
    np.testing.assert_allclose(found.sample[:400], np.clip(y[:400], None, 9), atol=1e-8)
    noise = rng.standard_normal(80)
    found = average(noise, known[:80], known, 4)
    assert found.mean_error == pytest.approx(1 / math.sqrt(80), rel=0.35)
    assert abs(found.mean) < 5 * found.mean_error
    assert math.isfinite(average(noise[:8], known[:8], known, 4).mean_error)
