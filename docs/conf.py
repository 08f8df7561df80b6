"""The book: theory, notebooks and reference as HTML, which needs no network to be read."""

import inspect
import json
import operator
import os
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import quadlib  # noqa: E402

# autodoc says of a class under another name only "alias of"
for alias in [quadlib.predict, *(getattr(quadlib.explorers, n) for n in quadlib.explorers.__all__)]:
    alias.__name__ = next(
        name
        for room in (quadlib, quadlib.explorers)
        for name in dir(room)
        if getattr(room, name) is alias
    )

project = "quadlib"
author = "quadlib contributors"
version = release = quadlib.__version__
repository = "https://github.com/quadlib/quadlib"

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autosummary", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
# Without ".rst" the pages of the reference are read as Markdown, and come out empty
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
templates_path = ["_templates"]
autosummary_generate = True
# Two pages must not differ by a capital letter only: not every system tells them apart
autosummary_filename_map = {
    f"quadlib.{name}": f"quadlib.{name}_class" for name in ("Ensemble", "Plateau")
}
autodoc_typehints = "none"
numpydoc_show_class_members = False
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "sphinx_book_theme"
html_title = f"quadlib {release}"
html_baseurl = "https://quadlib.github.io/quadlib/"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["quadlib.css", ("print.css", {"media": "print"})]
html_js_files = ["quadlib.js"]
html_theme_options = {
    "repository_url": repository,
    "repository_branch": "main",
    "path_to_docs": "docs",
    **{f"navbar_{place}": [] for place in ("start", "center", "end", "persistent")},
    "use_repository_button": True,
    "use_edit_page_button": True,
    "use_issues_button": True,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "jupyterlite_url": f"{html_baseurl}lite/lab/index.html",
        "notebook_interface": "jupyterlab",
    },
}

# docs/notebooks is a link to ../notebooks, whose saved outputs are shown as they are.
nb_execution_mode = "off"
nb_render_markdown_format = "myst"  # tables of claims
# Without a kernel a slider is dead: show the picture that is saved beside it.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# MathJax 3.2.2 in one file, from the package mathjax of npm; Apache License 2.0
mathjax_path = "mathjax/tex-svg.js"

BINDER = "https://mybinder.org/v2/gh/quadlib/quadlib/main?urlpath=lab/tree"
LITE = f"{html_baseurl}lite/lab/index.html?path="
WHERE = (
    "One control moves at a time, the others at rest. To move all of them: "
    f'<a href="{BINDER}/{{0}}.ipynb">Binder</a>, or <a href="{LITE}{{0}}.ipynb">this browser</a>.'
)
# [text](../docs/theory.md#eq-3-4), where text may have brackets; not a picture, not an address
LINK = re.compile(
    r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(((?![a-z]+:)[\w./-]*?)(\.md|\.ipynb)?(#[\w-]+)?\)"
)

EQUATION = re.compile(r"\((\d+)\.(\d+)\)")
ANCHORS = re.findall(r'<a id="(eq-[\d-]+)">', (ROOT / "docs" / "theory.md").read_text("utf-8"))


def prepare_links(text: str, docname: str) -> str:
    """Make links HTML: MyST would not see anchors, and docs/notebooks/ at its real place.

    In the repository notebooks/ is beside docs/, here it is in it; what is not in the book is
    shown by GitHub. A test follows every link.
    """
    here = os.path.dirname(docname)
    home = here if here.startswith("notebooks") else os.path.join("docs", here)

    def anchor(match: re.Match[str]) -> str:
        words, page, suffix, part = match.groups("")
        target = os.path.normpath(os.path.join(home, page + suffix)) if page else ""
        if suffix and target.startswith(("docs/", "notebooks/")):
            target = target.removeprefix("docs/").removesuffix(suffix) + ".html"
            target = os.path.relpath(target, here or ".")
        elif target:
            target = f"{repository}/blob/main/{target}"
        return f'<a href="{target}{part}">{words}</a>'

    return LINK.sub(anchor, text)


def prepare_notebook(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Fold what is folded in JupyterLab; put its explorer into a strip that moves."""
    if not docname.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = prepare_links(text, docname)
        if cell["metadata"].get("jupyter", {}).get("source_hidden"):
            cell["metadata"].setdefault("tags", []).append("hide-cell")
        explorer = re.search(r"^(?:ql\.)?explorers\.(\w+)\(\)$", text, re.M)
        for output in cell.get("outputs", []):
            html = "".join(output.get("data", {}).get("text/html", ""))
            if explorer and "<img" in html:
                where = WHERE.format(docname).replace('"', "&quot;")
                attributes = f'data-explorer="{explorer[1]}" data-where="{where}"'
                output["data"]["text/html"] = (
                    f'<div class="quadlib-strip" {attributes}>{html}</div>'
                )
    source[0] = json.dumps(notebook)


def prepare_page(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Do the same for a page of text; the first has cards, which MyST resolves."""
    if docname != "index" and not docname.startswith(("notebooks/", "generated/")):
        source[0] = prepare_links(source[0], docname)


def keep_equations(_app: Sphinx, doctree: nodes.document) -> None:
    """Leave equations as they are: Sphinx would wrap them in `split`, which forbids a number."""
    for equation in doctree.findall(nodes.math_block):
        equation["no-wrap"] = equation["nowrap"] = True
        equation[:] = [nodes.Text(f"\\[{equation.astext()}\\]")]


def link_equations(app: Sphinx, doctree: nodes.document) -> None:
    """Lead the number of an equation to it: (3.1) in docstrings and pages, not in formulas."""
    here = os.path.dirname(app.env.docname)
    theory = os.path.relpath("theory.html", here or ".") if app.env.docname != "theory" else ""
    fixed = (
        nodes.reference,
        nodes.title,
        nodes.literal,
        nodes.literal_block,
        nodes.math,
        nodes.math_block,
    )
    for text in list(doctree.findall(nodes.Text)):
        parts = EQUATION.split(text.astext())
        above, around = text.parent, []
        while above is not None:
            around.append(above)
            above = above.parent
        if len(parts) == 1 or any(isinstance(node, (*fixed, nodes.raw)) for node in around):
            continue
        made: list[nodes.Node] = [nodes.Text(parts[0])]
        for chapter, number, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            words, part = f"({chapter}.{number})", f"eq-{chapter}-{number}"
            known = part in ANCHORS
            uri = f"{theory}#{part}"
            made.append(nodes.reference("", words, refuri=uri) if known else nodes.Text(words))
            made.append(nodes.Text(rest))
        text.parent.replace(text, made)


def describe(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Say in one sentence what the page is about; lead the buttons to the files themselves."""
    if doctree is not None:
        paragraphs = (p.astext() for p in doctree.findall(nodes.paragraph))
        text = re.sub(
            r"\s+", " ", next((p for p in paragraphs if len(p) > 60), quadlib.__doc__ or "")
        )
        text = text if len(text) < 200 else f"{text[:197].rpartition(' ')[0]} …"
        escaped = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        context["metatags"] += f'<meta name="description" content="{escaped}">'
    file = f"docs/{page}.md"
    if page.startswith("notebooks/"):
        file = f"{page}.py"
    elif page.startswith("generated/"):
        path = page.partition("quadlib.")[2].removesuffix("_class")
        thing = inspect.unwrap(operator.attrgetter(path)(quadlib))
        file = str(Path(inspect.getfile(thing)).relative_to(ROOT))
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            url = button.get("url") or ""
            if "/edit/" in url:
                button["url"] = f"{repository}/edit/main/{file}"
            elif url:
                button["url"] = url.replace("docs/notebooks/", "notebooks/")


def write_sitemap(app: Sphinx, error: Exception | None) -> None:
    """List the pages for search engines."""
    if error is None and app.builder.name == "html":
        pages = sorted(app.env.found_docs)
        lines = "".join(f"<url><loc>{html_baseurl}{page}.html</loc></url>\n" for page in pages)
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        text = (
            f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{space}">\n{lines}</urlset>\n'
        )
        (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect them."""
    app.connect("source-read", prepare_notebook)
    app.connect("source-read", prepare_page)
    app.connect("doctree-read", keep_equations)
    app.connect("doctree-read", link_equations)
    app.connect("html-page-context", describe, priority=900)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True}
