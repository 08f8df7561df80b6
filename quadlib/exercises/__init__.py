"""Exercises of the notebooks: `check` an answer, `predict` before a cell shows the outcome.

One file a notebook holds its questions. No answer is written down: the library computes it.
"""

from quadlib.exercises.checking import Exercise as Exercise
from quadlib.exercises.checking import check as check
from quadlib.exercises.prediction import Prediction as Prediction
from quadlib.exercises.prediction import predict as predict
