"""Every explorer in a real browser: moved, restored, without its kernel, and for everyone."""

from collections.abc import Iterator
from typing import Any

import pytest
from lab import EXPLORERS, Notebook, assert_changed, photograph

SINGLE = "() => window.jupyterapp.commands.execute('application:toggle-mode')"


def violations(notebook: Notebook) -> list[str]:
    """What axe-core finds serious or critical in the explorer."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(notebook.page, context=".quadlib-explorer").response["violations"]
    return [
        f"{one['id']}: {node['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture(scope="module")
def page(context: Any) -> Iterator[Any]:
    """One page for all, since JupyterLab takes longer to load than a notebook in it."""
    opened = context.new_page()
    opened.set_viewport_size({"width": 1280, "height": 720})
    yield opened
    opened.close(run_before_unload=False)


@pytest.fixture(scope="module", params=EXPLORERS)
def notebook(request: Any, context: Any, address: str, page: Any) -> Iterator[Notebook]:
    opened = Notebook(context, address, request.param, page)
    opened.run()
    opened.show_explorer()
    yield opened
    opened.close()


def test_it_moves_and_tells(notebook: Notebook) -> None:
    photograph(notebook)
    assert notebook.errors == []
    before, told = notebook.picture(), notebook.told()
    assert told
    notebook.move(notebook.controls()[0][1])
    assert_changed(notebook, before, notebook.name)
    assert notebook.told() != told
    photograph(notebook, "_moved")


def test_controls_and_picture_fit_a_small_screen(notebook: Notebook) -> None:
    box = notebook.page.locator(".quadlib-explorer").bounding_box()
    assert box["height"] <= 720 - 130  # without the bars of JupyterLab
    assert box["width"] <= 1280
    tracks = {
        round(notebook.page.locator(".quadlib-controls > *").nth(i).bounding_box()["width"])
        for i in range(notebook.page.locator(".quadlib-controls > *").count())
    }
    assert len(tracks) == 1


def test_at_twice_the_size_slider_and_picture_are_on_screen(notebook: Notebook) -> None:
    notebook.page.set_viewport_size({"width": 640, "height": 360})  # what zoom of 200 % leaves
    try:
        notebook.page.evaluate(SINGLE)
        notebook.page.wait_for_timeout(500)
        notebook.page.evaluate("() => document.querySelector('.quadlib-explorer').scrollIntoView()")
        for _, element in notebook.controls():
            if element.evaluate("e => !e.closest('.quadlib-controls')"):
                continue
            element.focus()
            notebook.page.wait_for_timeout(100)
            picture = notebook.page.locator(".quadlib-picture").bounding_box()
            control = element.bounding_box()
            assert picture["y"] >= 20
            assert picture["y"] + picture["height"] <= 360
            assert 0 <= control["y"] <= 340
        photograph(notebook, "_zoom")
    finally:
        notebook.page.evaluate(SINGLE)
        notebook.page.set_viewport_size({"width": 1280, "height": 720})


def test_nothing_serious_for_a_screen_reader(notebook: Notebook) -> None:
    for toggle in ("data", "code", "save"):
        dict(notebook.controls())[toggle].click()
    notebook.page.wait_for_selector(".quadlib-panel a[download]")
    assert violations(notebook) == []


def test_the_dark_theme_shows_a_light_card(notebook: Notebook) -> None:
    theme = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
    notebook.page.evaluate(theme, "JupyterLab Dark")
    notebook.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    notebook.page.wait_for_timeout(500)
    try:
        photograph(notebook, "_dark")
        assert violations(notebook) == []
        style = "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.paddingTop]; }"
        background, padding = notebook.page.locator(".quadlib-picture").evaluate(style)
        assert background == "rgb(255, 255, 255)"
        assert padding != "0px"
    finally:
        notebook.page.evaluate(theme, "JupyterLab Light")


def test_restored_with_a_running_kernel_it_has_its_names(notebook: Notebook) -> None:
    notebook.reopen(page=notebook.name == EXPLORERS[0])
    notebook.show_explorer()
    notebook.page.wait_for_selector(".noUi-handle[aria-label]")
    assert violations(notebook) == []
    before = notebook.picture()
    notebook.move(notebook.controls()[0][1])
    assert_changed(notebook, before, notebook.name)


def test_without_its_kernel_it_says_how_to_get_it_back(notebook: Notebook) -> None:
    assert not notebook.page.locator(".quadlib-lost").is_visible()
    session = "window.jupyterapp.shell.currentWidget.sessionContext.session"
    notebook.page.evaluate(f"() => {session}.kernel.restart()")
    notebook.page.wait_for_selector(".quadlib-lost", state="visible")
    assert "run its cell again" in notebook.page.locator(".quadlib-lost").inner_text()
    photograph(notebook, "_lost")
