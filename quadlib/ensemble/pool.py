"""Batches of runs on other processes: a pool of them, or any executor."""

import os
import signal
import sys
import threading
import traceback
import types
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from quadlib.ensemble.runs import Batch, Job, run_batch

__all__ = ["core_count", "processes_available", "run_batch", "run_on_executor", "run_on_processes"]

_DEATHS = 3
_WINDOW = 1000
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


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
        import multiprocessing.connection
    except ImportError:
        return False
    return not multiprocessing.current_process().daemon


def run_on_executor(
    job: Job, batches: Iterable[tuple[int, int]], executor: Executor
) -> Iterator[Batch]:
    """Yield the batches as they are finished."""
    todo = deque(batches)
    pending: dict[Future[Batch], tuple[int, int]] = {}
    try:
        while todo or pending:
            while todo and len(pending) < _WINDOW:
                batch = todo.popleft()
                pending[executor.submit(run_batch, job, *batch)] = batch
            # A limit, because an endless wait cannot be interrupted on every platform.
            for future in wait(pending, timeout=0.5, return_when=FIRST_COMPLETED).done:
                batch = pending.pop(future)
                try:
                    result = future.result()
                except Exception as error:
                    raise _lost(batch, f"failed on the executor ({error!r})") from error
                yield result
    finally:
        for future in pending:
            future.cancel()


def run_on_processes(job: Job, batches: Iterable[tuple[int, int]], workers: int) -> Iterator[Batch]:
    """Yield the batches as they are finished by worker processes.

    Each worker has a pipe of its own: when it is killed, were it in the middle of a message, the
    pipe ends, another worker takes its place, and the batches that it had are given out again.
    A ProcessPoolExecutor shares one pipe and its lock, and may then wait forever.
    """
    from multiprocessing.connection import wait as readable

    todo, deaths = deque(batches), Counter[tuple[int, int]]()
    crew: dict[Any, tuple[Any, deque[tuple[int, int]]]] = {}
    try:
        while todo or any(given for _, given in crew.values()):
            while todo and len(crew) < workers:
                connection, process = _start_worker(job)
                crew[connection] = process, deque()
            for connection, (_, given) in crew.items():
                while todo and len(given) < 2:  # one ahead, so that nobody waits
                    given.append(todo.popleft())
                    with suppress(OSError):  # of a dead worker: its pipe is readable, at its end
                        connection.send(given[-1])
            ready: list[Any] = readable(list(crew), timeout=0.5)
            for connection in ready:
                process, given = crew[connection]
                try:
                    result: Any = connection.recv()
                except (EOFError, OSError):
                    del crew[connection]
                    _end(connection, process)
                    if given:
                        deaths[given[0]] += 1
                        if deaths[given[0]] == _DEATHS:
                            what = f"ended their worker process {_DEATHS} times"
                            raise _lost(given[0], what) from None
                        todo.append(given.popleft())  # last, to finish the others first
                        todo.extendleft(reversed(given))
                else:
                    given.popleft()
                    if isinstance(result, Exception):
                        raise result
                    yield result
    finally:
        for connection, (process, _) in crew.items():
            _end(connection, process)


def _end(connection: Any, process: Any) -> None:
    process.kill()
    process.join()
    connection.close()


def _lost(batch: tuple[int, int], what: str) -> RuntimeError:
    return RuntimeError(
        f"Runs {batch[0]} to {batch[1] - 1} {what}; check the memory they need and the workers, "
        "and call again (a store keeps every finished run)."
    )


def _start_worker(job: Job) -> tuple[Any, Any]:
    import multiprocessing

    # Not fork: it copies the locks of this process's threads (a notebook has several).
    if "forkserver" in multiprocessing.get_all_start_methods():
        context: Any = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "numba"])
    else:
        context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, partial(run_batch, job)), daemon=True)
    with _worker_surroundings():
        process.start()
    theirs.close()
    return ours, process


@contextmanager
def _worker_surroundings() -> Iterator[None]:
    """Let processes started here use one thread each and not run the user's script again."""
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


def _work(connection: Any, run: Callable[[int, int], Batch]) -> None:
    """Answer every (start, stop) with its batch, or with the error that it raised."""
    import multiprocessing

    from tqdm import tqdm

    # Ctrl-C is for the main process; when that ends, however it ends, so does this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    # tqdm's own lock is a semaphore of the system, which a killed worker would leave behind.
    tqdm.set_lock(threading.RLock())
    with suppress(EOFError, OSError):  # the main process is gone
        while True:
            batch = connection.recv()
            try:
                result: Batch | Exception = run(*batch)
            except Exception as error:
                error.add_note(traceback.format_exc())
                result = error
            connection.send(result)
