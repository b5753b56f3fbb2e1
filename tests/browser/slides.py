"""Look at every slide in the lecture mode, with the committed outputs: `python -m tests.browser.slides [00 02 …]`.

Prints the slides of 1280 x 720 that are too tall, clipped at the right, or hold text below 14 px, with the number of
their first cell (from 0), their heading and their height; exits with 1 when there are any. `--save FOLDER` keeps a
picture of each slide. Needs tests/browser/requirements.txt and a Chromium or Chrome.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from helpers import ROOT
from helpers.teaching.present import find
from tests.browser import lab

WIDTH, HEIGHT, SMALLEST = 1280, 720, 14
MEASURE = """smallest => {
    const cells = [...document.querySelectorAll('.jp-Cell.jp-deck-mod-onscreen')]
    const boxes = cells.map(each => each.getBoundingClientRect()).filter(box => box.height)
    const shown = each => each.checkVisibility({visibilityProperty: true, opacityProperty: true})
    const own = each => [...each.childNodes].some(node => node.nodeType == 3 && node.data.trim())
    const all = cells.flatMap(each => [...each.querySelectorAll('*')]).filter(shown)
    const texts = all.filter(each => own(each) && !each.closest('.MathJax, mjx-container, .jp-mod-hidden'))
    const right = Math.max(0, ...all.filter(own).map(each => {
        const range = document.createRange()
        range.selectNodeContents(each)
        return range.getBoundingClientRect().right
    }), ...all.filter(each => each.tagName == 'IMG').map(each => each.getBoundingClientRect().right))
    return {
        height: Math.max(0, ...boxes.map(box => box.bottom)) - Math.min(...boxes.map(box => box.top)),
        right,
        small: texts.filter(each => parseFloat(getComputedStyle(each).fontSize) < smallest)
            .map(each => each.textContent.trim().slice(0, 20)).slice(0, 3),
    }
}"""


class Slide(NamedTuple):
    """The cells of one slide: the first and the last that is shown, and the heading that it stands under."""

    first: int
    last: int
    heading: str


def slides_of(path: Path) -> list[Slide]:
    """The slides of a notebook, as its tags say: each begins with a cell tagged slide or subslide."""
    slides, heading = [], ""
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            heading = cell.source.splitlines()[0].strip("# ")
        if kind in ("slide", "subslide") or (kind != "skip" and not slides):
            slides.append(Slide(number, number, heading))
        elif kind != "skip":
            slides[-1] = slides[-1]._replace(last=number)
    return slides


def measure(page: Any, slide: Slide) -> list[str]:
    """What is wrong with a slide, shown with all its fragments."""
    page.evaluate(f"{lab.PANEL}.content.activeCellIndex = {slide.last}")
    page.wait_for_selector(f".jp-Cell.jp-deck-mod-visible[data-windowed-list-index='{slide.last}']", state="attached")
    page.wait_for_function("[...document.querySelectorAll('.jp-deck-mod-onscreen img')].every(each => each.complete)")
    page.wait_for_timeout(250)  # text is laid out, formulas are set
    found = page.evaluate(MEASURE, SMALLEST)
    faults = [f"{found['height']:.0f} px tall"] if found["height"] > HEIGHT else []
    faults += [f"clipped: ends at {found['right']:.0f} px"] if found["right"] > WIDTH else []
    return faults + ([f"small text: {', '.join(found['small'])}"] if found["small"] else [])


def look_at(path: Path, save: Path | None = None) -> tuple[list[Slide], dict[Slide, list[str]]]:
    """All slides of a notebook, and what is wrong with which."""
    slides, wrong = slides_of(path), {}
    with lab.server("-m", "helpers", "present", path.stem) as address, lab.browser(WIDTH, HEIGHT) as page:
        lab.open_notebook(page, address, path.stem)
        page.wait_for_selector(".jp-Deck .jp-deck-mod-visible", timeout=30_000)
        for slide in slides:
            if faults := measure(page, slide):
                wrong[slide] = faults
            if save:
                page.screenshot(path=save / f"{path.stem[:2]}_{slide.first:02}.png")
    return slides, wrong


def main() -> None:
    """Look at the notebooks that the command line names, or at all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*")
    parser.add_argument("--save", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    if given.save:
        given.save.mkdir(parents=True, exist_ok=True)
    paths = [find(name) for name in given.notebooks] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    bad = 0
    for path in paths:
        slides, wrong = look_at(path, given.save)
        print(f"{path.stem}: {len(slides)} slides, {len(wrong)} to mend", flush=True)
        for slide, faults in wrong.items():
            print(f"    cells {slide.first} to {slide.last}, {slide.heading!r}: {'; '.join(faults)}", flush=True)
        bad += len(wrong)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
