"""Questions of notebook 03."""

from quadlib.escape import escape_law
from quadlib.exercises.checking import Exercise
from quadlib.late_time import late_time_law
from quadlib.plateau import plateau
from quadlib.task import Task


def _saved(p_star: int) -> float:
    few, many = (escape_law(Task(p, p_star), 10**6, 0.05).mean for p in (4, 32))
    return few - many


EXERCISES = {
    "03.1": Exercise(
        lambda: _saved(4), "take the difference of the means of two laws, with Task(p, 4).",
        [(lambda: -_saved(4), "earlier, so the difference is positive."),
         (lambda: _saved(2), "the teacher has four units now.")], 1e-2),
    "03.2": Exercise(
        lambda: "b", "choose one of the four letters.",
        [("a", "it escapes first, and then? See the order of the curves at late times."),
         ("c", "at which time?"), ("d", "one unit cannot express two: its loss ends above zero.")]),
    "03.3": Exercise(
        lambda: 5 * 4 / (8 * 0.1 * 7), "1/a grows linearly: solve a′ = −κ a² and read off κ.",
        [(8 * 0.1 * 7 / (5 * 4), "that is κ; a = 1/(κα)."),
         (5 * 7 / (8 * 0.1 * 4), "mind which of p + 2 and p* + 2 is above.")]),
    "03.4": Exercise(
        lambda: late_time_law(Task(3, 4), 0.1, gradient_noise=False).floor,
        "set L′(x) = 0 and put that x into L.",
        [(1 / 32 + 1 / 16, "x = 1/p* leaves answers too small on average: x is a little larger."),
         (1 / 16, "the first two terms do not vanish at the same x.")]),
    "03.5": Exercise(
        lambda: 0.1 - 4 * 0.05**2 * plateau(Task(32, 2)).loss,
        "r = 4η/p* − 2η² Ξ, with Ξ = 2 L_plateau and the L of gradient flow.",
        [(0.1 - 2 * 0.05**2 * (1 / 34 + 1 / 2), "Ξ is twice the loss of the plateau."),
         (0.1, "that is first order.")]),
}  # fmt: skip
