"""An exported notebook takes the pictures of its explorer with it, in the page itself."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import frames
from nbconvert.preprocessors import Preprocessor

HERE = Path(__file__).parent
FRAMES = HERE / "_build" / "html" / "_static" / "frames"  # those of the book, if it is there
EXPLORER = re.compile(r"^(?:ql\.)?explorers\.(\w+)\(\)$", re.M)


class Strip(Preprocessor):
    """Replace the picture of an explorer by a strip of pictures, with controls."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Look for an explorer with its picture."""
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
    style, code = ((HERE / "_static" / f"quadlib.{kind}").read_text() for kind in ("css", "js"))
    return (
        f'<style>{style}</style><div class="quadlib-strip" data-explorer="{name}" '
        f'data-where="{where}">{picture}</div><script type="application/json" '
        f'data-frames="{name}">{data}</script><script>{code}</script>'
    )
