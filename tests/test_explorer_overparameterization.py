import re
import sys
import time

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.overparameterization import Overparameterization
from quadlib.notation import number
from tests.sliders import choose

DEFAULT = {"p": 4, "p_star": 2, "eta": 0.05, "constraint": "free"}


module = sys.modules[Overparameterization.__module__]
OTHERS = (2, 8)  # p beside which p is shown; all of them are in test_explorers


@pytest.fixture(scope="module")
def explorer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_OTHERS", OTHERS)
        patch.setattr(Overparameterization, "pause", 0.0)
        yield Overparameterization()


def move(explorer, **values):
    choose(explorer, **(DEFAULT | values))
    assert explorer.error == ""
    return explorer.alt_text


@pytest.mark.parametrize(
    ("p", "p_star", "eta", "constraint"),
    [(4, 2, 0.05, "free"), (2, 2, 0.1, "free"), (6, 3, 0.1, "spherical")],
)
def test_the_numbers_are_those_of_the_theory(explorer, p, p_star, eta, constraint):
    alt = move(explorer, p=p, p_star=p_star, eta=eta, constraint=constraint)
    task = ql.Task(p, p_star)
    assert f"plateau is at loss {number(ql.plateau(task, eta, constraint).loss)}." in alt
    law = ql.escape_law(task, 10**6, eta, constraint)
    assert f"SGD escapes at α = {number(law.mean)} ± {number(law.std)}, by the law." in alt
    escape = float(re.search(r"the ODE escapes at α = ([\d.]+\d)", alt)[1])
    # one start: within the spread, less the noise that the ODE has not collected
    assert abs(escape - law.mean) < 5 * law.std
    late = ql.late_time_law(task, eta, constraint)
    if late.kind == "power law":
        assert f"falls as {number(late.prefactor)}/α²" in alt
    else:
        assert f"exponentially, at rate {number(late.rate)}." in alt


def test_the_late_curve_tends_to_the_law(explorer):
    move(explorer)
    curve, law = explorer.this[explorer.middle], explorer.law
    ratio = curve.get_ydata()[-1] / np.interp(curve.get_xdata()[-1], *law.get_data())
    assert ratio == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"p": 1}, "p = 1 is less than p* = 2: the loss cannot reach zero. Raise p."),
        (
            {"eta": 0.25},
            "η = 0.25 is not below its critical value 0.25: solutions repel. Lower the learning "
            "rate η.",
        ),
        ({"eta": 0.5}, "The learning rate η is too large: the ODE diverges. Lower it."),
        (
            {"eta": 0.5, "constraint": "spherical", "p": 1},
            "The learning rate η is too large: on the plateau M shrinks, nothing escapes. "
            "Lower it.",
        ),
    ],
)
def test_a_setting_that_spoils_the_story_says_so(explorer, values, sentence):
    assert move(explorer, **values).startswith(sentence)
    assert explorer._caption.warning == sentence


def test_the_data_are_the_laws_shown(explorer):
    assert "Drawn" not in move(explorer, p=6)
    rows = explorer._caption.rows
    assert [row[0] for row in rows] == [2, 6, 8]
    for p, mean, std in rows:
        law = ql.escape_law(ql.Task(p, 2), 10**6, 0.05)
        assert (mean, std) == (law.mean, law.std)
    assert list(explorer.means.get_ydata()) == [row[1] for row in rows]


def test_where_time_is_short_the_picture_says_what_is_missing(explorer, monkeypatch):
    monkeypatch.setattr(module.controls, "a_second", lambda: time.process_time() - 1.0)
    alt = move(explorer, eta=0.045)
    words = " Drawn are laws at 1 of 3 p, late losses of 0 of 2 other p: no compiled loops here."
    assert alt.endswith(words)
    assert explorer._view.summary.endswith(words)
    assert len(explorer.means.get_xdata()) == 1
    assert not any(len(line.get_xdata()) for line in explorer.others[explorer.middle].values())


@pytest.mark.parametrize(
    "values",
    [dict(), dict(eta=0.5), dict(p=2, constraint="spherical"), dict(p=1, p_star=4, eta=0.2)],
)
def test_the_code_gives_the_curves(explorer, values):
    move(explorer, **values)
    namespace = {}
    exec(explorer.code, namespace)
    ode, drawn = namespace["ode"], explorer.this[explorer.left]
    assert np.allclose(drawn.get_ydata(), ode.loss, rtol=1e-3)
    if "late" in namespace:
        late, drawn = namespace["late"], explorer.this[explorer.middle]
        n = len(drawn.get_xdata())
        assert np.allclose(drawn.get_ydata(), late.loss[:n], rtol=1e-3)
    shown = {row[0]: row[1] for row in explorer._caption.rows}
    p = explorer.controls["p"].value
    assert shown.get(p) == (namespace["law"].mean if "law" in namespace else None)


def test_the_loss_of_one_unit_is_in_the_picture_and_what_diverges_leaves_it(explorer):
    alt = move(explorer, p=1, p_star=1, constraint="spherical")
    drawn = explorer.this[explorer.left].get_ydata()
    assert drawn[0] == pytest.approx(2, abs=0.01)  # as M = 0
    assert "leave" not in alt
    alt = move(explorer, p=1, p_star=1, eta=0.5)
    assert "Some curves leave the panel “population loss”." in alt
