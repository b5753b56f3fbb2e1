"""The progress bar: seen when it is slow, never in a committed or compared output."""

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import ROOT

SLOW = """
import os, time
from helpers import progress
with progress.progress(total=3) as bar:
    for _ in range(3):
        time.sleep(1.1)
        bar.update(1)
"""


@pytest.mark.parametrize("disabled", ["", "1"])
def test_appears_in_a_notebook_after_two_seconds_unless_disabled(disabled, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", disabled)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOW)])
    NotebookClient(book, timeout=60, resources={"metadata": {"path": ROOT}}).execute()
    assert bool(book.cells[0].outputs) == (not disabled)
