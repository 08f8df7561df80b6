"""Questions of notebook 04."""

import numpy as np

from quadlib.bias import blur_law, polar_factor
from quadlib.dynamics.ode import integrate
from quadlib.escape import escape_law
from quadlib.exercises.checking import Exercise
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task

ETA, STRONG = 0.05, Task(4, 2, [1.3, 0.7])


def _blur(size: float) -> float:
    return blur_law(Task(2, 1), ETA, size * np.sqrt(2) * np.array([[0.8], [0.6]]))[0]


def _epsilon() -> float:
    return escape_law(Task(1, 1), 1000, ETA).v_eff - 1


def _cosines(closest: bool = False) -> Array:
    start = Overlaps(np.eye(4), M := random_overlaps(STRONG, 10**8, rng=5).M)
    run = integrate(STRONG, start, eta=0.1, alpha=[400.0], gradient_noise=False)
    end = polar_factor(M) if closest else run.M[-1]
    return np.asarray((end * M).sum(0) / np.linalg.norm(end, axis=0) / np.linalg.norm(M, axis=0))


EXERCISES = {
    "04.1": Exercise(
        lambda: _blur(3), "`blur_law(pair, eta, start)` takes start = √N M(0).",
        [(lambda: _blur(1), "this is the start of the figure."),
         (lambda: _blur(np.sqrt(3)), "three times as large, not three times its square.")], 0.02),
    "04.2": Exercise(
        lambda: np.arctan(np.sqrt(_epsilon())) / np.pi,
        "(J, J′) is a point in the plane of random direction: when have J and J + √ε J′ two signs?",
        [(lambda: np.arctan(_epsilon()) / np.pi, "the noise has the standard deviation √ε."),
         (lambda: 2 * np.arctan(np.sqrt(_epsilon())) / np.pi, "this is the mean of 1 − cos.")]),
    "04.3": Exercise(
        lambda: "b", "choose one of the three letters.",
        [("a", "true of the noise, but gradient flow has none, and it chooses too."),
         ("c", "it is small from start to end, but it is conserved relative to its size.")]),
    "04.4": Exercise(
        lambda: [6 * 5 // 2, (6 - 4) * (6 - 4 - 1) // 2],
        "rotations of n dimensions have n(n − 1)/2 parameters; which n, for each of the two?",
        [([36, 4], "all matrices are not rotations."),
         ([15, 6], "these turn the units within the space that the solution spans, and move it.")]),
    "04.5": Exercise(
        lambda: 8 * ETA / (4 + 2), "linearise in δ; on the plateau s + 2q/p = 0 and q = p/(p + 2).",
        [(0.0, "Q² = q²I + 2qδ, to first order."), (4 * ETA / 6, "Q² contains δ twice."),
         (8 * ETA / 4, "q is not 1 on the plateau.")]),
    "04.6": Exercise(
        _cosines, "compare columns: M[:, 0] and M[:, 1], divided by their norms.",
        [(lambda: _cosines(True), "these are those of the closest solution; run the flow."),
         (1.0, "only one of the two teacher units is learned from its own start alone.")], 0.01),
}  # fmt: skip
