"""Embeddings, their cache, new heads, cut and frozen networks, and networks that are saved and loaded again."""

import dataclasses

import pytest
import torch
import torchvision
from torch import nn

from helpers import datasets, evaluation, pretrained, training, transfer
from helpers.datasets import Arrays
from helpers.errors import CourseError

CUTS = {
    "alexnet": "features",
    "googlenet": "inception4a",
    "resnet18": "layer3.0",
    "mobilenet_v2": "features.6",
    "mobilenet_v3_small": "features.6",
    "squeezenet1_1": "features.7",
    "efficientnet_lite0": "features.9",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder for embeddings, and nothing in memory."""
    monkeypatch.setattr(transfer, "cache_folder", lambda: tmp_path / "embeddings")
    monkeypatch.setattr(transfer, "_memory", {})
    return tmp_path / "embeddings"


@pytest.fixture(scope="module")
def small():
    """EfficientNet-Lite0 at 64 pixels: quick, and with real weights."""
    return pretrained.load("efficientnet_lite0").at(64)


@pytest.fixture(scope="module")
def animals():
    return datasets.animal_shapes()[1].part(slice(0, 1600, 40))


def counted(network):
    """The network, and a list that grows by one at each batch that passes its first layer."""
    calls = []
    first = next(module for module in network.module.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_hook(lambda *_: calls.append(1))
    return network, calls


def copied(network):
    module = transfer.with_head(network.module, 1000)
    module.load_state_dict(network.module.state_dict())
    return dataclasses.replace(network, module=module.eval())


# ---- embeddings ----


def test_an_embedding_is_what_the_head_reads(small, animals, cache):
    (values,) = transfer.embed(small, animals).values.values()
    logits = small.module.classifier[1](values)
    assert values.shape == (40, 1280)
    assert torch.allclose(logits, evaluation.predict(small, animals).logits, atol=1e-4)


def test_several_layers_come_from_one_pass_and_maps_are_averaged(small, animals, cache):
    network, calls = counted(copied(small))
    found = transfer.embed(network, animals, ["features.0", "features.9", "avgpool"])
    assert {layer: value.shape for layer, value in found.values.items()} == {
        "features.0": (40, 32),
        "features.9": (40, 80),
        "avgpool": (40, 1280),
    }
    assert len(calls) == 3  # batches of 16
    images = small.preprocess(animals.rgb())
    with torch.inference_mode():
        wanted = small.module.features[:10](images).mean(dim=(2, 3))
    assert torch.allclose(found.values["features.9"], wanted, atol=1e-4)
    assert torch.equal(found.labels, animals.labels)


def test_photographs_and_their_pixels_in_memory_give_the_same(small, cache):
    photos = datasets.labelled_photos()
    arrays, unreadable = datasets.in_memory(photos, 64)
    assert not unreadable
    (one,), (other,) = (transfer.embed(small, data).values.values() for data in (photos, arrays))
    assert torch.equal(transfer.embed(small, photos).indices, torch.arange(20))
    assert nn.functional.cosine_similarity(one, other).min() > 0.9


@pytest.mark.parametrize("forget", [False, True])
def test_a_second_time_nothing_is_computed(small, animals, cache, forget):
    network, calls = counted(copied(small))
    first = transfer.embed(network, animals)
    computed = len(calls)
    if forget:
        transfer._memory.clear()
    second = transfer.embed(network, animals)
    assert len(calls) == computed == 3
    assert torch.equal(first.values["classifier.0"], second.values["classifier.0"])
    assert torch.equal(first.labels, second.labels) and torch.equal(first.indices, second.indices)


def other_weights(network, data):
    network = copied(network)
    with torch.no_grad():
        network.module.features[0].weight[0, 0, 0, 0] += 1
    return network, data, ()


@pytest.mark.parametrize(
    "change",
    [
        other_weights,
        lambda network, data: (network.at(32), data, ()),
        lambda network, data: (network, data.part(slice(0, 39)), ()),
        lambda network, data: (network, data._replace(images=255 - data.images), ()),
        lambda network, data: (network, data._replace(labels=data.labels.flip(0)), ()),
        lambda network, data: (network, data, "features.3"),
    ],
    ids=["weights", "size", "rows", "pixels", "labels", "layer"],
)
def test_whatever_an_embedding_depends_on_is_in_its_key(small, animals, cache, change):
    network = copied(small)
    transfer.embed(network, animals)
    transfer.embed(*change(network, animals))
    assert len(list(cache.iterdir())) == 2


def test_a_photograph_that_changed_is_computed_again(small, cache, tmp_path, photo):
    for name in ("a.png", "b.png"):
        photo.save(tmp_path / name)
    photos = datasets.Photos([(tmp_path / "a.png", 0), (tmp_path / "b.png", 1)], ["a", "b"])
    before = transfer.embed(small, photos).values["classifier.0"]
    photo.rotate(90).save(tmp_path / "b.png")
    after = transfer.embed(small, photos).values["classifier.0"]
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])


def test_a_damaged_file_in_the_cache_is_computed_again(small, animals, cache):
    before = transfer.embed(small, animals).values["classifier.0"]
    [path] = cache.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    transfer._memory.clear()
    assert torch.equal(transfer.embed(small, animals).values["classifier.0"], before)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(small, animals, cache):
    cache.write_text("a file where the folder should be")
    assert transfer.embed(small, animals).values["classifier.0"].shape == (40, 1280)


def test_unreadable_photographs_are_named_left_out_and_looked_at_again(small, cache, tmp_path, photo):
    photo.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no photograph")
    photos = datasets.Photos([(tmp_path / "b.png", 1), (tmp_path / "a.png", 0)], ["a", "b"])
    found = transfer.embed(small, photos)
    assert found.values["classifier.0"].shape == (1, 1280)
    assert found.indices.tolist() == [1] and found.labels.tolist() == [0]
    assert len(found.unreadable) == 1 and "b.png" in found.unreadable[0]
    assert not cache.exists()


def test_a_layer_that_is_not_there_is_told_by_name(small, animals, cache):
    with pytest.raises(CourseError, match=r'no layer "features.99": choose one of features'):
        transfer.embed(small, animals, "features.99")


# ---- heads ----


@pytest.mark.parametrize("name", CUTS)
def test_every_network_gets_a_head_and_nothing_else_changes(name):
    module = pretrained.untrained(name).module
    new = transfer.with_head(module, 7)
    assert new.eval()(torch.randn(1, 3, 128, 128)).shape == (1, 7)
    old = module.state_dict()
    changed = {key for key, value in new.state_dict().items() if not torch.equal(value, old[key])}
    assert changed == {f"{transfer.head_name(module)}.{part}" for part in ("weight", "bias")}
    assert module(torch.randn(1, 3, 128, 128)).shape == (1, 1000)


def test_a_network_without_layers_is_refused():
    with pytest.raises(CourseError, match="neither a linear layer nor a convolution"):
        transfer.head_name(nn.Sequential(nn.ReLU()))


# ---- cutting and freezing ----


@pytest.mark.parametrize("name, cut", CUTS.items())
def test_two_parts_give_what_the_whole_gives(name, cut):
    module = pretrained.untrained(name).module
    lower, upper = transfer.split(module, cut)
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(upper(lower(x)), module(x))
    parameters = {id(parameter) for part in (lower, upper) for parameter in part.parameters()}
    assert parameters == {id(parameter) for parameter in module.parameters()}


def test_a_cut_that_other_paths_lead_around_is_refused():
    module = torchvision.models.resnet18(weights=None)
    with pytest.raises(CourseError, match=r'cannot be cut behind "layer3.0.conv1", inside a block'):
        transfer.split(module, "layer3.0.conv1")
    with pytest.raises(CourseError, match=r'no layer "layer9": choose one of its parts'):
        transfer.split(module, "layer9")


def test_layer_1_is_not_layer_10():
    module = nn.Sequential(*(nn.Linear(4, 4) for _ in range(12)))
    lower, upper = transfer.split(module, "1")
    assert len(list(lower.parameters())) == 4 and len(list(upper.parameters())) == 20


@pytest.mark.parametrize("name, cut", [("efficientnet_lite0", "features.14"), ("resnet18", "layer3")])
def test_frozen_layers_stay_byte_identical_and_the_others_learn(name, cut):
    torch.manual_seed(0)
    network = pretrained.untrained(name)
    module = transfer.with_head(network.module, 4)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    lower, upper = transfer.split(module, cut)
    frozen = transfer.freeze(module, cut)
    optimiser = torch.optim.SGD([one for one in frozen.parameters() if one.requires_grad], 0.1, weight_decay=0.1)
    data = torch.randn(16, 3, 64, 64), torch.arange(16) % 4
    training.train(frozen, optimiser, data, steps=2, every=2, batch_size=8)
    kept = {key for key, value in module.state_dict().items() if value.equal(before[key])}
    assert kept == set(lower.state_dict())
    assert {one.split(".")[-1] for one in kept} >= {"weight", "running_mean", "num_batches_tracked"}
    assert all(one.requires_grad for one in upper.parameters())


def test_a_head_learns_on_embeddings(animals):
    torch.manual_seed(0)
    vectors, head = torch.randn(40, 8), nn.Linear(8, 10)
    history = training.train(
        head, torch.optim.Adam(head.parameters(), 0.1), (vectors, animals.labels), steps=9, every=9
    )
    assert history.training[-1].error < 0.9


# ---- kept ----


def test_a_saved_network_gives_the_same_answers(small, animals, tmp_path, photo):
    torch.manual_seed(0)
    module = transfer.with_head(small.module, 10).eval()
    network = dataclasses.replace(small, module=module, categories=animals.categories)
    transfer.save(network, tmp_path / "animals.pt")
    loaded = transfer.load(tmp_path / "animals.pt")
    assert loaded.categories == animals.categories and loaded.pixels == 64 and not loaded.module.training
    assert torch.equal(loaded.preprocess(photo), network.preprocess(photo))
    assert torch.equal(evaluation.predict(loaded, animals).logits, evaluation.predict(network, animals).logits)
    assert [path.name for path in tmp_path.iterdir()] == ["animals.pt"]


def test_other_files_and_folders_are_told_in_one_sentence(small, tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(CourseError, match=r"was not written by transfer.save"):
        transfer.load(tmp_path / "other.pt")
    (tmp_path / "broken.pt").write_bytes(b"?")
    with pytest.raises(CourseError, match=r"broken.pt"):
        transfer.load(tmp_path / "broken.pt")
    (tmp_path / "file").touch()
    with pytest.raises(CourseError, match=r"cannot be written .*: choose another folder"):
        transfer.save(small, tmp_path / "file" / "model.pt")


# ---- data for training ----


def test_copies_are_found_in_files_and_in_pixels(tmp_path, photo):
    photo.save(tmp_path / "0.png")
    photo.rotate(9).save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "0.png").read_bytes())
    photos = datasets.Photos([(tmp_path / f"{row}.png", 0) for row in range(3)] + [(tmp_path / "none.png", 0)], ["a"])
    assert datasets.copies(photos).tolist() == [0, 1, 0, 3]
    images = torch.zeros(3, 4, 4, dtype=torch.uint8)
    images[1] = 1
    assert datasets.copies(Arrays(images, torch.zeros(3), ["a"])).tolist() == [0, 1, 0]


def test_a_split_keeps_classes_shares_and_copies_together():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (80, 3, 4, 4), dtype=torch.uint8)
    images[40:60] = images[:20]
    data = Arrays(images, (torch.arange(80) % 20 >= 10).long(), ["a", "b"])
    fit, held = datasets.split(data)
    assert sorted(fit.tolist() + held.tolist()) == list(range(80))
    assert 14 <= len(held) <= 26 and 0.3 < data.labels[held].float().mean() < 0.7
    groups = datasets.copies(data)
    assert not set(groups[fit].tolist()) & set(groups[held].tolist())
    assert torch.equal(datasets.split(data)[1], held) and not torch.equal(datasets.split(data, seed=1)[1], held)


def test_a_class_with_too_few_different_images_is_named():
    data = Arrays(torch.zeros(8, 4, 4, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64), ["cat"])
    with pytest.raises(CourseError, match=r'The class "cat" has 1 different images, and 4 are needed'):
        datasets.split(data)


def test_photographs_are_read_into_memory_square_and_without_the_unreadable_ones(tmp_path, photo):
    photo.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no photograph")
    photos = datasets.Photos([(tmp_path / "b.png", 1), (tmp_path / "a.png", 0)], ["a", "b"])
    arrays, unreadable = datasets.in_memory(photos, 50)
    assert arrays.images.shape == (1, 3, 50, 50) and arrays.labels.tolist() == [0] and arrays.categories == ["a", "b"]
    assert len(unreadable) == 1 and "b.png" in unreadable[0]
    with pytest.raises(CourseError, match=r"b.png"):
        datasets.in_memory(photos.part([0]), 50)
