"""The pictures under images/, drawn by code, a module for each chapter: `python -m images.drawing` draws them all.

The docstring of each function is the alternative text of its picture.
"""

import inspect
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers import plotting
from images.drawing import (
    alexnet,
    classification_results,
    features,
    fine_tuning,
    googlenet,
    mobilenets,
    resnet,
    start_here,
    transfer_learning,
    vgg,
)

WORDS = Path(__file__).with_name("words.json")  # of each picture as committed, and the Matplotlib that drew it

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
        mobilenets.mobilenets,
        mobilenets.mobilenet_architecture,
        classification_results.classification_performance,
        classification_results.classification_performance2,
        classification_results.common_architectures,
        classification_results.classification_errors,
        classification_results.generalisation,
        features.image_recognition_pixels,
        features.image_recognition_features,
        transfer_learning.alexnet2,
        transfer_learning.transfer_learning_pipeline,
        transfer_learning.transfer_learning_last_layer,
        transfer_learning.transfer_learning_swap,
        transfer_learning.transfer_learning_initialise,
        transfer_learning.transfer_learning_freeze,
        fine_tuning.pretrained_features,
    )
}


def alt(name: str) -> str:
    """The alternative text of one of PICTURES, in one line."""
    return " ".join(inspect.getdoc(PICTURES[name]).split())


def draw(name: str) -> tuple[bytes, list[str]]:
    """One of PICTURES as the bytes of a PNG file, in the course's style, with its alternative text; and its words.

    The words are those that are drawn, numbers included, sorted: another release of Matplotlib draws the same ones by
    other pixels.
    """
    plotting.use_style()
    figure = PICTURES[name]()
    file = plotting.png(figure, alt(name))
    words = (text.get_text() for text in figure.findobj(Text) if text.get_visible())
    return file, sorted(word for word in words if word)
