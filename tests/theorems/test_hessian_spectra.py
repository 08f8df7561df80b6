"""The landscape: the plateau is a saddle, the solutions a marginally stable manifold."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse.linalg import eigsh

import quadlib as ql
from quadlib.landscape import (
    Spectrum,
    empirical_hessian_operator,
    hessian_operator,
    hessian_spectrum,
)

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference/hessian.json").read_text(encoding="utf-8")
)

sizes = dict(p=st.integers(1, 9), k=st.integers(1, 5), log_N=st.floats(0, 12))
seeds = st.integers(0, 2**31)


def dimension(p: int, k: int, log_N: float) -> int:
    """Between p + p* and 1e12."""
    return max(p + k, int(10**log_N))


def random_teacher(k: int, seed: int) -> np.ndarray:
    G = np.random.default_rng(seed).standard_normal((k, k + 2))
    return G @ G.T / k


def solution(task: ql.Task, seed: int) -> ql.Overlaps:
    """W = √(p/p*) O W* with OᵀO = I: a zero-loss solution for any T."""
    p, k = task.p, task.p_star
    O = np.linalg.qr(np.random.default_rng(seed).standard_normal((p, k)))[0]
    return ql.Overlaps(p / k * O @ task.T @ O.T, np.sqrt(p / k) * O @ task.T)


def plateau(task: ql.Task) -> ql.Overlaps:
    q = ql.plateau(task).q
    return ql.Overlaps(q * np.eye(task.p), np.zeros((task.p, task.p_star)))


def assert_is(spectrum: Spectrum, expected: list[tuple[float, int]]) -> None:
    expected = sorted((value, count) for value, count in expected if count)
    assert [int(n) for n in spectrum.multiplicities] == [count for _, count in expected]
    values = np.array([value for value, _ in expected])
    np.testing.assert_allclose(spectrum.values, values, atol=1e-12 * np.abs(values).max())


@pytest.mark.parametrize("case", REFERENCE["cases"])
def test_reference_eigenvalues(case: dict[str, Any]) -> None:
    w, w_star = np.array(case["w"]), np.array(case["w_star"])
    N = w.shape[1]
    weights = ql.Weights(np.sqrt(N) * w, np.sqrt(N) * w_star)
    spectrum = hessian_spectrum(weights.task(), weights.overlaps, N)
    every = np.repeat(spectrum.values, spectrum.multiplicities)
    np.testing.assert_allclose(every, case["eigenvalues"], rtol=0, atol=1e-13)


@given(**sizes)
@example(p=1, k=1, log_N=0)
@example(p=8, k=4, log_N=12)
@example(p=64, k=2, log_N=6)
@example(p=128, k=128, log_N=12)
def test_plateau_spectrum(p: int, k: int, log_N: float) -> None:
    """(7.4): the p p* directions of growing overlaps are the only ones downhill."""
    N, task = dimension(p, k, log_N), ql.Task(p, k)
    zeros = p * (N - p - k) + p * (p - 1) // 2
    spectrum = hessian_spectrum(task, plateau(task), N)
    expected = [
        (-4 / (p * k), p * k),
        (0, zeros),
        (8 / (p * (p + 2)), p * (p + 1) // 2 - 1),
        (4 / p, 1),
    ]
    assert_is(spectrum, expected)
    assert (spectrum.index, spectrum.nullity) == (p * k, zeros)


@given(**sizes, seed=seeds)
def test_plateau_spectrum_for_any_teacher(p: int, k: int, log_N: float, seed: int) -> None:
    """(7.4): −4 T_r/(p p*), p times each, for the eigenvalues T_r of T."""
    N, task = dimension(p, k, log_N), ql.Task(p, k, random_teacher(k, seed))
    spectrum = hessian_spectrum(task, plateau(task), N)
    assert spectrum.index == p * k
    assert spectrum.nullity == p * (N - p - k) + p * (p - 1) // 2
    negative = spectrum.values < 0
    found = np.repeat(spectrum.values[negative], spectrum.multiplicities[negative])
    expected = np.repeat(np.sort(-4 * np.linalg.eigvalsh(task.T) / (p * k)), p)
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())


@given(**sizes, seed=seeds)
@example(p=1, k=1, log_N=0, seed=0)
@example(p=9, k=4, log_N=12, seed=1)
def test_solution_spectrum(p: int, k: int, log_N: float, seed: int) -> None:
    """(7.5): nothing downhill, and pN minus the rank of V ↦ wᵀV + Vᵀw flat."""
    p = p + k - 1
    N, task = dimension(p, k, log_N), ql.Task(p, k)
    zeros = (p - k) * N + k * (k - 1) // 2
    spectrum = hessian_spectrum(task, solution(task, seed), N)
    expected = [
        (0, zeros),
        (4 / (p * k), k * (N - k)),
        (8 / (p * k), k * (k + 1) // 2 - 1),
        (4 * (k + 2) / (p * k), 1),
    ]
    assert_is(spectrum, expected)
    assert (spectrum.index, spectrum.nullity) == (0, zeros)


@given(**sizes, seed=seeds)
def test_solutions_are_marginally_stable_for_any_teacher(
    p: int, k: int, log_N: float, seed: int
) -> None:
    p = p + k - 1
    N, task = dimension(p, k, log_N), ql.Task(p, k, random_teacher(k, seed))
    spectrum = hessian_spectrum(task, solution(task, seed), N)
    assert (spectrum.index, spectrum.nullity) == (0, (p - k) * N + k * (k - 1) // 2)


@given(**sizes, seed=seeds)
def test_every_eigenvalue_is_counted(p: int, k: int, log_N: float, seed: int) -> None:
    """p N of them, and their sum is the trace of (7.1), taken term by term."""
    N, task = dimension(p, k, log_N), ql.Task(p, k, random_teacher(k, seed))
    state = ql.random_overlaps(task, N, seed)
    spectrum = hessian_spectrum(task, state, N)
    trQ, trT = np.trace(state.Q), np.trace(task.T)
    s = trQ / p - trT / k
    terms = [2 * N * s, 4 * trQ / p, -4 * trT / k, 4 * trQ * (N + 2) / p**2]
    assert int(spectrum.multiplicities.sum()) == p * N
    assert spectrum.values @ spectrum.multiplicities == pytest.approx(
        sum(terms), abs=1e-11 * np.abs(terms).max()
    )


@pytest.mark.parametrize(("p", "k"), [(4, 2), (2, 2), (1, 3)])
def test_lanczos_finds_the_lowest_and_highest_eigenvalue(p: int, k: int) -> None:
    weights = ql.random_weights(ql.Task(p, k), 150, 5)
    values = hessian_spectrum(weights.task(), weights.overlaps, 150).values
    operator = hessian_operator(weights)
    for which, expected in (("SA", values[0]), ("LA", values[-1])):
        start = np.random.default_rng(0).standard_normal(150 * p)
        found = eigsh(operator, k=1, which=which, v0=start, return_eigenvectors=False)
        assert found[0] == pytest.approx(expected, rel=1e-9)


def test_flat_directions_of_a_solution() -> None:
    """Of the zeros, rotations of O stay at zero loss; surplus units raise it as a fourth power."""
    task, N = ql.Task(4, 2), 30
    rng = np.random.default_rng(1)
    teacher = ql.random_weights(task, N, 0).W_star
    basis = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    W = np.sqrt(2) * basis[:, :2] @ teacher

    def turned(angle: float) -> np.ndarray:
        used, surplus = basis[:, 0], basis[:, 2]
        new = np.cos(angle) * used + np.sin(angle) * surplus
        return W + np.outer(new - used, used @ W)

    outside = rng.standard_normal(N)
    outside -= teacher.T @ np.linalg.solve(teacher @ teacher.T, teacher @ outside)
    tangent, quartic = np.outer(basis[:, 2], basis[:, 0] @ W), np.outer(basis[:, 3], outside)
    operator = hessian_operator(ql.Weights(W, teacher))
    for V in (tangent, quartic):
        np.testing.assert_allclose(operator @ V.ravel(), 0, atol=1e-12)

    t = np.array([0.05, 0.1, 0.2, 0.7])
    along = [ql.loss(task, ql.Weights(turned(x), teacher).overlaps) for x in t]
    np.testing.assert_allclose(along, 0, atol=1e-13)
    away = [ql.loss(task, ql.Weights(W + x * quartic, teacher).overlaps) for x in t]
    assert np.polyfit(np.log(t), np.log(away), 1)[0] == pytest.approx(4, abs=1e-6)


@pytest.mark.parametrize(("p", "k"), [(2, 1), (1, 2)])
def test_the_empirical_hessian_averages_to_the_population_one(p: int, k: int) -> None:
    """Every entry within 6 standard errors, from 300 batches of 400 samples.

    At most 36 + 10 distinct entries, each outside with probability 6e-9: false alarms < 1e-6.
    """
    N, batches = 4, 300
    weights, rng = ql.random_weights(ql.Task(p, k), N, 3), np.random.default_rng(4)
    eye = np.eye(p * N)
    sample = np.array(
        [
            empirical_hessian_operator(weights, rng.standard_normal((400, N))) @ eye
            for _ in range(batches)
        ]
    )
    error = sample.std(0, ddof=1) / np.sqrt(batches)
    deviation = np.abs(sample.mean(0) - hessian_operator(weights) @ eye)
    assert (deviation < 6 * error).all()
