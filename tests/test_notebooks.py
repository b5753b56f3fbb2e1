"""The shape of the notebooks; that their outputs are true is checked by nbval, which runs them all."""

import ast
import importlib.metadata
import re
import sys

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.machine import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
READ = {path: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in READ[path].cells if cell.cell_type == "code"]


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


def prose(path):
    return "\n".join(cell.source for cell in READ[path].cells if cell.cell_type == "markdown")


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_is_a_valid_notebook(path):
    nbformat.validate(READ[path])


@each_notebook
def test_was_executed_once_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_outputs_are_free_of_errors_warnings_and_progress_bars(path):
    assert not [output for output in outputs(path) if output.output_type == "error"]
    assert not [output for output in outputs(path) if output.get("name") == "stderr"]
    said = "\n".join(
        str(output.get("text", "")) + str(output.get("data", {}).get("text/plain")) for output in outputs(path)
    )
    assert not re.search(r"Warning|Traceback|\d%\||HBox\(|it/s\]", said)


@each_notebook
def test_every_picture_has_alt_text(path):
    pictures = [output for output in outputs(path) if {"image/png", "image/svg+xml"} & set(output.get("data", {}))]
    for output in pictures:
        assert len(output.metadata["image/png"]["alt"]) > 20
    alts = re.findall(r"!\[([^\]]*)\]\(", prose(path)) + re.findall(r"<img(?![^>]*alt=\"[^\"]{20})[^>]*>", prose(path))
    assert pictures or alts
    assert all(len(alt) > 20 and not alt.startswith("<img") for alt in alts)


@each_notebook
def test_keeps_no_state_of_widgets_and_no_trace_of_the_machine(path):
    assert set(READ[path].metadata) == {"kernelspec", "language_info"}
    assert READ[path].metadata.language_info == {"name": "python"}
    assert not [output for output in outputs(path) if any("widget" in kind for kind in output.get("data", {}))]


@each_notebook
def test_begins_with_question_outcomes_times_and_the_common_set_up(path):
    opening = READ[path].cells[0].source
    assert opening.startswith(f"# {path.stem[:2]} ")
    assert "After this notebook you can\n- " in opening
    assert "to read" in opening and "to run" in opening
    assert "image/png" in code_cells(path)[1].outputs[0].data
    first, common = (code_cells(one)[0].source.partition("\n\nimport ")[0] for one in (path, NOTEBOOKS[0]))
    assert first.startswith(common)


@each_notebook
def test_every_cell_says_what_it_is_on_a_slide(path):
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in READ[path].cells]
    assert set(kinds) <= {"slide", "subslide", "fragment", "skip", "-"}


@each_notebook
def test_cells_are_short_enough_to_read_aloud(path):
    _setup, *cells = code_cells(path)
    assert max(len(cell.source.splitlines()) for cell in cells) <= 25


@each_notebook
def test_links_to_files_lead_somewhere(path):
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", prose(path))
    assert all((path.parent / link).is_file() for link in links)


@pytest.mark.parametrize("page", ["README.md", "notebooks/00_start_here.ipynb"])
def test_the_map_links_each_other_notebook(page):
    text = (ROOT / page).read_text() if page.endswith(".md") else prose(ROOT / page)
    linked = set(re.findall(r"\]\((?:notebooks/)?(\d\d_\w+\.ipynb)\)", text))
    assert linked | {page.rpartition("/")[2]} >= {path.name for path in NOTEBOOKS}


def imported(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_every_import_is_installed_by_requirements_txt():
    sources = [cell.source for path in NOTEBOOKS for cell in code_cells(path)]
    sources += [path.read_text() for folder in ("helpers", "tests") for path in (ROOT / folder).rglob("*.py")]
    modules = {name.partition(".")[0] for source in sources for name in imported(source)}
    modules -= {*sys.stdlib_module_names, "helpers", "tests", "conftest"}
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    asked_for = {canonicalize_name(Requirement(line).name) for line in lines if line}
    providers = importlib.metadata.packages_distributions()
    missing = {module for module in modules if not asked_for & set(map(canonicalize_name, providers.get(module, [])))}
    assert not missing
