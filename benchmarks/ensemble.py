"""How much of a second core does an ensemble use, and how does it grow with the cores?

The workload is the default experiment (p = 4, p* = 2, eta = 0.1, N = 1000, the exact overlap
chain up to alpha = 50), with as many runs as keep one process busy for a given time. Efficiency
is the time in one process, divided by that on a pool of n workers and by n, on the wall: other
programs on the machine lower it. The pool is the one `ensemble` makes; starting it (numpy, scipy,
numba) is counted in `efficiency` and given apart in `first_pool_s`, paid once in a session. What
a later call pays for its workers is the time of one with next to nothing to do, `second_call_s`.
"""

import importlib
import statistics
import time
from typing import Any

from benchmarks.common import Row
from quadlib import Task

module = importlib.import_module("quadlib.ensemble")
collecting = importlib.import_module("quadlib.ensemble.collect")
pool = importlib.import_module("quadlib.ensemble.pool")

WORKLOAD = {"eta": 0.1, "alpha": 50.0, "N": 1000}
GOAL, WARM_GOAL_S = 0.85, 0.1


def timed(runs: int, workers: int, **other: float) -> float:
    """Seconds for `runs` runs; with one worker in this process."""
    before = pool.core_count, collecting.POOL_PAYS_SECONDS
    pool.core_count, collecting.POOL_PAYS_SECONDS = lambda: workers, 0.0
    try:
        started = time.perf_counter()
        module.ensemble(Task(4, 2), **WORKLOAD | other, runs=runs, seed=1, progress=False)
        return time.perf_counter() - started
    finally:
        pool.core_count, collecting.POOL_PAYS_SECONDS = before


def measure(seconds: float = 10.0) -> dict[str, Any]:
    cores = pool.core_count()
    timed(1, 1)
    runs = max(8, round(seconds / (timed(20, 1) / 20)))
    started = timed(8, 2)
    again = [timed(2, 2, alpha=0.01) for _ in range(9)]
    counts = sorted({1, 2, *(2**k for k in range(1, cores.bit_length())), cores})
    times: dict[int, list[float]] = {n: [] for n in counts}
    for _ in range(3):  # interleaved, so that a busy machine disturbs all alike
        for n in counts:
            times[n].append(timed(runs, n))
    against_cores = []
    for n in counts:
        # A pair of neighbours in time is disturbed alike: take the ratio first.
        ratio = statistics.median(a / b for a, b in zip(times[1], times[n], strict=True))
        against_cores.append(
            {
                "workers": n,
                "seconds": statistics.median(times[n]),
                "runs_per_s": runs / statistics.median(times[n]),
                "efficiency": ratio / n,
            }
        )
    return {
        "workload": {"p": 4, "p_star": 2, **WORKLOAD, "runs": runs},
        "cores": cores,
        "first_pool_s": started,
        "second_call_s": statistics.median(again),
        "against_cores": against_cores,
    }


def table(result: dict[str, Any]) -> list[Row]:
    two = next(row for row in result["against_cores"] if row["workers"] == 2)
    bound = "one core only" if result["cores"] == 1 else "what else runs on the machine"
    return [
        Row(
            "`ensemble`, efficiency of two processes",
            f"≥ {GOAL:g}",
            f"{two['efficiency']:.2f} ({two['runs_per_s']:.0f} runs/s to α = 50, N = 1000)",
            two["efficiency"] >= GOAL,
            bound,
        ),
        Row(
            "a second call of `ensemble` on its warm workers, two runs of ten steps",
            f"≤ {WARM_GOAL_S:g} s",
            f"{result['second_call_s']:.3f} s (the first call: {result['first_pool_s']:.1f} s)",
            result["second_call_s"] <= WARM_GOAL_S,
            bound,
        ),
    ]
