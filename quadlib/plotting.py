"""Results to pictures: (axes, result) to artists. Nothing here simulates, or uses pyplot."""

import base64
import io
import math
from collections.abc import Iterable
from functools import cache
from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from quadlib.ensemble import Ensemble
from quadlib.escape import EscapeLaw
from quadlib.landscape import Spectrum
from quadlib.shapes import Array, Float
from quadlib.trajectory import Trajectory

__all__ = [
    "PALETTE",
    "N_color",
    "N_style",
    "Picture",
    "escape_histogram",
    "figure",
    "heat_map",
    "image",
    "joined",
    "loss_curves",
    "overlap_curve",
    "p_color",
    "p_style",
    "plateau_line",
    "sentence",
    "spectrum_bars",
    "teacher_color",
    "teacher_style",
]

PALETTE = {
    "sgd": "#767676",  # runs of SGD, and all that is counted or averaged over them
    "ode": "#0072B2",  # the ODE, the limit of large N
    "flow": "#D55E00",  # the ODE without gradient noise; always dashed
    "diffusion": "#00805E",  # the diffusion, where it stands beside the exact chain
    "law": "#000000",  # what a law predicts of SGD at finite N: escape, late times, blur
    "theory": "#4A4A4A",  # levels, bounds, slopes and sets from a formula; dotted
    "negative": "#C2006B",  # eigenvalues below zero
    "warning": "#B00020",  # sentences that something is not as it should be
}
"""The colour of each meaning: lines 3:1, text 4.5:1 and more against white.

The colour says whose curve it is, line style and label which quantity. Directions of the teacher,
p and N have scales of their own: `teacher_color`, `p_color`, `N_color`, and the same with line
styles, for readers without colours, in `teacher_style`, `p_style`, `N_style`.
"""

_TEACHERS = ("#2E1A6B", "#6F4FC0", "#9A6FD0", "#7B2D8E")
_DASHES = ("-", "--", "-.", (0, (1, 1.2)))


def teacher_color(r: int) -> str:
    """Return the colour of the teacher's direction r = 0, 1, ..."""
    return _TEACHERS[r % len(_TEACHERS)]


@cache
def p_color(p: float) -> str:
    """Return the colour of a network of p units, the darker the larger, to p = 64."""
    return _shade("viridis", 0.56, 0.0, math.log2(p) / 6)


def N_color(N: float) -> str:
    """Return the colour of a dimension, the darker the larger, from 10 to 10¹²."""
    return _shade("copper", 0.62, 0.1, (math.log10(N) - 1) / 11)


def teacher_style(r: int) -> dict[str, Any]:
    """Return colour and line style of the teacher's direction r = 0, 1, ..."""
    return dict(color=teacher_color(r), ls=_DASHES[r % 4])


def p_style(p: float) -> dict[str, Any]:
    """Return colour and line style of p units; powers of two differ in style, and from others."""
    doublings = math.log2(p)
    ls = _DASHES[int(doublings) % 4] if doublings.is_integer() else (0, (4, 1, 1, 1, 1, 1))
    return dict(color=p_color(p), ls=ls)


def N_style(N: float) -> dict[str, Any]:
    """Return colour and line style of a dimension; powers of ten differ in style."""
    return dict(color=N_color(N), ls=_DASHES[round(math.log10(N)) % 4])


def _shade(scale: str, light: float, dark: float, part: float) -> str:
    return to_hex(colormaps[scale](light + (dark - light) * min(max(part, 0.0), 1.0)))


class Picture:
    """A finished figure with its alt text, shown by a notebook as `<img alt>`."""

    def __init__(self, figure: Figure, alt: str) -> None:
        if not alt.strip():
            raise ValueError("alt must describe the figure, got an empty text; say what it shows.")
        if figure.canvas.__class__ is not FigureCanvasAgg:
            FigureCanvasAgg(figure)
        file = io.BytesIO()
        # twice the pixels for sharp screens, 8 bits a pixel: half the bytes in a saved notebook
        raw = {"compress_level": 0}
        figure.savefig(file, format="png", dpi=2 * figure.dpi, pil_kwargs=raw)
        self.png, self.alt = _palette(file.getvalue()), alt
        self.width = int(figure.get_size_inches()[0] * figure.dpi)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, Any]]:
        data = base64.b64encode(self.png).decode()
        # the PNG by itself for viewers that drop HTML
        bundle = {
            "text/html": image(self.png, self.alt, self.width),
            "image/png": data,
            "text/plain": self.alt,
        }
        return bundle, {"image/png": {"width": self.width}}

    def __repr__(self) -> str:
        return self.alt


def image(png: bytes, alt: str, width: int) -> str:
    """Return an `<img>` on a light card, which is seen in a dark theme too."""
    card = "box-sizing:border-box;max-width:100%;height:auto;background:#fff;"
    card += "padding:6px;border:1px solid #bbb;border-radius:4px"
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<img alt="{escape(alt)}" width="{width}" style="{card}" src="{source}">'


def _palette(png: bytes) -> bytes:
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    file = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def figure(columns: int = 1, rows: int = 1, *, width: float = 9.0, height: float = 3.6) -> Any:
    """Return a figure and its axes (one, or an array), off screen, at laptop size in inches."""
    canvas = Figure(figsize=(width, height), dpi=100, layout="constrained")
    return canvas, canvas.subplots(rows, columns)


def sentence(*parts: str) -> str:
    """Join what an alt text says, without the empty parts."""
    text = "; ".join(part for part in parts if part)
    return text[:1].upper() + text[1:] + "."


def joined(xs: Iterable[Any], ys: Iterable[Any]) -> tuple[Array, Array]:
    """Join many curves into one, with gaps between them: one artist draws them all."""
    gap = [np.nan]
    x = np.concatenate([part for x in xs for part in (x, gap)])
    y = np.concatenate([part for y in ys for part in (y, gap)])
    return x, y


def loss_curves(
    ax: Axes,
    result: Trajectory | Ensemble,
    *,
    color: str = PALETTE["ode"],
    label: str | None = None,
    **style: Any,
) -> list[Artist]:
    """Draw the population loss against α: a line, or thin lines for the runs of an ensemble."""
    style = {"lw": 0.7 if isinstance(result, Ensemble) else 2.0, "color": color, **style}
    curves = np.where(np.isfinite(result.loss), result.loss, np.nan)
    lines = ax.plot(result.alpha, curves.T, **style)
    lines[0].set_label(label)
    ax.set(xlabel="α = samples / N", ylabel="population loss")
    return list(lines)


def plateau_line(ax: Axes, level: float, *, label: str = "plateau") -> list[Artist]:
    """Draw the level of the plateau."""
    return [ax.axhline(level, color=PALETTE["theory"], ls=":", lw=1.2, label=label)]


def overlap_curve(
    ax: Axes,
    trajectory: Trajectory,
    name: str = "M",
    i: int = 0,
    j: int = 0,
    *,
    color: str = PALETTE["ode"],
    label: str | None = None,
    **style: Any,
) -> list[Artist]:
    """Draw one entry of Q or M against α."""
    curve = getattr(trajectory, name)[:, i, j]
    lines = ax.plot(trajectory.alpha, curve, color=color, label=label, **{"lw": 2.0, **style})
    ax.set(xlabel="α = samples / N", ylabel=f"{name}[{i}, {j}]")
    return list(lines)


def heat_map(ax: Axes, matrix: Float[Array, "a b"], *, largest: float = 1.0, name: str) -> Any:
    """Draw a small matrix, blue below zero and red above, with its name."""
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="equal")
    ax.set(title=name, xticks=[], yticks=[])
    return image


def escape_histogram(
    ax: Axes,
    times: Float[Array, " runs"],
    laws: Iterable[tuple[str, EscapeLaw, str]] = (),
    *,
    bins: int = 40,
    label: str = "runs",
) -> list[Artist]:
    """Draw the histogram of escape times, and densities (label, law, colour) over it."""
    finite = times[np.isfinite(times)]
    _, _, bars = ax.hist(
        finite, bins, density=True, label=label, histtype="stepfilled",
        facecolor="#D9D9D9", edgecolor=PALETTE["sgd"],
    )  # fmt: skip
    artists: list[Artist] = list(bars)  # type: ignore[arg-type]
    alpha = np.linspace(*ax.get_xlim(), 300)
    for name, law, color in laws:
        artists += ax.plot(alpha, law.density(alpha), color=color, lw=2, label=name)
    ax.set(xlabel="escape time α", ylabel="probability density")
    return artists


def spectrum_bars(ax: Axes, spectrum: Spectrum, *, color: str = PALETTE["law"]) -> list[Artist]:
    """Draw eigenvalues as stems whose height is their multiplicity, on a logarithmic scale."""
    negative = np.asarray(spectrum.values) < 0
    stems: list[Artist] = []
    for value, count, below in zip(spectrum.values, spectrum.multiplicities, negative, strict=True):
        shade = PALETTE["negative"] if below else color
        stems += ax.plot([value, value], [0.5, count], color=shade, lw=2.5, solid_capstyle="butt")
        stems += ax.plot([value], [count], "o", color=shade, ms=4)
    ax.set(yscale="log", xlabel="Hessian eigenvalue", ylabel="multiplicity")
    ax.set_ylim(bottom=0.5)
    return stems
