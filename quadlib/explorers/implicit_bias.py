"""Not yet written."""

from quadlib.live import Explorer

__all__ = ["ImplicitBias"]


class ImplicitBias(Explorer):
    """Not yet written."""
