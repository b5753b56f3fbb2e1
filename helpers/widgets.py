"""Explorers: widgets for a live kernel, that leave a picture for readers without one."""

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from helpers.plotting import display_forms, image_tag, png


def explore(draw: Callable[..., Figure], alt: str, **controls: widgets.Widget) -> None:
    """Show widgets above the figure that `draw(**values)` makes of their values, and redraw it whenever one changes.

    Its alternative text is `alt`, the setting of each control, and the words in the figure: `alt` should say what is
    true of every setting. Readers without a live kernel see the first figure.
    """

    def redraw(_: Any = None) -> None:
        figure = draw(**{name: control.value for name, control in controls.items()})
        setting = ", ".join(f"{control.description} {setting_of(control)}" for control in controls.values())
        words = "; ".join(words_in(figure))
        told = f"{alt} Set here: {setting}." + (f" In the picture: {words}." if words else "")
        shown.update(picture=png(figure), alt=told)
        picture.value = image_tag(**shown)

    shown, picture = {}, widgets.HTML()
    redraw()
    arrange(list(controls.values()))
    for control in controls.values():
        control.observe(redraw, names="value")
    display_forms(**shown, widget=widgets.VBox([*controls.values(), picture]))


def arrange(controls: list[widgets.Widget]) -> None:
    """Give all controls whole labels, in one column; sliders the same width, and buttons as many as fit a line."""
    longest = max(len(control.description) for control in controls)
    for control in controls:
        control.style.description_width = f"{longest}ch"
        control.layout.width, control.layout.max_width = "48em", "100%"
        if isinstance(control, widgets.ToggleButtons):
            control.style.button_width = "auto"
            control.layout.width, control.layout.display = "100%", "flex"  # else the label stands above


def setting_of(control: widgets.Widget) -> str:
    """What a control stands at, as it shows it: the label of an option, or the number."""
    if hasattr(control, "options"):
        return control.label or str(control.value)  # a slider of options begins without a label
    return f"{control.value:.3g}"


def words_in(figure: Figure, most: int = 12) -> list[str]:
    """The titles of a figure, then its labels in words, not those in numbers: each once, and no more than `most`."""
    titles = [figure.get_suptitle(), *(ax.get_title() for ax in figure.axes)]
    labels = [text.get_text() for ax in figure.axes for text in ax.texts]
    words = titles + [label for label in labels if not any(sign.isdigit() for sign in label)]
    return list(dict.fromkeys(" ".join(each.split()) for each in words if each.strip()))[:most]
