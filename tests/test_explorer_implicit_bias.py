"""Every control of the explorer over its whole range, and the numbers in its alt text."""

import itertools
import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.implicit_bias import ImplicitBias

DEFAULT = {
    "angle": 35, "size": 1.0, "p": 2, "p_star": 1, "eta": 0.05, "log_N": 4.0, "noise": False,
}  # fmt: skip
NUMBER = r"(-?\d[\d.]*(?:e[-+]\d+)?)"


@pytest.fixture(scope="module")
def explorer():
    ImplicitBias.pause, pause = 0.0, ImplicitBias.pause
    explorer = ImplicitBias()
    explorer.finish()
    yield explorer
    ImplicitBias.pause = pause


def show(explorer, **values):
    """Set the controls and wait; return the alt text, or the sentence that took its place."""
    for name, value in {**DEFAULT, **values}.items():
        explorer.controls[name].value = value
    explorer.finish()
    if explorer.error:
        assert re.fullmatch(r"[A-Z]?\w+ must .*\.", explorer.error), explorer.error
        return explorer.error
    return explorer.alt_text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("angle", [0, 90, 180, 270]),
        ("size", [0.1, 0.5, 3.0, 10.0]),
        ("p", [1, 2, 3, 8]),
        ("p_star", [1, 2, 3, 4]),
        ("eta", [0.005, 0.05, 0.2, 0.3, 0.5]),
        ("log_N", [1.0, 2.5, 6.0, 12.0]),
    ],
)
def test_every_value_of_a_control_gives_its_own_picture(explorer, name, values):
    seen = {show(explorer, **{name: value}) for value in values}
    assert len(seen) == len(values)


def test_extremes_in_pairs_give_a_picture_or_a_sentence(explorer):
    ranges = {"p": (1, 8), "p_star": (1, 4), "eta": (0.005, 0.5), "log_N": (1.0, 12.0),
              "size": (0.1, 10.0)}  # fmt: skip
    for (a, ends_a), (b, ends_b) in itertools.combinations(ranges.items(), 2):
        for x, y in itertools.product(ends_a, ends_b):
            text = show(explorer, **{a: x, b: y})
            assert "closest solution" in text or "N must be" in text, (a, x, b, y, text)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"p": 1, "p_star": 2}, "p = 1 < p* = 2: there is no zero-loss solution to choose."),
        ({"eta": 0.5}, "No plateau exists at η = 0.5: lower η."),
        ({"eta": 0.2}, "η = 0.2 is above η_c = 0.167: solutions repel."),
        ({"p": 8, "p_star": 4, "log_N": 1.0}, "N must be at least p + p_star = 12"),
    ],
)
def test_settings_that_spoil_the_story_say_so(explorer, values, words):
    assert words in show(explorer, **values)


@pytest.mark.parametrize("angle", [35, 150, 275])
def test_the_ode_goes_straight_out_to_the_circle(explorer, angle):
    text = show(explorer, angle=angle, log_N=8.0, size=0.5)
    match = re.search(f"M₁ = {NUMBER}, M₂ = {NUMBER} the ODE moves to {NUMBER}, {NUMBER} at", text)
    x0, y0, x, y = map(float, match.groups())
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    # size 1 is the root mean square √(p p*/N) of a random start
    np.testing.assert_allclose([x0, y0], 0.5 * np.sqrt(2 / 1e8) * direction, rtol=5e-3, atol=1e-7)
    np.testing.assert_allclose(np.array([x, y]) / np.hypot(x, y), direction, atol=2e-3)
    # a surplus student dies as a power law: the radius approaches √2 slowly
    assert np.hypot(x, y) == pytest.approx(np.sqrt(2), abs=0.02)


def test_the_alignment_of_runs_with_a_sign_to_choose_is_that_of_the_normal_law(explorer):
    """p = p* = 1: the mean of 1 − cos is twice the probability that noise flips the sign of M."""
    from scipy.stats import norm

    text = show(explorer, p=1, angle=0, noise=True)
    predicted = float(re.search(rf"turns by {NUMBER} in the mean", text)[1])
    law = ql.escape_law(ql.Task(1, 1), 10**4, 0.05)
    expected = 2 * norm.sf((law.v_eff - 1) ** -0.5)
    assert predicted == pytest.approx(expected, abs=4.5 * np.sqrt(2 * expected / 4000))
    measured = float(re.search(rf"30 runs, {NUMBER} ±", text)[1])
    # 30 runs, each 0 or 2, binomial; past the fourth σ with probability < 1e-4
    assert abs(measured - expected) < 2 * 4.5 * np.sqrt(expected / 2 / 30)
    show(explorer, p=1, angle=0)
    assert "SGD" not in explorer.alt_text


def test_a_new_seed_draws_another_start(explorer):
    before = show(explorer, p=4, p_star=2)
    explorer.controls["seed"].click()
    explorer.finish()
    assert explorer.error == ""
    assert explorer.alt_text != before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"eta": 0.3, "log_N": 1.0}, "of 30 runs diverge"),
        ({"p": 2, "p_star": 4, "log_N": 6.0}, "in the mean (predicted): 30 runs"),
        ({"p": 3, "p_star": 1, "log_N": 12.0}, "in the mean (predicted): 30 runs"),
        ({"p": 2, "size": 10.0, "log_N": 2.0}, "; a run of SGD from this start: 30 runs"),
    ],
)
def test_runs_of_sgd_are_added_wherever_the_controls_are(explorer, values, words):
    assert words in show(explorer, noise=True, **values)
