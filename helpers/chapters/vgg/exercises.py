"""Checks of 02's exercises."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks import exercise, name_the_mistake, require, seeded, weights_in_use


@exercise
def receptive_field(answer: Callable[[list[tuple[int, int, int]]], int]) -> str:
    """`answer(layers)`: how many pixels a unit sees after these layers, each (kernel, stride, dilation)."""
    cases = [
        ([(3, 1, 1)], 3, "one 3x3 kernel sees 3 pixels: start at 1, and add kernel - 1, not kernel"),
        ([(3, 2, 1)], 3, "a layer's own stride moves its neighbors, not its own inputs: multiply after adding"),
        ([(3, 2, 1), (3, 1, 1)], 7, "after a stride of 2, neighboring units lie 2 pixels apart: keep count of it"),
        ([(5, 1, 3)], 13, "a dilation of 3 spreads the kernel: its outer inputs lie (kernel - 1) * 3 apart"),
        ([(3, 1, 2), (3, 1, 1)], 7, "a dilation spreads its own kernel only: the stride alone changes the jump"),
        ([(3, 2, 1), (3, 1, 2)], 11, "after a stride of 2, a dilation of 2 spreads the kernel by 4 pixels"),
        ([(5, 3, 1), (3, 2, 2), (3, 1, 1)], 29, "strides multiply, to 3 and 6, and a dilation counts in these steps"),
    ]
    for layers, truth, hint in cases:
        found = answer(list(layers))
        require(found == truth, f"{layers} gives {found}, not {truth}: {hint}.")
    vgg16 = [layer for depth in (2, 2, 3, 3, 3) for layer in [(3, 1, 1)] * depth + [(2, 2, 1)]]
    require(answer(vgg16) == 212, "VGG-16 should give 212: strides multiply, after 2 and 2 neighbors lie 4 apart.")
    return "VGG-16 sees 212 pixels of 224."


HALVE, NOTHING = nn.MaxPool2d(2), nn.Identity()


def _block(x: torch.Tensor, weights: list, after_each=F.relu, last=HALVE, padding=1) -> torch.Tensor:
    """What VGG's block with these (kernel, bias) makes of x, or, by the options, what a mistake makes of it."""
    for kernel, bias in weights:
        x = after_each(F.conv2d(x, kernel, bias, padding=padding))
    return last(x)


@exercise
def vgg_block(answer: Callable[[int, int, int], nn.Module]) -> str:
    """`answer(inputs, outputs, depth)`: depth times 3x3 convolution and ReLU, then pooling that halves the map."""
    for inputs, outputs, depth, size in ((3, 8, 2, (8, 10)), (4, 6, 3, (9, 13)), (5, 4, 1, (6, 8))):
        block = answer(inputs, outputs, depth)
        with seeded(), torch.no_grad():
            x = torch.randn(2, inputs, *size)
            used = weights_in_use(block, x)
            given = block(x.clone())
        kernels = [weight for weight in used if weight.numel() > max(weight.shape)]
        biases = [weight.flatten() for weight in used if weight.numel() == max(weight.shape)]  # [C] or [C, 1, 1]
        found = [list(kernel.shape) for kernel in kernels]
        shapes = [[outputs, inputs, 3, 3]] + [[outputs, outputs, 3, 3]] * (depth - 1)
        require(found == shapes, f"the kernels are {found}, not {shapes}: 3x3, no groups, one for each convolution.")
        require(len(biases) == depth, f"{depth} convolutions use {len(biases)} vectors: a bias each, no batch norm.")
        weights = list(zip(kernels, biases, strict=True))
        before_last = _block(x, weights[:-1], last=NOTHING)
        mistakes = [
            ("no ReLU is applied: without it convolutions melt into one.", _block(x, weights, NOTHING)),
            ("there is one ReLU, at the end: each convolution has one.", _block(x, weights, NOTHING).relu()),
            ("the last convolution has no ReLU.", _block(before_last, weights[-1:], NOTHING)),
            ("there is no pooling at the end: nn.MaxPool2d(2, 2) halves the map.", _block(x, weights, last=NOTHING)),
            ("the convolutions shrink the map: a 3x3 kernel needs padding=1.", _block(x, weights, padding=0)),
        ]
        otherwise = "its numbers are not those of depth times convolution and ReLU, then maximum pooling of 2/2."
        name_the_mistake(given, _block(x, weights), mistakes, otherwise)
    return "five such blocks, of depth 2, 2, 3, 3 and 3, hold all thirteen convolutions of VGG-16."


@exercise
def as_convolution(answer: Callable[[nn.Linear, int, int], nn.Module]) -> str:
    """`answer(linear, channels, side)`: the convolution that gives what `linear` gives, and on larger maps too."""
    for channels, side, outputs, size in ((4, 3, 5, (6, 7)), (2, 4, 3, (9, 8))):
        with seeded():
            linear = nn.Linear(channels * side * side, outputs).requires_grad_(False)
            x = torch.randn(2, channels, *size)
        given = answer(copy.deepcopy(linear), channels, side)(x.clone()).detach()
        bias, kernel = linear.bias, linear.weight.view(outputs, channels, side, side)
        mixed = linear.weight.view(outputs, side, side, channels).permute(0, 3, 1, 2)
        mistakes = [
            ("the bias is forgotten: copy linear.bias too.", F.conv2d(x, kernel)),
            ("the weights are mixed up: flatten runs channel by channel.", F.conv2d(x, mixed, bias)),
            ("rows and columns are exchanged: flatten runs along a row first.", F.conv2d(x, kernel.mT, bias)),
            ("there is padding: the layer then sees zeros around the map.", F.conv2d(x, kernel, bias, padding=1)),
            ("there is a dilation: linear reads a map without holes.", F.conv2d(x, kernel, bias, dilation=2)),
        ]
        otherwise = "its numbers are not linear's: does each weight meet the channel and pixel that linear gives it?"
        name_the_mistake(given, F.conv2d(x, kernel, bias), mistakes, otherwise)
    return "the same numbers, and an answer for each place of a larger photograph."
