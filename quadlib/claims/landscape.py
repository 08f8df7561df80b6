"""The landscape: saddles, flat directions, and what a finite sample leaves of them."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from quadlib import Overlaps, Task, Weights, hessian_spectrum, loss, plateau
from quadlib.claims.base import Effort, Finding, shown_in
from quadlib.claims.measure import chosen, of_sample, sgd, where
from quadlib.notation import number
from quadlib.shapes import Array

__all__ = ["C5", "multiplicities", "quartic", "sampled"]

claim = shown_in("05_landscape")


def _plateau(task: Task) -> Overlaps:
    """Return the plateau of gradient flow."""
    return Overlaps(plateau(task).q * np.eye(task.p), np.zeros((task.p, task.p_star)))


def _solution(task: Task) -> Overlaps:
    """Return the zero-loss overlaps W = √(p/p*) O W* with O the first p* unit vectors, T = I."""
    O = np.eye(task.p, task.p_star)
    return Overlaps(task.p / task.p_star * O @ O.T, np.sqrt(task.p / task.p_star) * O)


@claim("C5")
def C5(effort: Effort) -> Iterator[Finding]:
    """The plateau is a saddle with p p* negative eigenvalues −4/(p p*); solutions have none."""
    task, eta = Task(4, 2), 0.02
    for N in (10**4, 10**12):
        stuck, solved = (hessian_spectrum(task, state(task), N) for state in (_plateau, _solution))
        name = f"p = 4, p* = 2, N = {number(N)}"
        yield Finding(f"index of the plateau, {name} (rival: one)", 8, stuck.index, rival=1)
        yield Finding(f"index of a solution, {name} (rival: as before)", 0, solved.index, rival=8)
    name = "lowest eigenvalue of the plateau (rival: −4/p*)"
    yield Finding(name, -0.5, float(stuck.values[0]), 0.0, 1e-9, rival=-2.0)
    runs = sgd(task, eta, 10**4, chosen(effort, 4, 20), 1, alpha=[40.0])
    indices = [
        hessian_spectrum(task, Overlaps(Q[0], M[0]), 10**4).index
        for Q, M in zip(runs.Q, runs.M, strict=True)
    ]
    name = f"mean index of SGD at α = 40, {where(task, eta, 10**4)} (rival: one)"
    yield Finding(name, 8, float(np.mean(indices)), method="chain", rival=1)


@claim("multiplicities")
def multiplicities(effort: Effort) -> Iterator[Finding]:
    """Every eigenvalue of plateau and solution, and how often, for T = I."""
    largest, wrong, count = 10 if effort == "full" else 6, 0, 0
    for p, k, N in product(range(1, largest + 1), range(1, largest + 1), (0, 1000, 10**12)):
        N, task = max(N, p + k), Task(p, k)
        stuck = {
            -4 / (p * k): p * k, 0.0: p * (N - p - k) + p * (p - 1) // 2,
            8 / (p * (p + 2)): p * (p + 1) // 2 - 1, 4 / p: 1,
        }  # fmt: skip
        solved = {
            0.0: (p - k) * N + k * (k - 1) // 2, 4 / (p * k): k * (N - k),
            8 / (p * k): k * (k + 1) // 2 - 1, 4 * (k + 2) / (p * k): 1,
        }  # fmt: skip
        for state, form in ((_plateau, stuck), (_solution, solved))[: 1 + (p >= k)]:
            found = hessian_spectrum(task, state(task), N)
            values = sorted(value for value in form if form[value])
            counts = found.multiplicities.tolist() == [form[value] for value in values]
            wrong += not (counts and np.allclose(found.values, values))
            count += 1
    name = f"spectra unlike the closed form, of {count} with p, p* ≤ {largest} and N up to 10¹²"
    yield Finding(name, 0, wrong)
    flat = hessian_spectrum(Task(4, 2), _solution(Task(4, 2)), 1000).nullity
    name = "flat directions of a solution, p = 4, p* = 2, N = 1000 (rival: the manifold's)"
    yield Finding(name, 2001, flat, rival=5)


@claim("quartic")
def quartic(effort: Effort) -> Iterator[Finding]:
    """Surplus units move at no cost to second order: the loss grows as ε⁴."""
    task, eps = Task(3, 1), np.geomspace(0.01, 0.1, 5)
    solved, stuck = (state(task).weights(task, 12, 3) for state in (_solution, _plateau))
    flat, down = np.zeros_like(solved.W), np.zeros_like(stuck.W)
    flat[-1] = np.linalg.svd(np.vstack([solved.W, solved.W_star]))[2][-1]  # of a unit that is 0
    down[0] = stuck.W_star[0] / np.linalg.norm(stuck.W_star[0])

    def along(weights: Weights, V: Array) -> Array:
        """Return what the loss changes by at w + ε V, w = W/√N."""
        moved = [Weights(weights.W + e * np.sqrt(12) * V, weights.W_star).overlaps for e in eps]
        return np.array([loss(task, there) for there in moved]) - loss(task, weights.overlaps)

    rise, drop = along(solved, flat), -along(stuck, down)
    slope, steep = (float(np.polyfit(np.log(eps), np.log(y), 1)[0]) for y in (rise, drop))
    yield Finding("exponent (rival: quadratic)", 4.0, slope, 0.0, 1e-6, rival=2.0)
    # (1/p²)[½ (tr VVᵀ)² + tr VVᵀVVᵀ] with one row of unit length
    name, found = "loss / ε⁴, p = 3, p* = 1 (rival: without ½ (tr)²)", rise[-1] / eps[-1] ** 4
    yield Finding(name, 1.5 / 9, float(found), 0.0, 1e-9, rival=1 / 9)
    name = "exponent of the drop along a negative direction of the plateau (rival: quartic)"
    yield Finding(name, 2.0, steep, 0.0, 0.02, rival=4.0)  # the quartic term, at ε ≤ 0.1


@claim("sampled")
def sampled(effort: Effort) -> Iterator[Finding]:
    """Given n samples, outliers of the Hessian approach the population's as N/n."""
    task, N, seeds = Task(1, 1), 200, 200 if effort == "full" else 24
    found = np.empty((seeds, 2, 3))
    for seed, i in np.ndindex(seeds, 2):
        rng = np.random.default_rng((seed, i))
        weights, X = _plateau(task).weights(task, N, rng), rng.standard_normal(((16, 64)[i] * N, N))
        (w, u), n = np.vstack([weights.W, weights.W_star]) / np.sqrt(N), len(X)
        H = (X.T * (4 * (X @ w) ** 2 + 2 * ((X @ w) ** 2 - (X @ u) ** 2))) @ X / n
        found[seed, i] = *np.linalg.eigvalsh(H)[:2], u @ H @ u
    # How much it lies below the same Hessian in the population's direction
    ratio = (found[:, 0, 2] - found[:, 0, 0]).mean() / (found[:, 1, 2] - found[:, 1, 0])
    name = "excess of the lowest at n/N = 16 over that at 64, p = p* = 1, N = 200 (rival: 2)"
    yield of_sample(name, 4.0, ratio, 0.05, "algebra", 2.0)
    clear = found[:, 1, 1] - found[:, 1, 0] > 0.5
    name = "share of samples of which it stands clear by 0.5, n/N = 64 (rival: none)"
    yield Finding(name, 1.0, float(clear.mean()), rival=0.0)
