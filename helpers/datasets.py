"""Photographs and labels: what the packages bring along, a learner's folder, ImageNet, torchvision's data sets.

Every photograph passes `read_photo`, so that it is upright and RGB, or is refused in one clear sentence.
"""

import functools
import gzip
import hashlib
import importlib.util
import os
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
import torchvision
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.utils.data import Dataset

from helpers import files
from helpers.errors import CourseError
from helpers.progress import progress

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"}
EXTENSIONS |= {".avif", ".heic", ".heif"}  # from phones; where Pillow cannot decode them, they are named, not missed
MAX_ASPECT_RATIO = 50
NO_CATEGORY = -1
DOWNLOADS = Path(__file__).resolve().parents[1] / "data"

_opening = threading.Lock()  # a warnings filter belongs to the whole process, so only one thread may change it


def read_photo(source: str | Path | BinaryIO, name: str | None = None) -> Image.Image:
    """Decode one photograph, from a path or from an open binary file that is called `name`.

    Returns an RGB image, 8 bits a channel, the first frame of an animation, turned as its EXIF data says, transparent
    parts white. Raises CourseError, naming the file and the cure, for whatever is not a complete photograph.
    """
    name = f'"{name or source}"'
    if isinstance(source, str | Path):
        source = _require_file(Path(source).expanduser())
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            photo = Image.open(source)
        with photo:
            if max(photo.size) > MAX_ASPECT_RATIO * min(photo.size):
                width, height = photo.size
                raise CourseError(f"{name} is {width} x {height} pixels, too narrow for a photograph: crop it.")
            photo.load()
            ImageOps.exif_transpose(photo, in_place=True)
            return _to_rgb(photo, name)
    except CourseError:
        raise
    except PermissionError:
        raise CourseError(f"{name} may not be read: change its permissions (chmod +r) or copy it.") from None
    except UnidentifiedImageError:
        raise CourseError(f"{name} is not a photograph in a known format: save it as JPEG or PNG.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise CourseError(f"{name} has more than {limit} million pixels: save it smaller.") from None
    except Exception as error:  # Pillow's decoders raise a dozen types for damaged files
        reason = str(error).rstrip(".")
        raise CourseError(f"{name} is damaged and cannot be decoded ({reason}): copy or export it again.") from error


def _require_file(path: Path) -> Path:
    try:
        if path.is_dir():
            raise CourseError(f'"{path}" is a folder, not a photograph: name a file in it, or read it as a folder.')
        if not path.exists():
            raise CourseError(f'"{path}" does not exist: check the path (this program runs in "{Path.cwd()}").')
        if path.stat().st_size == 0:
            raise CourseError(f'"{path}" is empty, of 0 bytes: copy or export it again.')
    except OSError as error:
        reason = error.strerror
        raise CourseError(f'"{path}" may not be read ({reason}): check the path and its permissions.') from None
    return path


def _to_rgb(photo: Image.Image, name: str) -> Image.Image:
    if photo.mode.startswith("I"):  # 16 bits a pixel, which convert("RGB") would clip to white
        values = np.asarray(photo)
        if values.min() < 0 or values.max() > 65535:
            raise CourseError(f"{name} has pixels of more than 16 bits: export it again with 8 bits a channel.")
        photo = Image.fromarray((values / 257).round().astype(np.uint8))
    if photo.mode == "F":
        raise CourseError(f"{name} has floating-point pixels: export it again with 8 bits a channel.")
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo)
    return photo.convert("RGB")


class Photos(Dataset):
    """Photographs that are decoded when they are asked for: `photos[i]` is (RGB image, label).

    Attributes:
        samples: (path, label) of each photograph; the label is NO_CATEGORY where none fits.
        categories: the name of each label, in order.
    """

    def __init__(self, samples: Sequence[tuple[Path, int]], categories: Sequence[str]):
        self.samples = [(Path(path), int(label)) for path, label in samples]
        self.categories = list(categories)

    @property
    def labels(self) -> torch.Tensor:
        """int64 [N]."""
        return torch.tensor([label for _, label in self.samples])

    def part(self, rows: Sequence[int] | torch.Tensor) -> "Photos":
        """The photographs of `rows` alone."""
        return Photos([self.samples[row] for row in rows], self.categories)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        path, label = self.samples[index]
        return read_photo(path), label


class Arrays(NamedTuple):
    """Small images that fit in memory: uint8 [N, H, W] or [N, 3, H, W], labels int64 [N], the name of each label."""

    images: torch.Tensor
    labels: torch.Tensor
    categories: list[str]

    def rgb(self, rows: Sequence[int] | slice | torch.Tensor = slice(None)) -> torch.Tensor:
        """The images of `rows` with three channels, uint8 [n, 3, H, W]; grey ones have the same in each."""
        images = self.images[rows]
        return images if images.ndim == 4 else images[:, None].expand(-1, 3, -1, -1)

    def part(self, rows: Sequence[int] | slice | torch.Tensor) -> "Arrays":
        """The images of `rows` alone."""
        return Arrays(self.images[rows], self.labels[rows], self.categories)


# ---- embedded: what `pip install -r requirements.txt` brings along ----


def package_folder(package: str) -> Path:
    """The folder of an installed package, found without importing it; CourseError when it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise CourseError(f'The package "{package}" is missing: run "pip install -r requirements.txt".')
    return Path(spec.submodule_search_locations[0])


def imagenet_categories() -> list[str]:
    """The names of ImageNet's 1,000 categories, in the order of a network's logits (from torchvision)."""
    return torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]


@functools.cache
def imagenet_wnids() -> tuple[str, ...]:
    """The WordNet number ("n01440764") of each ImageNet category, in the same order (their alphabetical one)."""
    return tuple(Path(__file__).with_name("imagenet_wnids.txt").read_text().split())


def labelled_photos() -> Photos:
    """The 20 photographs with ImageNet labels in the package foolbox, in their numbers' order."""
    paths = sorted((package_folder("foolbox") / "data").glob("imagenet_*.jpg"))
    return Photos([(path, int(path.stem.split("_")[-1])) for path in paths], imagenet_categories())


def free_photos() -> Photos:
    """Nine photographs of scikit-image and matplotlib, free to use, labelled where an ImageNet category fits."""
    skimage, sample_data = package_folder("skimage") / "data", package_folder("matplotlib") / "mpl-data/sample_data"
    labels = {
        skimage / "chelsea.png": "tabby",
        skimage / "coffee.png": "espresso",
        skimage / "camera.png": "tripod",
        sample_data / "grace_hopper.jpg": "military uniform",
        skimage / "motorcycle_left.png": None,
        skimage / "astronaut.png": None,
        skimage / "rocket.jpg": None,
        skimage / "coins.png": None,
        skimage / "retina.jpg": None,
    }
    names = imagenet_categories()
    return Photos([(path, names.index(name) if name else NO_CATEGORY) for path, name in labels.items()], names)


def animal_shapes() -> tuple[Arrays, Arrays]:
    """Silhouettes of ten animals, 28 x 28, for training and for testing (package animal-shape-mnist, MIT licence).

    Of the 10,000 images 284 are exact copies of another and are dropped, so that no test image was trained on;
    of the rest, every fifth of each animal is for testing.
    """
    folder = package_folder("animal_shape_mnist") / "data/Animal Shape"
    images, labels = (
        files.unpickle_arrays(gzip.decompress(files.read_checked(folder / file, digest)), folder / file)
        for file, digest in ANIMAL_FILES.items()
    )
    _, first = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    first.sort()
    images, labels = torch.from_numpy(images[first]), torch.from_numpy(labels[first])
    testing = torch.cat([torch.arange((labels == label).sum()) % 5 == 4 for label in range(10)])
    return tuple(Arrays(images[part], labels[part], list(ANIMALS)) for part in (~testing, testing))


ANIMALS = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
ANIMAL_FILES = {
    "animal_data_version_3.gz": "68a30346781a0984f839463a4615d2decb899d1ce65091bb92586311754a34ce",
    "animal_label_version_3.gz": "dec8dba7c469830989fbab46825021a08a38470753a512f27ada847eced97b57",
}


# ---- folders ----


def photos_in(folder: str | Path) -> Photos:
    """All photographs in a folder and below it, by name, without labels; passes over hidden and other files."""
    paths = _photo_paths(_require_folder(folder))
    if not paths:
        raise CourseError(f'"{folder}" holds no photograph: name a folder of files such as .jpg or .png.')
    return Photos([(path, NO_CATEGORY) for path in paths], imagenet_categories())


def class_folders(folder: str | Path) -> Photos:
    """A folder with one folder of photographs per class, labelled in alphabetical order, as torchvision's ImageFolder.

    Raises CourseError for fewer than two classes and for a class without photographs.
    """
    classes = _class_folders(folder)
    if len(classes) < 2:
        raise CourseError(f'"{folder}" has only the class "{classes[0].name}": add the folder of a second class.')
    return _labelled(classes, range(len(classes)), [path.name for path in classes])


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
            "or use class_folders."
        )
    return _labelled(classes, labels, categories)


def _require_folder(folder: str | Path) -> Path:
    folder = Path(folder).expanduser()
    try:
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise CourseError(f'"{folder}" {what}: check the path (this program runs in "{Path.cwd()}").')
        next(folder.iterdir(), None)
    except OSError as error:
        _refuse(error)
    return folder


def _refuse(error: OSError) -> None:
    reason = error.strerror
    raise CourseError(f'"{error.filename}" may not be read ({reason}): check the path and its permissions.') from None


def _photo_paths(folder: Path) -> list[Path]:
    paths = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):  # Path.rglob passes over what it may not read
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(path for path in paths if path.suffix.lower() in EXTENSIONS)


def _class_folders(folder: str | Path) -> list[Path]:
    folder = _require_folder(folder)
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
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


# ---- for training: in memory, without copies, in parts ----


def in_memory(photos: Photos, pixels: int) -> tuple[Arrays, list[str]]:
    """The photographs decoded once, their shorter side resized to `pixels` and cropped to the central square.

    Returns Arrays with images uint8 [N, 3, pixels, pixels], and a sentence for each photograph that cannot be read,
    which is left out. Raises the first of these sentences if none can.
    """

    def prepare(index: int) -> tuple[torch.Tensor, int] | str:
        try:
            photo, label = photos[index]
        except CourseError as error:
            return str(error)
        square = ImageOps.fit(photo, (pixels, pixels), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1), label

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = progress(iterable=pool.map(prepare, range(len(photos))), total=len(photos), desc="reading")
        rows = list(rows)
    unreadable = [row for row in rows if isinstance(row, str)]
    readable = [row for row in rows if not isinstance(row, str)]
    if not readable:
        raise CourseError(unreadable[0] if unreadable else "There are no photographs: name a folder of some.")
    images, labels = zip(*readable, strict=True)
    return Arrays(torch.stack(images), torch.tensor(labels), photos.categories), unreadable


def copies(data: Photos | Arrays) -> torch.Tensor:
    """For each image the number of the first that is the same file, or the same in every pixel, int64 [N].

    A file that cannot be read counts as its own.
    """
    first = {}
    if isinstance(data, Arrays):
        contents = (image.contiguous().numpy().tobytes() for image in data.images)
    else:
        contents = (_content(path) or str(path).encode() for path, _ in data.samples)
    digests = (hashlib.sha256(content).digest() for content in contents)
    return torch.tensor([first.setdefault(digest, row) for row, digest in enumerate(digests)])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def split(data: Photos | Arrays, parts: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of `data` for training and those for validation, the second one of `parts` equal parts: int64 each.

    Every class keeps its share in both, and copies of an image stay together, so that none is trained on and then
    asked about. Raises CourseError for a class with fewer than `parts` different images.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # a second of import, which only this needs

    groups = copies(data)
    for label, category in enumerate(data.categories):
        different = len(groups[data.labels == label].unique())
        if different < parts:
            raise CourseError(
                f'The class "{category}" has {different} different images, and {parts} are needed: '
                "add some, or remove the class."
            )
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    training, validation = next(folds.split(groups, data.labels, groups))
    return torch.from_numpy(training), torch.from_numpy(validation)


# ---- torchvision's data sets, on request ----

# For each: the arguments that torchvision's class takes for (training, testing), and a server that must answer.
TORCHVISION = {
    "Imagenette": ({"split": "train", "size": "160px"}, {"split": "val", "size": "160px"}, "https://s3.amazonaws.com"),
    "Flowers102": ({"split": "train"}, {"split": "test"}, "https://www.robots.ox.ac.uk"),
    "OxfordIIITPet": ({"split": "trainval"}, {"split": "test"}, "https://www.robots.ox.ac.uk"),
    "CIFAR10": ({"train": True}, {"train": False}, "https://www.cs.toronto.edu"),
}


def from_torchvision(name: str, *, training: bool) -> Photos | Arrays:
    """The training or the testing part of one of TORCHVISION, taken from DOWNLOADS or downloaded into it.

    CIFAR10 comes as Arrays with images uint8 [N, 3, 32, 32], the others as Photos. Raises CourseError for an unknown
    name, a missing connection, and a folder that cannot be written.
    """
    if name not in TORCHVISION:
        raise CourseError(f'There is no data set "{name}": choose one of {", ".join(TORCHVISION)}.')
    *parts, server = TORCHVISION[name]
    arguments = parts[0 if training else 1]
    build = getattr(torchvision.datasets, name)
    try:
        data = build(DOWNLOADS, **arguments)
    except FileNotFoundError:  # left by a download or an extraction that was broken off
        raise CourseError(
            f'The files of {name} in "{DOWNLOADS}" are incomplete: delete them there, and start again.'
        ) from None
    except RuntimeError:  # what torchvision raises when the files are not there yet
        cure = f'use datasets.animal_shapes(), which needs no download, or put the files of {name} into "{DOWNLOADS}".'
        with files.downloading(server, DOWNLOADS, cure):
            data = build(DOWNLOADS, **arguments, download=True)
    categories = list(data.classes)
    if name == "CIFAR10":
        return Arrays(torch.from_numpy(data.data).permute(0, 3, 1, 2), torch.tensor(data.targets), categories)
    if name == "Imagenette":
        return Photos(data._samples, [names[0] for names in categories])
    paths = data._image_files if name == "Flowers102" else data._images
    return Photos(list(zip(paths, data._labels, strict=True)), categories)
