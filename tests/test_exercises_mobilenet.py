"""Each check of 05's exercises, against plausible wrong answers."""

import pytest
import torch
from torch import nn

from helpers.exercises import mobilenet as exercises

CHECKS = {
    "my_separation": exercises.separation,
    "my_block": exercises.separable_block,
    "my_row": exercises.googlenet_row,
}


def separated(
    left=lambda u: u[:, 0], right=lambda vh: vh[0], sizes=lambda s: (s[0] ** 0.5, s[0] ** 0.5), turned=False, full=False
):
    def answer(kernel):
        u, s, vh = torch.linalg.svd(kernel, full_matrices=full)
        column, row = (size * part for size, part in zip(sizes(s), (left(u), right(vh)), strict=True))
        return (row, column) if turned else (column, row)

    return answer


def norm_act(channels):
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def block(
    groups=None,
    second_groups=1,
    strides=None,
    kernels=(3, 1),
    padding=1,
    second_padding=0,
    bias=False,
    between=True,
    last=True,
    turned=False,
    middle=None,
):
    def answer(inputs, outputs, stride):
        first, second = strides or (stride, 1)
        hidden = middle or inputs
        options = {"groups": groups or inputs, "padding": padding, "bias": bias}
        depthwise = nn.Conv2d(inputs, hidden, kernels[0], first, **options)
        pointwise = nn.Conv2d(
            hidden, outputs, kernels[1], second, padding=second_padding, groups=second_groups, bias=bias
        )
        layers = [depthwise, *(norm_act(hidden) if between else []), pointwise, *(norm_act(outputs) if last else [])]
        return nn.Sequential(*layers)

    return answer


def swapped(inputs, outputs, stride):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False),
        *norm_act(outputs),
        nn.Conv2d(outputs, outputs, 3, stride, padding=1, groups=outputs, bias=False),
        *norm_act(outputs),
    )


def relu_first(inputs, outputs, stride):
    depthwise, norm, relu, pointwise, *rest = block()(inputs, outputs, stride)
    return nn.Sequential(depthwise, relu, norm, pointwise, *rest)


def without_relu_between(inputs, outputs, stride):
    depthwise, norm, _, *rest = block()(inputs, outputs, stride)
    return nn.Sequential(depthwise, norm, *rest)


def row(multiplier=8, strides=(2, 1), kernel=7, bias=False, channels=64):
    first, second = strides
    return lambda: nn.Sequential(
        nn.Conv2d(3, 3 * multiplier, kernel, first, padding=kernel // 2, groups=3, bias=bias),
        nn.Conv2d(3 * multiplier, channels, 1, second, bias=bias),
    )


def pointwise_first():
    return nn.Sequential(nn.Conv2d(3, 64, 1, bias=False), nn.Conv2d(64, 64, 7, 2, padding=3, groups=64, bias=False))


WRONG = [
    ("my_separation", separated(sizes=lambda s: (1, 1)), "the singular value is missing"),
    ("my_separation", separated(sizes=lambda s: (s[0], s[0])), "in it twice"),
    ("my_separation", separated(sizes=lambda s: (s[0] ** 0.5, 1)), "both parts need it"),
    ("my_separation", separated(left=lambda u: u[0]), "take one column of U"),
    ("my_separation", separated(left=lambda u: u[0], full=True), "a row of U"),
    ("my_separation", separated(right=lambda vh: vh[:, 0]), "a column of Vh"),
    ("my_separation", separated(lambda u: u[:, -1], lambda vh: vh[-1], lambda s: (s[-1], 1)), "singular values fall"),
    ("my_separation", separated(turned=True), "column and row are exchanged"),
    ("my_separation", lambda kernel: separated(turned=len(kernel) == 3)(kernel), "not the nearest to Sobel's"),
    ("my_separation", lambda kernel: (kernel.sum(1), kernel.mean(0)), "not the nearest"),
    ("my_separation", lambda kernel: torch.linalg.svd(kernel), "not return two things"),
    ("my_separation", lambda kernel: torch.linalg.svd(kernel)[::2], "[5, 5] and [3, 3]"),
    ("my_separation", lambda kernel: kernel.svd()[9], "stops with IndexError"),
    ("my_block", block(groups=1), "sees all channels"),
    ("my_block", block(groups=2), "has 2 groups for 8 channels"),
    ("my_block", block(second_groups=8), "there to mix the channels"),
    ("my_block", swapped, "pointwise and depthwise are swapped"),
    ("my_block", lambda i, o, s: block(strides=(1, s))(i, o, s), "the stride is on the pointwise layer"),
    ("my_block", lambda i, o, s: block(strides=(s, s))(i, o, s), "the stride is on the pointwise layer"),
    ("my_block", block(strides=(1, 1)), "the stride is missing"),
    ("my_block", block(strides=(2, 1)), "is the stride fixed"),
    ("my_block", block(between=False), "between the convolutions are missing"),
    ("my_block", without_relu_between, "the order is Conv2d, BatchNorm2d, Conv2d"),
    ("my_block", block(last=False), "the order is Conv2d, BatchNorm2d, ReLU, Conv2d:"),
    ("my_block", relu_first, "the order is Conv2d, ReLU, BatchNorm2d"),
    ("my_block", block(bias=True), "keeps its bias"),
    ("my_block", block(padding=0), "it needs 1"),
    ("my_block", block(second_padding=1), "the pointwise layer pads"),
    ("my_block", block(kernels=(3, 3), second_padding=1), "depthwise is 3x3, pointwise 1x1"),
    ("my_block", lambda i, o, s: block(middle=o)(i, o, s), "the channels become 16, then 16"),
    ("my_block", lambda i, o, s: nn.Conv2d(i, o, 3, s, padding=1), "there are 1 convolutions"),
    ("my_block", lambda i, o, s: list(block()(i, o, s)), "returns a list"),
    ("my_block", lambda i, o: block()(i, o, 1), "stops with TypeError"),
    ("my_row", lambda: nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), "that is the plain 7x7"),
    ("my_row", row(multiplier=1), "a multiplier of 1 gives 339 weights"),
    ("my_row", row(multiplier=4), "a multiplier of 4 gives 1,356 weights"),
    ("my_row", row(bias=True), "there are biases"),
    ("my_row", row(kernel=3), "no kernel is 7x7"),
    ("my_row", row(strides=(1, 2)), "where is the stride"),
    ("my_row", row(strides=(1, 1)), "not [64, 112, 112]"),
    ("my_row", row(channels=32), "not [64, 112, 112]"),
    ("my_row", pointwise_first, "the 1x1 comes first"),
    ("my_row", lambda: nn.Conv2d(3, 63, 7, 2, padding=3, groups=3, bias=False), "not [64, 112, 112]"),
    ("my_row", lambda: nn.Conv2d(4, 64, 7, 2, padding=3, bias=False), "does not pass through"),
    ("my_row", nn.Identity, "not [64, 112, 112]"),
    ("my_row", lambda: 2712, "returns a int"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    def relu6_in_nested_parts(inputs, outputs, stride):
        relu = nn.ReLU6()
        first = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs), relu
        second = nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), relu
        return nn.Sequential(nn.Sequential(*first), nn.Sequential(*second))

    exercises.separable_block(relu6_in_nested_parts)
    exercises.separation(separated(sizes=lambda s: (-s[0], -1)))  # any share of size and sign
    assert capsys.readouterr().out.count("right: ") == 2
