"""Letters to pixels, and pixels to a PNG: where most of the time of a picture went."""

import io
import math
import re
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from PIL import Image

__all__ = ["Letters", "encoded", "inked"]

_DIGITS = "0123456789.·−⁻⁰¹²³⁴⁵⁶⁷⁸⁹\N{NARROW NO-BREAK SPACE}"
_NUMBER, _PARTS = re.compile(f"[{_DIGITS}]+"), re.compile(f"−?[{_DIGITS}]|[^ {_DIGITS}]+ ?| ")
_KEPT = 1000  # parts, of a few kB each


class Letters(RendererAgg):
    """Text at whole pixels, from pictures of what was written before: letters cost most.

    Of a number each digit is kept, of a long sentence, where only the numbers change, each word.
    """

    def __init__(self, width: int, height: int, dpi: float) -> None:
        base: Any = super()
        base.__init__(width, height, dpi)
        self._written: dict[Any, tuple[Any, int, int]] = {}
        self._sizes: dict[Any, tuple[float, float, float]] = {}

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, *more: Any, **other: Any
    ) -> None:
        """Draw s at (x, y), as RendererAgg does."""
        color = np.array([*gc.get_rgb()[:3], 1.0]) * 255
        ours: Any = self
        pixels = np.asarray(ours.buffer_rgba())
        parts = [s] if angle or other.get("ismath") else _parts(s)
        for part in parts:
            key = (part, prop, angle)
            if key not in self._written:
                if len(self._written) == _KEPT:
                    self._written.clear()
                self._written[key] = self._write(part, prop, angle, *more, **other)
            ink, row, column = self._written[key]
            # not `round`: what is at a half is to be so in each panel
            row, column = math.floor(y + 0.500001) + row, math.floor(x + 0.500001) + column
            place = pixels[row : row + len(ink), column : column + ink.shape[1]]
            if row >= 0 and column >= 0 and place.shape[:2] == ink.shape[:2]:
                place[:] = place + ink * (color - place) + 0.5
            if len(parts) > 1:
                x += self._size(part, prop)[0]

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> Any:
        """Return the size of s, as RendererAgg does."""
        parts = [s] if ismath else _parts(s)
        if len(parts) > 1:
            widths, heights, descents = zip(*(self._size(one, prop) for one in parts), strict=True)
            return sum(widths), max(heights), max(descents)
        plain: Any = super()
        return plain.get_text_width_height_descent(s, prop, ismath)

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

    def _size(self, part: str, prop: Any) -> tuple[float, float, float]:
        """Return how far the next part begins, height and descent."""
        if (part, prop) not in self._sizes:
            plain: Any = super().get_text_width_height_descent
            width, *size = plain(part, prop, False)
            if len(part) == 1 or part[0] == "−":
                # before Matplotlib 3.11 the ink of a digit was its width
                end = part[-1]
                width = plain(part + end, prop, False)[0] - plain(end, prop, False)[0]
            self._sizes[part, prop] = (width, *size)
        return self._sizes[part, prop]


def _parts(s: str) -> list[str]:
    return _PARTS.findall(s) if len(s) > 40 or _NUMBER.fullmatch(s) else [s]


def inked(ink: Any) -> tuple[slice, slice]:
    """Return the rows and columns between the first and the last that are not empty."""
    rows, columns = slice(0, 0), slice(0, 0)
    if len(where := np.flatnonzero(ink.any(axis=1))):
        rows = slice(int(where[0]), int(where[-1]) + 1)
        where = np.flatnonzero(ink[rows].any(axis=0))
        columns = slice(int(where[0]), int(where[-1]) + 1)
    return rows, columns


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
