"""Where runs begin: at random, from one state, or from what a function draws."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from quadlib.checks import Constraint, check_choice, check_q0, check_real
from quadlib.state import Overlaps, Weights, check_start, random_overlaps, random_weights
from quadlib.task import Task

_FEWEST, _PER_UNIT = 50, 3
"""Least N of the diffusion, and for each unit; the mean loss is right to 1 or 2 % from there on."""

Method: TypeAlias = Literal["weights", "overlaps", "diffusion"]
State: TypeAlias = Overlaps | Weights
Draw: TypeAlias = Callable[[np.random.Generator], State]


def check_method(method: object, task: Task, N: int) -> None:
    """Raise unless `method` is one of the three, and good at this N."""
    check_choice("method", method, ("weights", "overlaps", "diffusion"))
    smallest = max(_FEWEST, _PER_UNIT * (task.p + task.p_star))
    if method == "diffusion" and smallest > N:
        raise ValueError(
            f'N must be at least {smallest} for method="diffusion" with p = {task.p} and p_star = '
            f'{task.p_star}, got {N}; use method="overlaps", which is exact and quick there.'
        )


def check_step(step: object, method: str, N: int) -> float | None:
    """Return the length of a step of "diffusion", at least that of a sample; None elsewhere."""
    if step is None:
        return None
    length = check_real("step", step, strict=True)
    if method != "diffusion":
        raise ValueError(
            f'step must be None with method="{method}", got {length:g}; only "diffusion" has one.'
        )
    if length * N < 1:
        raise ValueError(
            f"step must be at least 1/N, the time of one sample, got {length:g} at N = {N:g}; "
            "choose a longer one, or None."
        )
    return length


def starter(
    task: Task, start: Any, N: int, method: Method, constraint: Constraint, q0: float
) -> Draw:
    """Return what draws the start of a run, checked, from the generator of the run."""
    q0 = check_q0(q0)
    draw = random_weights if method == "weights" else random_overlaps
    if start is None:
        return lambda rng: draw(task, N, rng, q0, constraint)
    if callable(start) and not isinstance(start, type):
        return lambda rng: _checked(task, start(rng), N, method, constraint)
    state = _checked(task, start, N, method, constraint)
    return lambda rng: state


def _checked(task: Task, start: Any, N: int, method: str, constraint: Constraint) -> State:
    overlaps = check_start(task, start, constraint, "start")
    if isinstance(start, Weights):
        if N != start.N:
            raise ValueError(
                f"N must be the {start.N} columns of the weights, got {N}; pass N={start.N}."
            )
        return start
    if method == "weights":
        raise TypeError(
            f'start must be Weights or None with method="weights", got {type(start).__name__}; '
            'pass the weights, or use method="overlaps".'
        )
    return overlaps
