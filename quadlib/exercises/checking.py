"""Check an answer: right, or a hint fit to the mistake, and never the number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from quadlib.shapes import Array

__all__ = ["Exercise", "check"]


@dataclass(frozen=True)
class Exercise:
    """What a question asks for, and what is said to a wrong answer.

    `answer` computes a number, several, or the letter of the right statement. `hints` are pairs:
    a usual mistake (a letter, a number, several, or a function that computes it), and what to say
    to it; a single number fits any number that is wrong. `hint` is for all other mistakes.
    `tolerance` is relative (absolute, where the answer is 0).
    """

    answer: Callable[[], Any]
    hint: str
    hints: Sequence[tuple[Any, str]] = ()
    tolerance: float = 1e-3

    def judge(self, given: Any) -> tuple[bool, str]:
        """Return whether `given` is right, and what to say."""
        right = self.answer()
        if isinstance(right, str):
            if not isinstance(given, str):
                return False, f'asked for is a letter in quotes, like "a", got {given!r}.'
            letter = given.strip().lower()
            said = {**dict(self.hints), right: "right."}.get(letter, self.hint)
            return letter == right, said
        numbers, target = _numbers(given), _numbers(right)
        if numbers is None or numbers.shape != target.shape:
            wanted = "one number" if target.size == 1 else f"a list of {target.size} numbers"
            return False, f"asked for is {wanted}, got {given!r}."
        off = ~self._close(numbers, target)
        if not off.any():
            return True, "right."
        places = "" if off.all() else f"number {np.flatnonzero(off)[0] + 1} is off. "
        for mistake, hint in self.hints:
            wrong = np.asarray(mistake() if callable(mistake) else mistake, dtype=float)
            alike = self._close(numbers, wrong)[off]
            if alike.any() if wrong.ndim == 0 else alike.all():
                return False, places + hint
        return False, places + self.hint

    def _close(self, numbers: Array, target: Array) -> Array:
        allowed = (1 + 1e-9) * self.tolerance * np.where(target == 0, 1.0, np.abs(target))
        return np.asarray(np.abs(numbers - target) <= allowed)


def _numbers(given: Any) -> Any:
    """Return the numbers in a row, without axes of length one, or None if they are not numbers."""
    try:
        raw = np.atleast_1d(np.squeeze(np.asarray(given)))
        return raw.astype(float) if raw.dtype.kind in "iufO" else None
    except (TypeError, ValueError):
        return None


class Verdict(int):
    """True or False, of which a notebook shows nothing: the sentence has said it."""

    def __repr__(self) -> str:
        return repr(bool(self))

    def _ipython_display_(self) -> None:
        pass


def check(exercise: str, answer: Any) -> Verdict:
    """Say whether an answer is right; if not, give a hint.

    Parameters
    ----------
    exercise
        Its number: "02.1" is the first one of notebook 02.
    answer
        A number (int, float, Fraction), several (list, tuple, array), or the letter of a statement
        in quotes. `...` and None are no answer yet.

    Returns
    -------
    Verdict
        True if it is right, within 1e-3, relative, unless the question states another tolerance;
        else False.
    """
    names = sorted(path.stem for path in Path(__file__).parent.glob("_[0-9]*.py"))
    name = next((name for name in names if name[1:3] == str(exercise)[:2]), names[0])
    known: dict[str, Exercise] = import_module(f"quadlib.exercises.{name}").EXERCISES
    if exercise not in known:
        raise ValueError(
            f"exercise must be one of {', '.join(map(repr, known))}, got {exercise!r}; write the "
            "number that stands at the question, with that of the notebook before the dot."
        )
    parts = answer if isinstance(answer, list | tuple) else [answer]
    if any(part is None or part is ... for part in parts):
        print(f"○ {exercise} waits for your answer: put it in place of the dots.")
        return Verdict(False)
    right, words = known[exercise].judge(answer)
    print(f"✓ {exercise}: {words}" if right else f"✗ {exercise}, not yet: {words}")
    return Verdict(right)
