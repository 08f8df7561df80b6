"""C1: one-pass SGD follows the overlap ODE, how closely, and where it does not; the exact chain."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from quadlib.checks import Random, as_generator, check_integer, check_real
from quadlib.claims.base import Effort, Finding, claim
from quadlib.dynamics import simulate
from quadlib.dynamics.ode import integrate
from quadlib.ensemble import ensemble
from quadlib.escape import escape_law
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, Weights, random_overlaps, random_weights
from quadlib.task import Task, gaussian_moments, joint_covariance
from quadlib.trajectory import Trajectory

__all__ = ["C1", "distance", "mean_step", "one_law", "one_step", "random_start"]

_NOTEBOOK = "01_sgd_to_ode"
_TASK, _ETA, _ALPHA = Task(4, 2), 0.05, np.linspace(0.0, 30.0, 61)
_START = random_overlaps(_TASK, 40, 1)
"""Overlaps of order one, the same for every N: the ODE is the limit at a fixed start."""


def distance(run: Trajectory, ode: Trajectory) -> float:
    r"""Root mean square over the recorded times of the distance between two trajectories.

    .. math:: \sqrt{\langle \|Q_{run} - Q_{ode}\|^2 + \|M_{run} - M_{ode}\|^2 \rangle_α}

    Raises
    ------
    ValueError
        If they were recorded at different times.
    """
    if not np.array_equal(run.alpha, ode.alpha):
        raise ValueError(
            f"Both trajectories must be recorded at the same times, got {len(run.alpha)} and "
            f"{len(ode.alpha)} different ones; pass both the same alpha."
        )
    return float(np.sqrt(_squares(run, ode).mean()))


def _squares(run: Trajectory, ode: Trajectory) -> Array:
    """Squared distance at each of the recorded times."""
    return np.asarray(((run.Q - ode.Q) ** 2).sum((1, 2)) + ((run.M - ode.M) ** 2).sum((1, 2)))


def one_step(
    weights: Weights,
    eta: float,
    samples: int,
    rng: Random,
    label_noise: float = 0.0,
) -> tuple[Float[Array, "n p p"], Float[Array, "n p k"]]:
    """Return N times the change of Q and of M in one SGD step (1.4), for independent samples x.

    Every sample starts from the same weights. Literal: x has all its N components.
    """
    N, rng = weights.N, as_generator(rng, "one_step")
    x = rng.standard_normal((check_integer("samples", samples, 1), N))
    student, teacher = x @ weights.W.T / np.sqrt(N), x @ weights.W_star.T / np.sqrt(N)
    error = (student**2).mean(1) - (teacher**2).mean(1)
    error -= np.sqrt(check_real("label_noise", label_noise)) * rng.standard_normal(samples)
    move = -2 * eta * error[:, None] * student  # w_i changes by move_i x/√N
    first = move[:, :, None] * student[:, None, :]
    second = move[:, :, None] * move[:, None, :] * (x**2).mean(1)[:, None, None]
    return first + np.swapaxes(first, 1, 2) + second, move[:, :, None] * teacher[:, None, :]


def mean_step(
    task: Task, state: Overlaps, eta: float, N: int
) -> tuple[Float[Array, "p p"], Float[Array, "p k"]]:
    """Return the mean of `one_step`, exact at every N; `drift` is its limit N → ∞.

    Direction and length of x are independent, so a weight |x|²/N under the mean of a polynomial
    of degree n is a factor 1 + n/N. It acts on the term of order η²: n = 6, and 2 for the part
    of the label noise.

    Notes
    -----
    docs/theory.md (2.1), (2.2).
    """
    C = joint_covariance(state.Q, state.M, task.T)
    moments, p = gaussian_moments(C, task.readout, task.label_noise), task.p
    noise = task.label_noise * C
    Gamma = (1 + 6 / N) * (moments.Gamma - noise) + (1 + 2 / N) * noise
    change = -2 * eta * moments.Phi
    return 2 * change[:p, :p] + 4 * eta**2 * Gamma[:p, :p], change[:p, p:]


def _runs(N: int, runs: int, seed: int, method: Any = "overlaps") -> list[Trajectory]:
    """Return runs of SGD from the fixed start."""
    step = 0.02 if method == "diffusion" else None  # its discretisation is far below 1/√N then
    how: dict[str, Any] = dict(eta=_ETA, alpha=_ALPHA, N=N, method=method, step=step)
    seeds = np.random.SeedSequence([seed, N]).spawn(runs)
    return [
        simulate(_TASK, _START, rng=np.random.default_rng(child), progress=False, **how)
        for child in seeds
    ]


def _distances(runs: Iterable[Trajectory], ode: Trajectory) -> Array:
    return np.array([distance(run, ode) for run in runs])


def _mean(sample: Array) -> tuple[float, float]:
    """Mean, and its standard error."""
    return float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(len(sample)))


def _rms(sample: Array) -> tuple[float, float]:
    """Root mean square, and its standard error."""
    square, error = _mean(sample**2)
    return square**0.5, error / (2 * square**0.5)


def _slope(x: Array, y: Array, error: Array) -> tuple[float, float]:
    """Slope of the weighted straight line through y(x), and its standard error."""
    weight = error**-2
    centred = x - np.average(x, weights=weight)
    size = (weight * centred**2).sum()
    return float((weight * centred * y).sum() / size), float(size**-0.5)


def _power(N: Sequence[int], points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Exponent of a power law through (value, error), and its standard error."""
    value, error = np.transpose(points)
    return _slope(np.log(np.asarray(N, float)), np.log(value), error / value)


@claim(
    "C1",
    "In high dimension one-pass SGD follows closed ODEs for the overlap matrices.",
    _NOTEBOOK,
)
def C1(effort: Effort) -> Iterator[Finding]:
    """Mean of a step, distance against N, and what the ODE misses without its η² term."""
    full = effort == "full"
    weights = random_weights(_TASK, 30, 2)
    exact = mean_step(_TASK, weights.overlaps, 0.2, weights.N)
    steps = one_step(weights, 0.2, 2_000_000 if full else 200_000, 3)
    for name, predicted, sample in zip("QM", exact, steps, strict=True):
        yield Finding(
            f"mean change of {name}₁₁ in one SGD step, times N (η = 0.2, N = 30)",
            float(predicted[0, 0]),
            *_mean(sample[:, 0, 0]),
        )

    how: dict[str, Any] = dict(eta=_ETA, alpha=_ALPHA, rtol=1e-10)
    ode = integrate(_TASK, _START, **how)
    sizes = {300: 100, 1000: 100, 3000: 60, 10_000: 40}
    runs = {N: _runs(N, 10 * number if full else number, 4) for N, number in sizes.items()}
    found = [_rms(_distances(those, ode)) for those in runs.values()]
    slope, error = _power(list(sizes), found)
    # D² is a series in 1/N; its second term is below 2 % of the first from N = 300 on
    yield Finding(
        "exponent of the distance SGD-ODE in N, from 300 to 10⁴", -0.5, slope, error, 0.005
    )
    limit, limit_error = _rms(
        1e5 * _distances(_runs(10**10, 600 if full else 60, 5, "diffusion"), ode)
    )
    last, last_error = (100 * value for value in found[-1])
    yield Finding(
        "√N × distance SGD-ODE: N → ∞ by diffusion, and N = 10⁴",
        limit, last, float(np.hypot(limit_error, last_error)), tolerance=0.01 * limit,
    )  # fmt: skip
    flow = integrate(_TASK, _START, gradient_noise=False, **how)
    gap = distance(ode, flow)
    missed, error = _rms(_distances(runs[10_000], flow))
    # the error of the first term of √(gap² + limit²/N) is 0
    error = float(np.hypot(error, limit * limit_error / 1e4 / missed))
    yield Finding(
        "distance of SGD at N = 10⁴ from the ODE without its η² term",
        float(np.hypot(gap, limit / 100)), missed, error, tolerance=0.01 * missed,
    )  # fmt: skip


@claim(
    "random start",
    "From a random start the ODE's error in the escape time does not shrink with N.",
    _NOTEBOOK,
)
def random_start(effort: Effort) -> Iterator[Finding]:
    """SGD against the ODE from the very same random start, on to the escape."""
    runs, sizes = (2000 if effort == "full" else 60), [10**4, 10**6, 10**8]
    both = [_delays(N, runs) for N in sizes]
    early, late = ([_rms(values) for values in column] for column in zip(*both, strict=True))
    for what, predicted, points in (
        ("distance SGD-ODE up to α = 5", -0.5, early),
        ("difference of the escape times SGD-ODE", 0.0, late),
    ):
        slope, error = _power(sizes, points)
        # at N = 10⁴ terms of the next order are 1 %, over four decades
        yield Finding(
            f"exponent in N, from 10⁴ to 10⁸, of the {what}", predicted, slope, error, 0.002
        )


def _delays(N: int, runs: int) -> tuple[Array, Array]:
    """Distances up to α = 5 from the ODE with the same start, and differences of escape times."""
    law = escape_law(_TASK, N, _ETA)
    alpha = np.concatenate(
        [np.linspace(0, 5, 11), np.linspace(5, law.mean + 12 * law.std, 201)[1:]]
    )
    early, late = np.empty(runs), np.empty(runs)
    for i, child in enumerate(np.random.SeedSequence([7, N]).spawn(runs)):
        rng = np.random.default_rng(child)
        start = random_overlaps(_TASK, N, rng)
        how: dict[str, Any] = dict(eta=_ETA, alpha=alpha)
        ode = integrate(_TASK, start, rtol=1e-7, **how)
        how |= dict(N=N, method="diffusion", step=0.02)
        run = simulate(_TASK, start, rng=rng, progress=False, **how)
        late[i] = run.escape_time() - ode.escape_time()
        early[i] = np.sqrt(_squares(run, ode)[:11].mean())
    return early, late


@claim(
    "one law",
    "The overlap chain has the law of SGD on N-dimensional vectors, for every N.",
    _NOTEBOOK,
)
def one_law(effort: Effort) -> Iterator[Finding]:
    """Mean and spread of overlaps and of the loss, at a small N where the ODE is far off."""
    runs, N = (20_000 if effort == "full" else 2000), 50
    how: dict[str, Any] = dict(eta=0.05, alpha=[0.0, 5.0, 15.0], N=N, runs=runs, progress=False)
    literal = ensemble(Task(2, 1), seed=8, method="weights", **how)
    chain = ensemble(Task(2, 1), seed=9, method="overlaps", **how)
    for name, a, b in (
        ("Q₁₁ at α = 5", literal.Q[:, 1, 0, 0], chain.Q[:, 1, 0, 0]),
        ("|M₁₁| at α = 5", np.abs(literal.M[:, 1, 0, 0]), np.abs(chain.M[:, 1, 0, 0])),
        ("the loss at α = 15", literal.loss[:, 2], chain.loss[:, 2]),
    ):
        for what, (x, x_error), (y, y_error) in (
            ("mean", _mean(a), _mean(b)),
            ("mean square", _mean(a**2), _mean(b**2)),
        ):
            yield Finding(
                f"{what} of {name}, N = {N}: weights, and overlaps",
                x, y, float(np.hypot(x_error, y_error)),
            )  # fmt: skip
