"""Checks of 08's exercises."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.exercises import Wrong, exercise, name_the_mistake, seeded

State = dict[str, torch.Tensor]


@exercise
def new_head(answer: Callable[[nn.Module, int], nn.Module]) -> str:
    """`answer(network, classes)`: the same network with `classifier[1]` exchanged for a new layer of `classes`."""
    with seeded():
        network = EfficientNetLite0().eval()
        before = _state(network)
        changed = answer(network, 7)
        if not isinstance(changed, nn.Module):
            raise Wrong(f"it returns a {type(changed).__name__}: exchange the layer, then return the whole network.")
        if isinstance(changed, nn.Linear):
            raise Wrong("it returns the new layer alone: put it into network.classifier[1], and return the network.")
        found = changed.eval()(torch.randn(2, 3, 32, 32)).shape[-1]
    if found == 1000:
        raise Wrong("there are still 1000 logits: the head is not replaced; assign to network.classifier[1].")
    if found != 7:
        raise Wrong(f"there are {found} logits for 7 classes: a layer needs one output for each class.")
    after = _state(changed)
    lost = [name for name in before if "classifier" not in name and name not in after]
    if lost:
        raise Wrong("layers are gone or have new names: return the network itself, with one layer exchanged.")
    if any(not torch.equal(before[name], after[name]) for name in before if "classifier" not in name):
        raise Wrong("other weights changed too: keep the network that is given, do not build a new one.")
    new = changed.get_submodule("classifier")[-1]
    if not isinstance(new, nn.Linear) or new.in_features != 1280:
        raise Wrong("the new layer does not read the 1280 numbers of the embedding: it stands in the old one's place.")
    if torch.equal(new.weight, before["classifier.1.weight"][:7]):
        raise Wrong("the first 7 of the old outputs are kept, which are fishes and a cock: start with a new layer.")
    return "7 logits, and every weight before the head as it was."


@exercise
def embedding(answer: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> str:
    """`answer(network, images)`: what the head of EfficientNet-Lite0 reads, [N, 1280], without gradients."""
    with seeded():
        network, images = EfficientNetLite0(), torch.randn(4, 3, 64, 64)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):  # so that training mode computes something else
                layer.running_mean.uniform_(-0.1, 0.1)
        before = _state(network)
        found = answer(network.train(), images.clone())
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"it returns a {type(found).__name__}: return a tensor of one row for each image.")
    if any(not torch.equal(tensor, before[name]) for name, tensor in _state(network).items()):
        raise Wrong("the running statistics of batch norm moved: call network.eval() first.")
    if found.ndim == 2 and found.shape[1] == 1000:
        raise Wrong("these are the 1000 logits: the embedding is taken before the head, not after it.")
    if found.ndim == 4 and found.shape[2:] != (1, 1):
        raise Wrong(f"its shape is {list(found.shape)}: the maps are not pooled; network.avgpool averages each.")
    if found.ndim == 2 and found.shape[1] == 1280 * 4:
        raise Wrong("the maps are flattened but not pooled: 5120 numbers, 4 places of each channel.")
    if found.shape != (4, 1280):
        raise Wrong(f"its shape is {list(found.shape)}, not [4, 1280]: pool, then flatten from dimension 1.")
    if found.requires_grad:
        raise Wrong("it carries gradients, and with them all maps in memory: compute within torch.no_grad().")
    with torch.no_grad():
        network.eval()
        maps = network.features(images)
        mistakes = [
            ("the largest value of each map is taken: the network's own pooling averages.", maps.amax(dim=(2, 3))),
            ("only one corner of each map is taken: average over all places.", maps[:, :, 0, 0]),
        ]
        name_the_mistake(found, maps.mean(dim=(2, 3)), mistakes, "the numbers differ: is it in evaluation mode?")
    return "1280 numbers for each image, in evaluation mode and without gradients."


@exercise
def freeze(answer: Callable[[nn.Module, int], nn.Module]) -> str:
    """`answer(network, blocks)`: the first `blocks` of `network.features` frozen; then one step is trained."""
    with seeded():
        network = EfficientNetLite0(classes=5).train()
        before = _state(network)
        blocks = 6
        changed = answer(network, blocks)
        if not isinstance(changed, EfficientNetLite0):
            raise Wrong(f"it returns a {type(changed).__name__}: return the network itself.")
        learning = [parameter for parameter in changed.parameters() if parameter.requires_grad]
        if not learning:
            raise Wrong("nothing is left to learn: freeze network.features[:blocks] alone.")
        optimiser = torch.optim.SGD(learning, 0.1, weight_decay=0.1)
        changed(torch.randn(8, 3, 64, 64)).square().sum().backward()
        optimiser.step()
    after = _state(changed)
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    weights = {name for name, _ in changed.named_parameters()}
    lower = {name for name in before if name.startswith("features.") and int(name.split(".")[1]) < blocks}
    if lower & moved & weights:
        if (lower & weights) <= moved:
            raise Wrong("the frozen layers still learn: set requires_grad_(False) on each of them.")
        raise Wrong(f"a block of the first {blocks} still learns: freeze features[0] to features[{blocks - 1}].")
    if lower & moved:
        raise Wrong("running statistics of frozen layers moved: put them into evaluation mode too, by .eval().")
    if not {"classifier.1.weight", "classifier.1.bias"} <= moved:
        raise Wrong("the head is frozen too: only network.features[:blocks] stays.")
    if (before.keys() - lower) & weights - moved:
        raise Wrong(f"a layer behind the first {blocks} blocks is frozen: features[{blocks}] and all later ones learn.")
    if (before.keys() - lower) - moved:
        raise Wrong("batch norm above the cut is in evaluation mode too: call .eval() on the frozen blocks alone.")
    count = sum(parameter.numel() for parameter in learning)
    return f"one step later the first 6 blocks are byte-identical; {count:,} parameters learn."


def _state(module: nn.Module) -> State:
    return copy.deepcopy(module.state_dict())
