"""Argument checks: each returns a clean value or raises one sentence that says what to do.

The library is made for numbers in these ranges. Inside them a result is finite and nothing
overflows; what lies outside is refused. (At 1e90 the drift, cubic in the overlaps and quadratic
in η, stays below 1e308.)
"""

import math
import numbers
import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from quadlib.shapes import Array

Constraint: TypeAlias = Literal["free", "spherical"]
Seed: TypeAlias = int | Sequence[int] | Array
Random: TypeAlias = np.random.Generator | Seed

ROUNDING = 1e-9
"""Relative size below which an asymmetry or a negative eigenvalue counts as rounding."""


SMALLEST, LARGEST = 1e-90, 1e90
"""Every scale: entries of Q, M and T, label noise, η and α; zero is allowed where it can be."""

LARGEST_ETA, LARGEST_ALPHA, LARGEST_N, LARGEST_Q0, MOST_UNITS = 1e6, 1e12, 10**30, 1e80, 128

_MADE_BY = {
    "Task": "quadlib.Task(p=4, p_star=2)",
    "Overlaps": "quadlib.random_overlaps(task, N, rng)",
    "Weights": "quadlib.random_weights(task, N, rng)",
    "Trajectory": "the result of quadlib.integrate or quadlib.simulate",
    "Ensemble": "the result of quadlib.ensemble",
    "EscapeLaw": "the result of quadlib.escape_law",
    "Spectrum": "the result of quadlib.hessian_spectrum",
    "Axes": "the axes of `canvas, axes = quadlib.plotting.figure()`",
}
"""Where the objects come from that are passed around."""


def _shown(value: object) -> str:
    """Say in one short line what was given."""
    if axes(value) > 0:
        return f"{type(value).__name__} with {axes(value)} axes"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # anybody's repr, or an integer of 5000 digits
        return type(value).__name__
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:40]}..."


def check_kind(name: str, value: object, *kinds: type) -> None:
    """Raise unless `value` is of one of these classes, and say how one is made."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(
            f"{name} must be of type {wanted}, got {type(value).__name__}; pass "
            f"{_MADE_BY[kinds[0].__name__]}."
        )


def check_flag(name: str, value: object) -> bool:
    """Return `value`, which must be True or False and not merely true or false."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_shown(value)}; pass a bool.")
    return bool(value)


def check_integer(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int of at least `minimum`; a bool is not an integer."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"{name} must be an integer, got {_shown(value)}; write for example {name}={minimum}."
        ) from None
    if number < minimum:
        raise ValueError(
            f"{name} must be at least {minimum}, got {_shown(number)}; choose a larger one."
        )
    if maximum is not None and number > maximum:
        raise ValueError(
            f"{name} must be at most {maximum:g}, got {_shown(number)}; choose a smaller one."
        )
    return number


def check_real(
    name: str,
    value: object,
    *,
    maximum: float = LARGEST,
    smallest: float = SMALLEST,
    strict: bool = False,
) -> float:
    """Return `value` as a float from `smallest` to `maximum`, or (unless `strict`) zero."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a real number, got {_shown(value)}; pass a float.")
    try:
        number = float(value)
    except OverflowError:
        number = -math.inf if value < 0 else math.inf
    if not (smallest <= number <= maximum or (number == 0 and not strict)):
        raise ValueError(
            f"{name} must be {'' if strict else '0, or '}finite from {smallest:g} to {maximum:g}, "
            f"got {number:g}; choose such a value."
        )
    return number


def check_eta(eta: object, *, strict: bool = False) -> float:
    """Return the learning rate, at least (`strict`: above) 0."""
    return check_real("eta", eta, maximum=LARGEST_ETA, strict=strict)


def check_q0(q0: object) -> float:
    """Return the variance of random weights; their squares exceed it, and must be in range too."""
    return check_real("q0", q0, maximum=LARGEST_Q0, strict=True)


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(
            f"{name} must be one of {allowed}, got {_shown(value)}; choose one of them."
        )
    return str(value)


def check_constraint(constraint: object) -> None:
    """Raise unless `constraint` is "free" or "spherical"."""
    check_choice("constraint", constraint, ("free", "spherical"))


def check_dimension(N: object, p: int, p_star: int) -> int:
    """Return the input dimension, at least p + p*: units can be independent."""
    number = check_integer("N", N, 1, LARGEST_N)
    if number < p + p_star:
        raise ValueError(
            f"N must be at least p + p_star = {p + p_star}, got {number}; raise N, or lower p."
        )
    return number


def check_seed(name: str, value: object) -> int | tuple[int, ...]:
    """Return a seed: a non-negative integer, or a tuple of them from any sequence of them."""
    if isinstance(value, list | tuple | range) or (isinstance(value, np.ndarray) and value.ndim):
        if len(value) == 0:
            raise ValueError(f"{name} must hold at least one integer, got none; pass {name}=0.")
        return tuple(check_integer(f"every entry of {name}", entry, 0) for entry in value)
    return check_integer(name, value, 0)


def as_generator(rng: object, stream: str) -> np.random.Generator:
    """Return a Generator: `rng` itself, or a new one from a seed.

    The same seed opens another stream for each `stream`, the name of the caller: a start and a
    run, or two starts, made with one seed are independent.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    try:
        seed = check_seed("rng", rng)
    except TypeError:
        raise TypeError(
            "rng must be a numpy Generator, an integer seed or a sequence of integers, got "
            f"{_shown(rng)}; pass for example numpy.random.default_rng(0)."
        ) from None
    key = int.from_bytes(stream.encode())
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def axes(value: Any) -> int:
    """Return the number of axes of an array-like; a ragged list is a list of lists: 1."""
    try:
        return np.ndim(value)
    except Exception:  # anybody's conversion
        return int(isinstance(value, list | tuple))


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
    if (np.abs(array) > largest).any():
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
    tiny = points[(points > 0) & (points < SMALLEST)]
    if len(tiny):
        raise ValueError(f"alpha must be 0 or at least {SMALLEST:g}, got {tiny[0]:g}; omit it.")
    return points
