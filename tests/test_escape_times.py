"""The time of first passage of each run, whatever computes it and wherever it begins."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.trajectory import escape_level

collecting = importlib.import_module("quadlib.ensemble.collect")
pool = importlib.import_module("quadlib.ensemble.pool")

TASK = ql.Task(4, 2)
HOW: dict[str, Any] = dict(eta=0.1, N=300, runs=12, seed=(5, 300), progress=False)


def times(task: ql.Task = TASK, **changes: Any) -> np.ndarray:
    return ql.escape_times(task, **(HOW | changes))


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_it_is_the_passage_of_the_runs_of_an_ensemble(constraint: Any) -> None:
    """Within .001/r of the first passage among all states of each run."""
    found = times(constraint=constraint)
    end = found.max() + 1
    alpha = np.arange(round(end * 300)) / 300
    runs = ql.ensemble(TASK, alpha=alpha, constraint=constraint, **HOW)
    rate = ql.plateau(TASK, 0.1, constraint).escape_rate
    level = escape_level(TASK, 0.1, constraint)
    first = alpha[(runs.loss <= level).argmax(1)]
    assert (np.abs(found - first) < 1e-3 / rate + 1 / 300).all()
    assert (np.diff(np.sort(found)) > 0).all()


def test_the_level_may_be_chosen_and_a_start_below_it_has_escaped() -> None:
    early, late = times(level=0.6), times(level=0.05)
    assert (early < late).all()
    assert (times(level=100.0) == 0).all()


def test_runs_begin_where_they_are_told() -> None:
    start = ql.random_overlaps(TASK, 300, 1)
    one = times(start=start)
    assert len(np.unique(one)) == 12  # one start, other samples
    by_function = times(start=lambda rng: ql.random_overlaps(TASK, 300, rng, 0.5))
    np.testing.assert_array_equal(by_function, times(q0=0.5))
    assert (by_function != times()).any()
    weights = ql.random_weights(TASK, 300, 1)
    assert np.isfinite(times(start=weights, method="weights", runs=2)).all()
    with pytest.raises(TypeError, match="start must be"):
        times(start=lambda rng: 3)


def test_a_run_without_escape_or_that_diverges_is_infinite() -> None:
    """At p = 1 < p* = 2 the loss never falls to a tenth; at η near η_c some runs blow up."""
    assert (times(ql.Task(1, 2), level=0.1, runs=3, N=100) == np.inf).all()
    lost = np.isinf(times(ql.Task(1, 1), eta=0.165, runs=40))
    assert 5 < lost.sum() < 38
    with pytest.raises(ql.NoPlateauError):
        times(eta=0.5)
    assert np.isinf(times(eta=0.5, level=0.1)).any()


def test_numbers_do_not_depend_on_who_computes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = times()
    with ThreadPoolExecutor(2) as threads:
        np.testing.assert_array_equal(times(executor=threads), expected)
    np.testing.assert_array_equal(times(store=tmp_path), expected)
    kept = list(tmp_path.glob("runs-*"))
    np.testing.assert_array_equal(times(store=tmp_path), expected)
    assert list(tmp_path.glob("runs-*")) == kept
    with pytest.raises(ValueError, match="another level"):
        times(store=tmp_path, level=0.2)
    monkeypatch.setattr(collecting, "POOL_PAYS_SECONDS", 0.0)
    monkeypatch.setattr(pool, "core_count", lambda: 2)
    np.testing.assert_array_equal(times(), expected)
    drawn = times(start=lambda rng: ql.random_overlaps(TASK, 300, rng))  # is not sent to workers
    np.testing.assert_array_equal(drawn, expected)


def test_an_ensemble_takes_starts_and_steps_and_is_a_sequence_of_runs() -> None:
    start = ql.random_overlaps(TASK, 300, 1)
    how: Any = HOW | dict(alpha=np.linspace(0, 60, 121), runs=3)
    found = ql.ensemble(TASK, start=start, **how)
    assert (found.Q[:, 0] == start.Q).all() or np.allclose(found.Q[:, 0], start.Q, atol=1e-14)
    assert len(found) == 3
    for i, run in enumerate(found):
        np.testing.assert_array_equal(run.Q, found.Q[i])
        np.testing.assert_array_equal(run.loss, found.loss[i])
        assert run.escape_time(0.3) == found.escape_time(0.3)[i]
    np.testing.assert_array_equal(found.escape_time(), found.escape_times)
    long, short = (
        ql.ensemble(TASK, method="diffusion", step=step, **how).Q for step in (None, 0.05)
    )
    assert not np.array_equal(long, short)
    with pytest.raises(ValueError, match="step must be at least 1/N"):
        ql.ensemble(TASK, method="diffusion", step=1e-9, **how)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("store", [5, "", b"", 1.5])
def test_a_store_that_is_no_name_is_refused(store: Any) -> None:
    with pytest.raises(TypeError, match="store must be a str or"):
        times(store=store)


def test_a_store_may_be_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    times(store="~/runs")
    assert list((tmp_path / "runs").glob("runs-*"))
