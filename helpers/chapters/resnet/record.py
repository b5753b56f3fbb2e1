"""What is too slow to run live in 04, recorded: `python -m helpers.chapters.resnet.record` adds the runs that lack.

Seven experiments, an hour of one core in all; errors and losses are those on all images of the set.
- "rates": each network at each of RATES, with the notebook's images and steps, to choose its learning rate by the
  training loss (seed 3);
- "common": residual networks with the same images and steps at one rate for all, COMMON (seeds 0 to 2);
- "start": as "rates", and seeds 0 to 2 at the best rate, for 44 plain layers that begin with `near_identity`;
- "long": plain networks at their best rate, with ten times the steps (seeds 0 to 2);
- "identity": stacks of blocks trained to put out what they are given; the loss is the unexplained variance (seed 3
  chooses the rate, in a third of the steps; seeds 0 to 2 are reported);
- "all rates", "all": all 7,775 training images and 1,940 test images, 800 steps; the rates as in "rates", then seeds 0
  to 2 at the best one.
"""

import functools
import itertools
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import LinearLR, OneCycleLR

from helpers import bundled, device, training
from helpers.architectures.resnet import BasicBlock, SmallResNet

FILE = Path(__file__).with_suffix(".csv")
KINDS, DEPTHS, RATES = ("plain", "residual"), (8, 20, 44), (0.001, 0.003, 0.01, 0.03, 0.1)
IMAGES, BATCH, STEPS, LONG = 512, 32, 192, 1920  # 12 and 120 epochs
STACKS, IDENTITY_RATES, IDENTITY_STEPS = (2, 4, 8), (0.003, 0.01, 0.03, 0.1), 1500
ALL_STEPS, COMMON = 800, 0.01
CHOOSING, REPORTING = 3, (0, 1, 2)  # seeds
COLUMNS = ["experiment", "kind", "depth", "lr", "seed", "step", "train_loss", "train_error", "test_error"]


@functools.cache
def images(of_training: int = IMAGES) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """The notebook's 512 training images [N, 1, 14, 14] from -1 to 1 with labels, and its test images; or all."""
    train, test = ((F.avg_pool2d(part.images[:, None] / 127.5 - 1, 2), part.labels) for part in bundled.animal_shapes())
    few = of_training == IMAGES
    return tuple(each[:: 15 if few else 1][:of_training] for each in train), tuple(
        each[:: 4 if few else 1] for each in test
    )


def near_identity(model: nn.Module) -> None:
    """Give each 3x3 convolution the identity kernel and a little noise; where channels double, each map goes to two."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels > 1:
            noise = layer.weight / 4
            nn.init.dirac_(layer.weight, groups=layer.out_channels // layer.in_channels)
            with torch.no_grad():
                layer.weight += noise


def run(
    kind: str, depth: int, lr: float, seed: int, steps: int, measure_every: int, of_training: int = IMAGES
) -> training.History:
    """Train a network as the notebook does; the History's `val` are test images, by which nothing is chosen."""
    device.seed(seed)
    model = SmallResNet(depth, residual=kind == "residual", width=8, channels=1)
    if kind == "near identity":
        near_identity(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    scheduler = OneCycleLR(optimizer, lr, total_steps=steps + 1)
    options = {"steps": steps, "measure_every": measure_every, "batch_size": BATCH, "scheduler": scheduler}
    return training.train(model, optimizer, *images(of_training), **options, device=torch.device("cpu"))


def learn_identity(kind: str, depth: int, lr: float, seed: int, steps: int) -> list[float]:
    """The unexplained variance at each step of a stack of `depth` layers that learns to put out what it is given."""
    device.seed(seed)
    blocks = nn.Sequential(*[BasicBlock(8, 8, residual=kind == "residual") for _ in range(depth // 2)])
    optimizer = torch.optim.Adam(blocks.parameters(), lr=lr, fused=True)
    scheduler = LinearLR(optimizer, 1, 0, steps)
    losses = []
    for _ in range(steps):
        x = torch.randn(16, 8, 7, 7).relu()
        loss = F.mse_loss(blocks(x), x) / x.var()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


@functools.cache
def read() -> pd.DataFrame:
    """The record, with COLUMNS; errors from 0 to 1."""
    return pd.read_csv(FILE, comment="#")


def best_lr(known: pd.DataFrame, experiment: str, kind: str, depth: int) -> float:
    """The learning rate at which the runs that choose end with the lowest loss."""
    of = (known.experiment == experiment) & (known.kind == kind) & (known.depth == depth) & (known.seed == CHOOSING)
    return float(known[of].sort_values("step").groupby("lr")["train_loss"].last().idxmin())


def measure(experiment: str, kind: str, depth: int, lr: float, seed: int) -> pd.DataFrame:
    """The rows of one run."""
    if experiment == "identity":
        steps = IDENTITY_STEPS // 3 if seed == CHOOSING else IDENTITY_STEPS
        means = torch.tensor(learn_identity(kind, depth, lr, seed, steps)).view(-1, 25).mean(dim=1)
        rows = [(step, mean.item(), None, None) for step, mean in zip(range(25, steps + 1, 25), means, strict=True)]
    else:
        settings = {"long": (LONG, 96), "all": (ALL_STEPS, 100, 7775), "all rates": (ALL_STEPS, ALL_STEPS, 7775)}
        history = run(kind, depth, lr, seed, *settings.get(experiment, (STEPS, STEPS)))
        rows = [
            (step, train.loss, train.error, test.error)
            for step, train, test in zip(history.steps, history.train, history.val, strict=True)
        ]
    return pd.DataFrame([(experiment, kind, depth, lr, seed, *row) for row in rows], columns=COLUMNS)


def wanted(known: pd.DataFrame) -> list[tuple[str, str, int, float, int]]:
    """The runs that the record lacks; first those that choose a rate."""
    done = set(known[COLUMNS[:5]].itertuples(index=False, name=None))
    jobs = [(of, *job, CHOOSING) for of in ("rates", "all rates") for job in itertools.product(KINDS, DEPTHS, RATES)]
    jobs += [("start", "near identity", 44, lr, CHOOSING) for lr in RATES]
    jobs += [("identity", *job, CHOOSING) for job in itertools.product(KINDS, STACKS, IDENTITY_RATES)]
    if done.issuperset(jobs):
        for seed in REPORTING:
            jobs += [
                ("identity", kind, depth, best_lr(known, "identity", kind, depth), seed)
                for kind, depth in itertools.product(KINDS, STACKS)
            ]
            jobs.append(("start", "near identity", 44, best_lr(known, "start", "near identity", 44), seed))
            jobs += [
                ("all", kind, depth, best_lr(known, "all rates", kind, depth), seed)
                for kind, depth in itertools.product(KINDS, DEPTHS)
            ]
            jobs += [("common", "residual", depth, COMMON, seed) for depth in DEPTHS]
            jobs += [("long", "plain", depth, best_lr(known, "rates", "plain", depth), seed) for depth in DEPTHS]
    return [job for job in jobs if job not in done]


def record() -> None:
    """Measure what is wanted until nothing is; each run is written down when it ends."""
    known = pd.read_csv(FILE, comment="#") if FILE.exists() else pd.DataFrame(columns=COLUMNS)
    while jobs := wanted(known):
        rows = measure(*jobs[0])
        rows.to_csv(FILE, mode="a", header=not FILE.exists(), index=False, float_format="%.4g")
        print(rows.tail(1).to_string(header=False, index=False), flush=True)
        known = pd.read_csv(FILE, comment="#")


if __name__ == "__main__":
    torch.set_num_threads(1)
    record()
