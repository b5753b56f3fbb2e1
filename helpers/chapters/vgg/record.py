"""02's experiment: blocks of one, two and three 3x3 convolutions, and of one 5x5, trained on silhouettes.

`python -m helpers.chapters.vgg.record` adds to record.csv the runs that it lacks: each network at each of RATES, judged
on validation images, then at its best one with three other seeds, judged on test images. Half an hour on one core.
"""

import functools
import os
import platform
import subprocess
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from helpers import ROOT, bundled, device, training

FILE = Path(__file__).with_suffix(".csv")
# The kernels of a block, its channels in the three stages, and whether a ReLU follows each kernel or only the last.
NETWORKS = {
    "one 3x3": ((3,), (8, 16, 32), True),
    "two 3x3": ((3, 3), (8, 16, 32), True),
    "three 3x3": ((3, 3, 3), (8, 16, 32), True),
    "one 5x5": ((5,), (8, 16, 32), True),
    "one 5x5, wider": ((5,), (9, 17, 33), True),  # as many parameters as two 3x3
    "two 3x3, no ReLU between": ((3, 3), (8, 16, 32), False),
}
EPOCHS, RATES = 10, (0.004, 0.008, 0.016, 0.032)  # and more where the best one would be the first or the last
CHOOSING, REPORTING = 9, (0, 1, 2)  # seeds
KEYS = ["network", "lr", "seed", "part"]


def small_vgg(kernels: tuple, widths: tuple = (8, 16, 32), relu_between: bool = True) -> nn.Sequential:
    """Three blocks and a linear layer: silhouettes [N, 1, 14, 14] to logits [N, 10]."""
    layers, inputs = [], 1
    for outputs in widths:
        for number, kernel in enumerate(kernels, start=1):
            layers.append(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
            nn.init.kaiming_normal_(layers[-1].weight, nonlinearity="relu")
            if relu_between or number == len(kernels):
                layers.append(nn.ReLU())
            inputs = outputs
        layers.append(nn.MaxPool2d(2))  # 14, 7, 3, 1 pixels
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs, 10))


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, lr: float, epochs: int = EPOCHS) -> None:
    """Train in place, in batches of 64; the learning rate rises to `lr` and falls to 0."""
    steps = epochs * -(-len(images) // 64)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()


@functools.cache
def silhouettes() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Images [N, 1, 14, 14] from -1 to 1 and labels [N]: train, val (every fourth of the training set) and test."""
    shapes, test = bundled.animal_shapes()
    held = torch.arange(len(shapes)) % 4 == 0
    parts = {"train": shapes.subset(~held), "val": shapes.subset(held), "test": test}
    return {name: (F.avg_pool2d(part.images[:, None] / 127.5 - 1, 2), part.labels) for name, part in parts.items()}


def run(network: str, lr: float, seed: int, part: str = "test") -> dict[str, float]:
    """Build and train one of NETWORKS; its losses and errors (0 to 1) on the training images and on those of `part`."""
    device.seed(seed)
    model = small_vgg(*NETWORKS[network]).to(memory_format=torch.channels_last)  # a third faster on a CPU
    train(model, *silhouettes()["train"], lr)
    fit, new = (training.evaluate(model, *silhouettes()[name]) for name in ("train", part))
    return {"train_loss": fit.loss, "train_error": fit.error, "loss": new.loss, "error": new.error}


def load() -> pd.DataFrame:
    """The recorded runs: network, lr, seed, part, train_loss, train_error, loss and error (of the part)."""
    return pd.read_csv(FILE, comment="#")


def best_lr(runs: pd.DataFrame, network: str) -> float:
    """The learning rate at which the recorded error on the validation images is lowest."""
    mine = runs[(runs["network"] == network) & (runs["part"] == "val")]
    return float(mine.loc[mine["error"].idxmin(), "lr"])


def wanted(runs: pd.DataFrame) -> list[tuple[str, float, int, str]]:
    """The runs that a record lacks; first those that choose the learning rates."""
    done = set(runs[KEYS].itertuples(index=False, name=None))
    jobs = [(network, lr, CHOOSING, "val") for network in NETWORKS for lr in RATES]
    for network in NETWORKS if done.issuperset(jobs) else ():
        tried, best = runs[(runs["network"] == network) & (runs["part"] == "val")]["lr"], best_lr(runs, network)
        if best in (tried.min(), tried.max()):
            jobs.append((network, best / 2 if best == tried.min() else best * 2, CHOOSING, "val"))
    if done.issuperset(jobs):
        jobs += [(network, best_lr(runs, network), seed, "test") for seed in REPORTING for network in NETWORKS]
    return [job for job in jobs if job not in done]


def write(runs: pd.DataFrame) -> None:
    """The record, with the machine, the commit and the versions in its first lines."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout
    made_by = f"# machine: {platform.system()} {platform.machine()}, one thread of {os.cpu_count()} cores\n"
    made_by += f"# commit: {commit.strip() or 'unknown'} or later\n"
    made_by += f"# Python {platform.python_version()}, PyTorch {torch.__version__}: python -m {__spec__.name}\n"
    FILE.write_text(made_by + runs.to_csv(index=False))


if __name__ == "__main__":
    torch.set_num_threads(1)
    runs = load() if FILE.exists() else pd.DataFrame(columns=KEYS)
    while jobs := wanted(runs):
        numbers = {name: round(number, 5) for name, number in run(*jobs[0]).items()}
        runs = pd.DataFrame([*runs.to_dict("records"), dict(zip(KEYS, jobs[0], strict=True)) | numbers])
        write(runs)
