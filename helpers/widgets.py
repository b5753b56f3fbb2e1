"""Explorers and buttons: widgets for a live kernel, that leave a picture for readers without one."""

import io
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure
from PIL import Image

from helpers.errors import CourseError
from helpers.photos import read_photo
from helpers.plotting import display_forms, png


def explore(draw: Callable[..., Figure], alt: str, **controls: widgets.Widget) -> None:
    """Show widgets above the figure that `draw(**values)` makes of their values, and redraw it whenever one changes.

    Readers without a live kernel see the figure of the first values, with the alternative text `alt`.
    """

    def redraw(_: Any = None) -> bytes:
        picture.value = png(draw(**{name: control.value for name, control in controls.items()}))
        return picture.value

    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
    first = redraw()
    for control in controls.values():
        control.observe(redraw, names="value")
    panel = widgets.VBox([*controls.values(), picture])
    display_forms(alt, picture=first, widget=panel)


def photo_upload(draw: Callable[[Image.Image], Figure], alt: str) -> None:
    """Show a button that takes photographs from the reader's disk, and below it the figure `draw(photo)` of each.

    A file that is no photograph gets its sentence there instead.
    """
    button = widgets.FileUpload(accept="image/*", multiple=True, description="Choose photographs")
    button.layout.width = "15em"
    below = widgets.VBox()

    def answer(change: dict[str, Any]) -> None:
        shown = []
        for file in change["new"]:
            try:
                photo = read_photo(io.BytesIO(file["content"]), file["name"])
                shown.append(widgets.Image(value=png(draw(photo)), format="png", layout={"max_width": "100%"}))
            except CourseError as error:
                shown.append(widgets.Label(str(error)))
        below.children = shown

    button.observe(answer, names="value")
    display_forms(alt, widget=widgets.VBox([button, below]))
