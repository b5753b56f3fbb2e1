"""1,360 photographs of 17 flowers as embeddings: real photographs to learn from, offline and in seconds.

The photographs are the Oxford 17 Category Flower Dataset (M.-E. Nilsback and A. Zisserman, A Visual Vocabulary for
Flower Classification, CVPR 2006), 80 of each flower. They stay where they are;
`python -m helpers.recorded.flowers FOLDER` computes flowers.npz anew from a folder of 17 class folders.
"""

import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchvision.transforms.v2 import functional as TF

from helpers import bundled, datasets, device, pretrained, transfer
from helpers.datasets import Photos

FILE = Path(__file__).with_suffix(".npz")
FOLDS = 4
CONTROL = "control/"
DIGITS = 6  # binary digits kept of each number, in a float16: an error of at most 1.6 %, and half the bytes
TILE = 10  # the side of the small picture that "pixels" keeps

EFFICIENTNET = ("features.3", "features.5", "features.7", "features.10", "features.13", "features.17", "avgpool")
UNTRAINED = ("features.5", "features.17")  # where it is best, and late
EFFICIENTNET_64 = ("features.10", "features.13", "features.17", "avgpool")
SQUEEZENET = ("features.12",)


@dataclasses.dataclass(frozen=True)
class Embedded:
    """The embeddings of N labelled photographs.

    Attributes:
        files: "bluebell/image_0241.jpg" and so on.
        labels: int64 [N].
        categories: the name of each label.
        spaces: what `at`, `colours` and `pixels` look up, by "network/pixels/layer".
        folds: int64 [N], each photograph's part from 0 to 3, 20 of each flower in every part; copies in one.
    """

    files: list[str]
    labels: torch.Tensor
    categories: list[str]
    folds: torch.Tensor
    spaces: dict[str, torch.Tensor]

    def at(self, pixels: int = 224, network: str = "efficientnet_lite0") -> dict[str, torch.Tensor]:
        """The responses of `network` at its layers, first to last, to photographs of `pixels` x `pixels`.

        float32 [N, D] each, averaged over the places of a map. There are "efficientnet_lite0" at 224 and at 64
        pixels, "squeezenet1_1" at 224, and "untrained", an EfficientNet-Lite0 with random weights, at 224.
        """
        start = f"{network}/{pixels}/"
        return {name.removeprefix(start): each for name, each in self.spaces.items() if name.startswith(start)}

    @property
    def colours(self) -> torch.Tensor:
        """The colour histogram of each photograph, float32 [N, 64]."""
        return self.spaces["colours"]

    @property
    def pixels(self) -> torch.Tensor:
        """Each photograph shrunk to 10 x 10 pixels, its values from 0 to 1, float32 [N, 300]."""
        return self.spaces["pixels"]


@functools.cache
def load(source: str = "") -> Embedded:
    """The 1,360 flowers; or photographs of yours, embedded now in the same ways (a minute for 500 of them).

    source: a folder with a folder of photographs for each class, or "Flowers102" for the 1,020 training photographs of
        torchvision's data set of that name, which is downloaded.
    """
    if source:
        if source == "Flowers102":
            photos = bundled.from_torchvision(source, train=True)
        else:
            photos = datasets.image_folder(source)
        return embed(photos)
    with np.load(FILE) as kept:
        arrays = {name: torch.from_numpy(kept[name]) for name in kept if kept[name].dtype.kind != "U"}
        arrays = {name: values for name, values in arrays.items() if not name.startswith(CONTROL)}
        return Embedded(
            kept["files"].tolist(),
            arrays.pop("labels").long(),
            kept["categories"].tolist(),
            arrays.pop("folds").long(),
            {name: values.float() for name, values in arrays.items()},
        )


def colour_histogram(image: torch.Tensor) -> torch.Tensor:
    """The share of the pixels of an image uint8 [3, H, W] in each of 4 x 4 x 4 equal boxes of colours, float [64]."""
    red, green, blue = (image // 64).long()
    return (16 * red + 4 * green + blue).flatten().bincount(minlength=64) / red.numel()


def untrained_twin(seed: int = 0) -> pretrained.Network:
    """EfficientNet-Lite0 with random weights, its batch norm's statistics taken from the 20 photographs of foolbox.

    Without that step its responses would all but vanish on their way through the layers.
    """
    device.seed(seed)
    twin = pretrained.untrained("efficientnet_lite0")
    images = datasets.load_images(bundled.labelled_photos(), twin.preprocess).images
    for layer in twin.model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        twin.model.train()(images)
    twin.model.eval()
    return twin


def rounded(values: torch.Tensor) -> np.ndarray:
    """float16 of which all but the first DIGITS binary digits are 0."""
    fraction, exponent = values.double().frexp()
    return torch.ldexp((fraction * 2**DIGITS).round() / 2**DIGITS, exponent).half().numpy()


def spaces_of(photos: Photos) -> tuple[dict[str, torch.Tensor], Photos]:
    """All embeddings of photographs, by "network/pixels/layer", and those of the photographs that can be read."""
    network, squeezenet = (pretrained.load(name) for name in ("efficientnet_lite0", "squeezenet1_1"))
    spaces = {}
    for name, each, layers in (
        ("efficientnet_lite0", network, EFFICIENTNET),
        ("efficientnet_lite0", network.at(64), EFFICIENTNET_64),
        ("squeezenet1_1", squeezenet, SQUEEZENET),
        ("untrained", untrained_twin(), UNTRAINED),
    ):
        found = transfer.embed(each, photos, layers)
        spaces |= {f"{name}/{each.pixels}/{layer}": vectors for layer, vectors in found.layers.items()}
    photos = photos.subset(found.indices)
    images = [TF.pil_to_tensor(photo) for photo, _ in photos]
    spaces["colours"] = torch.stack([colour_histogram(image) for image in images])
    small = [TF.resize(image, [TILE, TILE], antialias=True).flatten() for image in images]
    spaces["pixels"] = torch.stack(small) / 255
    return spaces, photos


def embed(photos: Photos) -> Embedded:
    """The embeddings of labelled photographs; those that cannot be read are left out."""
    spaces, photos = spaces_of(photos)
    names = ["/".join(path.parts[-2:]) for path, _ in photos.samples]
    folds = datasets.folds(photos, FOLDS, groups=same_photograph(spaces["pixels"]))
    return Embedded(names, photos.labels, photos.categories, folds, spaces)


def same_photograph(pixels: torch.Tensor) -> torch.Tensor:
    """For each of N small pictures [N, D] the number of the first that shows the same, int64 [N].

    Among the flowers 68 photographs are there twice, saved anew under another name, so that no byte of the files tells;
    their values differ by 0.04 at most, those of any two other photographs by 0.18 and more.
    """
    return (torch.cdist(pixels, pixels, p=torch.inf) < 0.1).int().argmax(dim=1)


def controls() -> Photos:
    """Three photographs that come with the packages, embedded beside the flowers so that a test can repeat them."""
    return bundled.labelled_photos().subset([0, 7, 14])


def write(found: Embedded) -> None:
    """flowers.npz, from all that is known of the photographs."""
    kept = {name: rounded(values) for name, values in found.spaces.items()}
    kept |= {f"{CONTROL}{name}": rounded(values) for name, values in spaces_of(controls())[0].items()}
    kept |= {name: getattr(found, name).numpy().astype(np.uint8) for name in ("labels", "folds")}
    kept |= {name: np.array(getattr(found, name)) for name in ("files", "categories")}
    np.savez_compressed(FILE, **kept)


if __name__ == "__main__":
    write(embed(datasets.image_folder(sys.argv[1])))
