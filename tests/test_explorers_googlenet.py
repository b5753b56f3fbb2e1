"""03's explorer, at its extremes."""

import itertools

import matplotlib.pyplot as plt
import pytest
import torch

from helpers import counting, explorers, plotting
from helpers.architectures import googlenet
from helpers.architectures.googlenet import Inception

# Each slider's end: inputs, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, projection.
ENDS = list(itertools.product((192, 832), (8, 384), (0, 192), (8, 384), (0, 64), (8, 128), (0, 128)))


def bars(axes):
    return [patch.get_width() for patch in axes.patches]


@pytest.mark.parametrize("widths", [ENDS[0], ENDS[-1], (192, 64, 96, 128, 16, 32, 32), (832, 384, 0, 384, 0, 128, 0)])
def test_extremes_are_drawn(widths):
    plotting.use_style()
    figure = explorers.inception_cost(*widths)
    left, right = figure.axes
    branches = explorers.inception_branches(*widths)
    weights = sum(branch.reduction + branch.kernel for branch in branches)
    assert sum(bars(left)) == pytest.approx(weights * 28**2 / 1e6)
    assert bars(right) == [branch.channels for branch in branches]
    assert right.get_title().startswith(f"{weights:,} weights, {sum(bars(right))} channels")
    assert left.get_title().startswith(f"{weights * 28**2 / 1e6:,.0f} M mult-adds")
    plt.close(figure)


def test_every_extreme_counts_channels_and_weights():
    for widths in ENDS:
        inputs, one, reduce_3, three, reduce_5, five, pool = widths
        branches = explorers.inception_branches(*widths)
        assert [branch.channels for branch in branches] == [one, three, five, pool or inputs]
        assert all(branch.kernel >= 0 and branch.reduction >= 0 for branch in branches)
        assert branches[1].kernel == 9 * three * (reduce_3 if reduce_3 else inputs)
        assert branches[2].kernel == 25 * five * (reduce_5 if reduce_5 else inputs)


@pytest.mark.parametrize("name", googlenet.TABLE_1)
def test_weights_are_those_of_the_module(name):
    inputs = {"3a": 192, "3b": 256, "4a": 480, "4e": 528, "5a": 832, "5b": 832}.get(name, 512)
    widths = googlenet.TABLE_1[name]
    with torch.device("meta"):
        module = Inception(inputs, *widths)
    branches = explorers.inception_branches(inputs, *widths)
    weights = sum(branch.reduction + branch.kernel for branch in branches)
    assert weights == sum(parameter.numel() for parameter in module.parameters() if parameter.ndim > 1)
    rows = counting.count(module, (inputs, 28, 28))
    assert weights * 28**2 == sum(row.mult_adds for row in rows)


def test_the_naive_cost_is_that_of_no_reduction():
    plotting.use_style()
    figure = explorers.inception_cost(192, 64, 96, 128, 16, 32, 32)
    naive = (64 + 9 * 128 + 25 * 32) * 192 * 28**2 / 1e6
    assert figure.axes[0].get_title().endswith(f"naive {naive:,.0f} M")
    plt.close(figure)
