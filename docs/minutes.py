"""How long a notebook takes: ``python docs/minutes.py`` says it, there and in docs/teaching.md.

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
    words = re.findall(
        r"[^\W\d_]{2,}", re.sub(rf"{formulas}|</?sub>|\]\([^)]*\)", " ", prose, flags=re.S)
    )
    exercises = sum("ql.check(" in cell for cell in code)
    questions = sum("ql.predict(" in cell for cell in code)
    reading = len(words) / 80 + 2 * (len(code) - exercises - questions) + questions
    reading += 2 * len(re.findall(formulas, prose, flags=re.S))
    return 5 * round(reading / 5), 5 * round(8 * exercises / 5)


TEACHES = {
    "00": "the phenomenon; the model; α, plateau, escape time",
    "01": "why a few overlaps are enough; means and fluctuations; the η² term",
    "02": "exponential growth from a random start; a law with an error bar",
    "03": "what surplus units change, and what they do not; power law or exponential",
    "04": "manifolds of solutions; conserved quantities; implicit bias, and its blur",
    "05": "Hessians, saddles, flat directions; spectra on a sample",
    "06": "unequal teacher units, label noise, three learning rates, enormous N",
    "07": "ensembles, independent random numbers, errors of means and spreads",
}


def table() -> str:
    """What each notebook teaches and how long it takes, for docs/teaching.md."""
    lines = ["| notebook | what it teaches | reading, min | exercises, min |", "|---|---|---|---|"]
    totals = [0, 0]
    for path in sorted(NOTEBOOKS.glob("*.py")):
        title = re.search(r"^# # (.+)$", path.read_text(encoding="utf-8"), re.M)
        took = minutes(path)
        totals = [total + part for total, part in zip(totals, took, strict=True)]
        link = f"[{title[1] if title else path.stem}](../notebooks/{path.stem}.ipynb)"
        lines.append(f"| {link} | {TEACHES[path.stem[:2]]} | {took[0]} | {took[1]} |")
    return "\n".join([*lines, f"| all | | {totals[0]} | {totals[1]} |"])


def filled(text: str) -> str:
    """Return docs/teaching.md with the table as it is now."""
    before, rest = text.split("<!-- minutes:begin -->")
    after = rest.split("<!-- minutes:end -->")[1]
    return f"{before}<!-- minutes:begin -->\n{table()}\n<!-- minutes:end -->{after}"


if __name__ == "__main__":
    for notebook in sorted(NOTEBOOKS.glob("*.py")):
        text = notebook.read_text(encoding="utf-8")
        said = "**Time.** About {} minutes, and {} for the exercises.".format(*minutes(notebook))
        notebook.write_text(re.sub(r"\*\*Time\.\*\* About [^.]*\.", said, text), encoding="utf-8")
        print(notebook.stem, *minutes(notebook))
    page = Path(__file__).with_name("teaching.md")
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
