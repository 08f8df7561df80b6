"""Questions of notebook 01."""

import numpy as np

from quadlib.dynamics.ode import drift
from quadlib.exercises.checking import Exercise
from quadlib.state import Overlaps
from quadlib.task import Task

BALL = Overlaps(np.eye(4), np.full((4, 2), 0.1))
ON, OFF = (drift(Task(4, 2), BALL, 0.3, "spherical", on)[1][0, 0] for on in (True, False))
NOISE = ON - OFF

EXERCISES = {
    "01.1": Exercise(
        lambda: 1 / 2, "a sample adds a variance ∝ (η/N)². How many are there in a time 1/η?",
        [(1.0, "independent steps do not add up like that: their variances do.")], 0.1),
    "01.2": Exercise(
        lambda: NOISE / 0.1, "take the difference of the two dM, entry 11, over M₁₁ = 0.1.",
        [(-NOISE / 0.1, "the sign: does the noise slow M down or speed it up?"),
         (0.0, 'that is the free case; pass "spherical" to `drift`.')]),
    "01.3": Exercise(
        lambda: "d", "choose one of the four letters.",
        [("a", "average the terms over ξ: which of them survive?"),
         ("b", "Φ is linear in the error, so what is the mean of its noise?"),
         ("c", "true of what is linear in the error. Is everything?")]),
    "01.4": Exercise(
        lambda: 1 + 6 / 30, "divide the fourth moment of |x|² by N times the third.",
        [(1 + 2 / 30, "that is E|x|⁴/(E|x|²)²: but Δ²λλ is large where |x| is.")]),
    "01.5": Exercise(
        lambda: 4.0 * (2 * 15 - 2 * 3 * 3), "average (λ² − λ*²)² λ² λ*², and mind the (2η)².",
        [(12.0, "the mean is right; the increment has a factor 2η, squared."),
         (16.0, "Δ is not independent of λ and λ*: it is larger where they are.")]),
}  # fmt: skip
