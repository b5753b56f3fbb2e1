"""The plumbing of the course Deep Learning I: what a notebook imports, so that its cells can keep to the idea.

The modules here are a library; what one notebook alone needs is in `helpers.chapters`. `python -m helpers` shows what
this machine has and lacks. Import this package before PyTorch: it says how PyTorch's threads wait, which is read once.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the course's folder

# How often a thread of PyTorch (GNU OpenMP) looks whether the others are ready before it sleeps. By default 30 times as
# often: as fast on a quiet machine, and several times slower where other programs want the cores too.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
