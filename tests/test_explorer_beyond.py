import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.beyond import Beyond
from tests.sliders import choose

DEFAULT = {"spread": 0.6, "label_noise": 0.0, "eta": 0.05, "log_N": 6.0, "p": 6}


@pytest.fixture(scope="module")
def explorer():
    Beyond.pause, pause = 0.0, Beyond.pause
    yield Beyond()
    Beyond.pause = pause


def show(explorer, **values):
    return choose(explorer, **(DEFAULT | values)).alt_text


def test_a_dimension_below_the_units_is_a_sentence(explorer):
    show(explorer, log_N=1.0, p=12)
    assert explorer.error.startswith("N must be at least p + p* = 15, got 10")
    show(explorer)
    assert explorer.error == ""


def test_a_new_seed_is_another_start(explorer):
    before = show(explorer)
    explorer.controls["seed"].click()
    explorer.finish()
    assert explorer.alt_text != before
    explorer._clicks["seed"] = 0
    explorer.update()


@pytest.mark.parametrize("spread", [0.6, 0.3])
def test_alt_text_says_when_each_teacher_unit_is_learned(explorer, spread):
    # an independent integration: the same start, tighter, on a finer grid
    alt = show(explorer, spread=spread)
    times = [float(t) for t in re.findall(r"half learned at α = ([\d.]+\d)", alt)]
    assert len(times) == 3
    task = ql.Task(6, 3, [1 + spread, 1.0, 1 - spread])
    start = ql.random_overlaps(task, 10**6, 0)
    run = ql.integrate(task, start, eta=0.05, alpha=np.linspace(0, 600, 2401), rtol=1e-9)
    part = (run.M**2).sum(1) * 3 / 6 / np.diag(task.T) ** 2
    width = explorer.right.get_xlim()[1] / 120  # of the grid of 121 times
    for r, time in enumerate(times):
        exact = run.alpha[np.flatnonzero(part[:, r] > 0.5)[0]]
        assert -0.3 < time - exact < width + 0.01 * exact  # three digits
    assert times == sorted(times)
    assert times[-1] < explorer.right.get_xlim()[1]


def test_what_is_right_of_the_picture_is_said(explorer):
    alt = show(explorer, spread=0.95)
    assert "teacher unit 3 is not learned in the time shown" in alt


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (dict(eta=0.5), "The learning rate η is too large: the ODE diverges after"),
        (dict(p=2), "2 student units cannot express 3 teacher units."),
        (dict(eta=0.28, label_noise=0.0), "η = 0.28 is not below its critical value 0.2"),
    ],
)
def test_a_setting_that_spoils_the_story_says_so(explorer, values, sentence):
    assert show(explorer, **values).startswith(sentence)


def test_the_floor_is_where_the_ode_ends(explorer):
    show(explorer, label_noise=0.1)
    # to first order in the noise, and the weakest teacher unit is still on its way
    assert explorer.floor.get_ydata()[0] == pytest.approx(explorer.ode.get_ydata()[-1], rel=0.03)
    show(explorer)
    assert explorer.floor.get_ydata()[0] == 0


@pytest.mark.parametrize("values", [dict(), dict(eta=0.5), dict(log_N=2.0, label_noise=0.3, p=3)])
def test_the_code_gives_the_curves(explorer, values):
    show(explorer, **values)
    namespace = {}
    exec(explorer.code, namespace)
    loss = namespace["ode"].loss
    close = dict(rtol=1e-4, equal_nan=True)  # one that diverges takes other steps to another end
    assert np.allclose(explorer.ode.get_ydata(), loss, **close)
    for line, part in zip(explorer.learned, namespace["learned"].T, strict=True):
        assert np.allclose(line.get_ydata(), part, **close)
    sgd = namespace["sgd"].loss
    drawn = explorer.sgd.get_ydata().reshape(len(sgd), -1)[:, : sgd.shape[1]]
    assert np.allclose(drawn, np.where(np.isfinite(sgd), sgd, np.nan), **close)
