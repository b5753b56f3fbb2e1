"""Checks of 07's exercises."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from helpers.checks import exercise, name_the_mistake, require, seeded


@exercise
def neighbours(answer: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]) -> str:
    """`answer(queries, gallery, k)`: the rows of the k gallery vectors with the largest cosines, int64 [M, k]."""
    for count, size, k in ((6, 5, 3), (4, 8, 2)):
        with seeded():
            queries = torch.randn(count, size) + 0.5
            gallery = (torch.randn(12, size) + 0.5) * torch.logspace(-1, 1, 12)[torch.randperm(12), None]
        found = _array(answer(queries, gallery, k))
        whole = not found.is_floating_point()
        require(whole, "row numbers are integers: return topk's indices, not the cosines.")
        shape = list(found.shape)
        require(shape == [count, k], f"{count} queries and k={k} give the shape {shape}, not [{count}, {k}].")
        cosines = F.cosine_similarity(queries[:, None], gallery, dim=2)
        centred = F.cosine_similarity(_centred(queries)[:, None], _centred(gallery), dim=2)
        nearest, squares = cosines.topk(k).indices, gallery.square().sum(dim=1)
        mistakes = [
            ("these are the least similar: ask for the most similar ones first.", cosines.topk(k, largest=False)),
            ("opposite directions are not near: take no absolute value.", cosines.abs().topk(k)),
            ("this is the Euclidean distance: divide by the lengths first.", (-torch.cdist(queries, gallery)).topk(k)),
            (
                "this ranks as the dot product does: divide by the length of each gallery vector too.",
                (queries @ gallery.T).topk(k),
            ),
            ("this is the correlation: subtract no means.", centred.topk(k)),
            (
                "a length is the root of the sum of squares: norm's p=2.",
                (queries @ F.normalize(gallery, p=1).T).topk(k),
            ),
            ("divide by the lengths, not by their squares.", (queries @ gallery.T / squares).topk(k)),
        ]
        found, mistakes = found.long(), [(sentence, result.indices) for sentence, result in mistakes]
        mistakes.append(("the nearest one is missing: no query is in the gallery.", cosines.topk(k + 1).indices[:, 1:]))
        mistakes.append(("these numbers are one too large: the first row is row 0.", nearest + 1))
        otherwise = "the rows differ: divide each row by its own length (dim=1); then take the largest dot products."
        if torch.equal(found.sort().values, nearest.sort().values):
            otherwise = "the right rows, but not the most similar ones first."
        name_the_mistake(found, nearest, mistakes, otherwise)
    return "the nearest in direction, whatever the lengths."


@exercise
def evidence(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(maps, weight, bias)`: what speaks in each place for the first guess and against the second, [N, H, W]."""
    for count, channels, classes, height, width in ((4, 6, 5, 3, 3), (3, 8, 7, 2, 5)):
        with seeded():
            maps = 3 * torch.rand(count, channels, height, width)
            weight, bias = torch.randn(classes, channels), 4 * torch.randn(classes)
        found = _array(answer(maps, weight, bias)).double()
        shape, wanted_shape = list(found.shape), [count, height, width]
        require(shape == wanted_shape, f"the shape is {shape}, not {wanted_shape}: one small map for each image.")
        mean = maps.mean(dim=(2, 3)) @ weight.T
        best, second = (mean + bias).topk(2).indices.T
        of_each = torch.einsum("kc,nchw->nkhw", weight, maps)
        rows = torch.arange(count)
        wanted = of_each[rows, best] - of_each[rows, second]
        unbiased, biases = mean.topk(2).indices.T, (bias[best] - bias[second])[:, None, None]
        low, high = wanted.amin((1, 2), keepdim=True), wanted.amax((1, 2), keepdim=True)
        mistakes = [
            ("this is the map of the first guess alone: subtract the second guess's.", of_each[rows, best]),
            ("this speaks for the second guess and against the first: swap them.", -wanted),
            (
                "the biases too decide which guess comes first: a logit is the weighed maps' mean plus its bias.",
                of_each[rows, unbiased[0]] - of_each[rows, unbiased[1]],
            ),
            ("a bias belongs to no place: leave the biases out of the map.", wanted + biases),
            ("a bias belongs to no place, divided neither: leave it out.", wanted + biases / height / width),
            (
                "each image has its own two guesses: these are those of image 0.",
                of_each[:, best[0]] - of_each[:, second[0]],
            ),
            ("what speaks against the first guess counts too: no ReLU.", wanted.relu()),
            ("the map is scaled to 0 and 1: leave its numbers as they are.", (wanted - low) / (high - low)),
            ("its sum is what its mean over places should be: do not divide by their number.", wanted / height / width),
        ]
        otherwise = (
            "the numbers differ: take the two largest logits, and weigh the maps by the difference of their rows."
        )
        if torch.allclose(found, wanted.double(), atol=0.01 * wanted.abs().max().item()):
            otherwise = "its numbers are right to two digits only: compute in float32."
        name_the_mistake(found, wanted, mistakes, otherwise)
    return "its mean over the places, and the two biases, are what the first guess is ahead of the second."


@exercise
def split(answer: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> str:
    """`answer(labels, regions)`: rows for training and for testing, the latter one whole region of each photograph."""
    for photographs, patches in ((5, 6), (7, 3)):
        with seeded():
            order = torch.randperm(photographs * 4 * patches)
        labels, regions = order // (4 * patches), order % (4 * patches) // patches
        parts = answer(labels, regions)
        require(isinstance(parts, tuple | list), "return a pair: the rows for training, the rows for testing.")
        require(len(parts) == 2, f"it returns {len(parts)} things, not two: the rows for training, those for testing.")
        train, test = (_rows(part, len(order)) for part in parts)
        once = torch.equal(torch.cat([train, test]).sort().values, torch.arange(len(order)))
        require(once, "some rows are in both parts, in neither, or twice in one: each belongs to one part, once.")
        in_both = len(labels[train].unique()) == len(labels[test].unique()) == photographs
        require(in_both, "a photograph is missing in one part: split the regions of each, not the photographs.")
        places = 4 * labels + regions
        shared = torch.isin(places[train].unique(), places[test]).sum()
        of_all = f"{shared} of {4 * photographs} regions"
        require(shared == 0, f"{of_all} have overlapping patches in both parts: split by region.")
        tested = f"{len(test)} of {len(order)} rows are for testing"
        require(4 * len(test) == len(order), f"{tested}: training comes first; test one region of four.")
    return "every photograph in both parts, and no region in two."


def _centred(vectors: torch.Tensor) -> torch.Tensor:
    return vectors - vectors.mean(dim=1, keepdim=True)


def _array(given: Any) -> torch.Tensor:
    """A learner's table as a tensor: from a tensor, an array, or a list of either."""
    rows = given.detach() if isinstance(given, torch.Tensor) else [np.asarray(row) for row in given]
    return torch.as_tensor(np.asarray(rows))


def _rows(part: Collection, count: int) -> torch.Tensor:
    """The row numbers that a learner gives in any form: a tensor, an array, a list, a set, or a mask."""
    part = np.asarray(sorted(part) if isinstance(part, set | frozenset) else part)
    require(part.ndim == 1, f"rows have the shape {list(part.shape)}, not [n]: torch.where(mask)[0] gives them.")
    part = part if part.size else part.astype(int)
    require(part.dtype.kind in "biu", f"row numbers are whole numbers, or a mask; these are {part.dtype}.")
    known = len(part) == count if part.dtype.kind == "b" else (abs(part) <= count - 1).all()
    require(known, f"there are rows 0 to {count - 1}: others are asked for.")
    return torch.arange(count)[torch.as_tensor(part)]
