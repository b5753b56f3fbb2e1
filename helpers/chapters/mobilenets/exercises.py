"""Checks of 05's exercises."""

import functools
import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from helpers import counting
from helpers.checks import close, exercise, name_the_mistake, require, seeded, weights_in_use


@exercise
def separation(answer: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> str:
    """`answer(kernel)`: a column [K] and a row [L] whose outer product is the nearest kernel of rank 1 to [K, L]."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    with seeded():
        random = torch.randn(5, 3)
    for name, kernel in (("a random", random), ("Sobel's", sobel)):
        column, row = (torch.as_tensor(part).flatten() for part in answer(kernel))
        require(
            (len(column), len(row)) == kernel.shape,
            f"for a kernel {list(kernel.shape)} its column has {len(column)} numbers and its row {len(row)}: take one "
            "column of U and one row of Vh.",
        )
        u, s, vh = torch.linalg.svd(kernel)
        first = torch.outer(u[:, 0], vh[0])
        mistakes = [
            ("the singular value is missing: U and Vh have length 1, the size is in S.", first),
            ("the singular value is in it twice: give its root to each of the two.", s[0] ** 2 * first),
            ("that is a row of U: its columns are the singular vectors, U[:, 0].", s[0] * torch.outer(u[0], vh[0])),
            ("that is a column of Vh: the vectors are its rows, Vh[0].", s[0] * torch.outer(u[:, 0], vh[:, 0])),
        ]
        otherwise = f"the product of the two is not the nearest to {name} kernel: scale U[:, 0] and Vh[0] by S[0]."
        name_the_mistake(torch.outer(column, row), s[0] * first, mistakes, otherwise)
    s = torch.linalg.svdvals(random)
    left = (s[1:].square().sum() / s.square().sum()).item()
    return f"Sobel's kernel is two vectors; of a random 5x3 kernel they miss {left:.0%} of the energy."


@exercise
@torch.no_grad()
def separable_block(answer: Callable[[int, int, int], nn.Module]) -> str:
    """`answer(inputs, outputs, stride)`: depthwise 3x3 and pointwise convolution, each with batch norm and ReLU."""
    for inputs, outputs, stride in ((8, 16, 2), (6, 6, 1)):
        block = answer(inputs, outputs, stride)
        with seeded():
            x = torch.randn(2, inputs, 7, 9)  # odd, where TensorFlow's padding is PyTorch's too
        weights, given = weights_in_use(block, x.clone()), block(x.clone())
        _require_shapes(weights, inputs, outputs)
        rights, mistakes, strides = [], [], (stride, 1)
        for relu, eps in itertools.product((F.relu, F.relu6), (1e-5, 1e-3)):  # as PyTorch's layers, or as TensorFlow's
            compute, none, relus = functools.partial(_compute, x, weights, eps), nn.Identity(), (relu, relu)
            rights.append(compute(strides, relus))
            mistakes += [
                ("no ReLU is applied: then the two convolutions are one.", compute(strides, (none, none))),
                ("no ReLU is applied between the two convolutions.", compute(strides, (none, relu))),
                ("no ReLU is applied at the end.", compute(strides, (relu, none))),
                ("the stride is missing: hand it to the depthwise layer.", compute((1, 1), relus)),
                ("the depthwise layer needs padding=1.", compute(strides, relus, padding=0)),
            ]
        right = next((each for each in rights if close(given, each)), rights[0])
        otherwise = (
            f"with stride={stride} it makes {list(given.shape)} of {list(x.shape)}, and not what depthwise convolution "
            f"(stride {stride}, padding 1), batch norm, ReLU, pointwise convolution, batch norm, ReLU make of it."
        )
        name_the_mistake(given, right, mistakes, otherwise)
        cheap = (
            counting.totals(counting.count(block, x.shape[1:])).mult_adds
            == inputs * (9 + outputs) * given[0, 0].numel()
        )
        require(cheap, "the numbers are right, but cost more mult-adds: hand the stride to the depthwise layer.")
    return "13 of these blocks, with 3,206,048 parameters, are MobileNet between its first and its last layer."


def _require_shapes(weights: list[torch.Tensor], inputs: int, outputs: int) -> None:
    kernels = [list(weight.shape) for weight in weights if weight.ndim > 1]
    wanted = [[inputs, 1, 3, 3], [outputs, inputs, 1, 1]]
    dense = kernels[:1] == [[inputs, inputs, 3, 3]]
    require(not dense, "each 3x3 kernel reads all channels: with groups=inputs it reads its own only.")
    require(kernels == wanted, f"its kernels are {kernels}, not {wanted}: depthwise comes first, then pointwise.")
    vectors = [len(weight) for weight in weights if weight.ndim == 1]
    biased = vectors == [inputs] * 5 + [outputs] * 5
    require(not biased, "the convolutions keep their biases, which batch norm subtracts with the mean.")
    normed = vectors == [inputs] * 4 + [outputs] * 4  # mean, variance, weight, bias
    require(normed, f"its vectors have the lengths {vectors}: one batch norm, of four, follows each convolution.")


def _compute(
    x: torch.Tensor, weights: list[torch.Tensor], eps: float, strides: tuple, relus: tuple, padding: int = 1
) -> torch.Tensor:
    """What a block with these weights should give, or gives with a mistake."""
    kernels, vectors = ([weight for weight in weights if (weight.ndim == 1) == flat] for flat in (False, True))
    for kernel, norm, stride, relu in zip(kernels, (vectors[:4], vectors[4:]), strides, relus, strict=True):
        groups = x.shape[1] // kernel.shape[1]
        x = F.conv2d(x, kernel, stride=stride, padding=padding if groups > 1 else 0, groups=groups)
        x = relu(F.batch_norm(x, *norm, eps=eps))
    return x


@exercise
@torch.no_grad()
def googlenet_row(answer: Callable[[], nn.Module]) -> str:
    """`answer()`: a module [N, 3, 224, 224] to [N, 64, 112, 112] of 2,712 weights and 34 million mult-adds."""
    module = answer()
    with seeded():
        photo = torch.randn(1, 3, 224, 224)
    kernels, given = weights_in_use(module, photo), module(photo)
    shapes, shape = [list(kernel.shape) for kernel in kernels], list(given.shape[1:])
    require(shape == [64, 112, 112], f"it puts out {shape}, not [64, 112, 112] as GoogLeNet's conv1.")
    two = "filter each of the three channels, then mix them, without biases"
    require(len(kernels) == 2, f"it computes with {len(kernels)} tensors of weights: {two}.")
    weights = sum(kernel.numel() for kernel in kernels)
    solve = "a depthwise 7x7 with multiplier m and a pointwise layer have 147 m + 3 m x 64"
    require(weights == 2_712, f"{shapes} are {weights:,} weights, not 2,712: {solve}.")
    right = F.conv2d(F.conv2d(photo, kernels[0], stride=2, padding=3, groups=3), kernels[1])
    require(close(given, right), "the weights are right, not the numbers: the 7x7 has stride 2 and padding 3.")
    cost = counting.totals(counting.count(module)).mult_adds / 1e6
    require(round(cost) == 34, f"the weights are right, but {cost:.1f} million mult-adds: where is the stride?")
    return "2,712 weights and 34,019,328 mult-adds: the paper's 2.7K and 34M."
