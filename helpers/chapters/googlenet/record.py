"""Runs that are kept in a CSV file, with what made them in its first lines."""

import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from helpers import ROOT


class Record:
    """The runs in a file: each the settings `keys`, and the numbers that `measure(**settings)` gave."""

    def __init__(self, file: Path, keys: list[str], measure: Callable[..., dict[str, float]]):
        self.file, self.keys, self.measure = file, keys, measure
        self.runs = pd.read_csv(file, comment="#") if file.exists() else pd.DataFrame(columns=keys)

    def need(self, **settings: Any) -> None:
        """Measure a run, and write it, unless it is there."""
        if (self.runs[self.keys] == pd.Series(settings)).all(axis=1).any():
            return
        numbers = {name: round(number, 5) for name, number in self.measure(**settings).items()}
        self.runs = pd.DataFrame([*self.runs.to_dict("records"), settings | numbers])
        text = "".join(f"# {line}\n" for line in made_by()) + self.runs.to_csv(index=False)
        temporary = self.file.with_suffix(".part")
        temporary.write_text(text)
        temporary.replace(self.file)


def made_by() -> list[str]:
    """The machine, the commit and the versions."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    machine = f"{platform.system()} {platform.machine()}, one thread of {os.cpu_count()} cores"
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    return [f"machine: {machine}", f"commit: {commit.stdout.strip() or 'unknown'} or later", versions]
