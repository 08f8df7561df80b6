"""Any control of any explorer to any value, in any order, faster than the pictures come."""

import re
from functools import cache
from typing import Any

import ipywidgets
from hypothesis import strategies as st

from quadlib import explorers


@cache
def hasty(name: str) -> Any:
    """An explorer that draws at once, at rest: Hypothesis minds random numbers of other threads."""

    class Hasty(getattr(explorers, name)):  # type: ignore[misc]
        pause = 0.0
        seconds = 0.05  # of runs, in the escape

    made = Hasty()
    made.finish()
    return made


def _values(control: Any) -> Any:
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


@st.composite
def sequence(draw: Any, explorer: Any) -> list[tuple[str, Any]]:
    """Controls and what they are moved to, in order; at last the switches."""
    names = draw(st.lists(st.sampled_from(sorted(explorer.controls)), min_size=1, max_size=8))
    moves = [(name, draw(_values(explorer.controls[name]))) for name in names]
    return [*moves, *((name, draw(st.booleans())) for name in explorer._toggles)]


def make(explorer: Any, moves: list[tuple[str, Any]]) -> None:
    """After the moves the picture stands for the last values, or one sentence says why not."""
    for name, value in moves:
        control = explorer.controls.get(name) or explorer._toggles[name]
        if value is None:
            control.click()
        else:
            control.value = value
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
