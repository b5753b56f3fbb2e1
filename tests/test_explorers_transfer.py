"""08's explorer, at its extremes."""

import itertools

import matplotlib.pyplot as plt
import pytest
import torch

from helpers import explorers, plotting
from helpers.datasets import ANIMALS, Arrays
from helpers.transfer import Embeddings


def made(count, layers):
    """`count` images of each class, as an embedding with the values of each of `layers`, which take the labels."""
    labels = torch.arange(10).repeat_interleave(count)
    values = {name: function(labels) for name, function in layers.items()}
    shapes = Arrays(torch.zeros(len(labels), 28, 28, dtype=torch.uint8), labels, list(ANIMALS))
    return Embeddings(values, labels, torch.arange(len(labels)), []), shapes


LAYERS = {
    "right": lambda labels: torch.nn.functional.one_hot(labels, 10).float(),
    "always next": lambda labels: torch.nn.functional.one_hot(labels % 10, 10).float(),
    "nothing": lambda labels: torch.zeros(len(labels), 3),
}


def draw(layer, k, per_class, testing=LAYERS):
    plotting.use_style()
    (known, known_shapes), (asked, asked_shapes) = made(8, LAYERS), made(2, testing)
    figure = explorers.nearest_by_embedding(known, asked, (known_shapes, asked_shapes), layer, k, per_class)
    left, right = figure.axes
    said = [text.get_text() for text in left.texts]
    shown = len(right.images), [text.get_text() for text in right.texts]
    plt.close(figure)
    return said, shown


@pytest.mark.parametrize("layer, k, per_class", list(itertools.product(("right", "nothing"), (1, 25), (1, 8))))
def test_every_extreme_is_drawn(layer, k, per_class):
    said, (pictures, names) = draw(layer, k, per_class)
    assert len(said) == 3 and pictures == len(names) == 5 * (1 + min(k, 5))


def test_the_accuracy_is_that_of_the_neighbours():
    shifted = LAYERS | {"always next": lambda labels: LAYERS["right"]((labels + 1) % 10)}
    said, (_, names) = draw("always next", 5, 8, shifted)
    assert said == ["right: 100%", "always next: 0%", "nothing: 10%"]
    assert names[:6] == ["bear"] + ["bird"] * 5


def test_of_each_class_only_the_first_images_are_known():
    said, _ = draw("right", 1, 1)
    assert said[0] == "right: 100%"
    said, _ = draw("right", 15, 2)  # 2 of 15 neighbours are right, the others equally far
    assert said[0] == "right: 100%"
