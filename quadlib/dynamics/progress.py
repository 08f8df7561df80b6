"""Long calculations: their bar, and their slices to the end."""

import warnings
from collections.abc import Generator
from typing import Any, TypeVar

from quadlib.checks import check_flag

Result = TypeVar("Result")


def to_the_end(pieces: Generator[None, None, Result]) -> Result:
    """Return what comes of all slices."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: Result = end.value
            return result


def bar(progress: bool, total: int, unit: str, done: int = 0) -> Any:
    """Return tqdm's bar, which appears after a second."""
    hidden = not check_flag("progress", progress)
    with warnings.catch_warnings():
        # Without ipywidgets a notebook gets the bar of a terminal: no need to warn.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from tqdm.auto import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no thread of its own

    return Bar(total=total, initial=done, unit=unit, unit_scale=True, delay=1.0, disable=hidden)
