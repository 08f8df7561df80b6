"""A notebook exported by nbconvert: its explorer moves in the one file."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sites import BOOK, ROOT, built


def test_the_explorer_of_an_exported_notebook_moves(context: Any, tmp_path: Path) -> None:
    built(BOOK / "_static" / "frames")  # made anew only if something changed
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path)]
    command += ["--HTMLExporter.preprocessors=strip.Strip", "notebooks/00_tour.ipynb"]
    path = os.pathsep.join([str(ROOT / "docs"), str(ROOT)])
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, check=True)
    page = context.new_page()
    page.goto((tmp_path / "00_tour.html").as_uri(), wait_until="domcontentloaded")
    strip = page.locator(".quadlib-strip")
    strip.scroll_into_view_if_needed()
    slider = strip.locator("input[type=range]").first
    slider.focus()
    before = strip.locator("img").get_attribute("alt")
    page.keyboard.press("ArrowRight")
    assert strip.locator("img").get_attribute("alt") != before
    page.close()
