import itertools
import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.overparameterization import Overparameterization

DEFAULT = {"p": 4, "p_star": 2, "eta": 0.05, "constraint": "free"}


@pytest.fixture(scope="module")
def explorer():
    Overparameterization.pause, pause = 0.05, Overparameterization.pause
    yield Overparameterization()
    Overparameterization.pause = pause


def move(explorer, **values):
    # within the pause, so that only the last request has late pieces
    for name, value in (DEFAULT | values).items():
        explorer.controls[name].value = value
    explorer.finish()
    return explorer.alt_text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("p", [1, 2, 3, 16]),
        ("p_star", [1, 2, 4]),
        ("eta", [0.005, 0.24, 0.25, 0.5]),
        ("constraint", ["free", "spherical"]),
    ],
)
def test_every_value_of_a_control_gives_a_picture(explorer, name, values):
    seen = set()
    for value in values:
        seen.add(move(explorer, **{name: value}))
        assert explorer.error == ""
    assert len(seen) == len(values)


def test_extremes_together_give_a_picture(explorer):
    # half of the corners of the cube: every pair of extremes is among them
    for i, j, n in itertools.product((0, 1), repeat=3):
        constraint = ("free", "spherical")[(i + j + n) % 2]
        alt = move(explorer, p=(1, 16)[i], p_star=(1, 4)[j], eta=(0.005, 0.5)[n],
                   constraint=constraint)  # fmt: skip
        assert explorer.error == ""
        assert alt.endswith(".")


def test_the_numbers_are_those_of_the_theory(explorer):
    for p, p_star, eta, constraint in (
        (4, 2, 0.05, "free"),
        (2, 2, 0.1, "free"),
        (6, 3, 0.1, "spherical"),
    ):
        alt = move(explorer, p=p, p_star=p_star, eta=eta, constraint=constraint)
        task = ql.Task(p, p_star)
        level = float(re.search(r"plateau is at ([\d.]+\d)", alt)[1])
        assert level == pytest.approx(ql.plateau(task, eta, constraint).loss, abs=6e-4)
        mean, std = map(float, re.search(r"α = ([\d.]+) ± ([\d.]+\d)\.", alt).groups())
        law = ql.escape_law(task, 10**6, eta, constraint)
        assert (mean, std) == pytest.approx((law.mean, law.std), abs=0.06)
        escape = float(re.search(r"ODE escapes at α = ([\d.]+\d)", alt)[1])
        # one start: within the spread, less the noise that the ODE has not collected
        assert abs(escape - law.mean) < 5 * law.std
        late = ql.late_time_law(task, eta, constraint)
        if late.kind == "power law":
            assert f"falls as {late.prefactor:.3g}/α²" in alt
        else:
            assert f"exponentially, at rate {late.rate:.3g}." in alt


def test_the_late_curve_tends_to_the_law(explorer):
    move(explorer)
    curve, law = explorer.lines[explorer.middle][-1], explorer.law
    ratio = curve.get_ydata()[-1] / np.interp(curve.get_xdata()[-1], *law.get_data())
    assert ratio == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"p": 1}, "p < p*: the loss cannot reach zero."),
        ({"eta": 0.25}, "η is not below η_c = 0.25: solutions repel."),
        ({"eta": 0.5}, "The ODE diverges: lower η."),
        ({"eta": 0.5, "constraint": "spherical", "p": 1}, "The plateau attracts at this η"),
    ],
)
def test_a_setting_that_spoils_the_story_says_so(explorer, values, sentence):
    alt = move(explorer, **values)
    assert alt.startswith(sentence)
    assert explorer.note.get_text().startswith(sentence)
    assert explorer.error == ""


def test_the_data_are_the_laws_shown(explorer):
    move(explorer)
    rows = explorer._caption.rows
    assert [row[0] for row in rows] == [1, 2, 4, 8, 16]
    means = explorer.means.get_ydata()
    assert [row[1] for row in rows] == pytest.approx(list(means))
    assert (np.diff(means) < 0).all()
