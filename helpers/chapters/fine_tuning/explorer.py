"""09's explorer: a plain function of a few values, so that tests can call each extreme."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from helpers import plotting
from helpers.chapters.fine_tuning import maps
from helpers.recorded import curves

LOOKS = ((plotting.SKY, "o"), (plotting.ORANGE, "s"), (plotting.GREEN, "D"), (plotting.PURPLE, "^"))


def learning_rates(data: str, images: int, way: str, lr: float) -> Figure:
    """Left: the error of each way against its learning rate. Right: the curves of `way` at the learning rate `lr`."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5))
    for each, (colour, marker) in zip(maps.CUTS, LOOKS, strict=True):
        rates = curves.rates(data, images, each)
        errors = [curves.error(data, images, each, rate) for rate in rates]
        chosen = each == way
        left.plot(rates, errors, color=colour, marker=marker, linestyle="-", alpha=1 if chosen else 0.35, label=each)
        if chosen and errors:
            best = int(np.argmin(errors))
            at = maps.decimal(rates[best])
            fig.suptitle(f"{images} {data} per class, {way}: least error {errors[best]:.1%} at {at}")
    left.axvline(lr, color=plotting.GREY, linewidth=1, linestyle=":")
    left.set(
        xscale="log",
        ylim=(0, 0.5),
        xlabel="learning rate",
        ylabel="error",
        title="every learning rate, errors up to 0.5",
    )
    left.legend(fontsize=13)
    right.set(xlabel="steps", ylim=(-0.03, 1.03), title=f"learning rate {maps.decimal(lr)}")
    if curves.runs(data, images, way, lr).empty:
        right.text(0.5, 0.5, "not recorded", ha="center", transform=right.transAxes, color=plotting.GREY)
    else:
        maps.draw_curves(right, data, images, way, lr)
        right.legend(fontsize=13)
    return fig
