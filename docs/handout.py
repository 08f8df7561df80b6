"""Print notebooks and theory to PDF from the book: ``python docs/handout.py [book [folder]]``.

The book must have been built (``make book``), and Chromium must be there; no network is used.
``make handout`` does both.
"""

import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PAGES = ["theory", *(f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.py"))]
PAPER = dict(
    format="A4",
    print_background=True,
    prefer_css_page_size=True,
    tagged=True,
    display_header_footer=True,
    header_template="<span></span>",
    footer_template=(
        '<div style="font-size:8px;width:100%;text-align:center"><span class="title"></span>, '
        '<span class="pageNumber"></span>/<span class="totalPages"></span></div>'
    ),
)
# Formulas are drawn, pictures loaded, folded cells open
READY = """async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  document.querySelectorAll('details').forEach(box => box.open = true);
  document.querySelectorAll('img').forEach(image => image.loading = 'eager');
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  return document.querySelectorAll('mjx-merror, [data-mml-node=merror]').length;
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yield its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def chromium() -> str | None:
    """Path of the browser: QUADLIB_CHROMIUM, or the one that is installed."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("QUADLIB_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def printed(page: Page, address: str, path: Path) -> None:
    """Print one page of the book."""
    page.goto(address, wait_until="load")
    broken = page.evaluate(READY)
    if broken:
        raise SystemExit(f"Formulas must be drawn, got {broken} that are not on {address}.")
    page.pdf(path=path, **PAPER)


def main(book: Path, folder: Path) -> list[Path]:
    """Print all of them; return the files."""
    if not (book / "theory.html").is_file():
        raise SystemExit(f"The book must be built first, got nothing in {book}: run make book.")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with served(book) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        for name in sorted(PAGES):
            files.append(folder / f"{name.rpartition('/')[2]}.pdf")
            printed(page, f"{address}/{name}.html", files[-1])
        browser.close()
    return files


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    default = [ROOT / "docs" / "_build" / "html", ROOT / "build" / "handout"]
    for file in main(*given, *default[len(given) :]):
        print(file)
