"""Batches of runs on other processes: workers that stay for later calls, or any executor.

A worker is a Python of its own, told what to do through a pipe: nothing of the user's program is
run in it again, and nothing of this process is changed to start it.
"""

import atexit
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from quadlib.ensemble.runs import Batch, Job
from quadlib.ensemble.runs import run_batch as run_batch

_DEATHS = 3
_WINDOW = 1000
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_WORK = "from quadlib.ensemble.pool import work; work()"


def core_count() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_on_executor(job: Job, batches: Iterable[Any], executor: Executor) -> Iterator[Batch]:
    """Yield the batches as they are finished."""
    todo = iter(batches)
    pending: dict[Future[Batch], Any] = {}
    try:
        while True:
            while len(pending) < _WINDOW and (batch := next(todo, None)) is not None:
                pending[executor.submit(run_batch, job, *batch)] = batch
            if not pending:
                return
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


class _Worker:
    """A process that answers batches, and the thread that hears it."""

    def __init__(self) -> None:
        environment = os.environ | dict.fromkeys(_ONE_THREAD, "1")
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self.process: Any = subprocess.Popen(
            [sys.executable, "-c", _WORK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # Ctrl-C is for this process
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self.given: deque[Any] = deque()
        self.heard: SimpleQueue[tuple[_Worker, Any]] = SimpleQueue()
        self.told: Any = None
        self.ear = threading.Thread(target=self._hear, daemon=True)
        try:
            self.ear.start()
        except RuntimeError:
            self.end()
            raise

    def _hear(self) -> None:
        with suppress(Exception):  # a killed worker may stop in the middle of a message
            while True:
                result = pickle.load(self.process.stdout)
                self.heard.put((self, result))
        self.heard.put((self, None))

    def give(self, task: tuple[Any, Job], batch: Any) -> None:
        """Send a batch, and what to do with it if that is new."""
        self.given.append(batch)
        with suppress(OSError):  # of a dead worker, which will be heard
            pickle.dump((None if task == self.told else task, batch), self.process.stdin)
            self.process.stdin.flush()
        self.told = task

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.ear.is_alive():
            self.ear.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # of what a dead worker has not read
                pipe.close()


_idle: list[_Worker] = []


def end_idle() -> None:
    """End the workers that wait for later calls."""
    while _idle:
        _idle.pop().end()


atexit.register(end_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # they are the parent's


def enlist(workers: int) -> list[_Worker]:
    """Return workers of earlier calls or new ones; fewer or none where none can be started."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.current_process().daemon:
        return []
    crew: list[_Worker] = []
    with suppress(OSError, RuntimeError):  # no processes, no threads
        while len(crew) < workers:
            try:
                worker = _idle.pop()
            except IndexError:
                worker = _Worker()
            if worker.process.poll() is None:
                crew.append(worker)
            else:
                worker.end()
    return crew


def run_on_processes(job: Job, batches: Iterable[Any], crew: list[_Worker]) -> Iterator[Batch]:
    """Yield the batches as they are finished by worker processes, which are free afterwards.

    When a worker is killed, were it in the middle of a message, its pipe ends, another worker
    takes its place, and the batches that it had are given out again.
    """
    task, heard = (run_batch, job), SimpleQueue[tuple[_Worker, Any]]()
    todo, first, last = iter(batches), deque[Any](), deque[Any]()
    deaths = Counter[tuple[int, int]]()
    for worker in crew:
        worker.heard = heard

    def following() -> Any:
        if first:
            return first.popleft()
        batch = next(todo, None)
        return last.popleft() if batch is None and last else batch

    try:
        while True:
            for worker in crew:
                # one ahead, so that nobody waits
                while len(worker.given) < 2 and (batch := following()) is not None:
                    worker.give(task, batch)
            if not any(worker.given for worker in crew):
                return
            try:
                worker, result = heard.get(timeout=0.5)
            except Empty:
                continue
            if result is None:
                crew[crew.index(worker)] = new = _Worker()
                new.heard = heard
                worker.end()
                if worker.given:
                    culprit = worker.given.popleft()
                    deaths[culprit[:2]] += 1
                    if deaths[culprit[:2]] == _DEATHS:
                        raise _lost(culprit, f"ended their worker process {_DEATHS} times")
                    last.append(culprit)  # to finish the others first
                    first.extend(worker.given)
                continue
            worker.given.popleft()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        for worker in crew:
            if worker.given or len(_idle) >= core_count():
                worker.end()
            else:
                _idle.append(worker)


def _lost(batch: Any, what: str) -> RuntimeError:
    return RuntimeError(
        f"Runs {batch[0]} to {batch[1] - 1} {what}; check the memory they need and the workers, "
        "and call again (a store keeps every finished run)."
    )


def work() -> None:
    """Answer every batch on standard input with its result, or with the error it raised."""
    questions: SimpleQueue[Any] = SimpleQueue()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is no answer

    def listen() -> None:
        try:
            while True:
                questions.put(pickle.load(sys.stdin.buffer))
        finally:
            os._exit(0)  # the main process is gone, however it ended

    threading.Thread(target=listen, daemon=True).start()
    run = job = None
    while True:
        task, batch = questions.get()
        run, job = task or (run, job)
        try:
            result: Any = run(job, *batch)  # type: ignore[misc]
        except Exception as error:
            error.add_note(traceback.format_exc())
            result = error
        pickle.dump(result, answers)
        answers.flush()
