"""One explorer a notebook: sliders, the dynamics and the drawing together."""

import gc

from quadlib.explorers.beyond import Beyond as beyond
from quadlib.explorers.escape import Escape as escape
from quadlib.explorers.implicit_bias import ImplicitBias as implicit_bias
from quadlib.explorers.landscape import Landscape as landscape
from quadlib.explorers.overparameterization import Overparameterization as overparameterization
from quadlib.explorers.sgd_to_ode import SgdToOde as sgd_to_ode
from quadlib.explorers.tour import Tour as tour

__all__ = [
    "beyond",
    "escape",
    "implicit_bias",
    "landscape",
    "overparameterization",
    "sgd_to_ode",
    "tour",
]

# What is loaded by now stays; to look through it for garbage would hold up a move by 20 to 60 ms
gc.collect()
gc.freeze()
