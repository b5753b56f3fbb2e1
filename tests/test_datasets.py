"""The one protocol of data sets, for photographs and for arrays: rows, loaders, folders, splits, batches."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.data import DataLoader

from helpers import bundled, datasets, pretrained
from helpers.datasets import Arrays, Photos
from helpers.errors import CourseError


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


# ---- folders ----


def test_class_folders_are_those_of_torchvisions_imagefolder(tree):
    folder = tree("cat/b.jpg", "cat/a.JPG", "Zebra/1.png", "Zebra/10.jpeg", "Zebra/2.webp", "dog/x.bmp")
    (folder / "dog" / "notes.txt").touch()
    photos, expected = datasets.image_folder(folder), torchvision.datasets.ImageFolder(folder)
    assert photos.categories == expected.classes == ["Zebra", "cat", "dog"]
    assert [(str(path), label) for path, label in photos.samples] == expected.samples


def test_photographs_below_a_class_folder_belong_to_the_class(tree):
    folder = tree("cat/indoors/a.jpg", "cat/b.jpg", "dog/c.jpg")
    photos, expected = datasets.image_folder(folder), torchvision.datasets.ImageFolder(folder)
    assert sorted((str(path), label) for path, label in photos.samples) == sorted(expected.samples)


def test_a_folder_with_train_and_val_gives_the_photographs_of_both_and_says_which(tree):
    folder = tree("train/b/1.jpg", "train/a/2.jpg", "val/a/3.jpg", "val/b/4.jpg", "test/a/5.jpg", "test/b/6.jpg")
    photos = datasets.image_folder(folder)
    assert photos.categories == ["a", "b"] and names(photos) == ["2.jpg", "1.jpg", "3.jpg", "4.jpg"]
    assert photos.labels.tolist() == [0, 1, 0, 1] and photos.in_val.tolist() == [False, False, True, True]
    assert photos.subset([3, 0]).in_val.tolist() == [True, False]
    assert datasets.image_folder(folder / "train").in_val is None


@pytest.mark.parametrize(("alone", "where"), [("train", "train/, not in val/"), ("val", "val/, not in train/")])
def test_a_class_that_only_train_or_val_has_is_named(tree, alone, where):
    folder = tree("train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "val/b/4.jpg", f"{alone}/c/5.jpg")
    with pytest.raises(CourseError, match=f'has the class "c" in {where}: each class needs photographs in both'):
        datasets.image_folder(folder)


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
    photos = datasets.unlabelled_folder(tree("c.jpg", "a/b.png", "a/a.gif"))
    assert names(photos) == ["a.gif", "b.png", "c.jpg"]
    assert {label for _, label in photos} == {datasets.NO_CATEGORY}


# ---- the protocol ----


@pytest.fixture(params=["photographs", "arrays"])
def data(request, tree):
    """Eight images of two classes, in either container."""
    if request.param == "photographs":
        return datasets.image_folder(tree(*(f"{name}/{number}.jpg" for name in "ab" for number in range(4))))
    images = torch.randint(0, 256, (8, 40, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Arrays(images, torch.arange(8) // 4, ["a", "b"])


def test_a_data_set_has_a_length_labels_and_pairs(data):
    assert len(data) == 8 and data.labels.tolist() == [0] * 4 + [1] * 4 and data.categories == ["a", "b"]
    assert [label for _, label in data] == data.labels.tolist()
    with pytest.raises(IndexError):
        data[8]


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        ([1, 5], [1, 5]),
        (torch.tensor([5, 1]), [5, 1]),
        (range(2, 4), [2, 3]),
        (slice(None, None, 3), [0, 3, 6]),
        (torch.arange(8) == 6, [6]),
        ([True] + [False] * 7, [0]),
        (np.arange(8) > 5, [6, 7]),
        ([-1], [7]),
        ([], []),
    ],
    ids=["list", "tensor", "range", "slice", "mask", "list of bools", "array of bools", "from the end", "none"],
)
def test_subset_takes_indices_slices_and_masks_alike(data, rows, numbers):
    part = data.subset(rows)
    assert len(part) == len(numbers)
    assert [part.content(row) for row in range(len(part))] == [data.content(number) for number in numbers]
    assert part.labels.tolist() == data.labels[numbers].tolist() and part.labels.dtype == torch.int64
    assert len(data) == 8


@pytest.mark.parametrize(
    "rows",
    [[True, False, True], {1, 2}, [0.5], torch.tensor([1.0]), [8], [-9], 3, ["a"], torch.zeros(2, 2).long()],
    ids=str,
)
def test_rows_that_do_not_fit_are_refused(data, rows):
    with pytest.raises(CourseError, match=r"The rows .* do not fit 8 images: give a list of whole numbers below 8"):
        data.subset(rows)


@pytest.mark.parametrize("index", [slice(2), [0, 1], "a", 0.5], ids=str)
def test_what_is_no_number_of_an_image_is_told_to_take_a_subset(data, index):
    with pytest.raises(CourseError, match=r"An image has one number, .*: for several, take data.subset\(rows\)"):
        data[index]
    assert data[torch.tensor(5)][1] == data[np.int64(5)][1] == 1


def test_labels_are_int64_also_where_there_are_none():
    assert Photos([], []).labels.dtype == Arrays(torch.empty(0, 2, 2), torch.empty(0), []).labels.dtype == torch.int64


def test_arrays_whose_labels_do_not_fit_are_refused():
    with pytest.raises(CourseError, match=r"shapes \[3, 4, 4\] and \[2\]"):
        Arrays(torch.zeros(3, 4, 4), torch.zeros(2), ["a"])


def test_a_transform_is_applied_when_an_image_is_asked_for_and_the_original_keeps_none(data):
    changed = data.with_transform(lambda image: "changed").subset([3])
    assert changed[0] == ("changed", 0) and data[3][0] != "changed"


def test_grey_arrays_have_three_channels():
    data = Arrays(torch.arange(8, dtype=torch.uint8).view(2, 2, 2), torch.zeros(2), ["a"])
    assert data[1][0].tolist() == [[[4, 5], [6, 7]]] * 3
    assert data.rgb().shape == (2, 3, 2, 2) and torch.equal(data.rgb()[1], data[1][0])


def test_a_plain_loop_over_a_dataloader_learns_on_either_container(data):
    """What a learner writes in their own project, without another helper."""
    torch.manual_seed(0)
    preprocess = pretrained.untrained("squeezenet1_1").at(8).preprocess
    loader = DataLoader(data.with_transform(preprocess), batch_size=4, shuffle=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
    losses = []
    for _ in range(10):
        for images, labels in loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert images.shape == (4, 3, 8, 8) and labels.dtype == torch.int64
    assert sum(losses[-4:]) < sum(losses[:4])


# ---- in parts ----


def test_duplicates_are_found_in_files_and_in_pixels(tmp_path, photo):
    photo.save(tmp_path / "0.png")
    photo.rotate(9).save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "0.png").read_bytes())
    photos = datasets.Photos([(tmp_path / f"{row}.png", 0) for row in range(3)] + [(tmp_path / "none.png", 0)], ["a"])
    assert datasets.duplicates(photos).tolist() == [0, 1, 0, 3]
    images = torch.zeros(3, 4, 4, dtype=torch.uint8)
    images[1] = 1
    assert datasets.duplicates(Arrays(images, torch.zeros(3), ["a"])).tolist() == [0, 1, 0]


def test_folds_keep_classes_shares_and_copies_together():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (80, 3, 4, 4), dtype=torch.uint8)
    images[40:60] = images[:20]
    data = Arrays(images, (torch.arange(80) % 20 >= 10).long(), ["a", "b"])
    folds = datasets.folds(data)
    assert sorted(folds.unique().tolist()) == [0, 1, 2, 3]
    for part in range(4):
        assert 14 <= (folds == part).sum() <= 26 and 0.3 < data.labels[folds == part].float().mean() < 0.7
    assert torch.equal(folds[40:60], folds[:20])  # the copies
    assert torch.equal(datasets.folds(data), folds) and not torch.equal(datasets.folds(data, seed=1), folds)
    assert datasets.folds(data, groups=torch.arange(80) % 8)[::8].unique().numel() == 1


def test_a_class_with_too_few_different_images_is_named():
    data = Arrays(torch.zeros(8, 4, 4, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64), ["cat"])
    with pytest.raises(CourseError, match=r'The class "cat" has 1 different images, and 4 are needed'):
        datasets.folds(data)


def test_a_sample_has_as_many_of_each_class_and_depends_on_the_seed(data):
    sample = datasets.sample_per_class(data, 3)
    assert sample.labels.tolist() == [0] * 3 + [1] * 3
    samples = [[part.content(row) for row in range(6)] for part in (sample, datasets.sample_per_class(data, 3))]
    assert samples[0] == samples[1]
    shapes = bundled.animal_shapes()[1]
    one, other = (datasets.sample_per_class(shapes, 3, seed).images for seed in (0, 1))
    assert not torch.equal(one, other)
    with pytest.raises(CourseError, match='The class "a" has 4 images: draw no more than these of each'):
        datasets.sample_per_class(data, 5)


# ---- read in batches ----


def test_images_are_loaded_as_predict_sees_them_and_unreadable_ones_left_out(tmp_path, photo):
    """A network that resizes to 256 and crops 224 gets just that: not a square of 224 that is resized again."""
    photo.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no photograph")
    photos = Photos([(tmp_path / "b.png", 1), (tmp_path / "a.png", 0)], ["a", "b"])
    network = pretrained.untrained("resnet18")
    loaded = datasets.load_images(photos, network.preprocess)
    assert torch.equal(loaded.images, network.preprocess(photo)[None])
    assert loaded.labels.tolist() == [0] and loaded.indices.tolist() == [1]
    assert len(loaded.unreadable) == 1 and "b.png" in loaded.unreadable[0]
    with pytest.raises(CourseError, match=r"b\.png"):
        datasets.load_images(photos.subset([0]), network.preprocess)


def test_batches_keep_the_order_and_an_incomplete_last_one(data):
    preprocess = pretrained.untrained("squeezenet1_1").at(8).preprocess
    parts = list(datasets.batches(data, preprocess, 3))
    assert [len(part.images) for part in parts] == [3, 3, 2]
    assert torch.cat([part.indices for part in parts]).tolist() == list(range(8))
    assert torch.equal(parts[2].images[1], preprocess(data[7][0]))
