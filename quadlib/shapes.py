"""Array types with named axes: `Float[Array, "p N"]`.

They are jaxtyping's own for type checkers and wherever jaxtyping was imported first (the test
suite, which checks every shape at run time). Otherwise they are plain NumPy arrays, because
importing jaxtyping alone takes longer than importing all of quadlib.
"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Int as Int
else:

    class Float:
        """An array of floats; the axes are read by people and by the tests."""

        def __class_getitem__(cls, _axes: object) -> type:
            return np.ndarray

    Bool = Int = Float
