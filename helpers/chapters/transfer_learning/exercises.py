"""Checks of 08's exercises."""

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers import pretrained, training
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.checks import exercise, name_the_mistake, require, seeded

CPU = torch.device("cpu")


@exercise
def new_head(answer: Callable[[nn.Module, int], nn.Module]) -> str:
    """`answer(model, classes)`: the same model with `classifier[1]` exchanged for a new layer of `classes`."""
    for classes in (7, 3):
        with seeded():
            _check_head(answer, classes)
    return "7 logits, or 3, by a new layer that learns, and every weight before it as it was."


def _check_head(answer: Callable, classes: int) -> None:
    model, images = EfficientNetLite0().eval(), torch.randn(2, 3, 32, 32)
    before, old = copy.deepcopy(model.state_dict()), model.classifier[1].weight.detach().clone()
    changed = answer(model, classes)
    named = f"it returns a {type(changed).__name__}: exchange the layer, then return the whole model."
    require(isinstance(changed, nn.Module) and not isinstance(changed, nn.Linear), named)
    alone = "it returns a head alone: put the new layer into the model, and return the model."
    require(any(isinstance(layer, nn.BatchNorm2d) for layer in changed.modules()), alone)
    logits = changed.eval()(images)
    found = logits.shape[1]
    require(found != 1000, "there are still 1000 logits: the head is not replaced; assign to model.classifier[1].")
    require(found == classes, f"there are {found} logits for {classes} classes: one output for each of `classes`.")
    kept = [name for name in before if not name.startswith("classifier")]
    after = changed.state_dict()
    gone = "layers are gone or have new names: return the model itself, with one layer exchanged."
    require(all(name in after for name in kept), gone)
    same = all(torch.equal(before[name], after[name]) for name in kept)
    require(same, "other weights changed too: keep the model that is given, do not build a new one.")
    new = changed.get_submodule(pretrained.head_name(changed))
    in_place = isinstance(new, nn.Linear) and new.in_features == 1280
    require(in_place, "the new layer does not read the embedding's 1280 numbers: put it in the old one's place.")
    embedding = model.avgpool(model.features(images)).flatten(1)
    plain = F.linear(embedding, new.weight, new.bias)
    softmax = "a softmax is too much: F.cross_entropy takes logits, and computes the softmax itself."
    mistakes = [(softmax, plain.softmax(1)), (softmax, plain.log_softmax(1))]
    mistakes.append((softmax, F.linear(embedding.softmax(1), new.weight, new.bias)))
    otherwise = "the logits are not what the new linear layer makes of the embedding: exchange one layer, add none."
    name_the_mistake(logits, plain, mistakes, otherwise)
    copied = (new.weight[:, None] == old).all(2).any()
    require(not copied, "the new layer holds rows of the old one, which know other categories: begin with random ones.")
    learns = all(parameter.requires_grad for parameter in new.parameters())
    require(learns, "the new layer is frozen: it is the one that has to learn (requires_grad).")
    others = all(parameter.requires_grad for parameter in changed.parameters())
    require(others, "layers before the head are frozen now: that is exercise 3; here exchange the layer, nothing else.")
    for layer in changed.train().modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    if not new.weight.any():  # a head may begin at 0, and then no dropout shows
        nn.init.normal_(new.weight)
    dropped = not torch.equal(changed(images), changed(images))
    lost = (
        "the logits are right, but dropout is gone: it was classifier[0], and the layer to exchange is classifier[1]."
    )
    require(dropped, lost)


@exercise
def embedding(answer: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> str:
    """`answer(model, images)`: what the head of an EfficientNet-Lite0 reads, [N, 1280]."""
    for count, pixels in ((4, 64), (3, 96)):
        with seeded():
            _check_embedding(answer, torch.randn(count, 3, pixels, pixels))
    return "1,280 numbers for each image, the same in every batch."


def _check_embedding(answer: Callable, images: torch.Tensor) -> None:
    model = pretrained.load("efficientnet_lite0").model.train()  # as a training loop leaves it
    before, count = copy.deepcopy(model), len(images)
    found = answer(model, images)
    require(isinstance(found, torch.Tensor), f"it returns a {type(found).__name__}: return a tensor [N, 1280].")
    shape = list(found.shape)
    require(shape != [count, 1000], "these are the logits, after the head: the embedding is what the head reads.")
    averaged = f"the shape is {shape}, not [{count}, 1280]: average over places (avgpool), then flatten(1)."
    require(shape == [count, 1280], averaged)
    old, new = before.state_dict(), model.state_dict()
    changed = {name for name in old if name not in new or not torch.equal(old[name], new[name])} | (set(new) - set(old))
    head = "the model that it was given has another head now, or none: work on a copy (copy.deepcopy)."
    require(not any(name.startswith("classifier") for name in changed), head)
    moved = "batch norm's running statistics have changed: the model was in training mode; call .eval()."
    require(not changed, moved)
    half = f"the numbers are of type {found.dtype}: keep float32, a classifier of scikit-learn works with all digits."
    require(found.dtype in (torch.float32, torch.float64), half)
    with torch.no_grad():
        in_training = copy.deepcopy(before)
        batch = in_training.avgpool(in_training.features(images)).flatten(1)
        maps = before.eval().features(images)
        wanted = before.avgpool(maps).flatten(1)
    mistakes = [
        ("these are probabilities: a softmax is too much, the head reads the numbers as they are.", wanted.softmax(1)),
        ("each row has length 1: leave scaling to the classifier, return what the head reads.", F.normalize(wanted)),
        ("these are sums over places: the head reads means (avgpool).", maps.sum(dim=(2, 3))),
        ("these are the largest responses: the head reads means over places (avgpool).", maps.amax(dim=(2, 3))),
        ("these are the numbers of training mode: call .eval() before the features.", batch),
    ]  # fmt: skip
    otherwise = "the numbers differ from what the head reads: .eval(), then features, avgpool and flatten(1)."
    name_the_mistake(found.detach(), wanted, mistakes, otherwise)
    require(not found.requires_grad, "it keeps the graph for gradients, and its memory: use torch.inference_mode().")
    able = all(parameter.requires_grad for parameter in model.parameters())
    require(able, "the model that it was given cannot learn any more: use torch.no_grad() instead of requires_grad_.")


@exercise
def freeze(answer: Callable[[nn.Module, int], nn.Module]) -> str:
    """`answer(model, blocks)`: the first `blocks` entries of `model.features` frozen, also under `training.train`."""
    for blocks in (6, 4):
        with seeded():
            count = _check_frozen(answer, blocks)
    return f"after two steps of training.train the first entries are byte-identical; {count:,} parameters learn."


def _check_frozen(answer: Callable, blocks: int) -> int:
    """How many parameters learn; Wrong where too much or too little of the model is frozen.

    The answer may put the blocks into others, so that their names change: its tensors are known by what is in them. It
    may exchange batch norm for torchvision's FrozenBatchNorm2d, which does not count batches.
    """
    model = EfficientNetLite0(classes=5).train()
    for number, tensor in enumerate(model.state_dict().values()):
        tensor.add_(torch.rand(tensor.shape).sub_(0.5).mul_(0.1) if tensor.is_floating_point() else number)
    images = torch.randn(8, 3, 64, 64)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    momentum = norms[0].momentum
    with torch.no_grad():
        for norm in norms:  # statistics of these images, or next to nothing comes through so many random layers
            norm.momentum = 1.0
        model(images)
        for norm in norms:
            norm.momentum = momentum
        logits = model.eval()(images)
    model.train()
    original, weights = copy.deepcopy(model.state_dict()), {name for name, _ in model.named_parameters()}
    original = {name: tensor for name, tensor in original.items() if not name.endswith("num_batches_tracked")}
    changed = answer(model, blocks)
    require(isinstance(changed, nn.Module), f"it returns a {type(changed).__name__}: return the model.")
    known = {id(tensor): name for tensor in _tensors(changed) for name in original if _same(tensor, original[name])}
    gone = "weights or statistics of the model are gone: return the whole model, with all that it has learned."
    require(set(known.values()) == set(original), gone)
    changed.eval()  # returns None where a learner's train() does
    with torch.no_grad():
        same = torch.allclose(changed(images), logits, rtol=1e-4, atol=1e-5)
    require(same, "in evaluation mode the model computes something else than before: the same layers, the same eps.")
    changed.train()
    tensors = {known[id(tensor)]: tensor for tensor in _tensors(changed) if id(tensor) in known}
    trained = [parameter for parameter in changed.parameters() if parameter.requires_grad]
    require(bool(trained), "nothing is left to learn: freeze model.features[:blocks] alone.")
    by_batch: list[bool] = []
    lower = {name for name in original if name.startswith("features.") and int(name.split(".")[1]) < blocks}
    for layer in changed.modules():
        if isinstance(layer, nn.BatchNorm2d) and known[id(layer.weight)] in lower:
            layer.register_forward_hook(lambda layer, x, _: by_batch.append(layer.training))
    optimizer = torch.optim.SGD(trained, 0.01, weight_decay=0.1)
    data = images, torch.arange(8) % 5
    training.train(changed, optimizer, data, steps=2, measure_every=2, batch_size=8, device=CPU)
    moved = {name for name, tensor in tensors.items() if not torch.equal(tensor, original[name])}
    upper = set(original) - lower
    require(
        not lower & weights <= moved, "the layers to be frozen still learn: set requires_grad_(False) on each of them."
    )
    learning = f"parameters of the first {blocks} entries still learn: freeze features[0] to features[{blocks - 1}]."
    require(not lower & moved & weights, learning)
    statistics = "running statistics of frozen layers moved: after .eval(), keep model.train() from undoing it."
    require(not lower & moved, statistics)
    beyond = f"a layer after the first {blocks} entries is frozen too: only model.features[:blocks] stays."
    require(upper & weights <= moved, beyond)
    require(upper <= moved, "batch norm above the cut is in evaluation mode too: .eval() is for the frozen part.")
    batch = "the frozen batch norms compute with each batch's own statistics: they must stay in evaluation mode."
    require(not any(by_batch), batch)
    return sum(parameter.numel() for parameter in trained)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]


def _same(a: torch.Tensor, b: Any) -> bool:
    return a.shape == b.shape and torch.equal(a, b)
