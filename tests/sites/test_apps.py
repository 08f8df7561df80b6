"""Voilà: each explorer on a page, moved by keyboard, asking no other host."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sites import APPS, built, voila

import quadlib as ql


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("voila")
    with voila(built(APPS), tmp_path_factory.mktemp("voila") / "log") as address:
        yield address


def test_there_is_a_page_for_every_explorer() -> None:
    pages = {path.stem.partition("_")[2] for path in (built(APPS) / "pages").glob("*.ipynb")}
    assert pages == set(ql.explorers.__all__)


@pytest.mark.parametrize("name", sorted(ql.explorers.__all__))
def test_an_explorer_moves_on_its_page(
    page: Any, address: str, photograph: Callable[..., None], name: str
) -> None:
    file: Path = next((APPS / "pages").glob(f"*_{name}.ipynb"))
    start = time.monotonic()
    page.goto(f"{address}/voila/render/{file.name}", timeout=120_000)
    image = page.locator(".quadlib-explorer .quadlib-picture")
    image.wait_for(timeout=120_000)
    print(f"{name}: first picture after {time.monotonic() - start:.1f} s")
    assert page.locator("h1").count() == 1
    before = image.get_attribute("alt")
    page.locator(".quadlib-explorer .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "alt => document.querySelector('.quadlib-picture').alt !== alt", arg=before, timeout=60_000
    )
    photograph(page, f"app_{name}")


def test_the_list_of_pages_asks_nobody(
    page: Any, address: str, photograph: Callable[..., None]
) -> None:
    """Voilà writes it itself: the list that its script draws stays empty at times."""
    page.goto(f"{address}/", timeout=120_000)
    pages = sorted(path.name for path in (APPS / "pages").glob("*.ipynb"))
    assert page.get_by_role("link").all_inner_texts() == pages
    photograph(page, "apps")
