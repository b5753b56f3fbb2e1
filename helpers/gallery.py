"""Photographs, and what networks guess that they show."""

from collections.abc import Iterable

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from helpers import files
from helpers.datasets import NO_CATEGORY, Photos
from helpers.evaluation import Guesses
from helpers.plotting import ORANGE, SKY, plain


def show_photo(ax: Axes, photo: Image.Image | torch.Tensor, title: str = "") -> None:
    """Draw a photograph, of Pillow or as a tensor [3, H, W] (uint8, or float from 0 to 1), without axes."""
    ax.imshow(TF.to_pil_image(photo) if isinstance(photo, torch.Tensor) else photo)
    ax.set_title(plain(title))
    ax.axis("off")


def guess_gallery(
    photos: Photos, rows: Iterable[int], guesses: dict[str, Guesses], categories: list[str]
) -> tuple[Figure, str]:
    """A row for each of the photographs `rows`: the photograph, then the guesses of each network, by its name.

    Row i of every Guesses is photograph i of `photos`. Returns the figure and its alternative text.
    """
    rows = list(rows)
    fig, axes = plt.subplots(
        len(rows), 1 + len(guesses), figsize=(11, 2.6 * len(rows)), squeeze=False, width_ratios=[2, *[3] * len(guesses)]
    )
    said = []
    for (left, *others), row in zip(axes, rows, strict=True):
        photo, label = photos[row]
        truth = None if label == NO_CATEGORY else categories[label]
        name = truth or files.readable(photos.samples[row][0].name)
        show_photo(left, photo, name)
        for ax, (network, (probabilities, classes)) in zip(others, guesses.items(), strict=True):
            names = [categories[index] for index in classes[row]]
            guess_bars(ax, names, probabilities[row], truth, network if row == rows[0] else "")
            ax.tick_params(labelbottom=row == rows[-1])
            ax.set_xlabel("probability" if row == rows[-1] else "")
        best = " and ".join(categories[classes[row, 0]] for _, classes in guesses.values())
        said.append(f"{name}: {best}")
    names = " and ".join(guesses)
    return fig, f"Photographs with the likeliest categories by {names} as bars. First guesses: {'; '.join(said)}."


def guess_bars(
    ax: Axes, names: list[str], probabilities: torch.Tensor, truth: str | None = None, title: str = ""
) -> None:
    """Draw guesses as horizontal bars, the likeliest on top; the bar of the true name is orange and has a tick.

    names and probabilities [k] go together, falling.
    """
    marks = [name == truth for name in names]
    rows = range(len(names))
    ax.barh(rows, probabilities.tolist(), color=[ORANGE if mark else SKY for mark in marks])
    for row, name, mark in zip(rows, names, marks, strict=True):
        ax.text(0.01, row, f"{'✓ ' if mark else ''}{plain(name)}", va="center", weight="bold" if mark else "normal")
    ax.set(xlim=(0, 1), yticks=[], title=plain(title), xlabel="probability")
    ax.invert_yaxis()
    ax.spines["left"].set_visible(False)
