"""The plumbing of the course Deep Learning I: what a notebook imports, so that its cells can keep to the idea.

The modules here are a library; what one notebook alone needs is in `helpers.chapters`. `python -m helpers` shows what
this machine has and lacks. Import this package before PyTorch: it says how PyTorch's threads wait, which is read once.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the course's folder

# A thread that waits for the others sleeps. By default it spins, and on a machine that others use too, that took ten
# forward and backward passes from 8 to 70 seconds.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
