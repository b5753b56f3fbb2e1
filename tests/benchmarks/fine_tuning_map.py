"""The full map of 09: cut x images per class x learning rate x seed, on photographs and on silhouettes.

`python -m tests.benchmarks.fine_tuning_map` adds to helpers/fine_tuning_map.csv the runs that it lacks, one by one; to
measure all anew, delete that file. About half an hour on two busy cores.
"""

import csv
import datetime
import functools
import os
import platform
import subprocess
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch

from helpers import device, fine_tuning, pretrained
from helpers.fine_tuning import Run
from helpers.machine import ROOT

PIXELS = 48
DATA = ("photographs", "silhouettes")
STEPS = {3: 40, 20: 60, 50: 120}  # by images per class
SEEDS = 3
RATES = {3: (3e-4, 1e-3), 20: (3e-4, 1e-3), 50: (3e-4,)}  # at 50 the larger one is left out, to save time
HEAD_RATES = (1e-3, 3e-3, 1e-2)  # a new head alone bears, and needs, larger ones
UNSEEN = 60  # images of each class, one half for choosing the learning rate and one for testing


@functools.cache
def prepared(data: str, images: int, seed: int) -> tuple:
    """The network, the images to train on, and the others, with their labels."""
    torch.set_num_threads(1)
    network = pretrained.load("efficientnet_lite0").at(PIXELS)
    pool, unseen = fine_tuning.task(data, PIXELS)
    drawn = fine_tuning.draw(pool, images, seed), fine_tuning.draw(unseen, UNSEEN)
    return network, *(fine_tuning.prepared(network, part) for part in drawn)


def measure(data: str, images: int, cut: str, rate: float, seed: int) -> Run:
    """One training, and its errors."""
    network, training, (unseen, labels) = prepared(data, images, seed)
    module, score, _ = fine_tuning.fine_tune(
        network, cut, training, (unseen[:1], labels[:1]), 10, rate=rate, steps=STEPS[images], seed=seed
    )
    wrong = (fine_tuning.respond(module, unseen).argmax(dim=1).cpu() != labels).float()
    return Run(data, images, cut, rate, seed, score.error, wrong[0::2].mean().item(), wrong[1::2].mean().item())


def write(runs: list[Run]) -> None:
    """The record, sorted, under a header of machine, settings and commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    best = device.accelerator()
    machine = f"{os.cpu_count()} cores of {platform.machine()}" if best.type == "cpu" else str(best)
    header = [
        f"recorded on {datetime.date.today()} by tests.benchmarks.fine_tuning_map, commit after {commit.strip()}",
        f"machine: {machine}, torch {torch.__version__}",
        f"network: EfficientNet-Lite0 at {PIXELS} x {PIXELS} pixels; Adam, learning rate falling to 0, batches of 32",
        f"steps by images of each class: {STEPS}; {SEEDS} seeds; {UNSEEN} other images of each class",
    ]
    with fine_tuning.RECORD.open("w", newline="") as file:
        file.writelines(f"# {line}\n" for line in header)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Run._fields)
        for run in sorted(runs):
            writer.writerow([f"{value:.4g}" if isinstance(value, float) else value for value in run])


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    runs = fine_tuning.recorded() if fine_tuning.RECORD.exists() else []
    known = {run[:5] for run in runs}
    wanted = [
        (data, images, cut, rate, seed)
        for seed in range(SEEDS)
        for images in STEPS
        for data in DATA
        for cut in fine_tuning.CUTS
        for rate in (HEAD_RATES if cut == "avgpool" else RATES[images])
    ]
    with ProcessPoolExecutor(os.cpu_count() if device.accelerator().type == "cpu" else 1) as pool:
        for done in as_completed(pool.submit(measure, *one) for one in wanted if one not in known):
            runs.append(done.result())
            write(runs)
            print(*runs[-1], flush=True)
