"""Several controls of an explorer moved at once."""

from typing import Any


def choose(explorer: Any, **values: Any) -> Any:
    """Show these values: one picture, however many controls move, and all that comes later."""
    controls = explorer.controls
    moved = [name for name, value in values.items() if controls[name].value != value]
    explorer._busy = True
    for name in moved:
        controls[name].value = values[name]
    explorer._busy = False
    if moved:
        explorer.update()
    explorer.finish()
    return explorer
