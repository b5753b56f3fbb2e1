"""09's explorer: a plain function of a few values, so that tests can call each extreme."""

from statistics import mean
from typing import Literal

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from helpers import plotting
from helpers.chapters.fine_tuning import record


def retrained(runs: list[record.Run], data: str, images: int, lr: float | Literal["best"]) -> Figure:
    """The errors of the recorded map along the cuts: a band for each, over the seeds, and what lies between them.

    `images` per class of `data`; every cut at the learning rate `lr`, or each at its best one.
    """
    found = [record.runs_at(runs, data, images, cut, lr) for cut in record.CUTS]
    names, places = list(record.CUTS.values()), [place for place, runs in enumerate(found) if runs]
    fig, ax = plt.subplots(figsize=(10, 5))
    for part, colour, marker in (("test", plotting.RED, "o"), ("train", plotting.BLUE, "s")):
        errors = [[getattr(run, part) for run in found[place]] for place in places]
        means = [mean(each) for each in errors]
        ax.plot(places, means, color=colour, marker=marker)
        ax.fill_between(places, [min(each) for each in errors], [max(each) for each in errors], color=colour, alpha=0.2)
        ax.annotate(f"  {part}", (places[-1], means[-1]), va="center", color=colour, annotation_clip=False)
        if part == "test":
            least = min(means)
            best = names[places[means.index(least)]]
    for place in set(range(len(names))) - set(places):
        ax.text(place, 0.5, "not\nrecorded", ha="center", color=plotting.GREY)
    chosen = "the best rate of each cut" if lr == "best" else f"learning rate {lr:g}"
    ax.set_title(f"{images} {data} per class, {chosen}\nleast test error {least:.2f}: {best}")
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel="error", ylim=(-0.03, 1), xlim=(-0.3, len(names) - 0.3))
    return fig
