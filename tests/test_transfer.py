"""Embeddings, models that are cut or frozen, and the one fine-tuning."""

import dataclasses

import pytest
import torch
import torchvision
from torch import nn

from helpers import bundled, datasets, evaluation, pretrained, training, transfer
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


@pytest.fixture(scope="module")
def small():
    """EfficientNet-Lite0 at 64 pixels: quick, and with real weights."""
    return pretrained.load("efficientnet_lite0").at(64)


@pytest.fixture(scope="module")
def animals():
    return bundled.animal_shapes()[1].subset(slice(0, 1600, 40))


@pytest.fixture(scope="module")
def loaded(small, animals):
    """The animals as the network takes them, and their labels."""
    batch = datasets.load_images(animals, small.preprocess)
    return batch.images, batch.labels


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(model, before):
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor.cpu(), before[name].cpu())}


# ---- embeddings ----


def test_an_embedding_is_what_the_head_reads(small, animals):
    (vectors,) = transfer.embed(small, animals).layers.values()
    assert vectors.shape == (40, 1280)
    logits = small.model.classifier[1](vectors)
    assert torch.allclose(logits, evaluation.predict(small, animals).logits, atol=1e-4)


def test_several_layers_come_from_one_pass_and_maps_are_averaged(small, animals, loaded):
    found = transfer.embed(small, animals, ["features.0", "features.9", "avgpool"])
    assert [vectors.shape for vectors in found.layers.values()] == [(40, 32), (40, 80), (40, 1280)]
    with torch.inference_mode():
        wanted = small.model.features[:10](loaded[0]).mean(dim=(2, 3))
    assert torch.allclose(found.layers["features.9"], wanted, atol=1e-4)
    assert torch.equal(found.labels, animals.labels) and torch.equal(found.indices, torch.arange(40))


def test_layers_in_front_of_and_after_batch_norm_answer_as_without_folding(small, animals, monkeypatch):
    """What is asked for before batch norm is not folded away; all else is."""
    layers = ["features.0", "features.1", "features.3.layers.0", "features.9", "features.18.layers.7", "avgpool"]
    animals, fold_, left = animals.subset(slice(0, 8)), evaluation.fold_, []

    def watched(model):
        fold_(model)
        left.append(sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()))
        return model

    monkeypatch.setattr(evaluation, "fold_", watched)
    folded = transfer.embed(small, animals, layers).layers
    assert left[0] == 2  # after features.0 and after features.3.layers.0
    monkeypatch.setattr(evaluation, "fold_", lambda model: model)
    for layer, wanted in transfer.embed(small, animals, layers).layers.items():
        assert (folded[layer] - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_nothing_is_kept_on_disk(small, animals, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    transfer.embed(small, animals)
    assert not list(tmp_path.iterdir())


def test_unreadable_photographs_are_named_and_left_out(small, tmp_path, photo):
    photo.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no photograph")
    photos = datasets.Photos([(tmp_path / "b.png", 1), (tmp_path / "a.png", 0)], ["a", "b"])
    found = transfer.embed(small, photos)
    assert found.layers["classifier.0"].shape == (1, 1280)
    assert found.indices.tolist() == [1] and found.labels.tolist() == [0]
    assert len(found.unreadable) == 1 and "b.png" in found.unreadable[0]


def test_a_layer_that_is_not_there_is_told_by_name(small, animals):
    with pytest.raises(CourseError, match=r'no layer "features.99": choose one of features'):
        transfer.embed(small, animals, "features.99")


# ---- cutting and freezing ----


@pytest.mark.parametrize("name, cut", CUTS.items())
def test_two_parts_give_what_the_whole_gives(name, cut):
    model = pretrained.untrained(name).model
    lower, upper = transfer.split_model(model, cut)
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(upper(lower(x)), model(x))
    parameters = {id(parameter) for part in (lower, upper) for parameter in part.parameters()}
    assert parameters == {id(parameter) for parameter in model.parameters()}


def test_a_cut_that_other_paths_lead_around_is_refused():
    model = torchvision.models.resnet18(weights=None)
    with pytest.raises(CourseError, match=r'cannot be cut after "layer3.0.conv1", inside a block'):
        transfer.split_model(model, "layer3.0.conv1")
    with pytest.raises(CourseError, match=r'no layer "layer9": choose one of its parts'):
        transfer.split_model(model, "layer9")


def test_layer_1_is_not_layer_10():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(12)))
    lower, upper = transfer.split_model(model, "1")
    assert len(list(lower.parameters())) == 4 and len(list(upper.parameters())) == 20


@pytest.mark.parametrize("name, cut", [("efficientnet_lite0", "features.14"), ("resnet18", "layer3")])
def test_frozen_layers_stay_byte_identical_and_the_others_learn(name, cut):
    torch.manual_seed(0)
    model = pretrained.with_head(pretrained.untrained(name).model, 4)
    before = state(model)
    lower, upper = transfer.split_model(model, cut)
    frozen = transfer.freeze_(model, cut)
    optimizer = torch.optim.SGD([one for one in frozen.parameters() if one.requires_grad], 0.1, weight_decay=0.1)
    data = torch.randn(16, 3, 64, 64), torch.arange(16) % 4
    training.train(frozen, optimizer, data, steps=2, measure_every=2, batch_size=8, seed=0)
    kept = set(before) - changed(model, before)
    assert kept == set(lower.state_dict())
    assert {one.split(".")[-1] for one in kept} >= {"weight", "running_mean", "num_batches_tracked"}
    assert all(one.requires_grad for one in upper.parameters())


# ---- fine-tuning ----


def tune(small, loaded, animals, **options):
    options = {"categories": animals.categories, "cut": None, "lr": 1e-3, "steps": 2, "batch_size": 20} | options
    return transfer.fine_tune(small, loaded, **options, seed=0)


@pytest.mark.parametrize("augment", [None, torch.clone], ids=["once", "augmented"])
@pytest.mark.parametrize("cut", ["avgpool", "features.13", None])
def test_fine_tuning_changes_what_is_after_the_cut_alone_and_not_the_network_given(
    small, loaded, animals, cut, augment
):
    before = state(small.model)
    network, history = tune(small, loaded, animals, cut=cut, augment=augment)
    assert not changed(small.model, before) and all(one.requires_grad for one in small.model.parameters())
    head = {"classifier.1.weight", "classifier.1.bias"}
    upper = {name for name, _ in network.model.named_parameters()} if cut is None else head
    if cut == "features.13":
        lower = set(transfer.split_model(small.model, cut)[0].state_dict())
        upper = {name for name, _ in small.model.named_parameters()} - lower
    after = network.model.state_dict()
    assert {name for name in after if name in head or not after[name].equal(before[name])} == upper
    assert history.steps == [2] and network.categories == animals.categories and not network.model.training
    assert network(small.preprocess(animals[0][0])[None]).shape == (1, 10)


def test_both_ways_around_a_frozen_part_give_the_same(small, loaded, animals):
    once, augmented = (tune(small, loaded, animals, cut="features.13", augment=way) for way in (None, torch.clone))
    torch.testing.assert_close(once.history.train[0], augmented.history.train[0], rtol=1e-3, atol=1e-4)


def test_batch_norm_keeps_its_statistics_or_adapts_them(small, loaded, animals):
    for batch_norm, moves in (("keep", False), ("adapt", True)):
        network, _ = tune(small, loaded, animals, batch_norm=batch_norm)
        first = next(name for name in small.model.state_dict() if name.endswith("running_mean"))
        assert torch.equal(network.model.state_dict()[first], small.model.state_dict()[first]) != moves


def test_a_trained_head_is_where_fine_tuning_begins(small, loaded, animals):
    torch.manual_seed(1)
    head = nn.Linear(1280, 10)
    before = state(head)
    network, _ = tune(small, loaded, animals, head=head, lr=1e-3, head_lr=0.0)
    assert torch.equal(network.model.classifier[1].weight.cpu(), head.weight) and not changed(head, before)
    with pytest.raises(CourseError, match="the head that was given"):
        tune(small, loaded, animals, head=nn.Linear(1280, 9))


def test_the_head_learns_first_and_alone(small, loaded, animals):
    network, _ = tune(small, loaded, animals, lr=0.0, head_lr=0.01, head_steps=30, steps=1)
    after, before = network.model.state_dict(), small.model.state_dict()
    assert {name for name in after if after[name].shape != before[name].shape} == {
        "classifier.1.weight",
        "classifier.1.bias",
    }
    assert all(after[name].equal(before[name]) for name in after if not name.startswith("classifier"))
    assert training.evaluate(network.model, *loaded).error < 0.3


def test_at_a_rate_of_zero_nothing_is_learned(small, loaded, animals):
    """So that the tests above would notice a fine-tuning that does nothing."""
    _, history = tune(small, loaded, animals, lr=0.0)
    assert history.train[0].error > 0.6


def test_layers_keep_their_names_in_whatever_order_they_are_asked_for(small, animals):
    animals = animals.subset(slice(0, 4))
    forward = transfer.embed(small, animals, ["features.0", "features.9", "avgpool"]).layers
    for layer, vectors in transfer.embed(
        small, animals, ["avgpool", "features.9", "features.0", "avgpool"]
    ).layers.items():
        assert torch.equal(vectors, forward[layer])


def test_neither_embedding_nor_cutting_changes_the_mode_of_a_model(small, animals):
    network = dataclasses.replace(small, model=pretrained.with_head(small.model, 10))
    network.model.train()
    network.model.features[:4].eval()  # a learner's way to keep some statistics
    modes = [layer.training for layer in network.model.modules()]
    transfer.embed(network, animals.subset(slice(0, 4)))
    transfer.split_model(network.model, "features.9")
    assert [layer.training for layer in network.model.modules()] == modes


def test_a_cut_after_the_head_is_refused(small, loaded, animals):
    for cut in ("classifier", "classifier.1"):
        with pytest.raises(
            CourseError, match=rf'After the cut "{cut}" no head .*: cut after "classifier.0" or before it'
        ):
            tune(small, loaded, animals, cut=cut)


@pytest.mark.parametrize("options", [{"steps": 0}, {"steps": -1}, {"head_steps": -1}], ids=str)
def test_fine_tuning_names_the_steps_that_it_cannot_make(small, loaded, animals, options):
    with pytest.raises(CourseError, match=r"steps = .* and head_steps = .*: give 1 or more, and 0 or more"):
        tune(small, loaded, animals, **options)


def test_fine_tuning_knows_two_policies_for_batch_norm(small, loaded, animals):
    with pytest.raises(CourseError, match='batch_norm = "Keep": choose'):
        transfer.fine_tune(small, loaded, categories=animals.categories, cut=None, lr=0.1, steps=1, batch_norm="Keep")
