"""Loss, drift, ODE and gradient flow reproduce an independent, slow implementation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quadlib as ql

REFERENCE = Path(__file__).parents[1] / "reference"


def cases(name: str) -> list[Any]:
    loaded = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return [
        pytest.param(case, id=f"{i}-p{case['p']}-k{case['p_star']}-eta{case['eta']}")
        for i, case in enumerate(loaded)
    ]


def task_of(case: dict[str, Any]) -> ql.Task:
    T = None if case.get("T") is None else np.array(case["T"], dtype=float)
    return ql.Task(case["p"], case["p_star"], T, case.get("label_noise", 0.0))


@pytest.mark.parametrize("case", cases("loss_and_drift"))
def test_loss_and_drift(case: dict[str, Any]) -> None:
    task, state = task_of(case), ql.Overlaps(np.array(case["Q"]), np.array(case["M"]))
    dQ, dM = ql.drift(task, state, case["eta"], case["constraint"])
    assert ql.loss(task, state) == pytest.approx(case["loss"], rel=1e-13)
    np.testing.assert_allclose(dQ, case["dQ"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dM, case["dM"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", cases("ode_trajectories"))
def test_ode_trajectories(case: dict[str, Any]) -> None:
    trajectory = ql.integrate(
        task_of(case),
        ql.Overlaps(np.array(case["Q0"]), np.array(case["M0"])),
        eta=case["eta"],
        alpha=np.array(case["alpha"], dtype=float),
        constraint=case["constraint"],
        gradient_noise=case["gradient_noise"],
        rtol=1e-12,
    )
    for name in ("loss", "Q", "M"):
        expected = np.array(case[name])
        error = np.abs(getattr(trajectory, name) - expected).max()
        assert error < 1e-9 * np.abs(expected).max(), name


@pytest.mark.parametrize("case", cases("gradient_flow"))
def test_gradient_flow(case: dict[str, Any]) -> None:
    flow = ql.gradient_flow(
        task_of(case),
        ql.Overlaps(np.array(case["Q0"]), np.array(case["M0"])),
        eta=case["eta"],
        alpha=np.array(case["alpha"], dtype=float),
    )
    np.testing.assert_allclose(np.trace(flow.Q, axis1=1, axis2=2), case["trQ"], atol=1e-7)
    np.testing.assert_allclose((flow.Q**2).sum((1, 2)), case["trQ2"], atol=1e-7)
    np.testing.assert_allclose((flow.M**2).sum((1, 2)), case["trMMt"], atol=1e-7)
