"""A notebook as slides in JupyterLab, with running kernel and live explorers: `python -m helpers present 04`.

jupyterlab-slideshow shows them. (jupyterlab-rise shows no widgets; jupyterlab-myst-revealjs has no setting to start by
itself, and brings a second renderer for the text of every notebook.)
"""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from helpers import ROOT
from helpers.errors import CourseError

LECTURE = Path(__file__).parent / "lecture"
KEYS = """\
{name} opens as slides in your browser.
    Space, Shift+Space      on and back (the arrows too, where no slider is in focus)
    Shift+Enter             run the cell and go on; the set-up has run by itself
    Enter, then Escape      show the code of a cell that has a picture or a table, and hide it
    Escape                  from the slides to the notebook (to the slides: the last button of its toolbar)
What you run is not saved, unless you press Ctrl+S. To stop: Ctrl+C here.
"""


def find(name: str) -> Path:
    """The notebook of that number, name or path, or whose name begins so: "4", "04", "resnet", "04_resnet.ipynb"."""
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    start = Path(name).stem.lower().zfill(2)
    found = [path for path in notebooks if path.stem.startswith(start) or path.stem[3:].startswith(start)]
    if len(found) != 1:
        there = ", ".join(path.stem for path in notebooks)
        raise CourseError(f'"{name}" names {len(found) or "no"} notebooks; name one of these, or its number: {there}.')
    return found[0]


def present(name: str, *options: str) -> None:
    """Open a notebook as slides, until Ctrl+C. options: JupyterLab's own, such as --no-browser.

    JupyterLab reads and writes its settings in a temporary folder, so that the user's own stay as they are.
    """
    notebook = find(name)
    if not importlib.util.find_spec("jupyterlab_slideshow"):
        raise CourseError('jupyterlab-slideshow is not installed: run "pip install -r requirements.txt" once more.')
    print(KEYS.format(name=notebook.stem), flush=True)
    with tempfile.TemporaryDirectory(prefix="lecture_", ignore_cleanup_errors=True) as folder:
        shutil.copytree(LECTURE, folder, dirs_exist_ok=True)
        os.environ.update(JUPYTER_CONFIG_DIR=folder, IPYTHONDIR=f"{folder}/ipython")
        from jupyterlab.labapp import LabApp  # reads the first of them when it is imported

        LabApp.launch_instance([str(notebook), f"--ServerApp.root_dir={ROOT}", *options])
