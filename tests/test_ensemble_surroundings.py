"""Runs leave the program around them as it was, and do with less than they would like."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quadlib import if_compiled

THREADS = """
import importlib, os, sys, threading, time
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
    time.sleep(0.001)
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
import builtins, sys, warnings
import numpy as np
from numba.core import caching
if sys.argv[1] == "full":  # a real "No space left on device", of all that is written
    def full(path, mode="r", *more):
        return builtins.open("/dev/full" if "w" in mode else path, mode, *more)
    caching.open = full
if sys.argv[1] == "unwritable":  # whoever is root may write into any folder
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")
    caching.tempfile.TemporaryFile = refuse
from quadlib.dynamics.compiled import compiled
@compiled
def total(x):
    s = 0.0
    for value in x: s += value
    return s
@compiled
def largest(x): return x.max()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = total(np.ones(3)) + largest(np.ones(3))
print(len(caught), found, *(warning.message for warning in caught))
"""


def cached(kind: str, folder: Path) -> tuple[int, float, str]:
    """How many warnings, what was computed, and the words of the warnings."""
    script = folder / "loops.py"  # what has no file is not kept
    folder.mkdir(exist_ok=True)
    script.write_text(CACHE, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, str(script), kind],
        capture_output=True,
        text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    count, found, *words = result.stdout.split(maxsplit=2)
    return int(count), float(found), " ".join(words)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="devices of Linux")
def test_a_cache_of_numba_that_fails_is_done_without_and_warned_of_once(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert cached("good", whole) == (0, 4.0, "")
    kept = list(whole.rglob("*.nb[ic]"))
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for kind, folder, fault in (
        ("full", tmp_path / "new", "No space left on device"),
        ("unwritable", tmp_path, "cannot cache function"),
        ("damaged", whole, "Error: "),
    ):
        count, found, words = cached(kind, folder)
        assert (kind, count, found) == (kind, 1, 4.0)
        assert re.search(rf"cache cannot be used \(.*{fault}", words), words


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
import quadlib as ql
assert ql.if_compiled("many", "few") == "few"
found = ql.claims.table("05_landscape").findings  # those about runs of SGD are left out
assert found and {finding.method for finding in found} <= {"ODE", "algebra"}
"""


def test_without_numba_processes_and_threads_all_runs_are_done_without_a_word() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    assert if_compiled("many", "few") == "many"
