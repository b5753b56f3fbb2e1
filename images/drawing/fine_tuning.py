"""09's picture."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import ImageOps

from helpers import bundled, plotting
from images.drawing.shapes import arrow, bar


def pretrained_features() -> Figure:
    """Photographs of two classes, from folders of one's own, enter a network of twelve layers from the left. A dashed
    line, the cut, divides it: below it, in grey, eight layers are frozen and give features learned from ImageNet; above
    it, in orange, four layers learn on, and after them a new head, in green, names the two classes. An arrow moves the
    cut to the right for few images like ImageNet's, another to the left for many images unlike them."""
    figure, axes = plt.subplots(figsize=(13, 6))
    axes.axis("off")
    photos = bundled.free_photos()
    for row, (number, name) in enumerate(((0, "cats/"), (1, "coffee/"))):
        for shift in (0.3, 0.15, 0.0):
            y = 1.9 - 3.1 * row - shift
            place = axes.inset_axes([shift, y - 1.0, 2.0, 2.0], transform=axes.transData)
            place.imshow(ImageOps.fit(photos[number][0], (200, 200)))
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(True)
        axes.text(1.0, 1.9 - 3.1 * row + 1.1, name, ha="center", weight="bold")
        arrow(axes, (2.45, 1.75 - 3.1 * row), (3.2, 0.35 - 0.7 * row))
    layers, cut = 12, 8
    for layer in range(layers):
        colour = "#BBBBBB" if layer < cut else plotting.ORANGE
        bar(axes, 3.5 + 0.5 * layer, 0.4, 3.4 - 0.17 * layer, colour)
    line = 3.5 + 0.5 * cut - 0.05
    axes.plot([line, line], [-1.9, 2.35], color=plotting.BLACK, linestyle="--", linewidth=2)
    axes.text(line, 2.45, "the cut", ha="center", weight="bold")
    axes.text(5.3, -2.15, "frozen: features from ImageNet", ha="center", color=plotting.GREY)
    axes.text(8.65, -2.15, "retrained", ha="center", color="#8F6200")
    bar(axes, 9.75, 0.5, 1.0, plotting.GREEN)
    axes.text(10.0, 0.72, "new head", ha="center", color="#006B4F")
    for row, name in enumerate(("cat", "coffee")):
        arrow(axes, (10.35, 0.0), (11.05, 0.6 - 1.2 * row))
        axes.text(11.15, 0.6 - 1.2 * row, name, va="center", weight="bold")
    thick = {"arrowstyle": "-|>", "linewidth": 3, "mutation_scale": 22, "color": plotting.BLUE}
    axes.annotate("", (line + 1.0, 2.95), (line + 0.1, 2.95), arrowprops=thick)
    axes.annotate("", (line - 1.0, 2.95), (line - 0.1, 2.95), arrowprops=thick)
    axes.text(line + 1.15, 2.95, "few images,\nlike ImageNet's", va="center", color=plotting.BLUE)
    axes.text(line - 1.15, 2.95, "many images,\nunlike ImageNet's", va="center", ha="right", color=plotting.BLUE)
    axes.set(xlim=(-0.1, 12.3), ylim=(-2.6, 3.5))
    return figure
