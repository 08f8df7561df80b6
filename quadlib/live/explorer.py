"""Controls, a picture and its words: the frame that every explorer fills."""

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from html import escape
from typing import Any, ClassVar, TypeAlias

import ipywidgets

from quadlib.live.caption import Caption, link
from quadlib.live.figure import DRAWING, LiveFigure
from quadlib.live.late import Late
from quadlib.live.view import View, actions, choose, grid
from quadlib.plotting import image

__all__ = ["Explorer", "Pieces"]

Pieces: TypeAlias = Iterable[Callable[[], Caption | None] | None]
"""Each is a slice of at most 20 ms, and adds something to the picture, or nothing yet (None)."""

SENDING = 0.025  # seconds in which a picture is sent and shown: nothing should hold that up

_TOGGLES = {
    "data": "Numbers of this picture",
    "code": "The calls behind this picture",
    "save": "Numbers as CSV, picture as SVG and PDF",
}


class Explorer(ipywidgets.VBox):
    """Controls, a picture with alt text, its numbers and its code, and a place for errors.

    A subclass says what there is in `build`, what it shows in `draw`, and the calls behind it in
    `script`. Without a kernel it works the same, synchronously; without a front end it is its
    default picture.

    Parameters
    ----------
    values
        Initial values of controls by name; of a button, its number of clicks.

    Attributes
    ----------
    controls
        The widgets by name.
    live
        The figure.
    error
        One sentence if the last request failed, else empty.

    Raises
    ------
    TypeError, ValueError
        If there is no such control, or it cannot have this value.
    """

    size: ClassVar[tuple[int, int]] = (900, 400)
    pause: ClassVar[float] = 0.15  # seconds without requests before late pieces start
    patience: ClassVar[float] = 3.0  # seconds the static picture waits for late pieces

    def __init__(self, **values: Any) -> None:
        self.live = LiveFigure(*self.size)
        self.error, self._caption, self._png = "", Caption(""), b""
        self._newest = self._drawn = object()
        self._busy = self._pending = self._displayed = False
        self._pieces: Pieces = ()
        self._coming = ""
        self._before: dict[str, Any] = {}
        self._late: Late | None = None
        self._soon: Late | None = None
        self._view = View(width=self.live.width)
        self._toggles = {
            name: ipywidgets.ToggleButton(description=name, tooltip=tooltip)
            for name, tooltip in _TOGGLES.items()
        }
        with DRAWING:
            self.controls: dict[str, Any] = self.build()
            self._clicks = dict.fromkeys(self.controls, 0)
            for name, value in values.items():
                self._choose(name, value)
            self._draw_newest()  # a default that fails is an error of the program, not of a user
        for name, control in self.controls.items():
            if isinstance(control, ipywidgets.Button):
                control.on_click(lambda _, name=name: self._click(name))
            else:
                control.observe(lambda _: self.update(), "value")
        for toggle in self._toggles.values():
            toggle.observe(lambda _: self._show_panel(), "value")
        rows = [grid(self.controls), actions(self.controls, self._toggles), self._view]
        super().__init__(rows)
        self.add_class("quadlib-explorer")

    def build(self) -> dict[str, Any]:
        """Make the artists on `self.live.figure`, animate those that move; return the controls."""
        raise NotImplementedError

    def draw(self, values: dict[str, Any]) -> Caption:
        """Compute, and update the artists for these values of the controls."""
        raise NotImplementedError

    def script(self, values: dict[str, Any]) -> str:
        """Return the library calls, ten lines at most, that give the curves at these values."""
        raise NotImplementedError

    def ahead(self, values: dict[str, Any]) -> None:
        """Compute and keep what takes `draw` longest: these values are likely the next."""

    def later(self, pieces: Pieces, what: str = "") -> None:
        """Call in `draw`: go on with `pieces` once its picture is shown, until the next request.

        A generator should compute, then yield what draws the result, and yield None between
        slices of at most 20 ms: `yield partial(line.set_data, alpha, loss)`. Until then the
        picture says `what` is computed: name what else a move would not change at once.
        """
        self._pieces, self._coming = pieces, f"computing {what}".rstrip()

    @property
    def alt_text(self) -> str:
        """What the picture shows, in words."""
        if self.error:
            return f"Not drawn: {self.error} The picture is that of the settings before."
        return self._caption.words + f" Still {self._coming}." * self._pending

    @property
    def code(self) -> str:
        """The library calls behind the picture at the present settings."""
        return self.script(self._values())

    def update(self) -> None:
        """Show the present values of the controls; of several requests only the newest is drawn."""
        self._newest = object()
        with DRAWING:
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
        if self._late is not None:
            self._late.finish(timeout)

    def _choose(self, name: str, value: Any) -> None:
        if isinstance(self.controls.get(name), ipywidgets.Button):
            self._clicks[name] = int(value)
        else:
            choose(type(self).__module__.rpartition(".")[2], self.controls, name, value)

    def _click(self, name: str) -> None:
        self._clicks[name] += 1
        self.update()

    def _values(self) -> dict[str, Any]:
        read = {name: getattr(w, "value", self._clicks[name]) for name, w in self.controls.items()}
        return {name: _short(value) for name, value in read.items()}

    def _draw_newest(self) -> None:
        request = self._drawn = self._newest
        self._pieces = ()
        before, self._before = self._before, self._values()
        caption = self.draw(self._before)
        self._pending = self._pieces != ()
        self._show(caption)
        if self._pending or self._displayed:
            slices = self._slices(request, self._pieces)
            wanted = lambda: request is self._newest  # noqa: E731
            self._late = Late(slices, wanted, self.pause, self._late)
            if self._displayed and self._late.thread:  # else the next move would wait for it
                self._soon = Late(self._next(request, before), wanted, SENDING, None)

    def _next(self, request: object, before: dict[str, Any]) -> Iterator[None]:
        """Compute ahead what is needed if the slider that moved goes on by the same step."""
        now = self._before
        moved = [name for name in before if before[name] != now[name]]
        slider = self.controls[moved[0]] if len(moved) == 1 else None
        if isinstance(slider, ipywidgets.IntSlider | ipywidgets.FloatSlider):
            value = _short(2 * now[moved[0]] - before[moved[0]])
            with DRAWING, suppress(Exception):  # `draw` will tell of it, if it comes to that
                if request is self._newest and slider.min <= value <= slider.max:
                    self.ahead(now | {moved[0]: value})
        yield

    def _slices(self, request: object, pieces: Pieces) -> Iterator[None]:
        """Draw what follows, then once more, sharp."""
        try:
            for piece in pieces:
                if piece is not None:
                    with DRAWING:
                        if request is not self._newest:
                            return
                        self._show(piece() or self._caption)
                yield
            with DRAWING:
                if request is not self._newest:
                    return
                if self._pending:
                    self._pending = False
                    self._show(self._caption)
            if self._displayed:
                png = yield from self.live.sharpen()
                with DRAWING:
                    if request is self._newest:
                        self._view.png = png
        except Exception as error:
            with DRAWING:
                if request is self._newest:
                    self._fail(error)

    def _show(self, caption: Caption) -> None:
        outside = self.live.outside()
        if outside and outside not in caption.alt:
            summary = (caption.summary or caption.alt) + outside
            caption = caption._replace(alt=caption.alt + outside, summary=summary)
        self._caption, self.error = caption, ""
        self.live.words(caption.warning, f"{self._coming}…" * self._pending)
        self._png = self.live.png()
        with self._view.hold_sync():
            self._view.png = self._png
            self._tell()
            self._toggles["save"].value = False  # its files are of the picture before
            self._show_panel()

    def _tell(self) -> None:
        view = self._view
        view.alt, view.alert, view.busy = self.alt_text, self.error, self._pending
        view.summary = self._caption.short

    def _show_panel(self) -> None:
        shown = [name for name, toggle in self._toggles.items() if toggle.value]
        parts = {"data": self._caption.table, "code": self._code_block, "save": self._links}
        self._view.panel = "".join(parts[name]() for name in shown)

    def _code_block(self) -> str:
        return f"<pre><code>{escape(f'# {self.error}' if self.error else self.code)}</code></pre>"

    def _links(self) -> str:
        name = type(self).__module__.rpartition(".")[2]
        csv = self._caption.csv().encode()
        files = [("csv", "text/csv", csv)]
        for form, kind in (("svg", "image/svg+xml"), ("pdf", "application/pdf")):
            files.append((form, kind, self.live.save(form)))
        links = [link(f"{name}.{form}", kind, data) for form, kind, data in files]
        return f"<p>{' '.join(links)}</p>"

    def _fail(self, error: Exception) -> None:
        text = str(error).replace("p_star", "p*")  # as the controls call it
        # quadlib's own errors are whole sentences
        whole = isinstance(error, ValueError | TypeError | ArithmeticError) and text.endswith(".")
        self.error = text if whole else f"{type(error).__name__}: {text}"
        self._pending = False
        with self._view.hold_sync():
            self._tell()
            self._view.summary = self.error

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data = super()._repr_mimebundle_(**kwargs)
        if data is not None:
            if self._late is not None and self._late.thread is not None:
                self.finish(self.patience)
            with DRAWING:
                self._displayed = True
                png = self._view.png = self.live.png(2)
            data["text/html"] = image(png, self.alt_text, self.live.width)
            data["image/png"] = base64.b64encode(png).decode()
        return data


def _short(value: Any) -> Any:
    """Return a number as it is written: a slider in the browser says 0.049999999999999996."""
    return float(f"{value:.12g}") if isinstance(value, float) else value
