"""07's pictures."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from sklearn.decomposition import PCA

from helpers import bundled, gallery, plotting, pretrained, transfer
from helpers.chapters.features import changes
from helpers.datasets import Arrays

SIDE = 128
SHOWN = (0, 6, 9, 17)  # of the labelled photographs: dog, jeep, bottlecap, eagle
KINDS = ("translation", "light", "scale", "rotation")
COLOURS = (plotting.ORANGE, plotting.BLUE, plotting.RED, plotting.GREEN)


def image_recognition_pixels() -> Figure:
    """Left, four photographs, each with a copy that is shifted, one that is darker, larger, turned. Right, the map of
    all of them by their pixels: the darker copies of the dog, the car and the bottle cap lie far from their
    photographs, on the side of the eagle."""
    images = _versions()
    return _map(images, images.float().flatten(1), f"as pixels: {images[0].numel():,} numbers each")


def image_recognition_features() -> Figure:
    """Left, four photographs, each with a copy that is shifted, one that is darker, larger, turned. Right, the map of
    all of them by a network's features: all but one car lie together with their copies."""
    images = _versions()
    network = pretrained.load("efficientnet_lite0").at(SIDE)
    (features,) = transfer.embed(network, Arrays(images, torch.zeros(len(images)).long(), ["photo"])).layers.values()
    return _map(images, features, f"as features: {features.shape[1]:,} numbers each")


def _versions() -> torch.Tensor:
    """Each of SHOWN, then its changes, uint8 [photographs x (1 + KINDS), 3, SIDE, SIDE]."""
    photos = bundled.labelled_photos()
    images = []
    for number in SHOWN:
        photo = changes.with_margin(photos[number][0], SIDE)
        images.append(changes.centre_crop(photo, SIDE))
        for kind in KINDS:
            change = changes.CHANGES[kind]
            images.append(change.make(photo, SIDE, change.largest * 0.8))
    return torch.stack(images)


def _map(images: torch.Tensor, vectors: torch.Tensor, title: str) -> Figure:
    """The images in rows, and as thumbnails where the first two principal components of their vectors put them."""
    places = PCA(2, svd_solver="full").fit_transform(vectors.double().numpy())
    places *= np.sign(places[0])  # a component has no sign of its own: the first photograph is on the right
    places /= abs(places).max(axis=0)
    columns = 1 + len(KINDS)
    figure = plt.figure(figsize=(13, 5.6))
    left, right = figure.subfigures(1, 2, width_ratios=[6, 7])
    for row, axes in enumerate(left.subplots(len(SHOWN), columns)):
        for column, axis in enumerate(axes):
            gallery.show_photo(axis, images[row * columns + column])
            if row == 0:
                axis.set_title(("photograph", *KINDS)[column], size=13)
    axes = right.subplots()
    for number, (place, image) in enumerate(zip(places, images, strict=True)):
        box = OffsetImage(image.permute(1, 2, 0).numpy(), zoom=0.3)
        style = {"edgecolor": COLOURS[number // columns], "linewidth": 4, "boxstyle": "square,pad=0.02"}
        axes.add_artist(AnnotationBbox(box, place, pad=0.1, bboxprops=style))
    axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), xticks=[], yticks=[], title=title)
    axes.set_xlabel("first principal component")
    axes.set_ylabel("second principal component")
    return figure
