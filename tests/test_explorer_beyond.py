import itertools
import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.beyond import Beyond

DEFAULT = {"spread": 0.6, "label_noise": 0.0, "eta": 0.05, "log_N": 6.0, "p": 6}


@pytest.fixture(scope="module")
def explorer():
    Beyond.pause, pause = 0.0, Beyond.pause
    yield Beyond()
    Beyond.pause = pause


def move(explorer, **values):
    for name, value in (DEFAULT | values).items():
        explorer.controls[name].value = value
    explorer.finish()
    return explorer.alt_text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("spread", [0.0, 0.3, 0.95]),
        ("label_noise", [0.0, 0.5, 1.0]),
        ("eta", [0.005, 0.2, 0.3, 0.5]),
        ("log_N", [2.0, 4.0, 12.0]),
        ("p", [1, 2, 3, 12]),
    ],
)
def test_every_value_of_a_control_gives_a_picture(explorer, name, values):
    seen = {move(explorer, **{name: value}) for value in values}
    assert explorer.error == ""
    assert len(seen) == len(values)


def test_a_dimension_below_the_units_is_a_sentence(explorer):
    move(explorer, log_N=1.0, p=12)
    assert explorer.error.startswith("N must be at least p + p_star = 15, got 10")
    move(explorer)
    assert explorer.error == ""


def test_extremes_together_give_a_picture_or_a_sentence(explorer):
    for p, eta, noise, spread in itertools.product((1, 12), (0.005, 0.5), (0.0, 1.0), (0.0, 0.95)):
        alt = move(explorer, p=p, eta=eta, label_noise=noise, spread=spread)
        assert explorer.error == ""
        assert alt.endswith(".")


def test_a_new_seed_is_another_start(explorer):
    before = move(explorer)
    explorer.controls["seed"].click()
    explorer.finish()
    assert explorer.alt_text != before


def test_alt_text_says_when_each_teacher_is_learned(explorer):
    # an independent integration: the same start, tighter, on a finer grid
    explorer._clicks["seed"] = 0
    explorer.update()
    for spread in (0.6, 0.3):
        alt = move(explorer, spread=spread)
        times = [float(t) for t in re.findall(r"learned by α = ([\d.]+\d)", alt)]
        task = ql.Task(6, 3, [1 + spread, 1.0, 1 - spread])
        start = ql.random_overlaps(task, 10**6, 0)
        end = 2 * times[-1]
        run = ql.integrate(task, start, eta=0.05, alpha=np.linspace(0, end, 2001), rtol=1e-9)
        part = (run.M**2).sum(1) * 3 / 6 / np.diag(task.T) ** 2
        for r, time in enumerate(times):
            exact = run.alpha[np.flatnonzero(part[:, r] > 0.5)[0]]
            assert abs(time - exact) < 0.01 * exact + 2  # rtol 1e-5, 3 digits, a grid of 201
        assert times == sorted(times)


def test_divergence_is_said_and_drawn(explorer):
    alt = move(explorer, eta=0.5)
    assert alt.startswith("The ODE diverges")
    assert "diverge" in explorer.note.get_text()
