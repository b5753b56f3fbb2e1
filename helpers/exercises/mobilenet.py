"""Checks of 05's exercises."""

from collections.abc import Callable

import torch
from torch import nn

from helpers import counting
from helpers.architectures.mobilenet import BLOCKS
from helpers.errors import CourseError
from helpers.exercises import Wrong, exercise, layers_in, name_the_mistake, seeded


@exercise
def separation(answer: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> str:
    """`answer(kernel)`: a column [K] and a row [L] whose outer product is the nearest kernel of rank 1 to [K, L]."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    with seeded():
        unlike = torch.randn(5, 3)
    for name, kernel in (("a random", unlike), ("Sobel's", sobel)):
        u, s, vh = torch.linalg.svd(kernel)
        smallest = s[-1] * torch.outer(u[:, len(s) - 1], vh[-1])
        parts = answer(kernel.clone())
        if not isinstance(parts, tuple | list) or len(parts) != 2:
            raise Wrong("it does not return two things: the column and the row.")
        column, row = parts
        if len(kernel) != len(kernel.T) and (len(column), len(row)) == (len(kernel.T), len(kernel)):
            raise Wrong("column and row are exchanged: the column is as long as the kernel is high.")
        if column.shape != (kernel.shape[0],) or row.shape != (kernel.shape[1],):
            raise Wrong(
                f"a kernel {list(kernel.shape)} gives {list(column.shape)} and {list(row.shape)}: "
                "take one column of U and one row of Vh."
            )
        first = torch.outer(u[:, 0], vh[0])
        mistakes = (
            ("the singular value is missing: U and Vh have length 1, the size is in S.", first),
            ("the singular value is in it twice: give its root to each of the two.", s[0] ** 2 * first),
            ("the root of the singular value is in it once: both parts need it.", s[0] ** 0.5 * first),
            ("that is a row of U: its columns are the singular vectors, U[:, 0].", s[0] * torch.outer(u[0], vh[0])),
            (
                "that is a column of Vh: its rows are the singular vectors, Vh[0].",
                s[0] * torch.outer(u[:, 0], vh[:, 0]),
            ),
            ("that is the smallest part: singular values fall, take the first.", smallest),
        )
        otherwise = f"the product of the two is not the nearest to {name} kernel: scale U[:, 0] and Vh[0] by S[0]."
        name_the_mistake(torch.outer(column, row), s[0] * first, mistakes, otherwise)
    s = torch.linalg.svdvals(unlike)
    left = (s[1:].square().sum() / s.square().sum()).item()
    return f"Sobel's kernel is two vectors; of a random 5x3 kernel they miss {left:.0%} of the energy."


@exercise
def separable_block(answer: Callable[[int, int, int], nn.Module]) -> str:
    """`answer(inputs, outputs, stride)`: depthwise 3x3 and pointwise convolution, each with batch norm and ReLU."""
    block = answer(8, 16, 2)
    layers = layers_in(block)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if len(convolutions) != 2:
        raise Wrong(f"there are {len(convolutions)} convolutions, not 2: a depthwise and a pointwise one.")
    depthwise, pointwise = convolutions
    sizes = [layer.kernel_size for layer in convolutions]
    if sizes == [(1, 1), (3, 3)]:
        raise Wrong("pointwise and depthwise are swapped: first filter each channel, then mix them.")
    if sizes != [(3, 3), (1, 1)]:
        raise Wrong(f"the kernels are {sizes[0]} and {sizes[1]}: depthwise is 3x3, pointwise 1x1.")
    if depthwise.groups == 1:
        raise Wrong("the 3x3 convolution sees all channels: with groups=inputs each sees its own only.")
    if depthwise.groups != 8:
        raise Wrong(f"the 3x3 convolution has {depthwise.groups} groups for 8 channels: one a channel, groups=inputs.")
    if pointwise.groups != 1:
        raise Wrong("the 1x1 convolution has groups: it is there to mix the channels, all of them.")
    if (depthwise.out_channels, pointwise.out_channels) != (8, 16):
        raise Wrong(
            f"the channels become {depthwise.out_channels}, then {pointwise.out_channels}: "
            "the depthwise layer keeps their number, the pointwise one makes it `outputs`."
        )
    if pointwise.stride != (1, 1):
        raise Wrong(
            "the stride is on the pointwise layer: a 1x1 kernel with stride 2 throws three places of four away."
        )
    if depthwise.stride != (2, 2):
        raise Wrong("the stride is missing: hand it to the depthwise layer.")
    if depthwise.padding != (1, 1):
        raise Wrong(f"the 3x3 layer's padding is {depthwise.padding}: it needs 1, the 1x1 layer none.")
    if pointwise.padding not in ((0, 0), "valid", "same"):
        raise Wrong("the pointwise layer pads: a 1x1 kernel keeps the size of the map without.")
    if any(layer.bias is not None for layer in convolutions):
        raise Wrong("a convolution keeps its bias: batch norm behind it subtracts the mean, and the bias with it.")
    kinds = ["ReLU" if isinstance(layer, nn.ReLU | nn.ReLU6) else type(layer).__name__ for layer in layers]
    if kinds == ["Conv2d", "Conv2d", "BatchNorm2d", "ReLU"]:
        raise Wrong(
            "batch norm and ReLU between the convolutions are missing: without them the two are one dense layer."
        )
    if kinds != ["Conv2d", "BatchNorm2d", "ReLU"] * 2:
        raise Wrong(f"the order is {', '.join(kinds)}: behind each convolution batch norm, then ReLU.")
    if answer(8, 16, 1)(torch.zeros(2, 8, 6, 6)).shape != (2, 16, 6, 6):
        raise Wrong("with stride 1 a map does not keep its size: is the stride fixed at 2?")
    channels, blocks = 32, []
    for outputs, stride in BLOCKS:
        blocks.append(answer(channels, outputs, stride))
        channels = outputs
    count = sum(parameter.numel() for parameter in nn.Sequential(*blocks).parameters())
    if count != 3_206_048:
        raise Wrong(f"13 blocks of MobileNet have {count:,} parameters, not 3,206,048.")
    return "13 of your blocks are MobileNet's 3,206,048 parameters between its first and its last layer."


@exercise
def googlenet_row(answer: Callable[[], nn.Module]) -> str:
    """`answer()`: a module [N, 3, 224, 224] to [N, 64, 112, 112] of 2,712 weights and 34 million mult-adds."""
    module = answer()
    if not isinstance(module, nn.Module):
        raise Wrong(f"it returns a {type(module).__name__}, not a module.")
    try:
        rows = counting.count(module)
    except CourseError as error:
        raise Wrong(str(error).rstrip(".") + ".") from error
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    if not convolutions or rows[-1].shape != (64, 112, 112):
        raise Wrong(
            f"it puts out {list(rows[-1].shape) if rows else 'nothing'}, not [64, 112, 112] as GoogLeNet's conv1."
        )
    if any(layer.bias is not None for layer in convolutions):
        raise Wrong("there are biases: the paper's table seems to count weights only, so leave them out.")
    weights, mult_adds = (sum(getattr(row, what) for row in rows) for what in ("parameters", "mult_adds"))
    if weights == 9_408:
        raise Wrong("that is the plain 7x7: 9,408 weights, 118.0 million mult-adds, and not the row.")
    first = convolutions[0]
    if max(layer.kernel_size[0] for layer in convolutions) != 7:
        raise Wrong("no kernel is 7x7, as the table says of this row.")
    if len(convolutions) == 2 and first.kernel_size == (1, 1):
        raise Wrong("the 1x1 comes first: filter each of the three channels, then mix.")
    if weights == 147 * 8 + 24 * 64 and round(mult_adds / 1e6, 1) != 34.0:
        raise Wrong(f"the weights are right, but {mult_adds / 1e6:.1f} million mult-adds: where is the stride?")
    if len(convolutions) == 2 and first.groups == 3 and weights != 2_712:
        multiplier = first.out_channels // 3
        raise Wrong(
            f"a multiplier of {multiplier} gives {weights:,} weights, not 2,712: solve 147 m + 3 m x 64 = 2,712."
        )
    if (weights, mult_adds) != (2_712, 2_712 * 112 * 112):
        raise Wrong(
            f"{weights:,} weights and {mult_adds / 1e6:.1f} million mult-adds, not 2,712 and 34.0: "
            "which convolution of this chapter is so cheap?"
        )
    return "2,712 weights and 34,019,328 mult-adds: the paper's 2.7K and 34M."
