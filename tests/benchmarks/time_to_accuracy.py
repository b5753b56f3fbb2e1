"""Accuracy against seconds: the loop of PyTorch's transfer-learning tutorial, fastai's fine_tune, and the course's way.

`python -m tests.benchmarks.time_to_accuracy FOLDER [--rounds 3] [--picture FILE]`; FOLDER holds train/ and val/ with
class folders (the tutorial's own photographs of ants and bees, for example). All three use EfficientNet-Lite0 with the
same weights, photographs and size. fastai is not among the course's requirements: "pip install fastai" for this alone.

Seconds are those that the process computed on one thread (data loading included, evaluation included where a method
evaluates): so another program on the machine slows none of them. The tutorial is "ConvNet as fixed feature extractor",
pytorch.org/tutorials/beginner/transfer_learning_tutorial.html; fastai's is Learner.fine_tune, docs.fast.ai.
"""

import argparse
import dataclasses
import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from helpers import datasets, device, plotting, pretrained, training, transfer

PIXELS = 160
EPOCHS = {"tutorial": 25, "fastai": 8}
CUT, STEPS, LR, BATCH = "features.10", 30, 3e-5, 32  # as the last section of notebook 09 fine-tunes
LEVELS = [0.85, 0.88, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96]

Curve = list[tuple[float, float]]  # (seconds, validation accuracy)


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return right / len(loader.dataset)


def tutorial(folder: Path, network: pretrained.Network) -> Curve:
    """Frozen layers, a new head, SGD with momentum, batches of 4, 25 epochs, the learning rate a tenth after each 7."""
    start = time.process_time()
    _resize, _crop, *to_tensor = network.preprocess.transforms
    augment = v2.Compose([v2.RandomResizedCrop(PIXELS), v2.RandomHorizontalFlip(), *to_tensor])
    parts = ImageFolder(folder / "train", augment), ImageFolder(folder / "val", network.preprocess)
    train_loader, val_loader = (DataLoader(part, batch_size=4, shuffle=True) for part in parts)
    model = pretrained.with_head(network.model, len(parts[0].classes)).requires_grad_(False)
    head = model.get_submodule(pretrained.head_name(model)).requires_grad_(True)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    curve = []
    for _ in range(EPOCHS["tutorial"]):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        scheduler.step()
        share = accuracy(model, val_loader)
        curve.append((time.process_time() - start, share))
    return curve


def fastai(folder: Path, network: pretrained.Network) -> Curve:
    """One epoch of the head (and batch norm), then all layers: fine_tune with its own learning rates, 1cycle, crops."""
    from fastai.vision import all as fast

    start = time.process_time()
    settings = network.preprocess.settings
    normalize = fast.Normalize.from_stats(settings["mean"], settings["std"])
    loaders = fast.ImageDataLoaders.from_folder(
        folder, train="train", valid="val", bs=16, num_workers=0, device=torch.device("cpu"),
        item_tfms=fast.RandomResizedCrop(PIXELS, min_scale=0.35), batch_tfms=[*fast.aug_transforms(), normalize],
    )  # fmt: skip
    model = pretrained.with_head(network.model, loaders.c)

    def body_and_head(model: nn.Module) -> list:
        return [fast.params(model.features), fast.params(model.classifier)]

    curve = []

    class Note(fast.Callback):
        def after_validate(self) -> None:
            curve.append((time.process_time() - start, float(self.learn.recorder.metrics[0].value)))

    learner = fast.Learner(loaders, model, fast.CrossEntropyLossFlat(), metrics=fast.accuracy, splitter=body_and_head)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(EPOCHS["fastai"], cbs=Note())
    return curve


def ours(folder: Path, network: pretrained.Network) -> Curve:
    """A head on embeddings that are computed once; then, from this head, the upper half of the layers learns too."""
    start = time.process_time()
    train, val = (transfer.embed(network, datasets.image_folder(folder / part)) for part in ("train", "val"))
    ((train_vectors,), (val_vectors,)) = (part.layers.values() for part in (train, val))
    classes = [str(label) for label in train.labels.unique().tolist()]
    head = nn.Linear(train_vectors.shape[1], len(classes))
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.001)
    parts = (train_vectors, train.labels), (val_vectors, val.labels)
    begun = time.process_time()
    history = training.train(head, optimizer, *parts, steps=200, measure_every=20, batch_size=BATCH)
    curve = points(history, begun - start, time.process_time() - start)
    begun = time.process_time()
    batches = [
        datasets.load_images(datasets.image_folder(folder / part), network.preprocess) for part in ("train", "val")
    ]
    sets = [(batch.images, batch.labels) for batch in batches]
    options = {"categories": classes, "cut": CUT, "lr": LR, "steps": STEPS, "measure_every": 10, "head": head}
    tuned = transfer.fine_tune(network, *sets, **options)
    return curve + points(tuned.history, begun - start, time.process_time() - start)


def points(history: training.History, first: float, last: float) -> Curve:
    """Between `first` and `last` each step takes as long as any other."""
    times = [first + (last - first) * step / history.steps[-1] for step in history.steps]
    return [(seconds, 1 - score.error) for seconds, score in zip(times, history.val, strict=True)]


WAYS = {"tutorial": tutorial, "fastai": fastai, "ours": ours}


@dataclasses.dataclass
class Measured:
    """The curves of one way, one for each round."""

    curves: list[Curve]

    def reached(self, level: float) -> float:
        """The seconds after which it first has the accuracy `level`: the median of the rounds; infinite if not."""
        times = [next((s for s, found in curve if found >= level), torch.inf) for curve in self.curves]
        return sorted(times)[len(times) // 2]


def draw(found: dict[str, Measured], path: Path) -> None:
    plotting.use_style()
    fig, ax = plt.subplots(figsize=(11, 5.5))
    for (name, measured), colour in zip(found.items(), (plotting.ORANGE, plotting.GREEN, plotting.BLUE), strict=True):
        for curve in measured.curves:
            ax.plot(*zip(*curve, strict=True), marker="o", markersize=4, color=colour)
        ax.plot([], [], marker="o", color=colour, label=name)
    ax.set(xscale="log", xlabel="CPU seconds, one thread", ylabel="validation accuracy", ylim=(0.5, 1))
    ax.legend(loc="lower right")
    fig.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    torch.set_num_threads(1)
    found = {name: Measured([]) for name in WAYS}
    for number in range(given.rounds):
        for name, way in WAYS.items():
            device.seed(number)
            curve = way(given.folder, pretrained.load("efficientnet_lite0").at(PIXELS))
            found[name].curves.append(curve)
            print(number, name, *(f"{seconds:.1f} s {share:.1%}" for seconds, share in curve), flush=True)
    table = pd.DataFrame({name: [each.reached(level) for level in LEVELS] for name, each in found.items()}, LEVELS)
    for name in ("tutorial", "fastai"):
        table[f"{name} / ours"] = table[name] / table["ours"]
    print(table.rename_axis("accuracy reached, median seconds").round(1).to_string())
    if given.picture:
        draw(found, given.picture)


if __name__ == "__main__":
    main()
