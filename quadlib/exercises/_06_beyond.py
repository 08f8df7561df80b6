"""Questions of notebook 06."""

from quadlib.exercises.checking import Exercise
from quadlib.late_time import late_time_law
from quadlib.plateau import critical_learning_rate, plateau
from quadlib.task import Task

T, NOISE = (0.4, 1.0, 1.6), 0.01


def _order() -> list[int]:
    task = Task(6, 3, list(T))
    s = (q := plateau(task, 0.05).q) - 1.0
    rates = [-2 * 0.05 * (s + 2 * q / 6 - 2 * t / 3) for t in T]
    return sorted((1, 2, 3), key=lambda unit: -rates[unit - 1])


def _floor(T: list[float]) -> float:
    return late_time_law(Task(4, 2, T, NOISE), 0.1).floor


EXERCISES = {
    "06.1": Exercise(
        _order, "which unit grows fastest on the plateau?",
        [([1, 2, 3], "does the order of learning follow that of the units in T, or their size?")]),
    "06.2": Exercise(
        lambda: _floor([1.5, 0.5]), "φ is a sum over both teacher units; see (ν/2)/(1 − φ).",
        [(lambda: _floor([1.0, 1.0]), "this is for T = I."), (NOISE / 2, "SGD keeps moving."),
         (lambda: 2 * _floor([1.5, 0.5]), "the best possible loss is ν/2, not ν.")]),
    "06.3": Exercise(
        lambda: 0.8 * critical_learning_rate(Task(2, 2)), "L = ν/2 + φL; for which φ is L = 3 ν/2?",
        [(0.125, "with this φ the floor is half as high again, not three times as high."),
         (0.25, "there the floor diverges.")]),
    "06.4": Exercise(
        lambda: "a", "choose one of the three letters.",
        [("b", "the last plateau lies above η_c."), ("c", "the weights stay bounded below η_c.")]),
    "06.5": Exercise(
        lambda: [critical_learning_rate(Task(p, 2)) for p in (2, 4, 8)],
        "take `learning_rates(ql.Task(p, 2)).critical`.",
        [([0.25, 0.29, 0.309], "these are larger ones; the smallest is `critical`.")]),
}  # fmt: skip
