import pickle

import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from PIL import Image

from helpers import datasets


@pytest.fixture
def tree(tmp_path, photo):
    """Make a tree of folders with the same small photograph under each of the given paths."""
    content = tmp_path / "photo.jpg"
    photo.resize((60, 40)).save(content)

    def plant(*paths: str):
        for path in paths:
            target = tmp_path / "tree" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read_bytes())
        return tmp_path / "tree"

    return plant


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """The folder of torchvision's data sets, empty."""
    monkeypatch.setattr(datasets, "DOWNLOADS", tmp_path / "tree")
    return tmp_path / "tree"


def names(photos: datasets.Photos) -> list[str]:
    return [path.name for path, _ in photos.samples]


# ---- ImageNet's categories ----


def test_there_are_1000_wnids_in_alphabetical_order():
    wnids = datasets.imagenet_wnids()
    assert len(wnids) == len(set(wnids)) == len(datasets.imagenet_categories()) == 1000
    assert list(wnids) == sorted(wnids)


@pytest.mark.parametrize(
    ("number", "wnid", "name"),
    [
        (0, "n01440764", "tench"),
        (134, "n02012849", "crane bird"),
        (281, "n02123045", "tabby"),
        (517, "n03126707", "crane"),
        (638, "n03710637", "maillot"),
        (639, "n03710721", "maillot tank suit"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_number_wnid_and_name_belong_together(number, wnid, name):
    assert datasets.imagenet_wnids()[number] == wnid
    assert datasets.imagenet_categories()[number] == name


def test_wnids_and_names_agree_with_those_of_imagenette():
    categories = datasets.imagenet_categories()
    for wnid, (name, *_) in torchvision.datasets.Imagenette._WNID_TO_CLASS.items():
        assert categories[datasets.imagenet_wnids().index(wnid)] == name


# ---- embedded ----


def test_the_20_labelled_photographs_come_in_order_with_the_labels_of_their_names():
    photos = datasets.labelled_photos()
    assert [name.split("_")[1] for name in names(photos)] == [f"{number:02}" for number in range(20)]
    for index, name in enumerate(names(photos)):
        photo, label = photos[index]
        assert name.endswith(f"_{label}.jpg")
        assert photo.mode == "RGB"
    assert photos.categories[photos[3][1]] == "buckeye"


def test_the_free_photographs_decode_and_carry_the_category_that_fits():
    photos = datasets.free_photos()
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
    return datasets.animal_shapes()


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
    training, testing = (part.labels.bincount() for part in animals)
    assert ((training + testing) // 5).equal(testing)


def test_the_silhouettes_are_the_same_each_time(animals):
    for part, again in zip(animals, datasets.animal_shapes(), strict=True):
        assert part.images.equal(again.images)
        assert part.labels.equal(again.labels)


# ---- folders ----


def test_class_folders_are_those_of_torchvisions_imagefolder(tree):
    folder = tree("cat/b.jpg", "cat/a.JPG", "Zebra/1.png", "Zebra/10.jpeg", "Zebra/2.webp", "dog/x.bmp")
    (folder / "dog" / "notes.txt").touch()
    photos, expected = datasets.class_folders(folder), torchvision.datasets.ImageFolder(folder)
    assert photos.categories == expected.classes == ["Zebra", "cat", "dog"]
    assert [(str(path), label) for path, label in photos.samples] == expected.samples


def test_photographs_below_a_class_folder_belong_to_the_class(tree):
    folder = tree("cat/indoors/a.jpg", "cat/b.jpg", "dog/c.jpg")
    photos, expected = datasets.class_folders(folder), torchvision.datasets.ImageFolder(folder)
    assert sorted((str(path), label) for path, label in photos.samples) == sorted(expected.samples)


def test_wnid_folders_are_labelled_with_imagenets_numbers(tree):
    photos = datasets.imagenet_folder(tree("n02123045/a.JPEG", "n01440764/b.JPEG", "n15075141/c.JPEG"))
    assert [label for _, label in photos] == [0, 281, 999]
    assert photos.categories == datasets.imagenet_categories()


def test_imagenet_dir_names_the_folder_unless_one_is_given(tree, monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGENET_DIR", str(tree("n02123045/a.JPEG")))
    assert names(datasets.imagenet_folder()) == ["a.JPEG"]
    monkeypatch.setenv("IMAGENET_DIR", str(tmp_path / "elsewhere"))
    assert names(datasets.imagenet_folder(tmp_path / "tree")) == ["a.JPEG"]


def test_photos_in_finds_all_below_a_folder_by_name_without_labels(tree):
    photos = datasets.photos_in(tree("c.jpg", "a/b.png", "a/a.gif"))
    assert names(photos) == ["a.gif", "b.png", "c.jpg"]
    assert {label for _, label in photos} == {datasets.NO_CATEGORY}


# ---- torchvision's data sets, from fakes of their files ----


@pytest.mark.parametrize(("training", "split"), [(True, "train"), (False, "val")])
def test_imagenette_comes_in_its_two_splits(downloads, tree, training, split):
    paths = [f"n03888257/{split}_b.JPEG", f"n01440764/{split}_a.JPEG"]
    tree(*(f"imagenette2-160/{split}/{path}" for path in paths))
    photos = datasets.from_torchvision("Imagenette", training=training)
    assert names(photos) == [f"{split}_a.JPEG", f"{split}_b.JPEG"]
    assert [photos.categories[label] for _, label in photos] == ["tench", "parachute"]


@pytest.mark.parametrize(("training", "split"), [(True, "trainval"), (False, "test")])
def test_pets_come_in_their_two_splits(downloads, tree, training, split):
    tree("oxford-iiit-pet/images/great_pyrenees_1.jpg", "oxford-iiit-pet/images/Abyssinian_2.jpg")
    annotations = downloads / "oxford-iiit-pet" / "annotations"
    annotations.mkdir()
    (annotations / f"{split}.txt").write_text("great_pyrenees_1 2 2 1\nAbyssinian_2 1 1 1\n")
    photos = datasets.from_torchvision("OxfordIIITPet", training=training)
    assert [photos.categories[label] for _, label in photos] == ["Great Pyrenees", "Abyssinian"]
    assert names(photos) == ["great_pyrenees_1.jpg", "Abyssinian_2.jpg"]


@pytest.mark.parametrize(("training", "numbers"), [(True, [3, 1]), (False, [2, 4])])
def test_flowers_come_in_their_two_splits(downloads, tree, monkeypatch, training, numbers):
    tree(*(f"flowers-102/jpg/image_{number:05}.jpg" for number in range(1, 5)))
    folder = downloads / "flowers-102"
    scipy.io.savemat(folder / "setid.mat", {"trnid": [3, 1], "valid": [1, 2], "tstid": [2, 4]})
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": [1, 102, 2, 1]})
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_check_integrity", lambda self: True)
    photos = datasets.from_torchvision("Flowers102", training=training)
    assert names(photos) == [f"image_{number:05}.jpg" for number in numbers]
    assert [label for _, label in photos] == [{1: 0, 2: 101, 3: 1, 4: 0}[number] for number in numbers]
    assert photos.categories[0] == "pink primrose"


@pytest.mark.parametrize(("training", "batches"), [(True, 5), (False, 1)])
def test_cifar10_comes_as_arrays_channels_first(downloads, monkeypatch, training, batches):
    folder = downloads / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(256, size=(2, 3, 32, 32), dtype=np.uint8)
    for file in ["test_batch", *(f"data_batch_{number}" for number in range(1, 6))]:
        (folder / file).write_bytes(pickle.dumps({"data": images.reshape(2, -1), "labels": [7, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {number}" for number in range(10)]}))
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    data = datasets.from_torchvision("CIFAR10", training=training)
    assert data.images.numpy().tolist() == np.concatenate([images] * batches).tolist()
    assert data.labels.tolist() == [7, 0] * batches
    assert data.categories[7] == "class 7"


def test_photographs_of_torchvision_are_turned_as_their_exif_data_says(downloads, tree):
    path = "imagenette2-160/train/n01440764/a.JPEG"
    tree(path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(downloads / path, exif=exif)
    assert datasets.from_torchvision("Imagenette", training=True)[0][0].size == (40, 60)
