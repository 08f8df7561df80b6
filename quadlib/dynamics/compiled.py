"""Compilation by numba, where it is installed."""

import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    made: list[Any] = []  # the loop, whether its cache may still fail, whether it is compiled

    def make(on_disk: bool) -> None:
        import numba

        options: dict[str, Any] = {"fastmath": FASTMATH, "error_model": "numpy"}
        made[:] = numba.njit(cache=on_disk, **options)(loop), on_disk, False

    def run(args: tuple[Any, ...]) -> Any:
        if made[2]:
            return made[0](*args)
        with _interruptible():
            result = made[0](*args)
        made[2] = True
        return result

    @wraps(loop)
    def call(*args: Any) -> Any:
        try:
            if not made:
                make(on_disk=True)
            return run(args)
        except Exception as error:  # a damaged cache can raise nearly anything, before the loop
            if made and not made[1]:
                raise
            _warn(f"{type(error).__name__}: {error}")
            make(on_disk=False)
            return run(args)

    return call


@contextmanager
def _interruptible() -> Iterator[None]:
    """Repeat a Ctrl-C until it is heard: Python drops what is raised in a callback of LLVM."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    repeated: list[threading.Timer] = []

    def interrupt(*_: Any) -> None:
        repeated.append(threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]))
        repeated[-1].start()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for timer in repeated:
            timer.cancel()
    if repeated:
        raise KeyboardInterrupt


_warned: list[str] = []


def _warn(error: str) -> None:
    if not _warned:
        _warned.append(error)
        warnings.warn(
            f"numba's cache cannot be used ({error}): loops are compiled in each new process.",
            RuntimeWarning,
            stacklevel=3,
        )
