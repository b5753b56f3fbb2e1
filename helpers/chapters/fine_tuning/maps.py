"""09's pictures of the recorded curves: the map, the steps to deeper cuts, and learning curves."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import plotting
from helpers.recorded import curves

DATA = ("flowers", "silhouettes")
IMAGES = (5, 20, 60)  # per class
CUTS = tuple(curves.WAYS)[:4]  # from the head only to all layers
TOO_LARGE = 10  # so many times the best learning rate


def is_whole(data: str, images: int, way: str) -> bool:
    """Whether all the seeds that report are recorded."""
    return set(curves.REPORTING) <= set(curves.runs(data, images, way).get("seed", []))


def lr_of(data: str, images: int, way: str) -> float:
    """The chosen learning rate, at which seeds 1, 2 and 3 were recorded."""
    return curves.runs(data, images, way)["lr"].iloc[0]


def decimal(lr: float) -> str:
    """A learning rate without an exponent: 0.00003."""
    return f"{lr:f}".rstrip("0")


def larger_lr(data: str, images: int, way: str) -> float:
    """The largest recorded learning rate, up to ten times the best one."""
    best = curves.best_lr(curves.load(), data, images, way)
    return max(lr for lr in curves.rates(data, images, way) if lr < 1.1 * TOO_LARGE * best)


def draw_map(ax: Axes, data: str) -> None:
    """A table of errors: a row for each number of images per class, a column for each way.

    A star marks the least error of a row; a ring those whose paired difference to it is not clear. What lacks a seed
    stays blank.
    """
    for row, images in enumerate(IMAGES):
        errors = [curves.error(data, images, way) if is_whole(data, images, way) else np.nan for way in CUTS]
        for column, (way, value) in enumerate(zip(CUTS, errors, strict=True)):
            if np.isnan(value):
                continue
            least = value == np.nanmin(errors)
            best = CUTS[int(np.nanargmin(errors))]
            mark = "★ " if least else "" if curves.difference(data, images, way, best).is_clear else "○ "
            colour = plt.get_cmap("Blues")(0.05 + 0.5 * min(1.0, value / 0.4))
            ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour))
            style = {"ha": "center", "va": "center", "weight": "bold" if least else "normal"}
            ax.text(column, row - 0.12, f"{mark}{100 * value:.1f} %", size=15, **style)
            ax.text(column, row + 0.24, f"lr {decimal(lr_of(data, images, way))}", size=12, **style)
    ax.set_xticks(range(len(CUTS)), ["\n".join(way.rsplit(" ", 1)) for way in CUTS], size=13)
    ax.set_yticks(range(len(IMAGES)), IMAGES)
    ax.set(xlim=(-0.5, len(CUTS) - 0.5), ylim=(len(IMAGES) - 0.5, -0.5), title=data)
    ax.tick_params(length=0)


def draw_steps(ax: Axes, data: str) -> None:
    """What each step to a deeper cut changes, in percentage points, with paired 95 % intervals."""
    named = set()
    for part, (way, before) in enumerate(zip(CUTS[1:], CUTS, strict=False)):
        for row, images in enumerate(IMAGES):
            found = curves.difference(data, images, way, before)
            if not found.images:
                continue
            height = row + 0.25 * (part - 1)
            colour, marker = (plotting.BLUE, plotting.ORANGE, plotting.GREEN)[part], "osD"[part]
            ax.plot([found.low, found.high], [height] * 2, color=colour, linestyle="-")
            ax.plot(
                found.value,
                height,
                marker,
                color=colour,
                label=None if way in named else f"to {way.removeprefix('+ ')}",
            )
            named.add(way)
    ax.axvline(0, color=plotting.BLACK, linewidth=1, linestyle="-")
    ax.set_yticks(range(len(IMAGES)), IMAGES)
    ax.set(ylim=(len(IMAGES) - 0.5, -0.5), xlabel="change of error, percentage points", title=data)


def draw_curves(ax: Axes, data: str, images: int, way: str, lr: float, style: str = "-", labels: bool = True) -> None:
    """The errors on the images that are trained on, and on those that judge, along the steps, at one learning rate."""
    found = curves.runs(data, images, way, lr).groupby("step")[["train", "error"]].mean()
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
            if curves.runs(data, images, way).empty:
                ax.set_xticks([])
                ax.set_title(f"{way}\n" if data == DATA[0] else "", size=13)
                ax.text(0.5, 0.5, "not recorded", size=13, ha="center", transform=ax.transAxes, color=plotting.GREY)
                continue
            best = curves.best_lr(curves.load(), data, images, way)
            larger = larger_lr(data, images, way)
            draw_curves(ax, data, images, way, best)
            draw_curves(ax, data, images, way, larger, "--", labels=False)
            title = f"lr {decimal(best)}, then {decimal(larger)}"
            ax.set_title(f"{way}\n{title}" if data == DATA[0] else title, size=13)
            ax.tick_params(labelsize=12)
        row[0].set_ylabel(f"{data}:\nerror", size=14)
    axes[0, 0].plot([], [], color=plotting.GREY, label="solid: best lr")
    axes[0, 0].plot([], [], "--", color=plotting.GREY, label="dashed: larger lr")
    axes[0, 0].legend(fontsize=12, loc="upper right")
    fig.supxlabel("steps", size=14)
    return fig
