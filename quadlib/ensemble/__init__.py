"""Many runs of one experiment, which differ only in their random numbers."""

import math
import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

import numpy as np

from quadlib.checks import (
    Constraint,
    Seed,
    check_constraint,
    check_dimension,
    check_eta,
    check_real,
    check_seed,
    recording_points,
)
from quadlib.dynamics.start import Draw, Method, check_method, check_step, starter
from quadlib.ensemble.collect import collect
from quadlib.ensemble.result import Ensemble as Ensemble
from quadlib.ensemble.result import EnsembleInterrupted as EnsembleInterrupted
from quadlib.ensemble.result import StoreError as StoreError
from quadlib.ensemble.runs import Job
from quadlib.plateau import NoPlateauError, escape_level, plateau
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, Weights
from quadlib.task import Task, check_task
from quadlib.trajectory import how_made

_WINDOW, _PATIENCE, _SLOWEST = 5e-4, 20.0, 0.1
"""Looks at the loss and the end of waiting, in 1/r; least r, over 4η max T/p*."""

Start = Overlaps | Weights | Callable[[np.random.Generator], Overlaps | Weights] | None


def ensemble(
    task: Task,
    *,
    eta: float,
    alpha: Any,
    N: int,
    runs: int,
    seed: Seed,
    method: Method = "overlaps",
    constraint: Constraint = "free",
    start: Start = None,
    q0: float = 1.0,
    step: float | None = None,
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
    eta, alpha, N, method, constraint, step
        As in `simulate`.
    runs
        Number of runs.
    seed
        Non-negative integer, or a sequence of them: what compares sizes, learning rates or tasks
        puts them into the seed, as in ``seed=(7, N)``, or it compares the same random numbers.
    start
        Where runs begin: None for a random start of each; `Overlaps` or `Weights` for all; or a
        function that draws one from the run's generator, as ``lambda rng: random_overlaps(task,
        N, rng)``, which is called in this process.
    q0
        Variance of the weights of random starts.
    executor
        Where to run: any `concurrent.futures.Executor`. By default a process for each core, kept
        for later calls; or this process alone, where others cannot be started or take longer
        than the runs.
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
    how: Any = dict(method=method, constraint=constraint, q0=q0, step=step)
    job, begin = _job(task, eta, alpha, N, seed, start, **how)
    meta = how_made(method, job.eta, job.N, job.seed, constraint)

    def make(loss: Array, Q: Array, M: Array, diverged: Array) -> Ensemble:
        return Ensemble(job.task, job.alpha, loss, Q, M, diverged, meta)

    return collect(job, begin, runs, executor, progress, store, make)


def _job(
    task: Task, eta: Any, alpha: Any, N: Any, seed: Any, start: Start, **how: Any
) -> tuple[Job, Draw | None]:
    """Check the arguments; a start that is a function is returned beside the job."""
    check_task(task)
    check_constraint(how["constraint"])
    eta, points = check_eta(eta), recording_points(alpha)
    N, seed = check_dimension(N, task.p, task.p_star), check_seed("seed", seed)
    check_method(how["method"], task, N)
    how["step"] = check_step(how["step"], how["method"], N)
    draw = starter(task, start, N, how["method"], how["constraint"], how["q0"])
    state, draws = (None, draw) if callable(start) else (start, None)
    return Job(task, eta, points, N, seed, start=state, **how), draws


def escape_times(
    task: Task,
    *,
    eta: float,
    N: int,
    runs: int,
    seed: Seed,
    method: Method = "overlaps",
    constraint: Constraint = "free",
    start: Start = None,
    q0: float = 1.0,
    level: float | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    store: str | os.PathLike[str] | None = None,
) -> Float[Array, " runs"]:
    r"""Return when independent runs of SGD escape the plateau, each run ended when it has.

    .. math:: α_{\mathrm{esc}} = \min \{α : L(α) \le \mathrm{level}\}

    Run i is run i of an `ensemble` with the same arguments (with "diffusion" in law only, since a
    grid of times shortens its steps). Its loss is looked at every
    .0005/r and interpolated, with the growth rate r of the plateau ("diffusion": at each of its
    steps, which are about .02/r).

    A run is given up at α = (½ ln N + 20)/r, when all but a share of e^{-20} of the starts that
    grow at rate r have escaped; r is at least a tenth of 4η max T/p*, its value at small η.

    Parameters
    ----------
    task, eta, N, runs, seed, method, constraint, start, q0, executor, progress, store
        As in `ensemble`.
    level
        A loss, label noise included. By default half way from the label-noise floor up to the
        plateau.

    Returns
    -------
    array, shape (runs,)
        In samples divided by N; inf where a run diverges, or is given up.

    Raises
    ------
    NoPlateauError
        If no level is given and there is no plateau.
    TypeError, ValueError, EnsembleInterrupted, StoreError, RuntimeError
        As in `ensemble`; `EnsembleInterrupted.ensemble` holds the times of the finished runs.

    Notes
    -----
    docs/theory.md (3.4), (4.4).
    """
    check_task(task)
    eta = check_eta(eta, strict=True)
    check_constraint(constraint)
    if level is None:
        level = escape_level(task, eta, constraint)
    level = check_real("level", level, strict=True)
    rate = _SLOWEST * 4 * eta * float(np.linalg.eigvalsh(task.T)[-1]) / task.p_star
    with suppress(NoPlateauError):
        rate = max(rate, plateau(task, eta, constraint).escape_rate)
    end = (math.log(check_dimension(N, task.p, task.p_star)) / 2 + _PATIENCE) / rate
    how: Any = dict(method=method, constraint=constraint, q0=q0, step=None, level=level)
    job, begin = _job(task, eta, [end], N, seed, start, window=_WINDOW / rate, **how)
    return collect(job, begin, runs, executor, progress, store, np.asarray)
