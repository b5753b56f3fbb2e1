"""02's pictures."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from helpers import plotting
from images.drawing.shapes import bar


def vgg() -> Figure:
    """VGG-16 from left to right, a bar for each layer. Those of convolutions and poolings are as high as their map is
    wide: two convolutions to 64 channels at 224 x 224, two to 128 at 112, three to 256 at 56, three to 512 at 28, three
    to 512 at 14, with a pooling after each group that halves the map. Then three fully connected layers of 4096, 4096
    and 1000 units."""
    figure, axes = plt.subplots(figsize=(13, 5.2))
    axes.axis("off")
    x, side = 0.0, 224
    for depth, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        start, width = x, 0.35 + channels / 800
        for _ in range(depth):
            bar(axes, x, width, side, plotting.SKY)
            x += width + 0.08
        middle = (start + x - 0.08) / 2
        axes.text(middle, side / 2 + 8, f"{depth} x conv3-{channels}", ha="center", va="bottom", size=14)
        axes.text(middle, -side / 2 - 8, f"{side} x {side}", ha="center", va="top", size=14)
        side //= 2
        bar(axes, x, 0.2, side, plotting.ORANGE)
        x += 0.2 + 0.5
    for units in (4096, 4096, 1000):
        bar(axes, x, 0.25, 30 + units / 40, plotting.GREEN)
        axes.text(x + 0.125, -(30 + units / 40) / 2 - 8, f"{units}", ha="center", va="top", size=14)
        x += 1.0
    notes = (
        ("3x3 convolution and ReLU", plotting.SKY),
        ("2x2 pooling", plotting.ORANGE),
        ("fully connected", plotting.GREEN),
    )
    for row, (text, colour) in enumerate(notes):
        axes.text(4.4, -70 - 24 * row, "■", color=colour, va="top", size=17)
        axes.text(4.8, -70 - 24 * row, text, va="top", size=15)
    axes.set(xlim=(-0.2, x - 0.3), ylim=(-135, 135))
    return figure


def stacked_convolutional_layers() -> Figure:
    """Four grids above one another: one unit after three 3x3 convolutions reads 3 x 3 units of the layer below it,
    these read 5 x 5 units of the layer below them, and these 7 x 7 pixels of the image."""
    figure, axes = plt.subplots(figsize=(11, 6.5))
    axes.axis("off")
    axes.set_aspect("equal")
    names = ("7 x 7 pixels of the image", "5 x 5 units", "3 x 3 units", "1 unit")
    colours = (plotting.SKY, plotting.YELLOW, plotting.ORANGE, plotting.RED)
    for level, (name, colour) in enumerate(zip(names, colours, strict=True)):
        seen = 7 - 2 * level
        for row in range(9):
            for column in range(9):
                inside = max(abs(row - 4), abs(column - 4)) <= seen // 2
                corners = [plane(level, row + down, column + on) for down, on in ((0, 0), (0, 1), (1, 1), (1, 0))]
                axes.add_patch(
                    Polygon(corners, facecolor=colour if inside else "white", edgecolor=plotting.GREY, linewidth=0.8)
                )
        if level:  # from the corners of what is seen here to those of what is seen below
            for row, column in ((-1, -1), (-1, 1), (1, 1), (1, -1)):
                ends = [
                    plane(floor, 4.5 + row * half, 4.5 + column * half)
                    for floor, half in ((level, seen / 2), (level - 1, seen / 2 + 1))
                ]
                axes.plot(*zip(*ends, strict=True), color=plotting.BLACK, linestyle="-", linewidth=1.5, zorder=3)
            axes.text(*plane(level - 0.5, 4.5, -1.8), "3x3", ha="center", va="center", weight="bold")
        axes.text(*plane(level, 4.5, 10), name, va="center")
    axes.autoscale_view()
    return figure


def plane(level: float, row: float, column: float) -> tuple[float, float]:
    """Where a point of a grid is drawn that lies on the floor `level`, seen from the front and above."""
    return column + 0.45 * row, 4.2 * level - 0.38 * row
