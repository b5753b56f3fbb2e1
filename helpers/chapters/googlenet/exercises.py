"""Checks of 03's exercises."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from helpers.architectures.googlenet import Inception
from helpers.checks import Wrong, exercise, name_the_mistake, require, seeded, weights_in_use


@exercise
def one_by_one(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(x, weight, bias)`: the 1x1 convolution of x [N, C, H, W] by weight [outputs, C] and bias [outputs]."""
    with seeded():
        x, weight, bias = torch.randn(2, 4, 5, 4), torch.randn(4, 4), torch.randn(4)
    given, wanted = answer(x, weight, bias), F.conv2d(x, weight[..., None, None], bias)
    require(given.shape == wanted.shape, f"the shape is {list(given.shape)}: bring the channels back to dimension 1.")
    mistakes = [
        ("the bias is forgotten.", wanted - bias[:, None, None]),
        ("the weight is used the wrong way round: it is [outputs, C].", F.conv2d(x, weight.T[..., None, None], bias)),
        ("the layer reads the width, not the channels: permute them to the end.", F.linear(x, weight, bias)),
    ]
    name_the_mistake(given, wanted, mistakes, "the numbers are wrong: permute moves channels, reshape mixes them up.")
    return "a 1x1 convolution is a fully connected layer that every pixel shares."


WIDTHS = 6, 3, 4, 5, 2, 7, 1  # all differ, so that the shape of a weight or a bias says which layer's it is
REDUCTIONS, LAST = ["branch2.0.1", "branch3.0.1"], ["branch1.1", "branch2.1.1", "branch3.1.1", "branch4.1.1"]  # ReLUs
LEFT_OUT = {  # each mistake by the layers of Inception that are missing then
    "there is no ReLU: each of the six convolutions has one.": REDUCTIONS + LAST,
    "the reductions have no ReLU: each of the six convolutions has one.": REDUCTIONS,
    "the branches' last convolutions have no ReLU.": LAST,
    "the pooling is forgotten: its branch only projects.": ["branch4.0"],
}


@exercise
@torch.no_grad()
def inception(answer: Callable[..., nn.Module]) -> str:
    """`answer(inputs, one, reduce_3, three, reduce_5, five, pool)`: the inception module with reductions."""
    with seeded():
        block, right, x = answer(*WIDTHS), Inception(*WIDTHS), torch.randn(2, 6, 9, 9)
    try:
        used = weights_in_use(block, x)
    except RuntimeError as error:
        sizes = "torch.cat(…, dim=1) joins maps of one size, so 3x3, 5x5 and pooling need padding, and a stride of 1"
        raise Wrong(f"it stops: {sizes} ({str(error).splitlines()[0]}).") from error
    used = [weight[..., None, None] if weight.ndim == 2 else weight for weight in used]  # a 1x1 may be an nn.Linear
    of_shape = {weight.shape: weight for weight in used}
    missing = [list(weight.shape) for weight in right.parameters() if weight.shape not in of_shape]
    attributes = "Each of six convolutions has a kernel and a bias; layers in a plain list are not found."
    require(not missing, f"called with {WIDTHS}, it uses no weights of the shapes {missing}. {attributes}")
    for weight in right.parameters():
        weight.copy_(of_shape[weight.shape])
    given, wanted, mistakes = block(x.clone()), right(x), []
    size = f"{list(x.shape)} comes out as {list(given.shape)}, not {list(wanted.shape)}: four branches, stride 1."
    require(given.shape == wanted.shape, size)
    for mistake, layers in LEFT_OUT.items():
        wrong = copy.deepcopy(right)
        for layer in layers:
            wrong.set_submodule(layer, nn.Identity())
        mistakes.append((mistake, wrong(x)))
    otherwise = "the numbers are wrong: join 1x1, 3x3, 5x5 and pooling in this order; the last takes 3x3 maxima first."
    name_the_mistake(given, wanted, mistakes, otherwise)
    return "as module 3a it has 163,328 weights and 368 biases, as the paper's."


@exercise
def one_kernel(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(one, three, five)`: the 5x5 kernels that do what kernels of 1x1, 3x3 and 5x5 do, concatenated."""
    with seeded():
        one, three, five = (torch.randn(outputs, 4, side, side) for outputs, side in ((2, 1), (3, 3), (2, 5)))
        x = torch.randn(4, 4, 8, 8)
    kernels = answer(one, three, five)
    require(kernels.shape == (7, 4, 5, 5), f"the shape is {list(kernels.shape)}, not [7, 4, 5, 5]: 2 + 3 + 2 outputs.")
    given = F.conv2d(x, kernels, padding=2)
    wanted = torch.cat([F.conv2d(x, kernel, padding="same") for kernel in (one, three, five)], dim=1)
    corner = torch.cat([F.pad(one, (0, 4, 0, 4)), F.pad(three, (0, 2, 0, 2)), five])
    mistakes = [("the small kernels lie in a corner: put them in the centre.", F.conv2d(x, corner, padding=2))]
    otherwise = "the outputs are not those of the three kernels, in this order: put zeros around the small ones."
    name_the_mistake(given, wanted, mistakes, otherwise)
    return f"one 5x5 convolution does it too, with {(kernels == 0).double().mean():.0%} of zeros."
