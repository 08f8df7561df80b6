"""How long a notebook takes, by its words, cells, questions and exercises: ``python docs/minutes.py``.

A page of such prose is read at 110 words a minute; a cell takes a minute to run and look at, a
question to be guessed one more, an exercise six. Rounded to five minutes.
"""

import re
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def minutes(path: Path) -> tuple[int, int]:
    """Return the minutes for reading and running a notebook (its .py), and for its exercises."""
    cells = re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.M)[1:]
    prose = " ".join(cell for cell in cells if cell.startswith(" [markdown]"))
    code = [cell for cell in cells if not cell.startswith(" [markdown]")]
    words = len(
        re.findall(r"[^\W\d_]{2,}", re.sub(r"\$\$.*?\$\$|\]\([^)]*\)", " ", prose, flags=re.S))
    )
    exercises = sum("ql.check(" in cell for cell in code)
    questions = sum(cell.count("ql.predict(") for cell in code)
    reading = words / 110 + (len(code) - exercises) + questions
    return 5 * round(reading / 5), 5 * round(6 * exercises / 5)


if __name__ == "__main__":
    for notebook in sorted(NOTEBOOKS.glob("*.py")):
        print(notebook.stem, *minutes(notebook))
