"""Many runs of one task together: compiled one after the other, or in NumPy all at once."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from quadlib.checks import Constraint
from quadlib.dynamics.compiled import numba_found
from quadlib.dynamics.diffusion import Diffusion
from quadlib.dynamics.lockstep import LockstepChain, LockstepDiffusion
from quadlib.dynamics.overlaps import OverlapChain
from quadlib.dynamics.record import DIVERGED, UNFIT, Record
from quadlib.dynamics.start import Draw, Method, as_overlaps
from quadlib.dynamics.weights import LiteralSGD
from quadlib.shapes import Array, Bool, Float, Int
from quadlib.task import Task
from quadlib.trajectory import Trajectory

__all__ = ["Together", "steps_a_second"]


_HEAR = 0.2
"""A compiled loop does not hear Ctrl-C: return from it about this often, in seconds."""


def steps_a_second(method: Method) -> float:
    """Order of magnitude of the steps, times runs, that are done in a second at a few units."""
    if numba_found():
        return {"weights": 3e5, "overlaps": 1e7, "diffusion": 5e5}[method]
    return {"weights": 3e4, "overlaps": 2e5, "diffusion": 5e4}[method]


class Together:
    """Runs of one task from t = 0, each with its own start and generator, in slices of time.

    The numbers of a run depend on its start and its generator alone: not on the other runs, nor
    on the slices, nor (up to rounding) on what computes them.

    Parameters
    ----------
    task, eta, N, method, constraint, step
        As in `simulate`; `method` "weights" needs starts that are `Weights`.
    start
        What draws the start of a run from its generator; the run goes on with the same one.
    rngs
        A generator for each run.
    alpha
        Times to record, increasing; with `level` only the last of them counts.
    level
        A loss: each run ends at its first passage, instead of being recorded.
    window
        With a level, the time between two looks at the loss. The diffusion looks at each step.

    Attributes
    ----------
    method
        How the runs are drawn.
    active
        Whether there is something left to do.
    """

    def __init__(
        self,
        task: Task,
        start: Draw,
        rngs: Sequence[np.random.Generator],
        *,
        eta: float,
        alpha: Float[Array, " n"],
        N: int,
        method: Method = "overlaps",
        constraint: Constraint = "free",
        step: float | None = None,
        level: float | None = None,
        window: float = 0.0,
    ) -> None:
        self.method, self.alpha, self.active = method, alpha, True
        samples = [round(a * N) for a in alpha.tolist()]
        if level is not None:
            samples, self.alpha = samples[-1:], alpha[-1:]
        every = max(1, int(min(window * N, 2**62)))
        self._record = Record(task, N, samples, len(rngs), level, every)
        self._eta, self._spherical, self._step = eta, constraint == "spherical", step
        self._groups = self._all(start, list(rngs))
        self._now: Any = None
        self._budget = 16

    def _all(self, start: Draw, rngs: list[np.random.Generator]) -> Iterator[Any]:
        """What advances the runs, made when their turn comes."""
        record, eta, spherical = self._record, self._eta, self._spherical
        task, N, kind = record.task, record.N, self.method
        if not numba_found() and kind != "weights":
            states: Any = [as_overlaps(start(rng)) for rng in rngs]
            if kind == "overlaps":
                yield LockstepChain(task, states, eta, N, spherical, rngs, record)
            else:
                yield LockstepDiffusion(task, states, eta, N, spherical, rngs, record, self._step)
            return
        for run, rng in enumerate(rngs):
            state: Any = start(rng)
            if kind == "weights":
                yield LiteralSGD(task, state, eta, spherical, rng, record, run)
            elif kind == "overlaps":
                how = (eta, N, spherical, rng, record, run)
                yield OverlapChain(task, as_overlaps(state), *how)
            else:
                how = (eta, N, spherical, rng, record, run)
                yield Diffusion(task, as_overlaps(state), *how, self._step)

    @staticmethod
    def company(method: Method) -> int:
        """How many runs should go together, for speed."""
        return 1 if method == "weights" or numba_found() else 250

    def advance(self, seconds: float = 0.05) -> bool:
        """Go on for about `seconds` on the clock; whether there is something left to do.

        Raises
        ------
        ValueError
            If N is too small for "diffusion".
        """
        end = time.perf_counter() + seconds
        slice = min(seconds, _HEAR) / 2
        while self.active:
            begun = time.perf_counter()
            if self._now is None:
                self._now = next(self._groups, None)
                self.active = self._now is not None
                continue
            going = self._now.advance(self._budget)
            took = time.perf_counter() - begun
            if going and took < slice / 2:
                self._budget *= 2
            elif took > slice:
                self._budget = max(1, self._budget // 2)
            if not going:
                self._now = None
                if (self._record.state == UNFIT).any():
                    raise ValueError(
                        f"N must be large enough for steps of many samples, got {self._record.N:g}"
                        ', where the overlaps stop being a covariance; use method="overlaps".'
                    )
            if time.perf_counter() >= end:
                break
        return self.active

    @property
    def Q(self) -> Float[Array, "runs n p p"]:
        """Overlaps; infinite where nothing is recorded (yet, or after a divergence)."""
        return self._record.Q

    @property
    def M(self) -> Float[Array, "runs n p k"]:
        """Overlaps with the teacher, likewise."""
        return self._record.M

    @property
    def loss(self) -> Float[Array, "runs n"]:
        """Population loss, label noise included, likewise."""
        return self._record.loss

    @property
    def recorded(self) -> Int[Array, " runs"]:
        """How many times of each run are recorded."""
        return self._record.row

    @property
    def diverged(self) -> Bool[Array, " runs"]:
        """Whether a run blew up."""
        return np.asarray(self._record.state == DIVERGED)

    @property
    def done(self) -> Float[Array, " runs"]:
        """α that each run has reached."""
        return self._record.done / self._record.N

    @property
    def passage(self) -> Float[Array, " runs"]:
        """First α at which the loss is at most `level`; inf before that, and if it never is."""
        return self._record.passage

    def trajectory(self, run: int, meta: Mapping[str, Any]) -> Trajectory:
        """Return what is recorded of one run."""
        n = self.recorded[run]
        return Trajectory(self._record.task, self.alpha[:n], self.Q[run, :n], self.M[run, :n], meta)
