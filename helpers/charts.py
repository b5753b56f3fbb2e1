"""Charts that a notebook and a picture under images/ share: the catalogue's numbers in, a figure out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from helpers import plotting
from helpers.catalogue import FAMILIES, USUAL, Entry

COLOURS = [getattr(plotting, name) for name in ("BLUE", "ORANGE", "GREEN", "RED", "PURPLE", "SKY", "GREY")]
FAMILY_STYLE = dict(zip(FAMILIES, zip(COLOURS, "sDo^vPX", strict=True), strict=True))  # a colour and a marker for each


def accuracy_against_mult_adds(entries: Sequence[Entry]) -> Figure:
    """Top-1 accuracy against multiply-adds for one photograph; the area of a disc grows with the parameters.

    A mark is filled where the weights were trained by the usual recipe, and hollow where they were by a different one.
    """
    fig, ax = plt.subplots(figsize=(11, 6.5))
    for family, (colour, marker) in FAMILY_STYLE.items():
        members = sorted((entry for entry in entries if entry.family == family), key=lambda entry: entry.mult_adds)
        xs, ys = [entry.mult_adds / 1e9 for entry in members], [100 * (1 - entry.top_1) for entry in members]
        ax.plot(xs, ys, color=colour, linestyle="-", lw=1.5)
        sizes = [8 * entry.parameters / 1e6 for entry in members]
        ax.scatter(xs, ys, sizes, color=colour, alpha=0.5)
        fills = [colour if entry.recipe == USUAL else "white" for entry in members]
        ax.scatter(xs, ys, 60, c=fills, marker=marker, edgecolor="black", zorder=3)
        down = -34 if family in ("AlexNet", "VGG", "GoogLeNet", "SqueezeNet") else 16
        ax.annotate(family, (xs[0], ys[0]), (0, down), textcoords="offset points", ha="center")
    ax.set(
        xscale="log",
        xlabel="mult-adds for one photograph, billions",
        ylabel="top-1 accuracy, %",
        xlim=(0.035, 28),
        ylim=(52, 82),
    )
    ax.set_xticks([0.05, 0.1, 0.3, 1, 3, 10, 20], ["0.05", "0.1", "0.3", "1", "3", "10", "20"])
    ax.minorticks_off()
    ax.grid(visible=True)
    ax.set_title("Disc: parameters. Hollow mark: a different training recipe")
    return fig


def bar_panels(panels: dict[str, list[float]], names: list[str], colours: list[str], height: float) -> Figure:
    """Numbers of the same things as bars, a panel for each kind of number, which is its title; `height` in inches."""
    fig, axes = plt.subplots(1, len(panels), figsize=(12, height), sharey=True)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        ax.barh(range(len(values)), values, color=colours)
        for row, value in enumerate(values):
            ax.text(value + max(values) * 0.02, row, f"{value:.3g}", va="center")
        ax.set(title=title, xticks=[], xlim=(0, max(values) * 1.25))
        ax.spines[["bottom", "left"]].set_visible(False)
        ax.tick_params(left=False)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    return fig
