"""Checks of 07's exercises."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from helpers import pretrained, transfer
from helpers.exercises import Wrong, exercise, name_the_mistake, seeded


@exercise
def neighbours(answer: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]) -> str:
    """`answer(queries, known, k)`: the rows of `known` with the k largest cosines to each query, int64 [M, k]."""
    with seeded():
        queries = torch.rand(6, 5) + 0.1
        known = (torch.rand(12, 5) + 0.1) * torch.logspace(-1, 1, 12)[torch.randperm(12), None]
    k = 3

    def nearest(closeness: torch.Tensor) -> torch.Tensor:
        return closeness.argsort(dim=1, descending=True)[:, :k]

    unit, unit_known = functional.normalize(queries), functional.normalize(known)
    cosines, across = unit @ unit_known.T, (queries / queries.norm(dim=0)) @ (known / known.norm(dim=0)).T
    mistakes = [
        ("these are the least similar: take the largest cosines, descending.", nearest(-cosines)),
        ("this is the Euclidean distance: it also minds how long a vector is; divide by the lengths.",
         nearest(-torch.cdist(queries, known))),
        ("this is the dot product: the longest vectors win; divide both by their lengths.", nearest(queries @ known.T)),
        ("only the queries have length 1: divide the known vectors by theirs too.", nearest(unit @ known.T)),
        ("the vectors are divided by the lengths of columns: take the norm over dim=1, keepdim=True.", nearest(across)),
    ]  # fmt: skip
    found = answer(queries.clone(), known.clone(), k)
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"it returns a {type(found).__name__}: return a tensor of row numbers [M, k].")
    if found.is_floating_point():
        raise Wrong("it returns the cosines themselves: the row numbers are wanted, topk's indices.")
    if found.shape != (6, k):
        hint = "one row for each query, k numbers in each"
        raise Wrong(f"6 queries and k={k} give the shape {list(found.shape)}, not [6, {k}]: {hint}.")
    name_the_mistake(
        found, nearest(cosines), mistakes, "the rows differ: are they ordered, the most similar one first?"
    )
    return "the nearest in direction, whatever the lengths."


@exercise
def embedding(answer: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> str:
    """`answer(module, images)`: what the head of an EfficientNet-Lite0 reads, [N, 1280], of prepared images."""
    with seeded():
        module = pretrained.load("efficientnet_lite0").module
        images = torch.randn(4, 3, 64, 64)
        module.train()  # as a training loop leaves it
        before = copy.deepcopy(module)
        found = answer(module, images)
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"it returns a {type(found).__name__}: return the tensor [N, 1280].")
    if found.shape == (4, 1000):
        raise Wrong("it has 1,000 columns: these are the logits, behind the head; the features are what it reads.")
    if found.ndim == 4:
        raise Wrong(f"it has the shape {list(found.shape)}: these are maps; average over their places (avgpool).")
    if found.shape != (4, 1280):
        raise Wrong(f"it has the shape {list(found.shape)}, not [4, 1280]: take what the last linear layer reads.")
    if transfer.head_name(module) != transfer.head_name(before):
        raise Wrong("the network that it was given has lost its head: work on a copy (copy.deepcopy).")
    statistics = zip(before.named_buffers(), module.buffers(), strict=True)
    if any(not torch.equal(old, new) for (_, old), new in statistics):
        raise Wrong("batch norm's running statistics have changed: the network was in training mode; call .eval().")
    with torch.no_grad(), seeded():
        maps = before.eval().features(images)
        wanted = before.avgpool(maps).flatten(1)
        in_training = copy.deepcopy(before).train()
        mistakes = [
            ("it depends on the other images: the network was in training mode; call .eval().",
             in_training.avgpool(in_training.features(images)).flatten(1)),
            ("this is the maximum of each map: the head reads the mean (avgpool).", maps.amax(dim=(2, 3))),
            ("these are probabilities: no softmax; the head reads the features as they are.", wanted.softmax(dim=1)),
        ]  # fmt: skip
    otherwise = "the numbers differ from what the head reads: features, then avgpool, then flatten(1)."
    name_the_mistake(found.detach(), wanted, mistakes, otherwise)
    if found.requires_grad:
        raise Wrong("it keeps the graph for gradients, and its memory: use torch.inference_mode().")
    return "1,280 numbers for each image, the same in every batch."


@exercise
def split(answer: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> str:
    """`answer(labels, regions)`: rows for training and for testing; no region of a photograph is in both.

    Of each photograph's four regions one is for testing.
    """
    with seeded():
        order = torch.randperm(5 * 4 * 6)
    labels, regions = (order // 24), (order % 24) // 6
    pair = answer(labels.clone(), regions.clone())
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("it does not return two things: return training, testing.")
    fit, test = (torch.as_tensor(rows) for rows in pair)
    if fit.dtype == torch.bool and test.dtype == torch.bool:
        fit, test = fit.nonzero().flatten(), test.nonzero().flatten()
    fit, test = fit.tolist(), test.tolist()
    if set(fit) & set(test):
        raise Wrong("some rows are in both parts: the test asks what was trained on.")
    if sorted(fit + test) != list(range(len(labels))):
        raise Wrong("some rows are in neither part, or twice in one: each belongs to one part, once.")

    def places(rows: list[int]) -> set[tuple[int, int]]:
        return {(labels[row].item(), regions[row].item()) for row in rows}

    shared = places(fit) & places(test)
    if {label for label, _ in places(fit)} != set(range(5)) or {label for label, _ in places(test)} != set(range(5)):
        raise Wrong("a photograph is missing in one part: split the regions of each, not the photographs.")
    if shared:
        hint = "their patches overlap, and the test is no test"
        raise Wrong(f"{len(shared)} of 20 regions have patches in both parts: {hint}; split by region.")
    if len(test) > len(fit):
        raise Wrong("most rows are for testing: return training first, then testing.")
    if len(test) != len(labels) // 4:
        raise Wrong(f"{len(test)} of {len(labels)} rows are for testing: take one region of four of each photograph.")
    return "every photograph in both parts, and no region in two."
