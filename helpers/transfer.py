"""Pretrained networks for other tasks: embeddings, and networks of which only a part learns on."""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import fx, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LinearLR, LRScheduler
from torchvision.models import feature_extraction

from helpers import device as devices
from helpers import evaluation, files, pretrained, training
from helpers.datasets import LabelledImages
from helpers.errors import CourseError
from helpers.pretrained import Network

LEAVES = {"leaf_modules": [nn.Conv2d]}  # also those that calculate their padding from the size of the map


class Embeddings(NamedTuple):
    """The response of a network to a data set, at one or more layers; but for these, as evaluation.Predictions.

    `layers` has for each its float32 [N, D], on the CPU; maps [N, D, H, W] are averaged over their places.
    """

    layers: dict[str, torch.Tensor]
    labels: torch.Tensor
    indices: torch.Tensor
    unreadable: list[str]


def embed(network: Network, data: LabelledImages, layers: str | Sequence[str] = ()) -> Embeddings:
    """The responses of `network` at `layers` (or at its embedding_layer) to all of `data`, in one pass, with progress.

    Nothing is kept on disk. Raises CourseError for a layer that the model does not have, and where no photograph can be
    read.
    """
    layers = [layers] if isinstance(layers, str) else list(layers) or [embedding_layer(network.model)]
    responses = dataclasses.replace(network, model=_Responses(copy.deepcopy(network.model), layers).eval())
    found = evaluation.predict(responses, data)
    blank = torch.zeros(1, 3, network.pixels, network.pixels, device=next(network.model.parameters()).device)
    with torch.inference_mode():
        sizes = [response.shape[1] for response in responses.model.vectors(blank)]
    vectors = zip(responses.model.layers, found.logits.split(sizes, dim=1), strict=True)
    return Embeddings({layer: values.clone() for layer, values in vectors}, *found[1:])


class _Responses(nn.Module):
    """[N, 3, H, W] to the responses at several layers, each as one vector, one after the other."""

    def __init__(self, model: nn.Module, layers: Sequence[str]):
        super().__init__()
        known = feature_extraction.get_graph_node_names(model, LEAVES)[1]
        for layer in layers:
            if not any(name == layer or name.startswith(f"{layer}.") for name in known):
                raise CourseError(f'The network has no layer "{layer}": choose one of {", ".join(known[1:])}.')
        self.layers = list(dict.fromkeys(layers))  # the extractor answers in the model's order, not in this
        extract = feature_extraction.create_feature_extractor(model, self.layers, tracer_kwargs=LEAVES)
        self.extract = evaluation.fold_(extract.eval())

    def vectors(self, x: torch.Tensor) -> list[torch.Tensor]:
        responses = self.extract(x)
        return [vector(responses[layer]) for layer in self.layers]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.vectors(x), dim=1)


def vector(response: torch.Tensor) -> torch.Tensor:
    """A layer's response [N, D] as it is; maps [N, D, H, W] averaged over their places, to [N, D]."""
    return response.mean(dim=(2, 3)) if response.ndim == 4 else response.flatten(1)


def embedding_layer(model: nn.Module) -> str:
    """The name of the layer whose output the head reads."""
    names = feature_extraction.get_graph_node_names(copy.deepcopy(model), LEAVES)[1]  # it sets the mode of all layers
    return names[names.index(pretrained.head_name(model)) - 1]


class Frozen(nn.Module):
    """A part of a model that learns no more: no gradients, and it computes in training mode as in evaluation mode."""

    def __init__(self, part: nn.Module):
        super().__init__()
        self.part = part.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The part's response to x [N, C, H, W], without gradients."""
        return self.part(x)


def split_model(model: nn.Module, cut: str) -> tuple[nn.Module, nn.Module]:
    """The model up to and including the layer or block `cut`, and the rest of it: upper(lower(x)) = model(x).

    Both share their layers with `model`: what one learns, the other knows. Raises CourseError for a layer that the
    model does not have, and for one that lies inside a block, around which other paths lead.
    """
    tracer = feature_extraction.NodePathTracer(leaf_modules=(nn.Conv2d,))
    nodes = list(tracer.trace(model).nodes)
    inside = [row for row, node in enumerate(nodes) if f"{tracer.node_to_qualname.get(node)}.".startswith(f"{cut}.")]
    if not inside:
        names = ", ".join(name for name, _ in model.named_children())
        raise CourseError(f'The network has no layer "{cut}": choose one of its parts ({names}), or a layer of them.')
    below, above, border = nodes[: inside[-1] + 1], nodes[inside[-1] + 1 :], nodes[inside[-1]]
    if any(user in above for node in below[:-1] for user in node.users):
        raise CourseError(f'The network cannot be cut after "{cut}", inside a block: other paths lead around it.')
    lower, upper = fx.Graph(), fx.Graph()
    copied = {}
    for node in below:
        copied[node] = lower.node_copy(node, copied.__getitem__)
    lower.output(copied[border])
    copied = {border: upper.placeholder("x")}
    for node in above:
        copied[node] = upper.node_copy(node, copied.__getitem__)
    return fx.GraphModule(tracer.root, lower), fx.GraphModule(tracer.root, upper)


def freeze_(model: nn.Module, cut: str) -> nn.Sequential:
    """Freeze all layers of `model` up to and including `cut`, in place; returns the model to train.

    The frozen layers get no gradients any more. What is returned computes what `model` computes, shares all layers
    with it, and keeps the frozen ones in evaluation mode while it is trained (see Frozen).
    """
    lower, upper = split_model(model, cut)
    return nn.Sequential(Frozen(lower), upper)


class KeepStatistics(nn.Sequential):
    """A model whose batch norm keeps its statistics in training mode too: a few images tell too little about them."""

    def train(self, mode: bool = True) -> "KeepStatistics":
        """Training mode for all layers but batch norm."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


class FineTuned(NamedTuple):
    """A network with its new head, and what was measured while it learned."""

    network: Network
    history: training.History


def falling(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Learning rates that fall in a straight line to 0."""
    return LinearLR(optimizer, 1.0, 0.0, steps)


def fine_tune(
    network: Network,
    train_set: tuple[torch.Tensor, torch.Tensor],
    val_set: tuple[torch.Tensor, torch.Tensor] | None = None,
    *,
    categories: Sequence[str],
    cut: str | None,
    lr: float,
    steps: int,
    head: nn.Module | None = None,
    head_steps: int = 0,
    head_lr: float | None = None,
    batch_norm: Literal["keep", "adapt"] = "keep",
    weight_decay: float = 0.0,
    schedule: Callable[[Optimizer, int], LRScheduler] = falling,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
    batch_size: int = 32,
    measure_every: int | None = None,
    seed: int | None = None,
) -> FineTuned:
    """Give a copy of `network` a new head for `categories`, and train it and all layers after `cut` by AdamW.

    `network` stays as it is, and so do the copy's layers up to `cut`; unless `augment` changes the images, these answer
    each one only once.

    Args:
        train_set, val_set: images as `network.preprocess` makes them (datasets.load_images), and their labels.
        cut: the last layer that is frozen; None to train all layers.
        lr: the learning rate of the layers after the cut.
        head: a head for these classes that was trained already, to begin with; None for a random one.
        head_steps: for so many steps the head alone learns first, at `head_lr`.
        head_lr: the learning rate of the head; None for `lr`.
        batch_norm: "keep" the statistics that it has, or let it "adapt" them to the new images (momentum 0.1).
        schedule: makes of the optimizer and `steps` what sets the learning rates after each step.
        augment, batch_size, measure_every (the end only, if None), seed: as in training.train.
    """
    if batch_norm not in ("keep", "adapt"):
        raise CourseError(f'batch_norm = "{batch_norm}": choose "keep" or "adapt".')
    if steps < 1 or head_steps < 0:
        raise CourseError(f"steps = {steps} and head_steps = {head_steps}: give 1 or more, and 0 or more.")
    if seed is not None:
        devices.seed(seed)
    model = pretrained.with_head(network.model, len(categories))
    new_head = model.get_submodule(pretrained.head_name(model))
    if head is not None:
        files.load_into(new_head, head.state_dict(), Path("the head that was given"))
    if batch_norm == "adapt":
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.1
    head_lr = lr if head_lr is None else head_lr
    options = {"batch_size": batch_size, "augment": augment, "seed": seed}

    def learn(cut: str | None, steps: int) -> training.History:
        data, learner, frozen = (train_set, val_set), model, None
        if cut is not None:
            frozen, learner = split_model(model, cut)
            if not any(parameter is new_head.weight for parameter in learner.parameters()):
                last = embedding_layer(model)
                raise CourseError(f'After the cut "{cut}" no head is left to learn: cut after "{last}" or before it.')
        if batch_norm == "keep":
            learner = KeepStatistics(learner)
        if frozen and augment:
            learner = nn.Sequential(Frozen(frozen), learner)
        elif frozen:
            data = [part and (forward_in_batches(frozen, part[0]), part[1]) for part in data]
        of_head = {id(parameter) for parameter in new_head.parameters()}
        rest = [each for each in learner.parameters() if each.requires_grad and id(each) not in of_head]
        groups = [{"params": list(new_head.parameters()), "lr": head_lr}, {"params": rest}]
        optimizer = torch.optim.AdamW(groups, lr, weight_decay=weight_decay, fused=True)
        return training.train(
            learner, optimizer, *data, steps=steps, measure_every=measure_every or steps,
            scheduler=schedule(optimizer, steps), **options,
        )  # fmt: skip

    if head_steps:
        learn(embedding_layer(model), head_steps)
    history = learn(cut, steps)
    tuned = dataclasses.replace(network, model=model.eval(), categories=list(categories), source="fine-tuned")
    return FineTuned(tuned, history)


@torch.no_grad()
def forward_in_batches(model: nn.Module, images: torch.Tensor, batch_size: int = 32) -> torch.Tensor:
    """The response of a copy of `model`, in evaluation mode, to images [N, C, H, W]; on the accelerator."""
    best = devices.accelerator()
    model = copy.deepcopy(model).eval().to(best)
    return torch.cat([model(batch.to(best)) for batch in images.split(batch_size)])
