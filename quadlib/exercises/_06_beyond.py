"""Questions of notebook 06."""

from quadlib.exercises.checking import Exercise
from quadlib.late_time import late_time_law
from quadlib.plateau import critical_learning_rate
from quadlib.task import Task


def _floor(T: list[float]) -> float:
    return late_time_law(Task(4, 2, T, 0.01), 0.1).floor


EXERCISES = {
    "06.1": Exercise(
        lambda: [3, 2, 1], "which unit grows fastest on the plateau?",
        [([1, 2, 3], "does the order of learning follow that of the units in T, or their size?")]),
    "06.2": Exercise(
        lambda: _floor([1.5, 0.5]), "φ is a sum over both teacher units; see (ν/2)/(1 − φ).",
        [(lambda: _floor([1.0, 1.0]), "this is for T = I."), (0.005, "SGD keeps moving."),
         (lambda: 2 * _floor([1.5, 0.5]), "the best possible loss is ν/2, not ν.")]),
    "06.3": Exercise(
        lambda: 0.8 * critical_learning_rate(Task(2, 2)), "L = ν/2 + φL; for which φ is L = 3 ν/2?",
        [(0.125, "here the floor is half as high again."), (0.25, "there it diverges.")]),
    "06.4": Exercise(
        lambda: "a", "choose one of the three letters.",
        [("b", "see the last plateau."), ("c", "the weights stay bounded below η_c.")]),
    "06.5": Exercise(
        lambda: [critical_learning_rate(Task(p, 2)) for p in (2, 4, 8)],
        "take `learning_rates(ql.Task(p, 2)).critical`.",
        [([0.25, 0.2903, 0.3185], "these are `runaway`."), ([0.25, 0.3, 5 / 14], "`plateau`.")]),
}  # fmt: skip
