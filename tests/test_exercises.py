"""The exercises of all notebooks: three in each chapter, their stubs and folded solutions against their checks.

What each check says of wrong answers is tested in the files of the chapters.
"""

import ast
import re

import nbformat
import pytest

from helpers import ROOT

CHAPTERS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path.stem != "00_start_here"]


def exercises():
    """Notebook, the code cell of the stub, and the code of the folded solution, for each exercise of each chapter."""
    for path in CHAPTERS:
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        solutions = re.findall(r"<details>\s*<summary>Solution</summary>\n\n```python\n(.*?)```", text, re.DOTALL)
        for cell in cells:
            if cell.cell_type == "code" and re.search(r"^exercises\.\w+\(\w+\)$", cell.source, re.MULTILINE):
                name = re.search(r"^exercises\.\w+\((\w+)\)$", cell.source, re.MULTILINE)[1]
                [solution] = [code for code in solutions if f"def {name}(" in code or f"class {name}(" in code]
                yield pytest.param(path, cell.source, solution, id=f"{path.stem}-{name}")


EXERCISES = list(exercises())


def imports(path):
    """What the set-up cell of a notebook imports, by name."""
    cells = nbformat.read(path, as_version=4).cells
    setup = ast.parse(next(cell.source for cell in cells if cell.cell_type == "code"))
    setup.body = [node for node in setup.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {}
    exec(compile(setup, path.name, "exec"), names)
    return names


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_each_chapter_has_three(path):
    assert sum(path == exercise.values[0] for exercise in EXERCISES) == 3


@pytest.mark.parametrize("path, stub, solution", EXERCISES)
def test_the_stub_is_neither_right_nor_wrong(path, stub, solution, capsys):
    exec(stub, imports(path))
    assert re.fullmatch(r"not solved yet: \w+ returns nothing\.\n", capsys.readouterr().out)


@pytest.mark.parametrize("path, stub, solution", EXERCISES)
def test_the_folded_solution_is_right(path, stub, solution, capsys):
    names = imports(path)
    exec(stub, names)
    capsys.readouterr()
    exec(solution + "\n" + stub.splitlines()[-1], names)
    assert re.fullmatch(r"right: .*\.\n", capsys.readouterr().out)
