"""One integer used twice gives independent numbers, and so does a seed with another size in it."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.checks import as_generator, check_seed

TASK = ql.Task(4, 2)


def test_escape_times_of_two_sizes_are_independent() -> None:
    """Correlation of 150 pairs: |r| < 4.2/√150, false alarm 3e-5; with one seed it is near 1."""

    def times(N: int, seed: Any) -> np.ndarray:
        how: Any = dict(eta=0.1, alpha=np.linspace(30.0, 90.0, 61), method="diffusion")
        return ql.ensemble(TASK, N=N, runs=150, seed=seed, progress=False, **how).escape_times

    apart = [times(N, (7, N)) for N in (10**6, 10**8)]
    alike = [times(N, 7) for N in (10**6, 10**8)]
    assert abs(np.corrcoef(apart)[0, 1]) < 4.2 / np.sqrt(150)
    assert np.corrcoef(alike)[0, 1] > 0.9


def test_weights_and_a_run_with_the_same_seed_are_independent() -> None:
    """The loss at α = 5 of 150 runs, against that with other seeds: 4.5 standard errors.

    Inputs that are the weights themselves made every one of them diverge. False alarm 1e-5.
    """
    N = 300

    def losses(shift: int) -> np.ndarray:
        how: Any = dict(eta=0.02, alpha=[5.0], N=N, method="weights", progress=False)
        starts = [ql.random_weights(TASK, N, seed) for seed in range(150)]
        runs = [ql.simulate(TASK, w, rng=seed + shift, **how) for seed, w in enumerate(starts)]
        return np.array([run.loss[0] for run in runs])

    same, other = losses(0), losses(1000)
    # the starts are the same: pairs of runs differ by their samples alone
    difference = same - other
    assert abs(difference.mean()) < 4.5 * difference.std() / np.sqrt(150)


def test_every_user_of_a_seed_has_a_stream_of_its_own() -> None:
    """Correlation of 10⁴ normals of each pair: |r| < 0.05, 5 standard deviations."""
    names = ("simulate", "random_weights", "random_overlaps", "weights")
    children = [np.random.SeedSequence(1).spawn(1)[0], np.random.SeedSequence((1, 2))]
    streams = [
        *(as_generator(1, name) for name in names),
        *(np.random.default_rng(seed) for seed in (1, *children)),
        as_generator((1, 2), "simulate"),
    ]
    numbers = [rng.standard_normal(10_000) for rng in streams]
    for a, b in combinations(numbers, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


@pytest.mark.usefixtures("unchecked")  # an integer of NumPy is no int
@pytest.mark.parametrize("seed", [[7, 100], (7, 100), np.array([7, 100]), (7, np.int64(100))])
def test_any_sequence_of_integers_is_a_seed(seed: Any) -> None:
    start = ql.random_overlaps(TASK, 100, (7, 100))
    np.testing.assert_array_equal(ql.random_overlaps(TASK, 100, seed).Q, start.Q)
    found = ql.ensemble(TASK, eta=0.1, alpha=[1.0], N=100, runs=2, seed=seed, progress=False)
    child = np.random.SeedSequence((7, 100)).spawn(2)[1]
    run = ql.simulate(TASK, None, eta=0.1, alpha=[1.0], N=100, rng=np.random.default_rng(child))
    np.testing.assert_array_equal(found.Q[1], run.Q)
    assert found.meta["seed"] == (7, 100)


@pytest.mark.parametrize("check", [lambda v: check_seed("seed", v), lambda v: as_generator(v, "x")])
@pytest.mark.parametrize("value", ["7", 1.5, True, None, [1, 2.5], {1, 2}, [[1]], np.array(1.0)])
def test_what_is_no_seed_is_refused(check: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(TypeError, match="integer"):
        check(value)
    for bad in (-1, [-1], [], ()):
        with pytest.raises(ValueError, match=r"at least|one integer"):
            check(bad)
