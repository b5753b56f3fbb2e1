"""What all tests share, and the kernels that nbval starts for notebooks: nothing of this machine's own settings."""

import os
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell

# Before anything is imported that reads them. One thread: the networks of the tests are so small that two wait for each
# other, and on a busy machine took ten times as long; two processes share the cores instead.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
os.environ.update(TQDM_DISABLE="1", TORCH_HOME=f"{tempfile.gettempdir()}/torch_home_{os.getpid()}", no_proxy="*")
os.environ.pop("IMAGENET_DIR", None)

EXPLORERS = Path(__file__).parent / "tests/explorers.py"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add a last cell to each notebook that nbval runs: it moves every control of the explorers."""
    for item in [item for item in items if isinstance(item, IPyNbCell)]:
        cells = [cell for cell in item.parent.nb.cells if cell.cell_type == "code"]
        if item.cell is cells[-1]:
            cell = nbformat.v4.new_code_cell(f"{EXPLORERS.read_text()}\n\nmove_every_control()")
            options = item.options | {"check": True}
            new = IPyNbCell.from_parent(item.parent, name="explorers", cell_num=len(cells), cell=cell, options=options)
            items.insert(items.index(item) + 1, new)
