"""What every explorer keeps, over the whole range of every control."""

import itertools
import re

import ipywidgets
import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from quadlib import explorers
from quadlib.live.figure import _holds_data
from quadlib.live.layers import moving
from tests.sliders import choose

NAMES = explorers.__all__


def ends(control):
    """The values of a control between which all others lie."""
    if hasattr(control, "options"):
        return list(control.options)
    if isinstance(control, ipywidgets.Checkbox):
        return [True, False]
    if isinstance(control, ipywidgets.Button):
        return []
    low, high = control.min, control.max
    if hasattr(control, "base"):
        low, high = control.base**low, control.base**high
    return [low, high]


def shown(explorer, **values):
    """Show these values, all others at their defaults; the late pieces are left out."""
    return choose(explorer, **(explorer.defaults | values))


@pytest.fixture(scope="module", params=NAMES)
def explorer(request):
    class Prompt(getattr(explorers, request.param)):
        def later(self, *coming):
            pass

    prompt = Prompt()
    buttons = ipywidgets.Button
    prompt.defaults = {
        name: w.value for name, w in prompt.controls.items() if not isinstance(w, buttons)
    }
    return prompt


def settings(explorer):
    """Each control at each of its ends, and the smallest with the largest of each with the next."""
    range_of = {name: ends(explorer.controls[name]) for name in explorer.defaults}
    yield {}
    for name, values in range_of.items():
        for value in values:
            yield {name: value}
    pairs = list(range_of.items())
    for (one, a), (other, b) in zip(pairs, pairs[1:] + pairs[:1], strict=True):
        yield {one: a[-1], other: b[0]}
        yield {one: a[0], other: b[-1]}


def texts(live, scale):
    """All that is written on the figure, in letters of at least 9 pixels, and its box."""
    found = []
    with live._at(scale) as renderer:
        if scale > 1:
            live.figure.draw(renderer)  # legends find their places
        unseen = undrawn(live)
        for text in live.figure.findobj(Text):
            if text.get_visible() and text.get_text().strip() and text not in unseen:
                box = text.get_window_extent(renderer).extents / scale
                found.append((text.get_text(), box))
                assert text.get_fontsize() * 100 / 72 >= 9, text.get_text()
    return found


def undrawn(live):
    """Texts of axes that are not shown: those of ticks outside the limits, offsets."""
    found = set()
    for ax in live.figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            shown = axis._update_ticks() if ax.axison and axis.get_visible() else []
            every = {t for ticks in (axis.majorTicks, axis.minorTicks) for t in ticks}
            found |= {label for tick in every for label in (tick.label1, tick.label2)}
            found |= {axis.offsetText}
            found -= {tick.label1 for tick in shown}
    return found


def assert_readable(live, what, scale=1):
    """No text leaves the figure or lies on another; sharp letters are a little wider."""
    written = texts(live, scale)
    for words, box in written:
        assert box[0] >= 0, (what, words)
        assert box[1] >= 0, (what, words)
        assert box[2] <= live.width, (what, words)
        assert box[3] <= live.height, (what, words)
    for (one, a), (other, b) in itertools.combinations(written, 2):
        wide = min(a[2], b[2]) - max(a[0], b[0])
        high = min(a[3], b[3]) - max(a[1], b[1])
        assert wide < 2 or high < 3, (what, one, other)


def points(artist):
    """Data of an artist, in the coordinates of its axes."""
    if isinstance(artist, StepPatch):
        values, edges, _ = artist.get_data()
        return np.column_stack([np.repeat(edges, 2)[1:-1], np.repeat(values, 2)])
    if isinstance(artist, Collection):
        return np.concatenate([path.vertices for path in artist.get_paths()] or [np.empty((0, 2))])
    if isinstance(artist, Line2D):
        return np.column_stack([np.asarray(part, float) for part in artist.get_data()])
    return np.empty((0, 2))


def assert_inside(explorer, what):
    """What holds data lies inside the limits, or the picture says that it does not."""
    for ax in explorer.live.figure.axes:
        for artist in moving(ax):
            if not _holds_data(artist) or artist.get_transform() != ax.transData:
                continue
            data = points(artist)
            data = data[np.isfinite(data).all(axis=1)]
            for k, limits in ((0, ax.get_xlim()), (1, ax.get_ylim())):
                low, high = sorted(limits)
                slack = 1e-6 * (high - low)
                logarithmic = (ax.get_xscale(), ax.get_yscale())[k] == "log"
                column = data[data[:, k] > 0, k] if logarithmic else data[:, k]
                if len(column) and (column.min() < low - slack or column.max() > high + slack):
                    assert "leave the panel" in explorer.alt_text, (what, artist.get_label())


def assert_well(explorer, what):
    if explorer.error:
        assert re.fullmatch(r"[^\s].*[^:]\.", explorer.error), (what, explorer.error)
        return
    assert_readable(explorer.live, what)
    assert_inside(explorer, what)
    for ax in explorer.live.figure.axes:
        if not any(map(_holds_data, moving(ax))):
            assert explorer.live._said[ax].get_text(), (what, ax.get_ylabel())
    words = explorer.alt_text
    assert re.search(r"[.!?]$", words), (what, words)
    assert not re.search(r"\bnan\b|\binf\b|\d[eE][+-]?\d|\d,\d\d\d|-\d", words), (what, words)
    assert not re.search(r"\b[01] directions|± 0(?![.\d])", words), (what, words)
    code = explorer.code
    assert len(code.splitlines()) <= 10, what
    compile(code, "code", "exec")


def test_every_control_over_its_range(explorer, monkeypatch):
    monkeypatch.setattr(type(explorer), "later", lambda self, *coming: None)
    # What a later piece fills is announced: here it never comes
    for ax in explorer.live.figure.axes:
        explorer.live._words.setdefault(ax, "later")
    for values in settings(explorer):
        shown(explorer, **values)
        for ax in explorer.live.figure.axes:
            if not explorer.live._words.get(ax):
                explorer.live.say(ax, "later")
        explorer.live.words(explorer._caption.warning)
        assert_well(explorer, values)


@pytest.mark.parametrize("name", NAMES)
def test_the_finished_picture(name):
    finished = getattr(explorers, name)()
    assert finished._view.busy
    finished.finish()
    assert not finished._view.busy
    assert_well(finished, "finished")
    assert_readable(finished.live, "sharp", 2)
    assert len(finished._view.summary) <= 250


CORNERS = [
    ("escape", dict(p=1, p_star=4, eta=0.5)),  # nothing is left of the ODE
    ("escape", dict(log_N=1.25, p=16, p_star=1, eta=0.3)),  # a law, but none without noise
    ("overparameterization", dict(constraint="spherical", p_star=1, eta=0.3)),  # never settles
    ("implicit_bias", dict(p=1, size=10.0, angle=360)),  # 1 − cos is zero
    ("landscape", dict(alpha=0, p=1, p_star=4)),  # no direction leads down
]


@pytest.mark.parametrize(("name", "values"), CORNERS)
def test_odd_corners_when_finished(name, values):
    finished = getattr(explorers, name)(**values)
    finished.finish()
    assert_well(finished, values)
    words = finished.alt_text
    assert not re.search(r"·10⁻¹[4-9]", words), words  # rounding
    assert "No law" not in words or "(law" not in words, words


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_name_of_a_control_is_one_sentence(name):
    with pytest.raises(TypeError, match=rf"^{name} has the controls .*, got speed; name one of"):
        getattr(explorers, name)(speed=1)
