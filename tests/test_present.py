"""The lecture mode, as far as it goes without a browser; tests/browser/ looks at its slides."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyterlab.labapp import LabApp
from nbclient import NotebookClient

from helpers import ROOT
from helpers.errors import CourseError
from helpers.teaching import present

SCHEMAS = Path(sys.prefix) / "share/jupyter"
OVERRIDES = json.loads((present.LECTURE / "labconfig/default_setting_overrides.json").read_text())


@pytest.mark.parametrize(
    "name", ["4", "04", "resnet", "04_res", "04_resnet.ipynb", "notebooks/04_resnet.ipynb", "ResNet"]
)
def test_a_notebook_is_found_by_its_number_and_by_its_name(name):
    assert present.find(name) == ROOT / "notebooks/04_resnet.ipynb"


@pytest.mark.parametrize("name", ["40", "lenet", "start here"])
def test_another_name_gets_a_sentence_that_lists_what_there_is(name):
    with pytest.raises(CourseError, match=f'^"{name}" names .* notebooks; .*00_start_here, 01_alexnet,'):
        present.find(name)


def test_the_command_prints_that_sentence_alone():
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "present", "lenet"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith('"lenet" names no notebooks') and done.stderr.count("\n") == 1


def test_jupyterlab_gets_settings_of_its_own_for_as_long_as_it_runs(monkeypatch, capsys):
    for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, "the user's own")
    seen = {}

    def launch(arguments):
        folder = Path(os.environ["JUPYTER_CONFIG_DIR"])
        own = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        (folder / "lab/user-settings").mkdir(parents=True)  # as JupyterLab does
        seen.update(arguments=arguments, folder=folder, own=own, ipython=Path(os.environ["IPYTHONDIR"]))

    monkeypatch.setattr(LabApp, "launch_instance", launch)
    present.present("04", "--no-browser")
    there = {path.relative_to(present.LECTURE) for path in present.LECTURE.rglob("*") if path.is_file()}
    assert seen["own"] == there and len(there) == 5
    assert seen["arguments"][0].endswith("04_resnet.ipynb") and seen["arguments"][-1] == "--no-browser"
    assert seen["ipython"] == seen["folder"] / "ipython" and not seen["folder"].exists()
    assert "Shift+Enter" in capsys.readouterr().out


def test_a_kernel_runs_the_set_up_of_its_notebook_when_it_starts(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("text"), *map(nbformat.v4.new_code_cell, ("x = 41", "x = 42"))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    shutil.copytree(present.LECTURE / "ipython", tmp_path / "ipython")
    own = {"IPYTHONDIR": f"{tmp_path}/ipython", "JPY_SESSION_NAME": "notebooks/small.ipynb"}
    shown = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert x == 41")])
    NotebookClient(shown, resources={"metadata": {"path": tmp_path}}).execute(env=os.environ | own)
    assert shown.cells[0].execution_count == 1


@pytest.mark.parametrize("plugin", OVERRIDES)
def test_the_settings_are_such_as_jupyterlab_has(plugin):
    package, _, name = plugin.partition(":")
    [schema] = {
        *SCHEMAS.glob(f"lab/schemas/{package}/{name}.json"),
        *SCHEMAS.glob(f"*/*/schemas/{package}/{name}.json"),
    }
    assert set(OVERRIDES[plugin]) <= set(json.loads(schema.read_text())["properties"])
