"""Each notebook as one HTML file that needs no network, with its explorer as pictures that move.

`python docs/export.py FOLDER [notebooks]`. The pictures are those of the book, if it is there.
"""

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import frames
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor

HERE = Path(__file__).parent
STATIC, FRAMES = HERE / "_static", HERE / "_build" / "html" / "_static" / "frames"
BOOK = "https://quadlib.github.io/quadlib"
EXPLORER = re.compile(r"^(?:ql\.)?explorers\.(\w+)\(\)$", re.M)


class Strip(Preprocessor):
    """Replace the picture of an explorer by a strip of pictures; links lead to pages."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Look for an explorer with its picture, and for links."""
        if cell.cell_type == "markdown":
            text = re.sub(r"\]\(\.\./docs/(\w+)\.md", rf"]({BOOK}/\1.html", cell.source)
            text = re.sub(r"\]\((solutions/\w+)\.ipynb", rf"]({BOOK}/notebooks/\1.html", text)
            cell.source = re.sub(r"\]\((\w+)\.ipynb", r"](\1.html", text)
        found = EXPLORER.search(cell.source)
        for output in cell.get("outputs", []) if found else []:
            html = output.get("data", {}).get("text/html", "")
            if found and "<img" in html:
                output["data"] = {"text/html": strip(found[1], html)}
        return cell, resources


def strip(name: str, picture: str) -> str:
    """The picture, its frames and what moves them, in one piece."""
    frames.shoot(name, FRAMES)
    script = (FRAMES / f"{name}.js").read_text(encoding="utf-8")
    said = json.loads(script.partition("(")[2].partition(",")[2].strip().removesuffix(");"))
    for control in said["controls"]:
        for frame in control["frames"]:
            data = base64.b64encode((FRAMES / frame["src"]).read_bytes()).decode()
            frame["src"] = f"data:image/webp;base64,{data}"
    where = "One control moves at a time, the others at rest; in JupyterLab all of them move."
    data = json.dumps(said, ensure_ascii=False).replace("</", "<\\/")
    style, code = ((STATIC / f"quadlib.{kind}").read_text() for kind in ("css", "js"))
    return (
        f'<style>{style}</style><div class="quadlib-strip" data-explorer="{name}" '
        f'data-where="{where}">{picture}</div><script type="application/json" '
        f'data-frames="{name}">{data}</script><script>{code}</script>'
    )


def main(folder: Path, *notebooks: Path) -> None:
    """Write the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    exporter = HTMLExporter(
        template_name="export",
        extra_template_basedirs=[str(HERE / "_templates")],
        extra_template_paths=[str(STATIC / "mathjax")],
        preprocessors=[Strip],
    )
    for path in notebooks or sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        page, _ = exporter.from_filename(str(path))
        (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
