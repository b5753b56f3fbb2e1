"""From photographs to logits, from logits to guesses, and how often the guesses are wrong."""

import contextlib
import copy
from collections import Counter
from typing import NamedTuple

import torch
from torch import nn
from torchvision.models.feature_extraction import NodePathTracer

from helpers import datasets
from helpers import device as devices
from helpers.architectures.mobilenet import SameConv2d
from helpers.datasets import LabelledImages
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


def predict(network: Network, data: LabelledImages, batch_size: int | None = None) -> Predictions:
    """The logits of `network` for every image of a data set, in its order, with progress.

    Photographs are decoded by all cores. A copy of the model computes, in evaluation mode and float32, with batch norm
    folded (see `fold_`), on the fastest device there is; the network itself stays as and where it is. A photograph that
    cannot be read is named in `unreadable` and left out; if none can, the first sentence is raised.
    """
    device = devices.accelerator()
    batch_size = batch_size or (16 if device.type == "cpu" else 128)  # what a small batch computes stays in the cache
    layout = devices.memory_format(device)
    model = fold_(copy.deepcopy(network.model).eval()).to(device, memory_format=layout)
    unreadable, parts = [], []
    with (
        torch.inference_mode(),
        devices.full_precision(),
        progress(total=len(data), desc=network.name, unit=" photos") as bar,
    ):
        # Decoding and computing take turns, since both use all cores; CUDA computes on while the next batch is read.
        for batch in datasets.batches(data, network.preprocess, batch_size):
            if len(batch.indices):
                logits = model(batch.images.to(device, memory_format=layout))
                parts.append((logits, batch.labels, batch.indices))
            unreadable += batch.unreadable
            bar.update(len(batch.indices) + len(batch.unreadable))
    if not parts:
        raise datasets.no_photographs(unreadable)
    logits, labels, indices = (torch.cat(part) for part in zip(*parts, strict=True))
    return Predictions(logits.cpu(), labels, indices, unreadable)


def fold_(model: nn.Module) -> nn.Module:
    """Fold batch norm into the convolutions, in place, for evaluation mode: the same outputs but for rounding, faster.

    A model that has hooks or cannot be traced stays as it is, and so does a convolution that is used elsewhere too.
    """
    nodes = []
    if not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules()):
        with contextlib.suppress(Exception), contextlib.redirect_stdout(None):  # a forward() may do anything
            nodes = list(NodePathTracer(leaf_modules=(nn.Conv2d,)).trace(model).nodes)
    uses = Counter(str(node.target).removesuffix(".weight") for node in nodes)
    for before, after in [(node.args[0], node) for node in nodes if node.op == "call_module" and len(node.args) == 1]:
        if before.op == "call_module" and len(before.users) == uses[before.target] == uses[after.target] == 1:
            conv, norm = model.get_submodule(before.target), model.get_submodule(after.target)
            usual = type(conv) in (nn.Conv2d, SameConv2d) and type(norm) is nn.BatchNorm2d and norm.track_running_stats
            if usual and not norm.training:
                model.set_submodule(before.target, nn.utils.fuse_conv_bn_eval(conv, norm))
                model.set_submodule(after.target, nn.Identity())
    return model


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


def error_rate(wrong: int, count: int) -> ErrorRate:
    """The share `wrong` (or right) of `count`, and its interval by Wilson 1927, which holds for few photographs too."""
    from scipy.stats import binomtest  # half a second of import, which only this needs

    low, high = binomtest(wrong, count).proportion_ci(method="wilson")
    return ErrorRate(wrong / count, low, high, count)


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
    return error_rate(wrong, count)


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
