"""Runs from wherever they are computed or kept, put together in order."""

import math
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from quadlib.archive import check_path
from quadlib.checks import check_integer
from quadlib.dynamics.progress import bar
from quadlib.dynamics.start import Draw
from quadlib.dynamics.together import Together
from quadlib.ensemble import pool
from quadlib.ensemble.result import EnsembleInterrupted, StoreError
from quadlib.ensemble.runs import Batch, Job, generator, seconds_per_run
from quadlib.ensemble.store import Store
from quadlib.shapes import Array, Bool

Result = TypeVar("Result")

MOST_RUNS = 10**9
BATCH_SECONDS = 0.2
POOL_PAYS_SECONDS = 1.0


def collect(
    job: Job,
    begin: Draw | None,
    runs: object,
    executor: Executor | None,
    progress: bool,
    store: str | os.PathLike[str] | None,
    make: Callable[..., Result],
) -> Result:
    """Return what `make` makes of the arrays of all runs; or of those that are finished.

    `begin` is a function of the user that draws starts; it stays in this process.
    """
    number = check_integer("runs", runs, 1, MOST_RUNS)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}; "
            "pass for example client.get_executor(pure=False)."
        )
    collected = _Collected(job, number, make)
    kept, folder = None, Path() if store is None else check_path("store", store)
    if store is not None:
        with _writing(folder, collected):
            kept = Store(folder, job, begin)
            for batch in kept.batches(collected.missing):
                collected.add(batch)
    source = _computed(job, begin, collected.missing, executor)
    try:
        with bar(progress, number, "run", number - int(collected.missing.sum())) as shown:
            for batch in source:
                collected.add(batch)
                if kept is not None:
                    with _writing(folder, collected):
                        kept.write(batch)
                shown.update(batch.stop - batch.start)
    except KeyboardInterrupt:
        raise EnsembleInterrupted(
            f"Interrupted with {collected.count}: they are in the attribute `ensemble` of this "
            "exception, and a store goes on from them.",
            collected.result(),
        ) from None
    finally:
        source.close()
    return make(*collected.arrays)


class _Collected:
    """The arrays of all runs while they are being filled."""

    def __init__(self, job: Job, runs: int, make: Callable[..., Any]) -> None:
        self.make = make
        self.missing = np.ones(runs, dtype=bool)
        self.arrays = [
            np.empty((runs, *axes), bool if name == "diverged" else float)
            for name, axes in job.results.items()
        ]

    @property
    def count(self) -> str:
        done = len(self.missing) - int(self.missing.sum())
        return f"{done} of {len(self.missing)} runs finished"

    def add(self, batch: Batch) -> None:
        # A stored batch may reach beyond the runs that are asked for now.
        stop = min(batch.stop, len(self.missing))
        for array, part in zip(self.arrays, batch.arrays, strict=True):
            array[batch.start : stop] = part[: stop - batch.start]
        self.missing[batch.start : stop] = False

    def result(self) -> Any:
        some = self.missing.any()
        return self.make(*(array[~self.missing] if some else array for array in self.arrays))


@contextmanager
def _writing(folder: Path, collected: _Collected) -> Iterator[None]:
    """Where the disk refuses, keep what is there."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"store must be a folder that can be written, got {str(folder)!r} "
            f"({error.strerror or error}) with {collected.count}; make room and call again to go "
            "on from there, or choose another folder.",
            collected.result(),
        ) from error


def _computed(
    job: Job, begin: Draw | None, missing: Bool[Array, " runs"], executor: Executor | None
) -> Generator[Batch, None, None]:
    """Yield the missing runs in batches of about `BATCH_SECONDS`."""
    wanted = np.flatnonzero(missing)
    if len(wanted) == 0:
        return
    seconds = seconds_per_run(job, len(wanted), begin)
    cores = pool.core_count()
    size = min(round(BATCH_SECONDS / max(seconds, 1e-9)), math.ceil(len(wanted) / 8))
    size = max(size, Together.company(job.method))

    def batch(part: Array) -> tuple[int, int, Any]:
        start, stop = int(part[0]), int(part[-1]) + 1
        rngs = [generator(job, run) for run in range(start, stop)]
        return start, stop, None if begin is None else [(begin(rng), rng) for rng in rngs]

    # lazily, since each holds the states its runs start from
    batches = (
        batch(part)
        for block in np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        for part in np.split(block, range(size, len(block), size))
    )
    pays = seconds * len(wanted) > POOL_PAYS_SECONDS and len(wanted) > size and cores > 1
    if executor is not None:
        yield from pool.run_on_executor(job, batches, executor)
    elif pays and (crew := pool.enlist(min(cores, math.ceil(len(wanted) / size)))):
        yield from pool.run_on_processes(job, batches, crew)
    else:
        for each in batches:
            yield pool.run_batch(job, *each)
