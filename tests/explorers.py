"""Move the explorers of a notebook as a browser does. The text of this file is run in the notebook's own kernel.

conftest.py adds it behind the last cell of each notebook, where all that the cells have bound can spoil an explorer.
"""

import gc
from typing import Any

import ipywidgets


def both_ends(control: ipywidgets.Widget) -> list[dict[str, Any]]:
    """What a browser sends when a control is moved to its first and to its last setting."""
    if hasattr(control, "options"):
        return [{"index": 0}, {"index": len(control.options) - 1}]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [{"value": control.base**end} for end in (control.min, control.max)]
    return [{"value": control.min}, {"value": control.max}]


def source(picture: ipywidgets.HTML) -> str:
    """The file in an <img> element, without its alternative text, which names the setting."""
    return picture.value.partition(' src="')[2].partition('"')[0]


def move_every_control() -> None:
    """Fail unless each control of each explorer changes the picture, and its first setting brings it back."""
    boxes = [each for each in gc.get_objects() if type(each) is ipywidgets.VBox and each.children]
    panels = [box for box in boxes if type(box.children[-1]) is ipywidgets.HTML and "<img" in box.children[-1].value]
    assert panels, "this notebook has no explorer"
    for *controls, picture in (panel.children for panel in panels):
        first = source(picture)
        for control in controls:
            key = "index" if hasattr(control, "options") else "value"
            start, pictures = getattr(control, key), {first}
            for end in both_ends(control):
                control.set_state(end)
                pictures.add(source(picture))
            assert len(pictures) > 1, f'the control "{control.description}" changes nothing'
            control.set_state({key: start})
            assert source(picture) == first, f'"{control.description}" set back does not give the first picture'
