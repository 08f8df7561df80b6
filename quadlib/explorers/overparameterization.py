"""Not yet written."""

from quadlib.live import Explorer

__all__ = ["Overparameterization"]


class Overparameterization(Explorer):
    """Not yet written."""
