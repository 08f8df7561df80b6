"""JupyterLite: what is in the site, and what it asks for; with a Pyodide at hand, that it runs."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from sites import LITE, ROOT, built

PYODIDE = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/pyodide.js"
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))

REFUSED = "https://cdn.jsdelivr.net/pyodide/"


def test_site_has_every_notebook_and_quadlib() -> None:
    files = built(LITE) / "files" / "notebooks"
    assert sorted(path.name for path in files.glob("*.ipynb")) == NOTEBOOKS
    for name in NOTEBOOKS:
        notebook = json.loads((files / name).read_text(encoding="utf-8"))
        assert notebook["metadata"]["kernelspec"]["name"] == "python"
        assert notebook["cells"][0]["source"] == "%pip install -q quadlib"
    wheels = {path.name.partition("-")[0] for path in (LITE / "pypi").glob("*.whl")}
    assert {"quadlib", "anywidget", "ipywidgets", "psygnal", "tqdm"} <= wheels


def test_site_opens_on_the_tour_and_asks_no_index() -> None:
    config = json.loads((built(LITE) / "jupyter-lite.json").read_text(encoding="utf-8"))
    data = config["jupyter-config-data"]
    assert "path=notebooks/00_tour.ipynb" in (LITE / "index.html").read_text(encoding="utf-8")
    kernel = data["litePluginSettings"]["@jupyterlite/pyodide-kernel-extension:kernel"]
    assert kernel["disablePyPIFallback"] is True
    local = (LITE / "pyodide").is_dir()
    assert kernel["pyodideUrl"] == ("./pyodide/pyodide.js" if local else PYODIDE)
    names = {extension["name"] for extension in data["federated_extensions"]}
    assert "anywidget" in names
    assert not any("jupytext" in name for name in names)


def test_the_tour_is_there_before_any_kernel(
    page: Any, serve: Callable[..., str], photograph: Callable[..., None]
) -> None:
    # What Pyodide's CDN would be asked for is refused here, and nothing else is asked for
    page.route(f"{REFUSED}**", lambda route: route.abort())
    address = serve(LITE)
    page.goto(f"{address}/index.html", wait_until="commit")
    page.wait_for_selector(".jp-OutputArea-output img[alt*='plateau']", timeout=120_000)
    assert "00_tour.ipynb" in page.url or page.get_by_text("00_tour.ipynb").count()
    photograph(page, "lite")


@pytest.mark.skipif("QUADLIB_PYODIDE" not in os.environ, reason="needs a full Pyodide 0.27.7")
def test_the_tour_runs_in_the_browser(page: Any, serve: Callable[..., str]) -> None:
    """`make lite PYODIDE=folder`, then `QUADLIB_PYODIDE=1 pytest tests/sites/test_lite.py`."""
    page.goto(f"{serve(LITE)}/lab/index.html?path=notebooks/00_tour.ipynb")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
    page.get_by_text("Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_selector(".quadlib-explorer .quadlib-picture", timeout=300_000)
    image = page.locator(".quadlib-explorer .quadlib-picture").first
    before = image.get_attribute("alt")
    page.locator(".quadlib-explorer .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "alt => document.querySelector('.quadlib-picture').alt !== alt", arg=before, timeout=60_000
    )
