"""The figure of an explorer: panels in one style, and a sentence where they show nothing."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.ticker import LogLocator, NullLocator

from quadlib.live.layers import DRAWING, Layers, moving
from quadlib.notation import number
from quadlib.plotting import PALETTE

__all__ = ["DRAWING", "LiveFigure"]


class LiveFigure(Layers):
    """Panels with few ticks, legends above them, and lines of words above these."""

    def __init__(self, width: int = 900, height: int = 400) -> None:
        super().__init__(width, height)
        self._said, self._words = dict[Axes, Any](), dict[Axes, str]()
        text = self.figure.text
        self._warning = text(0.012, 0.985, "", color=PALETTE["warning"], va="top")
        self._status = text(0.985, 0.985, "", color=PALETTE["theory"], va="top", ha="right")
        self.animate(self._warning, self._status)

    def panels(self, rows: int = 1, columns: int = 1, **grid: Any) -> Any:
        """Return axes with few ticks, under a row for words and a row for legends."""
        sides = dict(left=0.075, right=0.97, top=0.865, bottom=0.13, wspace=0.2)
        axes = self.figure.subplots(rows, columns, squeeze=False, gridspec_kw=sides | grid).ravel()
        for ax in axes:
            self.tidy(ax)
        return axes if rows * columns > 1 else axes[0]

    def tidy(self, ax: Axes) -> None:
        """Give an axes few ticks, numbers as everywhere, and labels that keep their place."""
        ax.locator_params(nbins=5)  # ticks cost more than lines
        wide, high = ax.bbox.size
        for axis, place in ((ax.xaxis, (0.5, -32 / high)), (ax.yaxis, (-52 / wide, 0.5))):
            axis.set_major_formatter(lambda x, _: number(x))
            axis.set_label_coords(*place)

    def log(self, *axes: Any) -> None:
        """Make axes logarithmic, with few ticks."""
        for axis in axes:
            scale: Any = axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale
            scale("log")
            axis.set_major_locator(LogLocator(numticks=6))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(lambda x, _: number(x))

    def line(self, ax: Axes, meaning: str, form: str = "-", **style: Any) -> Any:
        """Return a line of no points in the colour of its meaning."""
        return ax.plot([], [], form, color=PALETTE[meaning], **style)[0]

    def legend(self, ax: Axes, **more: Any) -> None:
        """Put the legend of an axes in a row above it, where no curve comes."""
        style = dict(fontsize=7.5, frameon=False, borderpad=0.0, borderaxespad=0.3, ncols=4)
        style |= dict(handlelength=1.6, columnspacing=1.1, handletextpad=0.45, markerscale=0.6)
        corner: Any = dict(loc="lower left", bbox_to_anchor=(0.0, 1.0))
        ax.legend(**corner | style | more).set_zorder(-1)  # part of the background

    def limits(self, ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Set the limits of an axes."""
        if (ax.get_xlim(), ax.get_ylim()) != (x, y):
            ax.set(xlim=x, ylim=y)

    def say(self, ax: Axes, words: str) -> None:
        """Set the sentence that stands in a panel as long as it is empty."""
        self._words[ax] = words

    def words(self, warning: str, computing: str = "") -> None:
        """Set the line above the panels; an empty panel tells what it waits for."""
        self._warning.set_text(warning)
        self._status.set_text(computing)
        for ax in self.figure.axes:
            if ax not in self._said:
                middle: Any = dict(transform=ax.transAxes, ha="center", va="center")
                self._said[ax] = ax.text(0.5, 0.5, "", color=PALETTE["theory"], zorder=9, **middle)
                self._said[ax].set_animated(True)
            empty = not any(map(_holds_data, moving(ax)))
            self._said[ax].set_text((computing or self._words.get(ax, "")) * empty)

    def outside(self) -> str:
        """Return a sentence for each panel that cannot hold its curves."""
        said = []
        for ax in self.figure.axes:
            if any(line.get_visible() and _leaves(line, ax) for line in ax.lines):
                name = ax.get_ylabel() or ax.get_title()
                said.append(f" Some curves leave the panel “{name}”.")
        return "".join(said)


def _leaves(line: Line2D, ax: Axes) -> bool:
    """Whether a curve goes beyond the limits of its axes."""
    x, y = (np.asarray(part, float) for part in line.get_data())
    if not len(x) or line.get_transform() != ax.transData:
        return False
    beyond, seen = np.zeros(len(x), bool), np.isfinite(x) & np.isfinite(y)
    for part, axis in ((x, ax.xaxis), (y, ax.yaxis)):
        ends: Any = axis.get_view_interval()
        if axis.get_scale() == "log":
            seen &= part > 0
            part, ends = np.log(np.where(seen, part, 1.0)), np.log(ends)
        beyond |= np.abs(part - ends.mean()) > (0.5 + 1e-9) * abs(ends[1] - ends[0])
    return bool((beyond & seen).any())


def _holds_data(artist: Artist) -> bool:
    """Whether something of the data can be seen of it."""
    if not artist.get_visible():
        return False
    if isinstance(artist, Line2D):
        seen = np.isfinite(np.asarray(artist.get_ydata(), float))
        line = artist.get_marker() in ("", "None")  # it needs two points side by side
        return bool((seen[1:] & seen[:-1] if line else seen).any())
    if isinstance(artist, StepPatch):
        return bool(np.any(np.asarray(artist.get_data()[0]) > 0))
    return isinstance(artist, Collection) and len(artist.get_paths()) > 0
