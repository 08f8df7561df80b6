"""The teacher's page keeps its numbers: minutes, moves, exercises, links to the key."""

import re
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def section(headline: str) -> str:
    return PAGE.partition(f"## {headline}")[2].partition("\n## ")[0]


def test_minutes_are_those_of_the_notebooks() -> None:
    filled = run_path(str(ROOT / "docs" / "minutes.py"))["filled"]
    assert filled(PAGE) == PAGE, "run python docs/minutes.py"


@pytest.mark.parametrize(("headline", "total"), [("One hour", 60), ("Three hours", 180)])
def test_a_plan_fills_its_time(headline: str, total: int) -> None:
    rows = re.findall(r"^\| (\d+) \|", section(headline), re.M)
    assert sum(map(int, rows)) == total


def test_every_move_of_the_demonstration_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    explorers = pytest.importorskip("quadlib.explorers")
    # Asked for are controls alone, and not what would go on beside the next tests
    monkeypatch.setattr("quadlib.live.Explorer.later", lambda *_: None)
    calls = re.findall(r"^\| \d+ \| `(\w+)\((?:(\w+)=([\d.]+))?\)` \|", section("One hour"), re.M)
    assert len(calls) == 10
    made = {name: getattr(explorers, name)().controls for name in {name for name, *_ in calls}}
    for name, control, value in calls:
        if control:
            slider = made[name][control]
            low, high = slider.min, slider.max
            if hasattr(slider, "base"):
                low, high = slider.base**low, slider.base**high
            assert low <= float(value) <= high, f"{name}({control}={value})"


def test_exercises_that_are_named_exist() -> None:
    asked = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
    for name in re.findall(r"\b0\d\.\d\b", PAGE):
        assert f'ql.check("{name}", answer)' in asked, name


def test_the_key_and_the_misconceptions_cover_every_notebook() -> None:
    key = re.findall(r"notebooks/solutions/(\w+)_solutions\.ipynb", section("The key"))
    assert key == [path.stem for path in NOTEBOOKS]
    named = set(re.findall(r"^\| (\d\d) \|", section("Misconceptions"), re.M))
    assert named == {path.stem[:2] for path in NOTEBOOKS}
