"""How much sooner an embedding and a linear head are as accurate as the loop of PyTorch's transfer-learning tutorial.

`python -m tests.benchmarks.time_to_accuracy FOLDER [ROUNDS]`; FOLDER holds train/ and val/ with class folders (the
tutorial's own photographs of ants and bees, for example). Both use EfficientNet-Lite0 at 160 pixels. Then all layers
are trained, by training.train and by a plain loop over a default DataLoader: photographs per second. Whatever is
compared is measured in turns, so that another program on the machine slows all of it alike.

The tutorial: pytorch.org/tutorials/beginner/transfer_learning_tutorial.html, "ConvNet as fixed feature extractor".
"""

import os
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from helpers import datasets, device, pretrained, training, transfer

PIXELS = 160
EPOCHS = 10  # of the tutorial's 25: its learning rate falls after the seventh
BATCH = 32  # in training all layers


def tutorial(folder: Path, network: pretrained.Network) -> list[tuple[float, float]]:
    """(seconds, validation accuracy) after each epoch of the tutorial's loop: frozen layers, new head."""
    start = time.perf_counter()
    best = device.accelerator()
    _resize, _crop, *to_tensor = network.preprocess.transforms
    augment = v2.Compose([v2.RandomResizedCrop(PIXELS), v2.RandomHorizontalFlip(), *to_tensor])
    parts = ImageFolder(folder / "train", augment), ImageFolder(folder / "val", network.preprocess)
    train_loader, val_loader = (DataLoader(part, batch_size=4, shuffle=True) for part in parts)
    model = pretrained.with_head(network.model, len(parts[0].classes)).requires_grad_(False).to(best)
    head = model.get_submodel(pretrained.head_name(model)).requires_grad_(True)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    reached = []
    for _ in range(EPOCHS):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images.to(best)), labels.to(best)).backward()
            optimizer.step()
        scheduler.step()
        model.eval()
        with torch.no_grad():
            found = [(model(images.to(best)).argmax(1).cpu() == labels).sum().item() for images, labels in val_loader]
        reached.append((time.perf_counter() - start, sum(found) / len(parts[1])))
    return reached


def ours(folder: Path, network: pretrained.Network) -> list[tuple[float, float]]:
    """(seconds, validation accuracy) of a linear head on embeddings that are computed once."""
    start = time.perf_counter()
    train, val = (transfer.embed(network, datasets.image_folder(folder / part)) for part in ("train", "val"))
    ((train_vectors,), (val_vectors,)) = (part.layers.values() for part in (train, val))
    head = nn.Linear(train_vectors.shape[1], int(train.labels.max()) + 1)
    embedded = time.perf_counter() - start
    history = training.train(
        head,
        torch.optim.AdamW(head.parameters(), lr=0.001),
        (train_vectors, train.labels),
        (val_vectors, val.labels),
        steps=200,
        measure_every=20,
        seed=0,
        batch_size=32,
    )
    whole = time.perf_counter() - start
    steps = [embedded + (whole - embedded) * step / history.steps[-1] for step in history.steps]
    return [(seconds, 1 - score.error) for seconds, score in zip(steps, history.val, strict=True)]


def sooner(reached: list[tuple[float, float]], level: float) -> float:
    """The seconds after which the accuracy `level` was first reached."""
    return next(seconds for seconds, accuracy in reached if accuracy >= level)


def plain_epochs(folder: Path, network: pretrained.Network, epochs: int) -> float:
    """Photographs per second in training all layers: a DataLoader of PyTorch's defaults, evaluated once at the end."""
    best = device.accelerator()
    transform = v2.Compose([*network.preprocess.transforms, v2.RandomHorizontalFlip()])
    photos = ImageFolder(folder / "train", transform)
    model = pretrained.with_head(network.model, len(photos.classes)).to(best)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    start, steps = time.perf_counter(), 0
    for _ in range(epochs):
        model.train()
        for images, labels in DataLoader(photos, batch_size=BATCH, shuffle=True, drop_last=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images.to(best)), labels.to(best)).backward()
            optimizer.step()
            steps += 1
    model.eval()
    with torch.no_grad():
        for images, _ in DataLoader(photos, batch_size=BATCH):
            model(images.to(best)).sum().item()
    return steps * BATCH / (time.perf_counter() - start)


def our_epochs(folder: Path, network: pretrained.Network, epochs: int) -> float:
    """Photographs per second in training all layers by training.train; reading them into memory counts too."""
    photos = datasets.image_folder(folder / "train")
    start = time.perf_counter()
    batch = datasets.load_images(photos, network.preprocess)
    model = pretrained.with_head(network.model, len(photos.categories))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    steps = epochs * (len(batch.images) // BATCH)
    flip = v2.RandomHorizontalFlip()

    def augment(images: torch.Tensor) -> torch.Tensor:
        return torch.stack([flip(image) for image in images])

    options = {"steps": steps, "measure_every": steps, "batch_size": BATCH, "augment": augment}
    training.train(model, optimizer, (batch.images, batch.labels), **options)
    return steps * BATCH / (time.perf_counter() - start)


def fresh() -> pretrained.Network:
    """The network as it comes from its file: evaluation leaves its weights in another memory layout, a faster one."""
    return pretrained.load("efficientnet_lite0").at(PIXELS)


def measure(folder: Path, rounds: int) -> None:
    ratios, epochs = [], []
    for number in range(rounds):
        device.seed(number)
        theirs, mine = tutorial(folder, fresh()), ours(folder, fresh())
        level = min(max(accuracy for _, accuracy in reached) for reached in (theirs, mine))
        ratios.append(sooner(theirs, level) / sooner(mine, level))
        epochs.append(theirs[-1][0] / EPOCHS / mine[-1][0])
        print(f"round {number}: both reach {level:.1%}: tutorial {sooner(theirs, level):.1f} s, ", end="")
        print(f"embedding and head {sooner(mine, level):.1f} s, {ratios[-1]:.1f} times sooner", flush=True)
        print("  tutorial, epoch by epoch:", *(f"{seconds:.0f} s {accuracy:.1%}" for seconds, accuracy in theirs))
        print("  ours:", *(f"{seconds:.1f} s {accuracy:.1%}" for seconds, accuracy in mine))
    print(f"median {statistics.median(ratios):.1f} times sooner where the tutorial is at its best of {EPOCHS} epochs;")
    print(f"{EPOCHS} epochs take {EPOCHS * statistics.median(epochs):.0f} times as long as all of ours, ", end="")
    print(f"the tutorial's 25 would take {25 * statistics.median(epochs):.0f} times as long")
    rates = {"plain": [], "ours": []}
    for _ in range(rounds):
        rates["plain"].append(plain_epochs(folder, fresh(), 3))
        rates["ours"].append(our_epochs(folder, fresh(), 3))
    for name, values in rates.items():
        print(f"all layers, {name:6} {statistics.median(values):5.1f} photographs/s:", *(f"{v:.1f}" for v in values))
    gains = [mine / theirs for mine, theirs in zip(rates["ours"], rates["plain"], strict=True)]
    print(f"ours is {statistics.median(gains):.2f} times as fast (3 epochs, reading included)")


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    if len(sys.argv) < 2:
        sys.exit("Name a folder that holds train/ and val/, each with class folders of photographs.")
    measure(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
