"""The pictures under images/, drawn by code: `python -m helpers.diagrams` draws them all again.

The docstring of each function is the alternative text of its picture.
"""

import inspect
from collections.abc import Callable

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import ImageOps

from helpers import datasets, evaluation, plotting, pretrained


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


def block(axes: Axes, text: str) -> None:
    """Draw a box with a text, an arrow into it from the left and one out of it to the right."""
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    style = {"boxstyle": "round,pad=0.6", "facecolor": plotting.SKY, "edgecolor": "none"}
    axes.text(0.5, 0.5, text, ha="center", va="center", bbox=style)
    for start, end in ((0.0, 0.14), (0.86, 1.0)):
        arrow = {"arrowstyle": "-|>", "linewidth": 3, "mutation_scale": 25, "color": plotting.BLACK}
        axes.annotate("", (end, 0.5), (start, 0.5), arrowprops=arrow, annotation_clip=False)


PICTURES: dict[str, Callable[[], Figure]] = {"start_here": start_here}


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
