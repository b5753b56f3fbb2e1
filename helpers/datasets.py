"""Labelled images as PyTorch's DataLoader takes them: photographs in folders, or arrays in memory.

Every photograph passes `photos.read_photo`, so that it is upright and RGB, or is refused in one clear sentence.
"""

import copy
import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
import torchvision
from PIL import Image
from torch.utils.data import Dataset

from helpers import files, machine
from helpers.errors import CourseError
from helpers.photos import EXTENSIONS, read_photo
from helpers.progress import progress

NO_CATEGORY = -1

Rows = slice | Sequence[int] | Sequence[bool] | torch.Tensor


class LabelledImages(Dataset):
    """What all data sets of the course have in common: `len(data)` images, of which `data[i]` is (image, label).

    A subclass has `image(index)`, the image before `transform`; `content(index)`, the bytes that two copies of an image
    have in common; and `_take(rows)`, which leaves out all others.

    Attributes:
        labels: int64 [N].
        categories: the name of each label, in order.
        transform: what `data[i]` makes of the image before it returns it; None for nothing.
    """

    labels: torch.Tensor
    categories: list[str]
    transform: Callable[[Any], Any] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if not hasattr(index, "__index__"):
            raise CourseError(f"An image has one number, which {index!r} is not: for several, take data.subset(rows).")
        image = self.image(index)
        return self.transform(image) if self.transform else image, int(self.labels[index])

    def subset(self, rows: Rows) -> Self:
        """A data set of the images of `rows` alone: indices, a slice, or a mask with a bool for each image."""
        try:
            if not isinstance(rows, slice):
                rows = torch.as_tensor(rows) if len(rows) else slice(0)
            chosen = torch.arange(len(self))[rows]
            if chosen.ndim != 1:
                raise IndexError
        except (TypeError, ValueError, RuntimeError, IndexError):  # what torch raises for sets, floats, and so on
            given = list(rows.shape) if isinstance(rows, torch.Tensor) else repr(rows)[:60]
            raise CourseError(
                f"The rows {given} do not fit {len(self)} images: give a list of whole numbers below {len(self)}, "
                "a slice, or a mask with a bool for each image."
            ) from None
        part = copy.copy(self)
        part.labels = self.labels[chosen]
        part._take(chosen.tolist())
        return part

    def with_transform(self, transform: Callable[[Any], Any] | None) -> Self:
        """The same images, changed by `transform` whenever they are asked for; the network's preprocessing, say."""
        part = copy.copy(self)
        part.transform = transform
        return part


class Photos(LabelledImages):
    """Photographs that are decoded when they are asked for: `photos[i]` is (RGB image of Pillow, label).

    Attributes:
        samples: (path, label) of each photograph; the label is NO_CATEGORY where none fits.
        labels, categories, transform: as in LabelledImages.
        in_val: bool [N], which lie in the part for validation; None where the folder has no such part.
    """

    in_val: torch.Tensor | None = None
    shorter: int = 0  # what a transform makes of the shorter side of a photograph, where that is known

    def __init__(self, samples: Sequence[tuple[str | Path, int]], categories: Sequence[str]):
        self.samples = [(Path(path), int(label)) for path, label in samples]
        self.labels = torch.tensor([label for _, label in self.samples], dtype=torch.int64)
        self.categories = list(categories)

    def image(self, index: int) -> Image.Image:
        """The photograph, decoded; CourseError where it cannot be."""
        return read_photo(self.samples[index][0], shorter=self.shorter)

    def content(self, index: int) -> bytes:
        """The bytes of the file; of one that cannot be read its path."""
        path = self.samples[index][0]
        try:
            return files.read(path)
        except CourseError:
            return os.fsencode(path)

    def _take(self, rows: list[int]) -> None:
        self.samples = [self.samples[row] for row in rows]
        self.in_val = self.in_val if self.in_val is None else self.in_val[rows]


class Arrays(LabelledImages):
    """Small images that fit in memory: `arrays[i]` is (uint8 tensor [3, H, W], label).

    Attributes:
        images: uint8 [N, H, W] for grey images, or [N, 3, H, W].
        labels, categories, transform: as in LabelledImages.
    """

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, categories: Sequence[str]):
        if images.ndim not in (3, 4) or labels.shape != images.shape[:1]:
            shapes = f"{list(images.shape)} and {list(labels.shape)}"
            raise CourseError(f"Images and labels have the shapes {shapes}: give [N, H, W] or [N, 3, H, W], and [N].")
        self.images, self.labels, self.categories = images, labels.long(), list(categories)

    def image(self, index: int) -> torch.Tensor:
        """Image number `index` with three channels, uint8 [3, H, W]."""
        image = self.images[index]
        return image if image.ndim == 3 else image.expand(3, -1, -1)

    def rgb(self) -> torch.Tensor:
        """All images with three channels, uint8 [N, 3, H, W]; grey ones have the same in each."""
        return self.images if self.images.ndim == 4 else self.images[:, None].expand(-1, 3, -1, -1)

    def content(self, index: int) -> bytes:
        """The values of the pixels."""
        return self.images[index].contiguous().numpy().tobytes()

    def _take(self, rows: list[int]) -> None:
        self.images = self.images[rows]


def imagenet_categories() -> list[str]:
    """The names of ImageNet's 1,000 categories, in the order of a network's logits (from torchvision)."""
    return list(torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"])


@functools.cache
def imagenet_wnids() -> tuple[str, ...]:
    """The WordNet number ("n01440764") of each ImageNet category, in the same order (their alphabetical one)."""
    return tuple(Path(__file__).with_name("imagenet_wnids.txt").read_text().split())


def unlabelled_folder(folder: str | Path) -> Photos:
    """All photographs in a folder and below it, by name, without labels; passes over hidden and other files."""
    paths = _photo_paths(_require_folder(folder))
    if not paths:
        raise CourseError(f'"{folder}" holds no photograph: name a folder of files such as .jpg or .png.')
    return Photos([(path, NO_CATEGORY) for path in paths], imagenet_categories())


def image_folder(folder: str | Path) -> Photos:
    """A folder with one folder of photographs per class, labelled in alphabetical order, as torchvision's ImageFolder.

    Where it has train/ and val/, and in these the class folders: all photographs of the two, and which are `in_val`.
    Raises CourseError for fewer than two classes, a class without photographs, and one in train/ or val/ alone.
    """
    classes = _class_folders(folder)
    train_val = [path for path in classes if path.name in ("train", "val")]
    if len(train_val) == 2:
        return _join(*map(image_folder, train_val), Path(folder))
    if len(classes) < 2:
        raise CourseError(f'"{folder}" has only the class "{classes[0].name}": add the folder of a second class.')
    return _labelled(classes, range(len(classes)), [files.readable(path.name) for path in classes])


def _join(train: Photos, val: Photos, folder: Path) -> Photos:
    for name in sorted(set(train.categories) ^ set(val.categories)):
        where = "train/, not in val/" if name in train.categories else "val/, not in train/"
        raise CourseError(f'"{folder}" has the class "{name}" in {where}: each class needs photographs in both.')
    photos = Photos(train.samples + val.samples, train.categories)
    photos.in_val = torch.arange(len(photos)) >= len(train)
    return photos


def imagenet_folder(folder: str | Path | None = None) -> Photos:
    """Photographs in folders named by ImageNet category, all 1,000 or fewer, labelled with the category's number.

    A folder's name is a wnid ("n02123045") or torchvision's name of the category ("tabby", "golf ball" or "golf_ball").
    Without `folder`, the validation set that the environment variable IMAGENET_DIR names.
    """
    if not folder:
        folder = os.environ.get("IMAGENET_DIR")
        if not folder:
            raise CourseError("No folder was named: give one, or set the environment variable IMAGENET_DIR.")
        try:
            _require_folder(folder)
        except CourseError as error:
            raise CourseError(f"The environment variable IMAGENET_DIR is wrong: {error}") from None
    classes = _class_folders(folder)
    categories, wnids = imagenet_categories(), imagenet_wnids()
    numbers = {wnid: number for number, wnid in enumerate(wnids)}
    numbers |= {name.lower(): number for number, name in enumerate(categories)}
    numbers |= {name: number for number, name in enumerate(categories)}  # 264 is a Cardigan, 474 a cardigan
    names = [path.name.replace("_", " ") for path in classes]
    labels = [numbers.get(name, numbers.get(name.lower())) for name in names]
    unknown = [path.name for path, label in zip(classes, labels, strict=True) if label is None]
    if unknown:
        raise CourseError(
            f'"{folder}" has folders that are no ImageNet category ({", ".join(unknown[:3])}'
            f'{", …" if len(unknown) > 3 else ""}): name them by wnid ("{wnids[0]}") or category ("{categories[0]}"), '
            "or use image_folder."
        )
    return _labelled(classes, labels, categories)


def _require_folder(folder: str | Path) -> Path:
    folder = files.local(folder)
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise CourseError(f'"{folder}" is a file, not a folder: check the path.')
        next(folder.iterdir(), None)
    except (OSError, ValueError) as error:
        raise files.unreadable(folder, error) from None
    return folder


def _photo_paths(folder: Path) -> list[Path]:
    paths, below = [], [folder]
    while below:  # os.walk of Python 3.11 calls itself for each level, and ends at a thousand
        try:
            with os.scandir(below.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(Path(entry))
                    elif Path(entry.name).suffix.lower() in EXTENSIONS:
                        paths.append(Path(entry))
        except OSError as error:
            raise files.unreadable(error.filename, error) from None
    return sorted(paths)


def _class_folders(folder: str | Path) -> list[Path]:
    folder = _require_folder(folder)
    try:
        classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise files.unreadable(error.filename, error) from None
    if not classes:
        raise CourseError(f'"{folder}" has no class folders: make one folder of photographs per class in it.')
    return classes


def _labelled(classes: list[Path], labels: Sequence[int], categories: Sequence[str]) -> Photos:
    samples = []
    for path, label in zip(classes, labels, strict=True):
        paths = _photo_paths(path)
        if not paths:
            raise CourseError(f'The class folder "{path}" holds no photograph: fill it or remove it.')
        samples += [(photo, label) for photo in paths]
    return Photos(samples, categories)


def duplicates(data: LabelledImages) -> torch.Tensor:
    """For each image the number of the first that is the same file, or the same in every pixel, int64 [N].

    A file that cannot be read counts as its own.
    """
    first = {}
    digests = (hashlib.sha256(data.content(row)).digest() for row in range(len(data)))
    return torch.tensor([first.setdefault(digest, row) for row, digest in enumerate(digests)], dtype=torch.int64)


def folds(data: LabelledImages, parts: int = 4, seed: int = 0, groups: torch.Tensor | None = None) -> torch.Tensor:
    """The part, from 0 to `parts` - 1, to which each image belongs, int64 [N]: for cross-validation.

    Every class keeps its share in each, and copies of an image stay together, so that none is trained on and then
    validated on: those with the same number in `groups` int64 [N], or else those that `duplicates` finds. Raises
    CourseError for a class with fewer than `parts` different images.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # a second of import, which only this needs

    groups = duplicates(data) if groups is None else groups
    for label, category in enumerate(data.categories):
        different = len(groups[data.labels == label].unique())
        if different < parts:
            raise CourseError(
                f'The class "{category}" has {different} different images, and {parts} are needed: '
                "add some, or remove the class."
            )
    found = torch.empty(len(data), dtype=torch.int64)
    splits = StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(groups, data.labels, groups)
    for part, (_, rows) in enumerate(splits):
        found[rows] = part
    return found


def sample_per_class(data: LabelledImages, per_class: int, seed: int = 0) -> LabelledImages:
    """`per_class` images of each class, chosen at random; CourseError where a class has fewer."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for label, category in enumerate(data.categories):
        members = (data.labels == label).nonzero().flatten()
        if len(members) < per_class:
            raise CourseError(f'The class "{category}" has {len(members)} images: draw no more than these of each.')
        rows.append(members[torch.randperm(len(members), generator=generator)[:per_class]])
    return data.subset(torch.cat(rows))


class Batch(NamedTuple):
    """Images as a network takes them, float [n, 3, H, W], their labels and their rows in the data set, int64 [n] each.

    `unreadable` holds a sentence for each photograph that could not be read, and is missing here.
    """

    images: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    unreadable: list[str]


def batches(data: LabelledImages, transform: Callable[[Any], torch.Tensor], batch_size: int) -> Iterator[Batch]:
    """All of `data` in its order, read and transformed by all cores; a Batch may hold fewer images, also none.

    As a DataLoader with workers, but by threads: these start at once, on Windows too, and decode side by side.
    """

    raw = data.with_transform(None)  # one that is there for a DataLoader would be applied twice
    raw.shorter = getattr(transform, "settings", {}).get("resize", 0)  # pretrained.Preprocessing tells

    def prepare(index: int) -> tuple[torch.Tensor, int, int] | str:
        try:
            image, label = raw[index]
        except CourseError as error:
            return str(error)
        return transform(image), label, index

    with ThreadPoolExecutor(min(machine.cores(), 16)) as pool:  # each holds a photograph in memory
        for start in range(0, len(data), batch_size):
            rows = list(pool.map(prepare, range(start, min(start + batch_size, len(data)))))
            readable = [row for row in rows if not isinstance(row, str)]
            images = torch.stack([image for image, _, _ in readable]) if readable else torch.empty(0)
            labels, indices = (torch.tensor([row[part] for row in readable], dtype=torch.int64) for part in (1, 2))
            yield Batch(images, labels, indices, [row for row in rows if isinstance(row, str)])


def load_images(data: LabelledImages, transform: Callable[[Any], torch.Tensor]) -> Batch:
    """All of `data` in one Batch, with progress: for training on images that fit in memory.

    Raises the first sentence about an unreadable photograph where none can be read.
    """
    parts = []
    with progress(total=len(data), desc="reading", unit=" images") as bar:
        for batch in batches(data, transform, 64):
            parts.append(batch)
            bar.update(len(batch.indices) + len(batch.unreadable))
    unreadable = [sentence for part in parts for sentence in part.unreadable]
    parts = [part for part in parts if len(part.indices)]
    if not parts:
        raise no_photographs(unreadable)
    images, labels, indices = (torch.cat([part[number] for part in parts]) for number in range(3))
    return Batch(images, labels, indices, unreadable)


def no_photographs(unreadable: Sequence[str]) -> CourseError:
    """What to raise where a data set holds no photograph that can be read."""
    return CourseError(unreadable[0] if unreadable else "There are no photographs: name a folder of some.")
