"""How one-pass SGD leaves the plateau of an overparameterized quadratic network.

Five descriptions of the same dynamics, each cheaper and more idealised than the one before:
``simulate(method="weights")``, ``simulate(method="overlaps")``, ``simulate(method="diffusion")``,
``integrate`` and ``gradient_flow``. They take the same arguments and return a `Trajectory`.
"""

from importlib import import_module
from typing import Any

from quadlib.bias import blur_law as blur_law
from quadlib.bias import closest_solution as closest_solution
from quadlib.bias import conserved_quantity as conserved_quantity
from quadlib.bias import misalignment as misalignment
from quadlib.bias import polar_factor as polar_factor
from quadlib.bias import solution_distance as solution_distance
from quadlib.dynamics import simulate as simulate
from quadlib.dynamics.compiled import if_compiled as if_compiled
from quadlib.dynamics.flow import gradient_flow as gradient_flow
from quadlib.dynamics.ode import drift as drift
from quadlib.dynamics.ode import integrate as integrate
from quadlib.ensemble import Ensemble as Ensemble
from quadlib.ensemble import ensemble as ensemble
from quadlib.ensemble import escape_times as escape_times
from quadlib.escape import EscapeLaw as EscapeLaw
from quadlib.escape import escape_law as escape_law
from quadlib.landscape import Spectrum as Spectrum
from quadlib.landscape import empirical_hessian_operator as empirical_hessian_operator
from quadlib.landscape import hessian_operator as hessian_operator
from quadlib.landscape import hessian_spectrum as hessian_spectrum
from quadlib.late_time import LateTimeLaw as LateTimeLaw
from quadlib.late_time import late_time_law as late_time_law
from quadlib.plateau import NoPlateauError as NoPlateauError
from quadlib.plateau import Plateau as Plateau
from quadlib.plateau import critical_learning_rate as critical_learning_rate
from quadlib.plateau import escape_level as escape_level
from quadlib.plateau import plateau as plateau
from quadlib.state import Overlaps as Overlaps
from quadlib.state import Weights as Weights
from quadlib.state import loss as loss
from quadlib.state import random_overlaps as random_overlaps
from quadlib.state import random_weights as random_weights
from quadlib.task import Task as Task
from quadlib.thresholds import LearningRates as LearningRates
from quadlib.thresholds import learning_rates as learning_rates
from quadlib.trajectory import DivergenceError as DivergenceError
from quadlib.trajectory import RunInterrupted as RunInterrupted
from quadlib.trajectory import Trajectory as Trajectory

__version__ = "0.1.0"

_ON_FIRST_USE = ("claims", "exercises", "explorers", "plotting")
_OF_EXERCISES = ("check", "predict")


def __getattr__(name: str) -> Any:
    """Load the rooms that need matplotlib or ipywidgets when they are first asked for."""
    if name in _ON_FIRST_USE:
        try:
            return import_module(f"quadlib.{name}")
        except ModuleNotFoundError as error:
            install = f"pip install {error.name}"
            raise ImportError(
                f"quadlib.{name} needs {error.name}, which is not installed: {install}."
            ) from None
    if name in _OF_EXERCISES:
        return getattr(__getattr__("exercises"), name)
    raise AttributeError(f"module 'quadlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ON_FIRST_USE, *_OF_EXERCISES])
