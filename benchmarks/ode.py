"""What does error control buy over Euler's method with a fixed step?

Both at p = 8, p* = 4, η = 0.05 up to α = 50, on the same drift: `integrate` at rtol = 1e-6, and
Euler's method with as many steps as give it the same error in (Q, M) at the end. Euler's error is
of first order (checked: `order`), so that its cost at that step is its cost a step, measured,
times the number of steps, extrapolated. The error is against rtol = 1e-12.
"""

import math
import statistics
from typing import Any

import numpy as np

from benchmarks.common import Row, turns
from quadlib import Overlaps, Task, gradient_flow, integrate, random_overlaps
from quadlib.notation import number
from quadlib.task import joint_covariance, mean_change

GOAL_EULER, GOAL_LARGE_S = 50.0, 1.0
ETA, ALPHA = 0.05, 50.0


def euler(task: Task, start: Overlaps, steps: int, alpha: float = ALPHA) -> np.ndarray:
    p, step = task.p, alpha / steps
    C = joint_covariance(start.Q, start.M, task.T)
    for _ in range(steps):
        change = step * mean_change(C, task, ETA, False, True)
        C[:p] += change
        C[p:, :p] += change[:, p:].T
    return C[:p]


def against_euler() -> dict[str, Any]:
    task = Task(8, 4)
    start = random_overlaps(task, 10_000, 1)

    def end(rtol: float) -> np.ndarray:
        last = integrate(task, start, eta=ETA, alpha=[ALPHA], rtol=rtol)
        return np.hstack([last.Q[-1], last.M[-1]])

    exact = end(1e-12)
    error = float(np.abs(end(1e-6) - exact).max())
    coarse, fine = (float(np.abs(euler(task, start, n) - exact).max()) for n in (5000, 10_000))
    steps = 10_000 * fine / error
    ours, theirs = turns(lambda: end(1e-6), lambda: euler(task, start, 500, 2.5))
    seconds = statistics.median(theirs) / 500 * steps
    return {
        "error": error,
        "ms": 1e3 * statistics.median(ours),
        "order": math.log2(coarse / fine),
        "euler_steps": steps,
        "euler_s": seconds,
        "ratio": seconds / statistics.median(ours),
    }


def large(p: int = 64, k: int = 8) -> dict[str, Any]:
    task = Task(p, k)
    start = random_overlaps(task, 10_000, 1)
    result = {"p": p, "p_star": k, "alpha": 200.0}
    for name, rtol in (("s", 1e-6), ("default_s", 1e-8)):
        (times,) = turns(
            lambda rtol=rtol: integrate(task, start, eta=ETA, alpha=200.0, rtol=rtol), repeats=5
        )
        result[name] = statistics.median(times)
    return result


def flow() -> dict[str, Any]:
    """The promise of the flow: p = 4, p* = 2, η = 0.1 up to α = 1e6."""
    task = Task(4, 2)
    start = random_overlaps(task, 10_000, 1)
    (times,) = turns(lambda: gradient_flow(task, start, eta=0.1, alpha=1e6), repeats=5)
    return {"s": statistics.median(times)}


def against_p() -> list[dict[str, Any]]:
    rows = []
    for p in (1, 2, 4, 8, 16, 32, 64):
        task = Task(p, 2)
        start = random_overlaps(task, 10_000, 1)
        (times,) = turns(
            lambda task=task, start=start: integrate(task, start, eta=ETA, alpha=100.0, rtol=1e-6),
            repeats=5,
        )
        rows.append({"p": p, "ms": 1e3 * statistics.median(times)})
    return rows


def measure() -> dict[str, Any]:
    return {
        "against_euler": against_euler(),
        "large": large(),
        "flow": flow(),
        "against_p": against_p(),
    }


def table(result: dict[str, Any]) -> list[Row]:
    e, big, flow_s = result["against_euler"], result["large"], result["flow"]["s"]
    return [
        Row(
            f"`integrate` at {number(1e-6)} over fixed-step Euler of equal error, p = 8, p* = 4, "
            "α = 50",
            "≥ 50 × faster",
            f"{number(e['ratio'])} × ({e['ms']:.0f} ms against {e['euler_s']:.0f} s, "
            f"{number(e['euler_steps'], 2)} steps, extrapolated)",
            e["ratio"] >= GOAL_EULER,
        ),
        Row(
            "`integrate` at p = 64, p* = 8 up to α = 200",
            "< 1 s",
            f"{big['s']:.2f} s (at the default rtol of {number(1e-8)}: {big['default_s']:.2f} s)",
            big["s"] < GOAL_LARGE_S,
            "products of 72 × 72 matrices",
        ),
        Row("`gradient_flow` up to α = 10⁶", "< 2 s", f"{flow_s:.2f} s", flow_s < 2.0),
    ]
