"""One run of any method: overlaps and loss at the recorded times."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from quadlib.checks import check_real, read_only
from quadlib.plateau import escape_level
from quadlib.shapes import Array, Float
from quadlib.task import Task, joint_covariance, squared_error

__all__ = [
    "DivergenceError",
    "RunInterrupted",
    "Trajectory",
    "escape_level",
    "first_passage",
    "read_archive",
    "versions",
    "write_archive",
]


Result = TypeVar("Result")


@cache
def versions() -> Mapping[str, str]:
    """Versions of the packages that made a result."""
    return {name: import_module(name).__version__ for name in ("quadlib", "numpy", "scipy")}


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Overlaps and population loss along one run.

    Attributes
    ----------
    task
        What was learned.
    alpha
        Recorded times, samples divided by N; shape (n,).
    Q, M
        Overlaps at these times; shapes (n, p, p) and (n, p, p*).
    loss
        Population loss, label noise included, computed from Q and M; shape (n,).
    meta
        How it was made: method, eta, N, seed, constraint, versions.
    """

    task: Task
    alpha: Float[Array, " n"]
    Q: Float[Array, "n p p"]
    M: Float[Array, "n p k"]
    meta: Mapping[str, Any]
    loss: Float[Array, " n"] = field(init=False)

    def __post_init__(self) -> None:
        C = joint_covariance(self.Q, self.M, self.task.T)
        level = squared_error(C, self.task.readout, self.task.label_noise) / 2
        for name, array in (("alpha", self.alpha), ("Q", self.Q), ("M", self.M), ("loss", level)):
            object.__setattr__(self, name, read_only(np.array(array)))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    def escape_time(self, level: float | None = None) -> float:
        """Return the first α at which the loss is at most `level`, or inf if it never is.

        Linearly interpolated between recorded points.

        Parameters
        ----------
        level
            A loss, label noise included. By default half way from the label-noise floor up to
            the plateau at this run's learning rate.

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
        return float(first_passage(self.alpha, self.loss, check_real("level", level)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trajectory to `path` as one compressed .npz file, with no pickled objects."""
        write_archive(path, self.task, self.meta, alpha=self.alpha, Q=self.Q, M=self.M)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Trajectory":
        """Read a trajectory written by `save`.

        Raises
        ------
        ValueError
            If the file is not a saved trajectory, or is damaged.
        """
        return read_archive(
            path, cls, "a trajectory written by Trajectory.save", ("alpha", "Q", "M")
        )


def write_archive(
    path: str | os.PathLike[str], task: Task, meta: Mapping[str, Any], **arrays: Any
) -> None:
    """Write a result as one compressed .npz file, with no pickled objects."""
    with open(path, "wb") as file:
        np.savez_compressed(
            file,
            T=task.T,
            label_noise=task.label_noise,
            meta=np.array(json.dumps(dict(meta))),
            **arrays,
        )


def read_archive(
    path: str | os.PathLike[str], make: Callable[..., Result], what: str, names: tuple[str, ...]
) -> Result:
    """Return ``make(task, *arrays, meta)`` of what `write_archive` wrote, or a ValueError."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name] for name in names}
            p, p_star = arrays["M"].shape[-2:]
            task = Task(p, p_star, data["T"], float(data["label_noise"]))
            return make(task, *arrays.values(), json.loads(str(data["meta"])))
    except OSError:
        raise
    except Exception as error:  # a damaged archive can raise nearly anything
        raise ValueError(
            f"path must be {what}, got {os.fspath(path)!r} "
            f"(which raised {type(error).__name__}); save it again."
        ) from error


class DivergenceError(ArithmeticError):
    """A run blew up; `trajectory` holds what was recorded before."""

    def __init__(self, message: str, trajectory: Trajectory) -> None:
        super().__init__(message)
        self.trajectory = trajectory


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C: `trajectory` holds what was recorded before."""

    def __init__(self, message: str, trajectory: Trajectory) -> None:
        super().__init__(message)
        self.trajectory = trajectory


def first_passage(
    alpha: Float[Array, " n"], loss: Float[Array, "*runs n"], level: float
) -> Float[Array, "*runs"]:
    """First α at which each loss curve is at most `level`, linearly interpolated; inf if never.

    Points with a loss that is not finite (after a divergence) count as above the level.
    """
    below = loss <= level
    reached = below.any(-1)
    j = np.where(reached, below.argmax(-1), 0)
    i = np.maximum(j - 1, 0)
    high = np.take_along_axis(loss, i[..., None], -1)[..., 0]
    low = np.take_along_axis(loss, j[..., None], -1)[..., 0]
    fall = np.where(j > i, high - low, 1.0)
    time = alpha[i] + (alpha[j] - alpha[i]) * np.where(j > i, (high - level) / fall, 0.0)
    return np.asarray(np.where(reached, time, math.inf))
