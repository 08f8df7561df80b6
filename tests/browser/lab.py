"""JupyterLab with a copy of the notebooks, and Chromium in front of it."""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from quadlib import explorers

ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
EXPLORERS = tuple(explorers.__all__)
START = 120.0  # seconds that server, page or kernel may take to start on a busy machine
RUN = 300.0  # seconds that the cells of a notebook may take
MOVE = 30.0  # seconds until a moved control must show


def _notebook(source: str) -> dict[str, Any]:
    """A notebook of one cell."""
    cell = dict(cell_type="code", id="a", source=source, metadata={}, outputs=[])
    kernel = dict(name="python3", display_name="Python 3", language="python")
    return dict(
        cells=[cell | {"execution_count": None}],
        metadata={"kernelspec": kernel},
        nbformat=4,
        nbformat_minor=5,
    )


def chromium() -> str | None:
    """Path of the browser, or None."""
    named = os.environ.get("QUADLIB_CHROMIUM")
    if named:
        return named if Path(named).is_file() else None
    usual = Path("/usr/bin/chromium")
    if usual.is_file():
        return str(usual)
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def server(more: dict[str, str] | None = None) -> Iterator[str]:
    """Run JupyterLab on a copy of the notebooks, and `more` of one cell; yield its address.

    It writes nowhere else.
    """
    with TemporaryDirectory(prefix="quadlib-lab-") as folder:
        home = Path(folder)
        for pattern in ("notebooks/**/*.ipynb", "notebooks/**/*.py", "docs/*.md"):
            for path in ROOT.glob(pattern):
                copy = home / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        cells = {name: f"from quadlib import explorers\nexplorers.{name}()" for name in EXPLORERS}
        for name, source in (cells | (more or {})).items():
            text = json.dumps(_notebook(source))
            (home / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")
        shutil.copyfile(ROOT / "pyproject.toml", home / "pyproject.toml")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        places = dict(
            JUPYTER_CONFIG_DIR="config",
            JUPYTER_DATA_DIR="data",
            JUPYTER_RUNTIME_DIR="runtime",
            JUPYTERLAB_SETTINGS_DIR="settings",
            JUPYTERLAB_WORKSPACES_DIR="workspaces",
            IPYTHONDIR="ipython",
        )
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            f"--ServerApp.root_dir={home}",
            f"--config={ROOT / '.jupyter' / 'jupyter_server_config.py'}",
            "--LabApp.expose_app_in_browser=True",
        ]
        log = home / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=home,
                env=os.environ | {name: str(home / place) for name, place in places.items()},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, process, log)
            yield address
        finally:
            process.terminate()  # a signal it answers by ending its kernels
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:  # now and then it waits on; kernels follow it
                process.kill()
                process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/api/status", timeout=5):
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text()[-3000:])


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium with an empty profile; yield its context."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, TemporaryDirectory(prefix="quadlib-profile-") as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            args=ARGUMENTS,
            headless=True,
            viewport={"width": 1280, "height": 900},
        )
        try:
            yield context
        finally:
            context.close()


class Notebook:
    """A notebook that is open in JupyterLab, on a `page` where it runs or a new one."""

    def __init__(self, context: Any, address: str, name: str, page: Any = None) -> None:
        self.name, self.errors = name, []  # what went wrong in the page
        self.page, self._own = page or context.new_page(), page is None
        self.page.set_default_timeout(1000 * START)
        self._listeners = {"pageerror": self._page_error, "console": self._console}
        for event, listener in self._listeners.items():
            self.page.on(event, listener)
        self._address = f"{address}/lab/tree/notebooks/{name}.ipynb?reset"
        if self.page.url.startswith(address):
            self._open()
        else:
            self.page.goto(self._address)
            self._wait()

    def _open(self) -> None:
        self.page.evaluate(
            "path => { window.jupyterapp.commands.execute('docmanager:open', {path}); }",
            f"notebooks/{self.name}.ipynb",
        )
        self._wait()

    def _wait(self) -> None:
        self.page.wait_for_function(
            """name => {
              const panel = window.jupyterapp?.shell?.currentWidget;
              const session = panel?.sessionContext?.session;
              return panel?.context?.path?.endsWith(name + '.ipynb') && panel.content.widgets.length
                && panel.context.isReady && session?.kernel?.status === 'idle';
            }""",
            arg=self.name,
        )

    def _page_error(self, error: Any) -> None:
        self.errors.append(f"page: {error}")

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text}")

    def close(self) -> None:
        """Shut the kernel down, and close the page if it is its own."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        if self._own:
            self.page.close(run_before_unload=False)
        else:
            self._shut()

    def _shut(self) -> None:
        """Save, and close the notebook; its kernel goes on."""
        self.page.evaluate(
            """async () => {
              const panel = window.jupyterapp.shell.currentWidget;
              await panel.context.save();
              panel.close();
            }"""
        )
        self.page.wait_for_selector(".jp-NotebookPanel", state="detached")

    def cells(self) -> list[dict[str, Any]]:
        """Type, source, count and outputs of the cells, as they are now."""
        panel = "window.jupyterapp.shell.currentWidget"
        text = self.page.evaluate(f"() => JSON.stringify({panel}.content.model.toJSON().cells)")
        return list(json.loads(text))

    def explorer_cell(self) -> int:
        """Index of the cell that makes the explorer."""
        for index, cell in enumerate(self.cells()):
            if cell["cell_type"] == "code" and "explorers." in "".join(cell["source"]):
                return index
        raise LookupError(f"{self.name} has no explorer")

    def run(self, last: int | None = None) -> None:
        """Run all cells, or those up to the cell `last`; raise RuntimeError if one fails."""
        self.page.evaluate(
            """last => {
              const {commands, shell} = window.jupyterapp, {content} = shell.currentWidget;
              commands.execute('notebook:clear-all-cell-outputs').then(async () => {
                if (last === null) return commands.execute('notebook:run-all-cells');
                content.activeCellIndex = last;
                content.deselectAll();
                await commands.execute('notebook:run-all-above');
                content.activeCellIndex = last;
                await commands.execute('notebook:run-cell');
              }).then(() => { window.quadlibHasRun = true; });
            }""",
            last,
        )
        end = time.monotonic() + RUN
        while time.monotonic() < end:
            self.page.wait_for_timeout(300)
            for cell in self.cells():
                for output in cell.get("outputs", []):
                    wrong = output["output_type"] == "error" or output.get("name") == "stderr"
                    if wrong:
                        raise RuntimeError(f"{''.join(cell['source'])}\n{json.dumps(output)}")
            if self.page.evaluate("() => window.quadlibHasRun === true"):
                return
        raise TimeoutError(f"the cells of {self.name} did not end within {RUN:g} s")

    def show_explorer(self) -> None:
        """Scroll to the explorer, and wait for its picture."""
        self.page.evaluate(
            "index => window.jupyterapp.shell.currentWidget.content.scrollToItem(index, 'start')",
            self.explorer_cell(),
        )
        self.page.wait_for_selector(".quadlib-explorer img")
        self.page.evaluate("() => document.querySelector('.quadlib-explorer').scrollIntoView()")
        self.settle()

    def settle(self) -> None:
        """Wait until all is drawn, sharp, and has rested for a moment."""
        rests = """() => {
          const image = document.querySelector('.quadlib-explorer img');
          return image.getAttribute('aria-busy') === 'false' && image.naturalWidth === 1800;
        }"""
        self.page.wait_for_function(rests)
        self.page.wait_for_timeout(500)  # the live region speaks at rest
        self.page.wait_for_function(rests)

    def picture(self) -> tuple[str, str]:
        """Alt text of the picture, and its bytes as a data address."""
        alt, source = self.page.evaluate(
            """async () => {
              const {alt, src} = document.querySelector('.quadlib-explorer img');
              const blob = await (await fetch(src)).blob(), reader = new FileReader();
              await new Promise(done => { reader.onload = done; reader.readAsDataURL(blob); });
              return [alt, reader.result];
            }"""
        )
        return alt, source

    def told(self) -> str:
        """The short sentence under the picture, which is read aloud."""
        return str(self.page.locator(".quadlib-summary").inner_text())

    def reopen(self, page: bool = False) -> None:
        """Save and close, and open it again, or the whole page; the kernel goes on."""
        self._shut()
        if page:
            self.page.goto(self._address)
            self._wait()
        else:
            self._open()

    def alert(self) -> str:
        """What the explorer complains of."""
        return str(
            self.page.evaluate(
                "() => document.querySelector('.quadlib-explorer .quadlib-alert').textContent"
            )
        )

    def wait_for_words(self, words: str) -> None:
        """Wait until the alt text has these words."""
        self.page.wait_for_function(
            "words => document.querySelector('.quadlib-explorer img').alt.includes(words)",
            arg=words,
        )

    def controls(self) -> list[tuple[str, Any]]:
        """Name of each control, and the element that takes its keys."""
        boxes = self.page.locator(".quadlib-controls > *, .quadlib-actions button")
        found = []
        for index in range(boxes.count()):
            box = boxes.nth(index)
            keys = box.locator(".noUi-handle, select, input, button")
            if box.evaluate("box => box.matches('button')"):
                found.append((box.inner_text(), box))
            else:
                found.append((box.locator("label").first.inner_text(), keys.first))
        return found

    def move(self, element: Any, back: bool = False) -> None:
        """Move a control by keyboard, as far as one key press goes."""
        element.focus()
        kind = element.evaluate("e => e.matches('.noUi-handle') ? 'slider' : e.localName")
        if kind == "slider":
            self.page.keyboard.press("ArrowLeft" if back else "ArrowRight")
        elif kind == "select":
            self.page.keyboard.press("ArrowUp" if back else "ArrowDown")
        elif kind == "input":
            self.page.keyboard.press("Space")
        elif element.evaluate("e => e.matches('.widget-toggle-buttons *')"):
            choice = 0 if back else 1
            element.locator("xpath=..").locator("button").nth(choice).focus()
            self.page.keyboard.press("Enter")
        else:
            self.page.keyboard.press("Enter")

    def wait_for_change(self, before: tuple[str, str]) -> None:
        """Wait until alt text and picture are not what they were, or the explorer complains."""
        self.page.wait_for_function(
            """alt => {
              const box = document.querySelector('.quadlib-explorer');
              return box.querySelector('img').alt !== alt
                || box.querySelector('.quadlib-alert').textContent;
            }""",
            arg=before[0],
            timeout=1000 * MOVE,
        )


def pixels(source: str) -> np.ndarray:
    """RGB values of an image given as a data address."""
    data = base64.b64decode(source.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def photograph(notebook: Notebook, label: str = "") -> None:
    folder = os.environ.get("QUADLIB_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        notebook.page.screenshot(path=Path(folder) / f"{notebook.name}{label}.png")


def assert_changed(notebook: Notebook, before: tuple[str, str], what: str) -> None:
    notebook.wait_for_change(before)
    assert notebook.alert() == "", what
    notebook.settle()  # until it is sharp
    alt, source = notebook.picture()
    assert alt != before[0], what
    assert (pixels(source) != pixels(before[1])).any(), what
    assert notebook.errors == [], what
