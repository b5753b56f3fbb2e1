"""03's second experiment: does an auxiliary head help training? A deep, narrow network with one, and without it.

`python -m helpers.chapters.googlenet.heads` adds to heads.csv the runs that it lacks, for each way to start of STARTS
with and without a head: each learning rate of RATES, judged on validation images, then the best one with five seeds,
judged on test images. Three minutes on one core; to measure all anew, delete the file.
"""

import functools
import itertools
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from helpers import bundled, device
from helpers.chapters.googlenet.record import Record

FILE = Path(__file__).with_suffix(".csv")
STARTS = ("Xavier, biases 0.2", "Kaiming")
LOOKED_AT = (0.001, 0.002, 0.004)  # with Kaiming weights: does what a head brings depend on the learning rate?
STEPS, RATES = 150, (0.0005, 0.001, 0.002, 0.004, 0.008)
CHOOSING, REPORTING = 9, (0, 1, 2, 3, 4)  # seeds


class Deep(nn.Module):
    """Twelve layers of 3x3, 16 channels: [N, 1, H, W] to logits [N, 10] at the end and of a head after the sixth."""

    def __init__(self, start: str = "Kaiming"):
        super().__init__()
        self.lower, self.upper = self.six_layers(1, start), self.six_layers(16, start)
        self.fc, self.head = nn.Linear(16, 10), nn.Linear(16, 10)

    @staticmethod
    def six_layers(inputs: int, start: str) -> nn.Sequential:
        """Six convolutions with their ReLU; Xavier is Glorot's, which is Caffe's from 16 channels to 16."""
        layers = nn.Sequential()
        for number in range(6):
            conv = nn.Conv2d(16 if number else inputs, 16, kernel_size=3, padding=1)
            if "Xavier" in start:
                nn.init.xavier_uniform_(conv.weight)
            else:
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.constant_(conv.bias, 0.2 if "0.2" in start else 0.0)
            layers.append(conv)
            layers.append(nn.ReLU())
        return layers

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[N, 1, H, W] to the logits [N, 10] that count, and those of the head."""
        middle = self.lower(x)
        return self.fc(self.upper(middle).mean(dim=(2, 3))), self.head(middle.mean(dim=(2, 3)))


@functools.cache
def silhouettes() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Images [N, 1, 14, 14] from -1 to 1 and labels [N], for train, val (every eighth of the training set) and test."""
    train, test = bundled.animal_shapes()
    small = [F.avg_pool2d(part.images[:, None] / 127.5 - 1, 2) for part in (train, test)]
    held = torch.arange(len(train.labels)) % 8 == 0
    parts = {"train": (small[0][~held], train.labels[~held]), "val": (small[0][held], train.labels[held])}
    return parts | {"test": (small[1], test.labels)}


def train(model: nn.Module, head: float, lr: float, seed: int, steps: int = STEPS) -> None:
    """Minimise the loss of the end plus `head` times that of the head, in place."""
    device.seed(seed)
    images, labels = silhouettes()["train"]
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        logits, early = model(images[batch])
        loss = F.cross_entropy(logits, labels[batch]) + head * F.cross_entropy(early, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def score(model: nn.Module, part: str) -> dict[str, float]:
    """Loss and accuracy at the end of the network, not the head's."""
    images, labels = silhouettes()[part]
    logits = model.eval()(images)[0]
    right = (logits.argmax(dim=1) == labels).float().mean()
    return {"loss": F.cross_entropy(logits, labels).item(), "accuracy": right.item()}


def run(start: str, head: float, lr: float, seed: int, part: str = "test") -> dict[str, float]:
    """Build, train and judge a network."""
    device.seed(seed)
    model = Deep(start)
    train(model, head, lr, seed)
    return score(model, part)


def best_lr(runs: pd.DataFrame, start: str, head: float) -> float:
    """The learning rate at which the recorded loss on the validation images is lowest."""
    mine = runs[(runs["start"] == start) & (runs["head"] == head) & (runs["part"] == "val")]
    return float(mine.loc[mine["loss"].idxmin(), "lr"])


def load() -> pd.DataFrame:
    """The recorded runs: start, head (its weight in the loss), lr, seed, part, loss, accuracy."""
    return pd.read_csv(FILE, comment="#")


def write() -> None:
    """Add the runs that the record lacks."""
    record = Record(FILE, ["start", "head", "lr", "seed", "part"], run)
    for start in STARTS:
        for head in (0.0, 0.3):
            for lr in RATES:
                record.need(start=start, head=head, lr=lr, seed=CHOOSING, part="val")
            rates = {best_lr(record.runs, start, head)} | ({*LOOKED_AT} if start == "Kaiming" else set())
            for lr, seed in itertools.product(sorted(rates), REPORTING):
                record.need(start=start, head=head, lr=lr, seed=seed, part="test")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write()
