"""Each check of 08's exercises, against plausible wrong answers."""

import copy

import pytest
import torch
from torch import nn

from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.exercises import transfer as exercises

CHECKS = {
    "my_new_head": exercises.new_head,
    "my_embedding": exercises.embedding,
    "my_freeze": exercises.freeze,
}


def head(layer, rebuild=False):
    def answer(network, classes):
        network = EfficientNetLite0() if rebuild else network
        network.classifier[1] = layer(network.classifier[1], classes)
        return network

    return answer


def first_rows(old, classes):
    new = nn.Linear(1280, classes)
    new.load_state_dict({"weight": old.weight[:classes], "bias": old.bias[:classes]})
    return new


def renamed(network, classes):
    old, old.out_features = network.classifier[1], classes
    return network


def embedded(pool=lambda network, maps: network.avgpool(maps).flatten(1), mode=False, context=torch.no_grad):
    def answer(network, images):
        with context():
            return pool(network, network.train(mode).features(images))

    return answer


def logits(network, images):
    with torch.no_grad():
        return network.eval()(images)


def frozen(grad=slice(6), mode=slice(6), more=lambda network: None):
    def answer(network, blocks):
        network.features[grad].requires_grad_(False)
        network.features[mode].eval()
        more(network)
        return network

    return answer


NONE = slice(0)
WRONG = [
    ("my_new_head", lambda network, classes: network, "still 1000 logits"),
    ("my_new_head", renamed, "still 1000 logits"),
    ("my_new_head", lambda network, classes: nn.Linear(1280, classes), "the new layer alone"),
    ("my_new_head", head(lambda old, classes: nn.Linear(1280, classes + 1)), "8 logits for 7 classes"),
    ("my_new_head", head(lambda old, classes: nn.Linear(1280, classes), rebuild=True), "other weights changed"),
    ("my_new_head", lambda network, classes: EfficientNetLite0(classes), "other weights changed"),
    ("my_new_head", lambda network, classes: nn.Sequential(network, nn.Linear(1000, classes)), "gone or have new"),
    ("my_new_head", head(lambda old, classes: nn.Sequential(old, nn.Linear(1000, classes))), "does not read the 1280"),
    ("my_new_head", head(first_rows), "the first 7 of the old"),
    ("my_new_head", head(lambda old, classes: nn.Linear(classes, 1280)), "stops with RuntimeError"),
    ("my_embedding", logits, "these are the 1000 logits"),
    ("my_embedding", lambda network, images: network(images), "running statistics of batch norm moved"),
    ("my_embedding", embedded(mode=True), "running statistics of batch norm moved"),
    ("my_embedding", embedded(pool=lambda network, maps: maps), "the maps are not pooled"),
    ("my_embedding", embedded(pool=lambda network, maps: maps.flatten(1)), "flattened but not pooled"),
    ("my_embedding", embedded(pool=lambda network, maps: network.avgpool(maps)), "pool, then flatten"),
    ("my_embedding", embedded(pool=lambda network, maps: network.avgpool(maps).flatten()), "pool, then flatten"),
    ("my_embedding", embedded(pool=lambda network, maps: maps.amax(dim=(2, 3))), "the largest value"),
    ("my_embedding", embedded(pool=lambda network, maps: maps[:, :, 0, 0]), "only one corner"),
    ("my_embedding", embedded(context=torch.enable_grad), "it carries gradients"),
    ("my_embedding", lambda network, images: [images], "returns a list"),
    ("my_freeze", lambda network, blocks: network, "the frozen layers still learn"),
    ("my_freeze", frozen(grad=NONE), "the frozen layers still learn"),
    ("my_freeze", frozen(grad=slice(5)), "a block of the first 6 still learns"),
    ("my_freeze", frozen(mode=NONE), "running statistics of frozen layers moved"),
    ("my_freeze", frozen(more=lambda network: network.requires_grad_(False)), "nothing is left to learn"),
    ("my_freeze", frozen(more=lambda network: network.classifier.requires_grad_(False)), "the head is frozen too"),
    ("my_freeze", frozen(grad=slice(7), mode=slice(7)), "behind the first 6 blocks"),
    ("my_freeze", frozen(mode=slice(None)), "above the cut is in evaluation mode"),
    ("my_freeze", lambda network, blocks: network.features[:blocks], "return the network itself"),
    ("my_freeze", lambda network: network, "stops with TypeError"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    def copied(network, classes):
        network = copy.deepcopy(network)
        network.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(1280, classes))
        return network

    def without_head(network, images):
        network.eval().classifier = nn.Identity()
        return network(images).detach()

    exercises.new_head(copied)
    exercises.embedding(without_head)
    exercises.freeze(frozen(more=lambda network: network.features[6:].train()))
    assert capsys.readouterr().out.count("right: ") == 3
