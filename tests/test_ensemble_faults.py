"""Whatever goes wrong, finished runs are kept and the numbers stay the same."""

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from quadlib import Task
from quadlib.ensemble import Ensemble, EnsembleInterrupted, StoreError, ensemble
from quadlib.ensemble.runs import Job, run_batch
from quadlib.ensemble.store import Store

# quadlib.ensemble is a function once quadlib exports it; these are the modules.
collecting = importlib.import_module("quadlib.ensemble.collect")
pool = importlib.import_module("quadlib.ensemble.pool")

TASK = Task(2, 1)
RUNS = 16  # two in a batch


def make(runs=RUNS, alpha=2.0, **changes):
    arguments = {"eta": 0.1, "N": 50, "seed": 5, "progress": False} | changes
    return ensemble(TASK, alpha=alpha, runs=runs, **arguments)


def assert_same(left, right):
    for name in ("alpha", "loss", "Q", "M", "diverged"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


@pytest.fixture(scope="module")
def expected():
    return make()


@pytest.fixture
def two_processes(monkeypatch):
    """The pool, with two workers, however small the job."""
    monkeypatch.setattr(collecting, "POOL_PAYS_SECONDS", 0.0)
    monkeypatch.setattr(pool, "core_count", lambda: 2)


def dying(folder, run, deaths, job, start, stop, begins):
    """`run_batch` in a worker that is killed the first `deaths` times it comes to `run`."""
    if start <= run < stop:
        for death in range(deaths):
            try:
                (Path(folder) / f"death-{death}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
    return run_batch(job, start, stop, begins)


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_killed_worker_changes_no_number(tmp_path, monkeypatch, two_processes, expected, deaths):
    monkeypatch.setattr(pool, "run_batch", partial(dying, tmp_path, 5, deaths))
    assert_same(make(), expected)
    assert len(list(tmp_path.iterdir())) == deaths


def test_runs_that_kill_three_workers_are_named(tmp_path, monkeypatch, two_processes):
    monkeypatch.setattr(pool, "run_batch", partial(dying, tmp_path, 5, 99))
    store = tmp_path / "store"
    with pytest.raises(RuntimeError, match=r"Runs 4 to 5 ended their worker process 3 times"):
        make(store=store)
    assert len(list(tmp_path.glob("death-*"))) == 3
    assert len(list(store.glob("runs-*"))) >= 4  # of 7: the others come first


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_workers_killed_in_the_middle_of_a_message_lose_nothing():
    job = Job(TASK, 0.1, np.linspace(0.0, 1.0, 20_001), 50, 5, "overlaps", "free")
    crew = pool.enlist(2)
    source = pool.run_on_processes(job, [(i, i + 1) for i in range(6)], crew)
    found = [next(source)]
    for worker in list(crew):
        os.kill(worker.process.pid, signal.SIGKILL)
    found += source
    assert sorted(batch.start for batch in found) == list(range(6))
    for batch in found:
        expected = run_batch(job, batch.start, batch.stop).arrays
        for array, same in zip(batch.arrays, expected, strict=True):
            np.testing.assert_array_equal(array, same)


def test_a_broken_executor_of_the_caller_is_an_error_that_names_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "run_batch", partial(dying, tmp_path, 5, 1))
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes,
        pytest.raises(RuntimeError, match=r"Runs \d+ to \d+ failed on the executor"),
    ):
        make(executor=processes)


def count_batches(monkeypatch, limit, error):
    """Let batches be counted in this process, and `error` be raised after `limit` of them."""
    count = []

    def run(job, start, stop, begins):
        count.append(start)
        if len(count) > limit:
            raise error
        return run_batch(job, start, stop, begins)

    monkeypatch.setattr(collecting, "POOL_PAYS_SECONDS", np.inf)  # however slow the machine is
    monkeypatch.setattr(pool, "run_batch", run)
    return count


def test_a_store_resumes_with_the_same_numbers(tmp_path, monkeypatch, expected):
    count_batches(monkeypatch, 3, KeyboardInterrupt)
    with pytest.raises(EnsembleInterrupted):
        make(store=tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs-*")}
    assert len(kept) == 3
    monkeypatch.setattr(collecting, "BATCH_SECONDS", 0.0)  # other batches than before
    done = count_batches(monkeypatch, 99, KeyboardInterrupt)
    assert_same(make(store=tmp_path), expected)
    assert done == list(range(6, RUNS))
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    done.clear()
    assert_same(make(store=tmp_path), expected)
    assert done == []


def test_more_runs_can_be_added_to_a_store_and_fewer_asked_for(tmp_path, expected):
    make(runs=5, store=tmp_path)
    assert_same(make(store=tmp_path), expected)
    few = make(runs=3, store=tmp_path)
    np.testing.assert_array_equal(few.loss, expected.loss[:3])


def test_ctrl_c_keeps_what_is_done(monkeypatch, expected):
    count_batches(monkeypatch, 3, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt, match="6 of 16 runs finished") as caught:
        make()
    np.testing.assert_array_equal(caught.value.ensemble.Q, expected.Q[:6])


PROGRAM = """
import importlib, os, sys, time
from pathlib import Path
from quadlib import Task
module = importlib.import_module("quadlib.ensemble")
collecting = importlib.import_module("quadlib.ensemble.collect")
pool = importlib.import_module("quadlib.ensemble.pool")
collecting.POOL_PAYS_SECONDS = 0.0
pool.core_count = lambda: 2
pool.run_batch = importlib.import_module("test_ensemble_faults").stuck
try:
    module.ensemble(Task(2, 1), eta=0.1, alpha=2.0, N=50, runs=16, seed=5, progress=False,
                    store=sys.argv[1])
except module.EnsembleInterrupted as error:
    print("kept", len(error.ensemble.loss))
"""


def stuck(job, start, stop, begins):
    """`run_batch` that never ends from run 4 on, and tells who it is."""
    if start >= 4:
        (Path(os.environ["QUADLIB_TEST_FOLDER"]) / f"worker-{os.getpid()}").touch()
        time.sleep(600)
    return run_batch(job, start, stop, begins)


def start_program(tmp_path):
    """A program with four runs in its store and two workers that are stuck."""
    environment = os.environ | {
        "QUADLIB_TEST_FOLDER": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path / "store"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(
        lambda: (
            len(list(tmp_path.glob("worker-*"))) == 2
            and len(list(tmp_path.glob("store/runs-*"))) == 2
        )
    )
    return program, [int(path.name.split("-")[1]) for path in tmp_path.glob("worker-*")]


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_program_leaves_no_worker_and_resumes(tmp_path, expected, how):
    program, workers = start_program(tmp_path)
    program.send_signal(how)
    output, errors = program.communicate(timeout=30)
    if how == signal.SIGINT:
        assert output.split() == ["kept", "4"], errors
    until(lambda: not any(alive(pid) for pid in workers), 30)
    assert_same(make(store=tmp_path / "store"), expected)


LONG = """
import importlib, sys
from quadlib import Task
module = importlib.import_module("quadlib.ensemble")
collecting = importlib.import_module("quadlib.ensemble.collect")
collecting.POOL_PAYS_SECONDS = float("inf")
task, how = Task(4, 2), dict(eta=0.1, N=10**6, seed=5, progress=False)
module.ensemble(task, alpha=1e-4, runs=1, **how)  # llvmlite loses a Ctrl-C while it compiles
print("begin", flush=True)
try:
    module.ensemble(task, alpha=1e6, runs=3, **how)
except module.EnsembleInterrupted as error:
    print("kept", len(error.ensemble.loss))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_is_heard_in_the_middle_of_a_run_of_many_hours():
    program = subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout.readline() == "begin\n"
        time.sleep(1.0)
        program.send_signal(signal.SIGINT)
        output, _ = program.communicate(timeout=30)
    finally:
        program.kill()
    assert output.split() == ["kept", "0"]


def test_a_store_of_another_ensemble_is_refused(tmp_path, expected):
    make(store=tmp_path)
    with pytest.raises(ValueError, match=r"another eta, seed; choose another folder\.$"):
        make(store=tmp_path, eta=0.2, seed=6)
    with pytest.raises(ValueError, match="another alpha"):
        make(store=tmp_path, alpha=1.0)
    path = tmp_path / "parameters.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))
    with pytest.raises(ValueError, match="another format"):
        make(store=tmp_path)


def damage(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "cut":
        data = data[: len(data) // 2]
    elif kind == "empty":
        data = b""
    elif kind == "text":
        data = b"not an archive"
    else:
        data[int(kind * len(data))] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["cut", "empty", "text", 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_damaged_file_is_computed_again(tmp_path, expected, kind):
    make(store=tmp_path)
    for path in sorted(tmp_path.glob("runs-*"))[1:3]:
        damage(path, kind)
    assert_same(make(store=tmp_path), expected)
    damage(tmp_path / "parameters.json", "cut")
    assert_same(make(store=tmp_path), expected)


def test_a_flipped_bit_anywhere_is_seen_or_harmless(tmp_path):
    alpha = np.array([0.0, 1.0])
    job = Job(TASK, 0.1, alpha, 50, 5, "overlaps", "free")
    store, batch = Store(tmp_path, job, None), run_batch(job, 0, 1)
    store.write(batch)
    (path,) = tmp_path.glob("runs-*")
    intact = path.read_bytes()
    missing = np.ones(1, dtype=bool)
    seen = 0
    for position in range(0, len(intact), 3):
        data = bytearray(intact)
        data[position] ^= 1 << (position % 8)
        path.write_bytes(data)
        found = list(store.batches(missing))
        seen += not found
        for back in found:
            assert all(map(np.array_equal, back.arrays, batch.arrays))
    assert seen > 0


SHARING = """
import importlib, sys, time
from pathlib import Path
from quadlib import Task
module = importlib.import_module("quadlib.ensemble")
store, other = Path(sys.argv[1]), Path(sys.argv[2])
Path(sys.argv[3]).touch()
while not other.exists():
    time.sleep(0.001)
found = module.ensemble(Task(2, 1), eta=0.1, alpha=2.0, N=50, runs=16, seed=5, progress=False,
                        store=store)
found.save(sys.argv[3])
"""


def test_two_processes_on_one_store_do_no_harm(tmp_path, expected):
    store, ready = tmp_path / "store", [tmp_path / "a", tmp_path / "b"]
    programs = [
        subprocess.Popen([sys.executable, "-c", SHARING, store, *pair], stderr=subprocess.PIPE)
        for pair in (ready, ready[::-1])
    ]
    for program in programs:
        _, errors = program.communicate(timeout=60)
        assert program.returncode == 0, errors
    for path in ready:
        assert_same(Ensemble.load(path), expected)
    assert not list(store.glob("*.tmp"))
    assert_same(make(store=store), expected)


def test_many_threads_on_one_store_do_no_harm(tmp_path, expected):
    found = []
    threads = [Thread(target=lambda: found.append(make(store=tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for one in found:
        assert_same(one, expected)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, monkeypatch, expected):
    written, write = [], Store.write

    def full(self, batch):
        written.append(batch)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, batch)

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(StoreError, match=r"No space left.*8 of 16 runs finished") as caught:
        make(store=tmp_path)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(caught.value.ensemble.loss, expected.loss[:8])
    monkeypatch.setattr(Store, "write", write)
    assert_same(make(store=tmp_path), expected)


def test_an_error_of_the_runs_is_not_blamed_on_the_store(tmp_path, monkeypatch):
    count_batches(monkeypatch, 1, ConnectionError("it was cut"))
    with pytest.raises(ConnectionError, match="it was cut"):
        make(store=tmp_path)
    assert len(list(tmp_path.glob("runs-*"))) == 1


LIMITED = """
import importlib, resource, signal, sys
from quadlib import Task
module = importlib.import_module("quadlib.ensemble")
module.ensemble(Task(2, 1), eta=0.1, alpha=2.0, N=50, runs=2, seed=5, progress=False,
                store=sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    module.ensemble(Task(2, 1), eta=0.1, alpha=2.0, N=50, runs=16, seed=5, progress=False,
                    store=sys.argv[1])
except module.StoreError as error:
    print(len(error.ensemble.loss))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_write_the_system_refuses_leaves_no_half_file(tmp_path, expected):
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, timeout=60
    )
    assert result.stdout.strip() == "4", result.stderr  # two stored before, two in memory
    assert not list(tmp_path.glob("*.tmp"))
    assert_same(make(store=tmp_path), expected)


def test_a_store_that_cannot_be_a_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="store must be a folder that can be written"):
        make(store=tmp_path / "file")
