import itertools
import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.landscape import Landscape


@pytest.fixture(scope="module")
def explorer():
    Landscape.pause, pause = 0.0, Landscape.pause
    yield Landscape()
    Landscape.pause = pause


def settle(explorer):
    explorer.finish()
    assert explorer.error == ""


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("alpha", [0, 100, 33, 67]),
        ("p", [1, 8, 3]),
        ("p_star", [1, 4, 2]),
        ("samples", [1, 100, 8]),
    ],
)
def test_every_value_of_a_control_gives_a_picture(explorer, name, values):
    seen = set()
    for value in values:
        explorer.controls[name].value = value
        settle(explorer)
        seen.add(explorer.alt_text)
    assert len(seen) == len(values)


def test_extremes_together_give_a_picture(explorer):
    for p, p_star, alpha in itertools.product((1, 8), (1, 4), (0, 100)):
        for name, value in (("p", p), ("p_star", p_star), ("alpha", alpha), ("samples", 1.0)):
            explorer.controls[name].value = value
        settle(explorer)
        assert "negative eigenvalues" in explorer.alt_text


def test_alt_text_counts_the_negative_eigenvalues_on_the_plateau(explorer):
    # 15 % of the run lies on the plateau, a saddle of index p p*
    for p, p_star in ((4, 2), (3, 1), (6, 3)):
        for name, value in (("p", p), ("p_star", p_star), ("alpha", 15), ("samples", 8.0)):
            explorer.controls[name].value = value
        settle(explorer)
        assert f"Hessian has {p * p_star} negative eigenvalues" in explorer.alt_text


def test_alt_text_gives_the_extremes_of_the_data_hessian(explorer):
    # With very many samples the extremes are those of the population, up to √(N/n)
    for name, value in (("p", 4), ("p_star", 2), ("alpha", 15), ("samples", 100.0)):
        explorer.controls[name].value = value
    settle(explorer)
    lowest, highest = map(float, re.findall(r"the lowest (\S+?),? .*?the highest (\S+)\. W",
                                            explorer.alt_text)[0])  # fmt: skip
    sampled = [float(x) for x in re.findall(r"lowest (-?[\d.]+), the highest ([\d.]+)$",
                                            explorer.alt_text)[0]]  # fmt: skip
    task = ql.Task(4, 2)
    q = ql.plateau(task, 0.05).q  # there: (2/p)(s − 2/p*) + 4q/p² along the teacher, M = 0
    assert lowest == pytest.approx(2 / 4 * (q - 1 - 2 / 2) + 4 * q / 16, rel=0.03)
    assert highest < 4 / task.p * 1.5
    assert np.allclose(sampled, (lowest, highest), rtol=0.25)
