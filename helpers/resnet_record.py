"""Longer training runs of 04, kept: `python -m helpers.resnet_record` measures them again, in about ten minutes."""

import json
import platform
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

from helpers import datasets, device, training
from helpers.architectures.resnet import SmallResNet

PATH = Path(__file__).with_suffix(".json")
DEPTHS, SEEDS, STEPS, EVERY = (8, 20, 44), range(3), 800, 100


def small(shapes: datasets.Arrays) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 [N, 28, 28] as float [N, 1, 14, 14] from -1 to 1, and the labels [N]."""
    return functional.avg_pool2d(shapes.images[:, None] / 127.5 - 1, 2), shapes.labels


def run(depth: int, residual: bool, seed: int, *, steps: int, every: int, rate: float = 0.003) -> training.History:
    """One of 04's networks, trained as in the notebook but for the number of steps, and measured `every` n steps."""
    device.seed(seed)
    network = SmallResNet(depth, residual=residual, width=8, channels=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    scheduler = OneCycleLR(optimiser, rate, total_steps=steps + 1)
    learning, testing = map(small, datasets.animal_shapes())
    options = {"steps": steps, "every": every, "batch_size": 32, "scheduler": scheduler, "seed": seed}
    return training.train(network, optimiser, learning, testing, **options)


def load() -> dict[str, Any]:
    """What `measure` found, from the file beside this module."""
    return json.loads(PATH.read_text())


def measure() -> dict[str, Any]:
    """The errors of plain and residual networks, from 0 to 1: [seed][measurement] by "plain 8" and so on; and of
    plain ones after 150 steps with other learning rates, [seed] by "8, 0.001" and so on."""
    curves, rates = {}, {}
    for kind in ("plain", "residual"):
        for depth in DEPTHS:
            histories = [run(depth, kind == "residual", seed, steps=STEPS, every=EVERY) for seed in SEEDS]
            curves[f"{kind} {depth}"] = {
                part: [[round(score.error, 4) for score in getattr(history, part)] for history in histories]
                for part in ("training", "validation")
            }
            print(kind, depth, curves[f"{kind} {depth}"]["training"], flush=True)
    for rate in (0.001, 0.01):
        for depth in DEPTHS:
            histories = [run(depth, False, seed, steps=150, every=150, rate=rate) for seed in SEEDS]
            rates[f"{depth}, {rate}"] = [round(history.training[-1].loss, 2) for history in histories]
            print(depth, rate, rates[f"{depth}, {rate}"], flush=True)
    machine = f"{platform.machine()}, {device.accelerator().type}, torch {torch.__version__}"
    return {"machine": machine, "steps": list(range(EVERY, STEPS + 1, EVERY)), "errors": curves, "losses": rates}


if __name__ == "__main__":
    torch.set_num_threads(1)
    PATH.write_text(json.dumps(measure(), indent=1) + "\n")
