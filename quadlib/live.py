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

# Requests come from a kernel subshell, cells and late pieces from threads of their own, and
# Matplotlib is not thread-safe, not even across figures.
_DRAWING = threading.RLock()

# ipywidgets gives the handle of a slider no name, and the wrong value if it is not linear. Each
# picture that arrives puts that right.
_NAME_HANDLES = """
this.closest('.quadlib-explorer')?.querySelectorAll('.noUi-handle').forEach(handle => {
  const box = handle.closest('.widget-inline-hbox');
  handle.setAttribute('aria-label', box.querySelector('label').textContent);
  handle.setAttribute('aria-valuetext', box.querySelector('.widget-readout').textContent);
})"""


class Caption(NamedTuple):
    """What a picture shows: in words for those who do not see it, and in numbers."""

    alt: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()

    def table(self) -> str:
        """Return the numbers as an HTML table."""

        def row(cells: Sequence[object], tag: str) -> str:
            return "".join(f"<{tag}>{escape(_text(cell))}</{tag}>" for cell in cells)

        body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in self.rows)
        return f"<table><thead><tr>{row(self.columns, 'th')}</tr></thead>{body}</table>"


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


Pieces: TypeAlias = Iterable[Callable[[], Caption | None]]
"""Each adds something to the picture, and says so in a new caption if that matters."""


class LiveFigure:
    """A Matplotlib figure off screen, of which only the animated artists are drawn each time.

    Everything else is a background, drawn anew only after something in it changed: a limit, a
    tick, a label. Half of that time is the layout: where limits change often, turn it off by
    `figure.set_layout_engine("none")` and place the axes with `gridspec_kw`. Sizes are in pixels.
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
        self.figure.stale = True

    def limits(self, ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Set the limits of an axes if they differ: the same limits cost no new background."""
        if (ax.get_xlim(), ax.get_ylim()) != (x, y):
            ax.set(xlim=x, ylim=y)

    def png(self) -> bytes:
        """Return the figure as it is now, as a PNG of at most 256 colours."""
        with _DRAWING:
            # Matplotlib marks a figure as stale whenever an artist that is not animated changes
            if self.figure.stale:
                self._draw_background()
            self._canvas.restore_region(self._background)
            parents: list[Any] = [*self.figure.axes, self.figure]
            for parent in parents:
                moving = [child for child in parent.get_children() if child.get_animated()]
                for artist in sorted(moving, key=Artist.get_zorder):
                    parent.draw_artist(artist)
            self.figure.stale = False  # a legend that is drawn marks it too
            return self._encode()

    def _draw_background(self) -> None:
        for ax in self.figure.axes:
            above = [child for child in ax.get_children() if not isinstance(child, Axis)]
            moving = [child.get_zorder() for child in above if child.get_animated()]
            for child in above:
                # A legend or a spine would vanish under a blitted line
                if moving and child.get_zorder() >= min(moving) and child is not ax.patch:
                    child.set_animated(True)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    def _encode(self) -> bytes:
        # 4 ms and 50 kB at 900 × 400, where an RGB PNG takes 9 ms and 140 kB
        size = self.width, self.height
        rgb = Image.frombytes("RGB", size, self._canvas.buffer_rgba(), "raw", "RGBX")
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
    pause: ClassVar[float] = 0.2  # seconds without requests before late pieces start
    patience: ClassVar[float] = 3.0  # seconds the static picture waits for late pieces

    def __init__(self) -> None:
        self.live = LiveFigure(*self.size)
        self.error, self._caption, self._png = "", Caption(""), b""
        self._newest = self._drawn = object()
        self._busy = False
        self._pieces: Pieces | None = None
        self._worker: threading.Thread | None = None
        self._alert, self._picture, self._table = (ipywidgets.HTML() for _ in range(3))
        self._data = ipywidgets.ToggleButton(description="data", tooltip="Numbers of this picture")
        with _DRAWING:
            self.controls: dict[str, Any] = self.build()
            self._clicks = dict.fromkeys(self.controls, 0)
            self._draw_newest()  # a default that fails is an error of the program, not of a user
        for name, control in self.controls.items():
            self._connect(name, control)
        self._data.observe(lambda _: self._show_table(), "value")
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

    def later(self, pieces: Pieces) -> None:
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
            # Busy here means that a control changed while drawing, in this very thread
            while self._drawn is not self._newest and not self._busy:
                self._busy = True
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
        if control.style.has_trait("description_width"):
            control.style.description_width = "initial"  # else long names are cut
        control.tooltip = control.tooltip or control.description
        if isinstance(control, ipywidgets.Button):
            control.on_click(lambda _: self._click(name))
        else:
            control.observe(lambda _: self.update(), "value")

    def _click(self, name: str) -> None:
        self._clicks[name] += 1
        self.update()

    def _draw_newest(self) -> None:
        request = self._drawn = self._newest
        self._pieces = None
        clicks = self._clicks
        values = {name: getattr(w, "value", clicks[name]) for name, w in self.controls.items()}
        self._show(self.draw(values))
        if self._pieces is not None:
            work = (request, self._pieces, self._worker)
            self._worker = threading.Thread(target=self._work, args=work, daemon=True)
            self._worker.start()

    def _work(self, request: object, pieces: Pieces, previous: threading.Thread | None) -> None:
        if previous is not None:
            previous.join()  # it stops at its next piece
        if request is self._newest:
            time.sleep(self.pause)
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
        self._png = self.live.png()
        self._caption, self.error, self._alert.value = caption, "", ""
        self._picture.value = self._img(f' onload="{_NAME_HANDLES}"')
        self._show_table()

    def _show_table(self) -> None:
        self._table.value = self._caption.table() if self._data.value else ""

    def _img(self, attributes: str = "") -> str:
        return (
            f'<img alt="{escape(self.alt_text)}" width="{self.live.width}" '
            f'height="{self.live.height}" decoding="sync" style="max-width:100%;height:auto"'
            f'{attributes} src="data:image/png;base64,{base64.b64encode(self._png).decode()}">'
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
            data["text/html"] = self._img()
        return data
