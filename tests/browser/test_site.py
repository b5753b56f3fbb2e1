"""The published book as a reader uses it, in a browser: search, links, a phone's width, and axe-core on every page.

Skipped, with the reason, without tests/browser/requirements.txt or without a Chromium.
"""

from pathlib import Path

import pytest

from helpers.teaching import publish
from tests.browser import lab

sync_api = pytest.importorskip("playwright.sync_api", reason="needs tests/browser/requirements.txt")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs tests/browser/requirements.txt")
CHAPTERS = [path.stem for path in publish.NOTEBOOKS]
PAGES = [(f"{name}.html", 390) for name in ("index", *CHAPTERS)]
PAGES += [(page, 1440) for page in ("index.html", "02_vgg.html", "slides/02_vgg.html")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    publish.build(publish.NOTEBOOKS, folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    program = lab.browser_program()
    if not program:
        pytest.skip("needs a Chromium or Chrome")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=lab.FLAGS)
        yield started
        started.close()


@pytest.fixture
def tab(browser):
    """A tab of 1440 x 900 that notes in `asked` what it requests of the net."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.asked = []
    page.on("request", lambda request: request.url.startswith("http") and page.asked.append(request.url))
    yield page
    page.close()


def address(path: Path, page: str) -> str:
    return (path / page).as_uri()


@pytest.mark.parametrize("page, width", PAGES)
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(site, tab, page, width):
    tab.set_viewport_size({"width": width, "height": 844})
    tab.goto(address(site, page))
    found = axe.Axe().run(tab).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:150] for node in one["nodes"]]) for one in serious] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.asked == []


def test_search_finds_a_chapter(site, tab):
    tab.goto(address(site, "search.html") + "?q=dropout")
    tab.wait_for_selector("#search-results li a")
    assert tab.locator("#search-results li a").count() >= 1


def test_reader_turns_the_page_and_finds_the_notebook_and_the_slides(site, tab):
    tab.goto(address(site, "02_vgg.html"))
    notebook = tab.get_by_role("link", name="Notebook", exact=True).get_attribute("href")
    assert (site / notebook).is_file()
    tab.get_by_role("link", name="next").click()
    assert tab.locator("article h1").inner_text().startswith("03 ")
    tab.get_by_role("link", name="Slides", exact=True).click()
    tab.wait_for_selector(".reveal.ready section.present h1")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("Reveal.getProgress()") > 0
    assert tab.asked == []


def test_solution_opens(site, tab):
    tab.goto(address(site, "02_vgg.html"))
    code = tab.locator("details:has(> summary:text-is('Solution')) pre").first
    assert not code.is_visible()
    tab.locator("summary:text-is('Solution')").first.click()
    assert code.is_visible()
