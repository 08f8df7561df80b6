"""Letters to pixels, and pixels to a PNG: where most of the time of a picture went."""

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from PIL import Image

__all__ = ["Letters", "encoded", "inked"]

_KEPT = 1000  # words, of a few kB each


class Letters(RendererAgg):
    """Text at whole pixels, from pictures of what was written before: letters cost most.

    A long sentence is kept by its words, of which only the numbers change.
    """

    def __init__(self, width: int, height: int, dpi: float) -> None:
        base: Any = super()
        base.__init__(width, height, dpi)
        self._written: dict[Any, tuple[Any, int, int]] = {}
        self._widths: dict[Any, float] = {}

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, *more: Any, **other: Any
    ) -> None:
        """Draw s at (x, y), as RendererAgg does."""
        color = np.array([*gc.get_rgb()[:3], 1.0]) * 255
        ours: Any = self
        pixels = np.asarray(ours.buffer_rgba())
        sentence = len(s) > 40 and angle == 0 and not other.get("ismath")
        for word in s.split(" ") if sentence else [s]:
            key = (word, prop, angle)
            if key not in self._written:
                if len(self._written) == _KEPT:
                    self._written.clear()
                self._written[key] = self._write(word, prop, angle, *more, **other)
            ink, row, column = self._written[key]
            row, column = round(y) + row, round(x) + column
            place = pixels[row : row + len(ink), column : column + ink.shape[1]]
            if row >= 0 and column >= 0 and place.shape[:2] == ink.shape[:2]:
                place[:] = place + ink * (color - place) + 0.5
            if sentence:
                x += self._width(word, prop)

    def _write(self, word: str, prop: Any, angle: float, *more: Any, **other: Any) -> Any:
        """Return how much of each pixel is covered, and where the first is."""
        plain: Any = RendererAgg
        em = int(prop.get_size_in_points() * self.dpi / 72) + 1
        x, y = (len(word) + 2) * em, (len(word) + 2 if angle else 2) * em  # no letter is wider
        spare = plain(2 * x, 2 * y, self.dpi)
        spare.draw_text(spare.new_gc(), x, y, word, prop, angle, *more, **other)
        ink = np.asarray(spare.buffer_rgba())[..., 3]
        rows, columns = inked(ink)
        return ink[rows, columns, None] / 255, rows.start - y, columns.start - x

    def _width(self, word: str, prop: Any) -> float:
        """Return how far the next word begins."""
        if (word, prop) not in self._widths:
            ours: Any = self
            width, _, _ = ours.get_text_width_height_descent(word + " ", prop, False)
            self._widths[word, prop] = width
        return self._widths[word, prop]


def inked(ink: Any) -> tuple[slice, slice]:
    """Return the rows and columns between the first and the last that are not empty."""
    rows, columns = (np.flatnonzero(ink.any(axis=k)) for k in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def encoded(pixels: Any) -> bytes:
    """Return a PNG whose colours are those of ink, joined where they are nearly the same."""
    colors = pixels.view(np.uint32).ravel()  # 0xAABBGGRR
    where = np.flatnonzero(colors != 0xFFFFFFFF)
    ink = colors[where]
    for bits in (5, 4, 3):  # of red, green and blue
        low = 8 - bits
        parts = [(ink >> shift + low) & (1 << bits) - 1 for shift in (0, 8, 16)]
        cell = parts[0] | parts[1] << bits | parts[2] << 2 * bits
        counts = np.bincount(cell, minlength=1 << 3 * bits)
        used = np.flatnonzero(counts)
        if len(used) < 256:
            break
    palette = [255, 255, 255]
    means = [np.bincount(cell, (ink >> shift) & 255)[used] / counts[used] for shift in (0, 8, 16)]
    palette += np.transpose(means).round().astype(int).ravel().tolist()
    number_of = np.zeros(len(counts), np.uint8)
    number_of[used] = np.arange(1, len(used) + 1)
    numbers = np.zeros(pixels.shape[:2], np.uint8)
    numbers.ravel()[where] = number_of[cell]
    image = Image.fromarray(numbers, "P")
    image.putpalette(palette)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, compress_type=3)  # runs of one colour
    return file.getvalue()
