"""An explorer as finished pictures, for pages without a kernel."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from quadlib.live.caption import Caption
from quadlib.live.explorer import Explorer

__all__ = ["Frame", "frames"]


class Frame(NamedTuple):
    """One control at one value, all others at their defaults.

    Attributes
    ----------
    control, label
        Name of the control, and what stands beside it.
    value, shown
        The value, and what a reader sees of it.
    png, caption
        The picture, and its words and numbers.
    """

    control: str
    label: str
    value: Any
    shown: str
    png: bytes
    caption: Caption


def frames(make: type[Explorer], steps: int = 9) -> Iterator[Frame]:
    """Yield the pictures along each control, at most `steps` a slider, the default among them.

    Values that give a sentence instead of a picture are left out.
    """
    explorer = make()
    explorer.finish()
    default = explorer._png, explorer._caption
    for name, control in explorer.controls.items():
        first = getattr(control, "value", 0)
        for value in _values(control, steps):
            explorer._choose(name, value)
            if isinstance(control, ipywidgets.Button):
                explorer.update()
            explorer.finish()
            if not explorer.error:
                png, caption = default if value == first else (explorer._png, explorer._caption)
                yield Frame(name, control.description, value, _shown(control, value), png, caption)
        explorer._choose(name, first)


def _values(control: Any, steps: int) -> list[Any]:
    """Return values over the range of a control, as it would take them."""
    if isinstance(control, ipywidgets.Button):
        return list(range(4))
    if hasattr(control, "options"):
        return list(control.options)
    if not hasattr(control, "step"):
        return [False, True]
    last = round((control.max - control.min) / control.step)
    points = {round(point) for point in np.linspace(0, last, steps)}
    exponents = [control.min + point * control.step for point in points]
    values = [control.base**e for e in exponents] if hasattr(control, "base") else exponents
    return sorted({control.value, *(type(control.value)(round(value, 10)) for value in values)})


def _shown(control: Any, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, getattr(control, "readout_format", ""))
