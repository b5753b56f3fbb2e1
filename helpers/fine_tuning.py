"""09's experiment: networks of which more or fewer layers learn on, from few or many images, like ImageNet's or not."""

import csv
import functools
import math
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torchvision.transforms.v2 import functional as pixels

from helpers import datasets, device, training, transfer
from helpers.datasets import Arrays, Photos
from helpers.errors import CourseError
from helpers.pretrained import Network
from helpers.training import Score

RECORD = Path(__file__).with_name("fine_tuning_map.csv")

# EfficientNet-Lite0's layers up to and including the first are frozen, and the others learn.
CUTS = {"avgpool": "head only", "features.17": "+ last blocks", "features.10": "+ upper half", "": "all layers"}

# ---- data: like ImageNet's, and unlike ----

TILES = 3  # a photograph is cut into 3 x 3 tiles, like a chessboard's, for training and for testing
PHOTOGRAPHS = 10


def photo_crops(per_class: int, side: int = 48, *, testing: bool) -> Arrays:
    """Crops of ten photographs; the class is the photograph. Those for testing come from other parts of it.

    Each crop is a square of 35 to 70 % of a tile's side, anywhere in the tile, turned by up to 45 degrees, mirrored or
    not, with up to half or twice the light, more or less contrast, and a tint.

    Returns images uint8 [10 x per_class, 3, side, side]: always the same ones.
    """
    photos = datasets.labelled_photos()
    generator = torch.Generator().manual_seed(int(testing))
    images, names = [], []
    for number in range(PHOTOGRAPHS):
        photo, label = photos[number]
        images.append(_crops(pixels.to_image(photo.resize((512, 512))), per_class, side, testing, generator))
        names.append(f"{photos.categories[label]} {number}")
    labels = torch.arange(PHOTOGRAPHS).repeat_interleave(per_class)
    return Arrays(torch.cat(images), labels, names)


def _crops(photo: torch.Tensor, count: int, side: int, testing: bool, generator: torch.Generator) -> torch.Tensor:
    """`count` crops of one photograph uint8 [3, H, W] from its tiles for training or for testing."""
    size = photo.shape[1] // TILES
    tiles = [
        photo[:, row * size : (row + 1) * size, column * size : (column + 1) * size]
        for row in range(TILES)
        for column in range(TILES)
        if (row + column) % 2 == int(testing)
    ]
    tiles = pixels.resize(torch.stack(tiles), [2 * side] * 2, antialias=True).float() / 255

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    scale, angle = uniform(0.35, 0.7), uniform(-math.pi / 4, math.pi / 4)
    reach = scale * (angle.cos() + angle.sin().abs())  # half the side of the turned crop's bounding square
    shift = uniform(-1, 1, 2) * (1 - reach)[:, None]
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    rows = [
        torch.stack([mirror * scale * angle.cos(), -scale * angle.sin(), shift[:, 0]], dim=1),
        torch.stack([mirror * scale * angle.sin(), scale * angle.cos(), shift[:, 1]], dim=1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), [count, 3, side, side], align_corners=False)
    which = torch.randint(len(tiles), (count,), generator=generator)
    crops = functional.grid_sample(tiles[which], grid, padding_mode="border", align_corners=False)
    light = 2 ** uniform(-1, 1, 1, 1, 1) * uniform(0.85, 1.15, 3, 1, 1)
    grey = crops.mean(dim=(1, 2, 3), keepdim=True)
    crops = ((crops - grey) * uniform(0.5, 1.2, 1, 1, 1) + grey) * light
    return (crops.clamp(0, 1) * 255).round().to(torch.uint8)


def task(name: str, side: int = 48) -> tuple[Arrays | Photos, Arrays | Photos]:
    """The images to draw from for training, and those for testing: "photographs", "silhouettes", or one of torchvision.

    The first two need no connection; the others are datasets.TORCHVISION.
    """
    if name == "photographs":
        return photo_crops(200, side, testing=False), photo_crops(100, side, testing=True)
    if name == "silhouettes":
        return datasets.animal_shapes()
    return datasets.from_torchvision(name, training=True), datasets.from_torchvision(name, training=False)


def draw(data: Arrays | Photos, per_class: int, seed: int = 0) -> Arrays | Photos:
    """`per_class` images of each class, chosen at random; CourseError where a class has fewer."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for label, category in enumerate(data.categories):
        members = (data.labels == label).nonzero().flatten()
        if len(members) < per_class:
            raise CourseError(f'The class "{category}" has {len(members)} images: draw no more than these of each.')
        rows.append(members[torch.randperm(len(members), generator=generator)[:per_class]])
    return data.part(torch.cat(rows))


def prepared(network: Network, data: Arrays | Photos) -> tuple[torch.Tensor, torch.Tensor]:
    """The images as `network` wants them, float [N, 3, H, W], in memory, and their labels int64 [N]."""
    if isinstance(data, Photos):
        data, _ = datasets.in_memory(data, network.pixels)
    return network.preprocess(data.rgb()), data.labels


# ---- training ----


class KeepStatistics(nn.Sequential):
    """A network whose batch norm goes on with the statistics that it has, also in training mode.

    A few images have too little to say about means and variances.
    """

    def train(self, mode: bool = True) -> "KeepStatistics":
        """Training mode for all layers but batch norm."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


def fine_tune(
    network: Network,
    cut: str,
    training_data: tuple[torch.Tensor, torch.Tensor],
    validation_data: tuple[torch.Tensor, torch.Tensor],
    classes: int,
    *,
    rate: float,
    steps: int,
    batch_size: int = 32,
    seed: int = 0,
) -> tuple[nn.Module, Score, Score]:
    """Give `network` a new head, and train all layers above `cut` ("" for all there are); the others stay as they are.

    What lies below the cut answers each image once. Returns the network, and its scores in training and validation.
    """
    device.seed(seed)
    module = transfer.with_head(network.module, classes)
    lower, upper = transfer.split(module, cut) if cut else (nn.Identity(), module)
    (images, labels), validation = ((respond(lower, x), y) for x, y in (training_data, validation_data))
    upper = KeepStatistics(upper)
    optimiser = torch.optim.Adam(upper.parameters(), rate, fused=True)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    history = training.train(
        upper, optimiser, (images, labels), validation,
        steps=steps, every=steps, batch_size=batch_size, scheduler=falling, seed=seed,
    )  # fmt: skip
    return module, history.training[-1], history.validation[-1]


@torch.no_grad()
def respond(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What `module` makes of images [N, C, H, W], computed in batches, in evaluation mode; on the accelerator."""
    best = device.accelerator()
    module.eval().to(best)
    return torch.cat([module(batch.to(best)) for batch in images.split(128)])


# ---- the record of the full map ----


class Run(NamedTuple):
    """One training: on what, how, and the errors from 0 to 1.

    `choosing` and `testing` are the errors on two halves of the images that it was not trained on: the learning rate
    is chosen on the first, and reported is the second.
    """

    data: str
    images: int
    cut: str
    rate: float
    seed: int
    training: float
    choosing: float
    testing: float


@functools.cache
def recorded(path: Path = RECORD) -> list[Run]:
    """The runs of the full map, as tests/benchmarks/fine_tuning_map.py wrote them."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [Run(*(kind(row[name]) for name, kind in Run.__annotations__.items())) for row in csv.DictReader(lines)]


def record_header(path: Path = RECORD) -> str:
    """Machine, settings and commit of the record, one a line."""
    return "\n".join(line[2:] for line in path.read_text().splitlines() if line.startswith("#"))


def cell(runs: Iterable[Run], data: str, images: int, cut: str, rate: float | None = None) -> list[Run]:
    """The runs of one cell of the map, one for each seed: at `rate`, or at the rate with the least `choosing` error."""
    runs = [run for run in runs if (run.data, run.images, run.cut) == (data, images, cut)]
    if rate is None:
        rates = sorted({run.rate for run in runs})
        rate = min(rates, key=lambda one: mean(run.choosing for run in runs if run.rate == one), default=0.0)
    return [run for run in runs if run.rate == rate]


# ---- a folder to try things out on ----

EXAMPLE = {
    "animals": ("bull_mastiff", "spoonbill", "goose", "dalmatian", "bald_eagle", "leafhopper", "dung_beetle", "tabby"),
    "things": ("folding_chair", "beaker", "bottlecap", "drum", "loafer", "cannon", "jeep", "espresso", "tripod"),
}


def example_folder() -> Path:
    """A small folder of class folders, in a new temporary place: 18 of the photographs that the packages bring along.

    As real folders do, it has a copy under another name, a file that is no photograph, and one for printing (CMYK).
    """
    folder = Path(tempfile.mkdtemp()) / "my_photos"
    photos = [*datasets.labelled_photos().samples, *datasets.free_photos().samples]
    names = datasets.imagenet_categories()
    paths = {names[label].lower().replace(" ", "_"): path for path, label in photos if label != datasets.NO_CATEGORY}
    for category, members in EXAMPLE.items():
        (folder / category).mkdir(parents=True)
        for name in members:
            shutil.copy(paths[name], folder / category / f"{name}{paths[name].suffix}")
    shutil.copy(paths["goose"], folder / "animals/holiday_042.jpg")
    (folder / "things/from_the_web.jpg").write_text("<html>404 Not Found</html>")
    datasets.read_photo(paths["buckeye"]).convert("CMYK").save(folder / "things/for_the_printer.jpg")
    return folder
