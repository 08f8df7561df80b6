"""How long from opening the page of an app to its first picture, in a real browser?

The pages that `make apps` writes, served by Voilà, which starts a kernel for each visit. Seconds on
the wall, median of three visits; needs what `make apps` installs.
"""

import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import Row
from tests.browser import lab
from tests.sites.sites import ROOT, voila

GOAL_S = 5.0


def visit(context: Any, address: str) -> float:
    """Seconds until the picture of an explorer is there."""
    page, started = context.new_page(), time.perf_counter()
    page.goto(address, timeout=120_000)
    page.locator(".quadlib-explorer .quadlib-picture").wait_for(timeout=120_000)
    took = time.perf_counter() - started
    page.close()
    return took


def measure() -> dict[str, Any]:
    if lab.chromium() is None or importlib.util.find_spec("voila") is None:
        return {"skipped": "Chromium and Voilà are needed"}
    with TemporaryDirectory() as made:
        folder = Path(made) / "apps"
        subprocess.run([sys.executable, ROOT / "docs" / "apps.py", folder], check=True)
        names = sorted(path.name for path in (folder / "pages").glob("*.ipynb"))
        with voila(folder, Path(made) / "log") as address, lab.browser() as context:
            pages = {name: f"{address}/voila/render/{name}" for name in names}
            visit(context, pages[names[0]])  # what a browser keeps, and caches of code
            took = {
                name.removesuffix(".ipynb")[2:]: statistics.median(
                    visit(context, page) for _ in range(3)
                )
                for name, page in pages.items()
            }
    return {"seconds": took}


def table(result: dict[str, Any]) -> list[Row]:
    if "skipped" in result:
        return [Row("app, first picture", f"≤ {GOAL_S:g} s", f"not measured: {result['skipped']}")]
    took = result["seconds"]
    figure = "app, from opening its page to the first picture (" + ", ".join(took) + ")"
    measured = " / ".join(f"{s:.1f}" for s in took.values()) + " s"
    bound = "a kernel's start, imports, JupyterLab's scripts"
    return [Row(figure, f"≤ {GOAL_S:g} s", measured, max(took.values()) <= GOAL_S, bound)]
