"""What 09 reads from the recorded curves: errors, paired differences between two ways, and pictures of both."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import plotting
from helpers.recorded import curves

DATA = ("flowers", "silhouettes")
IMAGES = (5, 20)  # per class; 60 are still to be recorded
CUTS = tuple(curves.WAYS)[:4]  # from the head only to all layers
TOO_LARGE = 10  # so many times the best learning rate


def runs(data: str, images: int, way: str, lr: float | None = None) -> pd.DataFrame:
    """The recorded curves of one way at the chosen learning rate: those of seeds 1, 2 and 3; empty where none are.

    At another learning rate `lr` those of seed 0, by whose images the learning rate was chosen.
    """
    table = curves.load().query("data == @data and images == @images and way == @way")
    if table.empty:
        return table
    is_choosing = table["seed"] == curves.CHOOSING
    if lr is None:
        lr, is_choosing = curves.best_lr(table, data, images, way), ~is_choosing
    return table[np.isclose(table["lr"], lr) & is_choosing]


def error(data: str, images: int, way: str, lr: float | None = None, column: str = "error") -> float:
    """The mean over the seeds of the last row's error (or of another column), as `runs` finds them; NaN for none."""
    return curves.ends(runs(data, images, way, lr))[column].mean()


def larger_lr(data: str, images: int, way: str) -> float:
    """The largest recorded learning rate, up to ten times the best one."""
    best = curves.best_lr(curves.load(), data, images, way)
    return max(lr for lr in curves.WAYS[way].rates if lr < 1.1 * TOO_LARGE * best)


class Difference(NamedTuple):
    """How many percentage points more of the same `images` one has wrong than the other, with its 95 % interval."""

    value: float
    low: float
    high: float
    images: int

    def __str__(self) -> str:
        if not self.images:
            return "not recorded"
        return f"{self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def paired(wrong: torch.Tensor, other: torch.Tensor) -> Difference:
    """From which images, bool [N], each has wrong; the interval is that of a mean of differences, -1, 0 or 1 each."""
    pairs = 100 * (wrong.double() - other.double())
    mean, reach = pairs.mean().item(), 1.96 * pairs.std().item() / len(pairs) ** 0.5
    return Difference(mean, mean - reach, mean + reach, len(pairs))


def difference(data: str, images: int, way: str, other: str) -> Difference:
    """The error of `way` less that of `other`, on the images that judged both, each at its chosen learning rate."""
    ends = [curves.ends(runs(data, images, each)).set_index("seed") for each in (way, other)]
    seeds = ends[0].index.intersection(ends[1].index).sort_values()
    if seeds.empty:
        return Difference(*[np.nan] * 3, 0)
    return paired(*(curves.wrong(each.loc[seeds]) for each in ends))


def draw_map(ax: Axes, data: str) -> None:
    """A table of errors: a row for each number of images per class, a column for each way.

    A star marks the least error of a row; a ring those whose paired difference to it is not clear.
    """
    for row, images in enumerate(IMAGES):
        errors = [error(data, images, way) for way in CUTS]
        for column, (way, value) in enumerate(zip(CUTS, errors, strict=True)):
            if np.isnan(value):
                continue
            least = value == np.nanmin(errors)
            best = CUTS[int(np.nanargmin(errors))]
            mark = "★ " if least else "" if difference(data, images, way, best).is_clear else "○ "
            colour = plt.get_cmap("Blues")(0.05 + 0.5 * min(1.0, value / 0.4))
            ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour))
            style = {"ha": "center", "va": "center", "weight": "bold" if least else "normal"}
            ax.text(column, row - 0.1, f"{mark}{100 * value:.1f} %", size=15, **style)
            lr = runs(data, images, way)["lr"].iloc[0]
            ax.text(column, row + 0.25, f"lr {lr:g}", size=12, **style)
    ax.set_xticks(range(len(CUTS)), ["\n".join(way.rsplit(" ", 1)) for way in CUTS], size=13)
    ax.set_yticks(range(len(IMAGES)), IMAGES)
    ax.set(xlim=(-0.5, len(CUTS) - 0.5), ylim=(len(IMAGES) - 0.5, -0.5), title=data)
    ax.tick_params(length=0)


def draw_steps(ax: Axes, data: str) -> None:
    """What each step to a deeper cut changes, in percentage points, with paired 95 % intervals."""
    for part, (way, before) in enumerate(zip(CUTS[1:], CUTS, strict=False)):
        for row, images in enumerate(IMAGES):
            found = difference(data, images, way, before)
            if not found.images:
                continue
            height = row + 0.25 * (part - 1)
            colour, marker = (plotting.BLUE, plotting.ORANGE, plotting.GREEN)[part], "osD"[part]
            label = f"{before} → {way}" if images == 20 else None
            ax.plot([found.low, found.high], [height] * 2, color=colour, linestyle="-")
            ax.plot(found.value, height, marker, color=colour, label=label)
    ax.axvline(0, color=plotting.BLACK, linewidth=1, linestyle="-")
    ax.set_yticks(range(len(IMAGES)), IMAGES)
    ax.set(ylim=(len(IMAGES) - 0.5, -0.5), xlabel="change of error, percentage points", title=data)


def draw_curves(ax: Axes, data: str, images: int, way: str, lr: float, style: str = "-", labels: bool = True) -> None:
    """The errors on the images that are trained on, and on those that judge, along the steps, at one learning rate."""
    found = runs(data, images, way, lr).groupby("step")[["train", "error"]].mean()
    for column, colour, marker, label in (
        ("train", plotting.BLUE, "s", "trained on"),
        ("error", plotting.RED, "o", "judged by"),
    ):
        style_of = {"color": colour, "linestyle": style, "marker": marker, "markersize": 6}
        ax.plot(found.index, found[column], **style_of, label=label if labels else None)
    ax.set(ylim=(-0.03, 1.03))


def overfitting(images: int = 5) -> Figure:
    """Learning curves of each way on both data: at its best learning rate, and dashed at a larger one."""
    fig, axes = plt.subplots(len(DATA), len(CUTS), figsize=(11, 5.5), sharey=True)
    for row, data in zip(axes, DATA, strict=True):
        for ax, way in zip(row, CUTS, strict=True):
            if runs(data, images, way).empty:
                ax.set_axis_off()
                continue
            best = curves.best_lr(curves.load(), data, images, way)
            larger = larger_lr(data, images, way)
            draw_curves(ax, data, images, way, best)
            draw_curves(ax, data, images, way, larger, "--", labels=False)
            ax.set_title(f"{way if data == DATA[0] else ''}\nlr {best:g}, then {larger:g}".strip(), size=13)
            ax.tick_params(labelsize=12)
        row[0].set_ylabel(f"{data}:\nerror", size=14)
    axes[0, 0].plot([], [], color=plotting.GREY, label="solid: best lr")
    axes[0, 0].plot([], [], "--", color=plotting.GREY, label="dashed: larger lr")
    axes[0, 0].legend(fontsize=12, loc="upper right")
    fig.supxlabel("steps", size=14)
    return fig
