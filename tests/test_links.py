"""Equation numbers lead to their equations, in JupyterLab, in the book and on GitHub."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
THEORY = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")


def test_every_numbered_equation_has_its_anchor() -> None:
    numbers = re.findall(r"\\tag\{(\d)\.(\d+)\}", THEORY)
    anchors = re.findall(r'^<a id="eq-(\d)-(\d+)"></a>\n\n\$\$$', THEORY, re.M)
    assert anchors == numbers
    sections = re.findall(r'^<a id="section-(\d)"></a>\n\n## \1\. ', THEORY, re.M)
    assert sections == re.findall(r"^## (\d)\. ", THEORY, re.M)


def test_links_to_the_theory_have_a_target() -> None:
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', THEORY))
    for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").rglob("*.py")]:
        for target in re.findall(r"theory\.md#([\w-]+)", path.read_text(encoding="utf-8")):
            assert target in anchors, f"{path.name} links to #{target}"
