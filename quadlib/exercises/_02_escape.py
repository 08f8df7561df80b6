"""Questions of notebook 02."""

import math

from scipy.optimize import minimize_scalar
from scipy.special import polygamma

from quadlib.escape import escape_law
from quadlib.exercises.checking import Exercise
from quadlib.plateau import last_learning_rate, plateau
from quadlib.task import Task

TASK, END = Task(4, 2), last_learning_rate(Task(4, 2), "free")
RATE = plateau(TASK, 0.05).escape_rate
ALONE = math.sqrt(polygamma(1, 8 / 2)) / (2 * RATE)


def _escape(samples: float = 1e6, doubled: float = 1.0) -> list[float]:
    mean = escape_law(TASK, 10**6, 0.05).mean
    return [samples * mean, doubled * math.log(2) / (2 * RATE)]


EXERCISES = {
    "02.1": Exercise(
        _escape, "N times the mean of the law; and ln 2 more in ln N, at the slope 1/(2r).",
        [(lambda: _escape(1), "the first number is α, not samples."),
         (lambda: _escape(1e6, 2), "M(0) is as 1/√N, so ln √N has to be grown.")], 5e-3),
    "02.2": Exercise(
        lambda: minimize_scalar(
            lambda eta: -plateau(TASK, eta).escape_rate, bounds=(0, 0.99 * END)).x,
        "look for the maximum of `ql.plateau(task, eta).escape_rate`.",
        [(END, "there the plateau ends; the maximum is before.")], 1e-2),
    "02.3": Exercise(
        lambda: ALONE, "α_esc = const − ln(χ²)/(2r), with n = p p* squares.",
        [(lambda: escape_law(TASK, 10**6, 0.05).std, "that is the law; if ‖M‖ alone decided?"),
         (2 * ALONE, "‖M‖² is χ²: ln ‖M‖ is only half of its logarithm.")]),
    "02.4": Exercise(
        lambda: 1e3 * (escape_law(TASK, 10**6, 1e-3).v_eff - 1),
        "divide D by the growth² of M until then, (q(α)/q₀) e^(8ηα/p*); mind the 4η² in D.",
        [(10 / 3, "q is on its way from 1; you took that of the plateau.")], 1e-2),
    "02.5": Exercise(
        lambda: "b", "choose one of the four letters.",
        [("a", "its noise is that of SGD; the exact chain at N = 3000 spreads as much."),
         ("c", "kicks that come late have no time to grow: see v_eff."),
         ("d", "given the overlaps, the population loss is not random.")]),
    "02.6": Exercise(
        lambda: math.sqrt(2 / 8), "let p → ∞ in the bound: ρ → 1, and h stays.",
        [(1 / math.sqrt(2), "mind the factor 2 under the fraction.")]),
}  # fmt: skip
