import asyncio
import base64
import csv
import io
import re
import subprocess
import sys
import threading
import time
from functools import partial
from html import escape, unescape

import ipywidgets
import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from PIL import Image

from quadlib.live import Caption, Explorer, LiveFigure
from quadlib.live.explorer import SENDING
from quadlib.live.layers import DRAWING
from quadlib.live.pixels import Letters

X = np.linspace(0, 1, 200)
SECONDS = 20  # after which a test that hangs fails


class Sine(Explorer):
    pause = 0.0

    def build(self):
        self.ax = self.live.figure.subplots()
        self.ax.set(xlim=(0, 1), ylim=(-1, 1), title="sine")
        (self.line,) = self.ax.plot(X, X)
        self.live.animate(self.line)
        self.draws = []
        return {
            "p": ipywidgets.IntSlider(2, 1, 30, description="student units p"),
            "kind": ipywidgets.Dropdown(options=["free", "a<b"], description="constraint"),
            "seed": ipywidgets.Button(description="new seed"),
        }

    def draw(self, values):
        p = values["p"]
        self.draws.append(p)
        if p == 13:
            raise ValueError("p must not be 13, got 13; choose p < 13.")
        if p == 14:
            raise KeyError("lost")
        self.line.set_ydata(np.sin(p * X))
        rows = [(0.0, 0.0), (1.0, float(np.sin(p)))]
        return Caption(f'sin {p}x, "{values["kind"]}", {values["seed"]}', ("x", "sin px"), rows)

    def script(self, values):
        return f"np.sin({values['p']} * x)"


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def shown(explorer):
    """Alt text and PNG of the picture in the page."""
    return explorer._view.alt, explorer._view.png


def image(html):
    (tag,) = re.findall(r"<img [^§]*>", html)
    (alt,) = re.findall(r'alt="([^"]*)"', tag)
    (data,) = re.findall(r'src="data:image/png;base64,([^"]*)"', tag)
    return unescape(alt), base64.b64decode(data)


def test_a_moved_control_changes_picture_and_alt_text():
    explorer = Sine()
    alt, png = shown(explorer)
    explorer.controls["p"].value = 5
    new_alt, new_png = shown(explorer)
    assert new_alt == explorer.alt_text == 'sin 5x, "free", 0'
    assert new_alt != alt
    assert new_png != png
    explorer.controls["kind"].value = "a<b"
    assert shown(explorer)[0] == 'sin 5x, "a<b", 0'
    explorer.controls["p"].value = 2
    explorer.controls["kind"].value = "free"
    assert shown(explorer) == (alt, png)


def test_a_button_counts_its_clicks():
    explorer = Sine()
    explorer.controls["seed"].click()
    explorer.controls["seed"].click()
    assert explorer.alt_text.endswith(", 2")


def panels(live, amplitude, *, animated, y=(-1.0, 1.0), title="sine"):
    """Lines that cross spines, legend and each other, beside a heat map."""
    left, right = live.figure.subplots(1, 2)
    lines = [left.plot(X, amplitude * np.sin(k * X), label=f"{k}")[0] for k in range(1, 8)]
    picture = right.imshow(amplitude * np.outer(X, X)[::20, ::20], vmin=-2, vmax=2)
    left.set(xlim=(0, 0.9), ylim=y, title=title)
    left.legend(loc="upper left").set_zorder(1)
    if animated:
        live.animate(*lines, picture)
    return left, lines, picture


@pytest.mark.parametrize("change", ["data", "limits", "title", "scale"])
def test_a_blit_equals_a_full_redraw_pixel_for_pixel(change):
    live, redrawn = LiveFigure(), LiveFigure()
    ax, lines, picture = panels(live, 1.0, animated=True)
    # several moves, so that a ghost of an earlier one would be seen
    for amplitude in (0.3, -1.1, 1.7):
        for k, line in enumerate(lines, 1):
            line.set_ydata(amplitude * np.sin(k * X))
        picture.set_data(amplitude * np.outer(X, X)[::20, ::20])
        live.png()
    new = {"limits": dict(y=(-2.0, 2.0)), "title": dict(title="cosine")}.get(change, {})
    other, *_ = panels(redrawn, 1.7, animated=False, **new)
    if change == "limits":
        live.limits(ax, (0, 0.9), (-2.0, 2.0))
    elif change == "title":
        ax.set_title("cosine")
    elif change == "scale":
        for axes in (ax, other):
            axes.set_yscale("symlog")
            axes.set_yticks([-1, 0.5], ["low", "up"])
    with redrawn._at(1) as renderer:
        redrawn.figure.draw(renderer)
    expected = np.asarray(renderer.buffer_rgba())[:, :, :3].astype(int)
    live.png()
    got = np.asarray(live._renderers[1].buffer_rgba())[:, :, :3].astype(int)
    # Where a tick touches a spine the darker one wins, instead of both being blended
    assert (np.abs(got - expected).max(-1) > 2).mean() < 2e-4
    assert np.abs(got - expected).max() < 120


def test_only_a_changed_layer_is_drawn_anew(monkeypatch):
    live = LiveFigure()
    ax, lines, _ = panels(live, 1.0, animated=True)
    live.png()
    draws = []
    draw = live._draw
    monkeypatch.setattr(live, "_draw", lambda axis, *more: draws.append(axis) or draw(axis, *more))
    lines[0].set_data(X, X**2)
    live.limits(ax, (0, 0.9), (-1.0, 1.0))
    live.png()
    assert not draws
    for change, drawn in [
        (lambda: live.limits(ax, (0, 0.9), (-3.0, 3.0)), [ax.yaxis]),
        (lambda: live.limits(ax, (0, 0.9), (-1.0, 1.0)), []),  # seen before
        (lambda: ax.set_xlabel("time"), [ax.xaxis]),
        (lambda: ax.set_xscale("symlog"), [ax.xaxis]),
        (lambda: ax.set_title("cosine"), [None]),
        (lambda: ax.axhline(0.5, zorder=0.5), [None]),
        (lambda: live.limits(ax, (0, 0.9), (-2.0, 2.0)), [None, ax.yaxis]),
    ]:
        before = live.png()
        draws.clear()
        change()
        assert live.png() != before
        assert draws == drawn


@pytest.mark.parametrize("scale", [1, 2])
def test_axes_that_are_alike_are_drawn_once_and_look_as_drawn_apart(monkeypatch, scale):
    drawn, pictures = [], []
    draw = LiveFigure._draw
    monkeypatch.setattr(LiveFigure, "_draw", lambda *a: drawn.append(a[1]) or draw(*a))
    for alike in (False, True):
        live = LiveFigure()
        axes = live.panels(1, 2)
        live.alike(axes[0].xaxis, axes[1].xaxis)
        if not alike:
            live._alike.clear()
        for limits in ((0.0, 1.0), (0.0, 30.0)):
            drawn.clear()
            for ax in axes:
                live.limits(ax, limits, (0.0, 1.0))
            live.png(scale)
            pictures.append(live._pixels(scale).copy())
            assert [axis in drawn for axis in (axes[0].xaxis, axes[1].xaxis)] == [True, not alike]
        live.limits(axes[1], (0.0, 20.0), (0.0, 1.0))
        before = pictures[-1]
        live.png(scale)
        pictures[-1] = live._pixels(scale).copy()
        assert (pictures[-1] != before).any(-1).nonzero()[1].min() > 450 * scale  # the right one
    np.testing.assert_array_equal(pictures[:2], pictures[2:])


@pytest.mark.parametrize(
    "text",
    ["η = 0.0235 is too large: M shrinks on the plateau. To 39 982.", "−12.5", "4.5·10⁻⁷", "α = 3"],
)
def test_letters_are_those_of_matplotlib(text):
    """Of the same size, and where they were, up to a pixel."""
    prop, seen = FontProperties(size=10), []
    for kind in (RendererAgg, Letters):
        renderer = kind(700, 60, 100)
        size = renderer.get_text_width_height_descent(text, prop, False)
        for _ in range(2):
            renderer.clear()
            renderer.draw_text(renderer.new_gc(), 20, 40, text, prop, 0)
        ink = np.asarray(renderer.buffer_rgba())[..., 3] / 255
        seen.append((size, ink.sum(1), ink.cumsum(1)))
    np.testing.assert_allclose(*(size for size, *_ in seen), atol=1.0)
    np.testing.assert_allclose(*(rows for _, rows, _ in seen), rtol=0.1, atol=4)
    ahead, behind = seen[0][2].sum(0), seen[1][2].sum(0)
    assert (ahead[:-1] <= behind[1:] + 4).all()
    assert (behind[:-1] <= ahead[1:] + 4).all()


def test_twice_the_pixels_show_the_same():
    live = LiveFigure()
    panels(live, 1.0, animated=True)
    for _ in live.sharpen():
        pass
    small = Image.open(io.BytesIO(live.png())).convert("L")
    large = Image.open(io.BytesIO(live.png(2))).convert("L")
    assert large.size == (1800, 800)
    reduced = np.asarray(large.resize(small.size, Image.Resampling.BOX)).astype(float)
    assert np.abs(reduced - np.asarray(small)).mean() < 3
    assert np.asarray(Image.open(io.BytesIO(live.png())).convert("L")).tolist() == (
        np.asarray(small).tolist()
    )


def test_an_empty_panel_holds_a_sentence():
    live = LiveFigure()
    left, _ = live.panels(1, 2)
    (line,) = left.plot([], [])
    live.animate(line)
    live.say(left, "No escape.")

    def said():
        return live._said[left].get_text(), live._status.get_text()

    live.words("", "computing…")
    assert said() == ("computing…", "computing…")
    live.words("Lower the learning rate η.")
    assert said() == ("No escape.", "")
    line.set_data([0, 1], [np.nan, np.nan])
    live.words("", "computing…")
    assert said()[0] == "computing…"
    line.set_data([0, 1], [0, 1])
    live.words("", "computing…")
    assert said() == ("", "computing…")


def test_svg_and_pdf_hold_what_moves():
    live = LiveFigure()
    (line,) = live.panels().plot(X, X, gid="here")
    live.animate(line)
    live.png()
    assert b'id="here"' in live.save("svg")
    assert live.save("pdf").startswith(b"%PDF")


def test_an_animated_artist_of_the_figure_itself_is_drawn():
    live = LiveFigure(300, 200)
    blank = live.png()
    live.animate(live.figure.text(0.5, 0.5, "here"))
    assert live.png() != blank


def test_the_palette_is_faithful_and_small():
    live = LiveFigure()
    panels(live, 1.0, animated=True)
    png = live.png()
    got = pixels(png).astype(int)
    full = np.asarray(live._renderers[1].buffer_rgba())[:, :, :3].astype(int)
    assert got.shape == full.shape
    assert len(png) < 60_000
    white = (full == 255).all(-1)
    assert white.mean() > 0.5
    assert (got[white] == 255).all()
    for colour in ([31, 119, 180], [255, 127, 14], [0, 0, 0]):  # C0, C1, black
        there = (full == colour).all(-1)
        assert there.any()
        assert np.abs(got[there] - colour).max() <= 6


def test_an_error_is_shown_in_place_and_the_slider_goes_on():
    explorer = Sine()
    before = shown(explorer)
    explorer.controls["p"].value = 13
    assert explorer.error == "p must not be 13, got 13; choose p < 13."
    assert explorer._view.alert == explorer._view.summary == explorer.error
    alt, png = shown(explorer)
    assert alt == f"Not drawn: {explorer.error} The picture is that of the settings before."
    assert png == before[1]
    explorer.controls["p"].value = 14
    assert explorer.error == "KeyError: 'lost'"
    explorer.controls["p"].value = 15
    assert explorer.error == explorer._view.alert == ""
    assert explorer.alt_text.startswith("sin 15x")


def test_a_default_that_fails_is_not_hidden():
    class Broken(Sine):
        def draw(self, values):
            raise ValueError("no default")

    with pytest.raises(ValueError, match="no default"):
        Broken()


def test_the_data_toggle_shows_the_numbers_of_the_picture():
    explorer = Sine()
    data = explorer._toggles["data"]
    assert explorer._view.panel == ""
    data.value = True
    cells = re.findall(r"<t[hd](?: [^>]*)?>([^<]*)<", explorer._view.panel)
    assert cells == ["x", "sin px", "0", "0", "1", "0.9093"]
    assert explorer._view.panel.count('<th scope="col">') == 2
    explorer.controls["p"].value = 3
    assert "0.1411" in explorer._view.panel
    explorer.controls["p"].value = 13
    data.value = False
    assert explorer._view.panel == ""
    assert explorer.error  # looking at the data does not hide an error
    assert explorer.draws == [2, 3, 13]


def test_a_long_table_is_thinned_and_the_csv_is_whole():
    caption = Caption("Many.", ("n", "n²"), [(n, n * n / 2) for n in range(101)])
    assert caption.table().count("<tr>") <= 28
    assert "one row in 5;" in caption.table()
    rows = list(csv.reader(io.StringIO(caption.csv())))
    assert rows[0] == ["n", "n²"]
    assert [float(value) for _, value in rows[1:]] == [n * n / 2 for n in range(101)]


def test_the_code_toggle_shows_the_calls_and_save_the_files():
    explorer = Sine()
    assert explorer.code == "np.sin(2 * x)"
    explorer._toggles["code"].value = True
    assert "np.sin(2 * x)" in explorer._view.panel
    explorer.controls["p"].value = 3
    assert "np.sin(3 * x)" in explorer._view.panel
    explorer._toggles["code"].value = False
    explorer._toggles["save"].value = True
    files = dict(
        re.findall(r'download="(\S+)" href="data:[^;]+;base64,([^"]+)"', explorer._view.panel)
    )
    assert [name.rpartition(".")[2] for name in files] == ["csv", "svg", "pdf"]
    table, drawing, page = map(base64.b64decode, files.values())
    assert table.startswith(b"x,sin px\n0.0,0.0\n")
    assert b"<svg" in drawing
    assert page.startswith(b"%PDF")
    explorer.controls["p"].value = 4  # these files would be of the picture before
    assert not explorer._toggles["save"].value
    assert explorer._view.panel == ""
    explorer.controls["p"].value = 13  # there are no calls behind an error
    explorer._toggles["code"].value = True
    assert f"# {escape(explorer.error)}<" in explorer._view.panel


def test_the_short_sentence_and_the_warning_are_told():
    class Warned(Sine):
        def draw(self, values):
            more = dict(summary="It goes up.", warning="Too fast. Lower p.")
            return super().draw(values)._replace(**more)

    explorer = Warned()
    assert explorer._view.summary == "Too fast. Lower p. It goes up."
    assert explorer.alt_text.startswith("Too fast. Lower p. sin 2x")
    assert explorer.live._warning.get_text() == "Too fast. Lower p."
    assert Sine()._view.summary == Sine().alt_text


def test_initial_values_by_keyword():
    explorer = Sine(p=5, kind="a<b", seed=2)
    assert explorer.alt_text == 'sin 5x, "a<b", 2'
    assert explorer.draws == [5]


@pytest.mark.parametrize(
    ("values", "error", "sentence"),
    [
        (
            dict(q=1),
            TypeError,
            "test_live has the controls p, kind, seed, got q; name one of them.",
        ),
        (dict(p=31), ValueError, "p must be between 1 and 30, got 31; choose a value of its"),
        (dict(p=2.5), ValueError, "p must be between 1 and 30, got 2.5; "),
        (dict(kind="c"), ValueError, "kind must be one of free, a<b, got 'c'; "),
        (dict(p=13), ValueError, "p must not be 13, got 13; choose p < 13."),
    ],
)
def test_a_wrong_initial_value_is_one_sentence(values, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        Sine(**values)


def wait(event):
    assert event.wait(SECONDS)


def test_of_concurrent_requests_only_the_newest_is_drawn():
    explorer = Sine()
    entered, release = threading.Event(), threading.Event()
    draw = explorer.draw

    def slow(values):
        if values["p"] == 3:
            entered.set()
            wait(release)
        return draw(values)

    explorer.draw = slow
    threads = []
    for p in (3, 4, 5, 6, 7, 8):
        before = explorer._newest
        move = partial(setattr, explorer.controls["p"], "value", p)
        threads.append(threading.Thread(target=move))
        threads[-1].start()
        requested = threading.Event()
        for _ in range(SECONDS * 1000):
            if explorer._newest is not before:
                break
            requested.wait(0.001)
        wait(entered)
    release.set()
    for thread in threads:
        thread.join(SECONDS)
    assert explorer.draws == [2, 3, 8]
    assert explorer.alt_text.startswith("sin 8x")


def test_a_draw_may_move_another_control():
    class Bounded(Sine):
        def draw(self, values):
            if values["p"] > 20:
                self.controls["p"].value = 20
            return super().draw(values)

    explorer = Bounded()
    explorer.controls["p"].value = 29
    assert explorer.draws == [2, 29, 20]
    assert explorer.alt_text.startswith("sin 20x")


class Growing(Sine):
    """Adds three pieces to each picture; the second is only computed when `gate` is open."""

    def build(self):
        self.gate, self.reached = threading.Event(), threading.Event()
        self.computed, self.drawn = [], []
        return super().build()

    def draw(self, values):
        caption = super().draw(values)
        self.later(self.pieces(values["p"], caption))
        return caption

    def pieces(self, p, caption):
        for k in range(3):
            if k == 1:
                self.reached.set()
                wait(self.gate)
            self.computed.append((p, k))
            yield partial(self.add, p, k, caption)

    def add(self, p, k, caption):
        if p == 9:
            raise ArithmeticError("blew up")
        self.drawn.append((p, k))
        self.line.set_ydata(np.sin(p * X) / (k + 2))
        return caption._replace(alt=f"{caption.alt}, {k + 1} runs")


def test_late_pieces_change_the_picture_one_by_one():
    explorer = Growing()
    wait(explorer.reached)
    alt, one = shown(explorer)
    assert alt.endswith("1 runs Still computing.")
    assert explorer._view.busy
    explorer.gate.set()
    explorer.finish()
    alt, three = shown(explorer)
    assert alt.endswith("3 runs")
    assert not explorer._view.busy
    assert three != one
    assert explorer.drawn == [(2, 0), (2, 1), (2, 2)]


def test_late_pieces_neither_freeze_the_slider_nor_outlive_their_request():
    explorer = Growing()
    wait(explorer.reached)
    explorer.controls["p"].value = 5  # returns although a piece is being computed
    assert explorer.alt_text.startswith("sin 5x")
    explorer.controls["p"].value = 6
    explorer.gate.set()
    explorer.finish()
    assert explorer.drawn == [(2, 0), (6, 0), (6, 1), (6, 2)]
    assert (2, 2) not in explorer.computed
    assert explorer.alt_text == 'sin 6x, "free", 0, 3 runs'


def test_an_error_in_a_late_piece_is_shown():
    explorer = Growing()
    explorer.gate.set()
    explorer.controls["p"].value = 9
    explorer.finish()
    assert explorer.error == "ArithmeticError: blew up"
    explorer.controls["p"].value = 10
    explorer.finish()
    assert explorer.error == ""
    assert explorer.alt_text.endswith("3 runs")


def test_without_a_front_end_an_explorer_is_its_finished_picture():
    explorer = Growing()
    explorer.gate.set()
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    alt, png = image(bundle["text/html"])
    assert alt == explorer.alt_text
    assert alt.endswith("3 runs")
    assert base64.b64decode(bundle["image/png"]) == png
    assert Image.open(io.BytesIO(png)).size == (1800, 800)


def test_a_shown_picture_is_sharpened_when_it_comes_to_rest():
    explorer = Sine()
    explorer._repr_mimebundle_()
    explorer.controls["p"].value = 7
    explorer.finish()
    assert Image.open(io.BytesIO(explorer._view.png)).size == (1800, 800)
    assert Image.open(io.BytesIO(explorer._png)).size == (900, 400)


class Foreseen(Sine):
    """Notes for which values something is computed ahead."""

    def build(self):
        self.asked = []
        rate = ipywidgets.FloatSlider(0.05, min=0.0, max=0.5, step=0.005)
        return super().build() | {"rate": rate}

    def ahead(self, values):
        self.asked.append((values["p"], values["rate"], values["kind"], values["seed"]))
        if values["p"] == 13:
            raise ValueError("p must not be 13, got 13; choose p < 13.")

    def move(self, **values):
        self.asked.clear()
        for name, value in values.items():
            self.controls[name].value = value
        self.settle()
        return self.asked

    def settle(self):
        self.finish(SECONDS)
        if self._soon is not None:
            self._soon.finish(SECONDS)


@pytest.fixture
def foreseen():
    explorer = Foreseen()
    explorer._repr_mimebundle_()
    return explorer


def test_what_a_slider_needs_next_is_computed_ahead(foreseen):
    assert foreseen.move(p=4) == [(6, 0.05, "free", 0)]
    assert foreseen.move(p=7) == [(10, 0.05, "free", 0)]
    assert foreseen.move(p=6) == [(5, 0.05, "free", 0)]
    assert foreseen.draws == [2, 4, 7, 6]
    foreseen.move(rate=0.045)
    assert foreseen.move(rate=0.05) == [(6, 0.055, "free", 0)]  # not 0.05500000000000001


def test_nothing_is_computed_ahead_beyond_the_ends_or_for_what_has_no_next(foreseen):
    assert foreseen.move(p=16) == [(30, 0.05, "free", 0)]  # the last
    assert foreseen.move(p=30) == []
    assert foreseen.move(p=1) == []
    assert foreseen.move(kind="a<b") == []
    foreseen.controls["seed"].click()
    foreseen.settle()
    assert foreseen.asked == []


def test_nothing_is_computed_ahead_for_a_move_that_is_over(foreseen):
    foreseen.controls["p"].value = 3
    with DRAWING:  # what computes ahead waits for it
        time.sleep(5 * SENDING)
        foreseen.controls["p"].value = 5
    foreseen.settle()
    assert foreseen.asked == [(7, 0.05, "free", 0)]


def test_what_is_computed_ahead_changes_nothing_and_its_errors_are_not_shown(foreseen, capfd):
    foreseen.move(p=11)
    assert foreseen.move(p=12) == [(13, 0.05, "free", 0)]
    assert foreseen.error == foreseen._view.alert == ""
    assert foreseen.alt_text.startswith("sin 12x")
    assert foreseen.draws == [2, 11, 12]
    assert capfd.readouterr() == ("", "")
    foreseen.move(p=13)
    assert foreseen.error.startswith("p must not be 13")


def test_without_a_front_end_nothing_is_computed_ahead():
    explorer = Foreseen()
    assert explorer.move(p=3) == explorer.move(p=4) == []


@pytest.fixture
def no_threads(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def test_without_threads_late_pieces_take_turns_in_the_event_loop(no_threads):
    async def cell():
        explorer = Growing()
        explorer.gate.set()
        assert explorer.alt_text == 'sin 2x, "free", 0 Still computing.'
        for _ in range(SECONDS * 100):
            await asyncio.sleep(0.01)
            if not explorer._pending:
                return explorer

    running = asyncio._get_running_loop()  # Playwright leaves its own behind
    asyncio._set_running_loop(None)
    try:
        explorer = asyncio.run(cell())
    finally:
        asyncio._set_running_loop(running)
    assert explorer.alt_text.endswith("3 runs")
    assert explorer.drawn == [(2, 0), (2, 1), (2, 2)]


def test_without_threads_nothing_is_computed_ahead(no_threads):
    explorer = Foreseen()
    explorer._repr_mimebundle_()
    assert explorer.move(p=3) == explorer.move(p=4) == []


def test_without_threads_and_loop_one_may_wait(no_threads):
    explorer = Growing()
    explorer.gate.set()
    explorer.finish()
    assert explorer.alt_text.endswith("3 runs")


def test_controls_have_names():
    for name, control in Sine().controls.items():
        assert control.tooltip == control.description, name
        if not isinstance(control, ipywidgets.Button):
            assert control.style.description_width == "initial"


def test_pyplot_stays_out():
    code = (
        "import sys, quadlib.live as live\n"
        "figure = live.LiveFigure()\n"
        "figure.animate(*figure.figure.subplots().plot([1, 2]))\n"
        "figure.png()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
