"""The networks of the course side by side, and the winners of ILSVRC: published numbers, each with its source."""

from typing import NamedTuple

import torch
import torchvision
from torch import fx, nn

from helpers import counting, pretrained
from helpers.datasets import package_folder
from helpers.pretrained import architecture


class Winner(NamedTuple):
    """An entry of ILSVRC's classification task: top-5 error on its test set, from 0 to 1, and layers with weights."""

    year: int
    name: str
    top_5: float
    depth: int | None
    source: str


# Depth is None where hand-made features won. REPORTED: repeated in many places, not checked by us in a first source.
REPORTED = "reported"
WINNERS = (
    Winner(2010, "SIFT features, SVM", 0.282, None, REPORTED),
    Winner(2011, "Fisher vectors, SVM", 0.258, None, REPORTED),
    Winner(2012, "AlexNet", 0.164, 8, "Krizhevsky et al. 2012"),
    Winner(2013, "Clarifai", 0.117, 8, REPORTED),
    Winner(2014, "GoogLeNet", 0.0667, 22, "Szegedy et al. 2014, arXiv:1409.4842"),
    Winner(2015, "ResNet", 0.0357, 152, "He et al. 2015, arXiv:1512.03385"),
)
ONE_TRAINED_PERSON = 0.051  # REPORTED


class Entry(NamedTuple):
    """A network with its size and its published accuracy on ImageNet's validation photographs, one crop of each.

    Attributes:
        name: as torchvision or `pretrained` calls it.
        family: one of FAMILIES.
        year: of the paper.
        depth: layers with weights on the longest way through the network.
        parameters: how many.
        mult_adds: multiply-adds for one photograph of 224 x 224.
        top_1, top_5: error, from 0 to 1; top_5 is None where we know of no published number.
        mebibytes: the file of weights, in 2^20 bytes.
    """

    name: str
    family: str
    year: int
    depth: int
    parameters: int
    mult_adds: float
    top_1: float
    top_5: float | None
    mebibytes: float


FAMILIES = {
    "AlexNet": (2012, ["alexnet"]),
    "VGG": (2014, ["vgg11", "vgg16", "vgg19"]),
    "GoogLeNet": (2014, ["googlenet"]),
    "ResNet": (2015, ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]),
    "MobileNet": (2018, ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"]),
    "SqueezeNet": (2016, ["squeezenet1_1"]),
    "EfficientNet": (2019, ["efficientnet_lite0"]),
}
YEARS = {"mobilenet_v3_small": 2019, "mobilenet_v3_large": 2019}  # where a member is younger than its family


def entries() -> list[Entry]:
    """All networks of FAMILIES, live from torchvision's metadata of the V1 weights.

    V1 is one plain training recipe for all architectures. V2 is a longer, better recipe that only some of them got:
    comparing across the two would compare recipes.
    """
    return [_entry(name, family, YEARS.get(name, year)) for family, (year, names) in FAMILIES.items() for name in names]


def _entry(name: str, family: str, year: int) -> Entry:
    depth = longest_way(build(name))
    if name == "efficientnet_lite0":
        rows = counting.count(build(name))
        embedded = pretrained.EMBEDDED[name]
        size = (package_folder(embedded.folder) / embedded.file).stat().st_size / 2**20
        parameters, mult_adds = (sum(getattr(row, what) for row in rows) for what in ("parameters", "mult_adds"))
        # Top-1 75.1 %: github.com/tensorflow/tpu, models/official/efficientnet/lite.
        return Entry(name, family, year, depth, parameters, mult_adds, 1 - 0.751, None, size)
    meta = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    accuracy = meta["_metrics"]["ImageNet-1K"]
    errors = [1 - accuracy[key] / 100 for key in ("acc@1", "acc@5")]
    return Entry(name, family, year, depth, meta["num_params"], meta["_ops"] * 1e9, *errors, meta["_file_size"])


def build(name: str, device: str = "meta") -> nn.Module:
    """A network of FAMILIES in evaluation mode: no weights on "meta", for counting; zeros elsewhere, for timing."""
    with torch.device("meta"):
        network = architecture(name)
    if device != "meta":
        network = network.to_empty(device=device)
        with torch.no_grad():
            for tensor in [*network.parameters(), *network.buffers()]:
                tensor.zero_()
    return network.eval()


class _Layers(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return not list(module.children())


def longest_way(network: nn.Module) -> int:
    """The number of convolutions and fully connected layers on the longest way from input to output."""
    depth = {}
    modules = dict(network.named_modules())
    for node in _Layers().trace(network).nodes:
        layer = modules[node.target] if node.op == "call_module" else None
        before = max((depth[source] for source in node.all_input_nodes), default=0)
        depth[node] = before + isinstance(layer, nn.Conv2d | nn.Linear)
    return max(depth.values())
