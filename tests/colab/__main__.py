"""Run notebooks with Colab's versions, as on Colab: `python -m tests.colab FOLDER [NOTEBOOK …]`.

Makes an environment in FOLDER/env, with the versions of constraints.txt (7 GB; kept for the next time), and gives it
what the README's line for Colab installs. Then each kernel starts above the course, where Colab's starts. Without
NOTEBOOK all are run. Colab's Python is 3.13: `--python python3.13`, where the course runs on another one.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import ROOT
from helpers.machine import TO_OPEN, requirements
from tests.colab import kernel

HERE = Path(__file__).parent
COLAB = {"COLAB_RELEASE_TAG": "release-colab"}  # by its presence a program knows where it runs


def readme_line() -> str:
    """The README's cell for Colab, without the line's exclamation mark."""
    return re.search(r"^!(git clone .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE).group(1)


def environment(folder: Path, python: str) -> Path:
    """The Python of an environment with Colab's versions, which is made where it is not there yet."""
    program = folder / "env/bin/python"
    if not program.exists():
        brought = readme_line()
        wanted = [str(each) for each in requirements() if each.name not in TO_OPEN and each.name not in brought]
        subprocess.run([python, "-m", "venv", folder / "env"], check=True)
        install = [program, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--constraint", HERE / "constraints.txt", *wanted], check=True)
        subprocess.run([*install, *brought.partition("pip install ")[2].split()], check=True)
    return program


def main() -> None:
    """Check the environment as its users would, then run the notebooks in it."""
    parser = argparse.ArgumentParser(prog="python -m tests.colab", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("notebooks", type=Path, nargs="*", default=sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    program = environment(given.folder.resolve(), given.python)
    failed = subprocess.run([program, "-m", "helpers"], cwd=ROOT, env=os.environ | COLAB).returncode
    with tempfile.TemporaryDirectory() as above:
        (Path(above) / ROOT.name).symlink_to(ROOT)
        for path in given.notebooks:
            run = kernel.run(program, path, Path(above), **COLAB)
            kernel.tell(path, run)
            failed += len(run.errors)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
