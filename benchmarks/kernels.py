"""How near is a step of SGD to the cost of its own random numbers?

Each kernel takes turns with a compiled loop that only draws: for the overlap chain p + p* normals
and a chi-square number by NumPy's own method (`ratio`), and p + p* + 1 normals (`to_normals`);
for literal SGD the N normals, stored. `run` is the cost of a run at N = 1e12 by the diffusion.
"""

import statistics
from typing import Any

import numba
import numpy as np

from benchmarks.common import Row, ratio, turns
from quadlib import (
    Task,
    ensemble,
    escape_law,
    escape_times,
    random_overlaps,
    random_weights,
    simulate,
)
from quadlib.dynamics.diffusion import Diffusion
from quadlib.dynamics.overlaps import OverlapChain
from quadlib.dynamics.record import Record
from quadlib.dynamics.weights import LiteralSGD
from quadlib.notation import number

SIZES = {(1, 1): 2.0, (4, 2): 2.0, (8, 4): 2.4}
GOAL_WEIGHTS, GOAL_DIFFUSION_US, GOAL_RUNS_S = 1.4, 2.0, 60.0
GOAL_PASSAGES, GOAL_POINT_US = 0.65, 2.0
ETA = 0.02


@numba.njit
def draw(steps, normals, freedom, rng):
    total = 0.0
    for _ in range(steps):
        for _ in range(normals):
            total += rng.standard_normal()
        if freedom > 0:
            total += rng.chisquare(freedom)
    return total


@numba.njit
def draw_inputs(steps, x, rng):
    for _ in range(steps):
        for n in range(len(x)):
            x[n] = rng.standard_normal()


def chain(p: int, k: int, N: int, spherical: bool = False) -> OverlapChain:
    constraint = "spherical" if spherical else "free"
    start = random_overlaps(Task(p, k), N, 1, constraint=constraint)
    record = Record(Task(p, k), ETA, N, [10**18], spherical=spherical)
    return OverlapChain(record, 0, start, np.random.default_rng(2))


def overlaps(p: int, k: int, N: int = 10**6, steps: int = 20_000) -> dict[str, Any]:
    free, sphere, rng = chain(p, k, N), chain(p, k, N, True), np.random.default_rng(3)
    times = turns(
        lambda: free.advance(steps),
        lambda: draw(steps, p + k, N, rng),
        lambda: draw(steps, p + k + 1, 0, rng),
        lambda: sphere.advance(steps),
        repeats=200 if N > 10**4 else 40,  # not so far that the loss is all rounding
    )
    nanoseconds = [1e9 * statistics.median(row) / steps for row in times]
    return {
        "p": p,
        "p_star": k,
        "ns": nanoseconds[0],
        "draws_ns": nanoseconds[1],
        "normals_ns": nanoseconds[2],
        "spherical_ns": nanoseconds[3],
        "ratio": ratio(times[0], times[1]),
        "to_normals": ratio(times[0], times[2]),
        "spherical_ratio": ratio(times[3], times[1]),
    }


def same_cost(p: int = 4, k: int = 2, steps: int = 20_000) -> dict[str, Any]:
    small, large = chain(p, k, 10**4), chain(p, k, 10**8)
    times = turns(lambda: large.advance(steps), lambda: small.advance(steps), repeats=200)
    return {"N": [10**8, 10**4], "ratio": ratio(*times)}


def weights(N: int, p: int = 4, k: int = 2) -> dict[str, Any]:
    steps, rng, x = max(2, 200_000 // N), np.random.default_rng(3), np.zeros(N)
    record = Record(Task(p, k), ETA, N, [10**18])
    sgd = LiteralSGD(record, 0, random_weights(Task(p, k), N, 1), rng)
    times = turns(lambda: sgd.advance(steps), lambda: draw_inputs(steps, x, rng), repeats=200)
    step = statistics.median(times[0]) / steps
    return {"N": N, "us": 1e6 * step, "ns_a_coordinate": 1e9 * step / N, "ratio": ratio(*times)}


def diffusion(p: int, k: int, spherical: bool = False, steps: int = 2000) -> dict[str, Any]:
    constraint, N, length = "spherical" if spherical else "free", 10**12, 0.05
    start, rng = random_overlaps(Task(p, k), N, 1, constraint=constraint), np.random.default_rng(2)
    record = Record(Task(p, k), ETA, N, [10**18], 1, spherical, length)
    process = Diffusion(record, 0, start, rng)
    (times,) = turns(lambda: process.advance(steps), repeats=100)
    return {"p": p, "p_star": k, "us": 1e6 * statistics.median(times) / steps}


def run(runs: int = 500) -> dict[str, Any]:
    """One run at N = 1e12, past its escape (α ≈ 150 at η = 0.05) and recorded 25 times."""
    alpha, seeds = np.linspace(0, 250, 26), iter(range(10**6))

    def some() -> None:
        for _ in range(runs // 5):
            simulate(
                Task(4, 2),
                None,
                eta=0.05,
                alpha=alpha,
                N=10**12,
                rng=next(seeds),
                method="diffusion",
                progress=False,
            )

    (times,) = turns(some, repeats=5)
    each = statistics.median(times) / (runs // 5)
    return {"runs": runs, "ms": 1e3 * each, "ten_thousand_s": 1e4 * each}


def passages(runs: int = 20) -> dict[str, Any]:
    """First passages against recording up to mean + 10 standard deviations; a point's cost."""
    law, how = escape_law(Task(4, 2), 10**4, 0.05), dict(eta=0.05, N=10**4, progress=False)
    end = law.mean + 10 * law.std
    # few enough for this process; a batch of the pool would escape the clock
    first, record = turns(
        lambda: escape_times(Task(4, 2), runs=2, seed=1, **how),
        lambda: ensemble(Task(4, 2), alpha=end, runs=2, seed=1, **how),
        repeats=runs // 2,
        budget=10.0,
    )
    how |= dict(runs=1, seed=1)
    few, many = (
        turns(lambda n=n: ensemble(Task(4, 2), alpha=np.linspace(0, 2, n), **how), repeats=30)[0]
        for n in (2, 2002)
    )
    point = (statistics.median(many) - statistics.median(few)) / 2000
    return {"ratio": ratio(first, record), "point_us": 1e6 * point}


def measure() -> dict[str, Any]:
    return {
        "overlaps": [overlaps(p, k) for p, k in SIZES],
        "same_cost": same_cost(),
        "weights": [weights(N) for N in (300, 1000, 3000, 10_000, 30_000, 100_000)],
        "diffusion": [diffusion(4, 2), diffusion(4, 2, True)],
        "run": run(),
        "passages": passages(),
        "against_N": {
            "weights": [weights(N) for N in (10**3, 10**4, 10**5, 10**6)],
            "overlaps": [{"N": 10**n} | overlaps(4, 2, 10**n) for n in range(3, 9)],
        },
        "against_p": {
            "overlaps": [overlaps(p, 2, steps=1000) for p in (1, 2, 4, 8, 16, 32, 64)],
            "diffusion": [diffusion(p, 2, steps=50) for p in (1, 2, 4, 8, 16, 32, 64)],
        },
    }


def table(result: dict[str, Any]) -> list[Row]:
    rows = []
    for row in result["overlaps"]:
        goal = SIZES[row["p"], row["p_star"]]
        met = row["ratio"] <= goal
        rows.append(
            Row(
                f"overlap chain, a step at ({row['p']}, {row['p_star']}), "
                "over its p + p* normals and one χ² drawn by NumPy's method",
                f"≤ {goal:g} ×",
                f"{row['ratio']:.2f} × ({row['ns']:.0f} ns; {row['to_normals']:.1f} × p + p* + 1 "
                f"normals; spherical {row['spherical_ratio']:.2f} ×)",
                met,
                "the chain error → step → next fields, and the factorisation once a block",
            )
        )
    same = result["same_cost"]["ratio"]
    rows.append(
        Row(
            "overlap chain, N = 10⁸ over N = 10⁴",
            "within 10 %",
            f"{number(100 * (same - 1), 2)} %",
            abs(same - 1) <= 0.1,
        )
    )
    inside = [row["ratio"] for row in result["weights"] if row["N"] <= 10_000]
    worst, large = max(inside), result["weights"][-1]
    rows.append(
        Row(
            "literal SGD at (4, 2), over drawing its normals, N = 300 … 10 000",
            f"≤ {GOAL_WEIGHTS:g} ×",
            f"{min(inside):.2f} … {worst:.2f} ×",
            worst <= GOAL_WEIGHTS,
            "loads and stores: each weight is read and written once a step",
        )
    )
    rows.append(
        Row(
            "the same at N = 100 000",
            None,
            f"{large['ratio']:.2f} ×",
            None,
            "weights and inputs (6 MB) no longer fit the core's own cache",
        )
    )
    free, sphere = result["diffusion"]
    slowest = max(free["us"], sphere["us"])
    rows.append(
        Row(
            "diffusion, a step at (4, 2)",
            f"≤ {GOAL_DIFFUSION_US:g} µs",
            f"{free['us']:.2f} µs (spherical {sphere['us']:.2f} µs)",
            slowest <= GOAL_DIFFUSION_US,
        )
    )
    found = result["passages"]
    rows.append(
        Row(
            "`escape_times` at (4, 2), η = 0.05, N = 10⁴, over `ensemble` to mean + 10 std",
            f"≤ {GOAL_PASSAGES:g} ×",
            f"{found['ratio']:.2f} ×",
            found["ratio"] <= GOAL_PASSAGES,
            "the time of escape itself, .59 of that end",
        )
    )
    rows.append(
        Row(
            "recording a point",
            f"≤ {GOAL_POINT_US:g} µs",
            f"{found['point_us']:.2f} µs",
            found["point_us"] <= GOAL_POINT_US,
        )
    )
    seconds = result["run"]["ten_thousand_s"]
    rows.append(
        Row(
            "10⁴ runs at N = 10¹² on one core",
            "< 60 s",
            f"{seconds:.0f} s (from {result['run']['runs']} runs)",
            seconds < GOAL_RUNS_S,
        )
    )
    return rows
