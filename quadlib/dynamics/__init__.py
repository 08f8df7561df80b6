"""One-pass SGD, sample by sample or many samples at a time; one method a file."""

import time
import warnings
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from quadlib.checks import (
    ROUNDING,
    Constraint,
    Random,
    as_generator,
    check_choice,
    check_constraint,
    check_dimension,
    check_real,
    check_seed,
    recording_points,
)
from quadlib.dynamics.diffusion import Diffusion
from quadlib.dynamics.overlaps import OverlapChain
from quadlib.dynamics.weights import LiteralSGD
from quadlib.shapes import Array
from quadlib.state import Overlaps, Weights, check_start, random_overlaps, random_weights
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, RunInterrupted, Trajectory, versions

__all__ = ["simulate"]

_INTERRUPT_SECONDS = 0.2
"""A compiled loop does not hear Ctrl-C: return from it about this often."""


@runtime_checkable
class _Process(Protocol):
    stride: int

    def advance(self, steps: int) -> bool: ...

    def overlaps(self) -> tuple[Array, Array]: ...


def simulate(
    task: Task,
    start: Overlaps | Weights | None,
    *,
    eta: float,
    alpha: Any,
    N: int,
    rng: Random,
    method: Literal["weights", "overlaps", "diffusion"] = "overlaps",
    constraint: Constraint = "free",
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
    step
        Length in α of a step of "diffusion"; None chooses it.
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
    check_constraint(constraint)
    check_choice("method", method, ("weights", "overlaps", "diffusion"))
    eta = check_real("eta", eta)
    points = recording_points(alpha)
    N = check_dimension(N, task.p, task.p_star)
    generator = as_generator(rng, "simulate")
    if step is not None:
        step = check_real("step", step, strict=True)
        if method != "diffusion":
            raise ValueError(
                f'step must be None with method="{method}", got {step:g}; only "diffusion" has one.'
            )
    spherical = constraint == "spherical"
    process: _Process
    if method == "weights":
        weights = _start_weights(task, start, N, generator, constraint)
        process = LiteralSGD(task, weights, eta, N, spherical, generator)
    else:
        overlaps = _start_overlaps(task, start, N, generator, constraint)
        if method == "overlaps":
            process = OverlapChain(task, overlaps, eta, N, spherical, generator)
        else:
            process = Diffusion(task, overlaps, eta, N, spherical, generator, step)
    meta = {
        "method": method,
        "eta": eta,
        "N": N,
        "seed": None if isinstance(rng, np.random.Generator) else check_seed("rng", rng),
        "constraint": constraint,
        "versions": dict(versions()),
    }
    return _run(process, task, points, N, meta, progress)


def _run(
    process: _Process, task: Task, points: Array, N: int, meta: dict[str, Any], progress: bool
) -> Trajectory:
    steps = [round(a * N) for a in points.tolist()]
    Q = np.empty((len(points), task.p, task.p))
    M = np.empty((len(points), task.p, task.p_star))
    # "diffusion" ends a step where a chunk ends: no clock may move that
    fixed = meta["method"] == "diffusion"
    recorded, done, chunk = 0, 0, 1000 * process.stride if fixed else 16

    def trajectory() -> Trajectory:
        return Trajectory(task, points[:recorded], Q[:recorded], M[:recorded], meta)

    try:
        with _bar(progress, steps[-1]) as bar:
            for target in steps:
                while done < target:
                    now = min(chunk, target - done)
                    begun = time.perf_counter()
                    if not process.advance(now):
                        raise DivergenceError(
                            f"The error must stay bounded, got a divergence near alpha = "
                            f"{(done + now) / N:g} at eta = {meta['eta']:g}; lower eta.",
                            trajectory(),
                        )
                    done += now
                    bar.update(now)
                    brief = time.perf_counter() - begun < _INTERRUPT_SECONDS / 4
                    if brief and now == chunk and not fixed:
                        chunk *= 2
                Q[recorded], M[recorded] = process.overlaps()
                recorded += 1
    except KeyboardInterrupt:
        raise RunInterrupted(
            f"Interrupted at alpha = {done / N:g}: what was recorded until then is in the "
            "attribute `trajectory` of this exception.",
            trajectory(),
        ) from None
    return trajectory()


def _bar(progress: bool, steps: int) -> Any:
    with warnings.catch_warnings():
        # Without ipywidgets a notebook gets the bar of a terminal: no need to warn.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from tqdm.auto import tqdm
    return tqdm(total=steps, unit="sample", unit_scale=True, delay=1.0, disable=not progress)


def _start_weights(
    task: Task, start: Any, N: int, rng: np.random.Generator, constraint: Constraint
) -> Weights:
    if start is None:
        return random_weights(task, N, rng, constraint=constraint)
    if not isinstance(start, Weights):
        raise TypeError(
            f'start must be Weights or None with method="weights", got {type(start).__name__}; '
            'pass the weights, or use method="overlaps".'
        )
    _check_weights(task, start, N, constraint)
    return start


def _start_overlaps(
    task: Task, start: Any, N: int, rng: np.random.Generator, constraint: Constraint
) -> Overlaps:
    if start is None:
        return random_overlaps(task, N, rng, constraint=constraint)
    if isinstance(start, Weights):
        _check_weights(task, start, N, constraint)
        return start.overlaps
    if not isinstance(start, Overlaps):
        raise TypeError(
            f"start must be Overlaps, Weights or None, got {type(start).__name__}; "
            "pass for example random_overlaps(task, N, rng)."
        )
    check_start(task, start, constraint)
    return start


def _check_weights(task: Task, start: Weights, N: int, constraint: Constraint) -> None:
    if N != start.N:
        raise ValueError(
            f"N must be the {start.N} columns of the weights, got {N}; pass N={start.N}."
        )
    check_start(task, start.overlaps, constraint)
    deviation = np.abs(start.task().T - task.T).max()
    if deviation > ROUNDING * np.abs(task.T).max():
        raise ValueError(
            f"W_star must have the overlaps T of the task, got a deviation of {deviation:.2g}; "
            "take the task from the weights: task = weights.task()."
        )
