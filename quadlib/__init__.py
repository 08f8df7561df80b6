"""How one-pass SGD leaves the plateau of an overparameterized quadratic network.

Five descriptions of the same dynamics, each cheaper and more idealised than the one before:
``simulate(method="weights")``, ``simulate(method="overlaps")``, ``simulate(method="diffusion")``,
``integrate`` and ``gradient_flow``. They take the same arguments and return a `Trajectory`.
"""

from importlib import import_module
from typing import Any

from quadlib.dynamics.flow import gradient_flow as gradient_flow
from quadlib.dynamics.ode import drift as drift
from quadlib.dynamics.ode import integrate as integrate
from quadlib.plateau import NoPlateauError as NoPlateauError
from quadlib.plateau import Plateau as Plateau
from quadlib.plateau import plateau as plateau
from quadlib.state import Overlaps as Overlaps
from quadlib.state import Weights as Weights
from quadlib.state import loss as loss
from quadlib.state import random_overlaps as random_overlaps
from quadlib.state import random_weights as random_weights
from quadlib.task import Task as Task
from quadlib.trajectory import DivergenceError as DivergenceError
from quadlib.trajectory import Trajectory as Trajectory

__version__ = "0.1.0"

_ON_FIRST_USE = ("claims", "explorers", "plotting")


def __getattr__(name: str) -> Any:
    """Load the rooms that need matplotlib or ipywidgets when they are first asked for."""
    if name in _ON_FIRST_USE:
        return import_module(f"quadlib.{name}")
    raise AttributeError(f"module 'quadlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ON_FIRST_USE])
