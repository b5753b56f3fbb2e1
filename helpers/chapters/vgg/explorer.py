"""02's explorer: a plain function of a few values, so that tests can call each extreme."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageOps
from torch import nn
from torchvision.transforms.v2 import functional as TF

from helpers import gallery, plotting
from helpers.chapters.vgg import receptive_field


def seen_by_one_unit(photo: Image.Image, kernel: int, stride: int, depth: int, dilation: int) -> Figure:
    """What one unit sees of a photograph, scaled to 224 x 224, after `depth` equal convolutions (`kernel` odd).

    Left: the squares that the units of each layer see, the last and widest in orange. Right: the widest one cut out;
    pixels that no path reaches are black, what lies outside the photograph is grey.
    """
    model, size = convolutions(kernel, stride, depth, dilation), 224
    fields = list(receptive_field.fields(model).values())
    last = fields[-1]
    reached = receptive_field.measured(model, str(depth - 1), size) > 0
    photo = TF.to_image(ImageOps.fit(photo, (size, size)))
    centre = -(-size // last.jump) // 2 * last.jump  # the map has size / jump units, rounded up
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5.4))
    gallery.show_photo(left, photo, f"after layer {depth}: {last.size} x {last.size} pixels")
    for field in fields:
        corner, style = centre - field.size // 2 - 0.5, {"edgecolor": plotting.YELLOW, "linewidth": 1.5}
        left.add_patch(Rectangle((corner, corner), field.size, field.size, fill=False, **style))
    left.patches[-1].set(edgecolor=plotting.ORANGE, linewidth=3)
    margin = min(last.size // 2, size)  # a wider cut would only show more grey
    cut = TF.crop(TF.pad(photo * reached, [margin] * 4, fill=128), centre, centre, 2 * margin + 1, 2 * margin + 1)
    gallery.show_photo(right, cut, f"what it sees; its neighbor: {last.jump} px on")
    return fig


def convolutions(kernel: int, stride: int, depth: int, dilation: int) -> nn.Sequential:
    """`depth` convolutions of one channel, one after the other, padded so that stride 1 keeps the size."""
    options = {"padding": (kernel - 1) * dilation // 2, "dilation": dilation}
    return nn.Sequential(*[nn.Conv2d(1, 1, kernel, stride, **options) for _ in range(depth)])
