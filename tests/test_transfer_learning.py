"""What 08 says of the four ways, without its training: what learns, what stays, and what is the same."""

import pytest
import torch
from torch import nn

from helpers import diagrams, pretrained, training, transfer
from helpers.architectures.alexnet import AlexNet
from helpers.diagrams import transfer as pictures
from tests.benchmarks import time_to_accuracy

CUT = "features.13"


@pytest.fixture
def network():
    torch.manual_seed(0)
    return transfer.with_head(pretrained.untrained("efficientnet_lite0").module, 10)


def learning(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def test_the_lectures_embedding_is_the_4096_numbers_that_feed_the_1000_way_layer():
    module = pretrained.untrained("alexnet").module
    assert module.get_submodule(transfer.head_name(module)).in_features == 4096
    lower, _ = transfer.split(module, transfer.embedding_layer(module))
    with torch.inference_mode():
        assert lower(torch.zeros(1, 3, 224, 224)).shape == (1, 4096)


@pytest.mark.parametrize("cut, count", [("avgpool", 12_810), (CUT, 2_683_050), (None, 3_383_818)])
def test_each_way_learns_as_many_numbers_as_it_says(network, cut, count):
    assert learning(transfer.freeze(network, cut) if cut else network) == count


def test_the_upper_part_reads_embeddings_as_well_as_maps(network):
    lower, upper = transfer.split(network.eval(), "avgpool")
    with torch.inference_mode():
        maps = lower(torch.randn(3, 3, 64, 64))
        assert torch.equal(upper(transfer.vector(maps)), upper(maps))


def test_a_head_learns_the_same_inside_the_network_as_on_embeddings(network):
    images, labels = torch.randn(24, 3, 64, 64), torch.arange(24) % 10
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    heads = []
    for inside in (False, True):
        network.load_state_dict(start)
        lower, upper = transfer.split(network.eval(), "avgpool")
        with torch.no_grad():
            data = images if inside else transfer.vector(lower(images)).clone()
        learner = transfer.freeze(network, "avgpool") if inside else upper
        optimiser = torch.optim.AdamW([one for one in learner.parameters() if one.requires_grad], 0.01)
        training.train(learner, optimiser, (data, labels), steps=4, every=4, batch_size=8)
        heads.append(network.classifier[1].weight.detach().clone())
    assert not torch.allclose(heads[0], start["classifier.1.weight"], atol=1e-3)
    assert torch.allclose(*heads, atol=1e-4)


def test_initialised_layers_start_from_the_given_weights_but_for_the_head():
    given = pretrained.load("efficientnet_lite0").module
    new = transfer.with_head(given, 10).state_dict()
    old = given.state_dict()
    assert {name for name in old if not torch.equal(old[name], new[name])} == {
        "classifier.1.weight",
        "classifier.1.bias",
    }


def test_weights_alone_are_not_all_that_must_be_frozen(network):
    lower, _ = transfer.split(network.train(), CUT)
    lower.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in lower.state_dict().items()}
    network(torch.randn(4, 3, 64, 64))
    moved = {name.rpartition(".")[2] for name, tensor in lower.state_dict().items() if not tensor.equal(before[name])}
    assert moved == {"running_mean", "running_var", "num_batches_tracked"}


def test_the_pictures_show_alexnets_units():
    layers = [layer for layer in AlexNet().modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    units = [getattr(layer, "out_channels", None) or layer.out_features for layer in layers]
    assert [int(text.split("\n")[1]) for _, _, text in pictures.LAYERS] == units[:-1]


@pytest.mark.parametrize("way", ["pipeline", "last_layer", "swap", "initialise", "freeze"])
def test_every_way_has_its_picture(way):
    assert len(diagrams.alt(f"transfer_learning_{way}")) > 100


def test_the_benchmark_takes_the_first_time_that_a_level_is_reached():
    assert time_to_accuracy.sooner([(1.0, 0.5), (2.0, 0.9), (3.0, 0.8), (4.0, 0.95)], 0.9) == 2.0
