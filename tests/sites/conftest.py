"""What `make book`, `make lite` and `make apps` have built, in Chromium, with the network off."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sites import built, lab, serving


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder that has been built; return its address."""
    with ExitStack() as stack:
        known: dict[Path, str] = {}

        def address(folder: Path) -> str:
            if folder not in known:
                known[folder] = stack.enter_context(serving(built(folder)))
            return known[folder]

        yield address


@pytest.fixture(scope="session")
def context() -> Iterator[Any]:
    """Chromium, which finds no other host."""
    if lab.chromium() is None:
        pytest.skip("needs Chromium: apt-get install chromium.")
    lab.ARGUMENTS.append("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    with lab.browser() as started:
        yield started


@pytest.fixture
def page(context: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page that may ask nobody but this machine, and may not fail, but for what is REFUSED."""
    refused = getattr(request.module, "REFUSED", "nothing")
    page = context.new_page()
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield page
    page.close()
    own = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "file:", refused)
    assert [url for url in asked if not url.startswith(own)] == []
    assert [error for error in failed if refused not in error] == []


@pytest.fixture
def photograph() -> Callable[[Any, str], None]:
    """Take a picture of a page where QUADLIB_SCREENSHOTS says."""

    def take(page: Any, name: str) -> None:
        folder = os.environ.get("QUADLIB_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take
