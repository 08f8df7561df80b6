"""Where batches of runs are computed: in this process, on a process pool, on any executor."""

import os
import signal
import sys
import threading
import time
import types
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from quadlib.checks import Constraint
from quadlib.dynamics import simulate
from quadlib.shapes import Array, Bool, Float
from quadlib.task import Task
from quadlib.trajectory import DivergenceError

__all__ = ["Batch", "Job", "core_count", "processes_available", "run_batch", "run_batches"]

_DEATHS = 3
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that decides the numbers of a run, but its index."""

    task: Task
    eta: float
    alpha: Float[Array, " n"]
    N: int
    seed: int
    method: Any
    constraint: Constraint


class Batch(NamedTuple):
    """The finished runs `start`, ..., `stop` - 1."""

    start: int
    stop: int
    loss: Float[Array, "b n"]
    Q: Float[Array, "b n p p"]
    M: Float[Array, "b n p k"]
    diverged: Bool[Array, " b"]


def run_batch(job: Job, start: int, stop: int) -> Batch:
    """Compute the runs `start`, ..., `stop` - 1; run i draws from the i-th child of the seed."""
    p, k = job.task.p, job.task.p_star
    shape = (stop - start, len(job.alpha))
    # After a divergence there is no state: everything stays infinite.
    loss, Q, M = (np.full((*shape, *axes), np.inf) for axes in ((), (p, p), (p, k)))
    diverged = np.zeros(stop - start, dtype=bool)
    for row, run in enumerate(range(start, stop)):
        rng = np.random.default_rng(np.random.SeedSequence(job.seed, spawn_key=(run,)))
        try:
            trajectory = _simulate(job, rng)
        except DivergenceError as error:
            trajectory = error.trajectory
            diverged[row] = True
        finite = int(np.isfinite(trajectory.loss).cumprod().sum())
        loss[row, :finite] = trajectory.loss[:finite]
        Q[row, :finite] = trajectory.Q[:finite]
        M[row, :finite] = trajectory.M[:finite]
    return Batch(start, stop, loss, Q, M, diverged)


def _simulate(job: Job, rng: np.random.Generator) -> Any:
    return simulate(
        job.task,
        None,
        eta=job.eta,
        alpha=job.alpha,
        N=job.N,
        rng=rng,
        method=job.method,
        constraint=job.constraint,
        progress=False,
    )


def seconds_per_run(job: Job) -> float:
    """Estimate the time of one run from the beginning of one; compiles what is to be compiled."""
    end = float(job.alpha[-1])
    fraction = min(1.0, 100 / (job.N * end)) if end > 0 else 1.0
    warm = False
    while True:
        pilot = replace(job, alpha=np.array([fraction * end]))
        started = time.perf_counter()
        with suppress(DivergenceError):
            _simulate(pilot, np.random.default_rng(job.seed))
        elapsed = time.perf_counter() - started
        if warm and (fraction == 1.0 or elapsed > 0.02):
            return elapsed / fraction
        fraction = min(1.0, 4 * fraction) if warm else fraction
        warm = True


def core_count() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes_available() -> bool:
    """Whether this process can start others (not under Pyodide, nor in a daemonic process)."""
    if sys.platform == "emscripten":
        return False
    try:
        import multiprocessing.synchronize
        from concurrent.futures import ProcessPoolExecutor  # noqa: F401
    except (ImportError, OSError, NotImplementedError):
        return False
    return not multiprocessing.current_process().daemon


def run_batches(
    job: Job, batches: Iterable[tuple[int, int]], executor: Executor | None, workers: int
) -> Iterator[Batch]:
    """Yield the batches as they are finished.

    Without an executor a process pool is made; when it breaks because a worker was killed it is
    made again, and its batches resubmitted. A batch that was lost twice runs alone, so that the
    one that is lost a third time is the culprit.
    """
    window = 1000 if executor is not None else 2 * workers
    pool = executor if executor is not None else _start_pool(workers)
    todo, deaths, broken = deque(batches), Counter[tuple[int, int]](), False
    pending: dict[Future[Batch], tuple[int, int]] = {}
    try:
        while todo or pending:
            if broken and not pending:
                pool.shutdown()
                pool, broken = _start_pool(workers), False
            while not broken and todo and len(pending) < window:
                suspect = deaths[todo[0]] == _DEATHS - 1
                if pending and (suspect or _DEATHS - 1 in map(deaths.get, pending.values())):
                    break
                try:
                    with _worker_surroundings(executor is None):
                        future = pool.submit(run_batch, job, *todo[0])
                except BrokenExecutor:
                    if executor is not None:
                        raise
                    broken = True
                else:
                    pending[future] = todo.popleft()
            # A limit, because an endless wait cannot be interrupted on every platform.
            for future in wait(pending, timeout=0.5, return_when=FIRST_COMPLETED).done:
                batch = pending.pop(future)
                try:
                    result = future.result()
                except Exception as error:
                    deaths[batch] += 1
                    if executor is not None:
                        raise _lost(batch, f"failed on the executor ({error!r})") from error
                    if not isinstance(error, BrokenExecutor):
                        raise
                    if deaths[batch] == _DEATHS:
                        raise _lost(batch, f"ended their worker process {_DEATHS} times") from None
                    broken = True
                    todo.appendleft(batch)
                else:
                    yield result
    finally:
        for future in pending:
            future.cancel()
        if executor is None:
            if pending:
                for process in list((getattr(pool, "_processes", None) or {}).values()):
                    process.kill()
            pool.shutdown(wait=not pending, cancel_futures=True)


def _lost(batch: tuple[int, int], what: str) -> RuntimeError:
    return RuntimeError(
        f"Runs {batch[0]} to {batch[1] - 1} {what}; check the memory they need and the workers, "
        "and call again (a store keeps every finished run)."
    )


def _start_pool(workers: int) -> Executor:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Not fork: it copies the locks of this process's threads (a notebook has several).
    if "forkserver" in multiprocessing.get_all_start_methods():
        context: Any = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "numba"])
    else:
        context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)


@contextmanager
def _worker_surroundings(own_pool: bool) -> Iterator[None]:
    """Let processes started here use one thread each and not run the user's script again."""
    if not own_pool:
        yield
        return
    main, environment = sys.modules["__main__"], dict(os.environ)
    sys.modules["__main__"] = types.ModuleType("__main__")
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in _ONE_THREAD:
            if name in environment:
                os.environ[name] = environment[name]
            else:
                del os.environ[name]


def _prepare_worker() -> None:
    """Leave Ctrl-C to the main process, and end when it ends, however it ends."""
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
