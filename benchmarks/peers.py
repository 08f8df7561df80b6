"""How is this done today, and what does it cost?

One step of SGD at p = 4, p* = 2, N = 1000: a loop in NumPy, a loop in torch with autograd and one
sample at a time, and quadlib's three methods (for the diffusion: the cost of a run up to α = 100,
divided by its samples). torch is taken from this interpreter, or from the one that the variable
QUADLIB_TORCH_PYTHON names; where neither has it, its number is left out, and says so.
"""

import json
import os
import statistics
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.common import Row, turns
from quadlib import Task, Weights, random_weights, simulate
from quadlib.notation import number

P, K, N, ETA = 4, 2, 1000, 0.05

TORCH = f"""
import json, statistics, time
import torch
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
p, k, N, eta = {P}, {K}, {N}, {ETA}
W = torch.randn(p, N, requires_grad=True)
W_star = torch.randn(k, N)
optimizer = torch.optim.SGD([W], lr=eta * p)
def step():
    x = torch.randn(N)
    output = ((W @ x / N**0.5) ** 2).mean()
    label = ((W_star @ x / N**0.5) ** 2).mean()
    loss = (output - label) ** 2 / 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
times = []
for _ in range(12):
    started = time.process_time()
    for _ in range(500):
        step()
    times.append((time.process_time() - started) / 500)
print(json.dumps({{"us": 1e6 * statistics.median(times[2:]), "version": torch.__version__}}))
"""


def numpy_loop(start: Weights, steps: int, rng: np.random.Generator) -> np.ndarray:
    W, W_star, root = np.array(start.W), start.W_star, np.sqrt(N)
    for _ in range(steps):
        x = rng.standard_normal(N)
        fields, targets = W @ x / root, W_star @ x / root
        error = np.mean(fields**2) - np.mean(targets**2)
        W -= 2 * ETA * error / root * np.outer(fields, x)
    return W


def torch_loop() -> dict[str, Any]:
    python = os.environ.get("QUADLIB_TORCH_PYTHON", sys.executable)
    done = subprocess.run([python, "-c", TORCH], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout)
    return {"skipped": "torch is not installed: pip install 'quadlib[torch]'"}


def measure() -> dict[str, Any]:
    task, rng = Task(P, K), np.random.default_rng(2)
    start = random_weights(task, N, 1)
    alpha = {"weights": 2.0, "overlaps": 20.0, "diffusion": 100.0}

    def run(method: str) -> None:
        setting = dict(eta=ETA, alpha=[alpha[method]], N=N, method=method, progress=False)
        simulate(task, start, rng=rng, **setting)

    times = turns(
        lambda: numpy_loop(start, 1000, rng),
        lambda: run("weights"),
        lambda: run("overlaps"),
        lambda: run("diffusion"),
        repeats=15,
        budget=5.0,
    )
    samples = [1000, *(alpha[m] * N for m in alpha)]
    names = ["numpy", *alpha]
    step = {
        name: 1e6 * statistics.median(row) / count
        for name, row, count in zip(names, times, samples, strict=True)
    }
    return {"us": step, "torch": torch_loop()}


def table(result: dict[str, Any]) -> list[Row]:
    us, torch = result["us"], result["torch"]
    rows = [Row("a step at (4, 2), N = 1000: naive NumPy loop", None, f"{us['numpy']:.1f} µs")]
    if "us" in torch:
        text = f"{torch['us']:.0f} µs (torch {torch['version']})"
    else:
        text = f"not measured: {torch['skipped']}"
    rows.append(Row("the same: torch autograd, one sample at a time", None, text))
    for method in ("weights", "overlaps", "diffusion"):
        faster = us["numpy"] / us[method]
        text = f"{number(us[method])} µs ({number(faster)} × faster than the NumPy loop)"
        rows.append(Row(f'the same: `simulate(method="{method}")`', None, text))
    return rows
