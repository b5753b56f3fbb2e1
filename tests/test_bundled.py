"""What the packages bring along, and torchvision's data sets from fakes of their files."""

import pickle

import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from PIL import Image

from helpers import bundled, datasets


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """The folder of torchvision's data sets, empty."""
    monkeypatch.setattr(bundled, "DOWNLOADS", tmp_path / "tree")
    return tmp_path / "tree"


def names(photos: datasets.Photos) -> list[str]:
    return [path.name for path, _ in photos.samples]


# ---- embedded ----


def test_the_20_labelled_photographs_come_in_order_with_the_labels_of_their_names():
    photos = bundled.labelled_photos()
    assert [name.split("_")[1] for name in names(photos)] == [f"{number:02}" for number in range(20)]
    for index, name in enumerate(names(photos)):
        photo, label = photos[index]
        assert name.endswith(f"_{label}.jpg")
        assert photo.mode == "RGB"
    assert photos.categories[photos[3][1]] == "buckeye"


def test_the_free_photographs_decode_and_carry_the_category_that_fits():
    photos = bundled.free_photos()
    assert {photo.mode for photo, _ in photos} == {"RGB"}
    labelled = {path.name: photos.categories[label] for path, label in photos.samples if label >= 0}
    assert labelled == {
        "chelsea.png": "tabby",
        "coffee.png": "espresso",
        "camera.png": "tripod",
        "grace_hopper.jpg": "military uniform",
    }
    assert [label for _, label in photos].count(datasets.NO_CATEGORY) == len(photos) - len(labelled) == 5


@pytest.fixture(scope="module")
def animals() -> tuple[datasets.Arrays, datasets.Arrays]:
    return bundled.animal_shapes()


def test_the_silhouettes_are_small_images_of_ten_animals(animals):
    for part, count in zip(animals, (7775, 1941), strict=True):
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        assert part.images.shape == (count, 28, 28)
        assert part.labels.shape == (count,)
        assert len(set(part.categories)) == 10
        assert sorted(set(part.labels.tolist())) == list(range(10))


def test_no_silhouette_occurs_twice_in_training_and_testing_together(animals):
    together = torch.cat([part.images for part in animals]).flatten(1)
    assert len(together.unique(dim=0)) == len(together) == 10_000 - 284


def test_a_fifth_of_each_animal_is_for_testing(animals):
    train, test = (part.labels.bincount() for part in animals)
    assert ((train + test) // 5).equal(test)


def test_the_silhouettes_are_the_same_each_time(animals):
    for part, again in zip(animals, bundled.animal_shapes(), strict=True):
        assert part.images.equal(again.images)
        assert part.labels.equal(again.labels)


# ---- torchvision's data sets, from fakes of their files ----


@pytest.mark.parametrize(("train", "split"), [(True, "train"), (False, "val")])
def test_imagenette_comes_in_its_two_splits(downloads, tree, train, split):
    paths = [f"n03888257/{split}_b.JPEG", f"n01440764/{split}_a.JPEG"]
    tree(*(f"imagenette2-160/{split}/{path}" for path in paths))
    photos = bundled.from_torchvision("Imagenette", train=train)
    assert names(photos) == [f"{split}_a.JPEG", f"{split}_b.JPEG"]
    assert [photos.categories[label] for _, label in photos] == ["tench", "parachute"]


@pytest.mark.parametrize(("train", "split"), [(True, "trainval"), (False, "test")])
def test_pets_come_in_their_two_splits(downloads, tree, train, split):
    tree("oxford-iiit-pet/images/great_pyrenees_1.jpg", "oxford-iiit-pet/images/Abyssinian_2.jpg")
    annotations = downloads / "oxford-iiit-pet" / "annotations"
    annotations.mkdir()
    (annotations / f"{split}.txt").write_text("great_pyrenees_1 2 2 1\nAbyssinian_2 1 1 1\n")
    photos = bundled.from_torchvision("OxfordIIITPet", train=train)
    assert [photos.categories[label] for _, label in photos] == ["Great Pyrenees", "Abyssinian"]
    assert names(photos) == ["great_pyrenees_1.jpg", "Abyssinian_2.jpg"]


@pytest.mark.parametrize(("train", "numbers"), [(True, [3, 1]), (False, [2, 4])])
def test_flowers_come_in_their_two_splits(downloads, tree, monkeypatch, train, numbers):
    tree(*(f"flowers-102/jpg/image_{number:05}.jpg" for number in range(1, 5)))
    folder = downloads / "flowers-102"
    scipy.io.savemat(folder / "setid.mat", {"trnid": [3, 1], "valid": [1, 2], "tstid": [2, 4]})
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": [1, 102, 2, 1]})
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_check_integrity", lambda self: True)
    photos = bundled.from_torchvision("Flowers102", train=train)
    assert names(photos) == [f"image_{number:05}.jpg" for number in numbers]
    assert [label for _, label in photos] == [{1: 0, 2: 101, 3: 1, 4: 0}[number] for number in numbers]
    assert photos.categories[0] == "pink primrose"


@pytest.mark.parametrize(("train", "batches"), [(True, 5), (False, 1)])
def test_cifar10_comes_as_arrays_channels_first(downloads, monkeypatch, train, batches):
    folder = downloads / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(256, size=(2, 3, 32, 32), dtype=np.uint8)
    for file in ["test_batch", *(f"data_batch_{number}" for number in range(1, 6))]:
        (folder / file).write_bytes(pickle.dumps({"data": images.reshape(2, -1), "labels": [7, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {number}" for number in range(10)]}))
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    data = bundled.from_torchvision("CIFAR10", train=train)
    assert data.images.numpy().tolist() == np.concatenate([images] * batches).tolist()
    assert data.labels.tolist() == [7, 0] * batches
    assert data.categories[7] == "class 7"


def test_photographs_of_torchvision_are_turned_as_their_exif_data_says(downloads, tree):
    path = "imagenette2-160/train/n01440764/a.JPEG"
    tree(path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(downloads / path, exif=exif)
    assert bundled.from_torchvision("Imagenette", train=True)[0][0].size == (40, 60)
