"""06's pictures."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

from helpers import bundled, catalogue, charts, evaluation, gallery, pretrained
from helpers.chapters.classification_results import figures
from images.drawing.shapes import block


def classification_performance() -> Figure:
    """Bars of the top-5 error of ILSVRC's winners: about 28 % and 26 % without a network in 2010 and 2011, 16 % for
    AlexNet's 5 networks in 2012, then 12 %, 7 % for GoogLeNet's 7 networks and 4 % for an ensemble of ResNets in 2015,
    below a line for one trained person."""
    return figures.winners(figures.WINNERS)


def classification_performance2() -> Figure:
    """Top-1 accuracy against multiply-adds: MobileNets at the upper left, ResNets at the upper right, GoogLeNet
    between them, VGG at the far right with the largest areas, AlexNet and SqueezeNet far below."""
    return charts.accuracy_against_mult_adds(catalogue.entries())


def common_architectures() -> Figure:
    """Bars of parameters, multiply-adds and top-1 error for seven networks: VGG-16 is by far the largest, AlexNet and
    SqueezeNet make the most errors, ResNet-50 and EfficientNet-Lite0 the fewest."""
    members = ["alexnet", "vgg16", "googlenet", "resnet50", "mobilenet_v2", "squeezenet1_1", "efficientnet_lite0"]
    entries = [entry for entry in catalogue.entries() if entry.name in members]
    panels = {
        "parameters, millions": [entry.parameters / 1e6 for entry in entries],
        "mult-adds, billions": [entry.mult_adds / 1e9 for entry in entries],
        "top-1 error, %": [100 * entry.top_1 for entry in entries],
    }
    colours = [charts.FAMILY_STYLE[entry.family][0] for entry in entries]
    names = [f"{entry.name} ({entry.year})" for entry in entries]
    return charts.bar_panels(panels, names, colours, height=0.55 * len(entries) + 1.2)


def classification_errors() -> Figure:
    """Photographs that SqueezeNet gets wrong, with its five guesses as bars: a dung beetle called a ground beetle, a
    shoe called a sunglass, a bull mastiff called a boxer, a beaker called a wine bottle; the label comes later."""
    photos = bundled.labelled_photos()
    logits, labels, *_ = evaluation.predict(pretrained.load("squeezenet1_1"), photos)
    guesses = evaluation.top_k(logits)
    sureness = torch.where(guesses.classes[:, 0] == labels, 0, guesses.probabilities[:, 0])
    return gallery.guess_gallery(photos, sureness.topk(4).indices.tolist(), {"SqueezeNet": guesses}, photos.categories)[
        0
    ]


def generalisation() -> Figure:
    """A photograph of a cup, the silhouette of a giraffe and a handwritten digit; an arrow into one network, and out of
    it one embedding that serves three tasks: which object, which animal, which digit."""
    pictures = {
        "which object?": bundled.free_photos()[1][0],
        "which animal?": Image.fromarray(bundled.animal_shapes()[0].images[5000].numpy()),
        "which digit?": Image.fromarray((load_digits().images[4] * 15).astype("uint8")),
    }
    figure, axes = plt.subplots(3, 3, figsize=(11, 6), width_ratios=[2, 5, 2])
    for (left, _, right), (task, picture) in zip(axes, pictures.items(), strict=True):
        gallery.show_photo(left, ImageOps.fit(picture.convert("RGB"), (160, 160)))
        right.axis("off")
        right.text(0, 0.5, task, va="center", size=18)
    for axis in axes[:, 1]:
        axis.remove()
    block(
        figure.add_subplot(axes[0, 1].get_gridspec()[:, 1]),
        "one network,\ntrained on ImageNet\n\none embedding:\n1,280 numbers",
    )
    return figure
