"""One style for every figure of the course, and one way to show a figure, with words for those who cannot see it."""

import base64
import html
import io
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from helpers.datasets import NO_CATEGORY, Photos, read_photo
from helpers.errors import CourseError
from helpers.evaluation import Guesses

IMAGES = Path(__file__).resolve().parents[1] / "images"

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
        color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY],
        linestyle=["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1))],
    ),
    "lines.linewidth": 3,
    "lines.markersize": 9,
    "legend.frameon": False,
    "grid.color": "#DDDDDD",
}


def use_style() -> None:
    """Give all later figures the course's size, colours and fonts. Without a live kernel's window they stay unshown."""
    plt.rcParams.update(STYLE)


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
    """Show a figure in a notebook with the alternative text `alt`, and close it.

    The text is kept in the committed notebook twice: as the picture's "alt", which web pages read out, and as the
    output's plain text, which nbval compares.
    """
    _display(alt, picture=png(figure, alt))


def show_image(name: str) -> None:
    """Show images/`name`.png, drawn by helpers.diagrams, with the alternative text in it.

    An output, not a link in a text cell, because JupyterLab opened in notebooks/ and Colab cannot follow ../images/.
    """
    path = IMAGES / f"{name}.png"
    _display(Image.open(path).info["Description"], picture=path.read_bytes())


def explorer(draw: Callable[..., Figure], alt: str, **controls: widgets.Widget) -> None:
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
    _display(alt, picture=first, widget=panel)


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
    _display(alt, widget=widgets.VBox([button, below]))


def sortable_table(rows: list[dict[str, Any]], formats: dict[str, str], sort_by: str) -> None:
    """Show a table of text with a menu of columns to sort by; None is shown as -, and sorted last.

    rows: one dictionary a row, with the columns of `formats` (a format such as "{:.1f}" for each) in their order.
    """

    def table(column: str) -> str:
        ordered = sorted(rows, key=lambda row: (row[column] is None, row[column]))
        lines = [list(formats)]
        lines += [
            [form.format(row[name]) if row[name] is not None else "-" for name, form in formats.items()]
            for row in ordered
        ]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )

    menu = widgets.Dropdown(options=list(formats), value=sort_by, description="sort by")
    text = widgets.HTML()

    def fill(_: Any = None) -> None:
        text.value = f"<pre>{html.escape(table(menu.value))}</pre>"

    menu.observe(fill, names="value")
    fill()
    _display(table(sort_by), widget=widgets.VBox([menu, text]))


def _display(alt: str, picture: bytes | None = None, widget: widgets.Widget | None = None) -> None:
    """One output with several forms: a live kernel shows the widget, other readers the picture or the text."""
    bundle = widget._repr_mimebundle_() if widget else {}
    if picture:
        bundle["image/png"] = base64.b64encode(picture).decode()
    display({**bundle, "text/plain": alt}, metadata={"image/png": {"alt": alt}} if picture else None, raw=True)


def apart(heights: Iterable[float], gap: float) -> list[float]:
    """Heights for labels: those given, each moved up so far that it is `gap` or more above the next lower one."""
    heights = list(heights)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for lower, upper in itertools.pairwise(order):
        heights[upper] = max(heights[upper], heights[lower] + gap)
    return heights


def show_photo(axes: Axes, photo: Image.Image, title: str = "") -> None:
    """Draw a photograph without axes."""
    axes.imshow(photo)
    axes.set_title(title)
    axes.axis("off")


def guess_gallery(
    photos: Photos, rows: Iterable[int], guesses: dict[str, Guesses], categories: list[str]
) -> tuple[Figure, str]:
    """A row for each of the photographs `rows`: the photograph, then the guesses of each network, by its name.

    Row i of every Guesses is photograph i of `photos`. Returns the figure and its alternative text.
    """
    rows = list(rows)
    figure, axes = plt.subplots(
        len(rows), 1 + len(guesses), figsize=(11, 2.6 * len(rows)), squeeze=False, width_ratios=[2, *[3] * len(guesses)]
    )
    said = []
    for (left, *others), row in zip(axes, rows, strict=True):
        photo, label = photos[row]
        truth = None if label == NO_CATEGORY else categories[label]
        show_photo(left, photo, truth or photos.samples[row][0].name)
        for axis, (network, (probabilities, classes)) in zip(others, guesses.items(), strict=True):
            names = [categories[index] for index in classes[row]]
            guess_bars(axis, names, probabilities[row], truth, network if row == rows[0] else "")
            axis.tick_params(labelbottom=row == rows[-1])
            axis.set_xlabel("probability" if row == rows[-1] else "")
        best = " and ".join(categories[classes[row, 0]] for _, classes in guesses.values())
        said.append(f"{truth or photos.samples[row][0].name}: {best}")
    names = " and ".join(guesses)
    return figure, f"Photographs with the likeliest categories by {names} as bars. First guesses: {'; '.join(said)}."


def guess_bars(
    axes: Axes, names: list[str], probabilities: torch.Tensor, truth: str | None = None, title: str = ""
) -> None:
    """Draw guesses as horizontal bars, the likeliest on top; the bar of the true name is orange and has a tick.

    names and probabilities [k] go together, falling.
    """
    marks = [name == truth for name in names]
    rows = range(len(names))
    axes.barh(rows, probabilities.tolist(), color=[ORANGE if mark else SKY for mark in marks])
    for row, name, mark in zip(rows, names, marks, strict=True):
        axes.text(0.01, row, f"{'✓ ' if mark else ''}{name}", va="center", weight="bold" if mark else "normal")
    axes.set(xlim=(0, 1), yticks=[], title=title, xlabel="probability")
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
