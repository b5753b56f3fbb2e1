"""What section 9 of 09 asks of a folder of photographs, and a small one to try it on, with the faults of real ones."""

import collections
import functools
import shutil
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from helpers import bundled, datasets
from helpers.errors import CourseError
from helpers.photos import EXTENSIONS

PARTS = ("train", "training", "val", "valid", "validation", "test")
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


def read_folder(folder: Path) -> datasets.Photos:
    """What datasets.image_folder reads; CourseError also for train/ without val/, which would be taken for a class."""
    try:
        inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
        parts = [path.name for path in inside if path.name.lower() in PARTS and _holds_folders_alone(path)]
    except OSError:
        parts = []  # image_folder says what is wrong
    if parts and not {"train", "val"} <= {path.name for path in inside}:
        part = min(parts, key=lambda name: PARTS.index(name.lower()))
        cure = f'add or rename the other one, or name "{folder / part}", which is then judged by cross-validation.'
        raise CourseError(f'"{folder}" has {part}/, but not both train/ and val/: {cure}')
    return datasets.image_folder(folder)


def _holds_folders_alone(folder: Path) -> bool:
    inside = list(folder.iterdir())
    return any(path.is_dir() for path in inside) and not any(path.suffix.lower() in EXTENSIONS for path in inside)


def passed_over(folder: Path, photos: datasets.Photos) -> list[str]:
    """A sentence about the files of a folder that are not among its photographs, hidden ones left out; or none."""
    known, others = {path for path, _ in photos.samples}, collections.Counter()
    for path in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and path not in known and not is_hidden:
            others[path.suffix.lower() or path.name] += 1
    listed = ", ".join(f"{count} x {kind}" for kind, count in sorted(others.items()))
    return [f"not photographs in a class folder: {listed}"] if others else []


def parts(photos: datasets.Photos) -> torch.Tensor:
    """The part of each photograph, int64 [N]; each part is judged by a head that learned from all other photographs.

    Parts 0 to 3 are for cross-validation. With val/, that is part 0, and the photographs of train/ are in no part (-1).
    Raises CourseError for a class with fewer than 4 photographs, or with none in train/ or val/.
    """
    for label, category in enumerate(photos.categories):
        these = photos.labels == label
        if photos.in_val is None and these.sum() < 4:
            found = f'"{category}" has {these.sum()} (copies and unreadable ones left out)'
            raise CourseError(f"Cross-validation needs 4 photographs per class, and {found}: add some, or remove it.")
        for name, part in () if photos.in_val is None else (("train", ~photos.in_val), ("val", photos.in_val)):
            if not (these & part).any():
                lacks = f'"{category}" has none in {name}/ (copies and unreadable ones left out)'
                raise CourseError(f"Each class needs photographs in both train/ and val/, and {lacks}: add some.")
    return datasets.folds(photos) if photos.in_val is None else photos.in_val.long() - 1


@functools.cache
def _shuffled() -> datasets.Arrays:
    shapes, _ = bundled.animal_shapes()
    return shapes.subset(torch.randperm(len(shapes), generator=torch.Generator().manual_seed(0)))


def _picture(animal: str, number: int) -> Image.Image:
    shapes = _shuffled()
    row = (shapes.labels == bundled.ANIMALS.index(animal)).nonzero()[number].item()
    return TF.to_pil_image(shapes[row][0]).resize((224, 224), Image.Resampling.BICUBIC)
