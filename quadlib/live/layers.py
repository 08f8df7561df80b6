"""A figure off screen that is composed of layers, each drawn once and kept."""

import io
import math
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from quadlib.live.pixels import Letters, encoded, inked

__all__ = ["DRAWING", "Layers", "moving"]

# Requests come from a kernel subshell, cells and late pieces from threads of their own, and
# Matplotlib is not thread-safe, not even across figures.
DRAWING = threading.RLock()

_KEPT = 160  # layers, most of them axes with their ticks and labels, about 100 kB each


class Layers:
    """A Matplotlib figure off screen, of which only what moves is drawn each time.

    The rest is a background of layers: one an axis with its ticks and labels, kept by its limits,
    and one with frames, legends and titles. A layer is drawn alone on white, and the darker pixel
    wins, so a slider that comes back to limits seen before costs no drawing of ticks at all: that
    is 5 to 10 ms an axis. There is no layout engine: frames do not jump. Sizes are in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 100, height / 100), dpi=100)
        FigureCanvasAgg(self.figure)
        self._renderers: dict[int, Any] = {}
        self._layers: dict[Any, tuple[slice, int, Any]] = {}
        self._version, self._still = 0, list[Any]()
        self._alike: dict[Axis, Axis] = {}

    def animate(self, *artists: Artist) -> None:
        """Draw these artists at every `png`, or all in the panels; what lies above them as well."""
        panels = self.figure.axes
        every = [one for ax in panels for one in (*ax.lines, *ax.collections, *ax.patches)]
        for artist in artists or every:
            artist.set_animated(True)
        self.figure.stale = True

    def alike(self, first: Any, second: Any) -> None:
        """Draw two axes of one length once where their limits are the same."""
        self._alike[second] = first
        for ax in (first.axes, second.axes):  # to whole pixels
            place, left = ax.get_position(), ax.get_position().x0 * self.width
            ax.set_position(place.translated((round(left) - left) / self.width, 0.0))

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

    def save(self, form: str) -> bytes:
        """Return the figure as "svg" or "pdf"."""
        file = io.BytesIO()
        with DRAWING:
            self.figure.savefig(file, format=form)
        return file.getvalue()

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
                for artist in sorted(moving(parent), key=Artist.get_zorder):
                    artist.draw(renderer)
        self.figure.stale = False

    def _pixels(self, scale: int) -> Any:
        return np.asarray(self._renderers[scale].buffer_rgba())

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
        """Return where a layer goes, and its pixels; the layer that is no axis is the rest."""
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
            lowest = min((child.get_zorder() for child in moving(ax)), default=np.inf)
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


def moving(parent: Any) -> list[Any]:
    """Return the artists that are drawn each time."""
    return [child for child in parent.get_children() if child.get_animated()]


def _ticks(axis: Axis, first: Axis) -> tuple[Any, ...]:
    """Return what tells how an axis looks that is made like the first."""
    ax: Any = axis.axes
    makers = (first.get_major_locator(), first.get_minor_locator(), first.get_major_formatter())
    place = (*axis.get_view_interval(), *(round(float(x), 6) for x in (*ax.bbox.size, ax.bbox.y0)))
    return (place, axis.get_scale(), axis.label.get_text(), makers, axis.get_visible())
