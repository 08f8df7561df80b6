"""Questions of notebook 04."""

import numpy as np

from quadlib.bias import blur_law
from quadlib.escape import escape_law
from quadlib.exercises.checking import Exercise
from quadlib.task import Task


def _blur(size: float) -> float:
    return blur_law(Task(2, 1), 0.05, size * np.sqrt(2) * np.array([[0.8], [0.6]]))[0]


def _farther(power: float = 0.5) -> float:
    return float(np.arctan((escape_law(Task(1, 1), 1000, 0.05).v_eff - 1) ** power) / np.pi)


EXERCISES = {
    "04.1": Exercise(
        lambda: _blur(3), "`blur_law(pair, eta, start)` takes start = √N M(0).",
        [(lambda: _blur(1), "this is the start of the figure.")], 0.02),
    "04.2": Exercise(
        _farther, "the direction of (J, J′) is random: when have J and J + √ε J′ two signs?",
        [(lambda: _farther(1.0), "the noise has the standard deviation √ε.")]),
    "04.3": Exercise(
        lambda: "b", "choose one of the three letters.",
        [("a", "true of the noise, but gradient flow has none, and it chooses too."),
         ("c", "it is small from start to end, but conserved relative to its size.")]),
    "04.4": Exercise(
        lambda: [15, 1], "rotations of n dimensions have n(n − 1)/2 parameters; which n?",
        [([15, 6], "these turn the units within what the solution spans, and move it.")]),
    "04.5": Exercise(
        lambda: 8 * 0.05 / 6, "linearise in δ; on the plateau s + 2q/p = 0 and q = p/(p + 2).",
        [(0.2 / 6, "Q² contains δ twice."), (0.4 / 4, "q is not 1 on the plateau.")]),
    "04.6": Exercise(
        lambda: "b", "choose a letter; compare columns, M[:, 0] and M[:, 1], over their norms.",
        [("a", "look at the second column."), ("c", "these are the cosines of the polar factor.")]),
}  # fmt: skip
