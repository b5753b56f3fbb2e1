"""Parameters, multiply-adds and activations of a network, layer by layer, by PyTorch's own counter."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from helpers.errors import CourseError


class Row(NamedTuple):
    """One layer, as the network called it.

    Attributes:
        layer: its name in the network ("features.0").
        kind: its class ("Conv2d").
        shape: of its output for one image, without the batch: (channels, height, width) or (features,).
        parameters: weights and biases; counted at the first call of a layer that is called more than once.
        mult_adds: multiply-adds for one image: half of PyTorch's "flops". Biases, pooling and ReLU count nothing.
        activations: how many numbers it puts out for one image.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    mult_adds: int
    activations: int


def count(network: nn.Module, image: tuple[int, ...] = (3, 224, 224), *, every: bool = False) -> list[Row]:
    """A Row for each layer of `network`, in the order of the calls, for one image of shape (C, H, W).

    Layers that neither have parameters nor change the shape (ReLU, dropout) are left out, unless `every`. Nothing is
    computed and no memory is taken: the forward pass runs on the meta device, where tensors have shapes but no
    values. The network may be on any device (also built under `torch.device("meta")`), stays where it is, and is
    counted in the mode it is in (a network in training mode may have more heads). Raises CourseError for an image
    that does not fit the network.
    """
    rows, seen, before = [], set(), {}
    names = {module: name for name, module in network.named_modules()}
    state = {name: tensor.to("meta") for name, tensor in [*network.named_parameters(), *network.named_buffers()]}

    def enter(module: nn.Module, inputs: tuple) -> None:
        before[module] = counter.get_total_flops()

    def leave(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        parameters = 0 if module in seen else sum(parameter.numel() for parameter in module.parameters())
        seen.add(module)
        mult_adds = (counter.get_total_flops() - before[module]) // 2
        if every or parameters or mult_adds or output.shape != inputs[0].shape:
            shape = tuple(output.shape[1:])
            rows.append(Row(names[module], type(module).__name__, shape, parameters, mult_adds, output[0].numel()))

    hooks = []
    try:
        for module in names:
            if not list(module.children()):
                hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            functional_call(network, state, torch.empty(1, *image, device="meta"))
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CourseError(f"An image of shape {list(image)} does not pass through the network ({reason}).") from error
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def table(rows: Iterable[Row]) -> str:
    """The rows as a table in plain text, with each layer's share of the parameters and multiply-adds, and the sums."""
    rows = list(rows)
    sums = [sum(row[column] for row in rows) for column in (3, 4, 5)]
    left, middle = max(len("layer"), *(len(row.layer) for row in rows)), max(len(row.kind) for row in rows)
    lines = [
        f"{'layer':{left}}  {'':{middle}}  {'output':>13}  {'parameters':>11}  {'':>5}  {'mult-adds':>14}  "
        f"{'':>5}  {'activations':>11}"
    ]
    total = Row("sum", "", (), *sums)
    for row in [*rows, total]:
        shares = [f"{number / max(whole, 1):5.1%}" for number, whole in zip(row[3:5], sums, strict=False)]
        lines.append(
            f"{row.layer:{left}}  {row.kind:{middle}}  {' x '.join(map(str, row.shape)):>13}  {row.parameters:11,}  "
            f"{shares[0]:>5}  {row.mult_adds:14,}  {shares[1]:>5}  {row.activations:11,}".rstrip()
        )
    return "\n".join(lines)
