"""Run notebooks top to bottom and keep their outputs, as they are committed: `python tests/execute.py NOTEBOOK …`.

Whatever differs from run to run and machine to machine is left out, so that a rerun changes no line.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

WIDGET = "application/vnd.jupyter.widget-view+json"  # means nothing without the kernel that made it


def execute(path: Path) -> None:
    """Run one notebook in a fresh kernel in its own folder, and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    options = {"timeout": 300, "record_timing": False, "coalesce_streams": True}
    NotebookClient(notebook, **options, resources={"metadata": {"path": path.parent}}).execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    os.environ.pop("IMAGENET_DIR", None)
    for name in sys.argv[1:]:
        execute(Path(name))
