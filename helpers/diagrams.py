"""The pictures under images/, drawn by code: `python -m helpers.diagrams` draws them all again.

The docstring of each function is the alternative text of its picture.
"""

import inspect
from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

from helpers import catalogue, charts, datasets, evaluation, plotting, pretrained


def start_here() -> Figure:
    """A photograph of a cat, an arrow into a box named EfficientNet-Lite0, an arrow out of it to five bars: the
    likeliest of 1,000 categories, of which the first four are cats."""
    network = pretrained.load("efficientnet_lite0")
    cat = datasets.Photos(datasets.free_photos().samples[:1], network.categories)
    guesses = evaluation.top_k(evaluation.predict(network, cat).logits)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4), width_ratios=[3, 4, 4])
    plotting.show_photo(left, ImageOps.fit(cat[0][0], (224, 224)), "a photograph")
    weights = sum(parameter.numel() for parameter in network.module.parameters())
    block(middle, f"EfficientNet-Lite0\n{weights / 1e6:.1f} million weights\ntrained on ImageNet")
    names = [network.categories[index] for index in guesses.classes[0]]
    plotting.guess_bars(right, names, guesses.probabilities[0], title="5 of 1,000 probabilities")
    return figure


def classification_performance() -> Figure:
    """Bars of the top-5 error of ILSVRC's winners: about 28 % and 26 % without a network in 2010 and 2011, 16 % for
    AlexNet in 2012, then 12 %, 7 % for GoogLeNet and 4 % for ResNet in 2015, below a line for one trained person."""
    return charts.winners(catalogue.WINNERS)


def classification_performance2() -> Figure:
    """Top-1 accuracy against multiply-adds: MobileNets at the upper left, ResNets at the upper right, GoogLeNet
    between them, VGG at the far right with the largest areas, AlexNet and SqueezeNet far below."""
    return charts.accuracy_against_mult_adds(catalogue.entries())


def common_architectures() -> Figure:
    """Bars of parameters, multiply-adds and top-1 error for seven networks: VGG-16 is by far the largest, AlexNet and
    SqueezeNet make the most errors, ResNet-50 and EfficientNet-Lite0 the fewest."""
    members = ["alexnet", "vgg16", "googlenet", "resnet50", "mobilenet_v2", "squeezenet1_1", "efficientnet_lite0"]
    return charts.architectures([entry for entry in catalogue.entries() if entry.name in members])


def classification_errors() -> Figure:
    """Photographs that SqueezeNet gets wrong, with its five guesses as bars: a dung beetle called a ground beetle, a
    shoe called a sunglass, a bull mastiff called a boxer, a beaker called a wine bottle; the label comes later."""
    photos = datasets.labelled_photos()
    logits, labels, *_ = evaluation.predict(pretrained.load("squeezenet1_1"), photos)
    guesses = evaluation.top_k(logits)
    sureness = torch.where(guesses.classes[:, 0] == labels, 0, guesses.probabilities[:, 0])
    return plotting.guess_gallery(
        photos, sureness.topk(4).indices.tolist(), {"SqueezeNet": guesses}, photos.categories
    )[0]


def generalisation() -> Figure:
    """A photograph of a cup, the silhouette of a giraffe and a handwritten digit; an arrow into one network, and out of
    it one embedding that serves three tasks: which object, which animal, which digit."""
    pictures = {
        "which object?": datasets.free_photos()[1][0],
        "which animal?": Image.fromarray(datasets.animal_shapes()[0].images[5000].numpy()),
        "which digit?": Image.fromarray((load_digits().images[4] * 15).astype("uint8")),
    }
    figure, axes = plt.subplots(3, 3, figsize=(11, 6), width_ratios=[2, 5, 2])
    for (left, _, right), (task, picture) in zip(axes, pictures.items(), strict=True):
        plotting.show_photo(left, ImageOps.fit(picture.convert("RGB"), (160, 160)))
        right.axis("off")
        right.text(0, 0.5, task, va="center", size=18)
    for axis in axes[:, 1]:
        axis.remove()
    block(
        figure.add_subplot(axes[0, 1].get_gridspec()[:, 1]),
        "one network,\ntrained on ImageNet\n\none embedding:\n1,280 numbers",
    )
    return figure


def block(axes: Axes, text: str) -> None:
    """Draw a box with a text, an arrow into it from the left and one out of it to the right."""
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    style = {"boxstyle": "round,pad=0.6", "facecolor": plotting.SKY, "edgecolor": "none"}
    axes.text(0.5, 0.5, text, ha="center", va="center", bbox=style)
    for start, end in ((0.0, 0.14), (0.86, 1.0)):
        arrow = {"arrowstyle": "-|>", "linewidth": 3, "mutation_scale": 25, "color": plotting.BLACK}
        axes.annotate("", (end, 0.5), (start, 0.5), arrowprops=arrow, annotation_clip=False)


def vgg() -> Figure:
    """VGG-16 from left to right, a bar for each layer, as high as its map is wide: two convolutions to 64 channels at
    224 x 224, two to 128 at 112, three to 256 at 56, three to 512 at 28, three to 512 at 14, with a pooling behind
    each group that halves the map, then three fully connected layers of 4096, 4096 and 1000 units."""
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


def bar(axes: Axes, x: float, width: float, height: float, colour: str) -> None:
    """Draw a layer: a bar from x to x + width, centred on the height 0."""
    axes.add_patch(Rectangle((x, -height / 2), width, height, facecolor=colour, edgecolor="white", linewidth=1))


def stacked_convolutional_layers() -> Figure:
    """Four grids above one another: one unit behind three 3x3 convolutions reads 3 x 3 units of the layer below it,
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


def box(axes: Axes, x: float, y: float, height: float, text: str, colour: str) -> None:
    """Draw a layer as a box of a given height with a text, centred on (x, y)."""
    axes.add_patch(Rectangle((x - 0.5, y - height / 2), 1.0, height, facecolor=colour, edgecolor=plotting.BLACK))
    axes.text(x, y, text, ha="center", va="center", size=14)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a thin arrow between two points."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "linewidth": 1.5, "color": plotting.BLACK})


PICTURES: dict[str, Callable[[], Figure]] = {
    function.__name__: function
    for function in (
        start_here,
        alexnet,
        vgg,
        stacked_convolutional_layers,
        classification_performance,
        classification_performance2,
        common_architectures,
        classification_errors,
        generalisation,
    )
}


def alt(name: str) -> str:
    """The alternative text of one of PICTURES, in one line."""
    return " ".join(inspect.getdoc(PICTURES[name]).split())


def draw(name: str) -> bytes:
    """One of PICTURES as the bytes of a PNG file, in the course's style, with its alternative text."""
    plotting.use_style()
    return plotting.png(PICTURES[name](), alt(name))


if __name__ == "__main__":
    plotting.IMAGES.mkdir(exist_ok=True)
    for name in PICTURES:
        path = plotting.IMAGES / f"{name}.png"
        path.write_bytes(draw(name))
        print(path)
