"""08's pictures: in all of them blue layers keep ImageNet's weights, and orange, hatched ones learn."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import ImageOps

from helpers import bundled, plotting
from images.drawing.shapes import arrow

# AlexNet's layers with weights: where each stands, how high it is drawn, and what it puts out.
LAYERS = (
    (2.0, 2.6, "conv\n96"),
    (3.1, 2.1, "conv\n256"),
    (4.2, 1.7, "conv\n384"),
    (5.3, 1.7, "conv\n384"),
    (6.4, 1.7, "conv\n256"),
    (7.6, 2.4, "fc\n4096"),
    (8.8, 2.4, "fc\n4096"),
)
HEAD = 10.4


def alexnet2() -> Figure:
    """AlexNet as a row of layers: a photograph of a cat, five convolutions, two fully connected layers of 4096 units,
    and the 1000-way layer. An arrow points at the output of the second layer of 4096: this is the embedding."""
    figure, axes = canvas()
    draw_network(axes, learning=0)
    draw_layer(axes, HEAD, 0, 1.6, "1000-way\nclasses", plotting.YELLOW)
    arrow(axes, (9.25, 0), (9.75, 0))
    axes.plot([9.55, 9.55], [-1.9, -0.1], color=plotting.RED, linestyle="-")
    axes.text(9.55, -2.0, "the embedding:\n4096 numbers", ha="center", va="top", color=plotting.RED, weight="bold")
    return figure


def transfer_learning_pipeline() -> Figure:
    """A photograph of a cat passes the layers of a pretrained network, all blue; out comes a row of numbers, the
    embedding; it goes into a classifier of one's own choice, SVM or kNN, which alone learns, and that says: cat."""
    figure, axes = canvas(right=14.6)
    draw_network(axes, learning=0)
    draw_embedding(axes)
    draw_layer(axes, 12.2, 0, 1.8, "SVM, kNN,\n…", plotting.ORANGE, learns=True, width=1.6)
    arrow(axes, (11.0, 0), (11.35, 0))
    arrow(axes, (13.05, 0), (13.6, 0))
    axes.text(13.7, 0, "cat", va="center", weight="bold")
    note(axes)
    return figure


def transfer_learning_last_layer() -> Figure:
    """A pretrained network, all blue, turns each photograph into an embedding once; these are kept in a table, and a
    new linear layer of ten classes learns from the table, outside the network, again and again."""
    figure, axes = canvas(right=14.6)
    draw_network(axes, learning=0)
    for shift in (0.35, 0.0, -0.35):
        draw_embedding(axes, shift=shift, named=False)
    axes.text(10.4, -0.75, "embeddings,\ncomputed once", ha="center", va="top")
    draw_layer(axes, 12.4, 0, 1.6, "10-way\nnew", plotting.ORANGE, learns=True)
    arrow(axes, (11.0, 0), (11.75, 0))
    axes.text(12.4, 0.95, "many epochs", ha="center")
    note(axes)
    return figure


def transfer_learning_swap() -> Figure:
    """The 1000-way layer is lifted out of a pretrained network and a new 10-way layer, which alone learns, takes its
    place; the other layers stay, and each photograph passes all of them in each epoch."""
    figure, axes = canvas(top=3.1)
    draw_network(axes, learning=0)
    draw_layer(axes, HEAD, 2.35, 1.1, "1000-way", "white")
    lifted = {"arrowstyle": "->", "color": plotting.RED, "linestyle": "--", "lw": 2, "mutation_scale": 18}
    axes.annotate("", (HEAD, 1.75), (HEAD, 0.85), arrowprops=lifted)  # unlike the arrows of what is computed
    axes.text(HEAD - 0.75, 2.35, "taken out", ha="right", va="center", color=plotting.RED, weight="bold")
    draw_layer(axes, HEAD, 0, 1.6, "10-way\nnew", plotting.ORANGE, learns=True)
    arrow(axes, (9.25, 0), (9.75, 0))
    note(axes)
    return figure


def transfer_learning_initialise() -> Figure:
    """Two equal networks one above the other. The upper one is pretrained on ImageNet, blue; arrows lead from each of
    its layers down to the same layer of the lower one, which starts with these weights; there all layers learn."""
    figure, axes = canvas(bottom=-6.8, top=1.7)
    draw_network(axes, learning=0, photo=False)
    arrow(axes, (9.25, 0), (9.75, 0))
    draw_layer(axes, HEAD, 0, 1.6, "1000-way", plotting.YELLOW)
    draw_network(axes, learning=len(LAYERS), y=-4.1)
    draw_layer(axes, HEAD, -4.1, 1.6, "10-way\nnew", plotting.ORANGE, learns=True)
    arrow(axes, (9.25, -4.1), (9.75, -4.1))
    for x, height, _ in LAYERS:
        arrow(axes, (x, -height / 2), (x, -4.1 + height / 2 + 0.05))
    axes.text(1.4, 0, "ImageNet", ha="right", va="center", weight="bold")
    note(axes, y=-6.3)
    return figure


def transfer_learning_freeze() -> Figure:
    """A pretrained network with a dashed line, the cut, after its third layer: the layers before it are frozen, blue;
    those after it and a new 10-way layer learn, orange."""
    figure, axes = canvas(top=2.6)
    draw_network(axes, learning=4)
    draw_layer(axes, HEAD, 0, 1.6, "10-way\nnew", plotting.ORANGE, learns=True)
    arrow(axes, (9.25, 0), (9.75, 0))
    axes.plot([4.75, 4.75], [-1.6, 1.9], color=plotting.RED, linestyle="--")
    axes.text(4.75, 2.0, "the cut", ha="center", color=plotting.RED, weight="bold")
    note(axes)
    return figure


def canvas(right: float = 11.4, bottom: float = -2.9, top: float = 1.7) -> tuple[Figure, Axes]:
    """Axes without marks, in which all pictures have the same scale."""
    left = -0.9
    figure, axes = plt.subplots(figsize=(0.95 * (right - left), 0.85 * (top - bottom)))
    axes.axis("off")
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return figure, axes


def draw_network(axes: Axes, learning: int, y: float = 0.0, *, photo: bool = True) -> None:
    """AlexNet without its 1000-way layer, the last `learning` layers orange, before it a photograph."""
    if photo:
        cat = ImageOps.fit(bundled.free_photos()[0][0], (160, 160))
        axes.imshow(cat, extent=(-0.8, 1.0, y - 1.0, y + 1.0), aspect="auto")
    start = 1.05 if photo else None
    for number, (x, height, text) in enumerate(LAYERS):
        learns = number >= len(LAYERS) - learning
        draw_layer(axes, x, y, height, text, plotting.ORANGE if learns else plotting.SKY, learns=learns)
        if start is not None:
            arrow(axes, (start, y), (x - 0.42, y))
        start = x + 0.42


def draw_layer(
    axes: Axes, x: float, y: float, height: float, text: str, colour: str, *, learns: bool = False, width: float = 0.0
) -> None:
    """A layer as a box with its text, centred on (x, y); hatched when it learns."""
    width = width or (0.84 if "\n4" in text or "conv" in text else 1.26)
    style = {"facecolor": colour, "edgecolor": plotting.BLACK}
    axes.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, **style))
    if learns:
        hatch = {"fill": False, "hatch": "//", "edgecolor": "white", "linewidth": 0, "alpha": 0.55}
        axes.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, **hatch))
    axes.text(x, y, text, ha="center", va="center", size=14)


def draw_embedding(axes: Axes, shift: float = 0.0, *, named: bool = True) -> None:
    """A row of numbers after the network, with its arrow."""
    if shift == 0:
        arrow(axes, (9.25, 0), (9.75, 0))
    for cell in range(5):
        axes.add_patch(Rectangle((9.8 + 0.24 * cell, -0.16 + shift), 0.24, 0.32, facecolor="white", edgecolor="black"))
    if named:
        axes.text(10.4, -0.45, "embedding:\n4096\nnumbers", ha="center", va="top")


def note(axes: Axes, y: float = -2.5) -> None:
    """What the two colours mean."""
    for x, colour, learns, text in (
        (2.0, plotting.SKY, False, "stays as it is"),
        (6.4, plotting.ORANGE, True, "learns"),
    ):
        draw_layer(axes, x, y, 0.5, "", colour, learns=learns, width=0.8)
        axes.text(x + 0.6, y, text, va="center")
