"""Not yet written."""

from quadlib.live import Explorer

__all__ = ["SgdToOde"]


class SgdToOde(Explorer):
    """Not yet written."""
