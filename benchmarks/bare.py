"""What does it cost where numba is missing, and threads and processes too, as in a browser?

In a process without them: a step of the exact chain at (4, 2) for few runs and for many, a run of
the diffusion to α = 100, and every notebook cell by cell. Seconds of the processor.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import Row

GOALS = {"chain, 20 runs": 8.0, "chain, 1000 runs": 2.0, "diffusion, 1000 runs": 3500.0}
CELL_S = 10.0

SPEEDS = """
import json, sys, time
sys.modules["numba"] = None
import importlib
import quadlib as ql
importlib.import_module("quadlib.ensemble.collect").POOL_PAYS_SECONDS = float("inf")

def microseconds(runs, alpha, N, method, steps):
    took = []
    for seed in range(3):
        begun = time.process_time()
        how = dict(eta=0.05, N=N, seed=seed, method=method, progress=False)
        ql.ensemble(ql.Task(4, 2), alpha=[alpha], runs=runs, **how)
        took.append(1e6 * (time.process_time() - begun) / (runs * steps))
    return min(took)

print(json.dumps({
    "chain, 20 runs": microseconds(20, 20.0, 1000, "overlaps", 20_000),
    "chain, 1000 runs": microseconds(1000, 1.0, 1000, "overlaps", 1000),
    "diffusion, 1000 runs": microseconds(1000, 100.0, 10**6, "diffusion", 1),
}))
"""


def child(*arguments: str) -> Any:
    command = [sys.executable, *arguments]
    root, path = Path(__file__).parents[1], os.environ.get("PYTHONPATH", "")
    there = os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": f"{root}{os.pathsep}{path}"}
    made = subprocess.run(command, cwd=root, env=there, check=True, capture_output=True, text=True)
    return json.loads(made.stdout.splitlines()[-1])


def measure() -> dict[str, Any]:
    names = [path.stem for path in sorted(Path("notebooks").glob("*.py"))]
    return {"us": child("-c", SPEEDS), "notebooks": child("-m", "tests.bare", *names)["notebooks"]}


def table(result: dict[str, Any]) -> list[Row]:
    found = result["us"]
    rows = [
        Row(
            f"without numba: {name}, a step and run at (4, 2)",
            f"≤ {GOALS[name]:g} µs",
            f"{found[name]:.2f} µs",
            found[name] <= GOALS[name],
            "NumPy's calls, if the runs are few",
        )
        for name in ("chain, 20 runs", "chain, 1000 runs")
    ]
    name = "diffusion, 1000 runs"
    each = found[name] / 1000
    goal = GOALS[name] / 1000
    figure = f"without numba: {name} at (4, 2) to α = 100"
    rows.append(Row(figure, f"≤ {goal:g} ms a run", f"{each:.2f} ms", each <= goal))
    longest = {name: cells["longest_s"] for name, cells in result["notebooks"].items()}
    rows.append(
        Row(
            "without numba: the longest cell of notebooks " + ", ".join(n[:2] for n in longest),
            f"≤ {CELL_S:g} s",
            " / ".join(f"{s:.1f}" for s in longest.values()) + " s",
            max(longest.values()) <= CELL_S,
            "runs of SGD",
        )
    )
    return rows
