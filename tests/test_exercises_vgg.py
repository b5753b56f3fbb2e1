"""Each check of 02's exercises, against plausible wrong answers."""

import pytest
import torch
from torch import nn

from helpers.exercises import vgg as exercises

CHECKS = {
    "my_receptive_field": exercises.receptive_field,
    "my_vgg_block": exercises.vgg_block,
    "my_convolution": exercises.as_convolution,
}


def field(start=1, wider=lambda kernel, dilation: (kernel - 1) * dilation, late=False, jumps=lambda jump, s: jump * s):
    def answer(layers):
        size, jump = start, 1
        for kernel, stride, dilation in layers:
            if late:
                jump = jumps(jump, stride)
            size += wider(kernel, dilation) * jump
            if not late:
                jump = jumps(jump, stride)
        return size

    return answer


def block(
    kernel=3,
    stride=1,
    padding=1,
    bias=True,
    groups=1,
    relus=True,
    pool=(2, 2),
    inputs_again=False,
    fixed=0,
    first=False,
):
    def answer(inputs, outputs, depth):
        layers = []
        for _ in range(fixed or depth):
            pair = [
                nn.Conv2d(
                    inputs, outputs, kernel, stride, padding, bias=bias, groups=groups if inputs > groups > 1 else 1
                )
            ]
            pair += [nn.ReLU()] if relus else []
            layers += pair[::-1] if first else pair
            inputs = inputs if inputs_again else outputs
        return nn.Sequential(*layers, *([nn.MaxPool2d(*pool)] if pool else []))

    return answer


def one_relu_at_the_end(inputs, outputs, depth):
    convolutions = [nn.Conv2d(outputs if i else inputs, outputs, 3, padding=1) for i in range(depth)]
    return nn.Sequential(*convolutions, nn.ReLU(), nn.MaxPool2d(2))


def average_pooling(inputs, outputs, depth):
    return nn.Sequential(*block(pool=None)(inputs, outputs, depth), nn.AvgPool2d(2))


def converted(
    view=lambda weight, channels, side: weight.view(-1, channels, side, side), bias=True, copy_bias=True, **options
):
    def answer(linear, channels, side):
        convolution = nn.Conv2d(channels, linear.out_features, **{"kernel_size": side, "bias": bias, **options})
        with torch.no_grad():
            convolution.weight.copy_(view(linear.weight, channels, side))
            if bias and copy_bias:
                convolution.bias.copy_(linear.bias)
        return convolution

    return answer


def small_kernel(linear, channels, side):
    return nn.Conv2d(channels, linear.out_features, 1)


def weights_not_copied(linear, channels, side):
    convolution = nn.Conv2d(channels, linear.out_features, side)
    convolution.bias = linear.bias
    return convolution


def without_no_grad(linear, channels, side):
    nn.Conv2d(channels, linear.out_features, side).weight.copy_(linear.weight.view(-1, channels, side, side))


WRONG = [
    ("my_receptive_field", field(start=0), "a unit is one pixel"),
    ("my_receptive_field", field(wider=lambda kernel, dilation: kernel * dilation), "kernel - 1, not kernel"),
    ("my_receptive_field", lambda layers: max([1, *(kernel for kernel, *_ in layers)]), "two 3x3 see 5"),
    ("my_receptive_field", lambda layers: sum(k for k, *_ in layers) or 1, "they overlap"),
    ("my_receptive_field", field(late=True), "multiply after adding"),
    ("my_receptive_field", field(jumps=lambda jump, stride: 1), "keep count of it"),
    ("my_receptive_field", field(jumps=lambda jump, stride: stride), "strides multiply"),
    ("my_receptive_field", field(jumps=lambda jump, stride: jump + stride - 1), "strides multiply"),
    ("my_receptive_field", field(wider=lambda kernel, dilation: kernel - 1), "a dilation of 2 spreads"),
    ("my_receptive_field", field(wider=lambda kernel, dilation: kernel * dilation - 1), "outer inputs lie"),
    ("my_receptive_field", lambda layers: layers[0][0], "stops with IndexError"),
    ("my_vgg_block", block(relus=False), "0 ReLUs for 2 convolutions"),
    ("my_vgg_block", one_relu_at_the_end, "1 ReLUs for 2 convolutions"),
    ("my_vgg_block", block(first=True), "each convolution is followed by its ReLU"),
    ("my_vgg_block", block(stride=2), "only the pooling halves"),
    ("my_vgg_block", block(padding=0), "needs padding=1"),
    ("my_vgg_block", block(bias=False), "has no bias"),
    ("my_vgg_block", block(kernel=5, padding=2), "not (3, 3)"),
    ("my_vgg_block", block(groups=4), "has 4 groups"),
    ("my_vgg_block", block(inputs_again=True), "all later ones read `outputs`"),
    ("my_vgg_block", block(fixed=1), "1 convolutions, not 2"),
    ("my_vgg_block", block(fixed=2), "try depth=3"),
    ("my_vgg_block", block(pool=None), "no maximum pooling"),
    ("my_vgg_block", average_pooling, "no maximum pooling"),
    ("my_vgg_block", block(pool=(3, 2)), "3/2 overlaps"),
    ("my_vgg_block", block(pool=(2, 1)), "the pooling is 2/1"),
    ("my_vgg_block", lambda inputs, outputs, depth: [nn.ReLU()], "returns a list"),
    ("my_vgg_block", lambda inputs, outputs: nn.ReLU(), "stops with TypeError"),
    ("my_convolution", converted(bias=False), "the bias is forgotten"),
    ("my_convolution", converted(copy_bias=False), "copy linear.bias too"),
    ("my_convolution", converted(padding=1), "there is padding"),
    ("my_convolution", converted(stride=3), "leave the stride at 1"),
    (
        "my_convolution",
        converted(lambda weight, channels, side: weight.view(-1, side, side, channels).permute(0, 3, 1, 2)),
        "flatten runs channel by channel",
    ),
    (
        "my_convolution",
        converted(lambda weight, channels, side: weight.view(-1, channels, side, side).flip(2, 3)),
        "turned round",
    ),
    (
        "my_convolution",
        converted(lambda weight, channels, side: weight.view(-1, channels, side, side).transpose(2, 3)),
        "rows and columns",
    ),
    ("my_convolution", small_kernel, "the kernel is (1, 1), not (3, 3)"),
    ("my_convolution", weights_not_copied, "are linear.weight's numbers copied"),
    ("my_convolution", lambda linear, channels, side: linear, "returns a Linear"),
    ("my_convolution", without_no_grad, "stops with RuntimeError"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    def one_relu_for_all(inputs, outputs, depth):
        relu, block = nn.ReLU(), nn.Sequential()
        for _ in range(depth):
            block.extend([nn.Conv2d(inputs, outputs, (3, 3), padding="same"), relu])
            inputs = outputs
        return block.append(nn.MaxPool2d(2))

    exercises.vgg_block(one_relu_for_all)
    exercises.receptive_field(
        lambda layers: 1 + sum((k - 1) * d * torch.tensor([1] + [s for _, s, _ in layers[:i]]).prod().item()
                               for i, (k, _, d) in enumerate(layers))
    )  # fmt: skip
    assert capsys.readouterr().out.count("right: ") == 2
