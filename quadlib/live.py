"""The path from a slider to pixels: a blitted off-screen figure, and the widget around it.

A move costs one computation, one blit and one palette PNG, not a full redraw. The picture is an
`<img>` with alt text in an ipywidgets.HTML, which needs no JavaScript of its own.
"""

import base64
import io
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, ClassVar, NamedTuple, TypeAlias

import ipywidgets
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["Caption", "Explorer", "LiveFigure"]

# Callbacks come from a kernel subshell, cells from the main thread, late pieces from their own;
# Matplotlib is not thread-safe, not even across figures.
_DRAWING = threading.RLock()

# ipywidgets gives slider handles no accessible name; each picture that arrives sees to it.
_NAME_HANDLES = (
    "this.closest('.quadlib-explorer')?.querySelectorAll('.noUi-handle').forEach(h =>"
    " h.setAttribute('aria-label',"
    " h.closest('.widget-inline-hbox').querySelector('label').textContent))"
)


class Caption(NamedTuple):
    """What a picture shows: in words for those who do not see it, and in numbers."""

    alt: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()

    @property
    def table(self) -> str:
        """The numbers as an HTML table."""
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


Piece: TypeAlias = Callable[[], Caption | None]
"""Adds something to the picture, and says so in a new caption if that matters."""


class LiveFigure:
    """A Matplotlib figure off screen, of which only the animated artists are drawn each time.

    Everything else is a background, drawn anew only after something in it changed: a limit, a
    title, a tick. The layout is computed at the first draw and then stays, so that the axes do
    not jump under a moving slider.

    Parameters
    ----------
    width, height
        Size in pixels.
    """

    def __init__(self, width: int = 900, height: int = 400) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained")
        self._canvas: Any = FigureCanvasAgg(self.figure)
        self._background: Any = None

    def animate(self, *artists: Artist) -> None:
        """Draw these artists at every `png`; what lies above them in their axes follows suit."""
        for artist in artists:
            artist.set_animated(True)
        self.redraw_background()

    def limits(
        self, ax: Axes, x: tuple[float, float] | None = None, y: tuple[float, float] | None = None
    ) -> None:
        """Set the limits of an axes if they differ: the same limits cost no new background."""
        if x is not None and ax.get_xlim() != x:
            ax.set_xlim(x)
        if y is not None and ax.get_ylim() != y:
            ax.set_ylim(y)

    def redraw_background(self) -> None:
        """Have the next `png` draw everything; changed artists in the background do so too."""
        self._background = None

    def png(self) -> bytes:
        """Return the figure as it is now, as a PNG of at most 256 colours."""
        with _DRAWING:
            # Matplotlib marks a figure as stale whenever an artist that is not animated changes
            if self._background is None or self.figure.stale:
                self._draw_background()
            self._canvas.restore_region(self._background)
            for ax in self.figure.axes:
                moving = [child for child in ax.get_children() if child.get_animated()]
                for artist in sorted(moving, key=Artist.get_zorder):
                    ax.draw_artist(artist)
            self.figure.stale = False  # a legend that is drawn marks it too
            return self._encode()

    def _draw_background(self) -> None:
        for ax in self.figure.axes:
            moving = [child.get_zorder() for child in ax.get_children() if child.get_animated()]
            for child in ax.get_children():
                # Legends, spines and texts would vanish under a blitted line; ticks lie outside
                if moving and child.get_zorder() >= min(moving) and not isinstance(child, Axis):
                    child.set_animated(child is not ax.patch)
        self._canvas.draw()
        self.figure.set_layout_engine("none")
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    def _encode(self) -> bytes:
        # 4 ms and 50 kB at 900 × 400, where an RGB PNG takes 9 ms and 140 kB
        rgb = Image.frombytes(
            "RGB", (self.width, self.height), self._canvas.buffer_rgba(), "raw", "RGBX"
        )
        image = rgb.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        palette = image.getpalette() or []
        image.putpalette([255 if value >= 254 else value for value in palette])  # white is white
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()


class Explorer(ipywidgets.VBox):
    """Controls, a picture with alt text, its numbers on demand, and a place for errors.

    A subclass says what there is in `build` and what it shows in `draw`. Without a kernel it
    works the same, synchronously; without a front end it is its default picture.

    Attributes
    ----------
    controls
        The widgets by name; a button's value is its number of clicks.
    live
        The figure.
    error
        One sentence if the last request failed, else empty.
    """

    size: ClassVar[tuple[int, int]] = (900, 400)
    pause: ClassVar[float] = 0.1  # seconds of rest before late pieces start
    patience: ClassVar[float] = 3.0  # seconds the static picture waits for late pieces

    def __init__(self) -> None:
        self.live = LiveFigure(*self.size)
        self.error = ""
        self._caption = Caption("")
        self._newest = self._drawn = object()
        self._busy = False
        self._clicks: dict[str, int] = {}
        self._pieces: Iterable[Piece] | None = None
        self._worker: threading.Thread | None = None
        self._picture, self._table = ipywidgets.HTML(), ipywidgets.HTML()
        self._alert = ipywidgets.HTML()
        self._data = ipywidgets.ToggleButton(
            description="data", tooltip="Show the numbers behind the picture"
        )
        with _DRAWING:
            self.controls: dict[str, Any] = self.build()
            self._draw_newest()  # a default that fails is an error of the program, not of a user
        for name, control in self.controls.items():
            self._connect(name, control)
        self._data.observe(lambda _: self._show(self._caption), "value")
        row = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        controls = ipywidgets.Box([*self.controls.values(), self._data], layout=row)
        super().__init__([controls, self._alert, self._picture, self._table])
        self.add_class("quadlib-explorer")

    def build(self) -> dict[str, Any]:
        """Make the artists on `self.live.figure`, animate those that move; return the controls."""
        raise NotImplementedError

    def draw(self, values: dict[str, Any]) -> Caption:
        """Compute, and update the artists for these values of the controls."""
        raise NotImplementedError

    def later(self, pieces: Iterable[Piece]) -> None:
        """Call in `draw`: go on with `pieces` once its picture is shown, until the next request.

        A generator should compute, then yield what draws the result: it runs beside the sliders,
        and only the drawing makes them wait. `yield partial(line.set_data, alpha, loss)`.
        """
        self._pieces = pieces

    @property
    def alt_text(self) -> str:
        """What the picture shows, in words."""
        return self._caption.alt

    def update(self) -> None:
        """Show the present values of the controls; of several requests only the newest is drawn."""
        self._newest = object()
        with _DRAWING:
            if self._busy:  # a control changed while drawing, in this very thread
                return
            self._busy = True
            try:
                while self._drawn is not self._newest:
                    try:
                        self._draw_newest()
                    except Exception as error:
                        self._fail(error)
            finally:
                self._busy = False

    def finish(self, timeout: float | None = None) -> None:
        """Wait until the late pieces of the newest request are drawn, or for `timeout` seconds."""
        if self._worker is not None:
            self._worker.join(timeout)

    def _connect(self, name: str, control: Any) -> None:
        if control.has_trait("description_width") or hasattr(control.style, "description_width"):
            control.style.description_width = "initial"  # else long names are cut
        control.tooltip = control.tooltip or control.description
        if isinstance(control, ipywidgets.Button):
            control.on_click(lambda _: self._click(name))
        else:
            control.observe(lambda _: self.update(), "value")

    def _click(self, name: str) -> None:
        self._clicks[name] = self._clicks.get(name, 0) + 1
        self.update()

    def _draw_newest(self) -> None:
        request = self._drawn = self._newest
        self._pieces = None
        values = {
            name: getattr(control, "value", self._clicks.get(name, 0))
            for name, control in self.controls.items()
        }
        self._show(self.draw(values))
        if self._pieces is not None:
            self._worker = threading.Thread(
                target=self._work, args=(request, self._pieces, self._worker), daemon=True
            )
            self._worker.start()

    def _work(
        self, request: object, pieces: Iterable[Piece], previous: threading.Thread | None
    ) -> None:
        if previous is not None:
            previous.join()  # it stops at its next piece
        time.sleep(self.pause)  # while a slider moves, its requests have the processor
        try:
            for piece in pieces if request is self._newest else ():
                with _DRAWING:
                    if request is not self._newest:
                        return
                    self._show(piece() or self._caption)
        except Exception as error:
            with _DRAWING:
                if request is self._newest:
                    self._fail(error)

    def _show(self, caption: Caption) -> None:
        with _DRAWING:
            self._caption, self.error, self._alert.value = caption, "", ""
            self._picture.value = self._img(f' onload="{_NAME_HANDLES}"')
            self._table.value = caption.table if self._data.value else ""

    def _img(self, attributes: str = "") -> str:
        data = base64.b64encode(self.live.png()).decode()
        return (
            f'<img alt="{escape(self.alt_text)}" width="{self.live.width}" '
            f'height="{self.live.height}" decoding="sync" style="max-width:100%;height:auto"'
            f'{attributes} src="data:image/png;base64,{data}">'
        )

    def _fail(self, error: Exception) -> None:
        text = str(error)
        # quadlib's own errors are whole sentences
        whole = isinstance(error, ValueError | TypeError | ArithmeticError) and text.endswith(".")
        self.error = text if whole else f"{type(error).__name__}: {text}"
        self._alert.value = f'<div role="alert">⚠ {escape(self.error)}</div>'

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data = super()._repr_mimebundle_(**kwargs)
        if data is not None:
            self.finish(self.patience)
            with _DRAWING:
                data["text/html"] = self._img()
        return data


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
