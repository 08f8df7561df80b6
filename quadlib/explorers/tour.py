"""Not yet written."""

from quadlib.live import Explorer

__all__ = ["Tour"]


class Tour(Explorer):
    """Not yet written."""
