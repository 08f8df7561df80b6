"""Folders that have been built, and a server for them."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
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


@contextmanager
def voila(folder: Path, log: Path) -> Iterator[str]:
    """The pages of apps in a folder, each with a kernel of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "voila", str(folder / "pages"), "--no-browser"]
    command += [f"--port={port}", "--template=quadlib", "--classic-tree", "--Voila.ip=127.0.0.1"]
    with log.open("w") as file:
        environment = os.environ | {"JUPYTER_PATH": str(folder / "share")}
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/static/", timeout=5)
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)
