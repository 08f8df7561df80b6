"""The tour, moved by keyboard in a real browser: changed pixels, changed words, no error."""

from collections.abc import Iterator
from typing import Any

import pytest
from lab import Notebook, assert_changed, photograph


@pytest.fixture(scope="module")
def tour(context: Any, address: str) -> Iterator[Notebook]:
    notebook = Notebook(context, address, "00_tour")
    yield notebook
    notebook.close()


def test_a_saved_tour_has_its_picture_before_anything_runs(tour: Notebook) -> None:
    image = tour.page.locator(".jp-OutputArea-output img[alt*='plateau']").first
    image.wait_for()
    assert "SGD runs" in image.get_attribute("alt")
    assert image.evaluate("image => image.complete && image.naturalWidth") == 1800
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
    assert len(set(names)) == len(names) == 11
    shown = {"data": "table", "code": "pre", "save": "a[download$='.pdf']"}
    tour.page.evaluate("() => { document.querySelector('.quadlib-explorer img').kept = true; }")
    for name, element in controls:
        before = tour.picture()
        tour.move(element)
        if name in shown:
            tour.page.wait_for_selector(f".quadlib-panel {shown[name]}")
        else:
            assert_changed(tour, before, name)
            # All runs have arrived, so that the next change is the next control's
            tour.wait_for_words("SGD runs")
    photograph(tour, "_moved")
    assert tour.page.evaluate("() => document.querySelector('.quadlib-explorer img').kept")


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
              const all = '.quadlib-controls > *, .quadlib-actions button';
              const boxes = [...document.querySelectorAll(all)];
              return boxes.findIndex(box => box.contains(document.activeElement));
            }"""
        )
        if index not in reached:
            reached.append(index)
        tour.page.keyboard.press("Tab")
    assert [index for index in reached if index >= 0] == list(range(len(controls)))


def test_an_error_shows_in_place_and_the_sliders_go_on(live_tour: Notebook) -> None:
    tour = live_tour
    tour.show_explorer()  # a cell that has scrolled away is not in the page
    controls = dict(tour.controls())
    log_N, p = controls["log₁₀ N"], controls["student units p"]
    p.focus()
    tour.page.keyboard.press("End")
    tour.settle()
    before = tour.picture()
    log_N.focus()
    tour.page.keyboard.press("Home")
    tour.page.wait_for_selector(".quadlib-stale")
    assert "N must be at least" in tour.alert()
    assert "Not drawn: N must be at least" in tour.picture()[0]
    photograph(tour, "_error")
    tour.page.keyboard.press("End")
    tour.page.wait_for_selector(".quadlib-stale", state="detached")
    assert_changed(tour, before, "log₁₀ N")
