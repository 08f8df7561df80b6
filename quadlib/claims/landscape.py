"""The landscape: saddles, flat directions, and what a finite sample leaves of them."""

from collections.abc import Iterator

import numpy as np

from quadlib.claims.base import Effort, Finding, claim
from quadlib.dynamics import simulate
from quadlib.landscape import Spectrum, empirical_hessian_operator, hessian_spectrum
from quadlib.plateau import plateau
from quadlib.shapes import Array
from quadlib.state import Overlaps, Weights, loss
from quadlib.task import Task

__all__ = ["C5", "multiplicities", "quartic", "sampled"]

_HOME = "05_landscape"


def on_plateau(task: Task) -> Overlaps:
    """Return the plateau of gradient flow."""
    return Overlaps(plateau(task).q * np.eye(task.p), np.zeros((task.p, task.p_star)))


def solution(task: Task) -> Overlaps:
    """Return the zero-loss overlaps W = √(p/p*) O W* with O the first p* unit vectors, T = I."""
    O = np.eye(task.p, task.p_star)
    return Overlaps(task.p / task.p_star * O @ O.T, np.sqrt(task.p / task.p_star) * O)


@claim(
    "C5",
    "The plateau is a saddle with p p* negative eigenvalues −4/(p p*); solutions have none.",
    _HOME,
)
def C5(effort: Effort) -> Iterator[Finding]:
    """Index and lowest eigenvalue from the loss itself, at any N, and along a run of SGD."""
    task, N = Task(3, 2), 7
    for name, state, index in (("plateau", on_plateau(task), 6), ("solution", solution(task), 0)):
        values = np.linalg.eigvalsh(_second_differences(task, state.weights(task, N, 0)))
        yield Finding(
            f"negative eigenvalues of second differences of the loss, {name}, p = 3, p* = 2, N = 7",
            index,
            int((values < -1e-3).sum()),
        )
        if index:
            # fourth derivatives leave O(step²); rounding leaves ε/step²
            yield Finding("lowest of them", -4 / 6, float(values[0]), tolerance=1e-5)
    task = Task(4, 2)
    for N in (10**4, 10**12):
        yield Finding(
            f"index of the plateau, p = 4, p* = 2, N = {N:.0e}",
            8,
            hessian_spectrum(task, on_plateau(task), N).index,
        )
        yield Finding(
            f"index of a solution, p = 4, p* = 2, N = {N:.0e}",
            0,
            hessian_spectrum(task, solution(task), N).index,
        )
    run = simulate(task, None, eta=0.02, alpha=[40.0], N=10**4, rng=1, progress=False)
    yield Finding(
        "index of SGD on the plateau, N = 1e4, η = .02, α = 40",
        8,
        hessian_spectrum(task, Overlaps(run.Q[-1], run.M[-1]), 10**4).index,
    )


@claim(
    "multiplicities", "Every eigenvalue of plateau and solution, and how often, for T = I.", _HOME
)
def multiplicities(effort: Effort) -> Iterator[Finding]:
    """Closed forms (7.4) and (7.5) against the block reduction."""
    largest = 10 if effort == "full" else 6
    wrong = {"plateau": 0, "solution": 0}
    count = {"plateau": 0, "solution": 0}
    for p in range(1, largest + 1):
        for k in range(1, largest + 1):
            for N in (p + k, 1000, 10**12):
                task = Task(p, k)
                plateau_form = {
                    -4 / (p * k): p * k,
                    0.0: p * (N - p - k) + p * (p - 1) // 2,
                    8 / (p * (p + 2)): p * (p + 1) // 2 - 1,
                    4 / p: 1,
                }
                count["plateau"] += 1
                spectrum = hessian_spectrum(task, on_plateau(task), N)
                wrong["plateau"] += not _same(spectrum, plateau_form)
                if p < k:
                    continue
                solution_form = {
                    0.0: (p - k) * N + k * (k - 1) // 2,
                    4 / (p * k): k * (N - k),
                    8 / (p * k): k * (k + 1) // 2 - 1,
                    4 * (k + 2) / (p * k): 1,
                }
                count["solution"] += 1
                spectrum = hessian_spectrum(task, solution(task), N)
                wrong["solution"] += not _same(spectrum, solution_form)
    for name in wrong:
        yield Finding(
            f"spectra unlike the closed form at the {name}, of {count[name]} "
            f"with p, p* ≤ {largest} and N up to 1e12",
            0,
            wrong[name],
        )


@claim("quartic", "Surplus students move at no cost to second order: the loss grows as ε⁴.", _HOME)
def quartic(effort: Effort) -> Iterator[Finding]:
    """Exponent and prefactor along a flat direction that leaves the teacher's span."""
    task, N = Task(3, 1), 12
    weights = solution(task).weights(task, N, 3)
    eps = np.geomspace(0.01, 0.1, 5)
    V = flat_direction(weights)
    losses = loss_along(weights, V, eps)
    # (1/p²)[½ (tr VVᵀ)² + tr VVᵀVVᵀ] with one row of unit length
    yield Finding("exponent", 4.0, _slope(eps, losses), tolerance=1e-6)
    yield Finding("loss / ε⁴, p = 3, p* = 1", 1.5 / 9, float(losses[-1] / eps[-1] ** 4), 0.0, 1e-9)
    start = on_plateau(task).weights(task, N, 3)
    drop = loss(task, start.overlaps) - loss_along(start, negative_direction(start), eps)
    yield Finding(
        "exponent of the drop along a negative direction of the plateau",
        2.0,
        _slope(eps, drop),
        tolerance=0.02,  # the quartic term of the loss, at ε ≤ 0.1
    )


@claim(
    "sampled", "Given n samples, outliers of the Hessian approach the population's as N/n.", _HOME
)
def sampled(effort: Effort) -> Iterator[Finding]:
    """The p p* negative eigenvalues of the plateau on finite data."""
    task, N = Task(2, 1), 100
    seeds = 200 if effort == "full" else 40
    ratios = np.array([16, 32, 64])
    lowest = np.array([[sampled_spectrum(task, N, r, s)[:3] for r in ratios] for s in range(seeds)])
    beyond = -2.0 - lowest[:, :, 0]
    mean, error = beyond.mean(0), beyond.std(0, ddof=1) / np.sqrt(seeds)
    weight = np.log(ratios) - np.log(ratios).mean()
    weight /= (weight**2).sum()
    yield Finding(
        "slope of ln(excess of the lowest) against ln(n/N), p = 2, p* = 1, N = 100",
        -1.0,
        float(weight @ np.log(mean)),
        float(np.sqrt(((weight * error / mean) ** 2).sum())),
        tolerance=0.15,  # corrections of relative order N/n at n/N = 16
    )
    yield Finding(
        "samples of which two eigenvalues stand clear of the rest by 0.5, n/N = 64",
        seeds,
        int((lowest[:, -1, 2] - lowest[:, -1, 1] > 0.5).sum()),
    )


def sampled_spectrum(task: Task, N: int, ratio: float, seed: int) -> Array:
    """Eigenvalues of the plateau's Hessian on ratio · N samples."""
    rng = np.random.default_rng(seed)
    weights = on_plateau(task).weights(task, N, rng)
    X = rng.standard_normal((round(ratio * N), N))
    return np.linalg.eigvalsh(empirical_hessian_operator(weights, X) @ np.eye(task.p * N))


def flat_direction(weights: Weights) -> Array:
    """Unit move of a student that is zero, out of the teacher's span: flat, not tangent."""
    V = np.zeros_like(weights.W)
    outside = np.linalg.svd(np.vstack([weights.W, weights.W_star]))[2][-1]
    V[-1] = outside
    return V


def negative_direction(weights: Weights) -> Array:
    """Unit move of one student along a teacher."""
    V = np.zeros_like(weights.W)
    V[0] = weights.W_star[0] / np.linalg.norm(weights.W_star[0])
    return V


def loss_along(weights: Weights, V: Array, eps: Array) -> Array:
    """Loss at w + ε V, w = W/√N."""
    task = weights.task()
    moved = [Weights(weights.W + e * np.sqrt(weights.N) * V, weights.W_star) for e in eps]
    return np.array([loss(task, there.overlaps) for there in moved])


def _second_differences(task: Task, weights: Weights, step: float = 1e-3) -> Array:
    """Dense Hessian in w = W/√N by central differences of the loss."""
    size = weights.W.size
    moves = step * np.eye(size).reshape(size, *weights.W.shape)

    def at(V: Array) -> float:
        return float(loss_along(weights, V, np.ones(1))[0])

    H = np.empty((size, size))
    for i in range(size):
        for j in range(i + 1):
            H[i, j] = H[j, i] = (
                at(moves[i] + moves[j])
                - at(moves[i] - moves[j])
                - at(moves[j] - moves[i])
                + at(-moves[i] - moves[j])
            ) / (4 * step**2)
    return H


def _same(spectrum: Spectrum, form: dict[float, int]) -> bool:
    pairs = sorted((value, count) for value, count in form.items() if count > 0)
    values = np.array([value for value, _ in pairs])
    return (
        len(values) == len(spectrum.values)
        and bool(np.allclose(spectrum.values, values, rtol=1e-9, atol=1e-12))
        and spectrum.multiplicities.tolist() == [count for _, count in pairs]
    )


def _slope(x: Array, y: Array) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
