"""08's explorer: plain functions of a few values, so that tests can call each extreme."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from helpers import plotting
from helpers.datasets import Arrays
from helpers.transfer import Embeddings


class Neighbours(NamedTuple):
    """The nearest gallery images of each query, their rows [N, k], and how many queries kNN labels right, 0 to 1."""

    rows: torch.Tensor
    accuracy: float


def neighbours(gallery: Embeddings, queries: Embeddings, k: int, per_class: int) -> dict[str, Neighbours]:
    """In the embedding of each layer the k nearest among the first `per_class` gallery images of each class.

    Each number is standardised. Where two classes have as many neighbours, the nearest image decides.
    """
    position = F.one_hot(gallery.labels).cumsum(0).gather(1, gallery.labels[:, None])[:, 0]
    chosen = (position <= per_class).nonzero().flatten()
    found = {}
    for layer, vectors in gallery.layers.items():
        mean, deviation = vectors[chosen].mean(0), vectors[chosen].std(0) + 1e-6
        distances = torch.cdist((queries.layers[layer] - mean) / deviation, (vectors[chosen] - mean) / deviation)
        rows = chosen[distances.topk(min(k, len(chosen)), largest=False).indices]
        votes = F.one_hot(gallery.labels[rows], len(gallery.labels.unique())).double()
        guesses = (votes.sum(1) + 0.5 * votes[:, 0]).argmax(1)
        found[layer] = Neighbours(rows, (guesses == queries.labels).double().mean().item())
    return found


def nearest_by_embedding(
    gallery: Embeddings, queries: Embeddings, images: tuple[Arrays, Arrays], layer: str, k: int, per_class: int
) -> Figure:
    """Left: the accuracy of kNN in the embedding of every layer, `layer` marked. Right: a query of each of five classes
    and its nearest gallery images, with their classes. images: those of the gallery, and those of the queries."""
    found = neighbours(gallery, queries, k, per_class)
    fig, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), width_ratios=[5, 6])
    shares = [each.accuracy for each in found.values()]
    left.barh(range(len(found)), shares, color=[plotting.ORANGE if name == layer else plotting.SKY for name in found])
    for row, name in enumerate(found):
        weight = "bold" if name == layer else "normal"
        left.text(0.01, row, f"{name}: {shares[row]:.0%}", va="center", weight=weight)
    left.set(xlim=(0, 1), yticks=[], xlabel="accuracy on test images", title=f"k = {k}, {per_class} images per class")
    left.invert_yaxis()
    right.axis("off")
    right.set(xlim=(-0.7, 5.7), ylim=(5.2, -0.8), title=f"test image | nearest by {layer}")
    for row, label in enumerate(range(0, 10, 2)):
        query = (queries.labels == label).nonzero()[0, 0].item()
        nearest = found[layer].rows[query, :5].tolist()
        pictures = [images[1].images[query], *images[0].images[nearest]]
        labels = [label, *gallery.labels[nearest].tolist()]
        for column, (picture, shown) in enumerate(zip(pictures, labels, strict=True)):
            place = (column - 0.36, column + 0.36, row + 0.22, row - 0.5)
            right.imshow(picture.tolist(), cmap="gray", extent=place, aspect="auto")
            right.text(
                column, row + 0.36, images[0].categories[shown], ha="center", va="center", size=12,
                color=plotting.BLACK if shown == label else plotting.RED,
                weight="bold" if column == 0 else "normal", style="normal" if shown == label else "italic",
            )  # fmt: skip
    return fig
