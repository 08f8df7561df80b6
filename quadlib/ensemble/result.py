"""Many runs at the same times, as arrays; and what is left of them when something goes wrong."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from quadlib.checks import read_only
from quadlib.shapes import Array, Bool, Float
from quadlib.task import Task
from quadlib.trajectory import escape_level, first_passage, read_archive, write_archive

__all__ = ["Ensemble", "EnsembleInterrupted", "StoreError"]

_ARRAYS = ("alpha", "loss", "Q", "M", "diverged")


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
        for name in _ARRAYS:
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
        write_archive(path, self.task, self.meta, **{name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Ensemble":
        """Read an ensemble written by `save`.

        Raises
        ------
        ValueError
            If the file is not a saved ensemble, or is damaged.
        """
        return read_archive(path, cls, "an ensemble written by Ensemble.save", _ARRAYS)


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
