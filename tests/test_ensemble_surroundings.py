"""Runs leave the program around them as it was, and do with less than they would like."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = """
import importlib, os, sys, threading
from quadlib import Task, ensemble
collecting = importlib.import_module("quadlib.ensemble.collect")
pool = importlib.import_module("quadlib.ensemble.pool")
collecting.POOL_PAYS_SECONDS, pool.core_count = 0.0, lambda: 2
main, environment, found = sys.modules["__main__"], dict(os.environ), []
def work(seed):
    changed = sys.modules["__main__"] is not main
    how = dict(eta=0.1, alpha=2.0, N=50, runs=16, progress=False)
    found.append((seed, changed, float(ensemble(Task(2, 1), seed=seed, **how).loss.sum())))
threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 1)]
for thread in threads: thread.start()
while any(thread.is_alive() for thread in threads):
    assert sys.modules["__main__"] is main and dict(os.environ) == environment
for thread in threads: thread.join()
assert len(found) == 3 and not any(changed for _, changed, _ in found)
assert len({(seed, total) for seed, _, total in found}) == 2
assert len(pool._idle) <= 2
processes = [worker.process for worker in pool._idle]
work(1)  # the workers are warm: none is started
assert [worker.process for worker in pool._idle if worker.process not in processes] == []
print(*(process.pid for process in processes))
"""


def test_ensembles_in_threads_leave_the_program_as_it_was_and_workers_end_with_it() -> None:
    result = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    workers = result.stdout.split()
    assert len(workers) == 2
    for pid in workers:
        assert not Path(f"/proc/{pid}").exists()


CACHE = """
import sys, warnings
import numpy as np
from quadlib import Task, simulate
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for method in ("overlaps", "overlaps"):
        run = simulate(Task(2, 1), None, eta=0.1, alpha=[1.0], N=60, rng=1, method=method)
print(len(caught), float(run.loss[0]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_damaged_cache_of_numba_is_done_without_and_warned_of_once(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def run() -> tuple[int, float]:
        result = subprocess.run(
            [sys.executable, "-c", CACHE], capture_output=True, text=True, env=environment
        )
        assert result.returncode == 0, result.stderr
        count, loss = result.stdout.split()
        return int(count), float(loss)

    first = run()
    assert first[0] == 0
    kept = list(tmp_path.rglob("*.nb[ic]"))
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run() == (1, first[1])


WITHOUT = """
import sys, threading, subprocess, warnings
warnings.simplefilter("error")
sys.modules["numba"] = None
def refuse(*_, **__): raise OSError("none here")
def no_thread(*_, **__): raise RuntimeError("can't start new thread")
subprocess.Popen.__init__ = refuse
threading.Thread.start = no_thread
import importlib
import numpy as np
from quadlib import Task, ensemble, escape_times, simulate
collecting = importlib.import_module("quadlib.ensemble.collect")
collecting.POOL_PAYS_SECONDS = 0.0
task, how = Task(2, 1), dict(eta=0.1, N=60, runs=300, seed=1, progress=True)
found = ensemble(task, alpha=[0.5, 1.0], **how)
times = escape_times(Task(2, 1), **(how | dict(runs=30, N=10**5)), method="diffusion")
one = simulate(task, None, eta=0.1, alpha=1.0, N=60, rng=1)
assert np.isfinite(found.loss).all() and np.isfinite(times).all() and len(one.loss) == 201
assert threading.active_count() == 1
"""


def test_without_numba_processes_and_threads_all_runs_are_done_without_a_word() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
