"""Run a notebook in the kernel of any Python: `python -m tests.colab.kernel PYTHON NOTEBOOK …`.

Prints how many of its cells failed, and how much memory the kernel took at most, with the processes that it starts.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

from helpers import ROOT

EXPLORERS = f"{(ROOT / 'tests/explorers.py').read_text(encoding='utf-8')}\n\nmove_every_control()"


class Run(NamedTuple):
    """What became of a notebook: its code cells, the errors among them, seconds, and peak memory in MiB.

    `private` leaves out what the system could drop and read again, such as PyTorch's program code.
    """

    cells: int
    errors: list[str]
    seconds: float
    memory: float
    private: float


class _Kernels(KernelSpecManager):
    """Knows one kernel, that of the program `python`."""

    python = sys.executable

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


def run(python: str | Path, notebook: Path, folder: Path, **environment: str) -> Run:
    """Run all cells of a notebook, and behind them the mover of its explorers, in a kernel that starts in `folder`."""
    read = nbformat.read(notebook, as_version=4)
    read.cells.append(nbformat.v4.new_code_cell(EXPLORERS))
    kernels = _Kernels()
    kernels.python = str(python)
    manager = AsyncKernelManager(kernel_spec_manager=kernels)
    options = {"timeout": 900, "allow_errors": True, "resources": {"metadata": {"path": str(folder)}}}
    client = NotebookClient(read, km=manager, **options)
    seen, done = {"rss": 0.0, "private": 0.0}, threading.Event()
    threading.Thread(target=_watch, args=(manager, seen, done), daemon=True).start()
    start = time.perf_counter()
    try:
        client.execute(env=os.environ | environment)
    finally:
        done.set()
    cells = [cell for cell in read.cells if cell.cell_type == "code"]
    outputs = [(number, output) for number, cell in enumerate(cells, 1) for output in cell.outputs]
    errors = [f"cell {n}: {each.ename}: {each.evalue}" for n, each in outputs if each.output_type == "error"]
    return Run(len(cells), errors, time.perf_counter() - start, seen["rss"], seen["private"])


def _watch(manager: AsyncKernelManager, seen: dict[str, float], done: threading.Event) -> None:
    while not done.wait(0.2):
        try:
            kernel = psutil.Process(manager.provisioner.pid)
            family = [kernel, *kernel.children(recursive=True)]
            seen["rss"] = max(seen["rss"], sum(each.memory_info().rss for each in family) / 2**20)
            seen["private"] = max(seen["private"], sum(each.memory_full_info().uss for each in family) / 2**20)
        except (psutil.Error, AttributeError, TypeError):  # not started yet, or a process that has just ended
            continue


def tell(notebook: Path, run: Run) -> None:
    """Print a line for a notebook, and one for each of its errors."""
    used = f"{run.seconds:4.0f} s  {run.memory:5.0f} MiB, {run.private:5.0f} private"
    print(f"{notebook.stem:28}  {run.cells:2} cells  errors: {len(run.errors)}  {used}", flush=True)
    for error in run.errors:
        print(f"    {error}", flush=True)


if __name__ == "__main__":
    for path in map(Path, sys.argv[2:]):
        tell(path, run(sys.argv[1], path, path.resolve().parent))
