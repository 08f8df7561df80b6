"""Questions of notebook 00."""

from quadlib.escape import escape_law
from quadlib.exercises.checking import Exercise
from quadlib.plateau import plateau
from quadlib.task import Task

TASK, SIZES = Task(4, 2), (10**3, 10**9)


def _means() -> list[float]:
    return [escape_law(TASK, N, 0.05).mean for N in SIZES]


EXERCISES = {
    "00.1": Exercise(
        lambda: _means()[1], "take `escape_law(task, 10**9, eta).mean`, with η = 0.05.",
        [(lambda: escape_law(TASK, SIZES[1], 0.05).std, "that is the spread, not the mean."),
         (lambda: _means()[0], "N is still 1000.")]),
    "00.2": Exercise(
        lambda: [mean * N for mean, N in zip(_means(), SIZES, strict=True)],
        "α is the number of samples divided by N; take the mean of the law at each N.",
        [(_means, "these are times α: how many samples is that?")]),
    "00.3": Exercise(
        lambda: 0.05 * TASK.p, "which factor of the gradient of Δ²/2 is missing in the step?",
        [(0.05, "η has a factor absorbed which the raw gradient still has."),
         (0.05 / TASK.p, "the other way round: the raw gradient is smaller by 1/p.")]),
    "00.4": Exercise(
        lambda: "c", "choose one of the four letters.",
        [("a", "then the time would grow in proportion to N: in which units is α?"),
         ("b", "put N = 10⁹ in the picture: is the plateau deeper there?"),
         ("d", "each step is of size 1/N, but a unit of α has N of them.")]),
    "00.5": Exercise(
        lambda: [plateau(TASK).q, plateau(TASK).loss],
        "set the derivative q − 1 + 2q/p to zero; then put q and p* = 2 into L(q).",
        [([2 / 3, 1 / 6], "L(q) has a third term, 1/p*: what not knowing the directions costs.")]),
}  # fmt: skip
