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

import numpy as np
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

LADDER = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
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


def measure(
    data: str, per_class: int, name: str, seed: int, rates: list[float], folder: Path, steps: int = 0
) -> Iterator[dict]:
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
    points = 2 if steps or per_class >= 60 else POINTS  # to measure takes long, too
    if not steps:
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
        options |= {"steps": steps, "measure_every": steps // points}
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
        if any((data, images, way, CHOOSING, lr) not in done for lr in to_try(data, images, way)):
            return ()
        return (best_lr(known, data, images, way),)

    def to_try(data: str, images: int, way: str) -> tuple[float, ...]:
        tried = WAYS[way].rates
        if len(tried) > 1:  # and a smaller or larger one while the best stands at the edge
            tried = sorted({*tried, *(lr for lr in LADDER if (data, images, way, CHOOSING, lr) in done)})
            if all((data, images, way, CHOOSING, lr) in done for lr in tried):
                best = LADDER.index(best_lr(known, data, images, way))
                tried += [lr for lr in (LADDER[best - 1], LADDER[best + 1]) if not tried[0] <= lr <= tried[-1]]
        return tuple(tried)

    *quick, slowest = list(WAYS)[:4]

    def all_of(data: str, images: int, ways: Iterable[str]) -> Iterator[tuple]:
        for way in ways:
            yield from lacking(data, images, way, CHOOSING, to_try(data, images, way))
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


def rates(data: str, images: int, way: str) -> list[float]:
    """The learning rates that were tried, from small to large."""
    table = load().query("data == @data and images == @images and way == @way and seed == @CHOOSING")
    return sorted(table["lr"].unique())


def runs(data: str, images: int, way: str, lr: float | None = None) -> pd.DataFrame:
    """The recorded curves of one way at the chosen learning rate: those of seeds 1, 2 and 3; empty where none are.

    At another learning rate `lr` those of seed 0, by whose images the learning rate was chosen.
    """
    table = load().query("data == @data and images == @images and way == @way")
    if table.empty:
        return table
    is_choosing = table["seed"] == CHOOSING
    if lr is None:
        lr, is_choosing = best_lr(table, data, images, way), ~is_choosing
    return table[np.isclose(table["lr"], lr) & is_choosing]


def error(data: str, images: int, way: str, lr: float | None = None, column: str = "error") -> float:
    """The mean over the seeds of the last row's error (or of another column), as `runs` finds them; NaN for none."""
    return ends(runs(data, images, way, lr))[column].mean()


class Difference(NamedTuple):
    """How many percentage points more of the same `images` one has wrong than the other, with its 95 % interval."""

    value: float
    low: float
    high: float
    images: int

    def __str__(self) -> str:
        if not self.images:
            return "not recorded"
        return f"{self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def paired(wrong: torch.Tensor, other: torch.Tensor) -> Difference:
    """From which images, bool [N], each has wrong; the interval is that of a mean of differences, -1, 0 or 1 each."""
    pairs = 100 * (wrong.double() - other.double())
    mean, reach = pairs.mean().item(), 1.96 * pairs.std().item() / len(pairs) ** 0.5
    return Difference(mean, mean - reach, mean + reach, len(pairs))


def difference(data: str, images: int, way: str, other: str) -> Difference:
    """The error of `way` less that of `other`, on the images that judged both, each at its chosen learning rate."""
    both = [ends(runs(data, images, each)).set_index("seed") for each in (way, other)]
    seeds = both[0].index.intersection(both[1].index).sort_values()
    if seeds.empty:
        return Difference(*[np.nan] * 3, 0)
    return paired(*(wrong(each.loc[seeds]) for each in both))


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


def clock(folder: Path, data: str = "flowers", images: int = 20, steps: int = 20) -> None:
    """Measure the seconds of all ways anew, one after the other, and write them into the record.

    The runs of the record come from several evenings and machines; only seconds of one sitting compare. What comes
    before the first step, and each step, cost the same in every run of a way: two points of a short one give both.
    """
    table = pd.read_csv(FILE, comment="#", dtype={"wrong": str})
    for way in WAYS:
        lr = best_lr(table, data, images, way)
        half, whole = measure(data, images, way, REPORTING[0], [lr], folder, steps)
        each = (whole["seconds"] - half["seconds"]) / (whole["step"] - half["step"])
        rows = (table["data"] == data) & (table["images"] == images) & (table["way"] == way)
        begun = whole["seconds"] - each * whole["step"]
        table.loc[rows, "seconds"] = begun + each * table.loc[rows, "step"]
    table.to_csv(FILE, index=False, float_format="%.4g")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--jobs", type=int, default=10**6)
    parser.add_argument("--clock", action="store_true", help="measure seconds anew, and nothing else")
    given = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    if given.clock:
        torch.set_num_threads(1)
        clock(given.folder)
    else:
        record(given.folder, given.workers, given.jobs)
