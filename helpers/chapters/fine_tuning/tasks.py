"""09's images: crops of photographs, which are like ImageNet's, silhouettes, which are not, and a folder to try out."""

import math
import shutil
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as TF

from helpers import bundled, datasets, photos
from helpers.datasets import Arrays, LabelledImages

TILES = 3  # a photograph is cut into 3 x 3 tiles, of which as on a chessboard one colour is for training, one for tests
PHOTOGRAPHS = 10


def photo_crops(per_class: int, side: int = 48, *, train: bool) -> Arrays:
    """Crops of ten photographs; the class is the photograph. Those for testing come from other parts of it.

    Each crop is a square of 35 to 70 % of a tile's side, anywhere in the tile, turned by up to 45 degrees, mirrored or
    not, with up to half or twice the light, more or less contrast, and a tint. Always the same images, uint8
    [10 x per_class, 3, side, side].
    """
    labelled = bundled.labelled_photos().subset(range(PHOTOGRAPHS))
    generator = torch.Generator().manual_seed(int(not train))
    squares = [TF.to_image(photo.resize((512, 512))) for photo, _ in labelled]
    images = torch.cat([_crops(square, per_class, side, train, generator) for square in squares])
    names = [f"{labelled.categories[label]} {number}" for number, label in enumerate(labelled.labels)]
    return Arrays(images, torch.arange(PHOTOGRAPHS).repeat_interleave(per_class), names)


def _crops(photo: torch.Tensor, count: int, side: int, train: bool, generator: torch.Generator) -> torch.Tensor:
    """`count` crops of one photograph uint8 [3, H, W], from its tiles for training or for testing."""
    size = photo.shape[1] // TILES
    tiles = photo.unfold(1, size, size).unfold(2, size, size).permute(1, 2, 0, 3, 4).flatten(0, 1)  # row by row
    tiles = TF.resize(tiles[int(not train) :: 2], [2 * side] * 2, antialias=True).float() / 255

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
    grid = F.affine_grid(torch.stack(rows, dim=1), [count, 3, side, side], align_corners=False)
    which = torch.randint(len(tiles), (count,), generator=generator)
    crops = F.grid_sample(tiles[which], grid, padding_mode="border", align_corners=False)
    light = 2 ** uniform(-1, 1, 1, 1, 1) * uniform(0.85, 1.15, 3, 1, 1)
    grey = crops.mean(dim=(1, 2, 3), keepdim=True)
    crops = ((crops - grey) * uniform(0.5, 1.2, 1, 1, 1) + grey) * light
    return (crops.clamp(0, 1) * 255).round().to(torch.uint8)


def load_task(name: str, side: int = 48) -> tuple[LabelledImages, LabelledImages]:
    """The images to draw from for training, and for testing: "photographs", "silhouettes", or one of TORCHVISION."""
    if name == "photographs":
        return photo_crops(200, side, train=True), photo_crops(100, side, train=False)
    if name == "silhouettes":
        return bundled.animal_shapes()
    return bundled.from_torchvision(name, train=True), bundled.from_torchvision(name, train=False)


EXAMPLE = {
    "animals": ("bull_mastiff", "spoonbill", "goose", "dalmatian", "bald_eagle", "leafhopper", "dung_beetle", "tabby"),
    "things": ("folding_chair", "beaker", "bottlecap", "drum", "loafer", "cannon", "jeep", "espresso", "tripod"),
}


def example_folder() -> Path:
    """A small folder of class folders, in a new temporary place: 18 of the photographs that the packages bring along.

    As real folders do, it has a copy under another name, a file that is no photograph, and one for printing (CMYK).
    """
    folder = Path(tempfile.mkdtemp()) / "my_photos"
    samples = [*bundled.labelled_photos().samples, *bundled.free_photos().samples]
    names = datasets.imagenet_categories()
    paths = {names[label].lower().replace(" ", "_"): path for path, label in samples if label != datasets.NO_CATEGORY}
    for category, members in EXAMPLE.items():
        (folder / category).mkdir(parents=True)
        for name in members:
            shutil.copy(paths[name], folder / category / f"{name}{paths[name].suffix}")
    shutil.copy(paths["goose"], folder / "animals/holiday_042.jpg")
    (folder / "things/from_the_web.jpg").write_text("<html>404 Not Found</html>")
    photos.read_photo(paths["buckeye"]).convert("CMYK").save(folder / "things/for_the_printer.jpg")
    return folder
