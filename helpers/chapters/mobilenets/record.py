"""05's experiment, recorded: `python -m helpers.chapters.mobilenets.record` adds to record.csv the runs that it lacks.

Three networks on silhouettes: dense, separable, and dense thinned to the separable one's cost. Each learning rate of
RATES is tried with one seed for EPOCHS and judged by the loss on validation images; the best is run with three other
seeds, for EPOCHS and for LONG, and judged on test images, which nothing is chosen by. Ten minutes on one core; to
measure all anew, delete the file. The notebook shows the same network and loop; a test holds the two together.
"""

import functools
import itertools
import platform
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from helpers import bundled, device, training

FILE = Path(__file__).with_suffix(".csv")
KINDS, EPOCHS, LONG, BATCH = ("dense", "separable", "thin dense"), 3, 9, 32
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
CHOOSING, REPORTING = 3, (0, 1, 2)  # seeds
COLUMNS = ["epochs", "kind", "lr", "seed", "train_error", "val_loss", "val_error", "test_error"]
THIN = 0.36  # the width at which the dense network costs what the separable one does
BLOCKS = ((64, 1), (128, 2), (128, 1))  # output channels and stride, as MobileNet's second to fourth block

Part = tuple[torch.Tensor, torch.Tensor]


@functools.cache
def parts() -> tuple[Part, Part, Part]:
    """Images float [N, 1, 28, 28] from -1 to 1 with labels, for training (3,110), choosing (1,555), testing (1,941)."""
    known, test = bundled.animal_shapes()
    images, choosing = known.images[:, None] / 127.5 - 1, torch.arange(len(known)) % 5 == 0
    train, val = ((images[rows], known.labels[rows]) for rows in (~choosing, choosing))
    return (train[0][::2], train[1][::2]), val, (test.images[:, None] / 127.5 - 1, test.labels)


def layer(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution, batch norm, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def build(kind: str) -> nn.Sequential:
    """One of KINDS, with random weights: [N, 1, H, W] to logits [N, 10]."""
    width = THIN if kind == "thin dense" else 1
    channels = round(32 * width)
    layers = layer(1, channels, stride=2)
    for outputs, stride in BLOCKS:
        outputs = round(outputs * width)
        if kind == "separable":
            layers += layer(channels, channels, 3, stride, groups=channels) + layer(channels, outputs, 1)
        else:
            layers += layer(channels, outputs, 3, stride)
        channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def run(kind: str, lr: float, seed: int, epochs: int) -> nn.Sequential:
    """A network trained with the notebook's loop."""
    images, labels = parts()[0]
    device.seed(seed)
    model = build(kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    steps = epochs * -(-len(images) // BATCH)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
    return model


def measure(epochs: int, kind: str, lr: float, seed: int) -> dict:
    """One row of the record; the test error only where the learning rate is not being chosen."""
    model = run(kind, lr, seed, epochs)
    train, val, test = (training.evaluate(model, *part) for part in parts())
    reported = None if seed == CHOOSING else test.error
    return dict(zip(COLUMNS, [epochs, kind, lr, seed, train.error, val.loss, val.error, reported], strict=True))


@functools.cache
def read() -> pd.DataFrame:
    """The record, with COLUMNS; errors from 0 to 1."""
    return pd.read_csv(FILE, comment="#")


def best_lr(known: pd.DataFrame, kind: str) -> float:
    """The learning rate with the lowest loss on the validation images, after EPOCHS."""
    tried = known[(known.epochs == EPOCHS) & (known.kind == kind) & (known.seed == CHOOSING)]
    return float(tried.set_index("lr")["val_loss"].idxmin())


def record() -> None:
    """Measure what the file lacks; each run is written down when it ends."""
    if not FILE.exists():
        machine = f"{platform.machine()}, one core, Python {platform.python_version()}, torch {torch.__version__}"
        FILE.write_text(f"# {machine}, with the code of the commit that holds this file\n{','.join(COLUMNS)}\n")
    jobs = [(EPOCHS, kind, lr, CHOOSING) for kind, lr in itertools.product(KINDS, RATES)]
    jobs += [(epochs, kind, None, seed) for epochs, seed, kind in itertools.product((EPOCHS, LONG), REPORTING, KINDS)]
    for epochs, kind, lr, seed in jobs:
        known = pd.read_csv(FILE, comment="#")
        job = (epochs, kind, lr or best_lr(known, kind), seed)
        if job not in set(known[COLUMNS[:4]].itertuples(index=False, name=None)):
            row = pd.DataFrame([measure(*job)])
            row.to_csv(FILE, mode="a", header=False, index=False, float_format="%.4g")


if __name__ == "__main__":
    torch.set_num_threads(1)
    record()
