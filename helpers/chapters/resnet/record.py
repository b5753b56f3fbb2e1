"""Longer training runs of 04, recorded: `python -m helpers.chapters.resnet.record` measures them again, in ten minutes.

The networks, the images, batches of 32 and Adam are the notebook's. The learning rate is not (0.003 here, 0.004 there;
each rises and falls by OneCycleLR), nor are the batches: here epochs, each image once in each; there drawn at random
from all images at each step. And the errors are those on all images, not on a part of them.
"""

import json
import platform
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import OneCycleLR

from helpers import bundled, device, training
from helpers.architectures.resnet import SmallResNet

PATH = Path(__file__).with_suffix(".json")
DEPTHS, SEEDS, STEPS, MEASURE_EVERY = (8, 20, 44), range(3), 800, 100


def run(depth: int, residual: bool, seed: int, steps: int, measure_every: int, lr: float = 0.003) -> training.History:
    """Train one of 04's networks; the History's `val` are the test images, by which nothing is chosen."""
    device.seed(seed)
    model = SmallResNet(depth, residual=residual, width=8, channels=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    scheduler = OneCycleLR(optimizer, lr, total_steps=steps + 1)
    sets = [(F.avg_pool2d(part.images[:, None] / 127.5 - 1, 2), part.labels) for part in bundled.animal_shapes()]
    options = {"steps": steps, "measure_every": measure_every, "batch_size": 32, "scheduler": scheduler, "seed": seed}
    return training.train(model, optimizer, *sets, **options)


def load() -> dict[str, Any]:
    """What `measure` found, from the file beside this module."""
    return json.loads(PATH.read_text())


def measure() -> dict[str, Any]:
    """What the file holds.

    "errors" of "plain 8" and so on, for "training" and "validation" images: [seed][measurement], from 0 to 1.
    "losses" on the training images of plain networks after 150 steps, by depth and learning rate ("8, 0.001"): [seed].
    """
    errors, losses = {}, {}
    for kind in ("plain", "residual"):
        for depth in DEPTHS:
            runs = [run(depth, kind == "residual", seed, steps=STEPS, measure_every=MEASURE_EVERY) for seed in SEEDS]
            errors[f"{kind} {depth}"] = {
                "training": [[round(score.error, 4) for score in history.train] for history in runs],
                "validation": [[round(score.error, 4) for score in history.val] for history in runs],
            }
    for lr in (0.001, 0.01):
        for depth in DEPTHS:
            runs = [run(depth, False, seed, steps=150, measure_every=150, lr=lr) for seed in SEEDS]
            losses[f"{depth}, {lr}"] = [round(history.train[-1].loss, 2) for history in runs]
    machine = f"{platform.machine()}, {device.accelerator().type}, torch {torch.__version__}"
    steps = list(range(MEASURE_EVERY, STEPS + 1, MEASURE_EVERY))
    return {"machine": machine, "steps": steps, "errors": errors, "losses": losses}


if __name__ == "__main__":
    torch.set_num_threads(1)
    PATH.write_text(json.dumps(measure(), indent=1) + "\n")
