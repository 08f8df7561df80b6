"""One-pass SGD, sample by sample or many samples at a time; one method a file."""

from typing import Any

import numpy as np

from quadlib.checks import (
    Constraint,
    Random,
    as_generator,
    check_dimension,
    check_eta,
    check_seed,
    recording_points,
)
from quadlib.dynamics.progress import bar
from quadlib.dynamics.start import Method, check_method, check_step, starter
from quadlib.dynamics.together import Together
from quadlib.state import Overlaps, Weights
from quadlib.task import Task, check_task
from quadlib.trajectory import DivergenceError, RunInterrupted, Trajectory, how_made

_SHOW = 0.1
"""Seconds between two steps of the bar."""


def simulate(
    task: Task,
    start: Overlaps | Weights | None,
    *,
    eta: float,
    alpha: Any,
    N: int,
    rng: Random,
    method: Method = "overlaps",
    constraint: Constraint = "free",
    q0: float = 1.0,
    step: float | None = None,
    progress: bool = True,
) -> Trajectory:
    r"""Simulate one run of one-pass SGD: a fresh sample x ~ N(0, I_N) in every step,

    .. math:: w_i \leftarrow w_i - \frac{2 η Δ λ_i}{\sqrt N} x .

    Parameters
    ----------
    task
        What is learned.
    start
        `Overlaps`; `Weights`, which method "weights" needs; or None for a random start.
    eta
        Learning rate.
    alpha
        The last time, in samples divided by N, or the increasing times to record. The state is
        recorded after round(alpha N) samples; what is recorded does not change the run (but for
        "diffusion", whose steps end at the recorded times).
    N
        Input dimension, at least p + p*.
    rng
        A generator; or the seed of one, an integer or a sequence of integers such as (7, N). A
        start drawn with the same seed is independent of the run.
    method
        - "weights": literal SGD on N-dimensional vectors.
        - "overlaps": the same law exactly, at a cost that does not depend on N.
        - "diffusion": a few draws stand for many samples; needs N large against 1, and any N up
          to 1e12 and beyond costs the same.
    constraint
        With "spherical" each student is rescaled to norm √N after every step.
    q0
        Variance of the weights of a random start.
    step
        Length in α of a step of "diffusion", at least 1/N; None chooses it.
    progress
        Show a progress bar, if the run takes longer than a second.

    Raises
    ------
    DivergenceError
        If the error Δ grows beyond all bounds; holds the trajectory so far.
    RunInterrupted
        At Ctrl-C, a KeyboardInterrupt that holds the trajectory so far.
    TypeError, ValueError
        If an argument is not allowed, or the start does not fit it.

    Notes
    -----
    docs/theory.md sections 1, 8 and 9.
    """
    check_task(task)
    eta = check_eta(eta)
    points = recording_points(alpha)
    N = check_dimension(N, task.p, task.p_star)
    check_method(method, task, N)
    generator = as_generator(rng, "simulate")
    seed = None if isinstance(rng, np.random.Generator) else check_seed("rng", rng)
    meta = how_made(method, eta, N, seed, constraint)
    run = Together(
        task,
        starter(task, start, N, method, constraint, q0),
        [generator],
        eta=eta,
        alpha=points,
        N=N,
        method=method,
        constraint=constraint,
        step=check_step(step, method, N),
    )
    try:
        with bar(progress, round(points[-1] * N), "sample") as shown:
            while run.advance(_SHOW):
                shown.update(round(run.done[0] * N) - shown.n)
    except KeyboardInterrupt:
        raise RunInterrupted(
            f"Interrupted at alpha = {run.done[0]:g}: what was recorded until then is in the "
            "attribute `trajectory` of this exception.",
            run.trajectory(0, meta),
        ) from None
    if run.diverged[0]:
        raise DivergenceError(
            f"The error must stay bounded, got a divergence near alpha = {run.done[0]:g} at "
            f"eta = {eta:g}; lower eta.",
            run.trajectory(0, meta),
        )
    return run.trajectory(0, meta)
