"""06's charts: the winners of ILSVRC, and a reliability diagram."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import evaluation, plotting

QUOTED = "Russakovsky et al. 2015, arXiv:1409.0575"  # which we read in quotations alone


class Winner(NamedTuple):
    """Who won ILSVRC's classification task: top-5 errors in %."""

    year: int
    name: str
    top_5: float  # on the test set, as submitted
    made_of: str  # what stands under its bar
    submitted: str  # what was submitted
    single: float | None  # error of one of its networks on the validation set
    how: str  # how many crops of a photograph that network was shown
    source: str


WINNERS = (
    Winner(2010, "SIFT features, SVM", 28.2, "no network", "no network", None, "", QUOTED),
    Winner(2011, "Fisher vectors, SVM", 25.8, "no network", "no network", None, "", QUOTED),
    Winner(2012, "AlexNet", 16.4, "5 networks,\n8 layers", "5 networks", 18.2, "ten crops", "Krizhevsky et al. 2012"),
    Winner(
        2013,
        "Clarifai",
        11.7,
        "several\nnetworks",
        "several networks",
        None,
        "",
        "image-net.org/challenges/LSVRC/2013/results.php",
    ),
    Winner(
        2014,
        "GoogLeNet",
        6.67,
        "7 networks,\n22 layers",
        "7 networks, 144 crops each",
        10.07,
        "one crop",
        "Szegedy et al. 2014, arXiv:1409.4842",
    ),
    Winner(
        2015,
        "ResNet",
        3.57,
        "ensemble, up\nto 152 layers",
        "networks of several depths",
        4.49,
        "several scales",
        "He et al. 2015, arXiv:1512.03385",
    ),
)
MANY_CROPS = {"GoogLeNet": 7.89}  # its one network with 144 crops, on the validation set; by the same paper
HUMAN_WRONG, HUMAN_COUNT = 76, 1500  # the only count that gives both 5.1 % and QUOTED's p = 0.022 against 102


def winners(rows: Sequence[Winner]) -> Figure:
    """Top-5 error of ILSVRC's winners by year, each with what it is made of, and a line for one trained person."""
    fig, ax = plt.subplots(figsize=(11, 5.5))
    human = 100 * HUMAN_WRONG / HUMAN_COUNT
    for row in rows:
        color = "white" if row.source == QUOTED else plotting.SKY
        ax.bar(row.year, row.top_5, color=color, edgecolor=plotting.BLUE, lw=2)
        place = row.top_5 + 0.4 if abs(row.top_5 - human) > 2.5 else 0.8  # not across the line
        ax.text(row.year, place, f"{row.top_5:.3g} %", ha="center", weight="bold")
        style = {"ha": "center", "va": "top", "size": 13, "transform": ax.get_xaxis_transform()}
        ax.text(row.year, -0.085, row.name.replace(", ", "\n") + f"\n{row.made_of}", **style)
    ax.axhline(human, color=plotting.RED, linestyle="--")
    ax.text(2015.6, human + 0.5, f"one trained\nperson\n{human:.1f} %")
    ax.set(ylabel="top-5 error, %", ylim=(0, 31), xlim=(2009.4, 2017), xticks=[row.year for row in rows])
    ax.set_title("Winners of ILSVRC (white: read in quotations)")
    return fig


def reliability(ax: Axes, confidence: torch.Tensor, right: torch.Tensor, bins: int = 10) -> float:
    """Draw how often the first guess is right, bool [N], against its probability, float [N], in equal `bins`.

    Points with 95 % intervals (Wilson), whose area grows with their photographs. Returns the expected calibration
    error: the mean gap between probability and share, weighted by photographs. Source: Guo et al. 2017,
    arXiv:1706.04599.
    """
    places, error = (confidence * bins).long().clamp(max=bins - 1), 0.0
    ax.plot([0, 1], [0, 1], linestyle="--", color=plotting.GREY, lw=1.5)
    for place in places.unique():
        inside = places == place
        mean, count = confidence[inside].double().mean().item(), int(inside.sum())
        share = evaluation.error_rate(int(right[inside].sum()), count)
        ax.plot([mean, mean], [share.low, share.high], color=plotting.GREY, linestyle="-", lw=1.5)
        ax.scatter(mean, share.value, 15 + count, color=plotting.BLUE, zorder=3, clip_on=False)
        error += abs(mean - share.value) * count / len(right)
    ax.set(xlim=(0, 1.05), ylim=(0, 1.02), xlabel="probability of the first guess", ylabel="share that is right")
    ax.label_outer()
    return error


def calibrated_errors(confidence: torch.Tensor, draws: int = 1000, bins: int = 10) -> torch.Tensor:
    """The calibration errors, float64 [draws], of a network that is perfectly calibrated: each guess is right with the
    probability it states, `confidence`, float [N]. In equal `bins`, as `reliability` has them."""
    generator = torch.Generator().manual_seed(0)
    right = torch.rand(draws, len(confidence), generator=generator) < confidence
    places = (confidence * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(draws, bins, dtype=torch.float64)
    gaps.index_add_(1, places, confidence.double() - right.double())
    return gaps.abs().sum(dim=1) / len(confidence)
