"""Checks of 08's exercises."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from helpers import pretrained
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.checks import embedding, exercise, require, seeded

__all__ = ["embedding", "freeze", "new_head"]


def _state(model: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(model.state_dict())


@exercise
def new_head(answer: Callable[[nn.Module, int], nn.Module]) -> str:
    """`answer(model, classes)`: the same model with `classifier[1]` exchanged for a new layer of `classes`."""
    with seeded():
        model, images = EfficientNetLite0().eval(), torch.randn(2, 3, 32, 32)
    before = _state(model)
    changed = answer(model, 7)
    is_model = isinstance(changed, nn.Module) and not isinstance(changed, nn.Linear)
    require(is_model, f"it returns a {type(changed).__name__}: exchange the layer, then return the whole model.")
    found = changed.eval()(images).shape[1]
    require(found != 1000, "there are still 1000 logits: the head is not replaced; assign to model.classifier[1].")
    require(found == 7, f"there are {found} logits for 7 classes: a layer needs one output for each class.")
    after = _state(changed)
    kept = [name for name in before if not name.startswith("classifier")]
    there = all(name in after for name in kept)
    require(there, "layers are gone or have new names: return the model itself, with one layer exchanged.")
    same = all(torch.equal(before[name], after[name]) for name in kept)
    require(same, "other weights changed too: keep the model that is given, do not build a new one.")
    new = changed.get_submodule(pretrained.head_name(changed))
    in_place = isinstance(new, nn.Linear) and new.in_features == 1280
    require(in_place, "the new layer does not read the embedding's 1280 numbers: put it in the old one's place.")
    return "7 logits, and every weight before the head as it was."


@exercise
def freeze(answer: Callable[[nn.Module, int], nn.Module]) -> str:
    """`answer(model, blocks)`: the first `blocks` of `model.features` frozen; then one step is trained."""
    with seeded():
        model, blocks = EfficientNetLite0(classes=5).train(), 6
        before = _state(model)
        changed = answer(model, blocks)
        is_model = isinstance(changed, EfficientNetLite0)
        require(is_model, f"it returns a {type(changed).__name__}: return the model itself.")
        trained = [parameter for parameter in changed.parameters() if parameter.requires_grad]
        require(bool(trained), "nothing is left to learn: freeze model.features[:blocks] alone.")
        optimizer = torch.optim.SGD(trained, 0.1, weight_decay=0.1)
        changed(torch.randn(8, 3, 64, 64)).square().sum().backward()
        optimizer.step()
    moved = {name for name, tensor in changed.state_dict().items() if not torch.equal(tensor, before[name])}
    weights = {name for name, _ in changed.named_parameters()}
    lower = {name for name in before if name.startswith("features.") and int(name.split(".")[1]) < blocks}
    upper = set(before) - lower
    require(not lower & weights <= moved, "the frozen layers still learn: set requires_grad_(False) on each of them.")
    learning = f"a block of the first {blocks} still learns: freeze features[0] to features[{blocks - 1}]."
    require(not lower & moved & weights, learning)
    require(not lower & moved, "running statistics of frozen layers moved: call .eval() on the frozen blocks too.")
    beyond = f"a layer after the first {blocks} blocks is frozen too: only model.features[:blocks] stays."
    require(upper & weights <= moved, beyond)
    require(upper <= moved, "batch norm above the cut is in evaluation mode too: .eval() is for the frozen blocks.")
    count = sum(parameter.numel() for parameter in trained)
    return f"one step later the first 6 blocks are byte-identical; {count:,} parameters learn."
