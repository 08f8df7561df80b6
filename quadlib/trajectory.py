"""One run of any method: overlaps and loss at the recorded times."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from quadlib import archive
from quadlib.checks import LARGEST_ALPHA, check_real, finite_array, read_only
from quadlib.passage import first_passage as first_passage
from quadlib.passage import slope_at
from quadlib.plateau import escape_level as escape_level
from quadlib.shapes import Array, Float
from quadlib.task import Task, check_task, joint_covariance, squared_error


@cache
def versions() -> Mapping[str, str]:
    """Versions of the packages that made a result."""
    return {name: import_module(name).__version__ for name in ("quadlib", "numpy", "scipy")}


def how_made(
    method: str, eta: float, N: float | int, seed: object, constraint: str, **more: Any
) -> dict[str, Any]:
    """Return what `meta` says of a result."""
    meta = dict(method=method, eta=eta, N=N, seed=seed, constraint=constraint)
    return meta | more | {"versions": dict(versions())}


@dataclass(frozen=True, eq=False, init=False)
class Trajectory(archive.Saved):
    """Overlaps and population loss along one run.

    Attributes
    ----------
    task
        What was learned.
    alpha
        Recorded times, samples divided by N; shape (n,).
    Q, M
        Overlaps at these times; shapes (n, p, p) and (n, p, p*).
    meta
        How it was made: method, eta, N, seed, constraint, versions; read-only.
    loss
        Population loss, label noise included; shape (n,). Computed from Q and M, unless it is
        given because it is known more precisely.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit each other, an entry is not finite or the times do not increase.
    """

    task: Task
    alpha: Float[Array, " n"]
    Q: Float[Array, "n p p"]
    M: Float[Array, "n p k"]
    meta: Mapping[str, Any]
    loss: Float[Array, " n"]
    _arrays = ("alpha", "Q", "M", "loss")

    def __init__(
        self,
        task: Task,
        alpha: ArrayLike,
        Q: ArrayLike,
        M: ArrayLike,
        meta: Mapping[str, Any],
        loss: ArrayLike | None = None,
    ) -> None:
        check_task(task)
        object.__setattr__(self, "task", task)
        alpha = finite_array("alpha", alpha, 1, LARGEST_ALPHA)
        n, p, k = len(alpha), task.p, task.p_star
        if (alpha < 0).any() or (np.diff(alpha) <= 0).any():
            raise ValueError("alpha must increase from 0 on, got times out of order; sort the run.")
        Q, M = recorded("Q", Q, (n, p, p)), recorded("M", M, (n, p, k))
        if loss is None:
            C = joint_covariance(Q, M, task.T)
            loss = squared_error(C, task.readout, task.label_noise) / 2
        arrays = {"alpha": alpha, "Q": Q, "M": M, "loss": recorded("loss", loss, (n,))}
        for name, array in arrays.items():
            object.__setattr__(self, name, read_only(array))
        object.__setattr__(self, "meta", frozen_meta(meta))

    def __reduce__(self) -> tuple[Any, ...]:
        meta = archive.thawed(self.meta)
        return Trajectory, (self.task, self.alpha, self.Q, self.M, meta, self.loss)

    def escape_time(self, level: float | None = None) -> float:
        """Return the first α at which the loss is at most `level`, or inf if it never is.

        Between two recorded points ln L is interpolated by the cubic with the slopes that the
        ODE has there: 21 points up to α = 150 err by less than 0.1, points a tenth of 1/η apart
        by less than 1e-4.

        Parameters
        ----------
        level
            A loss, label noise included. By default half way from the label-noise floor up to
            the plateau at this run's learning rate.

        Raises
        ------
        NoPlateauError
            If no level is given and there is no plateau.
        TypeError, ValueError
            If the level is negative or not finite, or `meta` does not tell the learning rate.

        Notes
        -----
        docs/theory.md (4.4).
        """
        if level is None:
            how: dict[str, Any] = {name: self.meta.get(name) for name in ("eta", "constraint")}
            level = escape_level(self.task, **how)
        level = check_real("level", level, maximum=sys.float_info.max, smallest=0.0)
        if len(self.alpha) == 0:
            return math.inf
        known = "eta" in self.meta and "constraint" in self.meta
        slope = partial(slope_at, self) if known else None
        return float(first_passage(self.alpha, self.loss, level, slope))

    @classmethod
    def _checked(cls, task: Task, alpha: Any, Q: Any, M: Any, loss: Any, meta: Any) -> "Trajectory":
        run = cls(task, alpha, Q, M, meta, loss)
        archive.check_possible(task, run.Q, run.M, run.loss, run.meta)
        return run


def recorded(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Return a finite array of this shape."""
    array = finite_array(name, value, len(shape), math.inf)
    if array.shape != shape:
        raise ValueError(
            f"{name} must have shape {shape} to fit the task and alpha, got {array.shape}; pass "
            "one entry for each recorded time."
        )
    return array


def frozen_meta(meta: object) -> Mapping[str, Any]:
    """Return `meta` read-only all the way down."""
    if not isinstance(meta, Mapping):
        raise TypeError(f"meta must be a dict, got {type(meta).__name__}; pass for example {{}}.")
    return archive.frozen(meta)  # type: ignore[no-any-return]


class Keeping(BaseException):
    """Exceptions that hold what was computed before them, also when they come from a worker."""

    keeps = "trajectory"

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        setattr(self, self.keeps, result)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), getattr(self, self.keeps))


class DivergenceError(Keeping, ArithmeticError):
    """A run blew up; `trajectory` holds what was recorded before."""

    trajectory: Trajectory


class RunInterrupted(Keeping, KeyboardInterrupt):
    """Ctrl-C: `trajectory` holds what was recorded before."""

    trajectory: Trajectory
