"""The ladder: SGD tends to the ODE as N grows, and the diffusion escapes as SGD does."""

from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.checks import Constraint

FULL_T = [[1.0, 0.4], [0.4, 0.7]]


@pytest.mark.parametrize(
    ("task", "constraint"),
    [
        pytest.param(ql.Task(2, 2), "free", id="free"),
        pytest.param(ql.Task(2, 2, FULL_T, 0.3), "spherical", id="everything"),
    ],
)
@pytest.mark.parametrize("method", ["overlaps", "diffusion"])
def test_the_distance_to_the_ode_falls_as_the_root_of_N(
    task: ql.Task, constraint: Constraint, method: Any
) -> None:
    """From one start of order one: rms distance of Q and M at α = 3 against N, fitted slope.

    The slope is -1/2 within 5 standard errors (false alarms below 1e-6) and the 1/N corrections,
    which change the distance by about 10 % at N = 400 and so the slope by less than 0.02.
    """
    eta, alpha = 0.1, [1.0, 3.0]
    start = ql.random_overlaps(task, 20, 2, constraint=constraint)
    ode = ql.integrate(task, start, eta=eta, alpha=alpha, constraint=constraint)
    sizes, runs = np.array([400, 1600, 6400, 25_600]), [400, 300, 150, 60]
    mean, error = [], []
    for N, count in zip(sizes, runs, strict=True):
        found = ql.ensemble(
            task,
            start=start,
            eta=eta,
            alpha=alpha,
            N=int(N),
            runs=count,
            seed=(1, int(N)),
            method=method,
            constraint=constraint,
            progress=False,
        )
        distance = ((found.Q - ode.Q) ** 2).sum((1, 2, 3)) + ((found.M - ode.M) ** 2).sum((1, 2, 3))
        mean.append(np.mean(distance))
        error.append(np.std(distance) / np.sqrt(count) / mean[-1] / 2)  # of ln of the root
    weights = 1 / np.array(error)
    (slope, _), covariance = np.polyfit(
        np.log(sizes), np.log(mean) / 2, 1, w=weights, cov="unscaled"
    )
    slope_error = np.sqrt(covariance[0, 0])
    assert slope_error < 0.03
    assert abs(slope + 0.5) < 5 * slope_error + 0.02, (slope, slope_error)


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_without_noise_a_diffusion_step_is_of_second_order(constraint: Constraint) -> None:
    """At N = 1e24 the noise is 1e-12, and halving the step divides the error by four."""
    task = ql.Task(3, 2, FULL_T, 0.2)
    start = ql.random_overlaps(task, 20, 2, constraint=constraint)
    alpha = np.array([2.0, 8.0])
    how: dict[str, Any] = dict(eta=0.1, alpha=alpha, constraint=constraint)
    exact = ql.integrate(task, start, rtol=1e-12, **how)
    steps = np.array([0.2, 0.1, 0.05, 0.025])
    errors = []
    for step in steps:
        run = ql.simulate(task, start, N=10**24, rng=0, method="diffusion", step=float(step), **how)
        errors.append(np.abs(run.Q - exact.Q).max() + np.abs(run.M - exact.M).max())
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize(
    ("task", "constraint", "N", "eta", "runs"),
    [
        pytest.param(ql.Task(1, 1), "free", 1000, 0.1, 200, id="smallest-1e3"),
        pytest.param(ql.Task(1, 1), "free", 100_000, 0.1, 12, id="smallest-1e5"),
        pytest.param(ql.Task(4, 2), "free", 1000, 0.1, 200, id="free-1e3"),
        pytest.param(ql.Task(4, 2), "free", 10_000, 0.1, 60, id="free-1e4"),
        pytest.param(ql.Task(4, 2), "spherical", 1000, 0.1, 200, id="spherical"),
        pytest.param(ql.Task(2, 1, None, 0.3), "free", 1000, 0.05, 200, id="label-noise"),
        pytest.param(ql.Task(2, 2, [1.2, 0.8]), "free", 1000, 0.1, 200, id="T"),
    ],
)
def test_the_diffusion_escapes_as_sgd_does(
    task: ql.Task, constraint: Constraint, N: int, eta: float, runs: int
) -> None:
    """Mean within 1 % and spread within 5 %, and 4 standard errors; the spread of those that do.

    4 standard errors alone make false alarms of 6e-5 a number.
    """
    sgd, diffusion = (
        ql.escape_times(
            task,
            eta=eta,
            N=N,
            runs=count,
            seed=(2, N, len(method)),
            method=method,
            constraint=constraint,
            progress=False,
        )
        for method, count in (("overlaps", runs), ("diffusion", 1000))
    )
    for times in (sgd, diffusion):
        assert np.isfinite(times).mean() > 0.99
    # quantiles of a run that has not escaped by the end are no worse than others
    sgd, diffusion = (times[np.isfinite(times)] for times in (sgd, diffusion))
    mean_error = np.hypot(*(times.std() / np.sqrt(len(times)) for times in (sgd, diffusion)))
    assert abs(diffusion.mean() - sgd.mean()) < 0.01 * sgd.mean() + 4 * mean_error
    spread_error = np.hypot(*(error_of_std(times) for times in (sgd, diffusion)))
    assert abs(diffusion.std() - sgd.std()) < 0.05 * sgd.std() + 4 * spread_error


def error_of_std(times: np.ndarray) -> float:
    squares = (times - times.mean()) ** 2
    return float(squares.std() / (2 * times.std() * np.sqrt(len(times))))


def test_the_noise_of_the_plateau_is_collected() -> None:
    """v = N⟨M_ir²⟩ from M = 0 on the plateau follows v' = 2 r v + D, (4.1), (4.2).

    2000 runs of 8 entries: the standard error is 1.1 % or a little more, 5 of them are allowed.
    """
    p, k, eta, N = 4, 2, 0.05, 10**10
    task = ql.Task(p, k)
    level = ql.plateau(task, eta)
    q, r = level.q, level.escape_rate
    start = ql.Overlaps(q * np.eye(p), np.zeros((p, k)))
    D = q**2 * (p + 2) * (p + 4) / p**2 - 2 * q * (p + 2) * (k + 2) / (p * k)
    D = 4 * eta**2 * q * (D + (k + 2) * (k + 4) / k**2)
    alpha = np.array([2.0, 20.0])
    how = dict(eta=eta, alpha=alpha, N=N, method="diffusion", progress=False)
    M = ql.ensemble(task, start=start, runs=2000, seed=3, **how).M
    v = N * (M**2).mean((2, 3))
    expected = D * np.expm1(2 * r * alpha) / (2 * r)
    assert (np.abs(v.mean(0) - expected) < 5 * v.std(0) / np.sqrt(len(v))).all()


@pytest.mark.parametrize(
    ("constraint", "N", "eta", "step"),
    [
        ("free", 300, 0.05, None),
        ("free", 300, 0.05, 30.0),
        ("free", 50, 0.1, None),
        ("spherical", 300, 0.05, 30.0),
        ("spherical", 50, 0.1, None),
    ],
)
def test_a_diffusion_stays_a_covariance(
    constraint: Constraint, N: int, eta: float, step: float | None
) -> None:
    """At small N, where one step in a thousand leaves the cone, and with steps far too long.

    They are shortened, and the runs go on to a solution.
    """
    task, ends = ql.Task(2, 2), []
    for seed in range(60):
        run = ql.simulate(
            task,
            None,
            eta=eta,
            alpha=np.linspace(0, 100, 101),
            N=N,
            rng=seed,
            method="diffusion",
            constraint=constraint,
            step=step,
            progress=False,
        )
        T = np.broadcast_to(task.T, run.M.shape)
        C = np.block([[run.Q, run.M], [np.swapaxes(run.M, 1, 2), T]])
        assert np.linalg.eigvalsh(C).min() > -1e-12
        ends.append(run.loss[-1])
    assert np.median(ends) < 0.05


def test_an_N_too_small_for_the_diffusion_is_refused() -> None:
    for task, N in ((ql.Task(2, 2), 10), (ql.Task(2, 2), 49), (ql.Task(30, 10), 119)):
        with pytest.raises(ValueError, match=rf'N must be at least .* got {N}; use method="over'):
            ql.simulate(task, None, eta=0.1, alpha=50.0, N=N, rng=0, method="diffusion")


@pytest.mark.parametrize(
    ("task", "eta", "constraint"),
    [
        pytest.param(ql.Task(2, 2, None, 0.3), 0.1, "free", id="free"),
        pytest.param(ql.Task(1, 1, None, 0.5), 0.05, "free", id="smallest"),
        pytest.param(ql.Task(2, 2, None, 0.3), 0.1, "spherical", id="spherical"),
    ],
)
def test_the_stationary_loss_of_the_diffusion_is_that_of_sgd(
    task: ql.Task, eta: float, constraint: Constraint
) -> None:
    """At N = 100, means over α up to 2e4: within 0.3 % and 4 standard errors of 20 blocks, 0.1 %.

    The terms of order 1/N that make it so are several per cent here. False alarms below 1e-4.
    """
    means, errors = [], []
    for seed, method in enumerate(("overlaps", "diffusion")):
        run = ql.simulate(
            task,
            None,
            eta=eta,
            alpha=np.arange(500.0, 20_500.0, 5.0),
            N=100,
            rng=(7, seed),
            method=method,
            constraint=constraint,
            progress=False,
        )
        blocks = run.loss.reshape(20, -1).mean(1)
        means.append(blocks.mean())
        errors.append(blocks.std(ddof=1) / np.sqrt(20))
    assert np.hypot(*errors) < 0.0015 * means[0]
    assert abs(means[1] - means[0]) < 0.003 * means[0] + 4 * np.hypot(*errors)
