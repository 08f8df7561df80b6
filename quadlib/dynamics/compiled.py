"""Compilation by numba where it is installed; the same loops run without it, slowly."""

from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["compiled"]

# Sums may be reordered, but NaN and infinity stay what they are: divergence is seen by them.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}


def compiled(make: Callable[..., Any]) -> Callable[..., Any]:
    """Compile the loop that `make(*sizes)` returns, once for each choice of sizes.

    numba is imported at the first use. The machine code is kept on disk, where that can be
    written, so that only the first use ever waits for the compiler.
    """

    @cache
    def cached(*sizes: int) -> Any:
        loop = make(*sizes)
        try:
            import numba
        except ImportError:
            return loop
        options: dict[str, Any] = {"fastmath": FASTMATH, "error_model": "numpy"}
        try:
            return numba.njit(cache=True, **options)(loop)
        except RuntimeError:  # no folder for the cache can be written
            return numba.njit(**options)(loop)

    return cached
