"""Charts that a notebook and a picture under images/ share: the catalogue's numbers in, a figure out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from helpers import plotting
from helpers.catalogue import FAMILIES, ONE_TRAINED_PERSON, REPORTED, Entry, Winner

LOOKS = dict(  # one colour and one marker for each family, in all charts
    zip(
        FAMILIES,
        zip(
            (
                plotting.BLUE,
                plotting.ORANGE,
                plotting.GREEN,
                plotting.RED,
                plotting.PURPLE,
                plotting.SKY,
                plotting.GREY,
            ),
            "sDo^vPX",
            strict=True,
        ),
        strict=True,
    )
)


def winners(rows: Sequence[Winner]) -> Figure:
    """Top-5 error of ILSVRC's winners by year, each with its depth, and a line for one trained person."""
    figure, axes = plt.subplots(figsize=(11, 5.5))
    for row in rows:
        checked = row.source != REPORTED
        axes.bar(row.year, 100 * row.top_5, color=plotting.SKY if checked else "white", edgecolor=plotting.BLUE, lw=2)
        depth = f"{row.depth} layers" if row.depth else "no network"
        height = 100 * row.top_5
        over_line = abs(height - 100 * ONE_TRAINED_PERSON) < 2.5
        axes.text(row.year, 0.8 if over_line else height + 0.4, f"{height:.3g} %", ha="center", weight="bold")
        axes.text(row.year, -0.085, f"{row.name.replace(', ', chr(10))}\n{depth}", ha="center", va="top", size=13,
                  transform=axes.get_xaxis_transform())  # fmt: skip
    axes.axhline(100 * ONE_TRAINED_PERSON, color=plotting.RED, linestyle="--")
    axes.text(2015.6, 100 * ONE_TRAINED_PERSON + 0.5, f"one trained\nperson\n{100 * ONE_TRAINED_PERSON:.1f} %")
    axes.set(
        ylabel="top-5 error, %",
        ylim=(0, 31),
        xlim=(2009.4, 2017),
        xticks=[row.year for row in rows],
        title="Winners of ILSVRC (white: as reported)",
    )
    return figure


def accuracy_against_mult_adds(entries: Sequence[Entry]) -> Figure:
    """Top-1 accuracy against multiply-adds for one photograph; the area of a mark grows with the parameters."""
    figure, axes = plt.subplots(figsize=(11, 6.5))
    for family, (colour, marker) in LOOKS.items():
        members = sorted((entry for entry in entries if entry.family == family), key=lambda entry: entry.mult_adds)
        xs, ys = [entry.mult_adds / 1e9 for entry in members], [100 * (1 - entry.top_1) for entry in members]
        axes.plot(xs, ys, color=colour, linestyle="-", lw=1.5)
        sizes = [8 * entry.parameters / 1e6 for entry in members]
        axes.scatter(xs, ys, sizes, color=colour, alpha=0.5)
        axes.scatter(xs, ys, 40, color=colour, marker=marker, edgecolor="black", zorder=3)
        down = -34 if family in ("AlexNet", "VGG", "GoogLeNet", "SqueezeNet") else 16
        axes.annotate(family, (xs[0], ys[0]), (0, down), textcoords="offset points", ha="center")
    axes.set(
        xscale="log",
        xlabel="mult-adds for one photograph, billions",
        ylabel="top-1 accuracy, %",
        xlim=(0.035, 28),
        ylim=(52, 82),
    )
    axes.set_xticks([0.05, 0.1, 0.3, 1, 3, 10, 20], ["0.05", "0.1", "0.3", "1", "3", "10", "20"])
    axes.minorticks_off()
    axes.grid(visible=True)
    axes.set_title("Area: parameters")
    return figure


def architectures(entries: Sequence[Entry]) -> Figure:
    """Parameters, multiply-adds and top-1 error of networks as bars side by side."""
    panels = {
        "parameters, millions": [entry.parameters / 1e6 for entry in entries],
        "mult-adds, billions": [entry.mult_adds / 1e9 for entry in entries],
        "top-1 error, %": [100 * entry.top_1 for entry in entries],
    }
    figure, axes = plt.subplots(1, 3, figsize=(12, 0.55 * len(entries) + 1.2), sharey=True)
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        axis.barh(range(len(entries)), values, color=[LOOKS[entry.family][0] for entry in entries])
        for row, value in enumerate(values):
            axis.text(value + max(values) * 0.02, row, f"{value:.3g}", va="center")
        axis.set(title=title, xticks=[], xlim=(0, max(values) * 1.25))
        axis.spines[["bottom", "left"]].set_visible(False)
        axis.tick_params(left=False)
    axes[0].set_yticks(range(len(entries)), [f"{entry.name} ({entry.year})" for entry in entries])
    axes[0].invert_yaxis()
    return figure


def confusion(counts: torch.Tensor, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Counts [rows, columns] of true class against guess as shaded squares with numbers; the diagonal is right."""
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    side = max(6, 0.55 * len(columns))
    figure, axes = plt.subplots(figsize=(side + 2.5, 0.85 * side + 1))
    axes.imshow(shares.tolist(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    size = 13 if len(columns) <= 12 else 10
    for row, column in counts.nonzero().tolist():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, counts[row, column].item(), ha="center", va="center", color=colour, size=size)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", size=size)
    axes.set_yticks(range(len(rows)), rows, size=size)
    axes.set(xlabel="guess", ylabel="label")
    axes.spines[["bottom", "left"]].set_visible(False)
    return figure


def reliability(confidence: torch.Tensor, right: torch.Tensor, bins: int = 10) -> tuple[Figure, float]:
    """How often the first guess is right, against its probability, in `bins` of equal width; [N] floats and [N] bools.

    Returns the figure and the expected calibration error: the mean gap between the two, weighted by photographs.
    Source: Guo et al. 2017, "On calibration of modern neural networks" (arXiv:1706.04599).
    """
    which = (confidence * bins).long().clamp(max=bins - 1)
    count = which.bincount(minlength=bins)
    believed, seen = (
        which.bincount(values.double(), minlength=bins) / count.clamp(min=1) for values in (confidence, right)
    )
    error = ((believed - seen).abs() * count).sum().item() / len(confidence)
    figure, axes = plt.subplots(figsize=(7, 6))
    filled = count > 0
    centres = (torch.arange(bins) + 0.5)[filled] / bins
    centres, seen, believed = centres.tolist(), seen[filled].tolist(), believed[filled].tolist()
    axes.bar(centres, seen, width=0.9 / bins, color=plotting.SKY)
    axes.plot(believed, seen, "o", color=plotting.BLUE)
    axes.plot([0, 1], [0, 1], linestyle="--", color=plotting.GREY)
    for centre, value, number in zip(centres, seen, count[filled].tolist(), strict=True):
        axes.text(centre, value + 0.015, number, ha="center", size=12)
    axes.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="probability of the first guess", ylabel="share that is right")
    return figure, error
