import re

import numpy as np
import pytest

import quadlib as ql
from quadlib.explorers.landscape import Landscape
from quadlib.notation import number
from tests.sliders import choose

DEFAULT = {"alpha": 15, "p": 4, "p_star": 2, "samples": 8.0}
VALUE = r"([−\d.\u202f]+)"


@pytest.fixture(scope="module")
def explorer():
    Landscape.pause, pause = 0.0, Landscape.pause
    yield Landscape()
    Landscape.pause = pause


def show(explorer, **values):
    choose(explorer, **(DEFAULT | values))
    assert explorer.error == ""
    return explorer.alt_text


def stems(explorer, ax):
    """Where the stems stand, and how high, below zero and above."""
    segments = [np.array(lines.get_segments()).reshape(-1, 2, 2) for lines in explorer.stems[ax]]
    return [(part[:, 1, 0], part[:, 1, 1]) for part in segments]


@pytest.mark.parametrize(("p", "p_star"), [(4, 2), (3, 1), (6, 3)])
def test_on_the_plateau_there_are_p_p_star_directions_that_lead_down(explorer, p, p_star):
    assert f" {p * p_star} below zero" in show(explorer, p=p, p_star=p_star)
    below, _ = stems(explorer, explorer.middle)
    assert below[1].sum() == p * p_star


def test_directions_that_no_unit_sees_are_nearly_flat_on_the_plateau(explorer):
    alt = show(explorer)
    count, low, high = re.search(
        rf"The {VALUE} along directions that no unit sees are between {VALUE} and {VALUE};", alt
    ).groups()
    start = ql.random_overlaps(ql.Task(4, 2), 10**4, 1)
    q = np.linalg.eigvalsh(ql.integrate(ql.Task(4, 2), start, eta=0.05, alpha=[16.5]).Q[0])
    flat = 2 / 4 * (q.mean() - 1 + 2 * q / 4)  # (7.3), zero on the plateau of gradient flow
    assert count == number(4 * (10**4 - 6))
    assert (float(low), float(high)) == pytest.approx((flat[0], flat[-1]), abs=1e-4)
    assert flat[-1] < 0.05


@pytest.mark.parametrize(
    "values", [dict(samples=1.0), dict(p=1, p_star=4, samples=1.0), dict(samples=100.0), dict(p=8)]
)
def test_every_eigenvalue_is_inside_and_counted_on_its_side_of_zero(explorer, values):
    show(explorer, **values)
    now = DEFAULT | values
    (low, _), (high, _) = stems(explorer, explorer.right)
    assert (low < 0).all()
    assert (high >= 0).all()
    namespace = {}
    exec(explorer.code, namespace)
    sampled = namespace["sampled"]
    counts = [counts.sum() for _, counts in stems(explorer, explorer.right)]
    assert counts == [(sampled < 0).sum(), (sampled >= 0).sum()]
    assert len(sampled) == 60 * now["p"]
    left, right = explorer.right.get_xlim()
    assert left < min(sampled[0], namespace["spectrum"].values[0])
    assert right > max(sampled[-1], namespace["spectrum"].values[-1])
    assert explorer.right.get_xlim() == explorer.middle.get_xlim()


def test_with_very_many_samples_the_extremes_are_those_of_the_population(explorer):
    show(explorer, samples=100.0)
    namespace = {}
    exec(explorer.code, namespace)
    sampled, population = namespace["sampled"], namespace["spectrum"].values
    q = ql.plateau(ql.Task(4, 2), 0.05).q  # there: (2/p)(s − 2/p*) + 4q/p² along the teacher
    assert population[0] == pytest.approx(2 / 4 * (q - 1 - 2 / 2) + 4 * q / 16, rel=0.03)
    assert np.allclose(sampled[[0, -1]], population[[0, -1]], rtol=0.25)  # up to √(N/n)
