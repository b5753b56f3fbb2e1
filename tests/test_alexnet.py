"""AlexNet against facts.md, the paper's formula and torchvision's layers; and 01's explorer at its extremes."""

import itertools

import matplotlib.pyplot as plt
import pytest
import torch
import torchvision
from torch import nn

from helpers import counting, explorers
from helpers.architectures.alexnet import AlexNet, response_norm


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return AlexNet().eval()


def test_parameters_and_mult_adds_per_layer_are_the_papers(network):
    rows = [row for row in counting.count(network, (3, 227, 227)) if row.parameters]
    assert [row.parameters for row in rows] == [34944, 307456, 885120, 663936, 442624, 37752832, 16781312, 4097000]
    assert sum(row.parameters for row in rows) == 60_965_224
    assert sum(row.mult_adds for row in rows) == 724_406_816
    assert [row.shape for row in rows][:5] == [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]
    assert sum(row.activations for row in rows) == 659_272  # the paper's "650,000 neurons", without the image
    assert sum(row.parameters for row in rows[:5]) == 2_334_080


def test_without_towers_there_are_more_parameters_and_mult_adds():
    with torch.device("meta"):
        full = AlexNet(towers=1)
    rows = counting.count(full, (3, 227, 227))
    assert sum(row.parameters for row in rows) == 62_378_344
    assert sum(row.mult_adds for row in rows) == 1_135_256_096


def test_other_numbers_of_classes_change_the_last_layer_alone():
    with torch.device("meta"):
        small = AlexNet(classes=10)
    assert sum(parameter.numel() for parameter in small.parameters()) == 60_965_224 - 4097 * 990


def test_starts_as_in_the_paper(network):
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [layer.bias.unique().item() for layer in layers] == [0, 1, 0, 1, 1, 1, 1, 0]
    assert all(layer.weight.std().item() == pytest.approx(0.01, rel=0.02) for layer in layers)


def test_order_of_the_layers(network):
    kinds = [type(layer).__name__ for layer in [*network.features, *network.classifier]]
    norm = ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    middle = ["Conv2d", "ReLU"] * 3 + ["MaxPool2d"]
    assert kinds == norm + norm + middle + ["Dropout", "Linear", "ReLU"] * 2 + ["Linear"]
    pools = [layer for layer in network.features if isinstance(layer, nn.MaxPool2d)]
    assert {(pool.kernel_size, pool.stride) for pool in pools} == {(3, 2)}
    assert {layer.p for layer in network.classifier if isinstance(layer, nn.Dropout)} == {0.5}


def test_the_second_half_of_the_channels_does_not_reach_the_first_tower(network):
    convolution = network.features[4]
    x = torch.randn(1, 96, 9, 9)
    changed = x.clone()
    changed[:, 48:] += 1
    with torch.no_grad():
        before, after = convolution(x), convolution(changed)
    assert torch.equal(before[:, :128], after[:, :128])
    assert not torch.allclose(before[:, 128:], after[:, 128:])


def test_response_norm_is_the_papers_formula():
    torch.manual_seed(0)
    a = torch.rand(2, 7, 3, 3, dtype=torch.float64) * 300
    b = torch.empty_like(a)
    for i in range(7):
        window = a[:, max(0, i - 2) : i + 3]
        b[:, i] = a[:, i] / (2 + 1e-4 * (window**2).sum(dim=1)) ** 0.75
    torch.testing.assert_close(response_norm()(a), b)


def test_torchvisions_is_another_network():
    with torch.device("meta"):
        other = torchvision.models.alexnet()
    assert sum(parameter.numel() for parameter in other.parameters()) == 61_100_840
    assert not any(isinstance(layer, nn.LocalResponseNorm) for layer in other.modules())


def test_logits_of_a_batch_and_the_gradient_of_every_parameter(network):
    images = torch.randn(2, 3, 227, 227)
    logits = network(images)
    assert logits.shape == (2, 1000)
    logits.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())
    network.zero_grad()


@pytest.mark.parametrize(
    "activation, spread, layers", list(itertools.product(explorers.ACTIVATIONS, (0.25, 8), (1, 8)))
)
def test_saturation_draws_every_extreme(activation, spread, layers):
    figure = explorers.saturation(activation, spread, layers)
    curves, shares = figure.axes
    assert [len(line.get_xdata()) for line in shares.lines] == [layers] * 3
    for line, name in zip(shares.lines, explorers.ACTIVATIONS, strict=True):
        assert line.get_ydata()[-1] == pytest.approx(explorers.passed_gradient(name, spread).mean().item() ** layers)
    assert activation in [text.get_text() for text in curves.texts]
    plt.close(figure)


@pytest.mark.parametrize("spread", [0.25, 1, 8])
def test_passed_gradient_is_half_for_relu_and_at_most_the_largest_slope_for_the_others(spread):
    means = {name: explorers.passed_gradient(name, spread).mean().item() for name in explorers.ACTIVATIONS}
    assert means["ReLU"] == pytest.approx(0.5, abs=1e-3)
    assert means["sigmoid"] < 0.25 and means["tanh"] < 1
    draws = torch.randn(200_000, generator=torch.Generator().manual_seed(0)) * spread
    assert means["sigmoid"] == pytest.approx((draws.sigmoid() * (1 - draws.sigmoid())).mean().item(), rel=0.02)
    assert means["tanh"] == pytest.approx((1 - draws.tanh() ** 2).mean().item(), rel=0.02)
