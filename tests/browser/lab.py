"""JupyterLab in a browser without a window: start a server, open a page, look at its notebook."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
README = ["-m", "jupyterlab", f"--notebook-dir={ROOT}", str(ROOT / "notebooks/00_start_here.ipynb")]


def browser_program() -> str | None:
    """Where a Chromium or Chrome lies on this machine; the environment variable CHROMIUM may name it."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def server(*command: str) -> Iterator[str]:
    """Run a Python command that serves JupyterLab, until the block ends; gives the server's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", f"--port={port}", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    options += ["--allow-root"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *command, *options], cwd=ROOT, stdout=said, stderr=said)
        try:
            yield wait_for(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(30)


def wait_for(address: str, process: subprocess.Popen, seconds: float = 60) -> str:
    """The address, as soon as the server answers there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"{address}/api/status", timeout=1)
            return address
        time.sleep(0.1)
    raise RuntimeError(f"no JupyterLab at {address}")


@contextlib.contextmanager
def browser(width: int, height: int) -> Iterator[Any]:
    """A page of a browser that knows nothing of earlier ones."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=browser_program(), args=FLAGS, viewport={"width": width, "height": height}
        )
        yield context.pages[0]
        context.close()


def open_notebook(page: Any, address: str, path: Path) -> None:
    """Show a notebook, and wait until its cells are there and all its pictures are loaded."""
    page.goto(f"{address}/lab/tree/{path.relative_to(ROOT).as_posix()}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function("[...document.querySelectorAll('.jp-Notebook img')].every(each => each.complete)")
