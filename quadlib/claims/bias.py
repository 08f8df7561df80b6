"""C3 and C4: a manifold of solutions, and which of them is chosen; the blur of single runs."""

from collections.abc import Iterator

import numpy as np

import quadlib as ql
from quadlib import Overlaps, Task, integrate, polar_factor, random_overlaps
from quadlib.checks import Constraint
from quadlib.claims.base import Effort, Finding, shown_in
from quadlib.claims.measure import by, chosen, exponent, of_sample, sgd, where
from quadlib.notation import number
from quadlib.shapes import Array

__all__ = ["C3", "C4", "blur"]

claim = shown_in("04_implicit_bias")


@claim("C3")
def C3(effort: Effort) -> Iterator[Finding]:
    """With unconstrained norms the zero-loss solutions form a manifold of dimension
    p p* − p*(p* + 1)/2, for p > 1 not isolated.
    """
    sizes = [(4, 2), (1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
    for p, k in sizes + ([(5, 2), (4, 3), (4, 4)] if effort == "full" else []):
        predicted = p * k - k * (k + 1) // 2
        said = "isolated" if predicted else "a line"
        name = f"dimension of the set of minima, p = {p}, p* = {k} (rival: {said})"
        yield Finding(name, predicted, _dimension(Task(p, k)), rival=0 if predicted else 1)
    angles = 0.1 + np.arange(24) * np.pi / 12
    cases: tuple[tuple[Constraint, int], ...] = (("free", 24), ("spherical", 4))
    for constraint, predicted in cases:
        starts = (Overlaps(np.eye(2), [[0.01 * np.cos(a)], [0.01 * np.sin(a)]]) for a in angles)
        ends = [
            integrate(Task(2, 1), start, eta=0.1, alpha=[100.0], constraint=constraint).M[-1]
            for start in starts
        ]
        found = len({tuple(np.round(M[:, 0], 2) + 0.0) for M in ends})
        name = f"end points of the ODE from 24 angles, {constraint}, p = 2, p* = 1"
        yield Finding(name, predicted, found, method="ODE", rival=28 - predicted)


def _dimension(task: Task) -> int:
    """Dimension of the set of zero-loss points around one of them, found by minimising the loss.

    From near a solution the loss is minimised again and again; the points reached fill a piece of
    the set, and its widths in all directions are singular values. Nothing is assumed of the set.
    """
    from scipy.optimize import least_squares

    p, k, N = task.p, task.p_star, task.p + task.p_star
    rng = np.random.default_rng(0)
    W_star = ql.random_weights(task, N, rng).W_star / np.sqrt(N)
    centre = np.sqrt(p / k) * polar_factor(rng.standard_normal((p, k))) @ W_star

    def residual(x: Array) -> Array:
        """Numbers whose squares add up to the loss, Δ = xᵀEx: ½(tr E)² + tr E²."""
        w = x.reshape(p, N)
        E = w.T @ w / p - W_star.T @ W_star / k
        return np.append(E.ravel(), np.trace(E) / np.sqrt(2))

    size, tight = 1e-4, dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15)
    starts = centre + size * rng.standard_normal((p * N, p, N))
    reached = [least_squares(residual, start.ravel(), **tight).x for start in starts]
    widths = np.linalg.svd(np.array(reached) - centre.ravel(), compute_uv=False)
    # Along the set the minimiser strays by 1e-2; the set's curvature makes 1e-4 of that
    return int((widths > 0.02 * max(size, widths[0])).sum())


@claim("C4")
def C4(effort: Effort) -> Iterator[Finding]:
    """The dynamics picks the solution closest to the random start: the orientation of M, its polar
    factor, is conserved, up to O(1/√N) from a random start. The conserved matrix cannot pick.
    """
    task, eta, one = Task(4, 2), 0.1, random_overlaps(Task(4, 2), 10**4, 0).M
    R = np.eye(4)
    R[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    runs = [
        integrate(task, Overlaps(np.eye(4), M), eta=eta, alpha=[0.0, 2000.0], rtol=1e-11)
        for M in (one, R @ one)
    ]
    begins = [ql.Trajectory(task, x.alpha[:1], x.Q[:1], x.M[:1], {"eta": eta}) for x in runs]
    first, second = (ql.conserved_quantity(begin) for begin in begins)
    yield Finding(
        "distance in M of the ends of two starts, W and RW, with conserved matrices equal to "
        f"{number(np.abs(second / first - 1).max(), 1)}, {where(task, eta)} "
        "(rival: the matrix picks)",
        float(np.sqrt(2) * np.linalg.norm(polar_factor(one) - polar_factor(R @ one))),
        float(np.linalg.norm(runs[0].M[1] - runs[1].M[1])), 0.0, 2e-3, "ODE", 0.0,
    )  # fmt: skip
    name = "1 − cos to the closest solution at the end, Q(0) = I, η² term on (rival: any solution)"
    apart = float(ql.misalignment(polar_factor(runs[0].M[1]), polar_factor(one)))
    yield Finding(name, 0.0, apart, 0.0, 1e-9, "ODE", 1.0)
    skew, times = Task(4, 2, [[1.2, 0.2], [0.2, 0.8]]), np.linspace(0.0, 40.0, 21)
    start = random_overlaps(skew, 10**4, 1)
    kept, lost = (
        float(np.abs(matrix - matrix[0]).max() / np.abs(matrix[0]).max())
        for matrix in (
            ql.conserved_quantity(ql.gradient_flow(skew, start, eta=eta, alpha=times)),
            ql.conserved_quantity(integrate(skew, start, eta=eta, alpha=times)),
        )
    )
    name = "relative change of the conserved matrix along the flow, T ≠ I (rival: ODE, η² term)"
    yield Finding(name, 0.0, kept, 0.0, 1e-6, "ODE", lost)
    sizes, count, turned = (10**4, 10**6, 10**8), 100 if effort == "full" else 16, []
    for N in sizes:
        starts = [random_overlaps(task, N, (2, N, i)) for i in range(count)]
        alpha = [float(np.log(N) / 2 + 9) / ql.plateau(task, 0.05).escape_rate]
        ends = np.array(
            [integrate(task, s, eta=0.05, alpha=alpha, rtol=1e-10).M[0] for s in starts]
        )
        gaps = polar_factor(ends) - polar_factor(np.array([s.M for s in starts]))
        turned.append(np.linalg.norm(gaps, axis=(1, 2)))
    name = "exponent in N of ‖O∞ − O₀‖, ODE from random starts (rival: 0, as of single runs)"
    yield Finding(name, -0.5, *exponent(sizes, turned), 0.01, "ODE", 0.0)


@claim("blur")
def blur(effort: Effort) -> Iterator[Finding]:
    """A run of SGD picks the closest solution up to a blur that N does not reduce; it shrinks with
    η, and v_eff predicts it.
    """
    cases = [
        (4, 2, 0.05, 500, 180, 4000, 0.0, "the closest"),
        (8, 1, 0.01, 10**6, 60, 600, ql.blur_law(Task(8, 1), 0.1)[0], "as at η = 0.1"),
        (1, 1, 0.05, 2000, 130, 3000, 1.0, "either of two"),
        (4, 2, 0.05, 10**10, 180, 4000, 0.0, "the closest"),
        (4, 2, 0.05, 1000, 0, 4000, 0.0, "the closest"),
    ]
    for p, k, eta, N, few, many, rival, said in cases[: chosen(effort, 4, 5)]:
        task, how = Task(p, k), by(N)
        law, (predicted, _) = ql.escape_law(task, N, eta), ql.blur_law(task, eta)
        # Short steps: the noise of the plateau is to be a sum of many samples
        step, alpha = 0.03 / law.rate if how == "diffusion" else None, law.mean + 4 * law.std
        M = sgd(task, eta, N, chosen(effort, few, many), 14, alpha=[0.0, alpha], step=step).M
        O = polar_factor(M)
        name = f"mean 1 − cos, {where(task, eta, N)} (rival: {said})"
        yield of_sample(name, predicted, ql.misalignment(O[:, 0], O[:, 1]), 0.03, how, rival)
