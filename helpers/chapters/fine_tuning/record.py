"""09's record: cut x images per class x learning rate x seed, on photographs and on silhouettes.

`python -m helpers.chapters.fine_tuning.record` adds to record.csv the runs that it lacks, one by one; to measure all
anew, delete that file. About half an hour on two busy cores.
"""

import datetime
import functools
import itertools
import os
import platform
import subprocess
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pandas as pd
import torch

from helpers import ROOT, datasets, device, pretrained, transfer
from helpers.chapters.fine_tuning import tasks

RECORD = Path(__file__).with_suffix(".csv")

# EfficientNet-Lite0's layers up to and including the first are frozen, and the others learn; None freezes nothing.
CUTS = {"avgpool": "head only", "features.17": "+ last blocks", "features.10": "+ upper half", None: "all layers"}

PIXELS = 48
DATA = ("photographs", "silhouettes")
STEPS = {3: 40, 20: 60, 50: 120}  # by images per class
SEEDS = range(3)
RATES = {3: (3e-4, 1e-3), 20: (3e-4, 1e-3), 50: (3e-4,)}  # at 50 the larger one is left out, to save time
HEAD_RATES = (1e-3, 3e-3, 1e-2)  # a new head alone bears, and needs, larger ones
OTHERS = 60  # images per class that are not trained on, one half for choosing the learning rate and one for testing


class Run(NamedTuple):
    """One training: on what, how, and the errors from 0 to 1; `val` and `test` are those on two halves of the images
    that it was not trained on: the learning rate is chosen on the first, and reported is the second."""

    data: str
    images: int
    cut: str | None
    lr: float
    seed: int
    train: float
    val: float
    test: float


@functools.cache
def load_record(path: Path = RECORD) -> list[Run]:
    """The runs that `measure` has recorded."""
    table = pd.read_csv(path, comment="#").astype({"cut": object})
    return [Run(*row) for row in table.where(table.notna(), None).itertuples(index=False)]


def record_header(path: Path = RECORD) -> str:
    """Machine, settings and commit of the record, one a line."""
    return "\n".join(line[2:] for line in path.read_text().splitlines() if line.startswith("#"))


def runs_at(runs: Iterable[Run], data: str, images: int, cut: str | None, lr: float | str = "best") -> list[Run]:
    """The runs at one place of the map, one for each seed: at `lr`, or at that with the least mean `val` error."""
    runs = [run for run in runs if (run.data, run.images, run.cut) == (data, images, cut)]
    if lr == "best":
        rates = sorted({run.lr for run in runs})
        lr = min(rates, key=lambda rate: mean(run.val for run in runs if run.lr == rate), default=0.0)
    return [run for run in runs if run.lr == lr]


def measure(data: str, images: int, cut: str | None, lr: float, seed: int) -> Run:
    """One training, and its errors."""
    network = pretrained.load("efficientnet_lite0").at(PIXELS)
    pool, others = tasks.load_task(data, PIXELS)
    parts = datasets.sample_per_class(pool, images, seed), datasets.sample_per_class(others, OTHERS)
    train, others = (datasets.load_images(part, network.preprocess) for part in parts)
    options = {"categories": pool.categories, "cut": cut, "lr": lr, "steps": STEPS[images], "seed": seed}
    tuned = transfer.fine_tune(network, (train.images, train.labels), **options)
    logits = transfer.forward_in_batches(tuned.network.model, others.images).cpu()
    wrong = (logits.argmax(dim=1) != others.labels).float()
    val, test = wrong[0::2].mean().item(), wrong[1::2].mean().item()
    return Run(data, images, cut, lr, seed, tuned.history.train[-1].error, val, test)


def write(runs: Iterable[Run], path: Path = RECORD) -> None:
    """The record, sorted, under a header of machine, settings and commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    header = f"""# recorded on {datetime.date.today()} by helpers.chapters.fine_tuning.record, commit {commit.strip()}
# machine: {os.cpu_count()} cores of {platform.machine()}, {device.accelerator()}, torch {torch.__version__}
# network: EfficientNet-Lite0 at {PIXELS} x {PIXELS} pixels; Adam, learning rate falling to 0, batches of 32
# steps by images per class: {STEPS}; {len(SEEDS)} seeds; {OTHERS} other images per class
"""
    table = pd.DataFrame(runs).sort_values(["data", "images", "cut", "lr", "seed"], na_position="first")
    path.write_text(header + table.to_csv(index=False, float_format="%.4g"))


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    runs = load_record() if RECORD.exists() else []
    known = {run[:5] for run in runs}
    wanted = [
        (data, images, cut, lr, seed)
        for seed, images, data, cut in itertools.product(SEEDS, STEPS, DATA, CUTS)
        for lr in (HEAD_RATES if cut == "avgpool" else RATES[images])
    ]
    workers = os.cpu_count() if device.accelerator().type == "cpu" else 1
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for done in as_completed(pool.submit(measure, *one) for one in wanted if one not in known):
            runs.append(done.result())
            write(runs)
            print(*runs[-1], flush=True)
