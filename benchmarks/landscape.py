"""Does a Hessian cost a small eigenproblem at any N, and its products two matrix products?

`spectrum`: `hessian_spectrum` at p = 8, p* = 4 against N (goal: under 5 ms), and against p.
`empirical`: one product of `empirical_hessian_operator` with a vector or a block, over the bare
V Xᵀ and U X it must contain (goal: 1.5), in turns in this process. `population`, with no goal: for
`hessian_operator`, whose bare products are those with wᵀ, w*ᵀ and back.

    python benchmarks/landscape.py
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from quadlib import Task, Weights, random_overlaps, random_weights
from quadlib.landscape import empirical_hessian_operator, hessian_operator, hessian_spectrum

GOAL_MS, GOAL_RATIO = 5.0, 1.5


def seconds(*functions: Callable[[], object], budget: float = 1.0) -> list[list[float]]:
    """Seconds of each call, the functions taking turns, so that a busy machine disturbs all."""
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    end = time.perf_counter() + budget
    while len(times[0]) < 5 or (time.perf_counter() < end and len(times[0]) < 300):
        for function, row in zip(functions, times, strict=True):
            started = time.perf_counter()
            function()
            row.append(time.perf_counter() - started)
    return times


def spectrum(p: int, p_star: int, N: int) -> dict[str, Any]:
    task = Task(p, p_star)
    state = random_overlaps(task, N, 0)
    (times,) = seconds(lambda: hessian_spectrum(task, state, N))
    milliseconds = 1e3 * statistics.median(times)
    return {"p": p, "p_star": p_star, "N": N, "ms": milliseconds, "p90_ms": 1e3 * p90(times)}


def p90(times: list[float]) -> float:
    return float(np.quantile(times, 0.9))


def against_bare(
    size: dict[str, int], product: Callable[[], object], bare: Callable[[], object]
) -> dict[str, Any]:
    """A pair of neighbours in time is disturbed alike: the median of their ratios."""
    ours, theirs = seconds(product, bare)
    return size | {
        "ms": 1e3 * statistics.median(ours),
        "bare_ms": 1e3 * statistics.median(theirs),
        "ratio": statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
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
        "question": __doc__.splitlines()[0],
        "goal": {"spectrum_ms": GOAL_MS, "ratio": GOAL_RATIO},
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


if __name__ == "__main__":
    path = Path(__file__).parent / "results" / "landscape.json"
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(measure(), indent=1)
    path.write_text(text + "\n")
    print(text)
