"""Results to pictures: (axes, result) to artists. Nothing here simulates, or uses pyplot."""

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from quadlib.ensemble import Ensemble
from quadlib.escape import EscapeLaw
from quadlib.landscape import Spectrum
from quadlib.shapes import Array, Float
from quadlib.trajectory import Trajectory

__all__ = [
    "PALETTE",
    "Picture",
    "escape_histogram",
    "figure",
    "heat_map",
    "joined",
    "loss_curves",
    "overlap_curve",
    "plateau_line",
    "sentence",
    "spectrum_bars",
]

PALETTE = {
    # Okabe and Ito: distinct with any colour vision
    "sgd": "#999999",
    "ode": "#0072B2",
    "flow": "#D55E00",
    "theory": "#000000",
    "diffusion": "#009E73",
    "teacher": "#CC79A7",
    "second": "#E69F00",
    "light": "#56B4E9",
}


class Picture:
    """A finished figure with its alt text, shown by a notebook as `<img alt>`."""

    def __init__(self, figure: Figure, alt: str) -> None:
        if not alt.strip():
            raise ValueError("alt must describe the figure, got an empty text; say what it shows.")
        file = io.BytesIO()
        FigureCanvasAgg(figure)
        # 8 bits a pixel: half the bytes in a saved notebook
        figure.savefig(file, format="png")
        self.png, self.alt = _palette(file.getvalue()), alt
        self.width = int(figure.get_size_inches()[0] * figure.dpi)

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        return (
            f'<img alt="{escape(self.alt)}" width="{self.width}" style="max-width:100%;height:auto"'
            f' src="data:image/png;base64,{data}">'
        )

    def __repr__(self) -> str:
        return self.alt


def _palette(png: bytes) -> bytes:
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    file = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
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
    curves = np.atleast_2d(result.loss)
    thin = isinstance(result, Ensemble)
    style = {"lw": 0.7 if thin else 2.0, "alpha": 0.6 if thin else 1.0, **style}
    lines: list[Artist] = []
    for i, curve in enumerate(curves):
        lines += ax.plot(
            result.alpha, np.where(np.isfinite(curve), curve, np.nan), color=color,
            label=label if i == 0 else None, **style,
        )  # fmt: skip
    ax.set(xlabel="α = samples / N", ylabel="population loss")
    return lines


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
    _, _, bars = ax.hist(finite, bins, density=True, color=PALETTE["sgd"], alpha=0.6, label=label)
    artists: list[Artist] = list(bars.patches)  # type: ignore[union-attr]
    alpha = np.linspace(*ax.get_xlim(), 300)
    for name, law, color in laws:
        artists += ax.plot(alpha, law.density(alpha), color=color, lw=2, label=name)
    ax.set(xlabel="escape time α", ylabel="probability density")
    return artists


def spectrum_bars(ax: Axes, spectrum: Spectrum, *, color: str = PALETTE["ode"]) -> list[Artist]:
    """Draw eigenvalues as stems whose height is their multiplicity, on a logarithmic scale."""
    negative = np.asarray(spectrum.values) < 0
    stems: list[Artist] = []
    for value, count, below in zip(spectrum.values, spectrum.multiplicities, negative, strict=True):
        shade = PALETTE["flow"] if below else color
        stems += ax.plot([value, value], [0.5, count], color=shade, lw=2.5, solid_capstyle="butt")
        stems += ax.plot([value], [count], "o", color=shade, ms=4)
    ax.set(yscale="log", xlabel="Hessian eigenvalue", ylabel="multiplicity")
    ax.set_ylim(bottom=0.5)
    return stems
