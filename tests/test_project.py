"""The files around the package agree with each other and with the package."""

import contextlib
import io
import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import quadlib as ql

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
BINARY = {".png", ".webp", ".npz", ".woff", ".woff2", ".js", ".css", ".map", ".ipynb"}


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode != 0:
        pytest.skip("needs a git clone")
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def source(path: Path) -> str:
    return (
        "".join(cell["source"] for cell in read_cells(path))
        if path.suffix == ".ipynb"
        else read(path)
    )


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(read(path))["cells"]
    for cell in cells:
        cell["source"] = "".join(cell["source"])
    return cells


def bounds(requirements: list[str]) -> dict[str, str]:
    pairs = (re.match(r"([\w-]+)([^;]*)", requirement.strip()) for requirement in requirements)
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_versions_are_equal() -> None:
    citation = re.search(r"^version: (.+)$", read(ROOT / "CITATION.cff"), re.M)
    changelog = re.search(r"^## (\d\S*)", read(ROOT / "CHANGELOG.md"), re.M)
    assert citation
    assert changelog
    assert citation[1] == changelog[1] == ql.__version__


def test_links_to_the_project_are_those_of_pyproject() -> None:
    urls = PROJECT["urls"]
    home = urls["Repository"]
    assert f"]({urls['Binder']})" in read(ROOT / "README.md")
    assert urls["Binder"].startswith(
        home.replace("https://github.com", "https://mybinder.org/v2/gh")
    )
    assert f"repository-code: {home}\n" in read(ROOT / "CITATION.cff")
    assert f"url: {urls['Paper']}\n" in read(ROOT / "CITATION.cff")
    for path in tracked():
        if path.suffix in BINARY - {".ipynb"}:
            continue
        text = source(path)
        for host in ("https://github.com/", "https://mybinder.org/v2/gh/"):
            for repository in re.findall(host + r"(quadlib/[\w.-]+)", text):
                assert home.endswith("/" + repository), f"{path}: {repository}"
        for paper in re.findall(r"https://arxiv\.org/\w+/2604\.[\w.]*\w", text):
            assert paper == urls["Paper"], f"{path}: {paper}"


def test_links_between_files_lead_somewhere() -> None:
    for path in tracked():
        if path.suffix == ".md":
            for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", read(path)):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_tour_opens_on_binder() -> None:
    notebook = PROJECT["urls"]["Binder"].partition("lab/tree/")[2]
    if NOTEBOOKS:
        assert (ROOT / notebook).is_file()


def test_conda_environment_has_the_bounds_of_pyproject() -> None:
    conda = bounds(re.findall(r"^  - (\S+)$", read(ROOT / "environment.yml"), re.M))
    lab = bounds(PROJECT["optional-dependencies"]["lab"])
    native = [line for line in PROJECT["dependencies"] if "== 'emscripten'" not in line]
    expected = bounds(native) | {"pip": ""}
    expected |= {name: lab[name] for name in ("jupyterlab", "jupytext")}
    conda.pop("conda-forge", None)
    # Binder reads an exact version only: with a bound it would start from its own, older Python.
    python = conda.pop("python").removeprefix("=")
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert [int(n) for n in python.split(".")] >= [int(n) for n in oldest.split(".")]
    assert conda == expected


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PROJECT["optional-dependencies"].values()
    for requirement in sum(extras, PROJECT["dependencies"]):
        assert re.fullmatch(r"[\w-]+>=[\d.]+(; sys_platform [!=]= 'emscripten')?", requirement)


def test_every_dependency_is_in_the_constraints_for_every_python() -> None:
    known = {line.split("==")[0] for line in read(ROOT / "constraints.txt").splitlines()}
    for extra, requirements in PROJECT["optional-dependencies"].items():
        if extra != "torch":
            assert bounds(requirements).keys() <= known
    assert bounds(PROJECT["dependencies"]).keys() <= known
    numpy = re.findall(
        r"^numpy==.* ; python_full_version (<|>=) '3.12'$", read(ROOT / "constraints.txt"), re.M
    )
    assert sorted(numpy) == ["<", ">="]


def test_import_is_light() -> None:
    heavy = ["matplotlib", "ipywidgets", "numba", "multiprocessing", "tqdm", "jaxtyping"]
    code = f"import sys, quadlib; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_readme_example_prints_what_it_says() -> None:
    readme = read(ROOT / "README.md")
    block = (
        r"<!-- example:begin -->\n```python\n(.*?)```\n\n```text\n(.*?)```\n<!-- example:end -->"
    )
    example = re.search(block, readme, re.S)
    assert example
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example[1], {})
    assert printed.getvalue() == example[2]


def test_readme_is_short_and_has_the_numbers_of_the_tables() -> None:
    readme = read(ROOT / "README.md")
    assert len(readme.splitlines()) <= 130
    assert ("docs/tour.png" in readme) == (ROOT / "docs" / "tour.png").exists()
    filled = runpy.run_path(str(ROOT / "docs" / "readme.py"))["filled"]
    assert filled(readme) == readme, "run python docs/readme.py"


def test_readme_lists_every_notebook() -> None:
    linked = re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", read(ROOT / "README.md"))
    assert linked == [path.stem for path in NOTEBOOKS]


def test_every_notebook_has_its_pair() -> None:
    scripts = {path.stem for path in (ROOT / "notebooks").rglob("*.py")}
    assert scripts == {path.stem for path in NOTEBOOKS + SOLUTIONS}


@pytest.mark.parametrize("path", NOTEBOOKS + SOLUTIONS, ids=lambda path: path.stem)
def test_notebook_is_executed_in_order_and_equals_its_pair(path: Path) -> None:
    jupytext = pytest.importorskip("jupytext")
    cells = read_cells(path)
    pair = jupytext.read(path.with_suffix(".py"))
    assert [(cell["cell_type"], cell["source"]) for cell in cells] == [
        (cell.cell_type, cell.source) for cell in pair.cells
    ]
    code = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"].strip()]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", cell["source"]
            assert output.get("name") != "stderr", cell["source"]
            plain = "".join(output.get("data", {}).get("text/plain", ""))
            assert " at 0x" not in plain, f"{plain} says nothing to who sees plain text alone"
    assert path.stat().st_size <= 1_500_000


@pytest.mark.parametrize("path", NOTEBOOKS + SOLUTIONS, ids=lambda path: path.stem)
def test_every_picture_has_an_alt_text(path: Path) -> None:
    for cell in read_cells(path):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = "".join(data.get("text/html", ""))
            for image in re.findall(r"<img\b[^>]*>", html):
                assert re.search(r"""\balt=("[^"]+"|'[^']+')""", image), image[:80]
            for kind in data:
                if kind.startswith("image/") and "<img" not in html:
                    assert output["metadata"].get(kind, {}).get("alt"), cell["source"]


def test_no_machine_path_registry_or_open_end_is_tracked() -> None:
    foreign = re.compile(
        r"(?<![\w.])/(?:work|tmp|root)/|pypi\.org|python[h]osted|anaconda\.org|npmjs\.(?:org|com)"
        r"|\b(?:T[O]DO|F[I]XME|X[X]X)\b"
    )
    for path in tracked():
        if path.suffix not in BINARY - {".ipynb"}:
            found = foreign.search(source(path))
            assert not found, f"{path}: {found}"


def test_cited_equations_exist() -> None:
    theory = ROOT / "docs" / "theory.md"
    if not theory.exists():
        pytest.skip("docs/theory.md is not there")
    known = set(re.findall(r"\\tag\{(\d+\.\d+)\}", read(theory)))
    number = re.compile(r"\((\d+\.\d+)\)")
    for path in tracked():
        if path.relative_to(ROOT).parts[0] not in ("quadlib", "notebooks", "tests"):
            continue
        if path.suffix != ".py":
            continue
        lines = read(path).splitlines()
        for row, line in enumerate(lines):
            after = line if "theory.md" in line or (row and "theory.md" in lines[row - 1]) else ""
            comment = line.partition("# ")[2] if "# (" in line else ""
            for cited in number.findall(after + comment):
                assert cited in known, f"{path}:{row + 1} cites ({cited})"


def test_reasons_of_survivors_are_explained() -> None:
    explained = re.findall(r"^- \*\*(\w+)\*\*", read(ROOT / "CONTRIBUTING.md"), re.M)
    entries = [line.split("\t") for line in read(ROOT / "tests" / "survivors.txt").splitlines()]
    assert {reason for reason, _, _, _ in entries} <= set(explained)
