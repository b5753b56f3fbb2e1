"""One style for every figure of the course, and one way to show a figure, with words for those who cannot see it."""

import base64
import html
import io
import itertools
from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from helpers import ROOT, files

IMAGES = ROOT / "images"

# Okabe and Ito 2008, "Color universal design": eight colours that colour-blind readers tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
GREY = "#767676"

STYLE = {
    "figure.figsize": (10, 5),
    "figure.dpi": 80,
    "figure.constrained_layout.use": True,
    "font.size": 16,
    "axes.titlesize": 18,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(
        color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY], linestyle=["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1))]
    ),
    "lines.linewidth": 3,
    "lines.markersize": 9,
    "legend.frameon": False,
    "grid.color": "#DDDDDD",
}


def use_style() -> None:
    """Give all later figures the course's size, colours and fonts, and show tables of pandas whole."""
    plt.rcParams.update(STYLE)
    for limit in ("max_columns", "max_rows", "max_colwidth"):
        pd.set_option(f"display.{limit}", None)
    pd.set_option("display.width", 1000)


def png(figure: Figure, alt: str = "") -> bytes:
    """The figure as a PNG file of 256 colours, a third of the size of one of all colours; closes the figure.

    The alternative text `alt` goes into the file too, under PNG's keyword Description.
    """
    drawn, file, texts = io.BytesIO(), io.BytesIO(), PngInfo()
    figure.savefig(drawn, format="png")
    plt.close(figure)
    texts.add_itxt("Description", alt)
    Image.open(drawn).convert("RGB").quantize(256).save(file, format="png", optimize=True, pnginfo=texts)
    return file.getvalue()


def show(figure: Figure, alt: str) -> None:
    """Show a figure in a notebook with the alternative text `alt`, and close it."""
    display_forms(alt, picture=png(figure))


def show_image(name: str) -> None:
    """Show images/`name`.png, drawn by `python -m images.drawing`, with the alternative text in it.

    An output, not a link in a text cell, because JupyterLab opened in notebooks/ and Colab cannot follow ../images/.
    """
    path = IMAGES / f"{name}.png"
    display_forms(Image.open(path).info["Description"], picture=path.read_bytes())


def display_forms(alt: str, picture: bytes | None = None, widget: Any | None = None) -> None:
    """One output with several forms: a live kernel shows the widget, other readers the picture or the text."""
    view = {"version_major": 2, "version_minor": 0}  # of the protocol, in ipywidgets 7 (Colab's) and 8 alike
    bundle = {"application/vnd.jupyter.widget-view+json": view | {"model_id": widget.model_id}} if widget else {}
    if picture:
        bundle["text/html"] = image_tag(picture, alt)
    display({**bundle, "text/plain": alt}, raw=True)


def image_tag(picture: bytes, alt: str) -> str:
    """HTML of a PNG file, with its alternative text: JupyterLab and nbconvert drop the text of an image/png output."""
    source = base64.b64encode(picture).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{source}" style="max-width: 100%">'


def plain(name: str) -> str:
    """The name of a file or a class for Matplotlib, which draws it as it is: two $ in it enclose no formula."""
    return files.readable(name).replace("$", r"\$")


def spread_labels(heights: Iterable[float], gap: float) -> list[float]:
    """Heights for labels: those given, each moved up so far that it is `gap` or more above the next lower one."""
    heights = list(heights)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for lower, upper in itertools.pairwise(order):
        heights[upper] = max(heights[upper], heights[lower] + gap)
    return heights
