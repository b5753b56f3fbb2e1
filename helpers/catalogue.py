"""The networks of the course side by side: published numbers, from torchvision's metadata and the papers."""

from typing import NamedTuple

import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import NodePathTracer

from helpers import counting, files, pretrained
from helpers.pretrained import architecture


class Entry(NamedTuple):
    """A network with its size and its published accuracy on ImageNet's validation photographs, one crop of each."""

    name: str  # as torchvision or `pretrained` calls it
    family: str  # one of FAMILIES
    year: int  # of the paper; of EfficientNet-Lite0, the release
    depth: int  # layers with weights on the longest way through the network
    parameters: int
    mult_adds: float  # multiply-adds for one photograph of 224 x 224
    top_1: float  # error, from 0 to 1
    top_5: float | None  # error; None where we know of no published number
    mebibytes: float  # the file of weights, in 2^20 bytes
    recipe: str  # by which the weights of these errors were trained


FAMILIES = {
    "AlexNet": (2012, ["alexnet"]),
    "VGG": (2014, ["vgg11", "vgg16", "vgg19"]),
    "GoogLeNet": (2014, ["googlenet"]),
    "ResNet": (2015, ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]),
    "MobileNet": (2018, ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"]),
    "SqueezeNet": (2016, ["squeezenet1_1"]),
    "EfficientNet": (2020, ["efficientnet_lite0"]),
}
YEARS = {"mobilenet_v3_small": 2019, "mobilenet_v3_large": 2019}  # where a member is younger than its family
USUAL = "torchvision, 90 epochs"  # for most; by the README of references/classification in torchvision's repository
RECIPES = {
    "googlenet": "TensorFlow's weights",
    "mobilenet_v2": "torchvision, 300 epochs",
    "mobilenet_v3_small": "600 epochs, AutoAugment",
    "mobilenet_v3_large": "600 epochs, AutoAugment",
    "squeezenet1_1": "torchvision, its own recipe",  # github.com/pytorch/vision/pull/49#issuecomment-277560717
    "efficientnet_lite0": "its authors'",
}


def entries() -> list[Entry]:
    """All networks of FAMILIES, live from torchvision's metadata of the V1 weights.

    V1 is not one training recipe: see RECIPES. V2 is a longer, better one that only some networks got. Where two
    networks' recipes differ, a comparison compares them too. SqueezeNet's errors are torchvision's, whose weights are
    others than the embedded ones.
    """
    return [_entry(name, family, YEARS.get(name, year)) for family, (year, names) in FAMILIES.items() for name in names]


def _entry(name: str, family: str, year: int) -> Entry:
    depth = depth_of(build(name))
    if name == "efficientnet_lite0":
        totals = counting.totals(counting.count(build(name)))
        embedded = pretrained.EMBEDDED[name]
        size = (files.package_folder(embedded.folder) / embedded.file).stat().st_size / 2**20
        # Top-1 75.1 %: github.com/tensorflow/tpu, models/official/efficientnet/lite.
        errors = (1 - 0.751, None)
        return Entry(name, family, year, depth, totals.parameters, totals.mult_adds, *errors, size, RECIPES[name])
    meta = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    accuracy = meta["_metrics"]["ImageNet-1K"]
    errors = [1 - accuracy[key] / 100 for key in ("acc@1", "acc@5")]
    recipe = RECIPES.get(name, USUAL)
    return Entry(name, family, year, depth, meta["num_params"], meta["_ops"] * 1e9, *errors, meta["_file_size"], recipe)


def build(name: str, device: str = "meta") -> nn.Module:
    """A network of FAMILIES in evaluation mode: no weights on "meta", for counting; zeros elsewhere, for timing."""
    with torch.device("meta"):
        model = architecture(name)
    if device != "meta":
        model = model.to_empty(device=device)
        with torch.no_grad():
            for tensor in [*model.parameters(), *model.buffers()]:
                tensor.zero_()
    return model.eval()


def depth_of(model: nn.Module) -> int:
    """The number of convolutions and fully connected layers on the longest way from input to output."""
    depth, modules = {}, dict(model.named_modules())
    for node in NodePathTracer(leaf_modules=(nn.Conv2d,)).trace(model).nodes:
        layer = modules[node.target] if node.op == "call_module" else None
        before = max((depth[source] for source in node.all_input_nodes), default=0)
        depth[node] = before + isinstance(layer, nn.Conv2d | nn.Linear)
    return max(depth.values())
