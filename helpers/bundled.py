"""The data that the packages bring along, which need no connection; and torchvision's data sets, on request."""

import gzip

import numpy as np
import torch
import torchvision

from helpers import ROOT, datasets, files
from helpers.datasets import Arrays, LabelledImages, Photos
from helpers.errors import CourseError

DOWNLOADS = ROOT / "data"

ANIMALS = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
ANIMAL_FILES = {
    "animal_data_version_3.gz": "68a30346781a0984f839463a4615d2decb899d1ce65091bb92586311754a34ce",
    "animal_label_version_3.gz": "dec8dba7c469830989fbab46825021a08a38470753a512f27ada847eced97b57",
}


def labelled_photos() -> Photos:
    """The 20 photographs with ImageNet labels in the package foolbox, in their numbers' order."""
    paths = sorted((files.package_folder("foolbox") / "data").glob("imagenet_*.jpg"))
    return Photos([(path, int(path.stem.split("_")[-1])) for path in paths], datasets.imagenet_categories())


def free_photos() -> Photos:
    """Nine photographs of scikit-image and matplotlib, free to use, labelled where an ImageNet category fits."""
    skimage = files.package_folder("skimage") / "data"
    sample_data = files.package_folder("matplotlib") / "mpl-data/sample_data"
    labels = {skimage / "chelsea.png": "tabby", skimage / "coffee.png": "espresso", skimage / "camera.png": "tripod"}
    labels[sample_data / "grace_hopper.jpg"] = "military uniform"
    for name in ("motorcycle_left.png", "astronaut.png", "rocket.jpg", "coins.png", "retina.jpg"):
        labels[skimage / name] = None
    names = datasets.imagenet_categories()
    return Photos([(path, names.index(name) if name else datasets.NO_CATEGORY) for path, name in labels.items()], names)


def animal_shapes() -> tuple[Arrays, Arrays]:
    """Silhouettes of ten animals, 28 x 28, for training and for testing (package animal-shape-mnist, MIT licence).

    Of the 10,000 images 284 are exact copies of another and are dropped, so that no test image was trained on;
    of the rest, every fifth of each animal is for testing.
    """
    folder = files.package_folder("animal_shape_mnist") / "data/Animal Shape"
    images, labels = (
        files.unpickle_arrays(gzip.decompress(files.read_checked(folder / file, digest)), folder / file)
        for file, digest in ANIMAL_FILES.items()
    )
    _, first = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    first.sort()
    images, labels = torch.from_numpy(images[first]), torch.from_numpy(labels[first])
    shapes, test = Arrays(images, labels, ANIMALS), torch.zeros(len(images), dtype=torch.bool)
    for label in range(len(ANIMALS)):
        test[(labels == label).nonzero()[4::5]] = True
    return shapes.subset(~test), shapes.subset(test)


# ---- torchvision's data sets, on request ----

# A server that must answer, and the arguments of torchvision's class for training and for testing.
TORCHVISION = {
    "Imagenette": ("https://s3.amazonaws.com", {"split": "train", "size": "160px"}, {"split": "val", "size": "160px"}),
    "Flowers102": ("https://www.robots.ox.ac.uk", {"split": "train"}, {"split": "test"}),
    "OxfordIIITPet": ("https://www.robots.ox.ac.uk", {"split": "trainval"}, {"split": "test"}),
    "CIFAR10": ("https://www.cs.toronto.edu", {"train": True}, {"train": False}),
}


def from_torchvision(name: str, *, train: bool) -> LabelledImages:
    """The training or the test set of one of TORCHVISION, taken from DOWNLOADS or downloaded into it.

    CIFAR10 comes as Arrays with images uint8 [N, 3, 32, 32], the others as Photos. Raises CourseError for an unknown
    name, a missing connection, and a folder that cannot be written.
    """
    if name not in TORCHVISION:
        raise CourseError(f'There is no data set "{name}": choose one of {", ".join(TORCHVISION)}.')
    server, *parts = TORCHVISION[name]
    options = dict(parts[0 if train else 1])
    if name in ("Imagenette", "Flowers102"):
        options["loader"] = str  # hands over the path, so that read_photo can decode it
    build = getattr(torchvision.datasets, name)
    try:
        data = build(DOWNLOADS, **options)
    except FileNotFoundError:  # left by a download or an extraction that was broken off
        raise CourseError(
            f'The files of {name} in "{DOWNLOADS}" are incomplete: delete them there, and start again.'
        ) from None
    except RuntimeError:  # what torchvision raises when the files are not there yet
        cure = f'use bundled.animal_shapes(), which needs no download, or put the files of {name} into "{DOWNLOADS}".'
        with files.downloading(server, DOWNLOADS, cure):
            data = build(DOWNLOADS, **options, download=True)
    if name == "CIFAR10":
        return Arrays(torch.from_numpy(data.data).permute(0, 3, 1, 2), torch.tensor(data.targets), data.classes)
    if name == "OxfordIIITPet":  # its class has no loader; its list of files is published, of lines "Abyssinian_1 1 …"
        folder = DOWNLOADS / "oxford-iiit-pet"
        lines = (folder / f"annotations/{options['split']}.txt").read_text().splitlines()
        rows = [line.split() for line in lines]
        return Photos([(folder / f"images/{stem}.jpg", int(number) - 1) for stem, number, *_ in rows], data.classes)
    categories = [names[0] for names in data.classes] if name == "Imagenette" else data.classes
    return Photos(list(data), categories)
