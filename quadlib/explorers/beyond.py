"""Not yet written."""

from quadlib.live import Explorer

__all__ = ["Beyond"]


class Beyond(Explorer):
    """Not yet written."""
