"""06's charts: the winners of ILSVRC, a confusion matrix, a reliability diagram."""

from collections import namedtuple

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from helpers import plotting

REPORTED = "reported"  # the source of what is repeated in many places, but not checked by us in a first one
# top_5: error on the classification task's test set, from 0 to 1. depth: layers with weights, if it is a network.
Winner = namedtuple("Winner", "year name top_5 depth source")
WINNERS = (
    Winner(2010, "SIFT features, SVM", 0.282, None, REPORTED),
    Winner(2011, "Fisher vectors, SVM", 0.258, None, REPORTED),
    Winner(2012, "AlexNet", 0.164, 8, "Krizhevsky et al. 2012"),
    Winner(2013, "Clarifai", 0.117, 8, REPORTED),
    Winner(2014, "GoogLeNet", 0.0667, 22, "Szegedy et al. 2014, arXiv:1409.4842"),
    Winner(2015, "ResNet", 0.0357, 152, "He et al. 2015, arXiv:1512.03385"),
)
HUMAN_TOP_5 = 0.051  # one trained person; REPORTED


def winners(rows: tuple[Winner, ...]) -> Figure:
    """Top-5 error of ILSVRC's winners by year, each with its depth, and a line for one trained person."""
    fig, ax = plt.subplots(figsize=(11, 5.5))
    human = 100 * HUMAN_TOP_5
    for row in rows:
        height, depth = 100 * row.top_5, f"{row.depth} layers" if row.depth else "no network"
        color = "white" if row.source == REPORTED else plotting.SKY
        ax.bar(row.year, height, color=color, edgecolor=plotting.BLUE, lw=2)
        place = height + 0.4 if abs(height - human) > 2.5 else 0.8  # not across the line
        ax.text(row.year, place, f"{height:.3g} %", ha="center", weight="bold")
        style = {"ha": "center", "va": "top", "size": 13, "transform": ax.get_xaxis_transform()}
        ax.text(row.year, -0.085, row.name.replace(", ", "\n") + f"\n{depth}", **style)
    ax.axhline(human, color=plotting.RED, linestyle="--")
    ax.text(2015.6, human + 0.5, f"one trained\nperson\n{human:.1f} %")
    ax.set(ylabel="top-5 error, %", ylim=(0, 31), xlim=(2009.4, 2017), xticks=[row.year for row in rows])
    ax.set_title("Winners of ILSVRC (white: as reported)")
    return fig


def confusion(labels: list[str], guesses: list[str], shown: list[str]) -> Figure:
    """A confusion matrix of the classes `shown`, all by name: shades are shares of a row, numbers are counts."""
    side, size = max(6, 0.55 * len(shown)), 13 if len(shown) <= 12 else 10
    fig, ax = plt.subplots(figsize=(side + 2.5, 0.85 * side + 1))
    style = {"cmap": "Blues", "im_kw": {"vmin": 0, "vmax": 1}, "text_kw": {"size": size}, "xticks_rotation": 60}
    options = {"labels": shown, "normalize": "true", "ax": ax, "colorbar": False}
    drawn = ConfusionMatrixDisplay.from_predictions(labels, guesses, **options, **style)
    for text, count in zip(drawn.text_.flat, confusion_matrix(labels, guesses, labels=shown).flat, strict=True):
        text.set_text(count or "")
    ax.set(xlabel="guess", ylabel="label")
    ax.tick_params(labelsize=size)
    ax.spines[["bottom", "left"]].set_visible(False)
    return fig


def reliability(ax: Axes, confidence: torch.Tensor, right: torch.Tensor, bins: int = 10) -> float:
    """Draw how often the first guess is right, [N] bools, against its probability, [N] floats, in equal `bins`.

    Returns the expected calibration error: the mean gap between the two, weighted by photographs.
    Source: Guo et al. 2017, "On calibration of modern neural networks" (arXiv:1706.04599).
    """
    shares, means = calibration_curve(right, confidence.double(), n_bins=bins)  # of the bins that hold any
    counts = torch.histogram(confidence.double(), bins, range=(0.0, 1.0)).hist
    counts = counts[counts > 0].numpy()
    centres = (means * bins).astype(int).clip(max=bins - 1) / bins + 0.5 / bins
    ax.bar(centres, shares, width=0.9 / bins, color=plotting.SKY)
    ax.plot(means, shares, "o", color=plotting.BLUE)
    ax.plot([0, 1], [0, 1], linestyle="--", color=plotting.GREY)
    for centre, value, count in zip(centres, shares, counts, strict=True):
        ax.text(centre, value + 0.015, int(count), ha="center", size=12)
    ax.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="probability of the first guess", ylabel="share that is right")
    ax.label_outer()
    return (abs(shares - means) * counts).sum() / len(right)
