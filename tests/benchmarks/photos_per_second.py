"""How near the way from JPEG files to top-5 guesses comes to the bare network's speed.

`python -m tests.benchmarks.photos_per_second [FOLDER]`; without a folder, the 20 photographs of foolbox (512 x 512),
16 times over. What is compared is measured in turns, so that another program on the machine slows all of it alike.
"""

import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from helpers import bundled, datasets, device, evaluation, pretrained

ROUNDS = 5
BATCH = 16


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


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
    rates = {what: [] for what in parts}
    bare()
    for _ in range(ROUNDS):
        for what, function in parts.items():
            rates[what].append(len(part) / seconds(function))
    medians = {what: statistics.median(values) for what, values in rates.items()}
    print(f"{name} on {best}, {len(part)} photographs, median of {ROUNDS} rounds")
    for what, rate in medians.items():
        spread = f"{min(rates[what]):.0f} to {max(rates[what]):.0f}"
        print(f"  {what:33} {rate:6.1f} photos/s ({spread}), {rate / medians['bare network']:.2f} of bare")
    both = 1 / (1 / medians["bare network"] + 1 / medians["decoding and preprocessing alone"])
    print(f"  {'both in turns, nothing lost':33} {both:6.1f} photos/s, {both / medians['bare network']:.2f} of bare")


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    labelled = bundled.labelled_photos()
    given = sys.argv[1:]
    data = (
        datasets.unlabelled_folder(given[0]) if given else datasets.Photos(labelled.samples * 16, labelled.categories)
    )
    for each in pretrained.EMBEDDED:
        measure(each, data)
