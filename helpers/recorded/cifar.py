"""CIFAR-10 by the recipe of the ResNet paper (section 4.2 of arXiv:1512.03385), and a record of it in small.

`python -m helpers.recorded.cifar [FILE]` adds to cifar.csv the runs that it lacks: plain and residual networks of 20
and 56 layers with half the paper's channels, each at its own best learning rate, ten epochs long: some two hours of
one core of a CPU. FILE holds CIFAR-10 as JPEGs (`load`); without it torchvision downloads CIFAR-10.
"""

import argparse
import functools
import io
import itertools
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import MultiStepLR

from helpers import bundled, device, training
from helpers.architectures.resnet import SmallResNet
from helpers.errors import CourseError

Images = tuple[torch.Tensor, torch.Tensor]  # float [N, 3, 32, 32] less the mean training image, and labels [N]

FILE = Path(__file__).with_suffix(".csv")
NETWORKS = tuple(itertools.product(("plain", "residual"), (20, 56)))
WIDTH, EPOCH = 8, 390  # channels of the first stage (the paper: 16); steps in an epoch
EPOCHS, TRIAL_EPOCHS = 10, 2  # of a reported run, and of one that chooses the learning rate
RATES = (0.01, 0.03, 0.1, 0.3)
CHOOSING, REPORTING = 0, (1, 2)  # seeds
COLUMNS = ["kind", "depth", "lr", "seed", "step", "train_loss", "train_error", "test_error"]


def load(file: str | Path = "") -> tuple[Images, Images]:
    """CIFAR-10's training and test set; raises CourseError where it is not there and cannot be downloaded.

    A `file` (npz) holds all images as JPEGs, one after the other, in `jpeg`, and `offsets` [60,001], `labels` and
    whether each belongs to the training set, `train`.
    """
    if file:
        data = np.load(file)
        ends, jpeg = data["offsets"], data["jpeg"].tobytes()
        images = [np.asarray(Image.open(io.BytesIO(jpeg[begin:end]))) for begin, end in itertools.pairwise(ends)]
        images = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        labels, train = torch.from_numpy(data["labels"]).long(), torch.from_numpy(data["train"])
        parts = [(images[train], labels[train]), (images[~train], labels[~train])]
    else:
        sets = (bundled.from_torchvision("CIFAR10", train=train) for train in (True, False))
        parts = [(part.images, part.labels) for part in sets]
    mean = parts[0][0].float().mean(dim=0) / 255
    train_set, test_set = ((images / 255 - mean, labels) for images, labels in parts)
    return train_set, test_set


def train(
    model: nn.Module,
    train_set: Images,
    test_set: Images,
    *,
    lr: float = 0.1,
    steps: int = 64_000,
    measure_every: int = 4_000,
    seed: int = 0,
) -> training.History:
    """Train `model` in place in batches of 128, each image shifted by up to 4 pixels and mirrored.

    The learning rate is `lr`, a tenth of it after half of the steps, a hundredth after three quarters. The test set
    stands in the History as `val`: nothing is chosen by it.
    """
    optimizer = SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    scheduler = MultiStepLR(optimizer, [steps // 2, steps * 3 // 4])
    options = {"steps": steps, "measure_every": measure_every, "scheduler": scheduler, "seed": seed}
    augment = functools.partial(training.shift_and_flip, pixels=4)
    return training.train(model, optimizer, train_set, test_set, augment=augment, **options)


@functools.cache
def read() -> pd.DataFrame:
    """The record: the errors of each run on all training images and on the test images, after each two epochs.

    The runs of seed 0 are short; by the loss on their training images the learning rate is chosen.
    """
    return pd.read_csv(FILE, comment="#")


def best_lr(known: pd.DataFrame, kind: str, depth: int) -> float:
    """The learning rate at which the training loss of the runs that choose ends lowest."""
    runs = known.query("kind == @kind and depth == @depth and seed == @CHOOSING")
    return float(runs.sort_values("step").groupby("lr")["train_loss"].last().idxmin())


def measure(kind: str, depth: int, lr: float, seed: int, sets: tuple[Images, Images], epochs: int) -> list[dict]:
    """The rows of one run: after each two epochs the errors on all training and all test images, from 0 to 1.

    Where the learning rate is so large that the loss does not stay finite, one row with an infinite loss.
    """
    device.seed(seed)
    model = SmallResNet(depth, residual=kind == "residual", width=WIDTH)
    model.to(memory_format=torch.channels_last)  # a third faster on a CPU
    run = {"kind": kind, "depth": depth, "lr": lr, "seed": seed}
    try:
        history = train(model, *sets, lr=lr, steps=epochs * EPOCH, measure_every=2 * EPOCH, seed=seed)
    except CourseError:
        return [run | {"step": epochs * EPOCH, "train_loss": float("inf")}]
    return [
        run | {"step": step, "train_loss": fit.loss, "train_error": fit.error, "test_error": test.error}
        for step, fit, test in zip(history.steps, history.train, history.val, strict=True)
    ]


def wanted(known: pd.DataFrame) -> list[tuple[str, int, float, int, int]]:
    """What is still to be measured: (kind, depth, learning rate, seed, epochs)."""
    done = set() if known.empty else set(known[["kind", "depth", "lr", "seed"]].itertuples(index=False, name=None))
    jobs = [
        (*network, lr, CHOOSING, TRIAL_EPOCHS)
        for lr, network in itertools.product(RATES, NETWORKS[::-1])
        if (*network, lr, CHOOSING) not in done
    ]
    if not jobs:
        runs = [(*network, best_lr(known, *network), seed) for seed in REPORTING for network in NETWORKS[::-1]]
        jobs = [(*run, EPOCHS) for run in runs if run not in done]
    return jobs


_sets: list[tuple[Images, Images]] = []  # of a worker, read once


def _begin(file: str) -> None:
    torch.set_num_threads(1)
    _sets.append(load(file))


def _work(job: tuple) -> list[dict]:
    kind, depth, lr, seed, epochs = job
    return measure(kind, depth, lr, seed, _sets[0], epochs)


def record(file: str, workers: int) -> None:
    """Measure what is wanted until nothing is; each run is written down when it ends."""
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(file,)) as pool:
        while jobs := wanted(pd.read_csv(FILE, comment="#") if FILE.exists() else pd.DataFrame()):
            for future in as_completed([pool.submit(_work, job) for job in jobs]):
                rows = pd.DataFrame(future.result(), columns=COLUMNS)
                rows.to_csv(FILE, mode="a", header=not FILE.exists(), index=False, float_format="%.5g")
                print(rows.tail(1).to_string(header=False), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default="")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    record(given.file, given.workers)
