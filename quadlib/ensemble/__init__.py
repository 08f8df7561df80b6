"""Many runs of one experiment, which differ only in their random numbers."""

import json
import math
import os
import warnings
from collections.abc import Generator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from quadlib.checks import (
    Constraint,
    check_choice,
    check_constraint,
    check_dimension,
    check_integer,
    check_real,
    read_only,
    recording_points,
)
from quadlib.ensemble import pool
from quadlib.ensemble.store import Store
from quadlib.shapes import Array, Bool, Float
from quadlib.task import Task
from quadlib.trajectory import escape_level, first_passage, versions

__all__ = ["Ensemble", "EnsembleInterrupted", "StoreError", "ensemble"]

_BATCH_SECONDS = 0.2
_POOL_PAYS_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Overlaps and population loss of many runs at the same times.

    Attributes
    ----------
    task
        What was learned.
    alpha
        Recorded times, samples divided by N; shape (n,).
    loss
        Population loss, label noise included; shape (runs, n).
    Q, M
        Overlaps; shapes (runs, n, p, p) and (runs, n, p, p*).
    diverged
        Whether a run blew up; shape (runs,). Its loss, Q and M are inf from then on.
    meta
        How it was made: method, eta, N, seed, constraint, versions.

    Notes
    -----
    The arrays are made read-only, not copied: an ensemble may fill half the memory.
    """

    task: Task
    alpha: Float[Array, " n"]
    loss: Float[Array, "runs n"]
    Q: Float[Array, "runs n p p"]
    M: Float[Array, "runs n p k"]
    diverged: Bool[Array, " runs"]
    meta: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in ("alpha", "loss", "Q", "M", "diverged"):
            object.__setattr__(self, name, read_only(getattr(self, name).view()))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @cached_property
    def escape_times(self) -> Float[Array, " runs"]:
        """First α of each run at which the loss is half way from its floor to the plateau.

        Linearly interpolated between recorded points; inf for a run that has not escaped, or
        that diverged before. Computed when first asked for.

        Raises
        ------
        NoPlateauError
            If there is no plateau at this learning rate.

        Notes
        -----
        docs/theory.md (4.4).
        """
        level = escape_level(self.task, self.meta["eta"], self.meta["constraint"])
        with np.errstate(invalid="ignore"):  # inf - inf, in runs whose time is inf anyway
            return read_only(first_passage(self.alpha, self.loss, level))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ensemble to `path` as one compressed .npz file, with no pickled objects."""
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                alpha=self.alpha,
                loss=self.loss,
                Q=self.Q,
                M=self.M,
                diverged=self.diverged,
                T=self.task.T,
                label_noise=self.task.label_noise,
                meta=np.array(json.dumps(dict(self.meta))),
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Ensemble":
        """Read an ensemble written by `save`.

        Raises
        ------
        ValueError
            If the file is not a saved ensemble, or is damaged.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
                alpha, loss, Q, M, diverged = (
                    data[name] for name in ("alpha", "loss", "Q", "M", "diverged")
                )
                task = Task(M.shape[2], M.shape[3], data["T"], float(data["label_noise"]))
                return cls(task, alpha, loss, Q, M, diverged, json.loads(str(data["meta"])))
        except OSError:
            raise
        except Exception as error:  # a damaged archive can raise nearly anything
            raise ValueError(
                f"path must be an ensemble written by Ensemble.save, got {os.fspath(path)!r} "
                f"({error}); save it again."
            ) from None


class EnsembleInterrupted(KeyboardInterrupt):
    """Ctrl-C: `ensemble` holds the runs that were finished, in order of their index."""

    def __init__(self, message: str, ensemble: Ensemble) -> None:
        super().__init__(message)
        self.ensemble = ensemble


class StoreError(OSError):
    """The store cannot be written: `ensemble` holds the runs that were finished."""

    def __init__(self, message: str, ensemble: Ensemble) -> None:
        super().__init__(message)
        self.ensemble = ensemble


def ensemble(
    task: Task,
    *,
    eta: float,
    alpha: ArrayLike,
    N: int,
    runs: int,
    seed: int,
    method: Literal["weights", "overlaps", "diffusion"] = "overlaps",
    constraint: Constraint = "free",
    executor: Executor | None = None,
    progress: bool = True,
    store: str | os.PathLike[str] | None = None,
) -> Ensemble:
    """Return independent runs of SGD from random starts.

    Run i is ``simulate(task, None, ..., rng=default_rng(SeedSequence(seed).spawn(i + 1)[i]))``,
    bit for bit, whatever the executor, the number of workers and the batches.

    Parameters
    ----------
    task
        What is learned.
    eta, alpha, N, method, constraint
        As in `simulate`.
    runs
        Number of runs.
    seed
        Non-negative integer.
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
    job = pool.Job(
        task,
        check_real("eta", eta),
        recording_points(alpha),
        check_dimension(N, task.p, task.p_star),
        check_integer("seed", seed, 0),
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
                    kept.write(batch)
                bar.update(batch.stop - batch.start)
    except KeyboardInterrupt:
        raise EnsembleInterrupted(
            f"Interrupted with {collected.count}: they are in the attribute `ensemble` of this "
            "exception, and a store goes on from them.",
            collected.ensemble(),
        ) from None
    except OSError as error:
        if kept is None:
            raise
        raise StoreError(
            f"store must be a folder that can be written, got {os.fspath(kept.folder)!r} "
            f"({error.strerror or error}) with {collected.count}; make room and call again to go "
            "on from there.",
            collected.ensemble(),
        ) from error
    finally:
        source.close()
    return collected.ensemble()


class _Collected:
    """The arrays of the ensemble while they are being filled."""

    def __init__(self, job: pool.Job, runs: int, shapes: tuple[tuple[int, ...], ...]) -> None:
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

    def add(self, batch: pool.Batch) -> None:
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


def _open(store: str | os.PathLike[str], job: pool.Job, collected: _Collected) -> Store:
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


def _computed(
    job: pool.Job, missing: Bool[Array, " runs"], executor: Executor | None
) -> Generator[pool.Batch, None, None]:
    """Yield the missing runs in batches of about `_BATCH_SECONDS`."""
    wanted = np.flatnonzero(missing)
    if len(wanted) == 0:
        return
    seconds = pool.seconds_per_run(job)
    cores = pool.core_count()
    size = max(1, min(round(_BATCH_SECONDS / max(seconds, 1e-9)), math.ceil(len(wanted) / 8)))
    batches = [
        (int(part[0]), int(part[-1]) + 1)
        for block in np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        for part in np.split(block, range(size, len(block), size))
    ]
    small = seconds * len(wanted) < _POOL_PAYS_SECONDS or len(wanted) == 1 or cores == 1
    if executor is None and (small or not pool.processes_available()):
        for start, stop in batches:
            yield pool.run_batch(job, start, stop)
    else:
        yield from pool.run_batches(job, batches, executor, min(cores, len(batches)))


def _bar(progress: bool, runs: int, done: int) -> Any:
    with warnings.catch_warnings():
        # Without ipywidgets a notebook gets the bar of a terminal: no need to warn.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from tqdm.auto import tqdm
    return tqdm(total=runs, initial=done, unit="run", delay=1.0, disable=not progress)
