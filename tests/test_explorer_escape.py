import itertools
import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.escape import Escape
from tests.sliders import choose


@pytest.fixture(scope="module")
def explorer():
    before = Escape.pause, Escape.seconds
    Escape.pause, Escape.seconds = 0.0, 0.05
    yield Escape()
    Escape.pause, Escape.seconds = before


def show(explorer, **values):
    return choose(explorer, **values).alt_text


DEFAULTS = dict(p=4, p_star=2, eta=0.1, log_N=6.0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("p", [1, 16, 2]),
        ("p_star", [1, 4, 3]),
        ("eta", [0.005, 0.5, 0.25, 0.3]),
        ("log_N", [2.0, 12.0, 3.5]),
    ],
)
def test_every_value_of_a_control_gives_a_picture(explorer, name, values):
    show(explorer, **DEFAULTS)
    seen = set()
    for value in values:
        seen.add(show(explorer, **{name: value}))
        assert explorer.error == ""
    assert len(seen) == len(values)


def test_extremes_together_give_a_picture_or_a_sentence(explorer):
    for p, p_star, eta, log_N in itertools.product((1, 16), (1, 4), (0.005, 0.5), (1.0, 12.0)):
        text = show(explorer, p=p, p_star=p_star, eta=eta, log_N=log_N)
        if 10**log_N < p + p_star:
            assert re.fullmatch(r"N must be at least .*\.", explorer.error)
        else:
            assert explorer.error == ""
            assert "SGD runs" in text


def test_alt_text_gives_plateau_and_law(explorer):
    for p, p_star, eta, log_N in ((4, 2, 0.1, 6.0), (1, 1, 0.05, 12.0), (8, 3, 0.15, 4.0)):
        text = show(explorer, p=p, p_star=p_star, eta=eta, log_N=log_N)
        level, rate = re.findall(r"at loss ([\d.]+), where M goes as exp\(([\d.]+) α\)", text)[0]
        task, N = ql.Task(p, p_star), round(10**log_N)
        # The level is a stationary point of the drift, the rate that of a small M there
        q = ql.plateau(task, eta).q
        state = ql.Overlaps(q * np.eye(p), np.full((p, p_star), 1e-7))
        dQ, dM = ql.drift(task, state, eta)
        assert abs(dQ).max() < 1e-9
        assert float(level) == pytest.approx(ql.loss(task, state), rel=6e-3)
        assert float(rate) == pytest.approx(dM[0, 0] / 1e-7, rel=6e-3)
        law = ql.escape_law(task, N, eta)
        mean, std = re.findall(r"escape time is ([\d.]+) ± ([\d.]+);", text)[0]
        assert (float(mean), float(std)) == pytest.approx((law.mean, law.std), rel=6e-3)


def test_runs_escape_when_the_law_says(explorer, monkeypatch):
    monkeypatch.setattr(Escape, "seconds", 60.0)
    show(explorer, **DEFAULTS)
    explorer.update()  # again, whatever was shown before
    explorer.finish()
    text = explorer.alt_text
    escaped, runs = map(int, re.findall(r"(\d+) of (\d+) SGD runs", text)[0])
    assert escaped == runs == 320
    mean, std = map(float, re.findall(r"escape at α = ([\d.]+) ± ([\d.]+) ", text)[0])
    law = ql.escape_law(ql.Task(4, 2), 10**6, 0.1)
    # 1 % of the law, and five standard errors: fixed seeds, once and for all
    assert mean == pytest.approx(law.mean, abs=0.01 * law.mean + 5 * law.std / runs**0.5)
    assert std == pytest.approx(law.std, rel=0.1 + 5 / (2 * runs) ** 0.5)
    bars = explorer.bars.get_data()
    assert (bars.values * np.diff(bars.edges)).sum() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            dict(p=4, p_star=2, eta=0.4),
            "η = 0.4 is too large: the ODE diverges after α = ",
        ),
        (dict(p=16, p_star=4, eta=0.5), "η = 0.5 is too large: on the plateau M shrinks"),
        (dict(p=1, p_star=4, eta=0.05), "No law: half of the plateau's loss is not lost"),
        (
            dict(p=3, p_star=4, eta=0.05),
            "Fewer student than teacher units: the loss cannot reach zero.",
        ),
    ],
)
def test_alt_text_says_what_is_missing(explorer, values, sentence):
    assert sentence in show(explorer, log_N=6.0, **values)


def test_the_code_gives_the_curves(explorer, monkeypatch):
    monkeypatch.setattr(Escape, "seconds", 0.0)  # ten runs
    for values in (dict(p=3, eta=0.15, log_N=4.0), dict(p=1, p_star=1, log_N=2.0), dict(eta=0.45)):
        show(explorer, **(DEFAULTS | values))
        assert not explorer.error
        assert len(explorer.code.splitlines()) <= 10
        found = {}
        exec(explorer.code, found)
        # rounding is another where it is compiled, the last step where it diverges
        same = 1e-7 if "diverges" not in explorer.code else 1e-3
        np.testing.assert_allclose(found["ode"].loss, explorer.ode.get_ydata(), rtol=same)
        drawn = explorer.sgd.get_ydata().reshape(10, -1)[:, : found["sgd"].loss.shape[1]]
        both = np.isfinite(drawn) & np.isfinite(found["sgd"].loss)
        assert both.any()
        np.testing.assert_allclose(drawn[both], found["sgd"].loss[both], rtol=1e-9)
        for name, line in (("law", explorer.law), ("bare", explorer.bare)):
            assert (name in found) == bool(len(line.get_xdata()))
            if name in found:
                density = found[name].density(line.get_xdata())
                np.testing.assert_allclose(density, line.get_ydata(), rtol=1e-9)
