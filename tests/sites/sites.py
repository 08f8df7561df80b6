"""Folders that have been built, and a server for them."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
import lab  # noqa: E402, F401

BOOK, LITE, APPS = (
    ROOT / "docs" / "_build" / "html",
    ROOT / "build" / "lite",
    ROOT / "build" / "apps",
)


def built(folder: Path) -> Path:
    """The folder, if it is there; without it a test is skipped, unless all sites are required."""
    if not folder.is_dir():
        message = f"{folder.relative_to(ROOT)} is not built: make book lite apps."
        if os.environ.get("QUADLIB_REQUIRE_SITES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
