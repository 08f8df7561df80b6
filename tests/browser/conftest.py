"""One JupyterLab and one Chromium for all tests of this folder, or none, said clearly."""

import os
from collections.abc import Iterator
from typing import Any

import lab
import pytest


@pytest.fixture(scope="package")
def context() -> Iterator[Any]:
    """Chromium, started once; skips where there is none, unless it is required."""
    missing = ""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        missing = "needs Playwright: pip install playwright."
    if not missing and lab.chromium() is None:
        missing = "needs Chromium: apt-get install chromium, or set QUADLIB_CHROMIUM to its path."
    if missing:
        if os.environ.get("QUADLIB_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with lab.browser() as started:
        yield started


@pytest.fixture(scope="package")
def address(context: Any) -> Iterator[str]:
    """Address of JupyterLab."""
    with lab.server() as started:
        yield started
