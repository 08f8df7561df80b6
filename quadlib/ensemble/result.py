"""Many runs at the same times, as arrays; and what is left of them when something goes wrong."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, SupportsIndex

import numpy as np

from quadlib import archive
from quadlib.checks import check_real, read_only
from quadlib.passage import first_passage, slope_at
from quadlib.shapes import Array, Bool, Float
from quadlib.task import Task
from quadlib.trajectory import Keeping, Trajectory, escape_level, frozen_meta


@dataclass(frozen=True, eq=False)
class Ensemble(archive.Saved):
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
    _arrays = ("alpha", "loss", "Q", "M", "diverged")

    def __post_init__(self) -> None:
        for name in self._arrays:
            object.__setattr__(self, name, read_only(getattr(self, name).view()))
        object.__setattr__(self, "meta", frozen_meta(self.meta))

    def __reduce__(self) -> tuple[Any, ...]:
        arrays = (getattr(self, name) for name in self._arrays)
        return Ensemble, (self.task, *arrays, archive.thawed(self.meta))

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.loss)

    def __getitem__(self, run: SupportsIndex) -> Trajectory:
        """Return run `run`, as far as it goes."""
        run = operator.index(run)
        n = int(np.isfinite(self.loss[run]).sum())
        return Trajectory(self.task, self.alpha[:n], self.Q[run, :n], self.M[run, :n], self.meta)

    def escape_time(self, level: float | None = None) -> Float[Array, " runs"]:
        """Return the first α of each run at which its loss is at most `level`.

        Interpolated as in `Trajectory.escape_time`; inf for a run that has not escaped, or
        that diverged before. `ql.escape_times` finds it without a grid of times.

        Parameters
        ----------
        level
            A loss, label noise included. By default half way from the label-noise floor up to
            the plateau at this learning rate.

        Raises
        ------
        NoPlateauError
            If no level is given and there is no plateau.

        Notes
        -----
        docs/theory.md (4.4).
        """
        if level is None:
            level = escape_level(self.task, self.meta["eta"], self.meta["constraint"])
        level = check_real("level", level)
        return read_only(first_passage(self.alpha, self.loss, level, partial(slope_at, self)))

    @cached_property
    def escape_times(self) -> Float[Array, " runs"]:
        """`escape_time()`, computed when first asked for."""
        return self.escape_time()

    @classmethod
    def _checked(cls, task: Task, *parts: Any) -> "Ensemble":
        alpha, loss, Q, M, diverged, meta = parts
        p, k, n, runs = task.p, task.p_star, len(alpha), len(diverged)
        shapes = [(n,), (runs, n), (runs, n, p, p), (runs, n, p, k), (runs,)]
        shapes_fit = [array.shape for array in parts[:-1]] == shapes
        if not shapes_fit or not (np.diff(alpha, prepend=-1.0) > 0).all():
            raise ValueError("alpha, loss, Q and M must fit each other, got other shapes or times")
        whole = np.isfinite(loss)
        if not (whole.all(-1) | diverged).all() or (whole[:, 1:] & ~whole[:, :-1]).any():
            raise ValueError("loss must be finite until a run diverges, got something else")
        archive.check_possible(task, Q[whole], M[whole], loss[whole], meta)
        return cls(task, *parts)


class EnsembleInterrupted(Keeping, KeyboardInterrupt):
    """Ctrl-C: `ensemble` holds the runs that were finished, in order of their index."""

    keeps = "ensemble"
    ensemble: Ensemble


class StoreError(Keeping, OSError):
    """The store cannot be written: `ensemble` holds the runs that were finished."""

    keeps = "ensemble"
    ensemble: Ensemble
