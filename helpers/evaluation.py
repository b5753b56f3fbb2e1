"""From photographs to logits, from logits to guesses, and how often the guesses are wrong."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torchvision.transforms.v2 import Transform

from helpers import device as devices
from helpers.datasets import Arrays, Photos
from helpers.errors import CourseError
from helpers.pretrained import Network
from helpers.progress import progress


class Predictions(NamedTuple):
    """What a network says about a data set.

    Attributes:
        logits: float32 [N, classes], on the CPU.
        labels: int64 [N].
        indices: where each of the N photographs stands in the data set, int64 [N].
        unreadable: a sentence for each photograph that could not be read, and is missing above.
    """

    logits: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    unreadable: list[str]


def predict(
    network: Network, data: Photos | Arrays, batch_size: int | None = None, device: torch.device | None = None
) -> Predictions:
    """The logits of `network` for every (photograph, label) of a data set, in its order, with progress.

    Photographs are decoded by all cores; the network computes in float32, on `device` or the fastest there is. A
    photograph that cannot be read is named in `unreadable` and left out; if none can, the first sentence is raised.
    """
    device = device or devices.accelerator()
    batch_size = batch_size or (16 if device.type == "cpu" else 128)  # what a small batch computes stays in the cache
    layout = devices.memory_format(device)
    module = network.module.to(device, memory_format=layout)
    unreadable, logits, labels, indices = [], [], [], []
    with (
        torch.inference_mode(),
        devices.full_precision(),
        progress(total=len(data.labels), desc=network.name, unit=" photos") as bar,
    ):
        # Decoding and computing take turns, since both use all cores; CUDA computes on while the next batch is read.
        for batch in _batches(data, network.preprocess, batch_size):
            if batch.indices:
                logits.append(module(batch.images.to(device, memory_format=layout)))
            indices += batch.indices
            labels += batch.labels
            unreadable += batch.unreadable
            bar.update(len(batch.indices) + len(batch.unreadable))
    if not logits:
        raise CourseError(unreadable[0] if unreadable else "There are no photographs: name a folder of some.")
    return Predictions(torch.cat(logits).cpu(), torch.tensor(labels), torch.tensor(indices), unreadable)


class _Batch(NamedTuple):
    """A part of a data set: images float [n, 3, H, W] (None for n = 0) with their indices and labels."""

    indices: list[int]
    images: torch.Tensor | None
    labels: list[int]
    unreadable: list[str]


def _batches(data: Photos | Arrays, preprocess: Transform, batch_size: int) -> Iterator[_Batch]:
    def prepare(index: int) -> tuple[int, torch.Tensor, int] | str:
        try:
            photo, label = data[index]
        except CourseError as error:
            return str(error)
        return index, preprocess(photo), label

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(data.labels), batch_size):
            rows = list(range(start, min(start + batch_size, len(data.labels))))
            if isinstance(data, Arrays):
                yield _Batch(rows, preprocess(data.rgb(rows)), data.labels[rows].tolist(), [])
                continue
            batch = list(pool.map(prepare, rows))
            readable = [item for item in batch if not isinstance(item, str)]
            indices, images, labels = map(list, zip(*readable, strict=True)) if readable else ([], [], [])
            sentences = [item for item in batch if isinstance(item, str)]
            yield _Batch(indices, torch.stack(images) if images else None, labels, sentences)


class Guesses(NamedTuple):
    """The k likeliest classes of each photograph: probabilities float [N, k], falling, and classes int64 [N, k]."""

    probabilities: torch.Tensor
    classes: torch.Tensor


def top_k(logits: torch.Tensor, k: int = 5) -> Guesses:
    """The k classes with the largest logits [N, classes], with their probabilities by softmax.

    Among equal logits the lower class number comes first, as with argmax. With k > classes there are only `classes`
    guesses. Raises CourseError for k < 1 and for logits that are NaN or infinite.
    """
    _check(logits, k)
    order = logits.argsort(dim=1, descending=True, stable=True)[:, :k]
    return Guesses(logits.softmax(dim=1).gather(1, order), order)


class ErrorRate(NamedTuple):
    """A share of wrong answers and its 95 % interval, each from 0 to 1, and the number of photographs."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}] of {self.count}"


def top_k_error(logits: torch.Tensor, labels: torch.Tensor, k: int = 1) -> ErrorRate:
    """How often the label int64 [N] is not among the k likeliest classes of logits [N, classes].

    Ties are broken as in `top_k`; with k > classes nothing is wrong. Raises CourseError for k < 1, no photographs,
    logits that are NaN, and labels that are no class.
    """
    _check(logits, k)
    count, classes = logits.shape
    if labels.shape != (count,):
        shape = list(labels.shape)
        raise CourseError(f"There are {count} rows of logits and labels [N] of shape {shape}: give one for each row.")
    if count == 0:
        raise CourseError("There are no photographs: name a folder of some.")
    if labels.min() < 0 or labels.max() >= classes:
        raise CourseError(
            f"The labels run from {labels.min()} to {labels.max()}, but the classes from 0 to {classes - 1}: "
            "leave out unlabelled photographs, or use the labels the network was trained on."
        )
    wrong = (top_k(logits, k).classes != labels[:, None]).all(dim=1).sum().item()
    return ErrorRate(wrong / count, *wilson_interval(wrong, count), count)


def wilson_interval(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval (z = 1.96) of a share, given `hits` out of `count`.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference". Unlike
    share ± 1.96 standard errors it stays within 0 to 1 and is right for few photographs.
    """
    share = hits / count
    centre = share + z**2 / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = ((centre + sign * spread) / (1 + z**2 / count) for sign in (-1, 1))
    return max(low, 0.0), min(high, 1.0)


def _check(logits: torch.Tensor, k: int) -> None:
    if logits.ndim != 2:
        raise CourseError(f"The logits have the shape {list(logits.shape)}: give one row per photograph, [N, classes].")
    if k < 1:
        raise CourseError(f"k = {k} leaves no guess: choose k of 1 or more.")
    rows = (logits.isnan() | logits.isposinf()).any(dim=1).nonzero().flatten()
    if len(rows):
        raise CourseError(
            f"The logits of row {rows[0]} are not finite (NaN or infinity, in {len(rows)} of {len(logits)} rows): "
            "look for a division by zero or a learning rate that is too high."
        )
