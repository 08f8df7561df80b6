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
from quadlib.dynamics.record import UNFIT, Record
from quadlib.dynamics.start import Draw, Method
from quadlib.dynamics.weights import LiteralSGD
from quadlib.shapes import Array, Float
from quadlib.state import Weights
from quadlib.task import Task
from quadlib.trajectory import Trajectory

_HEAR = 0.2
"""A compiled loop does not hear Ctrl-C: return from it about this often, in seconds."""


class Together(Record):
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
        self.method, self.alpha, self.active = method, alpha if level is None else alpha[-1:], True
        samples = [round(a * N) for a in self.alpha.tolist()]
        every, spherical = max(1, int(min(window * N, 2**62))), constraint == "spherical"
        super().__init__(task, eta, N, samples, len(rngs), spherical, step, level, every)
        self._groups, self._now, self._budget = self._all(start, list(rngs)), None, 16

    def _all(self, start: Draw, rngs: list[np.random.Generator]) -> Iterator[Any]:
        """What advances the runs, made when their turn comes."""
        starts = (start(rng) for rng in rngs)
        if self.method == "weights":
            states: Iterator[Any] = starts
        else:
            states = (x.overlaps if isinstance(x, Weights) else x for x in starts)
            if not numba_found():
                kind = LockstepChain if self.method == "overlaps" else LockstepDiffusion
                yield kind(self, list(states), rngs)
                return
        one: Any = {"weights": LiteralSGD, "overlaps": OverlapChain, "diffusion": Diffusion}
        for run, (state, rng) in enumerate(zip(states, rngs, strict=True)):
            yield one[self.method](self, run, state, rng)

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
                if (self.state == UNFIT).any():
                    raise ValueError(
                        f"N must be large enough for steps of many samples, got {self.N:g}"
                        ', where the overlaps stop being a covariance; use method="overlaps".'
                    )
            if time.perf_counter() >= end:
                break
        return self.active

    def trajectory(self, run: int, meta: Mapping[str, Any]) -> Trajectory:
        """Return what is recorded of one run."""
        n = self.recorded[run]
        return Trajectory(self.task, self.alpha[:n], self.Q[run, :n], self.M[run, :n], meta)
