"""How long until the first number?

In fresh processes: `import quadlib` after numpy and what of scipy it imports; then the first run
of each method, with an empty cache of compiled code (`cold`, the import of numba included) and
with the cache that this has left (`cached`). Seconds of the processor. Then, as on Binder, a kernel
on one core, for a processor that any host has: seconds on the wall from its start to the picture of
the tour, and from there to the last of its runs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.common import Row

GOAL_IMPORT_MS, GOAL_COLD_S, GOAL_CACHED_S, GOAL_BINDER_S = 50.0, 5.0, 0.5, 4.0

IMPORT = """
import sys
import quadlib
used = [name for name in sys.modules if name.partition(".")[0] == "scipy"]
print(" ".join(used))
"""
TIMED_IMPORT = """
import importlib, json, time
import numpy, numpy.random, numpy.linalg
for name in {used!r}:
    importlib.import_module(name)
started = time.process_time()
import quadlib
print(json.dumps(1e3 * (time.process_time() - started)))
"""
FIRST = """
import json, time
import quadlib as ql
task = ql.Task(4, 2)
started = time.process_time()
ql.simulate(task, None, eta=0.05, alpha=0.1, N=1000, rng=0, method={method!r}, progress=False)
print(json.dumps(time.process_time() - started))
"""


BINDER = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}


def child(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def kernel(cells: list[str]) -> list[float]:
    """Seconds on the wall from the start of a kernel on one core to the end of each cell."""
    from jupyter_client.manager import start_new_kernel

    before, started = os.sched_getaffinity(0), time.perf_counter()
    os.sched_setaffinity(0, {min(before)})
    try:
        manager, client = start_new_kernel(env=os.environ | BINDER)
    finally:
        os.sched_setaffinity(0, before)
    took = []
    try:
        for cell in cells:
            reply = client.execute_interactive(cell, output_hook=lambda _: None, timeout=120)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(str(reply["content"]))
            took.append(time.perf_counter() - started)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return took


def binder() -> dict[str, float]:
    """Medians of five kernels; one before them fills the caches, as postBuild does."""
    cells = ["import quadlib as ql\n\ntour = ql.explorers.tour()\ntour", "tour.finish()"]
    found = [kernel(cells) for _ in range(6)][1:]
    return {
        "picture_s": statistics.median(first for first, _ in found),
        "runs_s": statistics.median(last - first for first, last in found),
    }


def measure() -> dict[str, Any]:
    used = child(IMPORT).split()
    imports = [json.loads(child(TIMED_IMPORT.format(used=used))) for _ in range(11)]
    first = {}
    for method in ("weights", "overlaps", "diffusion"):
        with tempfile.TemporaryDirectory() as cache:
            times = [
                json.loads(child(FIRST.format(method=method), NUMBA_CACHE_DIR=cache))
                for _ in range(6)
            ]
        first[method] = {"cold_s": times[0], "cached_s": statistics.median(times[1:])}
    found = {"scipy": used, "import_ms": statistics.median(imports), "first": first}
    if hasattr(os, "sched_setaffinity"):
        found["binder"] = binder()
    return found


def table(result: dict[str, Any]) -> list[Row]:
    cold = {method: times["cold_s"] for method, times in result["first"].items()}
    cached = {method: times["cached_s"] for method, times in result["first"].items()}
    return [
        Row(
            "`import quadlib`, beyond numpy and scipy",
            "≤ 50 ms",
            f"{result['import_ms']:.0f} ms",
            result["import_ms"] <= GOAL_IMPORT_MS,
        ),
        Row(
            "first compiled call, cold (" + ", ".join(cold) + ")",
            "< 5 s",
            " / ".join(f"{s:.1f}" for s in cold.values()) + " s",
            max(cold.values()) < GOAL_COLD_S,
            "LLVM",
        ),
        Row(
            "first compiled call, cached",
            "< 0.5 s",
            " / ".join(f"{s:.2f}" for s in cached.values()) + " s",
            max(cached.values()) < GOAL_CACHED_S,
            "importing numba, and reading the compiled code",
        ),
        *(
            Row(
                f"a kernel on one core, as on Binder: {name}",
                f"≤ {GOAL_BINDER_S:g} s",
                f"{result['binder'][key]:.1f} s",
                result["binder"][key] <= GOAL_BINDER_S,
                bound,
            )
            for key, name, bound in (
                ("picture_s", "from its start to the tour's picture", "imports"),
                ("runs_s", "from there to the last run", "importing numba, the runs"),
            )
            if "binder" in result
        ),
    ]
