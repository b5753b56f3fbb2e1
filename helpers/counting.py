"""Parameters, multiply-adds and activations of a model, layer by layer, by PyTorch's own counter."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from helpers.errors import CourseError


class Row(NamedTuple):
    """One layer, as the model calls it.

    Attributes:
        layer: its name in the model ("features.0").
        kind: its class ("Conv2d").
        shape: of its output for one image, without the batch: (channels, height, width) or (features,).
        parameters: weights and biases that it uses and no row above it did.
        mult_adds: multiply-adds for one image: half of PyTorch's "flops". Biases, pooling and ReLU count nothing.
        activations: how many numbers it puts out for one image.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    mult_adds: int
    activations: int


class FirstUse(TorchFunctionMode):
    """Within it, `report` is told each of `tensors` once: when an operation of PyTorch first takes it."""

    def __init__(self, tensors: Iterable[torch.Tensor], report: Callable[[torch.Tensor], None]):
        super().__init__()
        self.waiting, self.report = {id(tensor): tensor for tensor in tensors}, report

    def __torch_function__(self, function: Any, types: Any, arguments: tuple = (), options: dict | None = None) -> Any:
        options = options or {}
        for value in tree_leaves((arguments, options)):
            if id(value) in self.waiting:
                self.report(self.waiting.pop(id(value)))
        return function(*arguments, **options)


def count(model: nn.Module, image: tuple[int, ...] = (3, 224, 224), *, all_layers: bool = False) -> list[Row]:
    """A Row for each layer of `model`, in the order in which they finish, for one image of shape (C, H, W).

    A layer is a module that computes with parameters itself or multiplies and adds, or that calls no other and changes
    the shape; with `all_layers` also one that does neither (ReLU, dropout). Nothing is computed and no memory is taken:
    the forward pass runs on the meta device, where tensors have shapes but no values. The model may be on any device
    (also built under `torch.device("meta")`), stays as it is, and is counted in the mode it is in (a model in training
    mode may have more heads). Raises CourseError for an image that does not fit the model.
    """
    rows = []
    names = {module: name for name, module in model.named_modules()}
    state = {name: tensor.to("meta") for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    running = []  # [parameters, flops] of each module that computes at the moment, the innermost last
    credited = 0

    def credit_flops() -> None:
        """The operations since the last call of this belong to the innermost module."""
        nonlocal credited
        before, credited = credited, counter.get_total_flops()
        if running:
            running[-1][1] += credited - before

    def credit_parameter(tensor: torch.Tensor) -> None:
        running[-1][0] += tensor.numel()

    def enter(module: nn.Module, inputs: tuple) -> None:
        credit_flops()
        running.append([0, 0])

    def leave(module: nn.Module, inputs: tuple, outputs: Any) -> None:
        credit_flops()
        own_parameters, flops = running.pop()
        read, output = (next(x for x in tree_leaves(part) if isinstance(x, torch.Tensor)) for part in (inputs, outputs))
        is_leaf = not list(module.children())
        if own_parameters or flops or (is_leaf and (all_layers or output.shape != read.shape)):
            kind, shape = type(module).__name__, tuple(output.shape[1:])
            rows.append(Row(names[module], kind, shape, own_parameters, flops // 2, output[0].numel()))

    hooks = []
    try:
        for module in names:
            hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        watch = FirstUse([state[name] for name, _ in model.named_parameters()], credit_parameter)
        with torch.no_grad(), FlopCounterMode(display=False) as counter, watch:
            functional_call(model, state, torch.empty(1, *image, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = next(iter(str(error).splitlines()), "it stops")
        raise CourseError(f"An image of shape {list(image)} does not pass through the model ({reason}).") from error
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def totals(rows: Iterable[Row]) -> Row:
    """The sums of parameters, mult_adds and activations, as a Row; those of `count(model)` are the model's."""
    return Row("sum", "", (), *(sum(numbers) for numbers in list(zip(*rows, strict=True))[3:]))


def parameters(model: nn.Module) -> int:
    """How many parameters a model has, in all its modules, used or not."""
    return sum(parameter.numel() for parameter in model.parameters())


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table to show, with each layer's share of the parameters and multiply-adds, and their sums."""
    rows = list(rows)
    whole = totals(rows)
    table = pd.DataFrame([*rows, whole], columns=Row._fields).set_index("layer")
    table["shape"] = [" x ".join(map(str, shape)) for shape in table["shape"]]
    for column, name in ((4, "mult_adds"), (3, "parameters")):
        share = 100 * table[name] / max(table[name].iloc[-1], 1)
        table.insert(column, f"{name}, %", share.round(1))
    table[list(Row._fields[3:])] = table[list(Row._fields[3:])].map("{:,}".format)
    return table.rename(columns=lambda name: name.replace("shape", "output").replace("_", "-"))
