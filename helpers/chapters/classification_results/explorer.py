"""06's explorer: a plain function of a few values, so that tests can call each extreme."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from helpers import evaluation, gallery


def draw_temperature(logits: torch.Tensor, categories: list[str], temperature: float) -> Figure:
    """softmax(logits [classes] / temperature): the five likeliest as bars, and all of them in falling order."""
    probabilities, classes = evaluation.top_k(logits[None] / temperature, k=len(logits))
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    names = [categories[index] for index in classes[0, :5]]
    gallery.guess_bars(left, names, probabilities[0, :5], title=f"temperature {temperature:.3g}")
    right.plot(range(1, len(logits) + 1), probabilities[0].clamp(min=1e-12))
    right.set(xscale="log", yscale="log", ylim=(1e-8, 2), xlabel="rank of the category", ylabel="probability")
    return fig
