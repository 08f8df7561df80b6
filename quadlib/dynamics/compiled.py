"""Compilation by numba, where it is installed."""

import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

Choice = TypeVar("Choice")

# Sums may be reordered, but NaN and infinity stay what they are: divergence is seen by them.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}


@cache
def numba_found() -> bool:
    """Whether loops can be compiled; imports numba, at the first run and not before."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def if_compiled(many: Choice, few: Choice) -> Choice:
    """Return `many` where numba compiles the loops, else `few`.

    What runs in seconds with numba takes minutes in NumPy alone, in the browser say: notebooks ask
    for fewer runs there, or for the diffusion.

    Parameters
    ----------
    many, few
        Anything: a number of runs, an N, a method.
    """
    return many if numba_found() else few


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `loop` at its first use.

    The machine code is kept on disk, so that only the first use ever waits for the compiler;
    where the cache is full, damaged or cannot be written, in memory.
    """
    made: list[Any] = []  # the compiled loop, and whether its cache may still fail

    def make(on_disk: bool) -> None:
        import numba

        options: dict[str, Any] = {"fastmath": FASTMATH, "error_model": "numpy"}
        made[:] = numba.njit(cache=on_disk, **options)(loop), on_disk

    @wraps(loop)
    def call(*args: Any) -> Any:
        try:
            if not made:
                make(on_disk=True)
            return made[0](*args)
        except Exception as error:  # a damaged cache can raise nearly anything, before the loop
            if made and not made[1]:
                raise
            _warn(f"{type(error).__name__}: {error}")
            make(on_disk=False)
            return made[0](*args)

    return call


_warned: list[str] = []


def _warn(error: str) -> None:
    if not _warned:
        _warned.append(error)
        warnings.warn(
            f"numba's cache cannot be used ({error}): loops are compiled in each new process.",
            RuntimeWarning,
            stacklevel=3,
        )
