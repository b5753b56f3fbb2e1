"""04's pictures."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from helpers import plotting
from helpers.chapters.resnet import record
from images.drawing.shapes import arrow, bar, box


def resnet() -> Figure:
    """ResNet-34 from left to right, a bar for each layer, as high as its map is wide: a 7x7 convolution, then 6 layers
    with 64 channels at 56 x 56, 8 with 128 at 28 x 28, 12 with 256 at 14 x 14, 6 with 512 at 7 x 7, then one fully
    connected layer of 1000 units. An arc leads past every two layers; where the map is halved, it is dashed."""
    figure, axes = plt.subplots(figsize=(13, 5))
    axes.axis("off")
    bar(axes, 0.0, 0.3, 112, plotting.YELLOW)
    axes.text(0.15, 63, "7x7, 64", ha="center", va="bottom", size=14)
    axes.text(0.15, -63, "112 x 112", ha="center", va="top", size=14)
    x = 0.9
    for stage, (blocks, channels, side) in enumerate(((3, 64, 56), (4, 128, 28), (6, 256, 14), (3, 512, 7))):
        start, width, height = x, 0.22 + channels / 3000, 10 + side
        for block in range(blocks):
            _arc(axes, x - 0.08, x + 2 * width + 0.13, height / 2 + 2, dashed=stage > 0 and block == 0)
            for _ in range(2):
                bar(axes, x, width, height, plotting.SKY)
                x += width + 0.05
            x += 0.12
        middle = (start + x - 0.17) / 2
        axes.text(middle, 63, f"{2 * blocks} x conv3-{channels}", ha="center", va="bottom", size=14)
        axes.text(middle, -63, f"{side} x {side}", ha="center", va="top", size=14)
        x += 0.3
    bar(axes, x, 0.2, 30, plotting.GREEN)
    axes.text(x + 0.1, -63, "1000", ha="center", va="top", size=14)
    notes = (
        ("convolution, batch norm, ReLU", plotting.SKY),
        ("fully connected, after an average over the map", plotting.GREEN),
    )
    for row, (text, colour) in enumerate(notes):
        axes.text(0.9, -84 - 14 * row, "■", color=colour, va="top", size=17)
        axes.text(1.25, -84 - 14 * row, text, va="top", size=15)
    axes.text(9.0, -84, "arc: the shortcut, past two layers", va="top", size=15, color=plotting.RED)
    axes.text(9.0, -98, "dashed: half the map, twice the channels", va="top", size=15, color=plotting.RED)
    axes.set(xlim=(-0.4, x + 0.6), ylim=(-114, 78))
    return figure


def _arc(axes: Axes, start: float, end: float, height: float, *, dashed: bool = False) -> None:
    """Draw a shortcut as an arc from `start` to `end`, above bars that reach up to `height`."""
    style = {"arrowstyle": "-|>", "mutation_scale": 10, "linewidth": 1.8, "color": plotting.RED}
    style |= {"connectionstyle": "arc3,rad=-0.55", "linestyle": "--" if dashed else "-"}
    axes.add_patch(FancyArrowPatch((start, height), (end, height), **style))


def resnet_background() -> Figure:
    """Recorded curves of plain networks over 800 steps. Left, on training images: 8 layers end near 5 % errors, 20
    layers near 11 %, 44 layers between 31 and 49 %. Right, on test images: the same order, each a little higher."""
    kept = record.read().query("experiment == 'all' and kind == 'plain'")
    figure, axes = plt.subplots(1, 2, figsize=(12, 5), sharey=True)
    styles = ((plotting.GREEN, "o", "-"), (plotting.BLUE, "s", "--"), (plotting.RED, "^", "-."))
    for axis, part, title in zip(axes, ("train", "test"), ("training images", "test images"), strict=True):
        curves = kept.groupby(["depth", "step"])[f"{part}_error"].agg(["mean", "min", "max"])
        curves = {depth: curves.loc[depth] for depth in record.DEPTHS}
        heights = plotting.spread_labels([curve["mean"].iloc[-1] for curve in curves.values()], 0.06)
        for (depth, curve), height, (colour, marker, line) in zip(curves.items(), heights, styles, strict=True):
            axis.fill_between(curve.index, curve["min"], curve["max"], color=colour, alpha=0.2, linewidth=0)
            axis.plot(curve.index, curve["mean"], color=colour, marker=marker, linestyle=line, markersize=7)
            axis.annotate(f"  {depth} layers", (curve.index[-1], height), color=colour, va="center")
        axis.set(title=title, xlabel="step", xlim=(50, 1030), ylim=(0, 1), xticks=range(200, 801, 200))
    axes[0].set_ylabel("errors")
    axes[0].set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    figure.suptitle("plain networks (recorded; bands: three seeds)", size=15)
    return figure


def resnet2() -> Figure:
    """Two rows of six layers. Above, a plain network: each layer reads only the one before it. Below, a residual
    network: an arc leads past every two layers, to an addition after them."""
    figure, axes = plt.subplots(figsize=(13, 5))
    axes.axis("off")
    axes.text(-0.9, 2.6, "plain", weight="bold")
    axes.text(-0.9, 0.75, "residual", weight="bold")
    for y in (1.9, -0.6):
        x = 0.9
        axes.text(-0.1, y, "x", ha="center", va="center", size=20, style="italic")
        before = 0.1
        for layer in range(6):
            box(axes, x, y, 0.9, "3x3", plotting.SKY)
            arrow(axes, (before, y), (x - 0.5, y))
            before = x + 0.5
            x += 1.45
            if layer % 2 and y < 0:
                circle = x - 0.3
                arrow(axes, (before, y), (circle - 0.22, y))
                axes.plot([circle], [y], "o", markersize=27, color="white", markeredgecolor=plotting.RED)
                axes.text(circle, y, "+", ha="center", va="center", size=20, color=plotting.RED)
                _arc(axes, circle - 3.6, circle - 0.08, y + 0.3)
                before, x = circle + 0.22, x + 1.0
        arrow(axes, (before, y), (before + 0.7, y))
    axes.set(xlim=(-1.0, 13.2), ylim=(-1.2, 3.0))
    return figure


def residual_learning() -> Figure:
    """Two blocks from top to bottom. Left, plain: x passes layer, ReLU, layer, whose result is H(x). Right, residual:
    the same layers put out F(x) = H(x) - x, the shortcut carries x past them, and their sum is H(x); then a ReLU."""
    figure, axes = plt.subplots(figsize=(11, 7))
    axes.axis("off")
    for x, title, inside in ((0.0, "plain block", "H(x)"), (5.2, "residual block", "F(x) = H(x) - x")):
        axes.text(x, 6.35, title, ha="center", weight="bold")
        axes.text(x, 5.7, "x", ha="center", va="center", size=20, style="italic")
        for y, text, colour in (
            (4.5, "layer", plotting.SKY),
            (3.4, "ReLU", plotting.YELLOW),
            (2.3, "layer", plotting.SKY),
        ):
            _wide_box(axes, x, y, text, colour)
            arrow(axes, (x, y + (0.95 if y > 4 else 0.75)), (x, y + 0.35))
        axes.text(x - 0.25, 1.55, inside, ha="right", va="center", color=plotting.BLUE)
        _wide_box(axes, x, -0.4, "ReLU", plotting.YELLOW)
        arrow(axes, (x, -0.75), (x, -1.35))
    arrow(axes, (0.0, 1.95), (0.0, -0.05))
    x = 5.2
    arrow(axes, (x, 1.95), (x, 1.03))
    axes.plot([x], [0.75], "o", markersize=30, color="white", markeredgecolor=plotting.RED)
    axes.text(x, 0.75, "+", ha="center", va="center", size=22, color=plotting.RED)
    arrow(axes, (x, 0.48), (x, -0.05))
    axes.text(x - 0.35, 0.3, "H(x) = F(x) + x", ha="right", va="center", color=plotting.BLUE)
    axes.plot([x + 0.25, x + 1.9, x + 1.9], [5.6, 5.6, 0.75], color=plotting.RED, linestyle="-")
    style = {"arrowstyle": "-|>", "linewidth": 3, "color": plotting.RED, "mutation_scale": 22}
    axes.annotate("", (x + 0.28, 0.75), (x + 1.93, 0.75), arrowprops=style)
    axes.text(x + 2.05, 3.2, "shortcut:\nx as it is", va="center", color=plotting.RED)
    axes.set(xlim=(-1.9, 9.0), ylim=(-1.5, 6.8))
    return figure


def resnet_innovations() -> Figure:
    """Two residual blocks of almost the same cost. Left, basic: two 3x3 convolutions on 64 channels, 73,728 weights.
    Right, bottleneck: 1x1 from 256 to 64 channels, 3x3 on 64, 1x1 back to 256, 69,632 weights."""
    figure, axes = plt.subplots(figsize=(11, 6.5))
    axes.axis("off")
    blocks = (
        (0.0, "basic block (18, 34 layers)", "64 channels", ("3x3, 64 to 64", "3x3, 64 to 64"), "73,728 weights"),
        (
            6.2,
            "bottleneck (50, 101, 152 layers)",
            "256 channels",
            ("1x1, 256 to 64", "3x3, 64 to 64", "1x1, 64 to 256"),
            "69,632 weights",
        ),
    )
    for x, title, channels, layers, weights in blocks:
        axes.text(x + 0.5, 6.3, title, ha="center", weight="bold", size=15)
        axes.text(x, 5.65, channels, ha="center", va="center")
        ys = [4.5, 3.3, 2.1] if len(layers) == 3 else [4.2, 2.5]
        before = 5.4
        for y, text in zip(ys, layers, strict=True):
            _wide_box(axes, x, y, text, plotting.SKY, width=2.6)
            arrow(axes, (x, before), (x, y + 0.35))
            before = y - 0.35
            if y != ys[-1]:
                axes.text(x - 0.15, before - 0.22, "ReLU", ha="right", va="center", size=12)
        arrow(axes, (x, before), (x, 1.08))
        axes.plot([x], [0.8], "o", markersize=28, color="white", markeredgecolor=plotting.RED)
        axes.text(x, 0.8, "+", ha="center", va="center", size=20, color=plotting.RED)
        arrow(axes, (x, 0.52), (x, -0.1))
        axes.text(x - 0.15, 0.22, "ReLU", ha="right", va="center", size=12)
        axes.plot([x + 0.05, x + 1.9, x + 1.9], [5.25, 5.25, 0.8], color=plotting.RED, linestyle="-")
        style = {"arrowstyle": "-|>", "linewidth": 3, "color": plotting.RED, "mutation_scale": 22}
        axes.annotate("", (x + 0.27, 0.8), (x + 1.93, 0.8), arrowprops=style)
        axes.text(x, -0.45, weights, ha="center", va="center", color=plotting.BLUE)
    axes.set(xlim=(-2.2, 9.4), ylim=(-0.8, 6.7))
    return figure


def _wide_box(axes: Axes, x: float, y: float, text: str, colour: str, width: float = 1.7) -> None:
    """Draw a layer as a box with a text, centred on (x, y), for a network that runs from top to bottom."""
    axes.add_patch(plt.Rectangle((x - width / 2, y - 0.35), width, 0.7, facecolor=colour, edgecolor=plotting.BLACK))
    axes.text(x, y, text, ha="center", va="center", size=15)
