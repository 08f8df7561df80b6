"""Measures of which solution was chosen, and the experiments that the claims of C3 and C4 share."""

from typing import Any, Literal

import numpy as np

from quadlib.bias import misalignment as misalignment
from quadlib.bias import polar_factor as polar_factor
from quadlib.checks import Constraint, Random, as_generator
from quadlib.dynamics import simulate
from quadlib.dynamics.ode import integrate
from quadlib.escape import escape_law
from quadlib.plateau import plateau
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, random_overlaps, random_weights
from quadlib.task import Task

__all__ = [
    "blurred",
    "dimension",
    "distances",
    "end_angles",
    "misalignment",
    "ode_deviations",
    "polar_factor",
    "predicted_blur",
    "random_solution",
    "sgd_misalignments",
    "whitened",
]


def random_solution(task: Task, rng: Random) -> Overlaps:
    """Draw a zero-loss solution W = √(p/p*) O W*, O uniform, (5.4); return its overlaps."""
    p, k = task.p, task.p_star
    O = polar_factor(as_generator(rng, "solution").standard_normal((p, k)))
    return Overlaps(p / k * O @ task.T @ O.T, np.sqrt(p / k) * O @ task.T)


def distances(task: Task, state: Overlaps, O: Float[Array, "*n p k"]) -> Float[Array, "*n"]:
    """Return ‖W − √(p/p*) O W*‖/√N, from the overlaps of W."""
    p, k = task.p, task.p_star
    square = np.trace(state.Q) + p / k * np.trace(task.T)
    return np.asarray(np.sqrt(square - 2 * np.sqrt(p / k) * (O * state.M).sum((-2, -1))))


def dimension(task: Task, seed: int = 0) -> int:
    """Dimension of the set of zero-loss points around one of them, found by minimising the loss.

    From near a solution the loss is minimised again and again; the points reached fill a piece of
    the set, and its widths in all directions are singular values. Nothing is assumed of the set.
    """
    from scipy.optimize import least_squares

    p, k, N = task.p, task.p_star, task.p + task.p_star
    rng = np.random.default_rng(seed)
    W_star = random_weights(task, N, rng).W_star / np.sqrt(N)
    centre = np.sqrt(p / k) * polar_factor(rng.standard_normal((p, k))) @ W_star

    def residual(x: Array) -> Array:
        """Numbers whose squares add up to the loss, Δ = xᵀEx: ½(tr E)² + tr E²."""
        w = x.reshape(p, N)
        E = w.T @ w / p - W_star.T @ W_star / k
        return np.append(E.ravel(), np.trace(E) / np.sqrt(2))

    size, tight = 1e-4, {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    starts = centre + size * rng.standard_normal((p * N, p, N))
    reached = [least_squares(residual, start.ravel(), **tight).x for start in starts]
    widths = np.linalg.svd(np.array(reached) - centre.ravel(), compute_uv=False)
    # Along the set the minimiser strays by 1e-2; the set's curvature makes 1e-4 of that
    return int((widths > 0.02 * max(size, widths[0])).sum())


def whitened(state: Overlaps) -> Array:
    """Return Q^{-1/2} M, whose polar factor is the flow's end point but for O(1/N)."""
    values, vectors = np.linalg.eigh(state.Q)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T @ state.M)


def end_angles(angles: Array, constraint: Constraint) -> Array:
    """End points of the ODE, p = 2 and p* = 1, as angles; it starts at Q = I and these angles."""
    task, eta = Task(2, 1), 0.1
    ends = np.empty(len(angles))
    for i, angle in enumerate(angles):
        start = Overlaps(np.eye(2), 0.01 * np.array([[np.cos(angle)], [np.sin(angle)]]))
        how: dict[str, Any] = {
            "eta": eta,
            "alpha": [400.0],
            "constraint": constraint,
            "rtol": 1e-10,
        }
        M = integrate(task, start, **how).M[-1]
        ends[i] = np.arctan2(M[1, 0], M[0, 0])
    return ends


def ode_deviations(
    task: Task, eta: float, N: int, runs: int, seed: int = 0, gradient_noise: bool = True
) -> Float[Array, "runs 2"]:
    """‖O∞ − O‖ for O of the closest solution, and for the polar factor of Q(0)^{-1/2} M(0)."""
    end = (np.log(N) / 2 + 9) / plateau(task, eta).escape_rate
    how: dict[str, Any] = {
        "eta": eta,
        "alpha": [float(end)],
        "gradient_noise": gradient_noise,
        "rtol": 1e-10,
    }
    out = np.empty((runs, 2))
    for row, child in zip(out, np.random.SeedSequence([seed, N]).spawn(runs), strict=True):
        start = random_overlaps(task, N, np.random.default_rng(child))
        O = polar_factor(integrate(task, start, **how).M[-1])
        for i, M in enumerate((start.M, whitened(start))):
            row[i] = np.linalg.norm(O - polar_factor(M))
    return out


def blurred(M: Float[Array, "*n p k"], variance: float, rng: Random) -> Float[Array, "*n"]:
    """Misalignment of each M with itself plus Gaussian noise of this variance in each entry."""
    noise = np.sqrt(variance) * as_generator(rng, "blurred").standard_normal(M.shape)
    return misalignment(polar_factor(M), polar_factor(M + noise))


def predicted_blur(p: int, p_star: int, epsilon: float, draws: int = 40_000) -> tuple[float, float]:
    """Mean misalignment 1 − cos of single runs of SGD, (5.5), and its standard error."""
    rng = np.random.default_rng(0)
    found = blurred(rng.standard_normal((draws, p, p_star)), epsilon, rng)
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(draws))


def sgd_misalignments(
    task: Task,
    eta: float,
    N: int,
    runs: int,
    seed: int = 0,
    method: Literal["overlaps", "diffusion"] = "diffusion",
) -> Float[Array, " runs"]:
    """Misalignment of the end point of independent runs of SGD with their closest solution.

    The diffusion takes short steps, or the noise of the plateau would be a few draws of a heavy
    tail instead of the Gaussian that many samples add up to.
    """
    law = escape_law(task, N, eta)
    alpha = [0.0, law.mean + 4 * law.std]
    step = 0.03 / law.rate if method == "diffusion" else None
    out = np.empty(runs)
    for i, child in enumerate(np.random.SeedSequence([seed, N]).spawn(runs)):
        rng = np.random.default_rng(child)
        how: dict[str, Any] = {
            "eta": eta,
            "alpha": alpha,
            "N": N,
            "rng": rng,
            "method": method,
            "step": step,
        }
        O = polar_factor(simulate(task, None, progress=False, **how).M)
        out[i] = misalignment(O[0], O[1])
    return out
