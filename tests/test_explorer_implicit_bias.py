"""The numbers in the words of the explorer, and its code."""

import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.implicit_bias import ImplicitBias
from tests.sliders import choose

DEFAULT = {
    "angle": 35, "size": 1.0, "p": 2, "p_star": 1, "eta": 0.05, "log_N": 4.0, "noise": False,
}  # fmt: skip
DIGITS = str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
NUMBER = r"(−?\d+(?:\.\d+)?(?:·10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"


def value(text):
    """Back from the way numbers are written."""
    return float(text.replace("·10", "e").translate(DIGITS))


@pytest.fixture(scope="module")
def explorer():
    ImplicitBias.pause, pause = 0.0, ImplicitBias.pause
    explorer = ImplicitBias()
    explorer.finish()
    yield explorer
    ImplicitBias.pause = pause


def show(explorer, **values):
    """Set the controls and wait; return the alt text, or the sentence that took its place."""
    choose(explorer, **(DEFAULT | values))
    return explorer.error or explorer.alt_text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"p": 1, "p_star": 2}, "p = 1 is less than p* = 2: no zero-loss solution. Raise p."),
        ({"eta": 0.5}, "The learning rate η is too large: no plateau exists. Lower it."),
        ({"eta": 0.2}, "η = 0.2 is not below its critical value 0.167: solutions repel."),
        ({"p": 8, "p_star": 4, "log_N": 1.0}, "N must be at least p + p* = 12"),
    ],
)
def test_settings_that_spoil_the_story_say_so(explorer, values, words):
    assert show(explorer, **values).startswith(words)


def test_without_a_solution_none_is_drawn(explorer):
    show(explorer, p=2, p_star=3, noise=True)
    assert not explorer.closest.get_visible()
    assert not explorer.set.get_visible()
    assert "turn away" not in explorer.alt_text
    assert explorer.live._said[explorer.right].get_text().startswith("no zero-loss solution")


@pytest.mark.parametrize("angle", [35, 150, 275])
def test_the_ode_goes_straight_out_to_the_circle(explorer, angle):
    text = show(explorer, angle=angle, log_N=8.0, size=0.5)
    match = re.search(f"from M₁ = {NUMBER}, M₂ = {NUMBER} to M₁ = {NUMBER}, M₂ = {NUMBER} at", text)
    x0, y0, x, y = map(value, match.groups())
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    # size 1 is the root mean square √(p p*/N) of a random start
    np.testing.assert_allclose([x0, y0], 0.5 * np.sqrt(2 / 1e8) * direction, rtol=5e-3, atol=1e-7)
    np.testing.assert_allclose(np.array([x, y]) / np.hypot(x, y), direction, atol=5e-3)
    # a surplus unit dies as a power law: the radius approaches √2 slowly
    assert np.hypot(x, y) == pytest.approx(np.sqrt(2), abs=0.02)


def test_the_alignment_of_runs_with_a_sign_to_choose_is_that_of_the_normal_law(explorer):
    """p = p* = 1: the mean of 1 − cos is twice the probability that noise flips the sign of M."""
    from scipy.stats import norm

    text = show(explorer, p=1, angle=0, size=0.5, noise=True)
    predicted = value(re.search(rf"the law says {NUMBER}", text)[1])
    law = ql.escape_law(ql.Task(1, 1), 10**4, 0.05)
    expected = 2 * norm.sf(0.5 * (law.v_eff - 1) ** -0.5)
    assert predicted == pytest.approx(expected, rel=0.03)
    measured = value(re.search(rf"turn away from it by {NUMBER} in the mean", text)[1])
    # 30 runs, each 0 or 2, binomial; past the fourth σ with probability < 1e-4
    assert abs(measured - expected) < 2 * 4.5 * np.sqrt(expected / 2 / 30)


def test_a_new_seed_draws_another_start(explorer):
    before = show(explorer, p=4, p_star=2)
    explorer.controls["seed"].click()
    explorer.finish()
    assert explorer.error == ""
    assert explorer.alt_text != before
    explorer._clicks["seed"] = 0
    explorer.update()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"eta": 0.3, "log_N": 1.0}, "of 30 diverge"),
        ({"p": 3, "p_star": 1, "log_N": 12.0}, "where the law says"),
        (
            {"p": 2, "size": 10.0, "log_N": 2.0},
            "30 runs of SGD (sample by sample) from this start turn away",
        ),
    ],
)
def test_runs_of_sgd_are_added_wherever_the_controls_are(explorer, values, words):
    assert words in show(explorer, noise=True, **values)


@pytest.mark.parametrize(
    "values", [dict(noise=True), dict(p=1), dict(eta=0.2, p=3, angle=100), dict(p=8, p_star=4)]
)
def test_the_code_gives_the_curves(explorer, values):
    show(explorer, **values)
    namespace = {}
    exec(explorer.code, namespace)
    close = dict(rtol=1e-3, atol=1e-8, equal_nan=True)
    for line, turned in zip((explorer.flow, explorer.ode), namespace["turned"], strict=True):
        drawn = np.where(turned > 1e-10, turned, np.nan)
        assert np.allclose(line.get_ydata(), drawn, **close)
    x = namespace["ode"].M[:, 0, 0]
    assert np.allclose(explorer.ode_path.get_xdata(), x, rtol=1e-3, atol=1e-6, equal_nan=True)
    if values.get("noise"):
        ends = namespace["sgd"].M[:, -1, 0, 0]
        assert np.allclose(explorer.ends.get_xdata(), ends)
