"""What goes up through a network and what comes back down: activations, backward signal and gradients by layer."""

import copy
from collections.abc import Callable, Iterable

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn


def measure(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    layers: Iterable[str] = (),
    loss: Callable[..., torch.Tensor] = F.cross_entropy,
) -> pd.DataFrame:
    """One pass up and one down, in the mode that the model is in; a copy of it computes, so it stays as it is.

    Args:
        images, labels: float [N, C, H, W] and int64 [N], on the model's device.
        layers: names of layers or blocks ("layer1.0"); without any, all convolutions.
        loss: of the model's output and the labels.

    Returns:
        A row for each layer, in the order in which they compute. "activations": standard deviation of its output.
        "backward": that of the loss's gradient with respect to it. "weights", "biases": norms of the gradients of its
        weights, and of its vectors (biases, a batch norm's gamma and beta); NaN where it has none.
    """
    model, outputs = copy.deepcopy(model), {}
    for name in layers or [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]:

        def keep(layer: nn.Module, inputs: tuple, output: torch.Tensor, name: str = name) -> torch.Tensor:
            output.retain_grad()
            outputs[name] = output
            return output.clone()  # what follows may work in place, as many a ReLU does

        model.get_submodule(name).register_forward_hook(keep)
    model.zero_grad()
    loss(model(images), labels).backward()
    rows = {}
    for name, output in outputs.items():
        backward = 0.0 if output.grad is None else output.grad.std().item()
        rows[name] = {"activations": output.std().item(), "backward": backward}
        for kind, is_kind in (("weights", lambda p: p.ndim > 1), ("biases", lambda p: p.ndim == 1)):
            parameters = [p for p in model.get_submodule(name).parameters() if is_kind(p)]
            grads = [torch.zeros(1) if p.grad is None else p.grad.flatten().cpu() for p in parameters]
            rows[name][kind] = torch.cat(grads).norm().item() if grads else float("nan")
    return pd.DataFrame.from_dict(rows, orient="index")
