"""Each compiled loop equals its slow transcription, fed the same random numbers, to 1e-12."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.checks import Constraint
from tests import oracles

FULL_T = [[1.0, 0.4], [0.4, 0.7]]
# records in the middle of a block of inputs and at its end, at the start, in consecutive steps
STEPS = [0, 1, 2, 5, 6, 7, 12, 40, 200, 333]

CASES = [
    pytest.param(ql.Task(4, 2), "free", 50, id="free"),
    pytest.param(ql.Task(4, 2), "spherical", 50, id="spherical"),
    pytest.param(ql.Task(2, 2, FULL_T, 0.3), "free", 40, id="T-and-label-noise"),
    pytest.param(ql.Task(3, 2, FULL_T, 0.3), "spherical", 40, id="spherical-T-and-label-noise"),
    pytest.param(ql.Task(1, 1), "free", 2, id="smallest"),
    pytest.param(ql.Task(3, 2), "free", 5, id="N=p+k"),
    pytest.param(ql.Task(3, 2), "spherical", 5, id="spherical-N=p+k"),
    pytest.param(ql.Task(3, 2, FULL_T, 0.1), "free", 6, id="N=p+k+1"),
    pytest.param(ql.Task(2, 3), "free", 9, id="N=p+k+4"),
    pytest.param(ql.Task(2, 3), "spherical", 1100, id="large-N"),
]


def compare(trajectory: ql.Trajectory, expected: oracles.Run) -> None:
    for got, want in zip((trajectory.Q, trajectory.M), expected, strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max() < 1e-12 * max(1.0, np.abs(want).max())


def run(task: ql.Task, start: Any, N: int, method: Any, constraint: Constraint) -> ql.Trajectory:
    eta = 0.1 if N > 30 else 0.03  # few dimensions diverge easily
    alpha = [step / N for step in STEPS]
    return ql.simulate(
        task,
        start,
        eta=eta,
        alpha=alpha,
        N=N,
        rng=np.random.default_rng(7),
        method=method,
        constraint=constraint,
    )


@pytest.mark.parametrize(("task", "constraint", "N"), CASES)
def test_literal_sgd(task: ql.Task, constraint: Constraint, N: int) -> None:
    w = ql.random_weights(task, N, 1, constraint=constraint)
    got = run(task, w, N, "weights", constraint)
    rng, spherical = np.random.default_rng(7), constraint == "spherical"
    compare(got, oracles.naive_sgd(task, w, got.meta["eta"], STEPS, rng, spherical))
    assert np.abs(got.Q[-1] - got.Q[0]).max() > 1e-3


@pytest.mark.parametrize(("task", "constraint", "N"), CASES)
def test_overlap_chain(task: ql.Task, constraint: Constraint, N: int) -> None:
    start = ql.random_overlaps(task, N, 1, constraint=constraint)
    got = run(task, start, N, "overlaps", constraint)
    rng, spherical = np.random.default_rng(7), constraint == "spherical"
    compare(got, oracles.overlap_chain(task, start, got.meta["eta"], N, STEPS, rng, spherical))
    assert np.abs(got.Q[-1] - got.Q[0]).max() > 1e-3


@pytest.mark.parametrize(("task", "constraint", "N"), [c for c in CASES if c.values[2] >= 40])
@pytest.mark.parametrize("step", [None, 0.07, 10.0])
def test_diffusion(task: ql.Task, constraint: Constraint, N: int, step: float | None) -> None:
    """Steps chosen, given, and longer than is stable; N small enough for shortened steps."""
    N = 20 * N
    start = ql.random_overlaps(task, N, 1, constraint=constraint)
    alpha = [0.0, 0.3, 1.0, 1.05, 4.0, 20.3]
    got = ql.simulate(
        task,
        start,
        eta=0.05,
        alpha=alpha,
        N=N,
        rng=np.random.default_rng(7),
        method="diffusion",
        constraint=constraint,
        step=step,
    )
    rng, spherical = np.random.default_rng(7), constraint == "spherical"
    longest, safety = (np.inf, 0.2) if step is None else (step, 1.0)
    compare(got, oracles.diffusion(task, start, 0.05, N, alpha, rng, spherical, longest, safety))
    assert np.abs(got.Q[-1] - got.Q[0]).max() > 1e-3


RUNS = """
import sys
{block}
import numpy as np
import quadlib as ql

results = {{}}
for constraint in ("free", "spherical"):
    task, N = ql.Task(3, 2, [[1.0, 0.4], [0.4, 0.7]], 0.3), 60
    for method in ("weights", "overlaps", "diffusion"):
        start = ql.random_weights(task, N, 1, constraint=constraint)
        trajectory = ql.simulate(
            task, start, eta=0.05, alpha=[0.5, 1.0, 3.3], N=N, rng=2, method=method,
            constraint=constraint,
        )
        results[f"Q {{method}} {{constraint}}"] = trajectory.Q
        results[f"M {{method}} {{constraint}}"] = trajectory.M
assert ("numba" in sys.modules) and (sys.modules["numba"] is not None) is {compiled}
np.savez(sys.argv[1], **results)
"""


def test_without_numba_the_same_numbers(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for name, block, compiled in (
        ("with", "", True),
        ("without", 'sys.modules["numba"] = None  # makes its import fail', False),
    ):
        script = RUNS.format(block=block, compiled=compiled)
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / f"{name}.npz")], cwd=root, check=True
        )
    with np.load(tmp_path / "with.npz") as a, np.load(tmp_path / "without.npz") as b:
        assert len(a.files) == 12
        for key in a.files:
            np.testing.assert_allclose(b[key], a[key], rtol=0, atol=1e-12, err_msg=key)
