"""03's pictures."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers import plotting
from images.drawing.shapes import arrow

STEM = (("conv\n7x7 /2", plotting.SKY), ("pool /2", plotting.ORANGE), ("conv\n1x1, 3x3", plotting.SKY))


def googlenet() -> Figure:
    """GoogLeNet from left to right: a 7x7 convolution with stride 2, pooling, a 1x1 and a 3x3 convolution, pooling, the
    inception modules 3a and 3b at 28 x 28, pooling, 4a to 4e at 14 x 14, pooling, 5a and 5b at 7 x 7, average pooling
    and a fully connected layer to 1000 classes. From 4a and 4d an arrow leads up to an auxiliary head each."""
    figure, axes = plt.subplots(figsize=(13, 4.8))
    axes.axis("off")
    pool = ("pool /2", plotting.ORANGE)
    layers = [("image", plotting.YELLOW), *STEM, pool]
    layers += [(name, plotting.GREEN) for name in ("3a", "3b")] + [pool]
    layers += [(name, plotting.GREEN) for name in ("4a", "4b", "4c", "4d", "4e")] + [pool]
    layers += [(name, plotting.GREEN) for name in ("5a", "5b")]
    layers += [("average", plotting.ORANGE), ("1000", plotting.PURPLE)]
    heights = [3.2, 2.8, 2.4, 2.4, 2.0, 2.0, 2.0, 1.6, *[1.6] * 5, 1.2, 1.2, 1.2, 1.2, 1.2]
    for x, ((name, colour), height) in enumerate(zip(layers, heights, strict=True)):
        is_module = colour == plotting.GREEN
        axes.add_patch(Rectangle((x - 0.34, -height / 2), 0.68, height, facecolor=colour, edgecolor=plotting.BLACK))
        weight = "bold" if is_module else "normal"
        turned = 0 if is_module else 90
        axes.text(x, 0, name, ha="center", va="center", rotation=turned, size=15 if is_module else 13, weight=weight)
        if x:
            arrow(axes, (x - 0.67, 0), (x - 0.33, 0))
        if name in ("4a", "4d"):
            arrow(axes, (x, height / 2), (x, 1.75))
            axes.add_patch(Rectangle((x - 0.9, 1.75), 1.8, 0.75, facecolor=plotting.PURPLE, edgecolor=plotting.BLACK))
            axes.text(x, 2.12, "auxiliary\nhead", ha="center", va="center", size=13)
    for first, last, side in ((0, 0, 224), (1, 1, 112), (2, 3, 56), (4, 6, 28), (7, 12, 14), (13, 15, 7)):
        axes.plot((first - 0.34, last + 0.34), (-1.85, -1.85), color=plotting.GREY, linestyle="-", linewidth=2)
        axes.text((first + last) / 2, -2.0, f"{side}", ha="center", va="top", size=14)
    axes.text(9.5, 2.75, "in training only", ha="center", size=14, color=plotting.GREY)
    axes.text(16, -2.0, "pixels wide", ha="left", va="top", size=14)
    axes.set(xlim=(-0.6, len(layers) - 0.4), ylim=(-2.5, 3.1))
    return figure


def inception_module() -> Figure:
    """The naive inception module, from below: the previous layer leads into four branches, convolutions of 1x1, 3x3
    and 5x5 and a pooling of 3x3; the outputs of all four are concatenated."""
    return module(
        [["1x1 convolution"], ["3x3 convolution"], ["5x5 convolution"], ["3x3 pooling"]],
    )


def inception_module2() -> Figure:
    """The inception module with reductions, from below: the previous layer leads into four branches: a 1x1 convolution;
    a 1x1, then a 3x3 convolution; a 1x1, then a 5x5 convolution; a 3x3 pooling, then a 1x1 convolution. The outputs of
    all four are concatenated. The three added 1x1 convolutions are drawn in yellow."""
    one = "1x1 convolution"
    return module([[one], [one, "3x3 convolution"], [one, "5x5 convolution"], ["3x3 pooling", one]])


def module(branches: list[list[str]]) -> Figure:
    """Branches of boxes, each from below, between a previous layer and a concatenation."""
    figure, axes = plt.subplots(figsize=(11, 5.2))
    axes.axis("off")
    middle, height = 3.6, 0.8
    levels = max(len(boxes) for boxes in branches)
    top = 1.7 * (levels + 1)
    wide_box(axes, middle, 0, 3.2, height, "previous layer", "white")
    wide_box(axes, middle, top, 3.2, height, "concatenation", plotting.GREEN)
    for number, boxes in enumerate(branches):
        x = 2.4 * number
        heights = [1.7 * (level + 1) for level in range(levels)]
        levels_used = heights if len(boxes) == levels else heights[-1:]
        before = (middle + 0.7 * (number - 1.5), height / 2)
        if len(boxes) < levels:  # passes its neighbours' first boxes on the outside
            axes.plot((before[0], x), (before[1], heights[0]), color=plotting.BLACK, linestyle="-", linewidth=1.5)
            before = (x, heights[0])
        for name, y in zip(boxes, levels_used, strict=True):
            added = len(boxes) > 1 and name.startswith("1x1")
            colour = plotting.YELLOW if added else plotting.ORANGE if "pool" in name else plotting.SKY
            arrow(axes, before, (x, y - height / 2))
            wide_box(axes, x, y, 2.2, height, name, colour)
            before = (x, y + height / 2)
        arrow(axes, before, (middle + 0.7 * (number - 1.5), top - height / 2))
    axes.set(xlim=(-1.3, 8.5), ylim=(-0.6, top + 0.6))
    return figure


def wide_box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    """Draw a box with a text, centred on (x, y)."""
    axes.add_patch(
        Rectangle((x - width / 2, y - height / 2), width, height, facecolor=colour, edgecolor=plotting.BLACK)
    )
    axes.text(x, y, text, ha="center", va="center", size=16)
