"""Does a Hessian cost a small eigenproblem at any N, and its products two matrix products?

`spectrum`: `hessian_spectrum` at p = 8, p* = 4 against N (goal: under 5 ms), and against p.
`empirical`: one product of `empirical_hessian_operator` with a vector or a block, over the bare
V Xᵀ and U X it must contain (goal: 1.5), in turns in this process. `population`, with no goal: for
`hessian_operator`, whose bare products are those with wᵀ, w*ᵀ and back.

    python -m benchmarks landscape
"""

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import Row, ratio, turns
from quadlib import Task, Weights, random_overlaps, random_weights
from quadlib.landscape import empirical_hessian_operator, hessian_operator, hessian_spectrum

GOAL_MS, GOAL_RATIO = 5.0, 1.5


def spectrum(p: int, p_star: int, N: int) -> dict[str, Any]:
    task = Task(p, p_star)
    state = random_overlaps(task, N, 0)
    (times,) = turns(lambda: hessian_spectrum(task, state, N), repeats=300, budget=1.0)
    milliseconds = 1e3 * statistics.median(times)
    return {"p": p, "p_star": p_star, "N": N, "ms": milliseconds, "p90_ms": 1e3 * p90(times)}


def p90(times: list[float]) -> float:
    return float(np.quantile(times, 0.9))


def against_bare(
    size: dict[str, int], product: Callable[[], object], bare: Callable[[], object]
) -> dict[str, Any]:
    ours, theirs = turns(product, bare, repeats=300, budget=1.0)
    return size | {
        "ms": 1e3 * statistics.median(ours),
        "bare_ms": 1e3 * statistics.median(theirs),
        "ratio": ratio(ours, theirs),
    }


def block(weights: Weights, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A (pN, columns) block as the operators take it, and as the bare products do."""
    V = np.random.default_rng(2).standard_normal((weights.W.size, columns))
    return V, np.ascontiguousarray(V.T).reshape(-1, weights.N)


def empirical(p: int, p_star: int, N: int, n: int, columns: int) -> dict[str, Any]:
    weights = random_weights(Task(p, p_star), N, 0)
    X = np.random.default_rng(1).standard_normal((n, N))
    operator = empirical_hessian_operator(weights, X)
    V, rows = block(weights, columns)
    size = {"p": p, "p_star": p_star, "N": N, "n": n, "columns": columns}
    return against_bare(size, lambda: operator @ V, lambda: (rows @ X.T) @ X)


def population(p: int, p_star: int, N: int, columns: int) -> dict[str, Any]:
    weights = random_weights(Task(p, p_star), N, 0)
    operator = hessian_operator(weights)
    V, rows = block(weights, columns)
    both = np.concatenate([weights.W, weights.W_star])
    size = {"p": p, "p_star": p_star, "N": N, "columns": columns}
    return against_bare(size, lambda: operator @ V, lambda: (rows @ both.T) @ both)


def measure() -> dict[str, Any]:
    return {
        "spectrum_against_N": [spectrum(8, 4, N) for N in (12, 10**3, 10**6, 10**12)],
        "spectrum_against_p": [spectrum(p, 4, 10**6) for p in (1, 2, 4, 8, 16, 32)],
        "empirical": [
            empirical(p, 2, N, n, columns)
            for p, N, n, columns in [
                (1, 1000, 4000, 1),
                (4, 1000, 4000, 1),
                (16, 1000, 4000, 1),
                (4, 1000, 4000, 8),
                (4, 200, 2000, 1),
                (4, 10_000, 2000, 1),
            ]
        ],
        "population": [
            population(4, 2, N, columns) for N, columns in [(1000, 1), (100_000, 1), (10_000, 8)]
        ],
    }


def table(result: dict[str, Any]) -> list[Row]:
    spectra = result["spectrum_against_N"]
    slowest = max(row["ms"] for row in spectra)
    ratios = [row["ratio"] for row in result["empirical"]]
    return [
        Row(
            "`hessian_spectrum` at p = 8, p* = 4, N = 12 … 10¹²",
            f"< {GOAL_MS:g} ms",
            f"{min(row['ms'] for row in spectra):.1f} … {slowest:.1f} ms",
            slowest < GOAL_MS,
            "the eigenvalues of a block of p (p + p*) rows",
        ),
        Row(
            "`empirical_hessian_operator`, a product over its bare matrix products",
            f"≤ {GOAL_RATIO:g} ×",
            f"{min(ratios):.2f} … {max(ratios):.2f} ×",
            max(ratios) <= GOAL_RATIO,
        ),
    ]
