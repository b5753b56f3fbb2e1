"""What makes a slide too large, found without a browser; `python -m tests.browser.slides` looks at the slides."""

import ast
import builtins
import re

from tests.browser.slides import slides_of
from tests.test_notebooks import READ, code_cells, each_notebook

WIDTH, ROWS, ROWS_BESIDE_A_PICTURE, WORDS = 88, 24, 8, 170
UNMENDED = {  # chapters whose slides are still to be made to fit: a chapter that fits must leave this list
    "01_alexnet",
}  # fmt: skip
# and those of them whose slides need names that only passed-over cells bind: Shift+Enter ends in a NameError there
NEEDY = set()


def kind(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def shown(path):
    """The cells of each slide."""
    for slide in slides_of(path):
        yield slide, [cell for cell in READ[path].cells[slide.first : slide.last + 1] if kind(cell) != "skip"]


def html(cell):
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))


def pictures(cell):
    return len(re.findall("<img|!\\[", cell.source if cell.cell_type == "markdown" else html(cell)))


def rows(cell):
    """The lines that a code cell shows on a slide: those of its output, or its code where it has none."""
    if cell.cell_type == "markdown":
        return 0
    printed = "".join(output.get("text", "") for output in cell.outputs)
    return len((printed if cell.outputs else cell.source).splitlines()) + html(cell).count("<tr")


def words(cell):
    return len(cell.source.split()) if cell.cell_type == "markdown" else 0


def faults(path):
    """What is too large on which slide."""
    for slide, cells in shown(path):
        drawn = sum(map(pictures, cells))
        if drawn > 1:
            yield f"cell {slide.first}: {drawn} pictures"
        if (lines := sum(map(rows, cells))) > (ROWS_BESIDE_A_PICTURE if drawn else ROWS):
            yield f"cell {slide.first}: {lines} lines and rows, {drawn} pictures"
        if (said := sum(map(words, cells))) > WORDS:
            yield f"cell {slide.first}: {said} words"


@each_notebook
def test_slides_are_small_enough(path):
    found = list(faults(path))
    assert bool(found) == (path.stem in UNMENDED), found


@each_notebook
def test_code_is_no_wider_than_a_slide(path):
    assert [line for cell in code_cells(path) for line in cell.source.splitlines() if len(line) > WIDTH] == []


def names(cells):
    """The names that cells bind, and those that they use."""
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    imports = [alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    bound |= {alias.asname or alias.name.partition(".")[0] for alias in imports}
    return bound, {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


@each_notebook
def test_slides_need_no_cell_that_they_pass_over_but_the_set_up(path):
    set_up, *others = code_cells(path)
    assert kind(set_up) == "skip"
    bound, used = names([cell for cell in others if kind(cell) != "skip"])
    needed = used - bound - names([set_up])[0] - set(dir(builtins))
    assert bool(needed) == (path.stem in NEEDY), needed


def checks_only(cell):
    return all(isinstance(node, ast.Assert) for node in ast.parse(cell.source).body)


@each_notebook
def test_slides_pass_over_cells_that_only_check(path):
    assert [cell.source for cell in code_cells(path)[1:] if checks_only(cell) and kind(cell) != "skip"] == []
