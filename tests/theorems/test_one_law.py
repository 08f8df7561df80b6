"""Literal SGD, the overlap chain and a naive loop have one law."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

import quadlib as ql
from quadlib.checks import Constraint
from quadlib.trajectory import escape_level, first_passage
from tests import oracles

FULL_T = [[1.0, 0.4], [0.4, 0.7]]


def statistics(task: ql.Task, Q: np.ndarray, M: np.ndarray, loss: np.ndarray) -> dict[str, Any]:
    """Entries, invariants and loss of every run at one time.

    The residual Q - M T⁻¹ Mᵀ is what sees the number of dimensions outside the teacher.
    """
    residual = Q - M @ np.linalg.solve(task.T, np.swapaxes(M, 1, 2))
    size = np.trace(residual, axis1=1, axis2=2)
    volume = np.linalg.det(residual)
    return {
        "Q_11": Q[:, 0, 0],
        "Q_1p": Q[:, 0, -1],
        "M_11": M[:, 0, 0],
        "M_pk": M[:, -1, -1],
        "largest Q": np.linalg.eigvalsh(Q)[:, -1],
        "smallest M": np.linalg.svd(M, compute_uv=False)[:, -1],
        "residual trace": size,
        # Units that start parallel stay so: their volume is rounding
        "residual volume": np.where(np.abs(volume) < 1e-12 * size**task.p, 0.0, volume),
        "residual and M": (residual @ M)[:, 0, 0],
        "loss": loss,
    }


def losses(task: ql.Task, Q: np.ndarray, M: np.ndarray) -> np.ndarray:
    """½ s² + tr ACAC + ½ label_noise, written out."""
    p, k = task.p, task.p_star
    s = np.trace(Q, axis1=-2, axis2=-1) / p - np.trace(task.T) / k
    QQ, MM, TT = ((X**2).sum((-2, -1)) for X in (Q, M, task.T))
    return s**2 / 2 + QQ / p**2 - 2 * MM / (p * k) + TT / k**2 + task.label_noise / 2


def simulated(task: ql.Task, start: Any, runs: int, method: Any, **how: Any) -> oracles.Run:
    seed = {"weights": 1, "overlaps": 3}[method]
    made = ql.ensemble(
        task, start=start, runs=runs, seed=seed, method=method, progress=False, **how
    )
    assert not made.diverged.any()
    return made.Q, made.M


def compare(a: dict[str, Any], b: dict[str, Any], threshold: float, where: str) -> None:
    for name in a:
        # rounding is no random variable: Q_ii on the sphere, the residual volume at N < k + p
        if np.ptp(a[name][np.isfinite(a[name])]) > 1e-12:
            pvalue = stats.ks_2samp(a[name], b[name]).pvalue
            assert pvalue > threshold, (where, name, pvalue)


@pytest.mark.parametrize(
    ("task", "constraint", "N", "eta"),
    [
        pytest.param(ql.Task(1, 1), "free", 2, 0.02, id="smallest"),
        pytest.param(ql.Task(2, 1), "free", 4, 0.04, id="N=p+k+1"),
        pytest.param(ql.Task(2, 2), "spherical", 6, 0.2, id="spherical-N=p+k+2"),
        pytest.param(ql.Task(2, 1, None, 0.4), "free", 8, 0.1, id="label-noise-N=p+k+5"),
        pytest.param(ql.Task(3, 2, FULL_T, 0.2), "spherical", 12, 0.3, id="everything"),
    ],
)
def test_first_steps(task: ql.Task, constraint: Constraint, N: int, eta: float) -> None:
    """From students in the span of the teacher every direction outside it is made by the noise.

    Kolmogorov-Smirnov on 10 statistics after 1, 4, 6 and 8 steps, in the middle of a block of
    the chain and across its end, of two pairs of methods. Each is rejected at p < 1e-6: false
    alarms below 80 × 1e-6 < 1e-4. With label noise the start has zero loss, else a random norm.
    """
    runs, steps = 4000, [1, 4, 6, 8]
    p, k = task.p, task.p_star
    frame = np.linalg.qr(np.random.default_rng(0).standard_normal((p, k)))[0]
    teacher = ql.random_weights(task, N, np.random.default_rng(5)).W_star
    W = np.sqrt(p / k) * frame @ teacher
    if task.label_noise == 0:
        W *= 0.7
    if constraint == "spherical":
        W *= np.sqrt(N) / np.linalg.norm(W, axis=1, keepdims=True)
    start = ql.Weights(W, teacher)
    task = ql.Task(p, k, teacher @ teacher.T / N, task.label_noise)
    how: dict[str, Any] = dict(eta=eta, alpha=np.array(steps) / N, N=N, constraint=constraint)
    naive = oracles.naive_ensemble(
        task, [start] * runs, eta, steps, np.random.default_rng(0), constraint == "spherical"
    )
    chain = simulated(task, start, runs, "overlaps", **how)
    literal = simulated(task, start, runs, "weights", **how)
    for i, step in enumerate(steps):
        a, *others = (
            statistics(task, Q[:, i], M[:, i], losses(task, Q[:, i], M[:, i]))
            for Q, M in (chain, naive, literal)
        )
        for name, other in zip(("naive", "literal"), others, strict=True):
            compare(a, other, 1e-6, f"{name} loop after {step} steps")


@pytest.mark.parametrize(
    ("task", "constraint", "N", "eta", "end"),
    [
        pytest.param(ql.Task(3, 2), "free", 5, 0.02, 40, id="N=p+k"),
        pytest.param(ql.Task(2, 2, FULL_T), "free", 16, 0.03, 40, id="T"),
        pytest.param(ql.Task(2, 2), "free", 40, 0.06, 50, id="free"),
        pytest.param(ql.Task(2, 1, None, 0.5), "free", 30, 0.03, 30, id="label-noise"),
        pytest.param(ql.Task(2, 2, FULL_T, 0.3), "spherical", 30, 0.05, 30, id="everything"),
    ],
)
def test_whole_runs(task: ql.Task, constraint: Constraint, N: int, eta: float, end: float) -> None:
    """From random starts through the escape.

    Kolmogorov-Smirnov on 42 statistics of two pairs of methods. Each is rejected at p < 1e-6:
    false alarms below 84 × 1e-6 < 1e-4.
    """
    steps = np.linspace(0, end * N, 17).astype(int)
    alpha, runs, rng = steps / N, 1000, np.random.default_rng(0)
    how: dict[str, Any] = dict(eta=eta, alpha=alpha, N=N, constraint=constraint)
    starts = [ql.random_weights(task, N, rng, constraint=constraint) for _ in range(runs)]
    results = [
        simulated(task, None, runs, "overlaps", **how),
        oracles.naive_ensemble(task, starts, eta, steps.tolist(), rng, constraint == "spherical"),
        simulated(task, None, runs, "weights", **how),
    ]
    found = []
    for Q, M in results:
        loss = losses(task, Q, M)
        times = first_passage(alpha, loss, escape_level(task, eta, constraint))
        assert np.isfinite(times).mean() > 0.5  # or they would test nothing
        row = {"escape time": times, "loss drop": loss[:, 10] - loss[:, 5]}
        for i in (0, 2, 6, 16):
            one_time = statistics(task, Q[:, i], M[:, i], loss[:, i])
            row |= {f"{name} {i}": values for name, values in one_time.items()}
        found.append(row)
    compare(found[0], found[1], 1e-6, "naive")
    compare(found[0], found[2], 1e-6, "literal")


@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
def test_students_stay_on_the_sphere(method: Any) -> None:
    """A small teacher pulls inwards, so that a norm that is not measured leaves as e^{0.2 α}."""
    task, N = ql.Task(3, 2, [0.3, 0.3]), 200
    run = ql.simulate(
        task, None, eta=0.1, alpha=200.0, N=N, rng=1, method=method, constraint="spherical"
    )
    np.testing.assert_allclose(np.diagonal(run.Q, axis1=1, axis2=2), 1, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", ["weights", "overlaps"])
@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_what_is_recorded_does_not_change_the_run(method: Any, constraint: Constraint) -> None:
    task, N = ql.Task(3, 2, FULL_T, 0.2), 50
    how: dict[str, Any] = dict(eta=0.05, N=N, rng=3, method=method, constraint=constraint)
    few = ql.simulate(task, None, alpha=[0.0, 1.0, 3.0], **how)
    many = ql.simulate(task, None, alpha=np.arange(3 * N + 1) / N, **how)
    np.testing.assert_array_equal(few.Q, many.Q[[0, N, 3 * N]])
    np.testing.assert_array_equal(few.M, many.M[[0, N, 3 * N]])
