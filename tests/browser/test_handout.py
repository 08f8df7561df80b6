"""The book on paper: the text alone, figures and formulas whole."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab import ROOT, chromium

PAGE = """<!doctype html><title>A page</title><link rel="stylesheet" href="print.css" media="print">
<header class="bd-header">menu</header><div class="bd-article">
<h1>A page</h1><p>Some text.</p><details><summary>more</summary><p>Folded.</p></details>
<img alt="wide" width="3000" height="500" src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E">
<mjx-container display="true"><svg width="2000" height="20"></svg></mjx-container></div>"""


def test_paper_shows_the_text_and_keeps_figures_and_formulas_whole(
    context: Any, tmp_path: Path
) -> None:
    book = tmp_path / "book"
    (book / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "_static" / "print.css", book)
    (book / "theory.html").write_text(PAGE)
    page = context.new_page()
    page.goto((book / "theory.html").as_uri())
    page.emulate_media(media="print")
    style = "(selector, name) => getComputedStyle(document.querySelector(selector))[name]"
    for selector, name, value in (
        ("header", "display", "none"),
        ("img", "breakInside", "avoid"),
        ("mjx-container", "breakInside", "avoid"),
        ("h1", "breakAfter", "avoid"),
    ):
        found = page.evaluate(f"([s, n]) => ({style})(s, n)", [selector, name])
        assert found == value, selector
    widths = (
        "() => ['img', 'svg'].map(n => document.querySelector(n).getBoundingClientRect().width)"
    )
    assert all(width <= page.evaluate("innerWidth") for width in page.evaluate(widths))
    page.close()


def test_the_handout_has_a_file_for_the_theory_and_for_each_notebook(
    context: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    book, made = tmp_path / "book", tmp_path / "handout"
    (book / "notebooks").mkdir(parents=True)
    names = [path.stem for path in sorted((ROOT / "notebooks").glob("*.py"))]
    for name in ("theory", *(f"notebooks/{name}" for name in names)):
        (book / f"{name}.html").write_text(PAGE)
    monkeypatch.setenv("QUADLIB_CHROMIUM", str(chromium()))
    script = [str(ROOT / "docs" / "handout.py"), str(book), str(made)]
    subprocess.run([sys.executable, *script], check=True)
    assert sorted(path.stem for path in made.glob("*.pdf")) == sorted(["theory", *names])
    for path in made.glob("*.pdf"):
        assert re.search(rb"/Type ?/Page\b", path.read_bytes())
