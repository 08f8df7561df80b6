"""What students are handed: complete, without solutions, and running where only it is installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

pytest.importorskip("hatchling")
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("jupytext")

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
BIN = "Scripts" if os.name == "nt" else "bin"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made: tuple[Path, Path] = run_path(str(ROOT / "docs" / "course.py"))["write"](
        tmp_path_factory.mktemp("course")
    )
    return made


def test_students_get_every_notebook_unanswered_and_no_solution(
    written: tuple[Path, Path],
) -> None:
    course, _ = written
    notebooks = sorted((course / "notebooks").glob("*"))
    assert [path.name for path in notebooks] == [f"{path.stem}.ipynb" for path in SOURCES]
    for path in notebooks:
        read = nbformat.read(path, as_version=4)
        nbformat.validate(read)
        code = [cell for cell in read.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
        assert "answer = ..." in "".join(cell.source for cell in code)
        for cell in read.cells:
            assert "solutions/" not in cell.source, path.name
            for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", cell.source):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_solutions_come_apart_and_fit_over_the_course(written: tuple[Path, Path]) -> None:
    course, solutions = written
    found = {path.relative_to(solutions) for path in solutions.rglob("*.ipynb")}
    assert found == {
        Path("notebooks/solutions") / f"{path.stem}_solutions.ipynb" for path in SOURCES
    }
    for path in found:
        for target in re.findall(r"\]\(([^)#\s:]+\.(?:ipynb|md))", (solutions / path).read_text()):
            assert (course / path.parent / target).resolve().exists(), target


def test_zips_hold_what_the_folders_hold(written: tuple[Path, Path]) -> None:
    for folder in written:
        with zipfile.ZipFile(f"{folder}.zip") as archive:
            names = {name for name in archive.namelist() if not name.endswith("/")}
        inside = (path for path in folder.rglob("*") if path.is_file())
        assert names == {path.relative_to(folder.parent).as_posix() for path in inside}


def test_the_guide_is_one_page_and_names_what_is_there(written: tuple[Path, Path]) -> None:
    course, _ = written
    guide = (course / "START_HERE.md").read_text(encoding="utf-8")
    assert len(guide.splitlines()) <= 50
    (wheel,) = course.glob("*.whl")
    environment = (course / "environment.yml").read_text(encoding="utf-8")
    assert wheel.name in guide
    assert f"      - ./{wheel.name}\n" in environment
    for target in re.findall(r"\]\(([^)]+)\)", guide):
        assert (course / target).exists(), target


def _beside(home: Path, path: Path) -> Path:
    """Return the same place in another installation."""
    other = home / path.relative_to(ROOT)
    other.parent.mkdir(exist_ok=True)
    return other


def test_the_first_notebook_runs_where_only_the_course_is(
    written: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment with the wheel; what it depends on is borrowed, this clone is out of sight."""
    course, _ = written
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env" / BIN / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    home = Path(subprocess.check_output([python, "-c", ask], text=True).strip())
    (wheel,) = course.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home)
    # What the clone has compiled counts for the same sources there: it is not what is tested
    for kept in (ROOT / "quadlib").rglob("*.nb[ci]"):
        shutil.copy2(kept, _beside(home, kept))
    for source in (ROOT / "quadlib").rglob("*.py"):
        shutil.copystat(source, _beside(home, source))
    borrowed = subprocess.check_output([sys.executable, "-c", ask], text=True)
    (home / "borrowed.pth").write_text(borrowed)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    where = [python, "-c", "import quadlib; print(quadlib.__file__)"]
    assert str(home) in subprocess.check_output(where, text=True, cwd=course)

    spec: dict[str, Any] = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "course",
        "language": "python",
    }
    kernel = tmp_path / "jupyter" / "kernels" / "course"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    first = nbformat.read(course / "notebooks" / "00_tour.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        first,
        timeout=600,
        kernel_name="course",
        resources={"metadata": {"path": str(course / "notebooks")}},
        store_widget_state=False,
    )
    client.execute()
    printed = json.dumps(first.cells, ensure_ascii=False)
    assert "waits for your answer" in printed
