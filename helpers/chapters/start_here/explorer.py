"""00's explorer, a plain function of values that tests can call at each extreme, and its button for photographs."""

import io
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from helpers import evaluation, gallery
from helpers.errors import CourseError
from helpers.photos import read_photo
from helpers.plotting import display_forms, image_tag, png
from helpers.pretrained import Network


def draw_fewer_pixels(network: Network, photo: Image.Image, pixels: int) -> Figure:
    """A photograph reduced to `pixels` on its shorter side, as the network is given it, and the five best guesses."""
    small = shrink(photo, pixels)
    probabilities, classes = evaluation.top_k(network(network.preprocess(small)[None]), k=5)
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    gallery.show_photo(left, small, f"{small.width} x {small.height} pixels")
    left.images[0].set_interpolation("nearest")
    gallery.guess_bars(right, [network.categories[index] for index in classes[0]], probabilities[0], title=network.name)
    return fig


def shrink(photo: Image.Image, pixels: int) -> Image.Image:
    """The photograph with `pixels` on its shorter side, and at least 1 on the other."""
    return photo.resize([max(1, round(side * pixels / min(photo.size))) for side in photo.size])


def photo_upload(draw: Callable[[Image.Image], Figure], alt: str) -> None:
    """Show a button that takes photographs from the reader's disk, and below it the figure `draw(photo)` of each.

    A file that is no photograph gets its sentence there instead.
    """
    button = widgets.FileUpload(accept="image/*", multiple=True, description="Choose photographs")
    button.layout.width = "15em"
    below = widgets.VBox()

    def answer(change: dict[str, Any]) -> None:
        shown = []
        for name, content in uploaded(change["new"]):
            try:
                photo = read_photo(io.BytesIO(content), name)
                shown.append(widgets.HTML(image_tag(png(draw(photo)), f"{alt} Photograph: {name}.")))
            except CourseError as error:
                shown.append(widgets.Label(str(error)))
        below.children = shown

    button.observe(answer, names="value")
    display_forms(alt, widget=widgets.VBox([button, below]))


def uploaded(value: Any) -> list[tuple[str, bytes]]:
    """Name and content of each file that a button holds: a dictionary by name in ipywidgets 7, a tuple in 8."""
    files = value.items() if isinstance(value, dict) else [(file["name"], file) for file in value]
    return [(name, file["content"]) for name, file in files]
