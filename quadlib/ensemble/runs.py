"""What a run is: a job and an index; and a batch of them, computed in this process."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from quadlib.checks import Constraint
from quadlib.dynamics import simulate
from quadlib.shapes import Array, Bool, Float
from quadlib.task import Task
from quadlib.trajectory import DivergenceError

__all__ = ["Batch", "Job", "run_batch", "seconds_per_run"]


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that decides the numbers of a run, but its index."""

    task: Task
    eta: float
    alpha: Float[Array, " n"]
    N: int
    seed: int | tuple[int, ...]
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
