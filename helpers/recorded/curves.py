"""Curves of training on photographs of flowers and on silhouettes: way x images per class x learning rate x seed.

`python -m helpers.recorded.curves FOLDER` adds to curves.csv the runs that it lacks, the most telling first, from the
photographs of flowers17 in FOLDER (see flowers.py); to measure all anew, delete curves.csv. Hours on two cores: stop it
whenever you like, and start it again.

Every run starts from EfficientNet-Lite0. The head is trained first, on embeddings; then all layers of the way learn, by
AdamW, at one learning rate that falls to 0. Batch norm keeps ImageNet's statistics unless the way says otherwise.
"""

import argparse
import contextlib
import dataclasses
import datetime
import functools
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import nn
from torchvision.transforms import v2

from helpers import bundled, datasets, device, pretrained, training, transfer
from helpers.recorded import flowers

FILE = Path(__file__).with_suffix(".csv")
PIXELS = 160
BATCH = 32
CHOOSING, REPORTING = 0, (1, 2, 3)  # seeds: of the learning rate by the judged images of the first, and on the others
AUGMENTED = ("head only, augmented", "all layers, augmented")
STEPS = {5: 50, 20: 100, 60: 130}  # by images per class; for silhouettes, of fewer classes, three fifths of them
SCRATCH_STEPS, SCRATCH_TRIAL = 500, 120  # the trial is for the choice of its learning rate
HEAD_STEPS, HEAD_LR = 200, 3e-3
POINTS = 5  # a curve's

HEAD_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
RATES = (1e-4, 3e-4, 1e-3, 3e-3)


class Way(NamedTuple):
    """What learns: all layers after `cut` (None: all there are), and how."""

    cut: str | None
    rates: tuple[float, ...] = RATES
    batch_norm: str = "keep"
    augment: bool = False


WAYS = {
    "head only": Way("avgpool", HEAD_RATES),
    "+ last blocks": Way("features.17", (*RATES, 1e-2)),
    "+ upper half": Way("features.10", (3e-5, 1e-4, 3e-4, 1e-3)),
    "all layers": Way(None, (3e-5, 1e-4, 3e-4, 1e-3)),
    "all layers, batch norm adapts": Way(None, (1e-4,), batch_norm="adapt"),
    "head only, augmented": Way("avgpool", (3e-3,), augment=True),
    "all layers, augmented": Way(None, (1e-4,), augment=True),
    "from scratch": Way(None, (1e-3, 3e-3, 1e-2), batch_norm="adapt"),
}


class Part(NamedTuple):
    """Images as the network takes them, float [N, 3, PIXELS, PIXELS], and their labels int64 [N]."""

    images: torch.Tensor
    labels: torch.Tensor


@functools.cache
def network() -> pretrained.Network:
    """EfficientNet-Lite0 with ImageNet's weights."""
    return pretrained.load("efficientnet_lite0").at(PIXELS)


@functools.cache
def _images(folder: Path) -> Part:
    """All photographs of flowers."""
    batch = datasets.load_images(datasets.image_folder(folder), network().preprocess)
    return Part(batch.images, batch.labels)


def parts(data: str, per_class: int, seed: int, folder: Path) -> tuple[Part, Part]:
    """`per_class` images of each class to train on, and those to be judged by, which are others for each seed.

    Of the flowers these are one of four parts, 20 of each; of the silhouettes 40 of each of those for testing.
    """
    generator = torch.Generator().manual_seed(seed)
    if data == "flowers":
        every, folds = _images(folder), flowers.load().folds
        pool = (folds != seed).nonzero().flatten()
        pool = pool[torch.randperm(len(pool), generator=generator)]
        rows = [pool[every.labels[pool] == label][:per_class] for label in range(int(every.labels.max()) + 1)]
        train, test = torch.cat(rows), (folds == seed).nonzero().flatten()
        return tuple(Part(every.images[rows], every.labels[rows]) for rows in (train, test))
    pool, others = bundled.animal_shapes()
    rows = [(others.labels == label).nonzero().flatten()[40 * seed : 40 * (seed + 1)] for label in range(10)]
    chosen = datasets.sample_per_class(pool, per_class, seed), others.subset(torch.cat(rows))
    batches = (datasets.load_images(each, network().preprocess) for each in chosen)
    return tuple(Part(batch.images, batch.labels) for batch in batches)


def crop_and_flip(images: torch.Tensor) -> torch.Tensor:
    """From each image [N, 3, H, W] a crop of half its area or more, at random, mirrored or not."""
    change = v2.Compose(
        [v2.RandomResizedCrop(images.shape[-1], scale=(0.5, 1), antialias=True), v2.RandomHorizontalFlip()]
    )
    return torch.stack([change(image) for image in images])


def measure(data: str, per_class: int, name: str, seed: int, rates: list[float], folder: Path) -> Iterator[dict]:
    """The curves of one way at each of `rates`: a row for each point, with the errors so far and the CPU seconds.

    The last row of a curve has the judged images that are wrong, in `wrong`: a 1 for each, as a hexadecimal number.
    """
    way = WAYS[name]
    train, judged = parts(data, per_class, seed, folder)
    classes = [str(label) for label in range(int(train.labels.max()) + 1)]
    device.seed(seed)
    start = pretrained.untrained(network().name) if name == "from scratch" else network()
    head, cut, seconds = None, way.cut, 0.0
    clock = time.process_time
    if way.cut != "avgpool" and name != "from scratch":
        begun = clock()
        maps = transfer.forward_in_batches(transfer.split_model(start.model, "avgpool")[0], train.images)
        embedded = Part(transfer.vector(maps), train.labels)
        head = train_head(embedded, len(classes), seed)
        seconds += clock() - begun
    if cut and not way.augment:  # what is frozen answers each image once, for all rates
        lower, upper = transfer.split_model(start.model, cut)
        begun = clock()
        maps = transfer.forward_in_batches(lower, train.images)
        seconds += clock() - begun
        train = Part(maps, train.labels)
        judged = Part(transfer.forward_in_batches(lower, judged.images), judged.labels)
        start, cut = dataclasses.replace(start, model=upper), None
    steps = STEPS[per_class] * (5 if data == "flowers" else 3) // 5
    if way.cut == "avgpool":
        steps = HEAD_STEPS
    elif name == "from scratch":
        steps = SCRATCH_TRIAL if seed == CHOOSING else SCRATCH_STEPS
    for lr in rates:
        options = {
            "categories": classes,
            "cut": cut,
            "lr": lr,
            "seed": seed,
            "batch_norm": way.batch_norm,
            "head": head,
        }
        options |= {
            "steps": steps,
            "measure_every": steps // (POINTS if per_class < 60 else 2),
        }  # measuring 60 takes long
        options |= {"augment": crop_and_flip if way.augment else None, "batch_size": BATCH}
        with stopwatch() as spent:
            tuned = transfer.fine_tune(start, train, judged, **options)
        logits = transfer.forward_in_batches(tuned.network.model, judged.images).cpu()
        wrong = (logits.argmax(dim=1) != judged.labels).int().tolist()
        history = tuned.history
        for row, step in enumerate(history.steps):
            last = step == steps
            yield {
                "data": data, "images": per_class, "way": name, "lr": lr, "seed": seed, "step": step,
                "seconds": seconds + spent["seconds"] * step / steps,
                "train_loss": history.train[row].loss, "train": history.train[row].error,
                "loss": history.val[row].loss, "error": history.val[row].error,
                "wrong": f"{int('1' + ''.join(map(str, wrong)), 2):x}" if last else "",
            }  # fmt: skip


@contextlib.contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """The CPU seconds spent meanwhile, those of evaluation left out."""
    spent, evaluating, evaluate = {}, [], training.evaluate

    def timed(*arguments: object) -> training.Score:
        begun = time.process_time()
        try:
            return evaluate(*arguments)
        finally:
            evaluating.append(time.process_time() - begun)

    training.evaluate, begun = timed, time.process_time()
    try:
        yield spent
    finally:
        training.evaluate = evaluate
        spent["seconds"] = time.process_time() - begun - sum(evaluating)


def train_head(embedded: Part, classes: int, seed: int) -> nn.Module:
    """A linear head for `classes` classes, trained on embeddings [N, D]."""
    device.seed(seed)
    head = nn.Linear(embedded.images.shape[1], classes)
    optimizer = torch.optim.AdamW(head.parameters(), HEAD_LR, weight_decay=0.0)
    schedule = transfer.falling(optimizer, HEAD_STEPS)
    options = {"steps": HEAD_STEPS, "measure_every": HEAD_STEPS, "batch_size": BATCH, "scheduler": schedule}
    training.train(head, optimizer, embedded, seed=seed, **options)
    return head


def wanted(known: pd.DataFrame) -> Iterator[tuple]:
    """What is still to be measured, the most telling first: (data, images per class, way, seed, learning rates)."""
    key = ["data", "images", "way", "seed", "lr"]
    done = set() if known.empty else set(known[key].itertuples(index=False, name=None))

    def lacking(data: str, images: int, way: str, seed: int, rates: tuple[float, ...]) -> Iterator[tuple]:
        left = [lr for lr in rates if (data, images, way, seed, lr) not in done]
        if WAYS[way].cut in ("avgpool", "features.17"):  # cheap but for what is frozen, which all rates share
            yield from [(data, images, way, seed, left)] if left else []
        else:
            yield from [(data, images, way, seed, [lr]) for lr in left]

    def chosen(data: str, images: int, way: str) -> tuple[float, ...]:
        rates = WAYS[way].rates
        if any((data, images, way, CHOOSING, lr) not in done for lr in rates):
            return ()
        return (best_lr(known, data, images, way),)

    *quick, slowest = list(WAYS)[:4]

    def all_of(data: str, images: int, ways: Iterable[str]) -> Iterator[tuple]:
        for way in ways:
            yield from lacking(data, images, way, CHOOSING, WAYS[way].rates)
        for seed, way in itertools.product(REPORTING, ways):
            yield from lacking(data, images, way, seed, chosen(data, images, way))

    yield from all_of("flowers", 20, [*quick, slowest])
    for data, images in (("flowers", 5), ("silhouettes", 20), ("silhouettes", 5)):
        yield from all_of(data, images, quick[::-1])
    for seed, way in itertools.product(REPORTING, ("all layers, batch norm adapts", *AUGMENTED)):
        yield from lacking("flowers", 20, way, seed, WAYS[way].rates)  # at the learning rate of the plain way
    for data, images in (("flowers", 60), ("silhouettes", 60)):
        yield from all_of(data, images, quick[::-1])
    for data, images in itertools.product(("flowers", "silhouettes"), (20, 5)):
        yield from all_of(data, images, [slowest])
    yield from all_of("flowers", 20, ["from scratch"])
    for data in ("silhouettes", "flowers"):
        yield from all_of(data, 60, [slowest])


@functools.cache
def load() -> pd.DataFrame:
    """The record, a row for each point of a curve; what is in its columns, `measure` says.

    The rows of seed 0 are there for every learning rate, to choose it by their errors; those of seeds 1, 2 and 3, which
    are judged by other images, for the chosen one (and others where they were measured).
    """
    return pd.read_csv(FILE, comment="#", dtype={"wrong": str}, keep_default_na=True)


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """The last row of each curve."""
    return table[table["wrong"].notna()]


def wrong(ends: pd.DataFrame) -> torch.Tensor:
    """Which of the images that judged these runs are wrong, bool [runs x images], one run after the other.

    Two ways with the same data, images per class and seeds, in the same order, were judged by the same images.
    """
    bits = [bin(int(each, 16))[3:] for each in ends["wrong"]]  # "0b1", and then a digit for each image
    return torch.tensor([digit == "1" for each in bits for digit in each])


def best_lr(known: pd.DataFrame, data: str, images: int, way: str) -> float:
    """The learning rate with the least error on the judged images of the seed that is for choosing."""
    if len(WAYS[way].rates) == 1:
        return WAYS[way].rates[0]
    runs = known.query("data == @data and images == @images and way == @way and seed == @CHOOSING")
    last = runs[runs["step"] == runs["step"].max()]
    return last.sort_values(["error", "lr"])["lr"].iloc[0]


def _work(job: tuple, folder: Path) -> list[dict]:
    torch.set_num_threads(1)
    return list(measure(*job, folder))


def record(folder: Path, workers: int, last: int) -> None:
    """Measure what is wanted, until nothing is, or until `last` jobs were done."""
    running: dict[Future, tuple] = {}
    with ProcessPoolExecutor(workers) as pool:
        while True:
            known = pd.read_csv(FILE, comment="#") if FILE.exists() else pd.DataFrame()
            jobs = [job for job in wanted(known) if job not in running.values()]
            while jobs and len(running) < workers and last > 0:
                job, last = jobs.pop(0), last - 1
                running[pool.submit(_work, job, folder)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, rows = running.pop(future), future.result()
                pd.DataFrame(rows).to_csv(FILE, mode="a", header=not FILE.exists(), index=False, float_format="%.4g")
                print(datetime.datetime.now().time(), *job, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--jobs", type=int, default=10**6)
    given = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    record(given.folder, given.workers, given.jobs)
