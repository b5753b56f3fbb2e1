"""Checks of 03's exercises."""

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers.architectures.googlenet import Inception
from helpers.checks import Wrong, close, exercise, name_the_mistake, require, seeded, weights_in_use


class NoConvolution(TorchFunctionMode):
    """A context in which a convolution of PyTorch is a wrong answer."""

    def __torch_function__(self, function: Callable, types: Any, arguments: tuple = (), options: Any = None) -> Any:
        convolves = "conv" in getattr(function, "__name__", "")
        require(not convolves, "that is a convolution: do it with F.linear, or with @.")
        return function(*arguments, **(options or {}))


@exercise
def one_by_one(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(x, weight, bias)`: the 1x1 convolution of x [N, C, H, W] by weight [outputs, C] and bias [outputs]."""
    with seeded():
        x, weight, bias = torch.randn(2, 4, 5, 4), torch.randn(4, 4), torch.randn(4)
    with NoConvolution():
        given, fewer = answer(x, weight, bias), None
    require(isinstance(given, torch.Tensor), f"it returns a {type(given).__name__}, not a tensor.")
    wanted = F.conv2d(x, weight[..., None, None], bias)
    require(len(given) == len(x), f"of {len(x)} images it gives {len(given)}.")
    exchanged = given.shape == wanted.transpose(2, 3).shape
    require(not exchanged, f"the shape is {list(given.shape)}: height and width have changed places.")
    require(given.shape == wanted.shape, f"the shape is {list(given.shape)}: bring the channels back to dimension 1.")
    mistakes = [
        ("the bias is forgotten.", wanted - bias[:, None, None]),
        ("the bias runs along the width: give it the shape [outputs, 1, 1].", wanted - bias[:, None, None] + bias),
        ("the bias counts twice.", wanted + bias[:, None, None]),
        ("a ReLU follows: the convolution alone has none.", F.relu(wanted)),
        ("the weight is used the wrong way round: it is [outputs, C].", F.conv2d(x, weight.T[..., None, None], bias)),
        ("the layer reads the width, not the channels: permute them to the end.", F.linear(x, weight, bias)),
    ]
    name_the_mistake(given, wanted, mistakes, "the numbers are wrong: permute moves channels, reshape mixes them up.")
    with contextlib.suppress(RuntimeError, ValueError):  # of shapes that do not fit
        fewer = answer(x, weight[:3], bias[:3])
    right = fewer is not None and close(fewer, wanted[:, :3])
    require(right, "it works where there are as many outputs as inputs alone: take their number from the weight.")
    return "a 1x1 convolution is a fully connected layer that every pixel shares."


# Two modules. In each all widths differ, so that the shape of a weight or a bias says which layer's it is.
WIDTHS = (6, 3, 4, 5, 2, 7, 8), (5, 8, 3, 9, 4, 2, 7)
RELUS = {  # the six, by what a learner would call them
    "the 1x1 branch": "branch1.1", "the reduction before the 3x3": "branch2.0.1", "the 3x3": "branch2.1.1",
    "the reduction before the 5x5": "branch3.0.1", "the 5x5": "branch3.1.1", "the projection": "branch4.1.1",
}  # fmt: skip
INNER = [layer for layer in RELUS.values() if ".0.1" in layer]
OUTER = [layer for layer in RELUS.values() if layer not in INNER]
POOLING = "branch4.0"
EACH = "each of the six convolutions has one."
MISTAKES: dict[str, tuple[list[str], nn.Module]] = {  # the layers of Inception that are replaced then, and by what
    f"there is no ReLU: {EACH}": (INNER + OUTER, nn.Identity()),
    f"the reductions have no ReLU: {EACH}": (INNER, nn.Identity()),
    f"the branches' last convolutions have no ReLU: {EACH}": (OUTER, nn.Identity()),
    "its ReLUs are leaky: take F.relu or nn.ReLU().": (INNER + OUTER, nn.LeakyReLU()),
    "the pooling is forgotten: its branch only projects.": ([POOLING], nn.Identity()),
    "the pooling takes averages: take maxima.": ([POOLING], nn.AvgPool2d(3, 1, padding=1)),
    "the pooling takes averages of the map alone: take maxima.": (
        [POOLING], nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)),
    "the pooling is 5x5: the picture says 3x3.": ([POOLING], nn.MaxPool2d(5, 1, padding=2)),
}  # fmt: skip
MISTAKES |= {f"there is no ReLU after {name}: {EACH}": ([layer], nn.Identity()) for name, layer in RELUS.items()}


@exercise
@torch.no_grad()
def inception(answer: Callable[..., nn.Module]) -> str:
    """`answer(inputs, one, reduce_3, three, reduce_5, five, pool)`: the inception module with reductions."""
    for widths in WIDTHS:
        check_module(answer(*widths), widths)
    return "as module 3a it has 163,328 weights and 368 biases; the paper prints 159K."


def check_module(block: Any, widths: tuple[int, ...]) -> None:
    """Raise Wrong unless a learner's module of these widths computes with its weights what Inception does."""
    with seeded():
        right, x = Inception(*widths), torch.randn(2, widths[0], 9, 9)
    try:
        used = weights_in_use(block, x)
    except RuntimeError as error:
        sizes = "torch.cat(…, dim=1) joins maps of one size, so 3x3, 5x5 and pooling need padding, and a stride of 1"
        raise Wrong(f"it stops: {sizes} ({str(error).splitlines()[0]}).") from error
    given = block(x.clone())
    expected = sum(1 for _ in right.parameters())
    require(len(used) <= expected, "it has other weights than those of six convolutions: leave batch norm out.")
    candidates = list(fillings(used, right))
    of_shape = {weight.shape for weight in used}
    missing = [list(weight.shape) for weight in right.parameters() if weight.shape not in of_shape]
    attributes = "Each of six convolutions has a kernel and a bias; layers in a plain list are not found."
    require(bool(candidates), f"called with {widths}, it uses no weights of the shapes {missing}. {attributes}")
    for weights in candidates:
        for parameter, weight in zip(right.parameters(), weights, strict=True):
            parameter.copy_(weight)
        if close(given, right(x)):
            return
    size = f"{list(x.shape)} comes out as {list(given.shape)}, not {list(right(x).shape)}: four branches, stride 1."
    require(given.shape == right(x).shape, size)
    mistakes = []
    for mistake, (layers, replacement) in MISTAKES.items():
        wrong = copy.deepcopy(right)
        for layer in layers:
            wrong.set_submodule(layer, replacement)
        mistakes.append((mistake, wrong(x)))
    otherwise = (
        "the numbers are wrong. All branches read x as it is; 1x1, 3x3, 5x5 and pooling are joined in this order; "
        "the last takes 3x3 maxima first."
    )
    name_the_mistake(given, right(x), mistakes, otherwise)


def fillings(used: list[torch.Tensor], right: Inception) -> Iterator[list[torch.Tensor]]:
    """What the weights in use may be as parameters of Inception: by their shapes; or some of the three 1x1 that read
    the same x computed as one, its outputs split in any order."""
    of_shape = {weight.shape: weight for weight in used}
    names = dict(right.named_parameters())
    readers = ["branch1.0", "branch2.0.0", "branch3.0.0"]
    for count in (0, 2, 3):
        for joined in itertools.permutations(readers, count):
            known = {name: of_shape.get(each.shape) for name, each in names.items()}
            for kind in ("weight", "bias") if joined else ():
                parts = [names[f"{reader}.{kind}"] for reader in joined]
                whole = of_shape.get(torch.cat(parts).shape)
                split = [None] * count if whole is None else whole.split([len(part) for part in parts])
                known |= {f"{reader}.{kind}": part for reader, part in zip(joined, split, strict=True)}
            if all(each is not None for each in known.values()):
                yield list(known.values())


@exercise
def one_kernel(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(one, three, five)`: the 5x5 kernels that do what kernels of 1x1, 3x3 and 5x5 do, concatenated."""
    with seeded():
        one, three, five = (torch.randn(outputs, 4, side, side) for outputs, side in ((2, 1), (3, 3), (2, 5)))
        x = torch.randn(4, 4, 8, 8)
    kernels = torch.as_tensor(answer(one, three, five)).float()  # which NumPy may have made, in float64
    require(kernels.shape == (7, 4, 5, 5), f"the shape is {list(kernels.shape)}, not [7, 4, 5, 5]: 2 + 3 + 2 outputs.")
    given = F.conv2d(x, kernels, padding=2)
    wanted = torch.cat([F.conv2d(x, kernel, padding="same") for kernel in (one, three, five)], dim=1)
    corner = torch.cat([F.pad(one, (0, 4, 0, 4)), F.pad(three, (0, 2, 0, 2)), five])
    mistakes = [("the small kernels lie in a corner: put them in the centre.", F.conv2d(x, corner, padding=2))]
    otherwise = "the outputs are not those of the three kernels, in this order: put zeros around the small ones."
    name_the_mistake(given, wanted, mistakes, otherwise)
    return f"one 5x5 convolution does it too, with {(kernels == 0).double().mean():.0%} of zeros."
