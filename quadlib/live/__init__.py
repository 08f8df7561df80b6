"""The path from a slider to pixels: a figure made of kept layers, and the widget around it.

A move costs one computation, one blit and one palette PNG. The picture is an `<img>` with alt text
which keeps its place in the page; what takes longer follows in slices between the moves.
"""

from quadlib.live.caption import Caption
from quadlib.live.explorer import Explorer, Pieces
from quadlib.live.figure import LiveFigure

__all__ = ["Caption", "Explorer", "LiveFigure", "Pieces"]
