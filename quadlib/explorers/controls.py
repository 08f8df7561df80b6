"""What explorers share: controls of one name and one range, round limits, and phrases."""

import math
import time
from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np

from quadlib.dynamics.compiled import if_compiled
from quadlib.notation import number


def round_up(value: float, digits: Sequence[float] = (1, 2, 3, 5)) -> float:
    """Return the next number of these digits, for limits: they seldom change with a slider."""
    steps = np.outer(10.0 ** np.arange(-2, 7), digits).ravel()
    return float(steps[min(int(np.searchsorted(steps, value)), len(steps) - 1)])


def span(values: Any) -> str:
    """Return what is said of the range of some numbers."""
    low, high = number(np.min(values)), number(np.max(values))
    return low if low == high else f"between {low} and {high}"


def fewer(*less: str) -> str:
    """Return what a picture says of all that is missing where nothing is compiled."""
    return f"{', '.join(filter(None, less))}: no compiled loops here" if any(less) else ""


def a_second() -> float:
    """Return the time of the processor until which late pieces go on where nothing is compiled."""
    return time.process_time() + if_compiled(math.inf, 1.1)


def units(value: int = 4, largest: int = 16) -> Any:
    """Return a slider for p."""
    return ipywidgets.IntSlider(value, 1, largest, description="student units p")


def teachers(value: int = 2) -> Any:
    """Return a slider for p*."""
    return ipywidgets.IntSlider(value, 1, 4, description="teacher units p*")


def learning_rate(value: float = 0.05) -> Any:
    """Return a slider for η that reaches past the critical learning rate."""
    name = "learning rate η"
    return ipywidgets.FloatSlider(
        value, min=0.005, max=0.5, step=0.005, readout_format=".3f", description=name
    )


def log_dimension(value: float, largest: float = 12.0) -> Any:
    """Return a slider for log10 N that begins below p + p*, where a sentence says so."""
    return ipywidgets.FloatSlider(
        value, min=1.0, max=largest, step=0.25, readout_format=".2f", description="log₁₀ N"
    )


def constraint() -> Any:
    """Return the choice between free and spherical weights."""
    return ipywidgets.Dropdown(options=["free", "spherical"], description="norms")
