"""The book: every link leads somewhere, nothing comes from elsewhere, every explorer moves."""

import inspect
import operator
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import pytest
from sites import BOOK, ROOT, built

import quadlib as ql

EXPLORERS = sorted(ql.explorers.__all__)


class Links(HTMLParser):
    """Addresses and anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.meta: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in ("canonical", "icon", "shortcut icon"):
            self.meta[given["rel"].removeprefix("shortcut ")] = given["href"]
        elif tag == "link" and given.get("rel") in ("stylesheet", "preload"):
            self.loaded.append(given["href"])
        if tag in ("script", "img", "iframe") and "src" in given:
            self.loaded.append(given["src"])
        if tag == "meta" and "name" in given:
            self.meta[given["name"]] = given.get("content", "")


@cache
def parsed(path: Path) -> Links:
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def pages() -> list[Path]:
    """Pages that were written, not those of the search and index."""
    found = sorted(built(BOOK).rglob("*.html"))
    return [
        p
        for p in found
        if p.name not in ("search.html", "genindex.html") and "_static" not in p.parts
    ]


def test_every_internal_link_and_anchor_leads_somewhere() -> None:
    lost = []
    for page in pages():
        for link in parsed(page).links + parsed(page).loaded:
            address = urlparse(link)
            if address.scheme or link.startswith("//"):
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            if target.is_dir():
                target /= "index.html"
            part = unquote(address.fragment) if target.suffix == ".html" else ""
            if not target.is_file() or (part and part not in parsed(target).anchors):
                lost.append(f"{page.relative_to(BOOK)}: {link}")
    assert lost == []


class Unlinked(HTMLParser):
    """Numbers of equations outside links, formulas and code."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        formula = tag in ("div", "span") and "math" in (dict(attrs).get("class") or "").split()
        if tag not in ("br", "hr", "img", "input", "link", "meta"):
            self.inside.append("math" if formula else tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and tag not in ("br", "hr", "img", "input", "link", "meta"):
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not {"a", "math", "pre", "code", "script", "title", "h1", "h2", "h3"} & set(self.inside):
            self.found += re.findall(r"\((\d+\.\d+)\)", data)


def test_numbers_of_equations_are_links() -> None:
    anchors = parsed(built(BOOK) / "theory.html").anchors
    assert {f"eq-{n}" for n in ("1-1", "3-1", "4-1", "6-1")} <= anchors
    for page in pages():
        if page.parent.name == "notebooks" and page.name[0].isdigit():
            assert any("theory.html#eq-" in link for link in parsed(page).links), page.name
        rest = Unlinked()
        rest.feed(page.read_text(encoding="utf-8"))
        lost = [number for number in rest.found if f"eq-{number.replace('.', '-')}" in anchors]
        assert lost == [], page.name


def test_nothing_is_loaded_from_elsewhere() -> None:
    for page in pages():
        foreign = [src for src in parsed(page).loaded if re.match(r"(https?:)?//", src)]
        assert foreign == [], page


def test_every_page_says_what_it_is_about_and_where_it_belongs() -> None:
    sitemap = (built(BOOK) / "sitemap.xml").read_text(encoding="utf-8")
    for page in pages():
        meta = parsed(page).meta
        assert len(meta.get("description", "")) > 40, page
        assert meta["canonical"].endswith(page.relative_to(BOOK).as_posix()), page
        assert meta["icon"].endswith("favicon.svg"), page
        assert f"<loc>{meta['canonical']}</loc>" in sitemap
        assert f"quadlib {ql.__version__}" in page.read_text(encoding="utf-8")


def public() -> list[str]:
    """Names that users may call."""
    names = [name for name in dir(ql) if not name.startswith("_")]
    return [
        name
        for name in names
        if callable(getattr(ql, name)) and name not in ("Any", "import_module")
    ]


@pytest.mark.parametrize("name", [*public(), *(f"explorers.{name}" for name in EXPLORERS)])
def test_the_reference_has_the_docstring_of(name: str) -> None:
    page = built(BOOK) / "generated" / f"quadlib.{name}.html"
    if not page.exists():
        page = page.with_name(f"quadlib.{name}_class.html")
    text = re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8"))
    doc = inspect.getdoc(operator.attrgetter(name)(ql)) or ""
    word = re.findall(r"[a-z]{4,}", doc)
    assert len(word) > 3
    assert sum(w in text for w in word) >= 0.9 * len(word)


def test_buttons_lead_to_files_that_are_there() -> None:
    for page in pages():
        for link in parsed(page).links:
            edit = re.search(r"github\.com/quadlib/quadlib/edit/main/(.*)", link)
            file = edit[1] if edit else ""
            if "mybinder.org/v2" in link:
                file = parse_qs(urlparse(link).query)["urlpath"][0].removeprefix("lab/tree/")
            elif "lite/lab/index.html" in link:
                file = parse_qs(urlparse(link).query)["path"][0]
            assert not file or (ROOT / file).is_file(), f"{page}: {link}"
            assert "docs/notebooks" not in file
    tour = parsed(built(BOOK) / "notebooks" / "00_tour.html").links
    for host in ("/edit/main/notebooks/00_tour.py", "mybinder.org", "lite/lab/index.html"):
        assert any(host in link for link in tour), host


def test_the_pictures_that_move_are_small_and_complete() -> None:
    folder = built(BOOK) / "_static" / "frames"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    for name in EXPLORERS:
        text = (folder / f"{name}.js").read_text(encoding="utf-8")
        explorer = getattr(ql.explorers, name)()
        for control in explorer.controls.values():
            assert f'"label":"{control.description}"' in text
        sources = set(re.findall(r'"src":"([^"]*)"', text))
        assert len(sources) >= 3 * len(explorer.controls)
        for source in sources:
            assert (folder / source).stat().st_size > 2000
        assert not re.search(r'"(alt|summary|table)":""', text)


def notebook_of(name: str) -> str:
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        if re.search(rf"^ql\.explorers\.{name}\(\)$", path.read_text(encoding="utf-8"), re.M):
            return path.stem
    raise LookupError(name)


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_moves_without_a_kernel(
    page: Any, serve: Callable[..., str], photograph: Callable[..., None], name: str
) -> None:
    page.goto(f"{serve(BOOK)}/notebooks/{notebook_of(name)}.html")
    strip = page.locator(".quadlib-strip")
    strip.scroll_into_view_if_needed()
    sliders = strip.locator("input[type=range]")
    sliders.first.wait_for()
    image = strip.locator("img")
    shown = {image.get_attribute("src")}
    rest = [slider.input_value() for slider in sliders.all()]
    for index, slider in enumerate(sliders.all()):
        slider.focus()
        page.keyboard.press(
            "ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight"
        )
        assert slider.get_attribute("aria-valuetext")
        source = image.get_attribute("src")
        assert source not in shown
        shown.add(source)
        page.wait_for_function(
            "image => image.complete && image.naturalWidth > 100", arg=image.element_handle()
        )
        assert len(image.get_attribute("alt") or "") > 60
        now = [other.input_value() for other in sliders.all()]
        assert [k for k, value in enumerate(now) if value != rest[k]] == [index]
    page.wait_for_timeout(600)
    assert strip.get_by_role("status").inner_text()
    strip.locator("details summary").click()
    strip.locator("table").wait_for()
    assert "One control moves at a time" in strip.inner_text()
    photograph(page, f"book_{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_their_window(
    page: Any, serve: Callable[..., str], photograph: Callable[..., None], scheme: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 850})
    page.emulate_media(color_scheme=scheme)
    for name in ("index", "theory", "notebooks/00_tour", "api"):
        page.goto(f"{serve(BOOK)}/{name}.html")
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width + 1, name
        photograph(page, f"book_{name.replace('/', '_')}_{scheme}_{width}")


def test_formulas_are_set_and_the_search_finds(page: Any, serve: Callable[..., str]) -> None:
    page.goto(f"{serve(BOOK)}/theory.html#eq-3-1")
    page.wait_for_selector("mjx-container", state="attached", timeout=60_000)
    page.goto(f"{serve(BOOK)}/search.html?q=plateau")
    page.wait_for_selector("#search-results li a", timeout=60_000)
