"""The browser's tests run where they are asked for by name, and a browser and playwright are there."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT
from tests.browser import lab

COMMAND = "pytest -n 0 tests/browser"


def what_lacks(asked_for: bool) -> str:
    """A sentence that says why these tests cannot run here; nothing where they can."""
    if not asked_for:
        return f'a browser\'s tests run where they are asked for: "{COMMAND}"'
    if not importlib.util.find_spec("playwright"):
        return 'playwright is missing: "pip install -r tests/browser/requirements.txt"'
    return "" if lab.browser_program() else "no Chromium or Chrome is there; the variable CHROMIUM may name one"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests of this folder where they cannot run."""
    lack = what_lacks(any("browser" in argument for argument in config.args))
    for item in items:
        if lack and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=lack))


@pytest.fixture(scope="session")
def page() -> Iterator[Any]:
    """The page of one browser, for all tests one after the other."""
    with lab.browser(1366, 768) as page:
        yield page


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A copy of the course, so that JupyterLab may save what it likes."""
    folder = tmp_path_factory.mktemp("course")
    for part in ("helpers", "images", "notebooks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", folder)
    return folder
