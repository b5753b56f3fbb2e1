"""The course as a reader and as an instructor see it, in JupyterLab in a browser: `pytest -n 0 tests/browser`.

Needs tests/browser/requirements.txt and a Chromium or Chrome, and takes three minutes.
"""

import re
import shlex
import time

import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers import ROOT
from tests.browser import lab

REDRAW_SECONDS = 3  # 0.3 to 0.5 on a quiet machine


@pytest.fixture(scope="module")
def readme(page, course):
    """The page of JupyterLab, started by the README's first command."""
    [command] = re.findall(r"\.venv/bin/jupyter lab (.*)", (ROOT / "README.md").read_text())
    with lab.server("-m", "jupyterlab", *shlex.split(command), folder=course) as address:
        yield page, address


@pytest.fixture(scope="module")
def slides(page, course):
    """The page of `python -m helpers present 00`, and after how many seconds it showed the first slide."""
    page.set_viewport_size({"width": 1280, "height": 720})
    start = time.monotonic()
    with lab.server("-m", "helpers", "present", "00", folder=course) as address:
        lab.open_notebook(page, address, "00_start_here")
        page.wait_for_selector(".jp-deck-mod-visible h1")
        yield page, time.monotonic() - start


def picture(panel):
    """The alternative text of an explorer's picture, and the picture."""
    shown = panel.locator("img").last
    return shown.get_attribute("alt"), shown.get_attribute("src")


def seconds_to_change(page, panel, before):
    """Wait until an explorer shows another picture; how long that took."""
    start = time.monotonic()
    while picture(panel) == before:
        assert time.monotonic() - start < 30, "the picture stays"
        page.wait_for_timeout(20)
    return time.monotonic() - start


def move_by_keyboard(page, cell):
    """Move each control of an explorer by its keys; the seconds that each redraw took."""
    seconds = []
    for slider in cell.get_by_role("slider").all():
        slider.focus()
        before, at_start = picture(cell), slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemin")
        page.keyboard.press("End" if at_start else "Home")
        seconds.append(seconds_to_change(page, cell, before))
    for buttons in cell.locator(".widget-toggle-buttons").all():
        before = picture(cell)
        buttons.locator("button:not(.mod-active)").last.focus()
        page.keyboard.press("Enter")
        seconds.append(seconds_to_change(page, cell, before))
    return seconds


def test_an_untrusted_notebook_shows_its_pictures_with_their_words(readme):
    page, address = readme
    lab.open_notebook(page, address, "00_start_here")
    shows = "each.model.sharedModel.outputs?.length"
    assert not page.evaluate(f"{lab.PANEL}.content.widgets.some(each => {shows} && each.model.trusted)")
    alts = []
    for number, cell in enumerate(nbformat.read(ROOT / "notebooks/00_start_here.ipynb", as_version=4).cells):
        if "<img" in str(cell.get("outputs")):
            page.evaluate(f"{lab.PANEL}.content.activeCellIndex = {number}")
            page.evaluate(f"{lab.PANEL}.content.scrollToItem({number})")
            shown = page.locator(f".jp-Cell[data-windowed-list-index='{number}'] .jp-OutputArea img")
            shown.first.wait_for()
            page.wait_for_timeout(300)
            for each in shown.all():
                assert each.evaluate("each => each.complete && each.naturalWidth") > 100
                alts.append(each.get_attribute("alt"))
    print(f"{len(alts)} pictures, texts of {min(map(len, alts))} to {max(map(len, alts))} characters")
    assert len(alts) >= 5 and min(map(len, alts)) >= 20


@pytest.mark.parametrize("name", ["00_start_here", "02_vgg"])
def test_every_control_moves_its_picture_by_keyboard(readme, name):
    page, address = readme
    lab.open_notebook(page, address, name)
    lab.run_all(page)
    assert lab.errors(page) == []
    cell = lab.show_cell(page, "explore(")
    cell.get_by_role("slider").first.wait_for()
    first = picture(cell)
    seconds = move_by_keyboard(page, cell)
    print(f"{name}: redrawn within {', '.join(f'{each:.2f}' for each in seconds)} s")
    assert len(seconds) >= 3 and max(seconds) < REDRAW_SECONDS
    assert picture(cell)[0] != first[0]
    width, natural = cell.locator("img").last.evaluate("each => [each.width, each.naturalWidth]")
    assert width <= natural, "the picture is stretched"


def test_first_slide_shows_and_the_set_up_has_run(slides):
    page, seconds = slides
    print(f"first slide after {seconds:.1f} s")
    lab.wait_for_kernel(page)
    for _ in range(8):
        page.keyboard.press("Shift+Enter")
        lab.wait_for_kernel(page)
    assert lab.errors(page) == []
    counts = page.evaluate(f"{lab.PANEL}.content.widgets.map(each => each.model.executionCount ?? 0)")
    assert max(counts) >= 2


def test_a_slide_holds_a_live_explorer(slides):
    page, _ = slides
    lab.run_all(page)
    assert lab.errors(page) == []
    cell = lab.show_cell(page, "explore(")
    cell.get_by_role("slider").first.wait_for()
    seconds = move_by_keyboard(page, cell)
    assert max(seconds) < REDRAW_SECONDS
    assert page.locator(".jp-Deck").count() == 1  # the keys of a control neither turn the page nor leave it


def test_photographs_are_taken_from_the_readers_disk(slides, tmp_path):
    page, _ = slides
    noise = np.random.default_rng(0).integers(0, 256, (3500, 3500, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png", compress_level=0)
    Image.fromarray(noise[:300, :400]).save(tmp_path / "small.png")
    (tmp_path / "bad.png").write_bytes(b"no photograph")
    assert (tmp_path / "large.png").stat().st_size > 36e6
    cell = lab.show_cell(page, "photo_upload(")
    sentence = cell.get_by_text('"bad.png" is not a photograph')
    for name, answer in (("small", None), ("bad", sentence), ("large", None)):
        cell.locator(".widget-upload").focus()
        start = time.monotonic()
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(tmp_path / f"{name}.png")
        (answer or cell.locator(f'img[alt*="{name}.png"]')).wait_for(timeout=60_000)
        print(f"{name}.png: answered after {time.monotonic() - start:.1f} s")


def test_escape_leads_from_the_slides_to_the_notebook(slides):
    page, _ = slides
    page.evaluate(f"{lab.PANEL}.content.activeCellIndex = 0")
    page.wait_for_timeout(300)
    page.keyboard.press("Escape")
    page.wait_for_selector(".jp-Deck", state="detached", timeout=5000)
