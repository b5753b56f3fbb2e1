"""Run the set-up cell of the notebook that this kernel is for: slides pass over it, since it is tagged skip."""

import json
import os
from pathlib import Path

notebook = Path(Path(os.environ.get("JPY_SESSION_NAME", "")).name)  # the server starts kernels in the notebook's folder
if notebook.suffix == ".ipynb":
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    set_up = next(cell["source"] for cell in cells if cell["cell_type"] == "code")
    get_ipython().run_cell("".join(set_up), store_history=False)  # noqa: F821, IPython's own
