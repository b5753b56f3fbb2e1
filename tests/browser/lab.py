"""JupyterLab in a browser without a window: start a server, open a notebook, look at what its page shows."""

import contextlib
import importlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers import ROOT
from helpers.teaching import publish

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PANEL = "jupyterapp.shell.currentWidget"  # in the page, with the option --expose-app-in-browser
OPTIONS = ("--no-browser", "--allow-root", "--IdentityProvider.token=", "--expose-app-in-browser")


def browser_program() -> str | None:
    """Where a Chromium or Chrome lies on this machine; the environment variable CHROMIUM may name it."""
    return os.environ.get("CHROMIUM") or publish.find_browser()


@contextlib.contextmanager
def server(*command: str, folder: Path = ROOT) -> Iterator[str]:
    """Run a Python command in `folder` that serves JupyterLab, until the block ends; gives the server's address.

    It finds no settings of whoever runs it, and trusts no notebook.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own, tempfile.TemporaryFile() as said:
        places = {name: f"{own}/{name}" for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
        process = subprocess.Popen(
            [sys.executable, *command, *OPTIONS, f"--port={port}"],
            cwd=folder, env=os.environ | places, stdout=said, stderr=said,
        )  # fmt: skip
        try:
            yield wait_for(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(30)


def wait_for(address: str, process: subprocess.Popen, seconds: float = 60) -> str:
    """The address, as soon as the server answers there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/api/status", timeout=1)
            return address
        time.sleep(0.1)
    raise RuntimeError(f"no JupyterLab at {address}")


@contextlib.contextmanager
def browser(width: int, height: int) -> Iterator[Any]:
    """A page of a browser that knows nothing of earlier ones."""
    playwright = importlib.import_module("playwright.sync_api")  # no requirement of the course, but of this folder
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=browser_program(), args=FLAGS, viewport={"width": width, "height": height}
        )
        yield context.pages[0]
        context.close()


def open_notebook(page: Any, address: str, name: str) -> None:
    """Show a notebook of notebooks/, and wait until its cells are there and all its pictures are loaded."""
    page.goto(f"{address}/lab/tree/notebooks/{name}.ipynb")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function("[...document.querySelectorAll('.jp-Notebook img')].every(each => each.complete)")


def wait_for_kernel(page: Any, seconds: float = 120) -> None:
    """Wait until the kernel has nothing to do."""
    page.wait_for_timeout(300)  # what was asked for is on its way
    page.wait_for_function(f"{PANEL}.sessionContext.session?.kernel?.status == 'idle'", timeout=1000 * seconds)


def show_cell(page: Any, source: str) -> Any:
    """Make the first cell whose code begins a line with `source` the active one, and give its place on the page."""
    begins = f"`\\n${{each.model.sharedModel.source}}`.includes('\\n{source}')"
    number = page.evaluate(f"{PANEL}.content.widgets.findIndex(each => {begins})")
    page.evaluate(f"{PANEL}.content.activeCellIndex = {number}")
    page.evaluate(f"{PANEL}.content.scrollToItem({number})")
    return page.locator(f".jp-Cell[data-windowed-list-index='{number}']")


def run_all(page: Any) -> None:
    """Run all cells."""
    wait_for_kernel(page)
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")  # until the last has run


def errors(page: Any) -> list[str]:
    """The errors in the outputs of the notebook that is shown."""
    return page.evaluate(
        f"{PANEL}.content.widgets.flatMap(each => each.model.sharedModel.outputs ?? [])"
        ".filter(each => each.output_type == 'error').map(each => each.evalue)"
    )
