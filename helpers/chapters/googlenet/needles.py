"""03's experiment: which kernels find a compass needle of any size? The data, the networks, and their training.

`python -m helpers.chapters.googlenet.needles` adds to needles.csv the runs that it lacks: each network at several
learning rates, judged on validation images, then at its best one with three other seeds, judged on test images; the
longer of BUDGETS for the networks of LONG alone. Forty minutes on one core; to measure all anew, delete the file.
"""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from helpers import device, training
from helpers.architectures.googlenet import Inception, NaiveInception, convolution
from helpers.chapters.googlenet.record import Record

FILE = Path(__file__).with_suffix(".csv")
DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))  # down, right
SIZES = (3, 6, 12, 24)
SIDE, MARGIN = 52, 12  # of an image, and of what is left free at its border: a needle must not be read from there
PIXELS = [f"{size} px" for size in SIZES]
BUDGETS = (300, 1200)
CHOOSING, REPORTING = {300: (8, 9), 1200: (9,)}, (0, 1, 2)  # seeds: that choose the learning rate, and that report
COUNTS = {"train": 4000, "test": 2000, "val": 1000}


def needle(direction: int, size: int) -> torch.Tensor:
    """A bright square and a dark one on opposite sides of an empty one, [size, size]; size is a multiple of 3."""
    down, right = DIRECTIONS[direction]
    cells = torch.zeros(3, 3)
    cells[1 + down, 1 + right], cells[1 - down, 1 - right] = 1, -1
    return cells.repeat_interleave(size // 3, dim=0).repeat_interleave(size // 3, dim=1)


@functools.cache
def needles(part: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images [N, 1, SIDE, SIDE], each a needle somewhere in noise; directions, sizes [N]. part: train, val, test."""
    count = COUNTS[part]
    device.seed(list(COUNTS).index(part))
    images = 0.1 * torch.randn(count, 1, SIDE, SIDE)
    directions = torch.randint(8, (count,))
    sizes = torch.tensor(SIZES)[torch.randint(4, (count,))]
    for image, direction, size in zip(images, directions.tolist(), sizes.tolist(), strict=True):
        top, left = torch.randint(MARGIN, SIDE - MARGIN - size + 1, (2,)).tolist()
        image[0, top : top + size, left : left + size] += needle(direction, size)
    return images, directions, sizes


def classifier(*layers: nn.Module, channels: int) -> nn.Module:
    """Layers that put out `channels` maps; the maximum of each, since the needle may be anywhere; a linear layer."""
    model = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 8))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return model


def one_size(kernel: int, channels: int, layers: int = 2, reduced: int | None = None) -> nn.Module:
    """Layers of one kernel size, the first with stride 2, the others after a 1x1 to `reduced` channels where given."""
    padding = kernel // 2
    stack = [convolution(1, channels, kernel, stride=2, padding=padding)]
    for _ in range(layers - 1):
        if reduced:
            stack.append(convolution(channels, reduced, 1))
        stack.append(convolution(reduced or channels, channels, kernel, padding=padding))
    return classifier(*stack, channels=channels)


def small_inception() -> nn.Module:
    """A naive module with stride 2, and one with reductions."""
    first, second = NaiveInception(1, 6, 6, 6, stride=2), Inception(19, 6, 6, 12, 6, 12, 6)
    return classifier(first, second, channels=36)


NETWORKS: dict[str, Callable[[], nn.Module]] = {  # but for the last one all have about 3,500 parameters
    "3x3": lambda: one_size(3, channels=19),
    "5x5": lambda: one_size(5, channels=11),
    "7x7": lambda: one_size(7, channels=8),
    "five layers of 3x3": lambda: one_size(3, channels=10, layers=5),
    "3x3, reduced": lambda: one_size(3, channels=30, reduced=10),
    "5x5, reduced": lambda: one_size(5, channels=18, reduced=6),
    "7x7, reduced": lambda: one_size(7, channels=14, reduced=4),
    "inception": small_inception,
    "7x7 with 19 channels": lambda: one_size(7, channels=19),
}


LONG = ["3x3", "7x7", "five layers of 3x3", "5x5, reduced", "inception"]


def accuracy(network: str, steps: int, lr: float, seed: int, part: str = "test") -> dict[str, float]:
    """Train one of NETWORKS, and give its accuracy on the test (or "val") images by size, and over all four sizes."""
    device.seed(seed)
    model = NETWORKS[network]()
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps)
    options = {"steps": steps, "measure_every": steps, "batch_size": 64, "seed": seed}
    training.train(model, optimizer, needles("train")[:2], scheduler=scheduler, **options)
    images, directions, sizes = needles(part)
    with torch.inference_mode():
        guesses = model(images.to(device.accelerator())).argmax(dim=1).cpu()
    right = (guesses == directions).float()
    by_size = {f"{size} px": right[sizes == size].mean().item() for size in SIZES}
    return by_size | {"all sizes": sum(by_size.values()) / len(SIZES)}


def best_lr(runs: pd.DataFrame, network: str, steps: int) -> float:
    """The learning rate at which a recorded network is best on the validation images."""
    mine = runs[(runs["network"] == network) & (runs["steps"] == steps) & (runs["part"] == "val")]
    return float(mine.groupby("lr")["all sizes"].mean().idxmax())


def load() -> pd.DataFrame:
    """The recorded runs: network, steps, lr, seed, part, accuracy by size and over all sizes."""
    return pd.read_csv(FILE, comment="#")


def search(record: Record, network: str, steps: int, rates: list[float]) -> float:
    """The best of some learning rates, and of more where it is the smallest or the largest."""
    while True:
        for lr, seed in itertools.product(rates, CHOOSING[steps]):
            record.need(network=network, steps=steps, lr=lr, seed=seed, part="val")
        best = best_lr(record.runs, network, steps)
        if min(rates) < best < max(rates):
            return best
        rates = [*rates, best / 2 if best == min(rates) else best * 2]


def write() -> None:
    """Add the runs that the record lacks."""
    record = Record(FILE, ["network", "steps", "lr", "seed", "part"], accuracy)
    short, long = BUDGETS
    best = {(network, short): search(record, network, short, [0.01, 0.02, 0.04, 0.08]) for network in NETWORKS}
    for network in LONG:
        rates = [factor * best[network, short] for factor in (0.25, 0.5, 1, 2)]
        best[network, long] = search(record, network, long, rates)
    for (network, steps), lr in best.items():
        for seed in REPORTING:
            record.need(network=network, steps=steps, lr=lr, seed=seed, part="test")


def means(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy of the test runs by steps and network, with the number of seeds and their range."""
    tests = runs[runs["part"] == "test"]
    groups = tests.groupby(["steps", "network"], sort=False)
    table = groups[[*PIXELS, "all sizes"]].mean()
    return table.assign(seeds=groups.size(), low=groups["all sizes"].min(), high=groups["all sizes"].max())


def coloured_numbers(table: pd.DataFrame) -> Figure:
    """The accuracies of `means` in percent, a panel for each number of steps, the lower the darker."""
    figure, axes = plt.subplots(1, len(BUDGETS), figsize=(11, 5.3), sharey=True)
    columns = [*PIXELS, "all sizes"]
    for ax, steps in zip(axes, BUDGETS, strict=True):
        percent = 100 * table.loc[steps, columns].reindex(NETWORKS)
        ax.imshow(percent, cmap="cividis", vmin=20, vmax=100, aspect="auto")
        for row, numbers in enumerate(percent.to_numpy()):
            for column, number in enumerate(numbers):
                known = number == number  # not NaN
                text = f"{number:.0f}" if known else "-"
                colour = "white" if known and number < 70 else "black"
                ax.text(column, row, text, ha="center", va="center", size=15, color=colour)
        ax.set_xticks(range(len(columns)), [*map(str, SIZES), "all"])
        ax.set(yticks=range(len(NETWORKS)), yticklabels=NETWORKS, title=f"{steps:,} steps: accuracy, %")
        ax.set_xlabel("size of the needle, pixels")
        ax.axvline(len(PIXELS) - 0.5, color="white", linestyle="-", linewidth=4)
        ax.tick_params(length=0)
    return figure


def in_words(table: pd.DataFrame) -> str:
    """What `coloured_numbers` shows over all sizes, in a sentence for each number of steps."""
    sentences = []
    for steps in BUDGETS:
        each = [f"{name} {accuracy:.0%}" for name, accuracy in table.loc[steps, "all sizes"].items()]
        sentences.append(f"After {steps:,} steps, over all sizes: {', '.join(each)}.")
    return " ".join(sentences)


if __name__ == "__main__":
    torch.set_num_threads(1)
    write()
