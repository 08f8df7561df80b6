"""Not yet written."""

from quadlib.live import Explorer

__all__ = ["Landscape"]


class Landscape(Explorer):
    """Not yet written."""
