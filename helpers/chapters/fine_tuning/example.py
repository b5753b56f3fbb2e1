"""A small folder of images to try section 9 of 09 on, with the faults that real folders have."""

import functools
import shutil
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from helpers import bundled, datasets

ANIMALS = ("cat", "dog", "horse", "zebra")
OF_EACH = 15


def folder() -> Path:
    """A new temporary folder of class folders: 15 silhouettes of each of four animals, saved as photographs are.

    As real folders do, it has a copy under another name, a file that is no photograph, and one for printing (CMYK).
    """
    place = Path(tempfile.mkdtemp()) / "my_photos"
    for animal in ANIMALS:
        (place / animal).mkdir(parents=True)
        for number in range(OF_EACH):
            _picture(animal, number).save(place / animal / f"{number:02d}.png")
    shutil.copy(place / "zebra/03.png", place / "zebra/holiday_042.png")
    (place / "cat/from_the_web.jpg").write_text("<html>404 Not Found</html>")
    _picture("dog", OF_EACH).convert("CMYK").save(place / "dog/for_the_printer.jpg")
    return place


def new_photo() -> Path:
    """One more zebra, which is not in the folder."""
    place = Path(tempfile.mkdtemp()) / "new_photo.png"
    _picture("zebra", OF_EACH).save(place)
    return place


@functools.cache
def _shuffled() -> datasets.Arrays:
    shapes, _ = bundled.animal_shapes()
    return shapes.subset(torch.randperm(len(shapes), generator=torch.Generator().manual_seed(0)))


def _picture(animal: str, number: int) -> Image.Image:
    shapes = _shuffled()
    row = (shapes.labels == bundled.ANIMALS.index(animal)).nonzero()[number].item()
    return TF.to_pil_image(shapes[row][0]).resize((224, 224), Image.Resampling.BICUBIC)
