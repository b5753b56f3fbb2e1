"""Checks of 02's exercises."""

from collections.abc import Callable

import torch
from torch import nn

from helpers.exercises import Wrong, exercise, layers_in, seeded


@exercise
def receptive_field(answer: Callable[[list[tuple[int, int, int]]], int]) -> str:
    """`answer(layers)`: the field in pixels of a stack of layers, each (kernel, stride, dilation), the first first."""
    vgg16 = [layer for depth in (2, 2, 3, 3, 3) for layer in [(3, 1, 1)] * depth + [(2, 2, 1)]]
    cases = [
        ([], 1, "without a layer a unit is one pixel, and sees 1: start there"),
        ([(3, 1, 1)], 3, "one 3x3 kernel sees 3 pixels: a layer adds kernel - 1, not kernel"),
        ([(3, 1, 1)] * 2, 5, "kernels do not add up, they overlap: two 3x3 see 5"),
        ([(3, 2, 1)], 3, "a layer's own stride moves its neighbours, not its own inputs: multiply after adding"),
        ([(3, 2, 1), (3, 1, 1)], 7, "behind a stride of 2, neighbouring units lie 2 pixels apart: keep count of it"),
        ([(2, 2, 1), (2, 2, 1), (2, 1, 1)], 8, "strides multiply: behind 2 and 2, neighbours lie 4 pixels apart"),
        ([(3, 1, 2)], 5, "a dilation of 2 spreads the kernel: its outer inputs lie (kernel - 1) * 2 apart"),
        (vgg16, 212, "VGG-16 sees 212 pixels; the short cases came out right"),
    ]
    for layers, truth, hint in cases:
        found = answer(list(layers))
        if found != truth:
            shown = "VGG-16" if layers is vgg16 else layers
            raise Wrong(f"{shown} gives {found}, not {truth}: {hint}.")
    return "VGG-16 sees 212 pixels of 224."


@exercise
def vgg_block(answer: Callable[[int, int, int], nn.Module]) -> str:
    """`answer(inputs, outputs, depth)`: depth times 3x3 convolution and ReLU, then pooling that halves the map."""
    block = answer(3, 8, 2)
    layers = layers_in(block)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if len(convolutions) != 2:
        raise Wrong(f"depth=2 gives {len(convolutions)} convolutions, not 2: repeat convolution and ReLU depth times.")
    for layer in convolutions:
        if layer.kernel_size != (3, 3):
            raise Wrong(f"a kernel is {layer.kernel_size}, not (3, 3).")
        if layer.stride != (1, 1):
            raise Wrong("a convolution has a stride: in VGG only the pooling halves the map.")
        if layer.padding not in ((1, 1), "same"):
            raise Wrong("a convolution does not keep the size of the map: a 3x3 kernel needs padding=1.")
        if layer.groups != 1:
            raise Wrong(f"a convolution has {layer.groups} groups: VGG's see all channels.")
        if layer.bias is None:
            raise Wrong("a convolution has no bias: only batch norm, which VGG does not have, makes it superfluous.")
    if [layer.in_channels for layer in convolutions] != [3, 8]:
        raise Wrong("the channels do not fit: the first convolution reads `inputs`, all later ones read `outputs`.")
    kinds = [type(layer).__name__ for layer in layers]
    if kinds.count("ReLU") < 2:
        raise Wrong(
            f"there are {kinds.count('ReLU')} ReLUs for 2 convolutions: without one between them, two melt into one."
        )
    if kinds[:4] != ["Conv2d", "ReLU"] * 2:
        raise Wrong(f"the order is {', '.join(kinds)}: each convolution is followed by its ReLU, and pooling is last.")
    if kinds.count("MaxPool2d") != 1:
        raise Wrong("there is no maximum pooling at the end, or more than one: nn.MaxPool2d(2, 2), once.")
    pooling = layers[kinds.index("MaxPool2d")]
    if (pooling.kernel_size, pooling.stride) != (2, 2):
        raise Wrong(f"the pooling is {pooling.kernel_size}/{pooling.stride}: VGG's is 2/2; 3/2 overlaps, as AlexNet's.")
    if tuple(block(torch.zeros(1, 3, 32, 32)).shape) != (1, 8, 16, 16):
        raise Wrong("a map of 32 x 32 does not come out as 8 channels of 16 x 16.")
    vgg = nn.Sequential(*(answer(*sizes) for sizes in [(3, 64, 2), (64, 128, 2), (128, 256, 3)]))
    count = sum(parameter.numel() for parameter in vgg.parameters())
    if count != 1_735_488:
        raise Wrong(f"three blocks of VGG-16 have {count:,} parameters, not 1,735,488: try depth=3.")
    return "blocks 1 to 3 of VGG-16, with 1,735,488 parameters."


@exercise
def as_convolution(answer: Callable[[nn.Linear, int, int], nn.Conv2d]) -> str:
    """`answer(linear, channels, side)`: the convolution that gives what `linear` gives, and on larger maps too."""
    with seeded():
        linear = nn.Linear(4 * 3 * 3, 5)
        maps, larger = torch.randn(2, 4, 3, 3), torch.randn(1, 4, 4, 5)
    convolution = answer(linear, 4, 3)
    if not isinstance(convolution, nn.Conv2d):
        raise Wrong(f"it returns a {type(convolution).__name__}: build an nn.Conv2d and copy the weights into it.")
    if convolution.kernel_size != (3, 3):
        raise Wrong(f"the kernel is {convolution.kernel_size}, not (3, 3): it must cover the whole map, side x side.")
    if convolution.padding not in ((0, 0), "valid"):
        raise Wrong("there is padding: the layer then sees zeros around the map, and puts out more than one unit.")
    if convolution.bias is None:
        raise Wrong("the bias is forgotten: copy linear.bias too.")
    with torch.no_grad():
        found, truth = convolution(maps).flatten(1), linear(maps.flatten(1))
        if not torch.allclose(convolution.bias, linear.bias):
            raise Wrong("the bias is not the linear layer's: copy linear.bias too.")
        if found.shape != truth.shape or not torch.allclose(found, truth, atol=1e-5):
            mixed = linear.weight.reshape(5, 3, 3, 4).permute(0, 3, 1, 2)
            if torch.allclose(convolution.weight, mixed):
                raise Wrong("the weights are mixed up: flatten runs channel by channel; view as (out, C, H, W).")
            if torch.allclose(convolution.weight.flip(2, 3).flatten(1), linear.weight):
                raise Wrong("the kernel is turned round: PyTorch's convolution does not flip, so neither must you.")
            if torch.allclose(convolution.weight.transpose(2, 3).flatten(1), linear.weight):
                raise Wrong("rows and columns are exchanged: view the weights as (out, C, H, W).")
            raise Wrong("the outputs differ from the linear layer's: are linear.weight's numbers copied into it?")
        if tuple(convolution(larger).shape) != (1, 5, 2, 3):
            raise Wrong("a map of 4 x 5 does not give 2 x 3 answers: leave the stride at 1.")
    return "the same numbers, and an answer for each place of a larger photograph."
