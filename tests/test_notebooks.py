"""The shape of the notebooks; that their outputs are true is checked by nbval, which runs them all."""

import ast
import graphlib
import importlib.metadata
import re
import sys

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import ROOT

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
    assert not [output for output in outputs(path) if any(kind.startswith("image/") for kind in output.get("data", {}))]
    shown = "\n".join(output.get("data", {}).get("text/html", "") for output in outputs(path)) + prose(path)
    pictures = re.findall(r"<img[^>]*>|!\[[^\]]*\]\(", shown)
    assert pictures
    assert all(re.match(r'<img alt="[^"]{20}|!\[[^\]]{20}', picture) for picture in pictures)


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
    assert "<img" in code_cells(path)[1].outputs[0].data["text/html"]
    line = "sys.path.insert(0, str(course))\n"
    first, common = (code_cells(one)[0].source.partition(line)[:2] for one in (path, NOTEBOOKS[0]))
    assert first == common


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


def format_specs(source):
    """What stands after the colon in the f-strings of some code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FormattedValue) and node.format_spec:
            yield "".join(getattr(part, "value", "*") for part in node.format_spec.values if part)


@each_notebook
def test_code_speaks_the_fields_language(path):
    """A table is a DataFrame, not aligned text; zip is not strict; and the word is optimizer."""
    code = "\n".join(cell.source for cell in code_cells(path))
    assert [spec for spec in format_specs(code) if re.match(r".?[<>^=]|[+ -]?#?\d|\*", spec)] == []
    assert "strict=True" not in code
    assert "optimiser" not in path.read_text().lower()


def imports_of(tree, deep=True):
    """The modules of the course that some code imports; not those in its functions, unless `deep`."""
    names = set()
    for node in ast.walk(tree) if deep else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith(("helpers", "images"))}


def test_the_library_imports_no_chapter_and_no_chapter_another():
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        own = path.parent.name if path.parent.parent.name == "chapters" else "-"
        imports = imports_of(ast.parse(path.read_text()))
        wrong = {name for name in imports if name.startswith(("images", "helpers.chapters."))}
        assert {name for name in wrong if not name.startswith(f"helpers.chapters.{own}")} == set(), path


def test_each_notebook_imports_its_own_chapter_alone():
    for path in NOTEBOOKS:
        modules = re.findall(r"helpers\.chapters\.(\w+)", "\n".join(cell.source for cell in code_cells(path)))
        assert set(modules) == {path.stem[3:]}, path


def test_no_module_imports_itself_by_way_of_others():
    """When it is loaded; a function may import later."""
    paths = [path for path in (ROOT / "helpers").rglob("*.py") if path.stem not in ("__init__", "__main__")]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    needs = {}
    for name, path in modules.items():
        loaded = imports_of(ast.parse(path.read_text()), deep=False)
        needs[name] = {one if one in modules else one.rpartition(".")[0] for one in loaded} & set(modules)
    list(graphlib.TopologicalSorter(needs).static_order())  # raises CycleError


@pytest.mark.parametrize("files", [["requirements.txt"], ["requirements.txt", "requirements-test.txt"]])
def test_every_import_is_installed_by_the_requirements(files):
    """Notebooks and what they import need the first file alone."""
    sources = [cell.source for path in NOTEBOOKS for cell in code_cells(path)]
    paths = [path for folder in ("helpers", "images", "tests") for path in (ROOT / folder).rglob("*.py")]
    if len(files) == 1:
        paths = [path for path in paths if path.is_relative_to(ROOT / "helpers") and "teaching" not in path.parts]
    sources += [path.read_text() for path in paths]
    modules = {name.partition(".")[0] for source in sources for name in imported(source)}
    benchmarks_bring = {"fastai", "timm"}
    modules -= {*sys.stdlib_module_names, "helpers", "images", "tests", "conftest"} | benchmarks_bring
    lines = [line.partition("#")[0].strip() for file in files for line in (ROOT / file).read_text().splitlines()]
    asked_for = {canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("-r")}
    providers = importlib.metadata.packages_distributions()
    missing = {module for module in modules if not asked_for & set(map(canonicalize_name, providers.get(module, [])))}
    assert not missing
