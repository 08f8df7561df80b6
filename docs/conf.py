"""The book: theory and notebooks as HTML, which needs no network to be read."""

import json
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))
import quadlib

project = "quadlib"
author = "quadlib contributors"
release = quadlib.__version__

extensions = ["myst_nb"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
html_theme = "sphinx_book_theme"
html_title = "quadlib"
html_static_path = ["_static"]
html_css_files = [("print.css", {"media": "print"})]
html_theme_options = {
    "repository_url": "https://github.com/quadlib/quadlib",
    "use_repository_button": True,
}

# docs/notebooks is a link to ../notebooks, whose saved outputs are shown as they are.
nb_execution_mode = "off"
# Without a kernel a slider is dead: show the picture that is saved beside it.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}

myst_enable_extensions = ["dollarmath"]
# MathJax 3.2.2 in one file, from the package mathjax of npm; Apache License 2.0
mathjax_path = "mathjax/tex-svg.js"


def fold_solutions(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Fold the cells that are folded in JupyterLab: the solutions of exercises."""
    if docname.startswith("notebooks/"):
        notebook = json.loads(source[0])
        for cell in notebook["cells"]:
            if cell["metadata"].get("jupyter", {}).get("source_hidden"):
                cell["metadata"].setdefault("tags", []).append("hide-cell")
        source[0] = json.dumps(notebook)


def keep_equations(_app: Sphinx, doctree: nodes.document) -> None:
    """Leave equations as they are: Sphinx would wrap them in `split`, which forbids a number."""
    for equation in doctree.findall(nodes.math_block):
        equation["no-wrap"] = equation["nowrap"] = True
        equation[:] = [nodes.Text(f"\\[{equation.astext()}\\]")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the two."""
    app.connect("source-read", fold_solutions)
    app.connect("doctree-read", keep_equations)
    return {"parallel_read_safe": True}
