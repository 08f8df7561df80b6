"""The same numbers on Dask, even if one of its workers is killed."""

import importlib
import os
import signal
import time
from threading import Thread

import numpy as np
import pytest

from quadlib import Task
from quadlib.ensemble import ensemble
from quadlib.ensemble.runs import run_batch

distributed = pytest.importorskip("distributed", reason="needs the extra: quadlib[dask]")

# distributed's own, on its way up and down
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:distributed",
    "ignore::DeprecationWarning:zmq",
    "ignore:unclosed:ResourceWarning",
)

pool = importlib.import_module("quadlib.ensemble.pool")
RUNS = 16


def make(**changes):
    arguments = {"eta": 0.1, "alpha": 2.0, "N": 50, "runs": RUNS, "seed": 5, "progress": False}
    return ensemble(Task(2, 1), **(arguments | changes))


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def slow(job, start, stop, begins):
    time.sleep(0.3)
    return run_batch(job, start, stop, begins)


def broken(job, start, stop, begins):
    raise MemoryError("too little")


def test_a_worker_killed_in_mid_run_changes_no_number(client, monkeypatch, tmp_path):
    expected = make()
    monkeypatch.setattr(pool, "run_batch", slow)
    victim = next(iter(client.run(os.getpid).values()))

    def kill():
        end = time.monotonic() + 60
        while len(list(tmp_path.glob("runs-*"))) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(victim, signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    found = make(executor=client.get_executor(pure=False), store=tmp_path)
    killer.join()
    assert victim not in client.run(os.getpid).values()
    for name in ("alpha", "loss", "Q", "M", "diverged"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_runs_that_fail_on_dask_are_named(client, monkeypatch):
    monkeypatch.setattr(pool, "run_batch", broken)
    with pytest.raises(RuntimeError, match=r"Runs \d+ to \d+ failed on the executor .*too little"):
        make(executor=client.get_executor(pure=False))
