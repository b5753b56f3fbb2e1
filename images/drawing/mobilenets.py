"""05's pictures."""

import itertools

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from helpers import plotting
from helpers.architectures.mobilenet import BLOCKS
from images.drawing.shapes import bar

CHANNELS = (plotting.SKY, plotting.ORANGE, plotting.GREEN, plotting.PURPLE)


def mobilenets() -> Figure:
    """Left, a standard convolution: five kernels, each a block of 3 x 3 x 4 numbers, one colour for each of the four
    channels it reads; N C K² weights. Right, what MobileNets put in its place: four flat depthwise kernels of 3 x 3,
    one for each channel, C K² weights, then five pointwise kernels of 1 x 1 x 4, sticks through all channels, N C
    weights."""
    figure, axes = plt.subplots(figsize=(13, 6))
    axes.axis("off")
    axes.set_aspect("equal")
    for number in range(5):
        kernel(axes, 5.4, 13.0 - 3.4 * number, 3, CHANNELS)
    for number, colour in enumerate(CHANNELS):
        kernel(axes, 24.6, 12.4 - 3.8 * number, 3, (colour,))
    for number in range(5):
        kernel(axes, 41.4, 13.0 - 3.0 * number, 1, CHANNELS)
    for x, text in ((17.6, "becomes"), (35.0, "then")):
        axes.text(x, 6.8, text, ha="center", va="bottom", size=16)
        axes.annotate("", (x + 2.4, 6.4), (x - 2.4, 6.4), arrowprops={"arrowstyle": "-|>", "linewidth": 2.5})
    for x, title, note in (
        (8.4, "standard", "N kernels of K x K x C:\nN C K² weights"),
        (26.3, "depthwise", "C kernels of K x K:\nC K² weights"),
        (43.8, "pointwise", "N kernels of 1 x 1 x C:\nN C weights"),
    ):
        axes.text(x, 18.4, title, ha="center", size=18, weight="bold")
        axes.text(x, -1.6, note, ha="center", va="top", size=15)
    axes.set(xlim=(0.5, 51.5), ylim=(-4.6, 19.6))
    return figure


def kernel(axes: Axes, x: float, y: float, side: int, colours: tuple[str, ...]) -> None:
    """Draw a kernel of side x side x len(colours) numbers, seen from the left, the first channel in front."""
    across, up = 0.9, 0.38  # where the next channel lies
    for depth, colour in reversed(list(enumerate(colours))):
        left, low = x + depth * across, y + depth * up
        style = {"facecolor": colour, "edgecolor": plotting.BLACK, "linewidth": 0.8}
        cell = 0.78
        for row in range(side):
            for column in range(side):
                a, b = left + column * cell, low + row * cell
                axes.add_patch(Polygon([(a, b), (a + cell, b), (a + cell, b + cell), (a, b + cell)], **style))
        top, right = low + side * cell, left + side * cell
        axes.add_patch(
            Polygon([(left, top), (right, top), (right + across, top + up), (left + across, top + up)], **style)
        )
        axes.add_patch(
            Polygon([(right, low), (right, top), (right + across, top + up), (right + across, low + up)], **style)
        )


def mobilenet_architecture() -> Figure:
    """MobileNet from left to right, a bar for each layer, as high as its map is wide: a convolution to 32 channels at
    112 x 112, then 13 pairs of a depthwise and a pointwise convolution: to 64 channels at 112, two to 128 at 56, two
    to 256 at 28, six to 512 at 14, two to 1024 at 7; then the average over each map and one fully connected layer of
    1000 units. The depthwise layers, not poolings, halve the maps."""
    figure, axes = plt.subplots(figsize=(13, 5.2))
    axes.axis("off")
    x, side = 0.0, 112
    bar(axes, x, 0.3, side, plotting.GREEN)
    axes.text(x + 0.15, side / 2 + 4, "conv\n32", ha="center", va="bottom", size=14)
    x += 0.75
    for outputs, group in itertools.groupby(BLOCKS, key=lambda block: block[0]):
        strides = [stride for _, stride in group]
        side //= max(strides)
        start, width = x, 0.25 + outputs / 1400
        for _ in strides:
            bar(axes, x, 0.16, side, plotting.ORANGE)
            bar(axes, x + 0.18, width, side, plotting.SKY)
            x += 0.18 + width + 0.14
        middle = (start + x - 0.14) / 2
        axes.text(middle, side / 2 + 4, f"{len(strides)} x\n{outputs}", ha="center", va="bottom", size=14)
        axes.text(middle, -side / 2 - 4, f"{side} x {side}", ha="center", va="top", size=14)
        x += 0.35
    bar(axes, x, 0.16, 2, plotting.PURPLE)
    bar(axes, x + 0.45, 0.25, 30, plotting.YELLOW)
    axes.text(x + 0.57, -19, "1000", ha="center", va="top", size=14)
    notes = (
        ("convolution 3x3", plotting.GREEN),
        ("depthwise 3x3", plotting.ORANGE),
        ("pointwise 1x1", plotting.SKY),
        ("average of each map", plotting.PURPLE),
        ("fully connected", plotting.YELLOW),
    )
    for row, (text, colour) in enumerate(notes):
        axes.text(4.6, 66 - 9 * row, "■", color=colour, va="top", size=17)
        axes.text(4.95, 66 - 9 * row, text, va="top", size=15)
    axes.set(xlim=(-0.3, x + 1.05), ylim=(-68, 76))
    return figure
