"""Equation numbers lead to their equations, in JupyterLab, in the book and on GitHub."""

import re
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parents[1]
minutes = run_path(str(ROOT / "docs" / "minutes.py"))["minutes"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.py"))
REWRITTEN = [path for path in NOTEBOOKS if "ql.check(" in path.read_text(encoding="utf-8")]
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


def prose(path: Path) -> str:
    """Return the text cells of a notebook."""
    cells = re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.M)
    return "".join(cell for cell in cells if cell.startswith(" [markdown]")).replace("\n# ", "\n")


@pytest.mark.parametrize("path", REWRITTEN + SOLUTIONS, ids=lambda path: path.stem)
def test_every_equation_number_in_a_notebook_is_a_link(path: Path) -> None:
    text = prose(path)
    up = "../" * (len(path.relative_to(ROOT).parts) - 1)
    for match in re.finditer(r"\((\d)\.(\d+)\)", text):
        link = f"[({match[1]}.{match[2]})]({up}docs/theory.md#eq-{match[1]}-{match[2]})"
        start = match.start() - 1
        assert text[start : start + len(link)] == link, text[start - 60 : match.end() + 60]


@pytest.mark.parametrize("path", REWRITTEN + SOLUTIONS, ids=lambda path: path.stem)
def test_every_notebook_that_is_named_is_linked(path: Path) -> None:
    text = prose(path)
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"
    without_links = re.sub(r"\[[^\]]*\]\([^)]*\)", "", text)
    assert not re.search(r"[Nn]otebooks? \d\d", without_links)
    assert "theory.md" not in without_links


@pytest.mark.parametrize("path", REWRITTEN, ids=lambda path: path.stem)
def test_a_notebook_states_its_minutes_its_questions_and_its_exercises(path: Path) -> None:
    text, code = prose(path), path.read_text(encoding="utf-8")
    reading, exercises = minutes(path)
    assert f"**Time.** About {reading} minutes, and {exercises} for the exercises." in text
    assert 4 <= code.count("ql.check(") <= 6
    assert code.count("ql.predict(") >= 4
    asked = re.findall(r"^\*\*(\d\d\.\d) \(", text, re.M)
    assert asked == re.findall(r'ql\.check\("(\d\d\.\d)", answer\)', code)
    solution = path.parent / "solutions" / f"{path.stem}_solutions.py"
    solved = re.findall(r'assert ql\.check\("(\d\d\.\d)", answer\)', solution.read_text("utf-8"))
    assert solved == asked


@pytest.mark.parametrize("path", NOTEBOOKS + SOLUTIONS, ids=lambda path: path.stem)
def test_a_notebook_hides_nothing_and_calls_units_units(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # Of the claims it shows the table; what it measures itself is there to be read
    assert re.findall(r".*\bclaims\b.*import.*|import.*\bquadlib\.claims.*", text) == []
    assert set(re.findall(r"\bclaims\.(\w+)", text)) <= {"table"}
    assert "students" not in text
