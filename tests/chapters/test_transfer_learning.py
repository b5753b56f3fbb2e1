"""08: what the four ways share and where they differ, its explorer, and the checks of its exercises."""

import copy
import itertools

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import plotting, pretrained, training, transfer
from helpers.architectures.alexnet import AlexNet
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.bundled import ANIMALS
from helpers.chapters.transfer_learning import exercises, explorer
from helpers.datasets import Arrays
from helpers.transfer import Embeddings
from images.drawing import transfer_learning as pictures

CUT = "features.13"


@pytest.fixture
def model():
    torch.manual_seed(0)
    return pretrained.with_head(pretrained.untrained("efficientnet_lite0").model, 10)


def test_the_lectures_embedding_is_the_4096_numbers_that_feed_the_1000_way_layer():
    model = pretrained.untrained("alexnet").model
    assert model.get_submodule(pretrained.head_name(model)).in_features == 4096
    lower, _ = transfer.split_model(model, transfer.embedding_layer(model))
    with torch.inference_mode():
        assert lower(torch.zeros(1, 3, 224, 224)).shape == (1, 4096)


def test_the_upper_part_reads_embeddings_as_well_as_maps(model):
    lower, upper = transfer.split_model(model.eval(), "avgpool")
    with torch.inference_mode():
        maps = lower(torch.randn(3, 3, 64, 64))
        assert torch.equal(upper(transfer.vector(maps)), upper(maps))


def test_a_head_learns_the_same_inside_the_network_as_on_embeddings(model):
    images, labels = torch.randn(24, 3, 64, 64), torch.arange(24) % 10
    start = copy.deepcopy(model.state_dict())
    heads = []
    for inside in (False, True):
        model.load_state_dict(start)
        lower, upper = transfer.split_model(model.eval(), "avgpool")
        with torch.no_grad():
            data = images if inside else transfer.vector(lower(images)).clone()
        learner = transfer.freeze_(model, "avgpool") if inside else upper
        optimizer = torch.optim.AdamW([one for one in learner.parameters() if one.requires_grad], 0.01)
        training.train(learner, optimizer, (data, labels), steps=4, measure_every=4, batch_size=8, seed=0)
        heads.append(model.classifier[1].weight.detach().clone())
    assert not torch.allclose(heads[0], start["classifier.1.weight"], atol=1e-3)
    assert torch.allclose(*heads, atol=1e-4)


def test_weights_alone_are_not_all_that_must_be_frozen(model):
    lower, _ = transfer.split_model(model.train(), CUT)
    lower.requires_grad_(False)
    before = copy.deepcopy(lower.state_dict())
    model(torch.randn(4, 3, 64, 64))
    moved = {name.rpartition(".")[2] for name, tensor in lower.state_dict().items() if not tensor.equal(before[name])}
    assert moved == {"running_mean", "running_var", "num_batches_tracked"}


def test_the_pictures_show_alexnets_units():
    layers = [layer for layer in AlexNet().modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    units = [getattr(layer, "out_channels", None) or layer.out_features for layer in layers]
    assert [int(text.split("\n")[1]) for _, _, text in pictures.LAYERS] == units[:-1]


# ---- the explorer ----


def made(count, layers):
    """`count` images of each class, as an embedding with the vectors of each of `layers`, which take the labels."""
    labels = torch.arange(10).repeat_interleave(count)
    vectors = {name: function(labels) for name, function in layers.items()}
    shapes = Arrays(torch.zeros(len(labels), 28, 28, dtype=torch.uint8), labels, ANIMALS)
    return Embeddings(vectors, labels, torch.arange(len(labels)), []), shapes


LAYERS = {
    "right": lambda labels: F.one_hot(labels, 10).float(),
    "always next": lambda labels: F.one_hot(labels, 10).float(),
    "nothing": lambda labels: torch.zeros(len(labels), 3),
}


def draw(layer, k, per_class, queries=LAYERS):
    plotting.use_style()
    gallery, query = made(8, LAYERS), made(2, queries)
    fig = explorer.nearest_by_embedding(gallery[0], query[0], (gallery[1], query[1]), layer, k, per_class)
    left, right = fig.axes
    said = [text.get_text() for text in left.texts]
    shown = len(right.images), [text.get_text() for text in right.texts]
    plt.close(fig)
    return said, shown


@pytest.mark.parametrize("layer, k, per_class", list(itertools.product(("right", "nothing"), (1, 25), (1, 8))))
def test_every_extreme_is_drawn(layer, k, per_class):
    said, (shown, names) = draw(layer, k, per_class)
    assert len(said) == 3 and shown == len(names) == 5 * (1 + min(k, 5))


def test_the_accuracy_is_that_of_the_neighbours():
    shifted = LAYERS | {"always next": lambda labels: LAYERS["right"]((labels + 1) % 10)}
    said, (_, names) = draw("always next", 5, 8, shifted)
    assert said == ["right: 100%", "always next: 0%", "nothing: 10%"]
    assert names[:6] == ["bear"] + ["bird"] * 5


@pytest.mark.parametrize("k, per_class", [(1, 1), (15, 2)])  # 2 of 15 neighbours are right, the others equally far
def test_of_each_class_only_the_first_images_are_in_the_gallery(k, per_class):
    assert draw("right", k, per_class)[0][0] == "right: 100%"


# ---- exercises ----


def head(layer, rebuild=False):
    def answer(model, classes):
        model = EfficientNetLite0() if rebuild else model
        model.classifier[1] = layer(model.classifier[1], classes)
        return model

    return answer


def embedded(pool=lambda model, maps: model.avgpool(maps).flatten(1), mode=False, context=torch.no_grad):
    def answer(model, images):
        with context():
            return pool(model, model.train(mode).features(images))

    return answer


def frozen(grad=slice(6), mode=slice(6), more=lambda model: None):
    def answer(model, blocks):
        model.features[grad].requires_grad_(False)
        model.features[mode].eval()
        more(model)
        return model

    return answer


NONE = slice(0)
WRONG = [
    (exercises.new_head, lambda model, classes: model, "still 1000 logits"),
    (exercises.new_head, lambda model, classes: nn.Linear(1280, classes), "return the whole model"),
    (exercises.new_head, head(lambda old, classes: nn.Linear(1280, classes + 1)), "8 logits for 7 classes"),
    (exercises.new_head, head(lambda old, classes: nn.Linear(1280, classes), rebuild=True), "other weights changed"),
    (exercises.new_head, lambda model, classes: nn.Sequential(model, nn.Linear(1000, classes)), "gone or have new"),
    (exercises.new_head, head(lambda old, classes: nn.Sequential(old, nn.Linear(1000, classes))), "does not read"),
    (exercises.new_head, head(lambda old, classes: nn.Linear(classes, 1280)), "stops with RuntimeError"),
    (exercises.embedding, lambda model, images: model.eval()(images), "these are the logits"),
    (exercises.embedding, embedded(mode=True), "running statistics"),
    (exercises.embedding, embedded(pool=lambda model, maps: maps), "[4, 1280"),
    (exercises.embedding, embedded(pool=lambda model, maps: model.avgpool(maps).flatten()), "[4, 1280]"),
    (exercises.embedding, embedded(pool=lambda model, maps: maps.amax(dim=(2, 3))), "the numbers differ"),
    (exercises.embedding, embedded(context=torch.enable_grad), "gradients"),
    (exercises.embedding, lambda model, images: [images], "list"),
    (exercises.freeze, lambda model, blocks: model, "the frozen layers still learn"),
    (exercises.freeze, frozen(grad=slice(5)), "a block of the first 6 still learns"),
    (exercises.freeze, frozen(mode=NONE), "running statistics of frozen layers moved"),
    (exercises.freeze, frozen(more=lambda model: model.requires_grad_(False)), "nothing is left to learn"),
    (exercises.freeze, frozen(grad=slice(7), mode=slice(7)), "a layer after the first 6 blocks"),
    (exercises.freeze, frozen(mode=slice(None)), "above the cut is in evaluation mode"),
    (exercises.freeze, lambda model, blocks: model.features[:blocks], "return the model itself"),
    (exercises.freeze, lambda model: model, "stops with TypeError"),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


def copied(model, classes):
    model = copy.deepcopy(model)
    model.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(1280, classes))
    return model


def without_head(model, images):
    model = copy.deepcopy(model).eval()
    model.classifier = nn.Identity()
    return model(images).detach()


def frozen_one_by_one(model, blocks):
    for block in model.features[:blocks]:
        block.eval()
        for parameter in block.parameters():
            parameter.requires_grad = False
    return model


@pytest.mark.parametrize(
    "check, answer",
    [
        (exercises.new_head, copied),
        (exercises.new_head, head(lambda old, classes: nn.LazyLinear(classes))),
        (exercises.embedding, without_head),
        (exercises.embedding, embedded(pool=lambda model, maps: maps.mean(dim=(2, 3)), context=torch.inference_mode)),
        (exercises.freeze, frozen(more=lambda model: model.features[6:].train())),
        (exercises.freeze, frozen_one_by_one),
    ],
)
def test_other_right_ways_are_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")
