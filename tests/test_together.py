"""Many runs together are each run alone, whatever computes them and in whatever slices."""

import importlib
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.dynamics.record import Record
from quadlib.dynamics.start import starter
from quadlib.dynamics.together import Together
from quadlib.trajectory import escape_level, first_passage

FULL_T = [[1.0, 0.4], [0.4, 0.7]]
ONE = ql.Task(1, 1)
CASES = [
    pytest.param(ql.Task(4, 2), "free", 50, 0.1, id="free"),
    pytest.param(ql.Task(3, 2, FULL_T, 0.3), "spherical", 60, 0.05, id="everything"),
    pytest.param(ql.Task(2, 1, None, 0.4), "free", 40, 0.05, id="label-noise"),
    pytest.param(ql.Task(3, 2), "free", 5, 0.03, id="N=p+k"),
    pytest.param(ql.Task(2, 3), "spherical", 6, 0.03, id="N=p+k+1"),
    pytest.param(ql.Task(9, 2), "free", 200, 0.05, id="many-units"),
    pytest.param(ql.Task(1, 1), "free", 40, 0.16, id="some-diverge"),
]


def engine(task: ql.Task, N: int, eta: float, constraint: Any, method: Any, **how: Any) -> Together:
    alpha = how.pop("alpha", np.array([0.0, 0.3, 1.0, 1.0001, 4.0, 20.3]))
    rngs = [np.random.default_rng((3, i)) for i in range(how.pop("runs", 7))]
    draw = starter(task, how.pop("start", None), N, method, constraint, 1.0)
    how |= dict(eta=eta, alpha=alpha, N=N, method=method, constraint=constraint)
    return Together(task, draw, rngs, **how)


def finish(runs: Together, seconds: float = 1.0) -> Together:
    while runs.advance(seconds):
        pass
    return runs


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("together", "weights"):
        room = importlib.import_module(f"quadlib.dynamics.{name}")
        monkeypatch.setattr(room, "numba_found", lambda: False)


@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
@pytest.mark.parametrize(("task", "constraint", "N", "eta"), CASES)
def test_numpy_over_all_runs_equals_the_compiled_loops(
    request: pytest.FixtureRequest, task: ql.Task, constraint: Any, N: int, eta: float, method: Any
) -> None:
    """Q and M of every run to 1e-9 of the largest: rounding grows with the overlaps."""
    if method == "diffusion":
        N = max(20 * N, 1000)
    compiled = finish(engine(task, N, eta, constraint, method))
    request.getfixturevalue("without_numba")
    numpy = finish(engine(task, N, eta, constraint, method))
    np.testing.assert_array_equal(numpy.diverged, compiled.diverged)
    np.testing.assert_array_equal(numpy.recorded, compiled.recorded)
    np.testing.assert_array_equal(np.isinf(numpy.Q), np.isinf(compiled.Q))
    for a, b in ((numpy.Q, compiled.Q), (numpy.M, compiled.M), (numpy.loss, compiled.loss)):
        # of a run that diverges the last records are huge
        known = np.isfinite(b)
        assert (np.abs(a[known] - b[known]) <= 1e-9 * np.maximum(1, np.abs(b[known]))).all()
    if task.p == 1 and method != "diffusion":
        assert 0 < compiled.diverged.sum() < 7


@pytest.mark.parametrize("kind", ["compiled", "numpy"])
@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
def test_slices_and_company_change_no_number(
    request: pytest.FixtureRequest, method: Any, kind: str
) -> None:
    if kind == "numpy":
        request.getfixturevalue("without_numba")
    task, N = ql.Task(3, 2, FULL_T, 0.2), 1000 if method == "diffusion" else 60
    whole = finish(engine(task, N, 0.05, "free", method))
    sliced = finish(engine(task, N, 0.05, "free", method), 0.0)
    alone = finish(engine(task, N, 0.05, "free", method, runs=1))
    np.testing.assert_array_equal(sliced.Q, whole.Q)
    np.testing.assert_allclose(alone.Q[0], whole.Q[0], rtol=1e-12)


@pytest.mark.parametrize("kind", ["compiled", "numpy"])
@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
def test_what_is_recorded_grows_and_is_a_trajectory(
    request: pytest.FixtureRequest, method: Any, kind: str
) -> None:
    if kind == "numpy":
        request.getfixturevalue("without_numba")
    task, N = ql.Task(2, 1), 10**6 if method == "diffusion" else 100
    runs = engine(task, N, 0.1, "free", method, alpha=np.linspace(0, 4, 9), runs=3)
    before = runs.recorded.copy()
    while runs.advance(0.0):
        assert (runs.recorded >= before).all()
        before = runs.recorded.copy()
        some = runs.trajectory(2, {"eta": 0.1})
        assert len(some.alpha) == before[2]
        np.testing.assert_array_equal(runs.loss[2, : before[2]], some.loss)
        assert np.isinf(runs.loss[2, before[2] :]).all()
    assert (runs.recorded == 9).all()
    np.testing.assert_allclose(runs.done, 4.0)


@pytest.mark.parametrize("kind", ["compiled", "numpy"])
@pytest.mark.parametrize(
    ("task", "constraint", "N", "method"),
    [
        (ql.Task(4, 2), "free", 200, "overlaps"),
        (ql.Task(2, 2, FULL_T, 0.3), "spherical", 200, "overlaps"),
        (ql.Task(2, 1), "free", 60, "weights"),
        (ql.Task(4, 2), "free", 2**17, "diffusion"),
        (ql.Task(2, 1, None, 0.3), "spherical", 2**17, "diffusion"),
    ],
)
def test_a_passage_is_where_a_fine_record_passes(
    request: pytest.FixtureRequest, task: ql.Task, constraint: Any, N: int, method: Any, kind: str
) -> None:
    """Looks at every fourth sample, against a record of every sample (of every step)."""
    if kind == "numpy":
        request.getfixturevalue("without_numba")
    eta, end = 0.1, 40.0
    level = escape_level(task, eta, constraint)
    how: Any = dict(alpha=np.array([end]), level=level, window=4 / N, runs=4)
    if method == "diffusion":  # a longest step makes it the same with and without records
        step, end = 2.0**-6, 25.0
        start = ql.random_overlaps(task, 100, 1, constraint=constraint)
        how |= dict(alpha=np.array([end]), step=step, start=start)
        found = finish(engine(task, N, eta, constraint, method, **how)).passage
        alpha = step * np.arange(round(end / step) + 1)
        how = dict(alpha=alpha, step=2 * step, start=start, runs=4)
    else:
        found = finish(engine(task, N, eta, constraint, method, **how)).passage
        how = dict(alpha=np.arange(round(end * N) + 1) / N, runs=4)
    runs = finish(engine(task, N, eta, constraint, method, **how))
    expected = first_passage(runs.alpha, runs.loss, level)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, atol=4 / N + (method == "diffusion") * 1e-6)


def test_no_size_is_compiled_for_itself() -> None:
    """The chain has one signature after runs of many sizes."""
    overlaps = importlib.import_module("quadlib.dynamics.overlaps")
    for p, k in ((1, 1), (4, 2), (5, 3), (16, 1)):
        finish(engine(ql.Task(p, k), 100, 0.02, "free", "overlaps", alpha=np.array([0.1]), runs=1))
    made = [cell.cell_contents for cell in overlaps._loop.__closure__]
    loop, *_ = next(cell for cell in made if isinstance(cell, list))
    assert len(loop.signatures) == 1


def test_a_level_is_looked_for_at_each_sample_until_the_last_time() -> None:
    how: Any = dict(alpha=np.array([1.0, 5.0]), level=1.6)
    runs = finish(engine(ONE, 100, 0.1, "free", "overlaps", **how))
    np.testing.assert_array_equal(runs.alpha, [5.0])
    found = runs.passage
    fine = finish(engine(ONE, 100, 0.1, "free", "overlaps", alpha=np.arange(501) / 100))
    expected = first_passage(fine.alpha, fine.loss, 1.6)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (found[np.isfinite(found)] > 1.0).any()
    for window, every in ((0.0, 1), (0.25, 25), (1e30, 2**62)):
        assert engine(ONE, 100, 0.1, "free", "overlaps", window=window, **how).every == every


def test_in_numpy_many_runs_go_together(without_numba: None) -> None:
    assert Together.company("weights") == 1 < Together.company("overlaps")


def test_compiled_runs_go_one_by_one() -> None:
    assert Together.company("weights") == Together.company("overlaps") == 1


def test_a_record_is_of_one_free_run_and_looks_after_each_sample() -> None:
    assert Record(ONE, 0.1, 9, [1]).every == 0  # without a level it does not look
    record = Record(ONE, 0.1, 9, [1], level=1.0)
    assert (len(record.Q), record.spherical, record.every) == (1, False, 1)


def test_slices_get_longer_or_shorter_until_they_take_what_they_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call to a loop may take a tenth of a second, or half of the time that is given: with less
    than half of that it does twice as much the next time, with more half as much.
    """
    runs = engine(ONE, 100, 0.1, "free", "overlaps")
    now, budgets, costs = [100.0], list[int](), list[float]()

    class Loop:
        def advance(self, budget: int) -> bool:
            budgets.append(budget)
            now[0] += costs[len(budgets) - 1]
            return True

    runs._now = Loop()
    monkeypatch.setattr("quadlib.dynamics.together.time.perf_counter", lambda: now[0])
    for seconds, cost, expected in (
        (1.0, [0.04, 0.06, 0.09, 0.12, 0.3, 0.3, 0.3], [16, 32, 32, 32, 16, 8, 4]),
        (0.1, [0.02, 0.03, 0.06], [2, 4, 4]),
        (1.0, [0.2, 0.2, 0.2, 0.2, 0.2], [2, 1, 1, 1, 1]),
    ):
        budgets.clear()
        costs[:] = cost
        assert runs.advance(seconds)
        assert budgets == expected
