"""How near the way from JPEG files to top-5 guesses comes to the bare network's speed.

`python -m tests.benchmarks.photos_per_second [FOLDER]`; without a folder, the 20 photographs of foolbox (512 x 512),
16 times over. The bare network is the published one, in batches that are decoded already and without batch norm folded.
With timm installed, its way of validating reads the same files for the same network: a DataLoader of two workers, its
transforms. All are measured in turns, on the clock and in processor time, which other programs do not change.
"""

import gc
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from helpers import bundled, datasets, device, evaluation, pretrained

try:
    import timm.data
except ImportError:
    timm = None

ROUNDS = 3
BATCH = 16
WORKERS = 2


def spent(function) -> tuple[float, float]:
    """Seconds on the clock, and seconds of all processors, in the processes that it started too."""
    start, before = time.perf_counter(), os.times()
    function()
    gc.collect()  # ends a DataLoader's workers, whose time is known only then
    return time.perf_counter() - start, sum(os.times()[:4]) - sum(before[:4])


class Files(torch.utils.data.Dataset):
    """Paths and labels as timm's ImageDataset reads them; its create_loader sets the transform."""

    transform = None

    def __init__(self, samples: list[tuple[Path, int]]):
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.samples[index]
        with Path(path).open("rb") as file:
            return self.transform(Image.open(file).convert("RGB")), label


def validate(network: pretrained.Network, samples: list, model: nn.Module, best: torch.device) -> float:
    """Top-5 accuracy in percent, as timm's validate.py finds it."""
    settings = network.preprocess.settings
    loader = timm.data.create_loader(
        Files(samples), input_size=(3, network.pixels, network.pixels), batch_size=BATCH, num_workers=WORKERS,
        mean=settings["mean"], std=settings["std"], interpolation=settings["interpolation"],
        crop_pct=settings["crop"] / settings["resize"], device=best, use_prefetcher=False,
    )  # fmt: skip
    right = 0.0
    with torch.inference_mode():
        for images, labels in loader:
            logits = model(images.to(best, memory_format=device.memory_format(best)))
            (accuracy,) = timm.utils.accuracy(logits, labels.to(best), topk=(5,))
            right += accuracy.item() * len(labels)
    return right / len(samples)


def measure(name: str, photos: datasets.Photos) -> None:
    network = pretrained.load(name)
    best = device.accelerator()
    layout = device.memory_format(best)
    module = network.model.to(best, memory_format=layout)
    images = torch.stack([network.preprocess(photos[index % len(photos)][0]) for index in range(BATCH)])
    images = images.to(best, memory_format=layout)
    batches = len(photos) // BATCH

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(batches):
                module(images)
        if best.type != "cpu":
            torch.accelerator.synchronize()

    def decode() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda index: network.preprocess(photos[index][0]), range(batches * BATCH)):
                pass

    part = datasets.Photos(photos.samples[: batches * BATCH], photos.categories)

    def whole() -> None:
        evaluation.top_k(evaluation.predict(network, part, batch_size=BATCH).logits)

    parts = {"bare network": bare, "decoding and preprocessing alone": decode, "files to top-5": whole}
    if timm:
        parts["files to top-5, timm's way"] = lambda: validate(network, part.samples, module, best)
    rates, processor = {what: [] for what in parts}, {what: [] for what in parts}
    bare()
    for _ in range(ROUNDS):
        for what, function in parts.items():
            clock, cpu = spent(function)
            rates[what].append(len(part) / clock)
            processor[what].append(cpu / len(part))
    threads = f"{torch.get_num_threads()} threads of PyTorch"
    print(f"{name} on {best}, {threads}, {len(part)} photographs in batches of {BATCH}, medians of {ROUNDS} rounds")
    medians = {what: [statistics.median(values[what]) for values in (rates, processor)] for what in parts}
    for what, (rate, cpu) in medians.items():
        of_bare = f"{rate / medians['bare network'][0]:.2f} of bare"
        cpu_of_bare = f"{medians['bare network'][1] / cpu:.2f} of bare"
        print(f"  {what:33} {rate:6.1f} photos/s, {of_bare}; CPU {1000 * cpu:5.1f} ms a photo, {cpu_of_bare}")


if __name__ == "__main__":
    labelled = bundled.labelled_photos()
    given = sys.argv[1:]
    data = (
        datasets.unlabelled_folder(given[0]) if given else datasets.Photos(labelled.samples * 16, labelled.categories)
    )
    for each in pretrained.EMBEDDED:
        measure(each, data)
