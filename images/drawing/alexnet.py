"""01's picture."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from helpers import plotting
from images.drawing.shapes import arrow, box


def alexnet() -> Figure:
    """AlexNet from left to right: an image of 227 x 227 pixels, then two equal towers, one for each GPU, with 48, 128,
    192, 192 and 128 channels at 55 x 55, 27 x 27, and three times 13 x 13, then two layers of 2048 units in each
    tower, then 1000 classes. Arrows cross between the towers before the third convolution and the last three layers."""
    figure, axes = plt.subplots(figsize=(13, 5.6))
    axes.axis("off")
    layers = (
        ("conv 11x11, /4", "55 x 55", 48, 0),
        ("conv 5x5", "27 x 27", 128, 1),
        ("conv 3x3", "13 x 13", 192, 2),
        ("conv 3x3", "13 x 13", 192, 2),
        ("conv 3x3", "13 x 13", 128, 2),
        ("fully conn.", "", 2048, 3),
        ("fully conn.", "", 2048, 3),
    )
    pooled, crossing = (0, 1, 4), (2, 5, 6)
    heights, step = (1.7, 1.25, 0.85, 1.25), 1.85
    box(axes, 0.0, 0.0, 2.6, "image\n3 x\n227 x\n227", plotting.YELLOW)
    for number, (kind, side, units, size) in enumerate(layers):
        x = step * (number + 1)
        axes.text(x, 2.62, kind, ha="center", size=14)
        for y in (1.35, -1.35):
            colour = plotting.GREEN if size == 3 else plotting.SKY
            box(axes, x, y, heights[size], f"{units}\n{side}".strip(), colour)
            sources = (0.0,) if number == 0 else (1.35, -1.35) if number in crossing else (y,)
            for source in sources:
                arrow(axes, (x - step + 0.55, source), (x - 0.55, y))
        if number in pooled:
            axes.text(x, -2.85, "then pooling\n3x3, /2", ha="center", va="center", size=12, color=plotting.RED)
    last = step * (len(layers) + 1)
    box(axes, last, 0.0, 1.6, "1000\nclasses", plotting.ORANGE)
    for y in (1.35, -1.35):
        arrow(axes, (last - step + 0.55, y), (last - 0.55, 0.0))
        axes.text(-0.55, 1.55 * y, "GPU 1" if y > 0 else "GPU 2", ha="left", va="center", weight="bold")
    axes.set(xlim=(-0.7, last + 0.7), ylim=(-3.3, 3.0))
    return figure
