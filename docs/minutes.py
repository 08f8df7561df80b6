"""How long a notebook takes: ``python docs/minutes.py``.

Prose with mathematics is read at 80 words a minute; a cell takes two minutes to run and look at, a
displayed formula two, a question to be guessed one, an exercise eight. Rounded to five minutes.
"""

import re
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def minutes(path: Path) -> tuple[int, int]:
    """Return the minutes for a notebook, given as its .py, and those for its exercises."""
    cells = re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.M)[1:]
    prose = " ".join(cell for cell in cells if cell.startswith(" [markdown]"))
    code = [cell for cell in cells if not cell.startswith(" [markdown]")]
    formulas = r"\$\$.*?\$\$"
    words = re.findall(r"[^\W\d_]{2,}", re.sub(rf"{formulas}|\]\([^)]*\)", " ", prose, flags=re.S))
    exercises = sum("ql.check(" in cell for cell in code)
    questions = sum("ql.predict(" in cell for cell in code)
    reading = len(words) / 80 + 2 * (len(code) - exercises - questions) + questions
    reading += 2 * len(re.findall(formulas, prose, flags=re.S))
    return 5 * round(reading / 5), 5 * round(8 * exercises / 5)


if __name__ == "__main__":
    for notebook in sorted(NOTEBOOKS.glob("*.py")):
        print(notebook.stem, *minutes(notebook))
