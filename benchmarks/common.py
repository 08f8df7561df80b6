"""What did it cost? Clocks that a busy machine disturbs little, and the form of an answer."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quadlib.trajectory import versions


@dataclass(frozen=True)
class Row:
    """One line of the table: a goal of None is a figure for comparison."""

    figure: str
    goal: str | None
    measured: str
    met: bool | None = None
    bound: str = ""


def turns(
    *functions: Callable[[], object],
    repeats: int = 9,
    budget: float = 2.0,
    clock: Callable[[], float] = time.process_time,
) -> list[list[float]]:
    """Seconds of each call, the functions taking turns, so that all are disturbed alike.

    Seconds of the processor, not of the wall: what other programs use is not counted.
    """
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    end = time.perf_counter() + budget
    while len(times[0]) < 5 or (len(times[0]) < repeats and time.perf_counter() < end):
        for function, row in zip(functions, times, strict=True):
            started = clock()
            function()
            row.append(clock() - started)
    return times


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Neighbours in time are disturbed alike: the median of their ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def environment() -> dict[str, Any]:
    """What the figures depend on."""
    features = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.system() + " " + platform.machine(),
        "versions": dict(versions()),
        "blas": blas(),
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "numpy_simd": [*features["baseline"], *features.get("found", [])],
        "load_at_start": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def blas() -> str:
    """The library and, where it says so, the kernel that it chose for this processor."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        config = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{config['name']} {config['version']}"
    np.ones((2, 2)) @ np.ones((2, 2))
    found = [i for i in threadpool_info() if i["user_api"] == "blas"]
    return ", ".join(f"{i['internal_api']} {i['version']} {i['architecture']}" for i in found)


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
        family = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model\t")]
        return f"{name} (model {family[0]})" if family else name
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
