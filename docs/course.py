"""Write what a teacher hands out: ``python docs/course.py [folder]``, or ``make course``.

A folder and its zip for students: notebooks without outputs, the library as a wheel, an environment
file, the theory and a guide of one page, no solutions. The solutions apart, to be unpacked over it.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from typing import Any

import jupytext
import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
NAME = "quadlib-course"
SENTENCE = re.compile(r"\s*The\s\[solutions\]\(solutions/[^)]*\)[^.]*\.")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
minutes = run_path(str(Path(__file__).with_name("minutes.py")))["minutes"]

GUIDE = """# Start here

Notebooks about one question: when does a network that learns from a stream of samples leave the
plateau on which it gets stuck, and which of its many solutions does it find?

**Install** Python 3.11 or newer, then in this folder (800 MB, a few minutes):

```sh
python -m venv .venv
.venv/bin/python -m pip install "{wheel}[lab]"
.venv/bin/python -m jupyterlab --config=.jupyter/jupyter_server_config.py
```

On Windows write `py` for the first `python` and `.venv\\Scripts\\python` for `.venv/bin/python`.
With conda: `conda env create -f environment.yml`, `conda activate quadlib`, `jupyter lab`.

**Run.** Shift+Enter runs a cell and goes to the next. The first cell of the tour shows the sliders.
After a restart of the kernel run the cells from the top (*Run, Run All Above Selected Cell*).

**Predict.** Before something is computed you are asked what you expect: a number or a choice. A
guess is enough, nobody sees it, and it may be left out. Afterwards it stands beside what came out.

**Exercises.** At the end of a notebook put your answer in place of the dots and run the cell. It
says right, or gives a hint, never the number. Answers are numbers, lists of numbers, or letters in
quotes.

**Order.** As they stand. After 02 you may leave one out, if you look up what the next one needs.

| notebook | reading | exercises |
|---|---|---|
{table}

Equation numbers lead to [docs/theory.md](docs/theory.md): *Open With, Markdown Preview*.
"""


def title(path: Path) -> str:
    """First headline of a notebook."""
    found = re.search(r"^# # (.+)$", path.read_text(encoding="utf-8"), re.M)
    return found[1] if found else path.stem


def notebook(path: Path) -> Any:
    """Return a notebook as students get it: nothing executed, no way to the solutions."""
    read = jupytext.read(path)
    cells = []
    for i, cell in enumerate(read.cells):
        if cell.cell_type == "markdown":
            made = nbformat.v4.new_markdown_cell(SENTENCE.sub("", cell.source))
        else:
            made = nbformat.v4.new_code_cell(cell.source)
        made.id = f"cell-{i}"  # the same file from the same text
        cells.append(made)
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def wheel(folder: Path) -> Path:
    """Build the library, without a network."""
    how = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *how], check=True)
    return next(folder.glob("*.whl"))


def write(folder: Path) -> tuple[Path, Path]:
    """Write both folders and their zips; return the folders."""
    course, solutions = folder / NAME, folder / f"{NAME}-solutions"
    for old in (course, solutions):
        shutil.rmtree(old, ignore_errors=True)
    (course / "notebooks").mkdir(parents=True)
    (course / "docs").mkdir()
    built = wheel(course).name
    for path in NOTEBOOKS:
        nbformat.write(notebook(path), course / "notebooks" / f"{path.stem}.ipynb")
    shutil.copy(ROOT / "docs" / "theory.md", course / "docs")
    shutil.copy(ROOT / "LICENSE", course)
    shutil.copytree(ROOT / ".jupyter", course / ".jupyter")
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    (course / "environment.yml").write_text(
        f"{environment.rstrip()}\n  - pip:\n      - ./{built}\n", encoding="utf-8"
    )
    rows = [
        "| [{}](notebooks/{}.ipynb) | {} min | {} min |".format(
            title(path), path.stem, *minutes(path)
        )
        for path in NOTEBOOKS
    ]
    (course / "START_HERE.md").write_text(
        GUIDE.format(wheel=built, table="\n".join(rows)), encoding="utf-8"
    )
    key = solutions / "notebooks" / "solutions"
    key.mkdir(parents=True)
    for path in (ROOT / "notebooks" / "solutions").glob("*.ipynb"):
        shutil.copy(path, key)
    for made in (course, solutions):
        shutil.make_archive(str(made), "zip", folder, made.name)
    return course, solutions


if __name__ == "__main__":
    for made in write(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "course"):
        print(made, "and .zip")
