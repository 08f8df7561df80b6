"""Argument checks: each returns a clean value or raises one sentence that says what to do."""

import math
import numbers
import operator
from typing import Any, Literal, TypeAlias

import numpy as np

from quadlib.shapes import Array

__all__ = [
    "ROUNDING",
    "Constraint",
    "as_generator",
    "axes",
    "check_choice",
    "check_constraint",
    "check_dimension",
    "check_integer",
    "check_real",
    "finite_array",
    "read_only",
    "recording_points",
    "symmetric_array",
]

Constraint: TypeAlias = Literal["free", "spherical"]

ROUNDING = 1e-9
"""Relative size below which an asymmetry or a negative eigenvalue counts as rounding."""


def check_integer(name: str, value: object, minimum: int) -> int:
    """Return `value` as an int of at least `minimum`; a bool is not an integer."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"{name} must be an integer, got {value!r}; write for example {name}={minimum}."
        ) from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}; choose a larger one.")
    return number


def check_real(name: str, value: object, *, minimum: float = 0.0, strict: bool = False) -> float:
    """Return `value` as a finite float, at least (`strict`: above) `minimum`."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a real number, got {value!r}; pass a float.")
    number = float(value)
    if not math.isfinite(number) or number < minimum or (strict and number == minimum):
        bound = "above" if strict else "at least"
        raise ValueError(
            f"{name} must be finite and {bound} {minimum:g}, got {number:g}; choose such a value."
        )
    return number


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}; choose one of them.")
    return str(value)


def check_constraint(constraint: object) -> None:
    """Raise unless `constraint` is "free" or "spherical"."""
    check_choice("constraint", constraint, ("free", "spherical"))


def check_dimension(N: object, p: int, p_star: int) -> int:
    """Return the input dimension, at least p + p*: students and teachers can be independent."""
    number = check_integer("N", N, 1)
    if number < p + p_star:
        raise ValueError(
            f"N must be at least p + p_star = {p + p_star}, got {number}; raise N, or lower p."
        )
    return number


def as_generator(rng: object) -> np.random.Generator:
    """Return a Generator: `rng` itself, or a new one from a non-negative integer seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool | np.bool_) or not isinstance(rng, numbers.Integral):
        raise TypeError(
            f"rng must be a numpy Generator or an integer seed, got {rng!r}; "
            "pass for example numpy.random.default_rng(0)."
        )
    return np.random.default_rng(check_integer("rng", rng, 0))


def read_only(array: Array) -> Array:
    """Forbid writing to `array`, and return it."""
    array.flags.writeable = False
    return array


def axes(value: Any) -> int:
    """Return the number of axes of an array-like; a ragged list is a list of lists: 1."""
    try:
        return np.ndim(value)
    except ValueError:
        return np.asarray(value, dtype=object).ndim


def finite_array(name: str, value: Any, ndim: int) -> Array:
    """Return a float copy of `value`, which must be a real, finite array of `ndim` axes."""
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "iuf":
            raise TypeError
        array = np.array(raw, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be an array of real numbers, got {type(value).__name__}; "
            "pass a NumPy array of floats."
        ) from None
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}; reshape it.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity; remove those entries.")
    return array


def symmetric_array(name: str, value: Any) -> Array:
    """Return a symmetric float copy of the square matrix `value`."""
    array = finite_array(name, value, 2)
    if array.shape[0] != array.shape[1] or array.size == 0:
        raise ValueError(f"{name} must be a square matrix, got shape {array.shape}; reshape it.")
    asymmetry = np.abs(array - array.T).max()
    if asymmetry > ROUNDING * np.abs(array).max():
        raise ValueError(
            f"{name} must be symmetric, got a largest difference {asymmetry:.2g} from its "
            f"transpose; pass ({name} + {name}.T) / 2 if that is meant."
        )
    return (array + array.T) / 2


def recording_points(alpha: Any) -> Array:
    """Return the times at which a trajectory is recorded.

    Parameters
    ----------
    alpha
        The last time: 201 points are chosen, evenly spaced up to 1000 and beyond that evenly
        in ln α after a start at 0. Or the points themselves, an increasing 1-d array from 0 on.
    """
    if axes(alpha) == 0:
        number = alpha.item() if isinstance(alpha, np.ndarray) else alpha
        end = check_real("alpha", number, strict=True)
        if end <= 1000:
            return np.linspace(0.0, end, 201)
        return np.concatenate([[0.0], np.geomspace(0.1, end, 200)])
    points = finite_array("alpha", alpha, 1)
    if points.size == 0:
        raise ValueError("alpha must hold at least one recording point, got none; pass a float.")
    if points[0] < 0 or (np.diff(points) <= 0).any():
        raise ValueError(
            "alpha must be increasing from 0 on, got points that are negative or out of order; "
            "pass numpy.unique(alpha) without the negative ones."
        )
    return points
