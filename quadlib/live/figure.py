"""A figure off screen that is composed of layers, each drawn once and kept."""

import io
import math
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.ticker import LogLocator, NullLocator

from quadlib.live.pixels import Letters, encoded, inked
from quadlib.notation import number
from quadlib.plotting import PALETTE

__all__ = ["DRAWING", "LiveFigure"]

# Requests come from a kernel subshell, cells and late pieces from threads of their own, and
# Matplotlib is not thread-safe, not even across figures.
DRAWING = threading.RLock()

_KEPT = 160  # layers, most of them axes with their ticks and labels, about 100 kB each


class LiveFigure:
    """A Matplotlib figure off screen, of which only what moves is drawn each time.

    The rest is a background of layers: one an axis with its ticks and labels, kept by its limits,
    and one with frames, legends and titles. A layer is drawn alone on white, and the darker pixel
    wins, so a slider that comes back to limits seen before costs no drawing of ticks at all: that
    is 5 to 10 ms an axis. There is no layout engine: frames do not jump. Sizes are in pixels.
    """

    def __init__(self, width: int = 900, height: int = 400) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 100, height / 100), dpi=100)
        FigureCanvasAgg(self.figure)
        self._renderers: dict[int, Any] = {}
        self._layers: dict[Any, tuple[slice, int, Any]] = {}
        self._version, self._still = 0, list[Any]()
        self._alike: dict[Axis, Axis] = {}
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

    def alike(self, first: Any, second: Any) -> None:
        """Draw two axes of one length once where their limits are the same."""
        self._alike[second] = first
        for ax in (first.axes, second.axes):  # to whole pixels
            place, left = ax.get_position(), ax.get_position().x0 * self.width
            ax.set_position(place.translated((round(left) - left) / self.width, 0.0))

    def legend(self, ax: Axes, **more: Any) -> None:
        """Put the legend of an axes in a row above it, where no curve comes."""
        style = dict(fontsize=7.5, frameon=False, borderpad=0.0, borderaxespad=0.3, ncols=4)
        style |= dict(handlelength=1.6, columnspacing=1.1, handletextpad=0.45, markerscale=0.6)
        corner: Any = dict(loc="lower left", bbox_to_anchor=(0.0, 1.0))
        ax.legend(**corner | style | more).set_zorder(-1)  # part of the background

    def animate(self, *artists: Artist) -> None:
        """Draw these artists at every `png`, or all in the panels; what lies above them as well."""
        panels = self.figure.axes
        every = [one for ax in panels for one in (*ax.lines, *ax.collections, *ax.patches)]
        for artist in artists or every:
            artist.set_animated(True)
        self.figure.stale = True

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
            empty = not any(map(_holds_data, _moving(ax)))
            self._said[ax].set_text((computing or self._words.get(ax, "")) * empty)

    def outside(self) -> str:
        """Return a sentence for each panel that cannot hold its curves."""
        said = []
        for ax in self.figure.axes:
            if any(line.get_visible() and _leaves(line, ax) for line in ax.lines):
                name = ax.get_ylabel() or ax.get_title()
                said.append(f" Some curves leave the panel “{name}”.")
        return "".join(said)

    def png(self, scale: int = 1) -> bytes:
        """Return the figure as it is now, as a PNG of at most 256 colours, `scale` times larger."""
        with DRAWING:
            for _ in self._drawn(scale):
                pass
            return encoded(self._pixels(scale))

    def sharpen(self) -> Generator[None, None, bytes]:
        """Return `png(2)` of a figure that stays as it is, in slices."""
        drawn, going = self._drawn(2), True
        while going:
            with DRAWING:
                going = next(drawn, self) is not self
            yield
        return encoded(self._pixels(2).copy())

    def _drawn(self, scale: int) -> Iterator[None]:
        """Draw a layer, or what moves in a panel, at a time."""
        axes = (None, *self._axes())
        for axis in axes:
            with self._at(scale):
                self._layer(axis, scale)
            yield
        with self._at(scale) as renderer:
            pixels, (first, *rest) = self._pixels(scale), (self._layer(a, scale) for a in axes)
            pixels[:] = first[1]
            for place, layer in rest:
                np.minimum(pixels[place], layer, out=pixels[place])
        for parent in (*self.figure.axes, self.figure):
            yield
            with self._at(scale) as renderer:
                for artist in sorted(_moving(parent), key=Artist.get_zorder):
                    artist.draw(renderer)
        self.figure.stale = False

    def _pixels(self, scale: int) -> Any:
        return np.asarray(self._renderers[scale].buffer_rgba())

    def save(self, form: str) -> bytes:
        """Return the figure as "svg" or "pdf"."""
        file = io.BytesIO()
        with DRAWING:
            self.figure.savefig(file, format=form)
        return file.getvalue()

    @contextmanager
    def _at(self, scale: int) -> Iterator[Any]:
        self.figure.dpi = 100 * scale
        try:
            if scale not in self._renderers:
                size = scale * self.width, scale * self.height
                self._renderers[scale] = Letters(*size, 100 * scale)
            yield self._renderers[scale]
        finally:
            self.figure.dpi = 100

    def _axes(self) -> list[Axis]:
        shown = [ax for ax in self.figure.axes if ax.get_visible() and ax.axison]
        for ax in shown:
            ax.apply_aspect()
        return [axis for ax in shown for axis in (ax.xaxis, ax.yaxis)]

    def _layer(self, axis: Axis | None, scale: int) -> tuple[Any, Any]:
        """Return where a layer goes, and its pixels."""
        first = self._alike.get(axis, axis) if axis else None
        key = (scale, first, *(_ticks(axis, first) if axis and first else self._rest()))
        left = math.floor(axis.axes.bbox.x0 + 1e-6) if axis else 0
        if key in self._layers:
            self._layers[key] = self._layers.pop(key)  # the last used is the last to go
        else:
            rows, columns, pixels = self._draw(axis, self._renderers[scale])
            self._layers[key] = rows, columns.start - left, pixels
            if len(self._layers) > _KEPT:
                del self._layers[next(iter(self._layers))]
        rows, start, pixels = self._layers[key]
        return (rows, slice(start + left, start + left + pixels.shape[1])), pixels

    def _draw(self, axis: Axis | None, renderer: Any) -> tuple[slice, slice, Any]:
        pixels = np.asarray(renderer.buffer_rgba())
        if axis is not None:
            pixels[:] = 255
            ours: Any = axis
            # to place its label `axis.draw` measures every tick's, for nothing if it has a place
            for part in (axis,) if ours._autolabelpos else (*ours._update_ticks(), ours.label):
                part.draw(renderer)
            rows, columns = inked(pixels.view(np.uint32)[..., 0] != 0xFFFFFFFF)
            return rows, columns, pixels[rows, columns].copy()
        axes = self._axes()
        shown = [one.get_visible() for one in axes]
        for one in axes:
            one.set_visible(False)
        renderer.clear()
        self.figure.draw(renderer)
        for one, visible in zip(axes, shown, strict=True):
            one.set_visible(visible)
        for child in self._still:
            child.stale = False  # a legend that is drawn marks itself
        return slice(None), slice(0, None), pixels.copy()

    def _rest(self) -> tuple[Any, ...]:
        """Return what tells whether anything changed that is neither an axis nor moving."""
        still, places = [], []
        for ax in self.figure.axes:
            children = [child for child in ax.get_children() if not isinstance(child, Axis)]
            lowest = min((child.get_zorder() for child in _moving(ax)), default=np.inf)
            titles = (ax.title, ax._left_title, ax._right_title)  # type: ignore[attr-defined]
            for child in children:
                # A spine or a grid line would vanish under a blitted line
                above = child.get_zorder() >= lowest and child not in titles
                if above and child is not ax.patch and not child.get_animated():
                    child.set_animated(True)
            fixed = [child for child in children if not child.get_animated()]
            still += fixed
            if {*ax.lines, *ax.collections, *ax.patches}.intersection(fixed):
                places.append((ax.get_xlim(), ax.get_ylim()))
        still += [*self.figure.texts, *self.figure.legends]
        still = [child for child in still if not child.get_animated()]
        self._still = still
        self._version += any(child.stale for child in still)
        return (self._version, tuple(map(id, still)), tuple(places))


def _moving(parent: Any) -> list[Any]:
    return [child for child in parent.get_children() if child.get_animated()]


def _ticks(axis: Axis, first: Axis) -> tuple[Any, ...]:
    """Return what tells how an axis looks that is made like the first."""
    ax: Any = axis.axes
    makers = (first.get_major_locator(), first.get_minor_locator(), first.get_major_formatter())
    place = (*axis.get_view_interval(), *(round(float(x), 6) for x in (*ax.bbox.size, ax.bbox.y0)))
    return (place, axis.get_scale(), axis.label.get_text(), makers, axis.get_visible())


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
