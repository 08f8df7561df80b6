"""Arrays: each check returns a clean copy or raises one sentence."""

from typing import Any

import numpy as np

from quadlib.checks.scalars import LARGEST, LARGEST_ALPHA, ROUNDING, SMALLEST, axes, check_real
from quadlib.shapes import Array

__all__ = ["finite_array", "read_only", "recording_points", "symmetric_array"]


def read_only(array: Array) -> Array:
    """Forbid writing to `array`, and return it."""
    array.flags.writeable = False
    return array


def finite_array(name: str, value: Any, ndim: int, largest: float = LARGEST) -> Array:
    """Return a float copy of `value`, which must be a real, finite array of `ndim` axes."""
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "iuf":
            raise TypeError
        with np.errstate(over="ignore"):
            array = np.array(raw, dtype=float)
    except Exception:  # anybody's conversion
        raise TypeError(
            f"{name} must be an array of real numbers, got {type(value).__name__}; "
            "pass a NumPy array of floats."
        ) from None
    if np.ma.is_masked(value):
        raise ValueError(
            f"{name} must not have masked entries, got a masked array; fill or remove them."
        )
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}; reshape it.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity; remove those entries.")
    if np.abs(array).max(initial=0.0) > largest:
        raise ValueError(
            f"{name} must have entries of at most {largest:g}, got {np.abs(array).max():g}; "
            "change the unit."
        )
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
        end = check_real("alpha", alpha, maximum=LARGEST_ALPHA, strict=True)
        if end <= 1000:
            return np.linspace(0.0, end, 201)
        return np.concatenate([[0.0], np.geomspace(0.1, end, 200)])
    points = finite_array("alpha", alpha, 1, LARGEST_ALPHA)
    if points.size == 0:
        raise ValueError("alpha must hold at least one recording point, got none; pass a float.")
    if points[0] < 0 or (np.diff(points) <= 0).any():
        raise ValueError(
            "alpha must be increasing from 0 on, got points that are negative or out of order; "
            "pass numpy.unique(alpha) without the negative ones."
        )
    least = points[points > 0].min(initial=1.0)
    if least < SMALLEST:
        raise ValueError(f"alpha must be 0 or at least {SMALLEST:g}, got {least:g}; leave it out.")
    return points
