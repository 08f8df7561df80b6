"""Any control of any explorer to any value, in any order, faster than the pictures come.

After each sequence the picture stands for the last values, or one sentence says why not.
"""

import os
import re
from typing import Any

import ipywidgets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadlib import explorers

FUZZING = "QUADLIB_FUZZ" in os.environ
EXAMPLES = max(3, int(os.environ.get("QUADLIB_FUZZ", "0")) // 100)  # sequences of each explorer


def values(control: Any) -> Any:
    """Every value that a control can take."""
    if isinstance(control, ipywidgets.Button):
        return st.none()
    if hasattr(control, "options"):
        return st.sampled_from(list(control.options))
    if isinstance(control, ipywidgets.Checkbox):
        return st.booleans()
    if isinstance(control, ipywidgets.IntSlider):
        return st.integers(control.min, control.max)
    low, high = control.min, control.max
    if hasattr(control, "base"):
        low, high = control.base**low, control.base**high
    return st.sampled_from([low, high]) | st.floats(low, high)


@pytest.fixture(scope="module", params=explorers.__all__)
def explorer(request: Any) -> Any:
    class Hasty(getattr(explorers, request.param)):
        pause = 0.0
        seconds = 0.05  # of runs, in the escape

    return Hasty()


@settings(suppress_health_check=list(HealthCheck), max_examples=EXAMPLES, derandomize=not FUZZING)
@given(data=st.data())
def test_after_any_moves_the_picture_is_that_of_the_last_values(explorer: Any, data: Any) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(explorer.controls)), min_size=1, max_size=8))
    for name in names:
        control = explorer.controls[name]
        value = data.draw(values(control), label=name)
        if value is None:
            control.click()
        else:
            control.value = value
    for toggle in explorer._toggles.values():
        toggle.value = data.draw(st.booleans())
    explorer.finish()
    words = explorer.alt_text
    assert re.search(r"^\S.*[.!?]$", words), words
    assert not re.search(r"\b(nan|inf|None)\b|\d[eE][+-]?\d", words), words
    assert not explorer._view.busy
    if explorer.error:
        assert "Error" not in explorer.error, explorer.error
        return
    # The same values once more, at rest, say the same, but for how many runs a second brings
    explorer.update()
    explorer.finish()
    runs = r"\d+ of \d+ SGD runs"
    assert re.split(runs, explorer.alt_text)[0] == re.split(runs, words)[0]
