"""Examples and workers are the same at every run, so that a failure is one for everybody."""

import signal
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import settings

# A shell in which this runs in the background ignores Ctrl-C, and so would what is tested
signal.signal(signal.SIGINT, signal.default_int_handler)
# With this nbformat's import compiles 38 grammars of addresses, which no notebook has, for a second
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

settings.register_profile("quadlib", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("quadlib")


@pytest.fixture
def unchecked() -> Any:
    """Bad arguments on purpose: the run-time check of shapes would object first."""
    jaxtyping = pytest.importorskip("jaxtyping")
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def ctrl_c() -> threading.Thread:
    """Once it is started, a real Ctrl-C after half a second of work, not of waiting for others."""

    def press() -> None:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    return threading.Thread(target=press, daemon=True)


# What takes long begins first, so that no worker is left alone with it at the end
SLOW = (
    *("browser/", "test_notebooks", "test_bare", "test_ensemble", "test_course", "test_explorer_"),
    *("fuzz/test_moves", "test_explorers", "theorems/"),
)


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Put slow files first, and let pytest-xdist keep that order."""

    def rank(item: Any) -> int:
        path = item.nodeid.removeprefix("tests/")
        return next((k for k, start in enumerate(SLOW) if path.startswith(start)), len(SLOW))

    items.sort(key=rank)
    config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Keep tests on one worker that share what is slow to make.

    That is a JupyterLab and a browser, an explorer and the ODEs it knows, workers of ensembles.
    From pytest 9.2 on, pytest-xdist 3.8 does not see the mark `xdist_group` (its issue 1386).
    """
    from xdist.scheduler import LoadGroupScheduling

    class Scheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/browser/"):
                return "browser"
            shared = nodeid.startswith(("tests/test_explorer_", "tests/test_ensemble"))
            return nodeid.partition("::")[0] if shared else super()._split_scope(nodeid)

    return Scheduling(config, log)
