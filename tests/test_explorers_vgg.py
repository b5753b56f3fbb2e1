"""02's explorer, at its extremes."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers import explorers, plotting

EXTREMES = list(itertools.product((3, 7), (1, 2), (1, 8), (1, 4)))


def panels(figure):
    """The right-hand picture, and the widths of the squares on the left one."""
    left, right = figure.axes
    widths = [patch.get_width() for patch in left.patches]
    cut = np.asarray(right.images[0].get_array())
    titles = left.get_title(), right.get_title()
    plt.close(figure)
    return cut, widths, titles


@pytest.mark.parametrize("kernel, stride, depth, dilation", EXTREMES)
def test_every_extreme_is_drawn(kernel, stride, depth, dilation):
    plotting.use_style()
    cut, widths, titles = panels(
        explorers.seen_by_one_unit(Image.new("RGB", (300, 90), "white"), kernel, stride, depth, dilation)
    )
    jumps = [stride**layer for layer in range(depth)]
    fields = [1 + (kernel - 1) * dilation * sum(jumps[: layer + 1]) for layer in range(depth)]
    assert widths == fields
    assert titles[0] == f"behind layer {depth}: {fields[-1]} x {fields[-1]} pixels"
    assert titles[1].endswith(f"{stride**depth} px on")
    assert cut.shape == (min(fields[-1], 449),) * 2 + (3,)


@pytest.mark.parametrize("kernel, depth, dilation, white", [(3, 1, 1, 9), (3, 1, 4, 9), (3, 2, 2, 25), (7, 1, 2, 49)])
def test_only_the_pixels_that_are_reached_are_lit(kernel, depth, dilation, white):
    cut, *_ = panels(explorers.seen_by_one_unit(Image.new("RGB", (224, 224), "white"), kernel, 1, depth, dilation))
    assert (cut == 255).all(axis=2).sum() == white
    assert ((cut == 255) | (cut == 0)).all()


def test_what_lies_outside_the_photograph_is_grey():
    cut, *_ = panels(explorers.seen_by_one_unit(Image.new("RGB", (224, 224), "white"), 7, 2, 8, 1))
    assert (cut[0, 0] == 128).all() and (cut == 255).any()


def test_a_photograph_of_any_size_and_shape_is_taken():
    for size in ((1, 1), (7, 300), (3000, 10)):
        _, widths, _ = panels(explorers.seen_by_one_unit(Image.new("RGB", size, "red"), 3, 1, 2, 1))
        assert widths == [3, 5]
