"""Put five claims, four speeds and the tour's picture into README.md: `python docs/readme.py`.

The first two are read from docs/claims.md and docs/benchmarks.md; docs/tour.png is drawn.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Page, words of the row, and the sentence that its cells are put into
CLAIMS = (
    ("C1: ", "exponent of the distance SGD-ODE",
     "**C1.** SGD follows closed ODEs: their distance goes as N^x, x = {3} ({2} predicted)."),
    ("C2: ", "rate 2r of the loss, p = 8",
     "**C2.** The loss leaves the plateau at a rate without p, here 2r = {3} at p = 8 ({2})."),
    ("C3: ", "dimension of the set of minima, p = 4, p* = 2",
     "**C3.** Solutions form a manifold: at p = 4, p* = 2 minima spread in {3} dimensions ({2})."),
    ("C4: ", "‖O∞ − O₀‖, ODE",
     "**C4.** The ODE ends on the closest of them, but for an angle N^x, x = {3} ({2})."),
    ("C5: ", "index of the plateau, p = 4, p* = 2, N = 1",
     "**C5.** The plateau is a saddle: {3} directions lead down, at N = 10⁴ as at 10¹² ({2})."),
)  # fmt: skip
SPEEDS = (
    ("the same: ", 'method="overlaps"', "A step of exact SGD, N = 1000, p = 4, p* = 2: {2}."),
    ("10", "runs at N = 10", "{0}: {2}."),
    ("`integrate`", "over fixed-step Euler", "The ODE, over Euler steps of equal error: {2}."),
    ("`hessian", "at p = 8, p* = 4", "A Hessian spectrum, p = 8, p* = 4, any N up to 10¹²: {2}."),
)  # fmt: skip


def rows(name: str) -> list[list[str]]:
    """Cells of the table of a page, an empty first cell repeating the one above."""
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    found: list[list[str]] = []
    for line in re.findall(r"^\| (.*) \|$", text, re.M):
        cells = [
            re.sub(r"(?<![\w-])-(?=\d)", "−", cell) for cell in re.split(r" ?(?<!\\)\| ?", line)
        ]
        found.append([cells[0] or found[-1][0], *cells[1:]])
    return found


def sentences(name: str, chosen: tuple[tuple[str, str, str], ...]) -> list[str]:
    """Each sentence with the numbers of the first row that begins and goes on so."""
    table, lines = rows(name), []
    for begin, words, sentence in chosen:
        row = next(r for r in table if r[0].startswith(begin) and words in " ".join(r[:2]))
        lines.append("- " + sentence.format(*row))
    return lines


def filled(text: str) -> str:
    """README with both lists as the pages have them now."""
    lists = {"claims": sentences("claims", CLAIMS), "speeds": sentences("benchmarks", SPEEDS)}
    for name, lines in lists.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, rest = text.split(begin)
        text = "\n".join((before + begin, *lines, end + rest.split(end)[1]))
    return text


def pictured(text: str) -> str:
    """README with the words of docs/tour.png, which is drawn as the tour shows itself."""
    from quadlib.explorers import tour

    explorer = tour()
    explorer.finish()
    (ROOT / "docs" / "tour.png").write_bytes(explorer.live.png(2))
    image = f"![{explorer.alt_text}](docs/tour.png)"
    return re.sub(r"!\[[^\]]*\]\(docs/tour\.png\)", lambda _: image, text)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(pictured(filled(readme.read_text(encoding="utf-8"))), encoding="utf-8")
