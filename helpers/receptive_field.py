"""How much of the image one unit sees: by the recurrence over a network's layers, and measured by the gradient."""

import operator
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from helpers.errors import CourseError


class Field(NamedTuple):
    """What a unit sees of the image: a square of `size` pixels; its neighbour's lies `jump` pixels further."""

    size: int
    jump: int

    def after(self, kernel: int, stride: int = 1, dilation: int = 1) -> "Field":
        """The field of a unit of the next layer: its kernel's outer inputs lie (kernel - 1) * dilation jumps apart."""
        return Field(self.size + (kernel - 1) * dilation * self.jump, self.jump * stride)


PIXEL = Field(size=1, jump=1)

WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
# Each output depends on the inputs at its own position only.
POINTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh,
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.LocalResponseNorm,
)  # fmt: skip
POINTWISE_FUNCTIONS = {
    operator.add, operator.iadd, operator.mul, torch.add, torch.mul, torch.cat, torch.concat, torch.relu, torch.tanh,
    torch.sigmoid, functional.relu, functional.relu6, functional.dropout, functional.local_response_norm, "add",
    "add_", "mul", "relu", "relu_", "contiguous",
}  # fmt: skip
# Behind these there is no map of units any more, or each unit sees the whole image.
ENDS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten)
END_FUNCTIONS = {torch.flatten, torch.mean, functional.adaptive_avg_pool2d, getattr, "flatten", "mean", "view", "size"}


def fields(network: nn.Module) -> dict[str, Field]:
    """The Field of each convolution and pooling of `network`, by the layer's name, up to where the maps end.

    Follows the network's own forward pass (traced by torch.fx), with its branches and additions: where paths meet,
    the largest field counts, since they share a centre. Batch norm counts as in evaluation. Raises CourseError for a
    layer whose field is not known, and for a network whose forward pass cannot be traced.
    """
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # whatever a forward pass does with a value that has none
        reason = str(error).splitlines()[0].rstrip(".")
        raise CourseError(f"{type(network).__name__} cannot be traced ({reason}): take a part of it.") from error
    modules = dict(network.named_modules())
    seen: dict[fx.Node, Field | None] = {}  # None: the whole image
    result = {}
    for node in graph.nodes:
        inputs = [seen[one] for one in node.all_input_nodes if one.op != "get_attr"]  # a parameter sees no pixel
        known = [field for field in inputs if field]
        if node.op == "placeholder":
            seen[node] = PIXEL
        elif not known or len(known) < len(inputs):
            seen[node] = None
        elif node.op == "call_module":
            seen[node] = _through(node.target, modules[node.target], known[0])
            if isinstance(modules[node.target], WINDOWS):
                result[node.target] = seen[node]
        elif node.op == "output" or node.target in POINTWISE_FUNCTIONS:
            seen[node] = Field(max(field.size for field in known), max(field.jump for field in known))
        elif node.target in END_FUNCTIONS:
            seen[node] = None
        else:
            name = node.target if isinstance(node.target, str) else node.target.__name__
            raise CourseError(f'The receptive field behind the function "{name}" is not known: use a layer of nn.')
    return result


class _Tracer(fx.Tracer):
    """Takes convolutions and poolings whole, also those that inherit from them and calculate their padding."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, WINDOWS + POINTWISE + ENDS) or super().is_leaf_module(module, name)


def _through(name: str, module: nn.Module, field: Field) -> Field | None:
    if isinstance(module, POINTWISE):
        return field
    if isinstance(module, ENDS):
        return None
    if not isinstance(module, WINDOWS):
        raise CourseError(f'The receptive field behind "{name}" ({type(module).__name__}) is not known.')
    kernel, stride, dilation = (_side(name, module, what) for what in ("kernel_size", "stride", "dilation"))
    return field.after(kernel, stride, dilation)


def _side(name: str, module: nn.Module, what: str) -> int:
    value = getattr(module, what, 1)  # average pooling has no dilation
    sides = {value} if isinstance(value, int) else set(value)
    if len(sides) > 1:
        raise CourseError(f'"{name}" has a {what} of {value}: receptive fields are for square ones.')
    return sides.pop()


# ---- measured ----


def measured(network: nn.Module, layer: str, size: int) -> torch.Tensor:
    """The gradient of the central unit of `layer` by each pixel of an image of `size` x `size`: float64 [size, size].

    It is that of the network with every weight of a kernel equal and positive, so that no path cancels another and
    no ReLU is shut; with nothing where another activation would saturate; and with average in place of maximum
    pooling, which would pass the gradient to one input of each window and, among equal ones, always to the first.
    All its channels are then equal, and one is computed for all. float64, since where few paths lead the gradient is
    below what float32 can hold. The border of the image must not cut the field: give a size larger by a few jumps.
    Raises CourseError for a layer that the network does not have or that comes after its last map.
    """
    image = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    with _EqualWeights():
        return _central_gradient(network, layer, image)[0]


def effective(network: nn.Module, layer: str, images: torch.Tensor) -> torch.Tensor:
    """How strongly each pixel moves the central unit of `layer` in the network as it is: float [H, W], of sum 1.

    The absolute gradient of the unit's sum over channels, averaged over `images` [N, C, H, W] and the image's
    channels. Source: Luo and others 2016, Understanding the Effective Receptive Field (arXiv:1701.04128).
    """
    images = images.detach().clone().requires_grad_()
    gradient = _central_gradient(network, layer, images).abs().mean(dim=0)
    return gradient / gradient.sum()


def extent(gradient: torch.Tensor) -> int:
    """The side in pixels of the smallest square that holds all of a gradient [H, W] that is not zero."""
    rows, columns = gradient.nonzero().T
    if not len(rows):
        return 0
    return int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1


def _central_gradient(network: nn.Module, layer: str, images: torch.Tensor) -> torch.Tensor:
    """The gradient [N, H, W], summed over image channels in absolute value, of the central unit of `layer`."""
    names = dict(network.named_modules())
    if layer not in names:
        raise CourseError(f'The network has no layer "{layer}": choose one of {", ".join(filter(None, names))}.')

    def stop(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        raise _Reached(output)

    hook = names[layer].register_forward_hook(stop)
    try:
        network(images)
    except _Reached as reached:
        maps = reached.args[0]
    else:
        raise CourseError(f'The forward pass does not come to the layer "{layer}".')
    finally:
        hook.remove()
    if maps.ndim != 4:
        raise CourseError(f'"{layer}" puts out no map of units but {list(maps.shape)}: choose an earlier layer.')
    height, width = maps.shape[2:]
    (gradient,) = torch.autograd.grad(maps[:, :, height // 2, width // 2].sum(), images)
    return gradient.abs().sum(dim=1)


class _Reached(Exception):
    """Ends a forward pass at the layer whose output is wanted; carries it."""


class _EqualWeights(TorchFunctionMode):
    """Within it, any network computes one channel with equal positive weights, and averages instead of maxima."""

    def __torch_function__(self, function: Any, types: Any, arguments: tuple = (), options: dict | None = None) -> Any:
        options = options or {}
        if function is torch.conv2d:
            return _convolve_equally(*arguments, **options)
        if function in (functional.max_pool2d, torch.max_pool2d):
            return _average(*arguments, **options)
        if function in PASSED_ON:
            return arguments[0]
        return function(*arguments, **options)


PASSED_ON = {
    functional.batch_norm, functional.local_response_norm, functional.relu6, functional.hardtanh, functional.hardswish,
    functional.hardsigmoid, functional.silu, functional.gelu, functional.elu, torch.tanh, torch.sigmoid,
}  # fmt: skip


def _convolve_equally(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> torch.Tensor:
    """Channels that branches have concatenated are averaged first."""
    kernel = torch.full((1, 1, *weight.shape[2:]), 1 / weight[0, 0].numel(), dtype=x.dtype)
    return functional.conv2d(x.mean(dim=1, keepdim=True), kernel, None, stride, padding, dilation)


def _average(
    x: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, **options: Any
) -> torch.Tensor:
    """The mean over the same windows, as a convolution, since average pooling has no dilation."""
    sides = [kernel_size] * 2 if isinstance(kernel_size, int) else kernel_size
    weight = torch.empty(1, 1, *sides)
    return _convolve_equally(x, weight, None, stride or kernel_size, padding, dilation)
