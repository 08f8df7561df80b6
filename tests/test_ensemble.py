"""An ensemble is its runs, whatever computed them."""

import importlib
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from subprocess import run

import numpy as np
import pytest

from quadlib import NoPlateauError, Task
from quadlib.dynamics import simulate
from quadlib.ensemble import Ensemble, ensemble
from quadlib.trajectory import Trajectory

# quadlib.ensemble is a function once quadlib exports it; these are the modules.
collecting = importlib.import_module("quadlib.ensemble.collect")
pool = importlib.import_module("quadlib.ensemble.pool")

TASK = Task(3, 2, [1.0, 0.5], label_noise=0.1)
ALPHA = np.array([0.0, 1.0, 5.0, 20.0])
PARAMETERS = {"eta": 0.1, "alpha": ALPHA, "N": 200, "seed": 7, "progress": False}


def small(runs=24, **changes):
    return ensemble(TASK, **(PARAMETERS | {"runs": runs} | changes))


def assert_same(left, right):
    for name in ("alpha", "loss", "Q", "M", "diverged"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    assert left.meta == right.meta


def test_run_i_is_a_simulation_from_child_i_of_the_seed():
    found = small()
    for i, child in enumerate(np.random.SeedSequence(7).spawn(24)):
        expected = simulate(
            TASK, None, eta=0.1, alpha=ALPHA, N=200, rng=np.random.default_rng(child)
        )
        np.testing.assert_array_equal(found.loss[i], expected.loss)
        np.testing.assert_array_equal(found.Q[i], expected.Q)
        np.testing.assert_array_equal(found.M[i], expected.M)
    assert len(np.unique(found.loss[:, -1])) == 24


@pytest.mark.parametrize("batch_seconds", [0.0, 1e9])
def test_numbers_do_not_depend_on_the_size_of_batches(monkeypatch, batch_seconds):
    expected = small()
    monkeypatch.setattr(collecting, "BATCH_SECONDS", batch_seconds)
    assert_same(small(), expected)


def test_numbers_do_not_depend_on_the_executor(monkeypatch):
    expected = small()
    with ThreadPoolExecutor(3) as threads:
        assert_same(small(executor=threads), expected)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert_same(small(executor=processes), expected)
    monkeypatch.setattr(collecting, "POOL_PAYS_SECONDS", 0.0)
    for cores in (2, 3):
        monkeypatch.setattr(pool, "core_count", lambda cores=cores: cores)
        assert_same(small(), expected)


@pytest.mark.parametrize("blocked", ["processes", "threads"])
def test_where_processes_or_threads_are_unavailable_this_one_works(monkeypatch, blocked):
    expected = small()
    pool.end_idle()
    monkeypatch.setattr(collecting, "POOL_PAYS_SECONDS", 0.0)
    monkeypatch.setattr(pool, "core_count", lambda: 2)

    def refuse(*_, **__):
        raise OSError("no processes") if blocked == "processes" else RuntimeError("no threads")

    where = (pool.subprocess, "Popen") if blocked == "processes" else (threading.Thread, "start")
    monkeypatch.setattr(*where, refuse)
    assert_same(small(), expected)


def test_a_pool_works_in_a_script_without_main_guard_and_from_a_thread(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import threading, importlib\n"
        "from quadlib import Task\n"
        "module = importlib.import_module('quadlib.ensemble')\n"
        "collecting = importlib.import_module('quadlib.ensemble.collect')\n"
        "collecting.POOL_PAYS_SECONDS = 0.0\n"
        "importlib.import_module('quadlib.ensemble.pool').core_count = lambda: 2\n"
        "def work():\n"
        "    found = module.ensemble(Task(2, 1), eta=.1, alpha=1., N=50, runs=9, seed=0)\n"
        "    print('runs', len(found.loss))\n"
        "work()\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
    )
    result = run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["runs", "9", "runs", "9"], result.stderr
    assert "Traceback" not in result.stderr  # of a worker


def test_escape_times_are_those_of_the_single_runs():
    task = Task(2, 1)
    found = ensemble(task, eta=0.1, alpha=60.0, N=100, runs=10, seed=3, progress=False)
    single = [
        Trajectory(task, found.alpha, found.Q[i], found.M[i], found.meta).escape_time()
        for i in range(10)
    ]
    np.testing.assert_allclose(found.escape_times, single, rtol=1e-12)
    assert np.isfinite(single).any()
    early = replace(found, alpha=ALPHA[:1], loss=found.loss[:, :1], Q=found.Q[:, :1],
                    M=found.M[:, :1])  # fmt: skip
    assert (early.escape_times == np.inf).all()


def test_without_a_plateau_only_the_escape_times_are_refused():
    task = Task(2, 1, label_noise=100.0)
    found = ensemble(task, eta=0.3, alpha=[0.0, 0.01], N=100, runs=3, seed=0, progress=False)
    assert np.isfinite(found.loss).all()
    with pytest.raises(NoPlateauError):
        _ = found.escape_times


def test_a_diverging_run_is_inf_from_there_and_harms_no_other():
    """At η near η_c a good part of the runs diverge on their way."""
    task, alpha = Task(1, 1), np.linspace(0.0, 60.0, 31)
    found = ensemble(task, eta=0.165, alpha=alpha, N=300, runs=40, seed=0, progress=False)
    lost = found.diverged
    assert 5 < lost.sum() < 38
    for array in (found.loss, found.Q, found.M):
        assert np.isfinite(array[~lost]).all()
        assert np.isfinite(array[lost, 0]).all()
        assert (array[lost, -1] == np.inf).all()
    for i in np.flatnonzero(lost):
        assert (np.diff(np.isinf(found.loss[i]).astype(int)) >= 0).all()
        assert len(found[i].alpha) == np.isfinite(found.loss[i]).sum()
    assert not np.isnan(found.escape_times).any()


def test_a_learning_rate_far_too_large_diverges_without_nan():
    found = small(eta=50.0, runs=5)
    assert found.diverged.all()
    assert not np.isnan(found.loss).any()
    assert np.isfinite(found.loss[:, 0]).all()
    assert (found.loss[:, -1] == np.inf).all()


def test_save_and_load_return_the_same_ensemble(tmp_path):
    found = small()
    found.save(tmp_path / "ensemble.npz")
    back = Ensemble.load(tmp_path / "ensemble.npz")
    assert_same(back, found)
    np.testing.assert_array_equal(back.task.T, TASK.T)
    assert back.task.label_noise == TASK.label_noise
    intact = (tmp_path / "ensemble.npz").read_bytes()
    damaged = bytearray(intact)
    damaged[len(damaged) // 2] ^= 255
    for data in (damaged, intact[:100], b"no archive"):
        (tmp_path / "broken.npz").write_bytes(data)
        with pytest.raises(ValueError, match=r"written by Ensemble.save"):
            Ensemble.load(tmp_path / "broken.npz")


def test_arrays_are_read_only():
    found = small(runs=2)
    for name in ("alpha", "loss", "Q", "M", "diverged"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(found, name)[...] = 0


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"runs": 0}, ValueError, "runs must be at least 1"),
        ({"runs": True}, TypeError, "runs must be an integer"),
        ({"runs": 2.0}, TypeError, "runs must be an integer"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": None}, TypeError, "seed must be an integer"),
        ({"eta": np.nan}, ValueError, "eta must be"),
        ({"N": 4}, ValueError, "N must be at least p"),
        ({"alpha": [2.0, 1.0]}, ValueError, "alpha must be increasing"),
        ({"method": "euler"}, ValueError, "method must be one of"),
        ({"constraint": "tight"}, ValueError, "constraint must be one of"),
        ({"executor": 4}, TypeError, "executor must be a concurrent.futures.Executor"),
    ],
)
def test_arguments_are_refused_with_a_sentence(changes, error, words):
    with pytest.raises(error, match=words) as caught:
        small(**changes)
    assert "\n" not in str(caught.value)


MEMORY = """
import importlib, resource
import numpy as np
from quadlib import Task, ensemble
runs = importlib.import_module("quadlib.ensemble.runs")
pool = importlib.import_module("quadlib.ensemble.pool")
pool.core_count = lambda: 1
class Fake:
    company, active, done = staticmethod(lambda method: 1), False, np.ones(1)
    def __init__(self, *args, alpha, **kwargs):
        n, r = len(alpha), len(args[2])
        self.loss, self.diverged = np.ones((r, n)), np.zeros(r, dtype=bool)
        self.Q, self.M = np.ones((r, n, 4, 4)), np.ones((r, n, 4, 2))
    def advance(self, *_):
        return False
runs.Together = Fake
alpha = np.linspace(0, 1, 25)
found = ensemble(Task(4, 2), eta=0.1, alpha=alpha, N=10**4, runs=10**5, seed=0, progress=False)
assert found.loss.shape == (10**5, 25) and np.isfinite(found.loss).all()
assert np.isinf(found.escape_times).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory in kB is Linux's")
def test_a_hundred_thousand_runs_stay_under_one_gigabyte():
    result = run([sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) * 1024 < 1e9


def test_progress_is_shown_only_on_demand(capfd, monkeypatch):
    small()
    assert capfd.readouterr() == ("", "")
    small(progress=True)  # shorter than a second: no bar that flashes by
    assert capfd.readouterr().out == ""


def test_an_ensemble_can_be_made_in_a_thread():
    expected, found = small(), []
    thread = threading.Thread(target=lambda: found.append(small()))
    thread.start()
    thread.join()
    assert_same(found[0], expected)


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import numpy as np
from quadlib import Task, ensemble
for method in ("weights", "overlaps", "diffusion"):
    found = ensemble(Task(2, 1), eta=0.1, alpha=[0.5, 1.0], N=100, runs=3, seed=4, method=method,
                     progress=False)
    print(*found.loss.ravel().tolist())
"""


def test_without_numba_the_runs_are_the_same_up_to_rounding():
    result = run([sys.executable, "-c", WITHOUT_NUMBA], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    methods = ("weights", "overlaps", "diffusion")
    for method, line in zip(methods, result.stdout.splitlines(), strict=True):
        found = ensemble(
            Task(2, 1), eta=0.1, alpha=[0.5, 1.0], N=100, runs=3, seed=4, method=method,
            progress=False,
        )  # fmt: skip
        slow = np.array(line.split(), dtype=float)
        np.testing.assert_allclose(found.loss.ravel(), slow, rtol=1e-9)
