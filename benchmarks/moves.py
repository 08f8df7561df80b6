"""What does a move of a slider cost the kernel, and does what comes later stand in its way?

Every control of every explorer over its whole range, each value seen for the first time, in time
of the processor and without late pieces (`cost`); the time from a move to the first late piece
(`late`); and how much longer a move takes that comes at a random moment of late work than one at
rest (`delay`), which is one slice, or one drawing.

    python -m benchmarks moves
"""

import math
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.common import Row
from quadlib import explorers

GOAL_MEDIAN_MS, GOAL_P90_MS, GOAL_LATE_S, GOAL_DELAY_MS = 25.0, 50.0, 0.3, 20.0
_VALUES, _MOVES = 15, 60


def values(control: Any) -> list[Any]:
    """The range of a control, at most fifteen values; choices and ticks forth and back."""
    if hasattr(control, "min"):
        ends = np.linspace(control.min, control.max, _VALUES)
        if hasattr(control, "base"):
            return [float(control.base**end) for end in ends]
        return sorted({type(control.value)(round(end, 3)) for end in ends.tolist()})
    return [*getattr(control, "options", (True, False))] * 3 if hasattr(control, "value") else []


def watched(name: str) -> Any:
    """The explorer, which tells in `begun` when late pieces begin, unless it is `quiet`."""

    class Watched(getattr(explorers, name)):  # type: ignore[misc]
        quiet, begun = False, math.nan

        def later(self, pieces: Any, what: str = "") -> None:
            def told() -> Iterator[Any]:
                self.begun = time.perf_counter()
                yield from pieces

            if not self.quiet:
                super().later(told(), what)

    return Watched()


def cost(explorer: Any) -> dict[str, list[float]]:
    """Milliseconds of each move of each control, the others at their defaults."""
    explorer.quiet = True
    times: dict[str, list[float]] = {}
    for name, control in explorer.controls.items():
        first, times[name] = getattr(control, "value", None), []
        for value in values(control) or range(5):
            begun = time.thread_time()
            if hasattr(control, "click"):
                control.click()
            else:
                control.value = value
            times[name].append(1e3 * (time.thread_time() - begun))
        if first is not None:
            control.value = first
    return times


def interrupted(explorer: Any) -> tuple[list[float], list[float]]:
    """Seconds until the first late piece, and milliseconds by which late work delays a move."""
    rng, control = np.random.default_rng(0), next(iter(explorer.controls.values()))
    three, late = values(control)[2:5], []
    walls: dict[tuple[float, bool], list[float]] = {
        (v, b): [] for v in three for b in (False, True)
    }
    for number in range(_MOVES):
        busy = number % 2 == 1  # this move comes into the late work of the one before
        explorer.quiet, explorer.begun = busy, math.nan
        moved = time.perf_counter()
        control.value = three[number % 3]
        walls[three[number % 3], busy].append(1e3 * (time.perf_counter() - moved))
        time.sleep(0.05 if busy else explorer.pause + rng.uniform(0.1, 0.5))
        late += [] if busy else [explorer.begun - moved]
    delays = [wall - statistics.median(walls[v, False]) for v in three for wall in walls[v, True]]
    return late, delays


def measure() -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in sorted(explorers.__all__):
        explorer = watched(name)
        explorer.finish(60)
        late, delays = interrupted(explorer)
        times = cost(explorer)
        result[name] = {
            "median_ms": {control: statistics.median(row) for control, row in times.items()},
            "p90_ms": {control: float(np.quantile(row, 0.9)) for control, row in times.items()},
            "late_s": float(np.max(late)),
            "delay_ms": float(np.quantile(delays, 0.9)),
        }
        print(f"{name:22s}{result[name]}", flush=True)
    return result


def table(result: dict[str, Any]) -> list[Row]:
    rows = []
    for name, found in result.items():
        medians, p90s = found["median_ms"], found["p90_ms"]
        slow, worst = max(medians, key=medians.get), max(p90s, key=p90s.get)
        measured = (
            f"{statistics.median(medians.values()):.0f} ms; slowest {slow}: median "
            f"{medians[slow]:.0f}; {worst}: p90 {p90s[worst]:.0f} ms"
        )
        met = medians[slow] <= GOAL_MEDIAN_MS and p90s[worst] <= GOAL_P90_MS
        goal = f"medians ≤ {GOAL_MEDIAN_MS:g}, p90 ≤ {GOAL_P90_MS:g} ms"
        bound = "evaluations of the ODE"
        rows.append(Row(f"{name}, a move in the kernel", goal, measured, met, bound))
    late, delay = (max(found[key] for found in result.values()) for key in ("late_s", "delay_ms"))
    goal = f"≤ {GOAL_LATE_S:g} s"
    rows.append(
        Row("from a move to the first late piece", goal, f"{late:.2f} s", late <= GOAL_LATE_S)
    )
    goal = f"≤ {GOAL_DELAY_MS:g} ms"
    figure, met = "delay of a move by late pieces, p90", delay <= GOAL_DELAY_MS
    rows.append(Row(figure, goal, f"{delay:.0f} ms", met, "one slice, or one drawing"))
    return rows
