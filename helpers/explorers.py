"""The figures behind the notebooks' explorers: plain functions of a few values, so that tests can call each extreme."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from PIL import Image

from helpers import evaluation, plotting
from helpers.pretrained import Network


def fewer_pixels(network: Network, photo: Image.Image, pixels: int) -> Figure:
    """A photograph reduced to `pixels` on its shorter side, as the network is given it, and the five best guesses."""
    small = shrink(photo, pixels)
    guesses = guess(network, small)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    left.imshow(small, interpolation="nearest")
    left.set_title(f"{small.width} x {small.height} pixels")
    left.axis("off")
    names = [network.categories[index] for index in guesses.classes[0]]
    plotting.guess_bars(right, names, guesses.probabilities[0], title=network.name)
    return figure


def shrink(photo: Image.Image, pixels: int) -> Image.Image:
    """The photograph with `pixels` on its shorter side, and at least 1 on the other."""
    scale = pixels / min(photo.size)
    return photo.resize([max(1, round(side * scale)) for side in photo.size])


def guess(network: Network, photo: Image.Image, k: int = 5) -> evaluation.Guesses:
    """The k likeliest categories of one photograph, on whatever device the network is."""
    device = next(network.module.parameters()).device
    with torch.inference_mode():
        return evaluation.top_k(network.module(network.preprocess(photo)[None].to(device)).cpu(), k)


def temperature(logits: torch.Tensor, categories: list[str], temperature: float) -> Figure:
    """softmax(logits [classes] / temperature): the five likeliest as bars, and all of them in falling order."""
    probabilities, classes = evaluation.top_k(logits[None] / temperature, k=len(logits))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    names = [categories[index] for index in classes[0, :5]]
    plotting.guess_bars(left, names, probabilities[0, :5], title=f"temperature {temperature:g}")
    right.plot(range(1, len(logits) + 1), probabilities[0].clamp(min=1e-12))
    right.set(xscale="log", yscale="log", ylim=(1e-8, 2), xlabel="rank of the category", ylabel="probability")
    return figure
