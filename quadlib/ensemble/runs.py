"""What a run is: a job and an index; and a batch of them, computed in this process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from quadlib.checks import Constraint
from quadlib.dynamics.start import Draw, Method, State, starter
from quadlib.dynamics.together import Together
from quadlib.shapes import Array, Float
from quadlib.task import Task

Begin = tuple[State, np.random.Generator]
"""A start that a function of the user has drawn, and the generator it drew from."""


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that decides the numbers of a run, but its index.

    With a level each run ends at its first passage; without, it is recorded at the times alpha.
    """

    task: Task
    eta: float
    alpha: Float[Array, " n"]
    N: int
    seed: int | tuple[int, ...]
    method: Method
    constraint: Constraint
    q0: float = 1.0
    step: float | None = None
    start: State | None = None
    level: float | None = None
    window: float = 0.0

    @property
    def results(self) -> dict[str, tuple[int, ...]]:
        """What a run results in: names of arrays, and their shapes."""
        if self.level is not None:
            return {"passage": ()}
        n, p, k = len(self.alpha), self.task.p, self.task.p_star
        return {"loss": (n,), "Q": (n, p, p), "M": (n, p, k), "diverged": ()}

    def together(self, rngs: Sequence[np.random.Generator], draw: Draw | None = None) -> Together:
        """Runs with these generators."""
        own = starter(self.task, self.start, self.N, self.method, self.constraint, self.q0)
        names = ("eta", "alpha", "N", "method", "constraint", "step", "level", "window")
        how: Any = {name: getattr(self, name) for name in names}
        return Together(self.task, draw or own, rngs, **how)


class Batch(NamedTuple):
    """The finished runs `start`, ..., `stop` - 1: arrays, as the job names them."""

    start: int
    stop: int
    arrays: tuple[Array, ...]


def generator(job: Job, run: int) -> np.random.Generator:
    """Return the random numbers of a run: the child of the seed with its index."""
    return np.random.default_rng(np.random.SeedSequence(job.seed, spawn_key=(run,)))


def run_batch(job: Job, start: int, stop: int, begins: Sequence[Begin] | None = None) -> Batch:
    """Compute the runs `start`, ..., `stop` - 1, from given beginnings or their own."""
    if begins is None:
        runs = job.together([generator(job, run) for run in range(start, stop)])
    else:
        states = iter([state for state, _ in begins])
        runs = job.together([rng for _, rng in begins], lambda rng: next(states))
    while runs.advance():
        pass
    return Batch(start, stop, tuple(getattr(runs, name) for name in job.results))


def seconds_per_run(job: Job, runs: int, begin: Any) -> float:
    """Estimate the time of one of `runs` from the beginning of some; compiles what is needed."""
    seconds = 0.0
    for pause in (0.0, 0.03):  # the first one compiles
        rngs = [generator(job, run) for run in range(min(runs, Together.company(job.method)))]
        pilot = job.together(rngs, begin)
        started = time.perf_counter()
        while pilot.advance(pause) and not pilot.done.any():
            pass
        end = float(job.alpha[-1])
        share = pilot.done.mean() / end if pilot.active and end > 0 else 1.0
        seconds = (time.perf_counter() - started) / share / len(rngs)
    return seconds
