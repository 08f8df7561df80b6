import html
import io
import itertools
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import quadlib as ql
from quadlib.explorers import runs
from quadlib.explorers.tour import Tour, _overlaps
from tests import sliders

ROOT = Path(__file__).parents[1]
RANGES = {
    "p": (1, 2, 7, 16),
    "p_star": (1, 2, 4),
    "log_N": (1.0, 1.25, 3.0, 6.5, 12.0),
    "eta": (0.005, 0.05, 0.25, 0.3, 0.5),
    "label_noise": (0.0, 0.3, 1.0),
    "constraint": ("free", "spherical"),
    "runs": (0, 20, 50),
}


class Eager(Tour):
    """The runs come at once."""

    pause = 0.0


class Bare(Tour):
    """The runs never come."""

    def later(self, *coming):
        pass


@pytest.fixture(scope="module")
def bare():
    return Bare()


@pytest.fixture(scope="module")
def eager():
    explorer = Eager()
    explorer.finish()
    return explorer


def choose(explorer, **values):
    """Show these values, all others at their defaults."""
    defaults = dict(p=4, p_star=2, log_N=3.0, eta=0.05, label_noise=0.0, constraint="free", runs=20)
    return sliders.choose(explorer, **(defaults | values))


def pixels(explorer):
    return np.asarray(Image.open(io.BytesIO(explorer._png)).convert("RGB"))


def is_well(explorer):
    """A picture in words, or one whole sentence."""
    if explorer.error:
        assert re.fullmatch(r"[A-Za-z][^.:!]*[^:]*\.", explorer.error), explorer.error
        assert "Error" not in explorer.error
    assert "nan" not in explorer.alt_text


def test_ranges_are_those_of_the_controls(bare):
    for name, values in RANGES.items():
        control = bare.controls[name]
        if hasattr(control, "options"):
            assert values == tuple(control.options)
        else:
            assert (values[0], values[-1]) == (control.min, control.max)


@pytest.mark.parametrize("name", RANGES)
def test_every_control_changes_picture_and_words(bare, name):
    seen = {}
    for value in RANGES[name]:
        choose(bare, **{name: value})
        assert not bare.error
        is_well(bare)
        seen[bare.alt_text] = pixels(bare).tobytes()
    if name != "runs":  # they come later
        assert len(seen) == len(set(seen.values())) == len(RANGES[name])


def test_a_slider_that_comes_back_needs_no_ode(bare, monkeypatch):
    done = []
    pieces = runs.in_pieces
    monkeypatch.setattr(runs, "in_pieces", lambda *a, **k: done.append(1) or pieces(*a, **k))
    choose(bare, eta=0.21)
    before = bare.alt_text, bare._png
    choose(bare, eta=0.215)
    assert (bare.alt_text, bare._png) != before
    assert len(done) == 2
    choose(bare, eta=0.21, runs=5)
    assert (bare.alt_text, bare._png) == before
    assert len(done) == 2


def test_a_slider_that_goes_on_needs_no_ode(monkeypatch):
    asked, pieces = [], runs.in_pieces

    def followed(task, *more, **how):
        asked.append((task.p, threading.current_thread() is threading.main_thread()))
        return pieces(task, *more, **how)

    monkeypatch.setattr(runs, "in_pieces", followed)
    explorer = Bare(seed=7)
    explorer._repr_mimebundle_()
    asked.clear()
    known = _overlaps.cache_info().misses
    for p in (5, 6, 7):
        explorer.controls["p"].value = p
        explorer._soon.finish()
    assert asked == [(5, True), (6, False), (7, False), (8, False)]
    assert _overlaps.cache_info().misses == known + 4
    fresh = Bare(seed=7, p=7)
    assert (explorer.alt_text, explorer._png) == (fresh.alt_text, fresh._png)


def test_extremes_in_pairs_give_a_picture_or_a_sentence(bare):
    names = [name for name in RANGES if name != "runs"]
    for one, other in itertools.combinations(names, 2):
        for a, b in itertools.product((0, -1), repeat=2):
            choose(bare, **{one: RANGES[one][a], other: RANGES[other][b]})
            is_well(bare)


def test_too_few_dimensions_are_told(bare):
    choose(bare, p=16, log_N=1.0)
    assert bare.error.startswith("N must be at least p + p* = 18, got 10")
    choose(bare)
    assert bare.error == ""


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (dict(eta=0.5), "η = 0.5 is too large: the ODE diverges after α = "),
        (dict(eta=0.5, constraint="spherical"), "η = 0.5 is too large: on the plateau M shrinks"),
        (
            dict(eta=0.26),
            "η = 0.26 is not below its critical value 0.25: solutions repel. Lower the learning",
        ),
        (dict(p=1), "Fewer student than teacher units: the loss cannot reach zero. Raise p."),
        (dict(), "Free norms"),
    ],
)
def test_a_setting_that_spoils_the_story_says_so(bare, values, sentence):
    choose(bare, **values)
    assert bare.alt_text.startswith(sentence)
    assert bool(bare.live._warning.get_text()) == bool(values)


def number(pattern, text):
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


@pytest.mark.parametrize(
    "values",
    [
        dict(),
        dict(p=6, p_star=3, log_N=5.0, eta=0.1, label_noise=0.4),
        dict(p=3, log_N=2.5, constraint="spherical"),
    ],
)
def test_the_words_are_those_of_the_library(bare, values):
    choose(bare, **values)
    all_values = {name: control.value for name, control in bare.controls.items() if name in RANGES}
    task = ql.Task(all_values["p"], all_values["p_star"], label_noise=all_values["label_noise"])
    N, eta, constraint = (
        round(10 ** all_values["log_N"]),
        all_values["eta"],
        all_values["constraint"],
    )
    start = ql.random_overlaps(task, N, 0, constraint=constraint)
    end = bare.left.get_xlim()[1]
    ode = ql.integrate(task, start, eta=eta, alpha=end, constraint=constraint)
    alt = bare.alt_text
    level = ql.plateau(task, eta, constraint).loss
    assert number(r"plateau is at ([\d.]+);", alt) == pytest.approx(level, abs=6e-4)
    assert number(r"lost at α = ([\d.]+);", alt) == pytest.approx(ode.escape_time(), rel=6e-3)
    assert number(r"begins at ([\d.]+);", alt) == pytest.approx(ode.loss[0], rel=6e-3)
    largest = np.linalg.svd(ode.M[-1], compute_uv=False)[0]
    assert number(r"values of M are .*?([\d.]+),", alt) == pytest.approx(largest, abs=0.01)
    row = bare._caption.rows[-1]
    assert row[0] == pytest.approx(end)
    assert row[-1] == pytest.approx(np.linalg.eigvalsh(ode.Q[-1])[-1], rel=1e-3)


@pytest.mark.parametrize(
    "values",
    [dict(runs=50), dict(log_N=12.0, runs=50), dict(constraint="spherical", label_noise=0.2)],
)
def test_runs_escape_when_the_law_says(eager, values):
    choose(eager, **values)
    assert not eager.error
    found = re.search(r"escape at α = ([\d.]+) ± ([\d.]+) \(law: ([\d.]+) ± ", eager.alt_text)
    assert found, eager.alt_text
    mean, spread, law = map(float, found.groups())
    runs = eager.controls["runs"].value
    assert f"{runs} of {runs} SGD runs" in eager.alt_text
    # The law is good to 1 %; the mean of the runs to its standard error
    assert abs(mean - law) <= 0.02 * law + 4 * spread / np.sqrt(runs)
    low, high = np.nanmin(eager.escapes.get_xdata()), np.nanmax(eager.escapes.get_xdata())
    assert low < mean < high


def test_runs_are_drawn_and_a_new_seed_changes_them(eager):
    choose(eager)
    with_runs, words = pixels(eager), eager.alt_text
    choose(eager, runs=0)
    assert "SGD" not in eager.alt_text
    assert (pixels(eager) != with_runs).any()
    choose(eager)
    assert eager.alt_text == words
    eager.controls["seed"].click()
    eager.finish()
    assert eager.alt_text != words
    assert not eager.error
    eager._clicks["seed"] = 0


def test_runs_past_the_critical_learning_rate_are_counted_as_divergent(eager):
    choose(eager, eta=0.5, runs=5)
    assert not eager.error
    assert "0 of 5 SGD runs (sample by sample) escape; 5 diverge" in eager.alt_text


def test_readme_shows_the_default_picture_in_the_same_words(eager):
    choose(eager)
    shown = re.search(r"!\[([^\]]*)\]\(docs/tour\.png\)", (ROOT / "README.md").read_text("utf-8"))
    assert shown
    assert shown[1] == eager.alt_text, "run python docs/readme.py"
    image = Image.open(ROOT / "docs" / "tour.png").convert("RGB")
    assert image.size == (1800, 800)
    now = Image.open(io.BytesIO(eager.live.png(2))).convert("RGB")
    # Fonts and rounding may move single pixels from machine to machine
    differ = (np.abs(np.asarray(image).astype(int) - np.asarray(now)) > 40).any(-1).mean()
    assert differ < 0.03


def test_the_saved_notebook_shows_the_finished_picture(eager):
    choose(eager)
    cells = json.loads((ROOT / "notebooks" / "00_tour.ipynb").read_text("utf-8"))["cells"]
    shown = "".join(
        "".join(output.get("data", {}).get("text/html", ""))
        for cell in cells
        for output in cell.get("outputs", [])
    )
    saved = html.unescape(re.findall(r'<img alt="([^"]*)"', shown)[0])
    assert saved == eager.alt_text, "run make notebooks on a machine that does nothing else"


def test_the_code_gives_the_curves(eager):
    rng = np.random.default_rng(3)
    pick = {name: values for name, values in RANGES.items() if name != "runs"}
    for _ in range(5):
        values = {name: values[rng.integers(len(values))] for name, values in pick.items()}
        values["log_N"] = max(values["log_N"], 1.25)
        choose(eager, **values, runs=3)
        assert not eager.error
        assert len(eager.code.splitlines()) <= 10
        found = {}
        exec(eager.code, found)
        # rounding is another where it is compiled, the last step where it diverges
        same = 1e-7 if "diverges" not in eager.code else 1e-3
        np.testing.assert_allclose(found["ode"].loss, eager.ode.get_ydata(), rtol=same)
        np.testing.assert_array_equal(found["ode"].alpha, eager.ode.get_xdata())
        drawn = eager.sgd.get_ydata().reshape(3, -1)[:, : found["sgd"].loss.shape[1]]
        both = np.isfinite(drawn) & np.isfinite(found["sgd"].loss)
        np.testing.assert_allclose(drawn[both], found["sgd"].loss[both], rtol=1e-9)
        assert (
            np.isfinite(drawn).sum() == both.sum()
        )  # where the ODE goes further, so does the code
        if len(eager.law.get_xdata()):
            ends = found["law"].mean + found["law"].std * np.array([-1, 1])
            np.testing.assert_allclose(eager.law.get_xdata(), ends, rtol=1e-9)
