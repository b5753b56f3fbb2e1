"""08's explorer: plain functions of a few values, so that tests can call each extreme."""

import textwrap
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from helpers import plotting

SCALINGS = ("none", "standardised", "unit length")
SHOWN, NEIGHBOURS = 4, 5  # test images that are drawn, and nearest ones of each
PITCH = 1.12  # from one row to the next, in columns: room for two lines of a name


class Task(NamedTuple):
    """Labelled images and their embeddings.

    layers: float32 [N, D] for each layer; labels: int64 [N]; categories: the name of each label;
    images: float [N, 3, H, W] from 0 to 1, to be drawn; test: bool [N], the others are the gallery.
    """

    layers: dict[str, torch.Tensor]
    labels: torch.Tensor
    categories: list[str]
    images: torch.Tensor
    test: torch.Tensor


class Neighbours(NamedTuple):
    """The nearest gallery images of each test image, their rows [N, k], and how many kNN labels right, 0 to 1."""

    rows: torch.Tensor
    accuracy: float


def neighbours(task: Task, layer: str, scaling: str, k: int, per_class: int) -> Neighbours:
    """The k nearest among the first `per_class` gallery images of each class, the numbers scaled as in SCALINGS.

    Where two classes have as many neighbours, the nearest image decides.
    """
    among = F.one_hot(task.labels) * ~task.test[:, None]
    position = among.cumsum(0).gather(1, task.labels[:, None])[:, 0]
    gallery = (~task.test & (position <= per_class)).nonzero().flatten()
    vectors = task.layers[layer]
    if scaling == "standardised":
        vectors = (vectors - vectors[gallery].mean(0)) / (vectors[gallery].std(0) + 1e-6)
    elif scaling == "unit length":
        vectors = F.normalize(vectors)
    distances = torch.cdist(vectors[task.test], vectors[gallery])
    rows = gallery[distances.topk(min(k, len(gallery)), largest=False).indices]
    votes = F.one_hot(task.labels[rows], len(task.categories)).double()
    guesses = (votes.sum(1) + 0.5 * votes[:, 0]).argmax(1)
    return Neighbours(rows, (guesses == task.labels[task.test]).double().mean().item())


def nearest_by_embedding(tasks: dict[str, Task], task: str, layer: str, scaling: str, k: int, per_class: int) -> Figure:
    """Left: the accuracy of kNN in the embedding of every layer, `layer` marked. Right: a test image of each of four
    classes and its nearest gallery images, with their classes."""
    chosen = tasks[task]
    found = {name: neighbours(chosen, name, scaling, k, per_class) for name in chosen.layers}
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5.4), width_ratios=[34, 66])
    colours = [plotting.ORANGE if name == layer else plotting.SKY for name in found]
    left.barh(range(len(found)), [each.accuracy for each in found.values()], color=colours)
    for row, (name, each) in enumerate(found.items()):
        left.text(0.02, row, f"{name}: {each.accuracy:.0%}", va="center", weight="bold" if name == layer else "normal")
    left.set(xlim=(0, 1), yticks=[], xlabel="accuracy of kNN", title=f"k = {k}, {per_class} per class")
    left.invert_yaxis()
    right.axis("off")
    right.set_title(f"test image | nearest by {layer}", size=15)
    tests = chosen.test.nonzero().flatten()
    step = max(1, len(chosen.categories) // SHOWN)
    for row, label in enumerate(range(len(chosen.categories))[::step][:SHOWN]):
        query = (chosen.labels[tests] == label).nonzero()[0, 0].item()
        shown = [tests[query].item(), *found[layer].rows[query, :NEIGHBOURS].tolist()]
        for column, image in enumerate(shown):
            top = PITCH * row
            place = (column - 0.33, column + 0.33, top + 0.66, top)
            right.imshow(chosen.images[image].permute(1, 2, 0).numpy(), extent=place, interpolation="nearest")
            is_right = chosen.labels[image] == label
            right.text(
                column, top + 0.69, short(chosen.categories[chosen.labels[image]], "" if is_right else "✗ "),
                ha="center", va="top", size=12, linespacing=1.0, color=plotting.BLACK if is_right else plotting.RED,
                weight="bold" if column == 0 else "normal", style="normal" if is_right else "italic",
            )  # fmt: skip
    right.set(xlim=(-0.55, NEIGHBOURS + 0.5), ylim=(SHOWN * PITCH, -0.05), aspect="equal")
    return fig


def short(name: str, mark: str = "") -> str:
    """The name of a class in two short lines at most, after a mark."""
    words = textwrap.wrap(mark + name.replace("_", " "), 11, max_lines=2, placeholder="…")
    return plotting.plain("\n".join(words))
