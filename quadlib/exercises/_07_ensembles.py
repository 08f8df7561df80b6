"""Questions of notebook 07."""

import numpy as np
from scipy.special import polygamma

from quadlib.escape import escape_law
from quadlib.exercises.checking import Exercise
from quadlib.task import Task


def _decades(factor: float = 2.0) -> float:
    law = escape_law(Task(2, 1), 10**12, 0.1)
    return float(12 + factor * law.rate * (55 - law.mean) / np.log(10))


def _spread(pairs: float = 1.0) -> float:
    return float(np.sqrt(polygamma(1, pairs)) / (2 * escape_law(Task(2, 1), 10**12, 0.1).rate))


def _seconds() -> float:
    return 1e5 * escape_law(Task(2, 1), 10**12, 0.1).mean


EXERCISES = {
    "07.1": Exercise(
        _decades, "a factor of ten in N takes ln(10)/2r: how many are missing from 10¹²?",
        [(lambda: 10 ** _decades(), "that is N; asked for is log₁₀ N."),
         (lambda: _decades(1.0), "M grows from 1/√N, so the time is (ln N)/2r.")], 1.3e-3),
    "07.2": Exercise(
        lambda: 1 / (2 * 0.01**2), "the relative error of the standard deviation is 1/√(2n).",
        [(1e4, "1/√n is the error of the mean, in standard deviations.")]),
    "07.3": Exercise(
        lambda: "b", "choose one of the three letters.",
        [("a", "ten times better than the error bar, time and again?"),
         ("c", "runs of one ensemble differ: each has numbers of its own, from the seed.")]),
    "07.4": Exercise(
        _spread, "|M|² is a chi-square variable with p p* degrees of freedom, times exp(2rα)/N.",
        [(lambda: 2 * _spread(), "ln|M|² grows at the rate 2r."),
         (lambda: _spread(2.0), "ln χ² with n degrees of freedom has the variance ψ₁(n/2).")]),
    "07.5": Exercise(
        lambda: _seconds() / 86_400, "the number of steps is N α.",
        [(_seconds, "these are seconds.")], 0.01),
}  # fmt: skip
