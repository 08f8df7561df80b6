"""Questions of notebook 02."""

import math

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import polygamma

from quadlib.escape import escape_law
from quadlib.exercises.checking import Exercise
from quadlib.plateau import last_learning_rate, plateau
from quadlib.task import Task

TASK, ETA = Task(4, 2), 0.05


def _escape() -> list[float]:
    mean, rate = escape_law(TASK, 10**6, ETA).mean, plateau(TASK, ETA).escape_rate
    return [mean * 1e6, math.log(2) / (2 * rate)]


def _fastest() -> float:
    end = last_learning_rate(TASK)
    return float(minimize_scalar(lambda e: -plateau(TASK, e).escape_rate, bounds=(0, 0.99 * end)).x)


def _spread(n: int) -> float:
    return float(math.sqrt(polygamma(1, n / 2)) / (2 * plateau(TASK, ETA).escape_rate))


def _excess(start: float) -> float:
    """Integrate 4 B(q) e^{-8x/p*} over x = ηα, with q(0) = `start`."""
    p, k, end = 4, 2, 4 / 6

    def source(x: float) -> float:
        q = end / (1 - (1 - end / start) * math.exp(-4 * x))
        B = (q * (p + 2) / p) ** 2 * (p + 4) / (p + 2) - 2 * q * (p + 2) * (k + 2) / (p * k)
        return float(4 * (B + (k + 2) * (k + 4) / k**2) * math.exp(-8 * x / k))

    return float(quad(source, 0, np.inf)[0])


EXERCISES = {
    "02.1": Exercise(
        _escape, "N times the mean of the law; and ln 2 more in ln N, at the slope 1/(2r).",
        [(lambda: [_escape()[0] / 1e6, _escape()[1]], "the first number is α, not samples."),
         (lambda: [_escape()[0], 2 * _escape()[1]], "M(0) is as 1/√N: ln √N has to be grown."),
         (lambda: [_escape()[0], 1e6 * _escape()[1]], "the second number is asked for in α.")],
        tolerance=5e-3),
    "02.2": Exercise(
        _fastest, "look for the maximum of `ql.plateau(task, eta).escape_rate`.",
        [(lambda: last_learning_rate(TASK), "there the plateau ends; the maximum is before."),
         (0.25, "that is η_c, where solutions begin to repel: another question.")],
        tolerance=1e-2),
    "02.3": Exercise(
        lambda: _spread(8), "α_esc = const − ln(χ²)/(2r), with n = p p* squares.",
        [(lambda: escape_law(TASK, 10**6, ETA).std, "that is the law; what if ‖M‖ alone decided?"),
         (lambda: 2 * _spread(8), "‖M‖² is χ²: ln ‖M‖ is only half of its logarithm."),
         (lambda: _spread(4), "n is the number of entries of M."),
         (lambda: _spread(8) ** 2, "that is a variance.")]),
    "02.4": Exercise(
        lambda: _excess(1.0), "the growth² of M since the kick, over that since the start: q₀/q(α) "
        "times an exponential.",
        [(lambda: _excess(2 / 3), "q is on its way from 1; you took that of the plateau."),
         (lambda: _excess(1.0) / 4, "D has a factor 4η².")],
        tolerance=1e-2),
    "02.5": Exercise(
        lambda: "b", "choose one of the four letters.",
        [("a", "its noise is that of SGD; the exact chain at N = 3000 spreads as much."),
         ("c", "kicks that come late have no time to grow: see v_eff."),
         ("d", "given the overlaps, the population loss is not random.")]),
    "02.6": Exercise(
        lambda: math.sqrt(2 / 8), "let p → ∞ in the bound: ρ → 1, and h stays.",
        [(1 / math.sqrt(2), "mind the factor 2 under the fraction."),
         (0.25, "that is η_c, which does not depend on p; the bound does.")]),
}  # fmt: skip
