"""Not yet written."""

from quadlib.live import Explorer

__all__ = ["Escape"]


class Escape(Explorer):
    """Not yet written."""
