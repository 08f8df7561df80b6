"""Questions of notebook 05; the numbers follow from (7.4) and (7.5)."""

from quadlib.exercises.checking import Exercise

EXERCISES = {
    "05.1": Exercise(
        lambda: [6 * 3, 6 * 3], "ask `hessian_spectrum(task, overlaps, N).index` at both points.",
        [(9, "each unit may turn to each teacher unit."), (3, "and how many units may turn?")]),
    "05.2": Exercise(
        lambda: [-4 * t / (4 * 2) for t in (1.5, 0.5)], "ask for the spectrum on the plateau.",
        [(-0.5, "this is the eigenvalue for T = I."), ([-0.25, -0.75], "the lower one first.")]),
    "05.3": Exercise(
        lambda: 3 * 5 - 3 * 4 // 2 + (5 - 3) * (1000 - 3),
        "nullity of `hessian_spectrum`; by hand: tangent directions, and units that are zero.",
        [(9, "these are the tangent directions."), (1994, "these are the surplus ones alone.")]),
    "05.4": Exercise(
        lambda: 4 * 0.05 / 2, "along an eigenvector with eigenvalue h it grows at rate −η p h.",
        [(0.025, "the gradient is multiplied by η p: p is absorbed in η."), (-0.1, "it grows.")]),
    "05.5": Exercise(
        lambda: 1.5 * 0.1**4 / 4**2, "what is added to b is ε² vᵀv/p with one unit vector v.",
        [(0.5e-4 / 16, "tr b² is missing."), (1e-4 / 16, "½ (tr b)² is missing.")]),
    "05.6": Exercise(
        lambda: "b", "choose one of the three letters.",
        [("a", "along the manifold the loss stays zero, whatever the run does there."),
         ("c", "count the negative eigenvalues: the figure shows none.")]),
}  # fmt: skip
