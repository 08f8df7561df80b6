"""How long until the first number?

In fresh processes: `import quadlib` after numpy and what of scipy it imports; then the first run
of each method, with an empty cache of compiled code (`cold`, the import of numba included) and
with the cache that this has left (`cached`). Seconds of the processor.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.common import Row

GOAL_IMPORT_MS, GOAL_COLD_S, GOAL_CACHED_S = 50.0, 5.0, 0.5

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


def child(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


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
    return {"scipy": used, "import_ms": statistics.median(imports), "first": first}


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
    ]
