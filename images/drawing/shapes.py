"""What several pictures are drawn of."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from helpers import plotting


def block(axes: Axes, text: str) -> None:
    """Draw a box with a text, an arrow into it from the left and one out of it to the right."""
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    style = {"boxstyle": "round,pad=0.6", "facecolor": plotting.SKY, "edgecolor": "none"}
    axes.text(0.5, 0.5, text, ha="center", va="center", bbox=style)
    for start, end in ((0.0, 0.14), (0.86, 1.0)):
        arrow = {"arrowstyle": "-|>", "linewidth": 3, "mutation_scale": 25, "color": plotting.BLACK}
        axes.annotate("", (end, 0.5), (start, 0.5), arrowprops=arrow, annotation_clip=False)


def bar(axes: Axes, x: float, width: float, height: float, colour: str) -> None:
    """Draw a layer: a bar from x to x + width, centred on the height 0."""
    axes.add_patch(Rectangle((x, -height / 2), width, height, facecolor=colour, edgecolor="white", linewidth=1))


def box(axes: Axes, x: float, y: float, height: float, text: str, colour: str) -> None:
    """Draw a layer as a box of a given height with a text, centred on (x, y)."""
    axes.add_patch(Rectangle((x - 0.5, y - height / 2), 1.0, height, facecolor=colour, edgecolor=plotting.BLACK))
    axes.text(x, y, text, ha="center", va="center", size=14)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a thin arrow between two points."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "linewidth": 1.5, "color": plotting.BLACK})
