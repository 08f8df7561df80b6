"""What is seen of runs on their way: overlaps at given times, or when the loss passes a level."""

import math
from abc import ABC, abstractmethod

import numpy as np

from quadlib.shapes import Array, Bool, Float, Int
from quadlib.state import Overlaps
from quadlib.task import Task, joint_covariance, squared_error

RUNNING, FINISHED, DIVERGED, UNFIT = 0, 1, 2, 3


def largest_error(task: Task, start: Overlaps) -> float:
    """Beyond this error Δ a run has diverged."""
    return float(1e6 * (1 + np.trace(start.Q) / task.p + np.trace(task.T) / task.p_star))


class Record:
    """Some runs of one task from t = 0: what they do, and what is seen of them.

    Attributes
    ----------
    task, eta, N, spherical, step
        As in `simulate`.
    samples
        When to record, in samples; with a level one number, after which a run is given up.
    every
        With a level, the samples between two looks at the loss; else 0.
    Q, M
        Shapes (runs, n, p, p) and (runs, n, p, p*), infinite where nothing is recorded (yet, or
        after a divergence).
    recorded
        How many times are recorded; shape (runs,).
    done
        α that each run has reached; shape (runs,).
    state
        RUNNING, FINISHED, DIVERGED or UNFIT; shape (runs,).
    passage
        First α at which the loss is at most the level, linearly interpolated between looks;
        inf before that, and if it never is; shape (runs,).
    """

    def __init__(
        self,
        task: Task,
        eta: float,
        N: int,
        samples: list[int],
        runs: int = 1,
        spherical: bool = False,
        step: float | None = None,
        level: float | None = None,
        every: int = 1,
    ) -> None:
        self.task, self.eta, self.N, self.spherical, self.step = task, eta, N, spherical, step
        self.level, self.every = (-math.inf, 0) if level is None else (level, every)
        self.samples, n, p, k = samples, len(samples), task.p, task.p_star
        self.Q, self.M = (np.full((runs, n, p, size), np.inf) for size in (p, k))
        self.recorded, self.state = (np.zeros(runs, dtype=np.int64) for _ in range(2))
        self.done, self.passage = np.zeros(runs), np.full(runs, np.inf)
        self._last = np.full((2, runs), np.nan)  # α and loss at the last look
        self._loss, self._known = np.full((runs, n), np.inf), np.zeros(runs, dtype=np.int64)

    @property
    def diverged(self) -> Bool[Array, " runs"]:
        """Whether a run blew up."""
        return np.asarray(self.state == DIVERGED)

    @property
    def loss(self) -> Float[Array, "runs n"]:
        """Population loss, label noise included; infinite where nothing is recorded."""
        for run in np.flatnonzero(self._known < self.recorded):
            new = slice(self._known[run], self.recorded[run])
            self._loss[run, new] = self._losses(self.Q[run, new], self.M[run, new])
        self._known[:] = self.recorded
        return self._loss

    def _losses(self, Q: Array, M: Array) -> Array:
        C = joint_covariance(Q, M, self.task.T)
        return squared_error(C, self.task.readout, self.task.label_noise) / 2

    def lengths(self) -> Float[Array, " n"]:
        """From each time to the next, in α."""
        pairs = zip([0, *self.samples], self.samples, strict=False)
        return np.array([(after - before) / self.N for before, after in pairs])

    def write(self, runs: Int[Array, " r"], Q: Array, M: Array) -> None:
        """Record the next time of these runs, which is the same for all."""
        row = self.recorded[runs[0]]
        self.Q[runs, row], self.M[runs, row] = Q, M
        self.recorded[runs] = row + 1
        if row + 1 == len(self.samples):
            self.state[runs] = FINISHED

    def look(self, runs: Int[Array, " r"], alpha: Float[Array, " r"], Q: Array, M: Array) -> None:
        """Note which of these runs have passed the level."""
        loss, (before, high) = self._losses(Q, M), self._last[:, runs]
        passed = loss <= self.level
        with np.errstate(all="ignore"):  # without a look before, or a step since
            part = np.where(high > self.level, (high - self.level) / (high - loss), 1.0)
            time = np.where(part < 1, before + (alpha - before) * part, alpha)
        self.passage[runs[passed]] = time[passed]
        self.state[runs[passed]] = FINISHED
        self._last[:, runs] = alpha, loss


class Steps(ABC):
    """Runs that go step by step together, and are looked at between steps.

    A subclass says what some steps are, in `step`, and keeps only some of its runs in `keep`.
    """

    def __init__(self, record: Record, runs: Int[Array, " r"]) -> None:
        self.record, self.runs = record, runs
        self.done, self._look = 0, 0

    def advance(self, budget: int) -> bool:
        """Do at most `budget` steps; whether any run goes on."""
        record = self.record
        while len(self.runs):
            target = record.samples[record.recorded[self.runs[0]]]
            if record.every and self.done == self._look:
                alpha = np.full(len(self.runs), self.done / record.N)
                record.look(self.runs, alpha, *self.overlaps())
                self._look += record.every
            elif self.done == target:
                record.write(self.runs, *self.overlaps())
            elif budget == 0:
                return True
            else:
                stop = min(target, self._look) if record.every else target
                steps = min(budget, stop - self.done)
                self.step(steps)
                self.done += steps
                budget -= steps
                record.done[self.runs] = self.done / record.N
            going = record.state[self.runs] == RUNNING
            if not going.all():
                self.runs = self.runs[going]
                self.keep(going)
        return False

    @abstractmethod
    def overlaps(self) -> tuple[Array, Array]:
        """Q and M of the runs that go on."""

    @abstractmethod
    def step(self, steps: int) -> None:
        """Do some steps, and mark runs that diverge."""

    def keep(self, going: Array) -> None:  # noqa: B027, one run alone keeps nothing
        """Drop the other runs."""
