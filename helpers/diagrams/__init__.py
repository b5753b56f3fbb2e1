"""The pictures under images/, drawn by code, a module for each chapter: `python -m helpers.diagrams` draws them all.

The docstring of each function is the alternative text of its picture.
"""

import inspect
from collections.abc import Callable

from matplotlib.figure import Figure

from helpers import plotting
from helpers.diagrams import (
    alexnet,
    features,
    fine_tuning,
    googlenet,
    mobilenet,
    resnet,
    results,
    start_here,
    transfer,
    vgg,
)

PICTURES: dict[str, Callable[[], Figure]] = {
    function.__name__: function
    for function in (
        start_here.start_here,
        alexnet.alexnet,
        vgg.vgg,
        vgg.stacked_convolutional_layers,
        googlenet.googlenet,
        googlenet.inception_module,
        googlenet.inception_module2,
        resnet.resnet,
        resnet.resnet_background,
        resnet.resnet2,
        resnet.residual_learning,
        resnet.resnet_innovations,
        mobilenet.mobilenets,
        mobilenet.mobilenet_architecture,
        results.classification_performance,
        results.classification_performance2,
        results.common_architectures,
        results.classification_errors,
        results.generalisation,
        features.image_recognition_pixels,
        features.image_recognition_features,
        transfer.alexnet2,
        transfer.transfer_learning_pipeline,
        transfer.transfer_learning_last_layer,
        transfer.transfer_learning_swap,
        transfer.transfer_learning_initialise,
        transfer.transfer_learning_freeze,
        fine_tuning.pretrained_features,
    )
}


def alt(name: str) -> str:
    """The alternative text of one of PICTURES, in one line."""
    return " ".join(inspect.getdoc(PICTURES[name]).split())


def draw(name: str) -> bytes:
    """One of PICTURES as the bytes of a PNG file, in the course's style, with its alternative text."""
    plotting.use_style()
    return plotting.png(PICTURES[name](), alt(name))
