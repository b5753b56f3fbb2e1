"""00's explorer: a plain function of a few values, so that tests can call each extreme."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from helpers import evaluation, gallery
from helpers.pretrained import Network


def draw_fewer_pixels(network: Network, photo: Image.Image, pixels: int) -> Figure:
    """A photograph reduced to `pixels` on its shorter side, as the network is given it, and the five best guesses."""
    small = shrink(photo, pixels)
    probabilities, classes = evaluation.top_k(network(network.preprocess(small)[None]), k=5)
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    gallery.show_photo(left, small, f"{small.width} x {small.height} pixels")
    left.images[0].set_interpolation("nearest")
    gallery.guess_bars(right, [network.categories[index] for index in classes[0]], probabilities[0], title=network.name)
    return fig


def shrink(photo: Image.Image, pixels: int) -> Image.Image:
    """The photograph with `pixels` on its shorter side, and at least 1 on the other."""
    return photo.resize([max(1, round(side * pixels / min(photo.size))) for side in photo.size])
