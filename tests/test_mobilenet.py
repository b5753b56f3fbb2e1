"""MobileNet against the paper's tables 1 to 7, and the parts that EfficientNet-Lite0 shares with it."""

import time

import pytest
import torch
from torch import nn

from helpers import counting, receptive_field, timing
from helpers.architectures import efficientnet, mobilenet
from helpers.errors import CourseError

DENSE = {"block": mobilenet.conv_norm_act}


def count(options, side=224):
    with torch.device("meta"):
        network = mobilenet.MobileNet(**options)
    return counting.count(network, (3, side, side))


def total(rows, what):
    return sum(getattr(row, what) for row in rows)


@pytest.mark.parametrize(
    "options, side, parameters, mult_adds",
    [
        ({}, 224, 4_231_976, 568_740_352),
        (DENSE, 224, 29_294_088, 4_867_293_184),
        ({"blocks": mobilenet.SHALLOW}, 224, 2_887_976, 307_323_392),
        ({"width": 0.75}, 224, 2_585_560, 325_400_448),
        ({"width": 0.5}, 224, 1_331_592, 149_497_088),
        ({"width": 0.25}, 224, 470_072, 41_030_272),
        ({}, 192, 4_231_976, 418_121_728),
        ({}, 160, 4_231_976, 290_675_200),
        ({}, 128, 4_231_976, 186_400_768),
    ],
)
def test_parameters_and_mult_adds(options, side, parameters, mult_adds):
    rows = count(options, side)
    assert (total(rows, "parameters"), total(rows, "mult_adds")) == (parameters, mult_adds)
    assert rows[-1].shape == (1000,)


def test_maps_of_table_1():
    shapes = [row.shape for row in count({}) if row.kind == "SameConv2d"]
    sides = [112] * 3 + [56] * 4 + [28] * 4 + [14] * 12 + [7] * 4
    assert [shape[1:] for shape in shapes] == [(side, side) for side in sides]
    assert [shape[0] for shape in shapes[::2]] == [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]


def test_each_block_costs_1_over_n_and_1_over_9_of_the_dense_one():
    layers, dense = ([row for row in count(options) if row.kind == "SameConv2d"] for options in ({}, DENSE))
    assert len(layers) == 27 and len(dense) == 14
    for depthwise, pointwise, whole in zip(layers[1::2], layers[2::2], dense[1:], strict=True):
        for what in ("parameters", "mult_adds"):
            quotient = (getattr(depthwise, what) + getattr(pointwise, what)) / getattr(whole, what)
            assert quotient == pytest.approx(1 / whole.shape[0] + 1 / 9, rel=1e-12)
        assert pointwise.shape == whole.shape


def test_a_layer_of_table_3():
    for channels, side, mult_adds, weights in ((512, 14, 52.3, 0.27), (384, 14, 29.6, 0.15), (384, 10, 15.1, 0.15)):
        block = nn.Sequential(*mobilenet.depthwise_separable(channels, channels))
        rows = [row for row in counting.count(block, (channels, side, side)) if row.kind == "SameConv2d"]
        assert round(total(rows, "mult_adds") / 1e6, 1) == mult_adds
        assert round(total(rows, "parameters") / 1e6, 2) == weights


def test_block_is_depthwise_then_pointwise_each_with_norm_and_relu6():
    torch.manual_seed(0)
    block = nn.Sequential(*mobilenet.depthwise_separable(4, 6, stride=2)).eval()
    depthwise, pointwise = (layer for layer in block if isinstance(layer, nn.Conv2d))
    x = 20 * torch.randn(2, 4, 7, 7)  # odd: TensorFlow's padding is symmetric
    with torch.no_grad():
        filtered = torch.cat(
            [nn.functional.conv2d(x[:, [c]], depthwise.weight[[c]], stride=2, padding=1) for c in range(4)], dim=1
        )
        mixed = torch.einsum("nc,bchw->bnhw", pointwise.weight[:, :, 0, 0], (filtered / 1.001**0.5).clamp(0, 6))
        torch.testing.assert_close(block(x), (mixed / 1.001**0.5).clamp(0, 6), atol=1e-5, rtol=1e-5)
        assert (filtered > 6).any() and (filtered < 0).any()


def test_linear_block_is_a_dense_convolution_of_rank_1():
    torch.manual_seed(0)
    depthwise, _, _, pointwise, *_ = mobilenet.depthwise_separable(4, 6)
    kernel = pointwise.weight * depthwise.weight.transpose(0, 1)
    x = torch.randn(1, 4, 9, 9)
    torch.testing.assert_close(
        pointwise(depthwise(x)), nn.functional.conv2d(x, kernel, padding=1), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("options", [{}, DENSE, {"width": 0.25}, {"classes": 7}, {"blocks": mobilenet.SHALLOW}])
def test_photographs_of_any_size(options):
    network = mobilenet.MobileNet(**options).eval()
    with torch.inference_mode():
        for size in ((96, 96), (33, 70)):
            logits = network(torch.randn(2, 3, *size))
            assert logits.shape == (2, options.get("classes", 1000)) and logits.isfinite().all()


def test_receptive_field():
    with torch.device("meta"):
        *_, last = receptive_field.fields(mobilenet.MobileNet().eval()).values()
    assert last == (315, 32)


def test_a_width_without_channels_is_refused():
    with pytest.raises(CourseError, match=r"^A width of 0.01 leaves no channel .*\.$"):
        mobilenet.MobileNet(width=0.01)
    assert mobilenet.MobileNet(width=0.05).features[0].out_channels == 2


def test_efficientnet_lite0_is_built_of_the_same_parts():
    block = efficientnet.InvertedResidual(8, 8, kernel=5, stride=1, expansion=6)
    kinds = [type(layer).__name__ for layer in block.layers]
    assert kinds == ["SameConv2d", "BatchNorm2d", "ReLU6"] * 2 + ["SameConv2d", "BatchNorm2d"]
    expand, depthwise, project = (layer for layer in block.layers if isinstance(layer, mobilenet.SameConv2d))
    assert (expand.kernel_size, depthwise.kernel_size, project.kernel_size) == ((1, 1), (5, 5), (1, 1))
    assert (depthwise.groups, project.out_channels) == (48, 8)


# ---- timing ----


def work(milliseconds):
    end = time.process_time() + milliseconds / 1e3
    while time.process_time() < end:
        pass


def test_times_are_of_computing_not_of_waiting():
    found = timing.seconds({"short": lambda: work(4), "long": lambda: work(16), "sleeps": lambda: time.sleep(0.03)}, 5)
    assert list(found) == ["short", "long", "sleeps"]
    assert 0.004 <= found["short"] < 0.010 and 0.016 <= found["long"] < 0.025 and found["sleeps"] < 0.003


def test_times_are_medians_and_leave_out_the_first_round():
    lengths = iter([60, 2, 2, 2, 60, 2])
    assert timing.seconds({0: lambda: work(next(lengths))}, rounds=5)[0] < 0.01


def test_timing_gives_the_threads_back_and_keeps_no_gradients():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        modes = []
        layer = nn.Linear(2, 2)
        timing.seconds({0: lambda: modes.append((torch.get_num_threads(), layer(torch.ones(2)).requires_grad))}, 1)
        assert modes == [(1, False)] * 2 and torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError):
            timing.seconds({0: lambda: 1 / 0})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
