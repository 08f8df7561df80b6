"""One explorer a notebook: sliders, the dynamics and the drawing together."""

import gc

from quadlib.dynamics.compiled import if_compiled
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

# In the browser, where the process is ours, what is loaded is not looked through for garbage again:
# it would hold up a move
if if_compiled(False, True):
    gc.collect()
    gc.freeze()
