"""Checks of 07's exercises."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from helpers.checks import embedding, exercise, name_the_mistake, require, seeded

__all__ = ["embedding", "neighbours", "split"]


@exercise
def neighbours(answer: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]) -> str:
    """`answer(queries, gallery, k)`: the rows of the k gallery vectors with the largest cosines, int64 [M, k]."""
    with seeded():
        queries = torch.rand(6, 5) + 0.1
        gallery = (torch.rand(12, 5) + 0.1) * torch.logspace(-1, 1, 12)[torch.randperm(12), None]
    found = answer(queries, gallery, 3)
    rows = isinstance(found, torch.Tensor) and not found.is_floating_point()
    require(rows, "it returns no row numbers: return topk's indices, not the cosines themselves.")
    require(found.shape == (6, 3), f"6 queries and k=3 give the shape {list(found.shape)}, not [6, 3].")
    products, distances = queries @ gallery.T, torch.cdist(queries, gallery)
    mistakes = [
        ("this is the Euclidean distance: divide by the lengths first.", distances.topk(3, largest=False).indices),
        ("this is the dot product: divide by both lengths.", products.topk(3).indices),
    ]
    otherwise = "the rows differ: are the lengths those of rows (dim=1), and the most similar ones first?"
    nearest = F.cosine_similarity(queries[:, None], gallery, dim=2).topk(3).indices
    name_the_mistake(found, nearest, mistakes, otherwise)
    return "the nearest in direction, whatever the lengths."


@exercise
def split(answer: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> str:
    """`answer(labels, regions)`: rows for training and for testing, the latter one whole region of each photograph."""
    with seeded():
        order = torch.randperm(5 * 4 * 6)  # photographs, regions, patches
    labels, regions, rows = order // 24, order % 24 // 6, torch.arange(len(order))
    train, test = (rows[part] for part in answer(labels, regions))
    once = torch.equal(torch.cat([train, test]).sort().values, rows)
    require(once, "some rows are in both parts, in neither, or twice in one: each belongs to one part, once.")
    in_both = len(labels[train].unique()) == len(labels[test].unique()) == 5
    require(in_both, "a photograph is missing in one part: split the regions of each, not the photographs.")
    places = 4 * labels + regions
    shared = torch.isin(places[train].unique(), places[test]).sum()
    require(shared == 0, f"{shared} of 20 regions have overlapping patches in both parts: split by region.")
    require(len(test) == 30, f"{len(test)} of 120 rows are for testing: training comes first; test one region of four.")
    return "every photograph in both parts, and no region in two."
