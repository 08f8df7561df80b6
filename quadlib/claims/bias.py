"""C3 and C4: a manifold of solutions, and which of them is chosen; the blur of single runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from quadlib.bias import closest_solution, conserved_quantity
from quadlib.checks import Constraint
from quadlib.claims.alignment import (
    dimension,
    end_angles,
    ode_deviations,
    polar_factor,
    predicted_blur,
    random_solution,
    sgd_misalignments,
)
from quadlib.claims.base import Effort, Finding, claim
from quadlib.dynamics.flow import gradient_flow
from quadlib.dynamics.ode import integrate
from quadlib.escape import escape_law
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, Weights, loss, random_overlaps, random_weights
from quadlib.task import Task
from quadlib.trajectory import Trajectory

__all__ = ["C3", "C4", "blur", "power_law"]

_HOME = "04_implicit_bias"


@claim(
    "C3",
    "With unconstrained norms the zero-loss solutions form a manifold of dimension "
    "p p* − p*(p* + 1)/2, for p > 1 not isolated.",
    _HOME,
)
def C3(effort: Effort) -> Iterator[Finding]:
    """Loss on the manifold; its dimension, found by minimising the loss; spherical norms."""
    worst = 0.0
    for seed, (p, k, T) in enumerate(((2, 1, None), (4, 2, [1.5, 0.5]), (6, 4, None))):
        task = Task(p, k, T)
        worst = max(worst, *(loss(task, random_solution(task, 100 * seed + i)) for i in range(50)))
    yield Finding("largest loss of 150 random points of it", 0, worst, tolerance=1e-12)

    sizes = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 2)]
    for p, k in sizes + ([(5, 2), (4, 3), (4, 4)] if effort == "full" else []):
        name = f"dimension of the set of minima, p = {p}, p* = {k}"
        yield Finding(name, p * k - k * (k + 1) // 2, dimension(Task(p, k)))

    task, far = Task(3, 3), 0.0
    for seed in range(5):
        start = random_overlaps(task, 10**4, seed)
        end = integrate(task, start, eta=0.1, alpha=[600.0], gradient_noise=False).M[-1]
        # M alone: Q is known to the error of the ODE only, which a distance would see by its root
        singular = np.linalg.svd(end, compute_uv=False)
        far = max(far, float(np.abs(singular - 1).max()))
    yield Finding("p = p* = 3: flow from random starts ends off it by", 0, far, tolerance=1e-6)

    angles: Array = 0.1 + np.arange(24) * np.pi / 12
    cases: tuple[tuple[Constraint, int], ...] = (("free", len(angles)), ("spherical", 4))
    for constraint, predicted in cases:
        ends = np.round(end_angles(angles, constraint) / (2 * np.pi) * 1e3) % 1000
        name = f"{constraint}, p = 2, p* = 1: end points of the ODE from {len(angles)} angles"
        yield Finding(name, predicted, len(np.unique(ends)))


@claim(
    "C4",
    "Dynamics picks the solution closest to the random start, through a conserved quantity.",
    _HOME,
)
def C4(effort: Effort) -> Iterator[Finding]:
    """Conserved matrix and polar factor; how far flow and ODE miss the closest solution."""
    T = [[1.2, 0.2], [0.2, 0.8]]
    task = Task(4, 2, T)
    start = random_overlaps(task, 10**4, 1)
    alpha = np.linspace(0.0, 40.0, 21)  # the loss is gone, and Q⊥ keeps its digits
    for name, flow in (
        ("reduced flow", gradient_flow(task, start, eta=0.1, alpha=alpha)),
        ("ODE without its η² term",
         integrate(task, start, eta=0.1, alpha=alpha, gradient_noise=False, rtol=1e-12)),
    ):  # fmt: skip
        change = _change(flow)
        yield Finding(f"relative change of the conserved matrix, {name}", 0, change, 0, 1e-6)

    task = Task(4, 2)
    isotropic = Overlaps(np.eye(4), random_overlaps(task, 10**4, 3).M)
    run = integrate(task, isotropic, eta=0.1, alpha=[0.0, 60.0, 120.0], rtol=1e-12)
    turn = float(np.abs(polar_factor(run.M) - polar_factor(isotropic.M)).max())
    yield Finding("change of the polar factor along the ODE, Q(0) = I", 0, turn, 0, 1e-6)
    near = _flow_end_distance()
    yield Finding("distance of the flow's end from the closest solution, Q(0) = I, p = p* = 2",
                  0, near, 0, 1e-6)  # fmt: skip

    runs = 100 if effort == "full" else 12
    sizes = np.array([10**4, 10**6, 10**8])
    for name, noise in (("flow", False), ("ODE", True)):
        found = np.array([ode_deviations(task, 0.05, int(N), runs, 2, noise) for N in sizes])
        slope, error = power_law(sizes, found[:, :, 0])
        yield Finding(
            f"exponent in N of ‖O∞ − O_0‖, {name}, random start", -0.5, slope, error, 0.01
        )
        if not noise:
            # What is left of Q − qI at the escape: it decays as e^{−8ηα/(p+2)}, α = (p*/8η) ln N
            predicted, (slope, error) = -1 / 2 - 2 / 6, power_law(sizes, found[:, :, 1])
            yield Finding(
                "exponent in N of the flow's distance from the polar factor of Q(0)^{-1/2} M(0): "
                "−1/2 − p*/(p + 2)",
                predicted, slope, error, 0.02,
            )  # fmt: skip


def _change(flow: Trajectory) -> float:
    conserved = conserved_quantity(flow)
    return float(np.abs(conserved - conserved[0]).max() / np.abs(conserved[0]).max())


def _flow_end_distance() -> float:
    """N-dimensional: the end weights of the flow, at zero loss W = M T⁻¹ W*, against the start."""
    task, N = Task(2, 2), 20
    drawn = random_weights(task, N, 5)
    left, _, right = np.linalg.svd(drawn.W, full_matrices=False)
    start = Weights(np.sqrt(N) * left @ right, drawn.W_star)  # Q(0) = I
    how: dict[str, Any] = {"eta": 0.1, "alpha": [400.0], "gradient_noise": False, "rtol": 1e-12}
    M = integrate(task, start.overlaps, **how).M[-1]
    gap = M @ start.W_star - closest_solution(start)
    return float(np.linalg.norm(gap) / np.sqrt(N))


def power_law(x: Sequence[float] | Array, samples: Float[Array, "n runs"]) -> tuple[float, float]:
    """Exponent of the root mean square of each row against x, and its standard error."""
    square = (samples**2).mean(1)
    error = (samples**2).std(1, ddof=1) / np.sqrt(samples.shape[1]) / (2 * square)
    weight = np.log(x) - np.log(x).mean()
    weight /= (weight**2).sum()
    return float(weight @ np.log(square) / 2), float(np.sqrt((weight**2 * error**2).sum()))


@claim(
    "blur",
    "A run of SGD picks the closest solution up to a blur that N does not reduce; it shrinks with "
    "η, and v_eff predicts it.",
    _HOME,
)
def blur(effort: Effort) -> Iterator[Finding]:
    """Misalignment 1 − cos against (5.5): in N, in η, and where it has a closed form."""
    runs = 4000 if effort == "full" else 200
    task, name = Task(4, 2), "mean 1 − cos, p = 4, p* = 2, "
    cases: list[tuple[float, int, Any]] = [
        (0.05, 500, "overlaps"),
        (0.05, 10**6, "diffusion"),
        (0.05, 10**10, "diffusion"),
    ]
    samples = []
    for eta, N, method in [*cases, (0.01, 10**6, "diffusion")]:
        predicted, spread = predicted_blur(4, 2, escape_law(task, N, eta).v_eff - 1)
        samples.append(sgd_misalignments(task, eta, N, runs, 1, method))
        yield _mean(f"{name}η = {eta:g}, N = {N:.4g}", predicted, samples[-1], spread)
    slope, error = power_law([N for _, N, _ in cases], np.sqrt(samples[:3]))
    yield Finding("exponent of 1 − cos in N, η = 0.05", 0.0, 2 * slope, 2 * error, 0.005)

    p, eta, N = 8, 0.005, 10**8
    epsilon = escape_law(Task(p, 1), N, eta).v_eff - 1
    found = sgd_misalignments(Task(p, 1), eta, N, runs, 2)
    first = epsilon * (p - 1) / (2 * (p - 2))
    yield _mean("small η: p = 8, p* = 1, η = 0.005, ε (p − 1)/2(p − 2)", first, found, first * 0.02)

    epsilon = escape_law(Task(1, 1), 500, 0.05).v_eff - 1
    found = sgd_misalignments(Task(1, 1), 0.05, 500, 2 * runs, 3, "overlaps") / 2
    name = "share of runs that end at the farther of the two solutions, p = p* = 1, η = 0.05"
    yield _mean(name, float(np.arctan(np.sqrt(epsilon)) / np.pi), found)


def _mean(name: str, predicted: float, sample: Array, spread: float = 0.0) -> Finding:
    """A mean, to the 3 % that finite N and the steps of the diffusion may cost."""
    error = float(np.hypot(sample.std(ddof=1) / np.sqrt(len(sample)), spread))
    return Finding(name, predicted, float(sample.mean()), error, 0.03 * predicted)
