"""Examples and workers are the same at every run, so that a failure is one for everybody."""

import signal
from typing import Any

import pytest
from hypothesis import settings

# A shell in which this runs in the background ignores Ctrl-C, and so would what is tested
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("quadlib", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("quadlib")


@pytest.fixture
def unchecked() -> Any:
    """Bad arguments on purpose: the run-time check of shapes would object first."""
    jaxtyping = pytest.importorskip("jaxtyping")
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Keep the tests with a browser on one worker, which starts one JupyterLab for all of them.

    From pytest 9.2 on, pytest-xdist 3.8 does not see the mark `xdist_group` (its issue 1386).
    """
    from xdist.scheduler import LoadGroupScheduling

    class Scheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            browser = nodeid.startswith("tests/browser/")
            return "browser" if browser else super()._split_scope(nodeid)

    return Scheduling(config, log)
