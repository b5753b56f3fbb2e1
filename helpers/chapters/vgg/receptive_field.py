"""How much of the image one unit sees: by the recurrence over a model's layers, and measured by the gradient."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from helpers.errors import CourseError


class Field(NamedTuple):
    """What a unit sees of the image: a square of `size` pixels; its neighbor's lies `jump` pixels further."""

    size: int
    jump: int


def fields(model: nn.Module) -> dict[str, Field]:
    """The Field of each convolution and pooling of `model`, by the layer's name, up to where the maps end.

    Follows an image of 224 x 224 through the model in evaluation mode, with weights or on the meta device. Whatever
    else keeps the size of the map counts as pointwise; where paths meet, the largest field counts, since they share a
    centre. A path ends where anything else changes the size: a gate computed from a pooled map does not count. Raises
    CourseError for a window that is not square.
    """
    names = {module: name for name, module in model.named_modules()}
    result = {}

    def note(module: nn.Module, inputs: tuple, output: Any) -> None:
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) and hasattr(inputs[0], "field"):
            size, jump = inputs[0].field
            kernel, stride = _side(module.kernel_size), _side(module.stride)
            dilation = _side(getattr(module, "dilation", 1))  # average pooling has none
            output.field = Field(size + (kernel - 1) * dilation * jump, jump * stride)
            result[names[module]] = output.field

    image = torch.zeros(1, 1, 224, 224)
    image.field = Field(size=1, jump=1)
    with register_module_forward_hook(note), _OneChannel():
        model(image)
    return result


def measured(model: nn.Module, layer: str, size: int) -> torch.Tensor:
    """The gradient of the central unit of `layer` by each pixel of an image of `size` x `size`: float64 [size, size].

    So that nothing seen is missed, the weights of a kernel are equal and positive (no path cancels another, no ReLU is
    shut), the image is so dark that nothing saturates, and pooling takes averages, since a maximum passes the gradient
    to one input of its window. One channel is computed for all, in float64, since where few paths lead the gradient is
    below what float32 can hold. Give a size larger than the field by a few jumps, lest the border cut it. Raises
    CourseError for a layer that puts out no map.
    """
    image = torch.full((1, 1, size, size), 1e-6, dtype=torch.float64, requires_grad=True)
    with _OneChannel():
        return _central_gradient(model, layer, image)[0]


def effective(model: nn.Module, layer: str, images: torch.Tensor) -> torch.Tensor:
    """How strongly each pixel moves the central unit of `layer` in the model as it is: float [H, W], of sum 1.

    The absolute gradient of the unit's sum over channels, averaged over `images` [N, C, H, W] and the image's
    channels. Source: Luo et al. 2016, Understanding the Effective Receptive Field (arXiv:1701.04128).
    """
    gradient = _central_gradient(model, layer, images.detach().clone().requires_grad_()).mean(dim=0)
    return gradient / gradient.sum()


def extent(gradient: torch.Tensor) -> int:
    """The side in pixels of the smallest square that holds all of a gradient [H, W] that is not zero."""
    reached = gradient.nonzero()
    return int((reached.amax(dim=0) - reached.amin(dim=0)).max()) + 1 if len(reached) else 0


def _central_gradient(model: nn.Module, layer: str, images: torch.Tensor) -> torch.Tensor:
    """The gradient [N, H, W], summed over image channels in absolute value, of the central unit of `layer`."""
    modules = dict(model.named_modules())
    maps = []

    def keep(module: nn.Module, inputs: tuple, output: Any) -> None:
        if module is modules.get(layer) and output.ndim == 4:
            maps.append(output.clone())  # the next layer may work in place

    with register_module_forward_hook(keep):
        model(images)
    if not maps:
        raise CourseError(f'"{layer}" puts out no map of units: choose one of {", ".join(filter(None, modules))}.')
    height, width = maps[0].shape[2:]
    (gradient,) = torch.autograd.grad(maps[0][:, :, height // 2, width // 2].sum(), images)
    return gradient.abs().sum(dim=1)


class _OneChannel(TorchFunctionMode):
    """Within it, any model computes one channel, with equal positive weights, and averages instead of maxima.

    What is computed pointwise from tensors with an attribute `field` has the largest of them.
    """

    def __torch_function__(self, function: Any, types: Any, arguments: tuple = (), options: dict | None = None) -> Any:
        options = options or {}
        if function in (F.batch_norm, F.linear):  # they have weights for all channels
            return arguments[0]
        function = {torch.conv2d: _convolve, F.max_pool2d: _average}.get(function, function)
        output = function(*arguments, **options)
        read = [value for value in tree_leaves((arguments, options)) if hasattr(value, "field")]
        if read and isinstance(output, torch.Tensor) and all(x.shape[2:] == output.shape[2:] for x in read):
            output.field = max(value.field for value in read)
        return output


def _convolve(x: torch.Tensor, weight: torch.Tensor, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """F.conv2d with equal weights; channels that branches have concatenated are averaged first."""
    kernel = torch.full((1, 1, *weight.shape[2:]), 1 / weight[0, 0].numel(), dtype=x.dtype)
    return F.conv2d(x.mean(dim=1, keepdim=True), kernel, None, stride, padding, dilation)


def _average(x: torch.Tensor, kernel_size, stride=None, padding=0, dilation=1, **options):
    """F.max_pool2d with means over the same windows, as a convolution, since average pooling has no dilation."""
    window = torch.empty(1, 1, _side(kernel_size), _side(kernel_size))
    return _convolve(x, window, None, stride or kernel_size, padding, dilation)


def _side(value: int | tuple[int, int]) -> int:
    """Of a square window, whose two sides PyTorch takes as one number or two."""
    height, width = (value, value) if isinstance(value, int) else value
    if height != width:
        raise CourseError(f"Receptive fields are for square windows, not {height} x {width}.")
    return height
