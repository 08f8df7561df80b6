"""Many runs of one experiment, which differ only in their random numbers."""

import math
import os
import warnings
from collections.abc import Generator
from concurrent.futures import Executor
from typing import Any, Literal

import numpy as np

from quadlib.checks import (
    Constraint,
    Seed,
    check_choice,
    check_constraint,
    check_dimension,
    check_integer,
    check_real,
    check_seed,
    recording_points,
)
from quadlib.ensemble import pool
from quadlib.ensemble.result import Ensemble as Ensemble
from quadlib.ensemble.result import EnsembleInterrupted as EnsembleInterrupted
from quadlib.ensemble.result import StoreError as StoreError
from quadlib.ensemble.runs import Batch, Job, seconds_per_run
from quadlib.ensemble.store import Store
from quadlib.shapes import Array, Bool
from quadlib.task import Task
from quadlib.trajectory import versions

__all__ = ["Ensemble", "EnsembleInterrupted", "StoreError", "ensemble"]

_BATCH_SECONDS = 0.2
_POOL_PAYS_SECONDS = 1.0


def ensemble(
    task: Task,
    *,
    eta: float,
    alpha: Any,
    N: int,
    runs: int,
    seed: Seed,
    method: Literal["weights", "overlaps", "diffusion"] = "overlaps",
    constraint: Constraint = "free",
    executor: Executor | None = None,
    progress: bool = True,
    store: str | os.PathLike[str] | None = None,
) -> Ensemble:
    """Return independent runs of SGD from random starts.

    Run i is ``simulate(task, None, ..., rng=default_rng(SeedSequence(seed).spawn(i + 1)[i]))``,
    bit for bit, whatever the executor, the number of workers and the batches (on processors of
    one kind with one version of numba: another one may add up in another order).

    Parameters
    ----------
    task
        What is learned.
    eta, alpha, N, method, constraint
        As in `simulate`.
    runs
        Number of runs.
    seed
        Non-negative integer, or a sequence of them: what compares sizes, learning rates or tasks
        puts them into the seed, as in ``seed=(7, N)``, or it compares the same random numbers.
    executor
        Where to run: any `concurrent.futures.Executor`. By default a process pool over the
        cores, or this process alone where a pool is not available or takes longer than the runs.
        For Dask, ``client.get_executor(pure=False)``; on a SLURM cluster
        ``client = Client(SLURMCluster(cores=32, memory="64GB"))`` of dask-jobqueue before it.
    progress
        Show a progress bar with the time left, if it takes longer than a second.
    store
        A folder in which finished runs are kept, about five times a second and worker. A call
        with the same folder goes on where another one was ended; more `runs` may be asked for.

    Returns
    -------
    Ensemble
        A run that diverges is marked in `diverged` and does not disturb the others.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed, or `store` holds runs of other parameters.
    EnsembleInterrupted
        At Ctrl-C, a KeyboardInterrupt with the finished runs in its attribute `ensemble`.
    StoreError
        If the disk is full; it has the finished runs in its attribute `ensemble`.
    RuntimeError
        If the same runs end their worker process three times, or fail on `executor`.
    """
    check_constraint(constraint)
    job = Job(
        task,
        check_real("eta", eta),
        recording_points(alpha),
        check_dimension(N, task.p, task.p_star),
        check_seed("seed", seed),
        check_choice("method", method, ("weights", "overlaps", "diffusion")),
        constraint,
    )
    runs = check_integer("runs", runs, 1)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}; "
            "pass for example client.get_executor(pure=False)."
        )
    shapes = ((len(job.alpha), *axes) for axes in ((), (task.p, task.p), (task.p, task.p_star)))
    collected = _Collected(job, runs, (*shapes, ()))
    kept = _open(store, job, collected) if store is not None else None
    source = _computed(job, collected.missing, executor)
    try:
        with _bar(progress, runs, runs - int(collected.missing.sum())) as bar:
            for batch in source:
                collected.add(batch)
                if kept is not None:
                    _keep(kept, batch, collected)
                bar.update(batch.stop - batch.start)
    except KeyboardInterrupt:
        raise EnsembleInterrupted(
            f"Interrupted with {collected.count}: they are in the attribute `ensemble` of this "
            "exception, and a store goes on from them.",
            collected.ensemble(),
        ) from None
    finally:
        source.close()
    return collected.ensemble()


class _Collected:
    """The arrays of the ensemble while they are being filled."""

    def __init__(self, job: Job, runs: int, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.job, self.shapes = job, shapes
        self.missing = np.ones(runs, dtype=bool)
        dtypes = (float, float, float, bool)  # loss, Q, M, diverged
        self.arrays = [
            np.empty((runs, *axes), dtype) for axes, dtype in zip(shapes, dtypes, strict=True)
        ]

    @property
    def count(self) -> str:
        done = len(self.missing) - int(self.missing.sum())
        return f"{done} of {len(self.missing)} runs finished"

    def add(self, batch: Batch) -> None:
        # A stored batch may reach beyond the runs that are asked for now.
        stop = min(batch.stop, len(self.missing))
        for array, part in zip(self.arrays, batch[2:], strict=True):
            array[batch.start : stop] = part[: stop - batch.start]
        self.missing[batch.start : stop] = False

    def ensemble(self) -> Ensemble:
        loss, Q, M, diverged = (
            array[~self.missing] if self.missing.any() else array for array in self.arrays
        )
        job = self.job
        meta = {
            "method": job.method,
            "eta": job.eta,
            "N": job.N,
            "seed": job.seed,
            "constraint": job.constraint,
            "versions": dict(versions()),
        }
        return Ensemble(job.task, job.alpha, loss, Q, M, diverged, meta)


def _open(store: str | os.PathLike[str], job: Job, collected: _Collected) -> Store:
    try:
        kept = Store(store, job)
        for batch in kept.batches(collected.missing, collected.shapes):
            collected.add(batch)
    except OSError as error:
        raise StoreError(
            f"store must be a folder that can be written, got {os.fspath(store)!r} "
            f"({error.strerror or error}); make room, or choose another folder.",
            collected.ensemble(),
        ) from error
    return kept


def _keep(kept: Store, batch: Batch, collected: _Collected) -> None:
    try:
        kept.write(batch)
    except OSError as error:
        raise StoreError(
            f"store must be a folder that can be written, got {os.fspath(kept.folder)!r} "
            f"({error.strerror or error}) with {collected.count}; make room and call again to go "
            "on from there.",
            collected.ensemble(),
        ) from error


def _computed(
    job: Job, missing: Bool[Array, " runs"], executor: Executor | None
) -> Generator[Batch, None, None]:
    """Yield the missing runs in batches of about `_BATCH_SECONDS`."""
    wanted = np.flatnonzero(missing)
    if len(wanted) == 0:
        return
    seconds = seconds_per_run(job)
    cores = pool.core_count()
    size = max(1, min(round(_BATCH_SECONDS / max(seconds, 1e-9)), math.ceil(len(wanted) / 8)))
    batches = [
        (int(part[0]), int(part[-1]) + 1)
        for block in np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        for part in np.split(block, range(size, len(block), size))
    ]
    small = seconds * len(wanted) < _POOL_PAYS_SECONDS or len(wanted) == 1 or cores == 1
    if executor is not None:
        yield from pool.run_on_executor(job, batches, executor)
    elif small or not pool.processes_available():
        for start, stop in batches:
            yield pool.run_batch(job, start, stop)
    else:
        yield from pool.run_on_processes(job, batches, min(cores, len(batches)))


def _bar(progress: bool, runs: int, done: int) -> Any:
    with warnings.catch_warnings():
        # Without ipywidgets a notebook gets the bar of a terminal: no need to warn.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from tqdm.auto import tqdm
    return tqdm(total=runs, initial=done, unit="run", delay=1.0, disable=not progress)
