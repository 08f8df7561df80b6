"""What the measurements share: statistics with their errors, runs of SGD, thresholds."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np

from quadlib.claims.base import Effort, Finding, Method
from quadlib.dynamics.compiled import numba_found
from quadlib.dynamics.ode import integrate
from quadlib.ensemble import ensemble, escape_times
from quadlib.notation import number
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError

Choice = TypeVar("Choice")


class Unaffordable(RuntimeError):
    """Too many runs for what there is."""


def mean(sample: Array) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(len(sample)))


def rms(sample: Array) -> tuple[float, float]:
    """Root mean square and its standard error."""
    square, error = mean(sample**2)
    return square**0.5, error / (2 * square**0.5)


def spread(sample: Array) -> tuple[float, float]:
    """Standard deviation and its standard error, by the fourth moment."""
    return rms(sample - sample.mean())


def exponent(x: Sequence[float], samples: Sequence[Array]) -> tuple[float, float]:
    """Exponent of the root mean square of each sample against x, and its standard error."""
    value, error = np.transpose([rms(sample) for sample in samples])
    weight, ln_x = (value / error) ** 2, np.log(np.asarray(x, dtype=float))
    centred = ln_x - (weight * ln_x).sum() / weight.sum()
    size = (weight * centred**2).sum()
    return float((weight * centred * np.log(value)).sum() / size), float(size**-0.5)


def of_sample(
    quantity: str, predicted: float, sample: Array, slack: float, method: Method,
    rival: float | None = None, statistic: Callable[[Array], tuple[float, float]] = mean,
) -> Finding:  # fmt: skip
    """Return what a sample says; `slack` is the tolerance, relative to the prediction."""
    value, error = statistic(np.asarray(sample, dtype=float))
    return Finding(quantity, predicted, value, error, slack * abs(predicted), method, rival)


def chosen(effort: Effort, quick: Choice, full: Choice) -> Choice:
    """Return a size: as small as its verdict allows, or that of docs/claims.md.

    Quickly, tolerance and four expected errors take about four fifths of the room that a verdict
    leaves, so that the error, estimated from few runs, does not decide it.
    """
    return full if effort == "full" else quick


def by(N: float) -> Method:
    """How SGD is simulated in N dimensions, if nothing else is said."""
    return "chain" if N < 10**5 else "diffusion"


def sgd(
    task: Task, eta: float, N: int, runs: int, *seed: int, method: Method | None = None,
    of: Any = ensemble, **how: Any,
) -> Any:  # fmt: skip
    """Runs of SGD, or what `of` says of them; size, learning rate and task are in the seed."""
    if not numba_found():
        raise Unaffordable("claims about runs of SGD need numba: pip install numba.")
    method, seeds = method or by(N), (*seed, N, round(1e6 * eta), task.p, task.p_star)
    how |= dict(eta=eta, N=N, runs=runs, seed=seeds, progress=False)
    return of(task, **how, method="overlaps" if method == "chain" else method)


escapes: Callable[..., Array] = partial(sgd, of=escape_times)
"""Times of escape, called as `sgd` is."""


def runs_away(task: Task, start: Overlaps, eta: float, alpha: float) -> bool:
    """Whether the ODE diverges."""
    with suppress(DivergenceError):
        integrate(task, start, eta=eta, alpha=alpha, rtol=1e-7)
        return False
    return True


def turning(low: float, high: float, width: float, beyond: Callable[[float], bool]) -> float:
    """Bisect a threshold to a relative width."""
    while high - low > width * low:
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return (low + high) / 2


def where(task: Task, eta: float, N: float | None = None) -> str:
    """Return the conditions of a finding."""
    text = f"p = {task.p}, p* = {task.p_star}, η = {number(eta, 4)}"
    return text if N is None else f"{text}, N = {number(N)}"
