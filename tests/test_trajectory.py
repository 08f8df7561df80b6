"""Recording, escape time, save and load."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.checks import recording_points
from quadlib.passage import first_passage, slope_at


def run(T: object = None) -> ql.Trajectory:
    task = ql.Task(3, 2, T, label_noise=0.1)
    return ql.integrate(task, ql.random_overlaps(task, 500, 0), eta=0.1, alpha=60.0)


def test_save_and_load_return_the_same_numbers(tmp_path: Path) -> None:
    trajectory = run([[1.0, 0.2], [0.2, 0.6]])
    trajectory.save(tmp_path / "run.npz")
    loaded = ql.Trajectory.load(tmp_path / "run.npz")
    for name in ("alpha", "Q", "M", "loss"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(trajectory, name))
    np.testing.assert_array_equal(loaded.task.T, trajectory.task.T)
    assert loaded.task.label_noise == 0.1
    assert dict(loaded.meta) == dict(trajectory.meta)
    assert loaded.escape_time() == trajectory.escape_time()


@pytest.mark.parametrize("damage", [b"", b"not a zip file", None])
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "run.npz"
    run().save(path)
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(ValueError, match="written by Trajectory"):
        ql.Trajectory.load(path)


def test_escape_time_is_where_the_loss_crosses_half_the_plateau() -> None:
    trajectory = run()
    floor = 0.1 / 2
    level = floor + (ql.plateau(trajectory.task, 0.1).loss - floor) / 2
    time = trajectory.escape_time()
    assert time == pytest.approx(trajectory.escape_time(level), rel=1e-12)
    # a run recorded a hundred times more finely crosses within the interpolation error h² L''
    fine = ql.integrate(
        trajectory.task,
        ql.Overlaps(trajectory.Q[0], trajectory.M[0]),
        eta=0.1,
        alpha=np.linspace(0, 60, 20001),
    )
    assert abs(np.interp(time, fine.alpha, fine.loss) - level) < 2e-4
    assert trajectory.escape_time(1e-9) == np.inf


@pytest.mark.parametrize(
    ("p", "k", "eta", "constraint"),
    [(2, 2, 0.05, "free"), (4, 1, 0.08, "free"), (8, 4, 0.2, "free"), (3, 2, 0.05, "spherical")],
)
def test_a_coarse_grid_finds_the_escape_time(p: int, k: int, eta: float, constraint: Any) -> None:
    """21 points up to α = 150 err by less than 0.1, also where the loss falls within one."""
    task = ql.Task(p, k)
    for seed in range(3):
        state = ql.random_overlaps(task, 1000, seed, constraint=constraint)
        coarse, fine = (
            ql.integrate(
                task, state, eta=eta, alpha=np.linspace(0, 150, n), constraint=constraint
            ).escape_time()
            for n in (21, 1501)
        )
        assert np.isfinite(fine)
        assert abs(coarse - fine) < 0.1


def test_the_slope_of_the_loss_is_its_derivative() -> None:
    fine = ql.integrate(
        ql.Task(3, 2, [1.0, 0.5], 0.1),
        ql.random_overlaps(ql.Task(3, 2, [1.0, 0.5]), 100, 0),
        eta=0.2,
        alpha=10 + np.array([0.0, 1e-3, 2e-3]),
        rtol=1e-13,
    )
    meta = {"eta": 0.2, "constraint": "free"}  # as SGD has it, with noise
    for run in (fine, ql.Trajectory(fine.task, fine.alpha, fine.Q, fine.M, meta)):
        slope = slope_at(run, np.array(1))
        assert slope == pytest.approx((fine.loss[2] - fine.loss[0]) / 2e-3, rel=1e-6)


def test_first_passage_of_literal_curves() -> None:
    alpha = np.array([0.0, 1.0, 3.0])
    loss = np.array([[2.0, 1.0, 0.2], [2.0, 2.0, 1.5], [0.5, 2.0, 0.0], [2.0, np.inf, np.inf]])
    expected = [2.25, np.inf, 0.0, np.inf]
    np.testing.assert_allclose(first_passage(alpha, loss, 0.5), expected)
    # from a loss of 1, 1/4 is a straight line's 3/4 towards 0, and the half of e^{-α ln 16}
    for end, slope, half in ((0.0, -1.0, 0.75), (1 / 16, -np.log(16), 0.5)):
        curve = np.array([1.0, end])
        found = first_passage(
            np.array([0.0, 1.0]), curve, 0.25, lambda i, s=slope, c=curve: s * c[i]
        )
        assert found == pytest.approx(half, rel=1e-12)


def test_a_run_of_one_point_or_none_has_an_escape_time() -> None:
    trajectory = run()
    for n, time in ((0, np.inf), (1, np.inf), (200, trajectory.alpha[199])):
        part = slice(max(0, n - 1), n)
        how = {"eta": 0.1, "constraint": "free"}
        one = ql.Trajectory(
            trajectory.task, trajectory.alpha[part], trajectory.Q[part], trajectory.M[part], how
        )
        np.testing.assert_allclose(one.loss, trajectory.loss[part], rtol=1e-10)
        assert one.escape_time() == time
    # without the constraint, the slopes are unknown: a straight line
    plain = ql.Trajectory(
        trajectory.task, trajectory.alpha, trajectory.Q, trajectory.M, {"eta": 0.1}
    )
    level = trajectory.loss[100:102].mean()
    middle = trajectory.alpha[100:102].mean()
    assert plain.escape_time(level) == pytest.approx(middle, rel=1e-9)


@pytest.mark.parametrize("end", [1e-3, 40.0, 1000.0, 1e6])
def test_chosen_points_reach_the_end_and_resolve_it(end: float) -> None:
    points = recording_points(end)
    assert points[0] == 0
    assert points[-1] == end
    gaps = np.diff(points)
    assert (gaps > 0).all()
    # no gap is longer than 1/200 of the run, or than a tenth of the time reached
    assert (gaps <= np.maximum(end / 200 * 1.001, 0.1 * points[1:])).all()
