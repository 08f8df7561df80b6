"""Every explorer, moved by keyboard in a real browser: changed pixels, changed words, no error."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import ROOT, Notebook, pixels

WITH_EXPLORER = [
    path.stem
    for path in sorted((ROOT / "notebooks").glob("*.py"))
    if "explorers." in path.read_text(encoding="utf-8")
]
OTHERS = [name for name in WITH_EXPLORER if name != "00_tour"]


def photograph(notebook: Notebook, label: str = "") -> None:
    folder = os.environ.get("QUADLIB_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        notebook.page.screenshot(path=Path(folder) / f"{notebook.name}{label}.png")


def assert_changed(notebook: Notebook, before: tuple[str, str], what: str) -> None:
    notebook.wait_for_change(before)
    assert notebook.alert() == "", what
    alt, source = notebook.picture()
    assert alt != before[0], what
    assert (pixels(source) != pixels(before[1])).any(), what
    assert notebook.errors == [], what


@pytest.fixture(scope="module")
def tour(context: Any, address: str) -> Iterator[Notebook]:
    notebook = Notebook(context, address, "00_tour")
    yield notebook
    notebook.close()


def test_a_saved_tour_has_its_picture_before_anything_runs(tour: Notebook) -> None:
    image = tour.page.locator(".jp-OutputArea-output img[alt*='plateau']").first
    image.wait_for()
    assert "SGD runs" in image.get_attribute("alt")
    assert image.evaluate("image => image.complete && image.naturalWidth") == 900
    tour.page.wait_for_timeout(2000)
    assert tour.page.get_by_text("official Jupyter news").count() == 0
    photograph(tour, "_saved")


@pytest.fixture(scope="module")
def live_tour(tour: Notebook) -> Notebook:
    tour.run()
    tour.show_explorer()
    photograph(tour)
    assert tour.errors == []
    return tour


def test_the_tour_runs_and_every_control_moves_it(live_tour: Notebook) -> None:
    tour = live_tour
    controls = tour.controls()
    names = [name for name, _ in controls]
    assert len(set(names)) == len(names) == 9
    for name, element in controls:
        before = tour.picture()
        tour.move(element)
        if name == "data":
            tour.page.wait_for_selector(".quadlib-explorer table")
        else:
            assert_changed(tour, before, name)
            # All runs have arrived, so that the next change is the next control's
            tour.wait_for_words("SGD runs")
            tour.settle()
    photograph(tour, "_moved")


def test_tab_reaches_every_control_and_a_screen_reader_its_name(live_tour: Notebook) -> None:
    tour = live_tour
    controls = tour.controls()
    for name, element in controls:
        if element.evaluate("e => e.matches('.noUi-handle')"):
            assert element.get_attribute("aria-label") == name
            assert element.get_attribute("aria-valuetext")
    controls[0][1].focus()
    reached = []
    for _ in range(4 * len(controls)):
        index = tour.page.evaluate(
            """() => {
              const row = document.querySelector('.quadlib-explorer > .widget-box');
              return [...row.children].findIndex(box => box.contains(document.activeElement));
            }"""
        )
        if index not in reached:
            reached.append(index)
        tour.page.keyboard.press("Tab")
    assert [index for index in reached if index >= 0] == list(range(len(controls)))


def test_an_error_shows_in_place_and_the_sliders_go_on(live_tour: Notebook) -> None:
    tour = live_tour
    controls = dict(tour.controls())
    log_N, p = controls["log₁₀ N"], controls["students p"]
    p.focus()
    tour.page.keyboard.press("End")
    tour.settle()
    before = tour.picture()
    log_N.focus()
    tour.page.keyboard.press("Home")
    tour.page.wait_for_selector(".quadlib-explorer [role=alert]")
    assert "N must be at least" in tour.alert()
    photograph(tour, "_error")
    tour.page.keyboard.press("End")
    tour.page.wait_for_selector(".quadlib-explorer [role=alert]", state="detached")
    assert_changed(tour, before, "log₁₀ N")


@pytest.mark.parametrize("name", OTHERS)
def test_explorer_moves_in_the_browser(context: Any, address: str, name: str) -> None:
    notebook = Notebook(context, address, name)
    try:
        notebook.run(notebook.explorer_cell())
        notebook.show_explorer()
        photograph(notebook)
        before = notebook.picture()
        notebook.move(notebook.controls()[0][1])
        assert_changed(notebook, before, name)
        photograph(notebook, "_moved")
    finally:
        notebook.close()
