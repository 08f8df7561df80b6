"""The picture of an explorer in the page, and the controls around it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

__all__ = ["View", "actions", "choose", "grid"]


class View(anywidget.AnyWidget):
    """An `<img>` that keeps its place, with alt text, a live region, an alert and a panel."""

    _esm = Path(__file__).with_name("view.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("view.css").read_text(encoding="utf-8")
    png = traitlets.Bytes().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True)
    alert = traitlets.Unicode().tag(sync=True)
    panel = traitlets.Unicode().tag(sync=True)
    busy = traitlets.Bool().tag(sync=True)


def grid(controls: dict[str, Any]) -> Any:
    """Return the controls that hold values, in a grid of equal tracks."""
    for control in controls.values():
        if control.style.has_trait("description_width"):
            control.style.description_width = "initial"  # else long names are cut
        control.tooltip = control.tooltip or control.description
    valued = [w for w in controls.values() if not isinstance(w, ipywidgets.Button)]
    box = ipywidgets.GridBox(valued)
    box.add_class("quadlib-controls")
    return box


def actions(controls: dict[str, Any], toggles: dict[str, Any]) -> Any:
    """Return the buttons, and what shows more of the picture, as a block of its own."""
    buttons = [w for w in controls.values() if isinstance(w, ipywidgets.Button)]
    group = ipywidgets.HBox(list(toggles.values()))
    group.add_class("quadlib-group")
    box = ipywidgets.HBox([*buttons, group])
    box.add_class("quadlib-actions")
    return box


def choose(explorer: str, controls: dict[str, Any], name: str, value: Any) -> None:
    """Set a control to a value; TypeError or ValueError if there is no such one, in a sentence."""
    if name not in controls:
        names = ", ".join(controls)
        raise TypeError(f"{explorer} has the controls {names}, got {name}; name one of them.")
    control = controls[name]
    with suppress(traitlets.TraitError, TypeError, ValueError):
        control.value = value
    if control.value != value:
        if hasattr(control, "options"):
            allowed = "one of " + ", ".join(map(str, control.options))
        elif hasattr(control, "min"):
            ends = [control.base**end if hasattr(control, "base") else end
                    for end in (control.min, control.max)]  # fmt: skip
            allowed = f"between {ends[0]:g} and {ends[1]:g}"
        else:
            allowed = "True or False"
        raise ValueError(f"{name} must be {allowed}, got {value!r}; choose a value of its control.")
