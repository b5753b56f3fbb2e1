"""08: what the four ways share and where they differ, its ladder, its explorer, and the checks of its exercises."""

import copy
import itertools
import sys

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn

from helpers import ROOT, plotting, pretrained, training, transfer
from helpers.architectures.alexnet import AlexNet
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.chapters.transfer_learning import exercises, explorer
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


# ---- the ladder: what a student copies ----


def test_the_ladder_runs_without_helpers(tmp_path, monkeypatch):
    """Another network, two classes, and a package `helpers` that cannot be imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "helpers"]:
        monkeypatch.setitem(sys.modules, name, None)
    for part, label, number in itertools.product(("train", "val"), (0, 1), range(4)):
        path = tmp_path / part / f"class {label}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (200 * label, 20 * number, 90)).save(path)
    cells = nbformat.read(ROOT / "notebooks/08_transfer_learning.ipynb", as_version=4).cells
    ladder = [cell.source for cell in cells if "ladder" in cell.metadata.get("tags", [])]
    names = {"FOLDER": str(tmp_path), "backbone": lambda: torchvision.models.mobilenet_v2(weights=None)}
    for source in ladder:
        assert "helpers" not in source
        exec(source, names)
    assert names["probabilities"].shape == (2,)
    assert set(names["history"]) == {"swap: head only", "freeze: top blocks", "initialise: all layers"}
    lower, first = (names[name].features[0][0].weight for name in ("partial", "model"))
    assert torch.equal(lower, first)
    assert not torch.equal(names["full"].features[0][0].weight, first)


# ---- the explorer ----

LAYERS = {
    "right": lambda labels: F.one_hot(labels, 10).float(),
    "always next": lambda labels: F.one_hot(labels, 10).float(),
    "nothing": lambda labels: torch.zeros(len(labels), 3),
}


def made(layers, classes=10):
    """Eight gallery images and two test images of each class."""
    labels = torch.arange(classes).repeat_interleave(10)
    vectors = {name: function(labels) for name, function in layers.items()}
    names = [f"class {label}" for label in range(classes)]
    return explorer.Task(vectors, labels, names, torch.rand(len(labels), 3, 10, 10), torch.arange(len(labels)) % 10 > 7)


def draw(task, layer, scaling, k, per_class):
    plotting.use_style()
    fig = explorer.nearest_by_embedding({"made": task}, "made", layer, scaling, k, per_class)
    left, right = fig.axes
    said, shown = [text.get_text() for text in left.texts], [text.get_text() for text in right.texts]
    assert len(right.images) == len(shown)
    fig.canvas.draw()
    boxes = [image.get_window_extent() for image in right.images]
    plt.close(fig)
    assert all(abs(box.width - box.height) < 1 for box in boxes)  # nothing is stretched
    return said, shown


EXTREMES = list(itertools.product(("right", "nothing"), explorer.SCALINGS, (1, 15), (1, 8)))


@pytest.mark.parametrize("layer, scaling, k, per_class", EXTREMES)
def test_every_extreme_is_drawn(layer, scaling, k, per_class):
    said, shown = draw(made(LAYERS), layer, scaling, k, per_class)
    assert len(said) == 3 and len(shown) == 4 * (1 + min(k, 5))


def test_a_folder_of_two_classes_is_drawn():
    _, shown = draw(made({"right": LAYERS["right"]}, classes=2), "right", "none", 1, 1)
    assert shown == ["class 0", "class 0", "class 1", "class 1"]


def test_the_accuracy_is_that_of_the_neighbours():
    task = made(LAYERS)
    task.layers["always next"][task.test] = task.layers["right"][task.test].roll(1, dims=1)
    said, names = draw(task, "always next", "none", 5, 8)
    assert said == ["right: 100%", "always next: 0%", "nothing: 10%"]
    assert names[:6] == ["class 0"] + ["✗ class 1"] * 5


@pytest.mark.parametrize("k, per_class", [(1, 1), (15, 2)])  # 2 of 15 neighbours are right, the others equally far
def test_of_each_class_only_the_first_images_are_in_the_gallery(k, per_class):
    assert draw(made(LAYERS), "right", "none", k, per_class)[0][0] == "right: 100%"


def test_scaling_is_what_it_says():
    task = made({"right": lambda labels: F.one_hot(labels, 10) * torch.rand(len(labels), 1) + 0.01})
    lengths = explorer.neighbours(task, "right", "unit length", 1, 8)
    assert lengths.accuracy == 1.0
    loud = made({"right": lambda labels: torch.cat([F.one_hot(labels, 10), 1e4 * torch.rand(len(labels), 1)], 1)})
    found = [explorer.neighbours(loud, "right", scaling, 1, 8).accuracy for scaling in ("none", "standardised")]
    assert found[0] < 0.5 and found[1] > 0.9


# ---- exercises ----


def head(layer, rebuild=False):
    def answer(model, classes):
        model = EfficientNetLite0() if rebuild else model
        model.classifier[1] = layer(model.classifier[1], classes)
        return model

    return answer


def whole_head(build):
    def answer(model, classes):
        model.classifier = build(classes)
        return model

    return answer


def new(old, classes):
    return nn.Linear(1280, classes)


def old_rows(old, classes):
    layer = nn.Linear(1280, classes)
    layer.weight.data = old.weight.data[-classes:].clone()
    return layer


def frozen_backbone(model, classes):
    model.requires_grad_(False)
    return head(new)(model, classes)


def embedded(pool=lambda model, maps: model.avgpool(maps).flatten(1), mode=False, context=torch.no_grad):
    def answer(model, images):
        with context():
            return pool(model, model.train(mode).features(images))

    return answer


def other_head(model, images):
    found = embedded()(model, images)
    model.classifier[1] = nn.Linear(1280, 1000)
    return found


def cannot_learn(model, images):
    return embedded()(model.requires_grad_(False), images)


def no_head(model, images):
    model.eval().classifier = nn.Identity()
    return model(images).detach()


def in_training_mode(model, images):
    return embedded(mode=True)(copy.deepcopy(model), images)


def after_pooling(change):
    return embedded(lambda model, maps: change(model.avgpool(maps).flatten(1)))


class Still(nn.Module):
    """A block that stays as it is, in a learner's own words."""

    def __init__(self, block):
        super().__init__()
        self.block = block.requires_grad_(False).eval()

    def train(self, mode=True):
        self.training = False
        return self

    def forward(self, x):
        return self.block(x)


def stay(mode=True):
    """Not to be told to train."""


def frozen(grad=lambda blocks: blocks, mode=lambda blocks: blocks, more=lambda model: None):
    """The blocks that `grad` and `mode` make of the number that is asked for: without gradients, and out of reach."""

    def answer(model, blocks):
        model.features[: grad(blocks)].requires_grad_(False)
        for block in model.features[: mode(blocks)]:
            block.eval()
            block.train = stay
        more(model)
        return model

    return answer


def eval_once(model, blocks):
    model.features[:blocks].requires_grad_(False).eval()
    return model


def batch_statistics(model, blocks):
    model.features[:blocks].requires_grad_(False)
    for layer in model.features[:blocks].modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats = False
    return model


def no_momentum(model, blocks):
    model.features[:blocks].requires_grad_(False)
    for layer in model.features[:blocks].modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.0
    return model


def last_blocks(model, blocks):
    for block in model.features[blocks:]:
        block.requires_grad_(False).eval()
        block.train = stay
    return model


def all_in_evaluation_mode(model, blocks):
    model.features[:blocks].requires_grad_(False)
    model.eval().train = stay
    return model


def frozen_batch_norm(eps=None, copied=True, grad=False):
    """torchvision's layer in the place of batch norm, as its detection networks have it."""

    def answer(model, blocks):
        lower = model.features[:blocks].requires_grad_(grad)
        for name, layer in list(lower.named_modules()):
            if isinstance(layer, nn.BatchNorm2d):
                still = torchvision.ops.FrozenBatchNorm2d(layer.num_features, eps or layer.eps)
                if copied:
                    still.load_state_dict(layer.state_dict())
                parent, _, last = name.rpartition(".")
                setattr(model.features.get_submodule(parent), last, still)
        return model

    return answer


def before_each_step(model, blocks):
    for block in model.features[:blocks]:
        block.requires_grad_(False).register_forward_pre_hook(lambda block, inputs: block.eval() and None)
    return model


WRONG = [
    (exercises.new_head, lambda model, classes: model, "still 1000 logits"),
    (exercises.new_head, lambda model, classes: nn.Linear(1280, classes), "return the whole model"),
    (exercises.new_head, lambda model, classes: nn.Sequential(nn.Dropout(), nn.Linear(1280, classes)), "a head alone"),
    (exercises.new_head, head(lambda old, classes: nn.Linear(1280, classes + 1)), "8 logits for 7 classes"),
    (exercises.new_head, head(lambda old, classes: nn.Linear(1280, 7)), "7 logits for 3 classes"),
    (exercises.new_head, head(new, rebuild=True), "other weights changed"),
    (exercises.new_head, lambda model, classes: nn.Sequential(model, nn.Linear(1000, classes)), "gone or have new"),
    (exercises.new_head, head(lambda old, classes: nn.Sequential(old, nn.Linear(1000, classes))), "does not read"),
    (exercises.new_head, head(lambda old, classes: nn.Linear(classes, 1280)), "stops with RuntimeError"),
    (exercises.new_head, whole_head(lambda classes: nn.Linear(1280, classes)), "dropout is gone"),
    (exercises.new_head, head(lambda old, classes: new(old, classes).requires_grad_(False)), "is frozen"),
    (exercises.new_head, frozen_backbone, "that is exercise 3"),
    (exercises.new_head, head(old_rows), "holds rows of the old one"),
    (exercises.new_head, head(lambda old, c: nn.Sequential(nn.Linear(1280, c), nn.Softmax(1))), "softmax is too much"),
    (exercises.new_head, head(lambda old, c: nn.Sequential(nn.Softmax(1), nn.Linear(1280, c))), "softmax is too much"),
    (exercises.new_head, head(lambda old, c: nn.Sequential(nn.ReLU6(), nn.Linear(1280, c), nn.ReLU())), "add none"),
    (exercises.embedding, lambda model, images: model.eval()(images), "these are the logits"),
    (exercises.embedding, embedded(mode=True), "running statistics have changed"),
    (exercises.embedding, in_training_mode, "numbers of training mode"),
    (exercises.embedding, embedded(pool=lambda model, maps: maps), "[4, 1280"),
    (exercises.embedding, embedded(pool=lambda model, maps: model.avgpool(maps).flatten()), "[4, 1280]"),
    (exercises.embedding, embedded(pool=lambda model, maps: maps.amax(dim=(2, 3))), "the largest responses"),
    (exercises.embedding, embedded(pool=lambda model, maps: maps.sum(dim=(2, 3))), "sums over places"),
    (exercises.embedding, after_pooling(lambda x: x.softmax(1)), "a softmax is too much"),
    (exercises.embedding, after_pooling(F.normalize), "length 1"),
    (exercises.embedding, after_pooling(lambda x: x.half()), "keep float32"),
    (exercises.embedding, after_pooling(lambda x: 2 * x), "the numbers differ"),
    (exercises.embedding, other_head, "another head now"),
    (exercises.embedding, no_head, "another head now"),
    (exercises.embedding, cannot_learn, "cannot learn any more"),
    (exercises.embedding, embedded(context=torch.enable_grad), "gradients"),
    (exercises.embedding, lambda model, images: [images], "list"),
    (exercises.freeze, lambda model, blocks: model, "the layers to be frozen still learn"),
    (exercises.freeze, frozen(grad=lambda blocks: blocks - 1), "of the first 6 entries still learn"),
    (exercises.freeze, frozen(mode=lambda blocks: 0), "after .eval(), keep model.train()"),
    (exercises.freeze, eval_once, "after .eval(), keep model.train()"),
    (exercises.freeze, batch_statistics, "each batch's own statistics"),
    (exercises.freeze, frozen(lambda blocks: 6, lambda blocks: 6), "a layer after the first 4 entries"),
    (exercises.freeze, frozen(more=lambda model: model.requires_grad_(False)), "nothing is left to learn"),
    (exercises.freeze, frozen(lambda n: n + 1, lambda n: n + 1), "a layer after the first 6 entries"),
    (exercises.freeze, frozen(mode=lambda blocks: None), "above the cut is in evaluation mode"),
    (exercises.freeze, lambda model, blocks: model.features[:blocks], "return the whole model"),
    (exercises.freeze, no_momentum, "each batch's own statistics"),
    (exercises.freeze, last_blocks, "the layers to be frozen still learn"),
    (exercises.freeze, all_in_evaluation_mode, "above the cut is in evaluation mode"),
    (exercises.freeze, frozen_batch_norm(eps=1e-5), "computes something else"),
    (exercises.freeze, frozen_batch_norm(copied=False), "weights or statistics of the model are gone"),
    (exercises.freeze, frozen_batch_norm(grad=True), "of the first 6 entries still learn"),
    (exercises.freeze, lambda model, blocks: blocks, "returns a int"),
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
    return no_head(copy.deepcopy(model), images)


def one_by_one(model, images):
    model.eval()
    with torch.no_grad():
        return torch.cat([model.features(image[None]).mean(dim=(2, 3)) for image in images])


def wrapped(wrapper):
    def answer(model, blocks):
        for number in range(blocks):
            model.features[number] = wrapper(model.features[number])
        return model

    return answer


def of_a_subclass(model, blocks):
    class Partly(EfficientNetLite0):
        def train(self, mode=True):
            super().train(mode)
            self.features[:blocks].eval()
            return self

    model.features[:blocks].requires_grad_(False)
    model.__class__ = Partly
    return model


RIGHT = [
    (exercises.new_head, copied),
    (exercises.new_head, head(lambda old, classes: nn.LazyLinear(classes))),
    (exercises.new_head, head(lambda old, classes: nn.Linear(old.in_features, classes, bias=False))),
    (exercises.new_head, lambda model, classes: pretrained.with_head(model, classes)),
    (exercises.embedding, without_head),
    (exercises.embedding, one_by_one),
    (exercises.embedding, embedded(pool=lambda model, maps: maps.mean(dim=(2, 3)), context=torch.inference_mode)),
    (exercises.freeze, frozen()),
    (exercises.freeze, wrapped(transfer.Frozen)),
    (exercises.freeze, wrapped(Still)),
    (exercises.freeze, of_a_subclass),
    (exercises.freeze, lambda model, blocks: transfer.freeze_(model, f"features.{blocks - 1}")),
    (exercises.freeze, lambda model, blocks: frozen()(copy.deepcopy(model), blocks)),
    (exercises.freeze, frozen_batch_norm()),
    (exercises.freeze, before_each_step),
]


@pytest.mark.parametrize("check, answer", RIGHT)
def test_other_right_ways_are_right(check, answer, capsys):
    check(answer)
    said = capsys.readouterr().out
    assert said.startswith("right: "), said
