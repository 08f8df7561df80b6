"""The bar of long calculations."""

import warnings
from typing import Any

from quadlib.checks import check_flag


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
