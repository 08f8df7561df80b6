"""A notebook exported by nbconvert: one file, without a network, whose explorer moves."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from sites import BOOK, ROOT, built


def test_an_exported_notebook_is_one_file_that_moves(page: Any, tmp_path: Path) -> None:
    built(BOOK / "_static" / "frames")  # made anew only if something changed
    script, notebook = ROOT / "docs" / "export.py", ROOT / "notebooks" / "00_tour.ipynb"
    subprocess.run([sys.executable, script, tmp_path, notebook], cwd=ROOT, check=True)
    page.goto((tmp_path / "00_tour.html").as_uri())
    page.locator("mjx-container[display=true] svg").first.wait_for()
    assert page.locator("mjx-merror, [data-mml-node=merror]").count() == 0
    strip = page.locator(".quadlib-strip")
    strip.scroll_into_view_if_needed()
    slider = strip.locator("input[type=range]").first
    slider.focus()
    before = strip.locator("img").get_attribute("alt")
    page.keyboard.press("ArrowRight")
    assert strip.locator("img").get_attribute("alt") != before
    assert page.locator("a[href='01_sgd_to_ode.html']").count()
    assert page.locator("a[href$='/theory.html#eq-1-1']").count()
