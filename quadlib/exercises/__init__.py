"""Exercises: `check` an answer, `predict` before a cell shows the outcome; one file a notebook.

No answer is written down: the library computes it when it is asked.
"""

from quadlib.exercises.checking import Exercise, check
from quadlib.exercises.prediction import Prediction as predict

__all__ = ["Exercise", "check", "predict"]
