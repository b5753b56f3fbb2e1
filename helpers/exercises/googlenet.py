"""Checks of 03's exercises."""

import itertools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from helpers.exercises import Wrong, exercise, name_the_mistake, seeded


@exercise
def one_by_one(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(x, weight, bias)`: the 1x1 convolution of x [N, C, H, W] by weight [outputs, C] and bias [outputs]."""
    with seeded():
        x, weight, bias = torch.randn(2, 4, 5, 4), torch.randn(4, 4), torch.randn(4)
    found, truth = answer(x.clone(), weight.clone(), bias.clone()), functional.conv2d(x, weight[..., None, None], bias)
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"it returns a {type(found).__name__}, not a tensor of maps.")
    pixels = x.permute(0, 2, 3, 1)
    if found.shape == (2, 5, 4, 4):
        raise Wrong("the channels are still last, [N, H, W, outputs]: permute them back to dimension 1.")
    if found.shape != truth.shape:
        raise Wrong(
            f"the shape is {list(found.shape)}, not {list(truth.shape)}: only the number of channels may change."
        )
    mistakes = [
        ("the bias is forgotten.", truth - bias[:, None, None]),
        ("the bias runs along the width: it belongs to the output channels.", truth - bias[:, None, None] + bias),
        ("the weight is used the wrong way round: it is [outputs, C].", functional.linear(pixels, weight.T, bias)
         .permute(0, 3, 1, 2)),
        ("the layer reads the width, not the channels: permute them to the end first, reshape does not move them.",
         functional.linear(x, weight, bias)),
        ("reshape brings the channels back in the wrong order: permute them.",
         functional.linear(pixels, weight, bias).reshape(x.shape)),
        ("there is a ReLU: the exercise asks for the convolution alone.", truth.relu()),
    ]  # fmt: skip
    name_the_mistake(
        found, truth, mistakes, "the shape is right, the numbers are not: each pixel's channels, weighted."
    )
    return "a 1x1 convolution is a fully connected layer that every pixel shares."


WIDTHS = {"inputs": 6, "one": 3, "reduce_3": 4, "three": 5, "reduce_5": 2, "five": 7, "pool": 1}


@exercise
def inception(answer: Callable[..., nn.Module]) -> str:
    """`answer(inputs, one, reduce_3, three, reduce_5, five, pool)`: the inception module with reductions."""
    with seeded():
        block = answer(*WIDTHS.values())
        x = torch.randn(2, 6, 9, 9)
    if not isinstance(block, nn.Module):
        raise Wrong(f"it returns a {type(block).__name__}, not a module: a class of nn.Module with a forward.")
    layers = {
        (layer.kernel_size[0], layer.in_channels, layer.out_channels): layer
        for layer in block.modules()
        if isinstance(layer, nn.Conv2d)
    }
    _check_convolutions(layers)
    _check_pooling(block)
    with torch.no_grad():
        try:
            found = block(x)
        except RuntimeError as error:
            if "must match the size of tensor" in str(error):
                raise Wrong(
                    "branches of different widths cannot be added: concatenate them, torch.cat(…, dim=1)."
                ) from error
            if "except in dimension 0" in str(error):
                raise Wrong("torch.cat joins along the batch unless told otherwise: dim=1, the channels.") from error
            if "except in dimension" in str(error):
                raise Wrong("the branches' maps differ in size: each must keep height and width.") from error
            raise
        if not isinstance(found, torch.Tensor):
            raise Wrong(f"forward returns a {type(found).__name__}: join the branches by torch.cat(…, dim=1).")
        if found.shape[2:] != x.shape[2:]:
            raise Wrong(f"a map of 9 x 9 comes out as {found.shape[2]} x {found.shape[3]}: every stride is 1.")
        if found.shape[1] != 16:
            raise Wrong(f"there are {found.shape[1]} channels, not one + three + five + pool = 16.")
        _compare(layers, x, found)
        count = sum(parameter.numel() for parameter in answer(192, 64, 96, 128, 16, 32, 32).parameters())
    if count != 163_696:
        raise Wrong(f"as module 3a it has {count:,} parameters, not 163,696: do all convolutions have a bias, once?")
    return "as module 3a it has 163,328 weights and 368 biases, as the paper's."


def _check_convolutions(layers: dict[tuple[int, int, int], nn.Conv2d]) -> None:
    inputs, one, reduce_3, three, reduce_5, five, pool = WIDTHS.values()
    for kernel, outputs in ((3, three), (5, five)):
        reads_all = [key for key in layers if key[0] == kernel and key[1] == inputs]
        if any(
            (1, outputs_of, outputs) in layers or (1, outputs_of, outputs_of) in layers for *_, outputs_of in reads_all
        ):
            raise Wrong(
                f"the 1x1 comes after the {kernel}x{kernel}: reduce before, or the large kernel reads all inputs."
            )
        if reads_all:
            raise Wrong(f"the {kernel}x{kernel} kernel reads all {inputs} inputs: put its 1x1 reduction before it.")
    if (1, inputs, pool) not in layers:
        raise Wrong("the pooling branch has no 1x1 projection: without one it hands on all inputs.")
    wanted = [(1, inputs, one), (1, inputs, reduce_3), (3, reduce_3, three), (1, inputs, reduce_5), (5, reduce_5, five)]
    for key in wanted:
        if key not in layers:
            raise Wrong(f"there is no {key[0]}x{key[0]} convolution from {key[1]} to {key[2]} channels, with {WIDTHS}.")
    for (kernel, *_), layer in layers.items():
        if layer.stride != (1, 1):
            raise Wrong(f"a {kernel}x{kernel} convolution has a stride: all branches keep the size of the map.")
        if layer.padding not in ((kernel // 2, kernel // 2), "same"):
            raise Wrong(f"a {kernel}x{kernel} convolution needs padding={kernel // 2} to keep the size of the map.")


def _check_pooling(block: nn.Module) -> None:
    for layer in block.modules():
        if isinstance(layer, nn.AvgPool2d):
            raise Wrong("the pooling takes averages: GoogLeNet's takes maxima, nn.MaxPool2d.")
        if isinstance(layer, nn.MaxPool2d):
            if layer.kernel_size not in (3, (3, 3)):
                raise Wrong(f"the pooling's kernel is {layer.kernel_size}, not 3.")
            if layer.stride not in (1, (1, 1)):
                raise Wrong(
                    f"the pooling has stride {layer.stride} (by default its kernel size): stride=1 keeps the map."
                )
            if layer.padding not in (1, (1, 1)):
                raise Wrong("the pooling needs padding=1 to keep the size of the map.")


def _compare(layers: dict[tuple[int, int, int], nn.Conv2d], x: torch.Tensor, found: torch.Tensor) -> None:
    """Raise Wrong unless `found` is what the learner's own convolutions give when they are joined rightly."""
    inputs, one, reduce_3, three, reduce_5, five, pool = WIDTHS.values()

    def branches(inner: bool = True, outer: bool = True, pooled: bool = True, late: bool = False) -> list[torch.Tensor]:
        middle, last = (torch.relu if used else lambda y: y for used in (inner, outer))
        maxima = functional.max_pool2d(x, 3, 1, 1) if pooled and not late else x
        projected = last(layers[1, inputs, pool](maxima))
        return [
            last(layers[1, inputs, one](x)),
            last(layers[3, reduce_3, three](middle(layers[1, inputs, reduce_3](x)))),
            last(layers[5, reduce_5, five](middle(layers[1, inputs, reduce_5](x)))),
            functional.max_pool2d(projected, 3, 1, 1) if late else projected,
        ]

    right = branches()
    mistakes = [
        ("there is no ReLU: each of the six convolutions has one.", torch.cat(branches(False, False), 1)),
        ("the reductions have no ReLU: each of the six convolutions has one.", torch.cat(branches(False), 1)),
        ("the branches' last convolutions have no ReLU.", torch.cat(branches(outer=False), 1)),
        ("the pooling is forgotten: its branch only projects.", torch.cat(branches(pooled=False), 1)),
        ("the projection comes before the pooling: pool first.", torch.cat(branches(late=True), 1)),
    ]
    order = "the branches are joined in another order: 1x1, 3x3, 5x5, pooling."
    mistakes += [(order, torch.cat(moved, 1)) for moved in itertools.permutations(right)]
    otherwise = "the numbers are not those of your own layers, four branches side by side: does each branch read x?"
    name_the_mistake(found, torch.cat(right, 1), mistakes, otherwise)


@exercise
def one_kernel(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(one, three, five)`: the 5x5 kernels that do what kernels of 1x1, 3x3 and 5x5 do, concatenated."""
    with seeded():
        one, three, five = (torch.randn(outputs, 4, side, side) for outputs, side in ((2, 1), (3, 3), (2, 5)))
        x = torch.randn(1, 4, 8, 8)
    found = answer(one.clone(), three.clone(), five.clone())
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"it returns a {type(found).__name__}, not one tensor of kernels.")
    if found.shape != (7, 4, 5, 5):
        raise Wrong(f"the shape is {list(found.shape)}, not [7, 4, 5, 5]: 5 x 5 for each of 2 + 3 + 2 outputs.")

    def grown(before: Callable[[int], int], fill: str = "zeros") -> torch.Tensor:
        kernels = []
        for kernel in (one, three, five):
            missing = 5 - kernel.shape[-1]
            low = before(missing)
            if fill == "zeros":
                kernels.append(functional.pad(kernel, (low, missing - low) * 2))
            else:
                kernels.append(functional.interpolate(kernel, (5, 5), mode=fill))
        return torch.cat(kernels)

    truth = grown(lambda missing: missing // 2)
    first, second, third = truth.split((2, 3, 2))
    corner = "the small kernels lie in a corner of the 5 x 5: their centre must stay the centre."
    mistakes = [
        (corner, grown(lambda missing: 0)),
        (corner, grown(lambda missing: missing)),
        ("the small kernels are stretched: zeros around them leave them as they are.", grown(int, "nearest")),
        ("the small kernels are stretched: zeros around them leave them as they are.", grown(int, "bilinear")),
        ("the kernels are turned round: PyTorch's convolution does not flip.", truth.flip(2, 3)),
    ]
    order = "the outputs come in another order: 1x1, 3x3, 5x5, as they are concatenated."
    mistakes += [(order, torch.cat(moved)) for moved in itertools.permutations((first, second, third))]
    name_the_mistake(found, truth, mistakes, "the kernels are not the small ones with zeros around them.")
    sizes = [functional.conv2d(x, kernel, padding=kernel.shape[-1] // 2) for kernel in (one, three, five)]
    same = torch.allclose(functional.conv2d(x, found, padding=2), torch.cat(sizes, 1), atol=1e-4)
    zeros = (truth == 0).double().mean().item()
    return f"one 5x5 convolution does it too ({'equal' if same else 'unequal'} outputs), with {zeros:.0%} of zeros."
