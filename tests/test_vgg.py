"""VGG against the paper's table 2 and torchvision's networks of the same layers."""

import pytest
import torch
import torchvision

from helpers import counting, receptive_field
from helpers.architectures import vgg
from helpers.errors import CourseError

PARAMETERS = {
    "A": 132_863_336,
    "A-LRN": 132_863_336,
    "B": 133_047_848,
    "C": 133_638_952,
    "D": 138_357_544,
    "E": 143_667_240,
}
GIGA_MULT_ADDS = {"A": 7.61, "A-LRN": 7.61, "B": 11.31, "C": 11.77, "D": 15.47, "E": 19.63}
LAYERS = {"A": 11, "A-LRN": 11, "B": 13, "C": 16, "D": 16, "E": 19}
SAME = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}


def without_weights(build, *arguments, **options):
    with torch.device("meta"):
        return build(*arguments, **options)


@pytest.mark.parametrize("column", vgg.TABLE_1)
def test_layers_parameters_and_mult_adds_of_each_column(column):
    rows = counting.count(without_weights(vgg.VGG, column))
    weighted = [row for row in rows if row.parameters]
    assert len(weighted) == LAYERS[column]
    assert sum(row.parameters for row in rows) == PARAMETERS[column]
    assert round(sum(row.mult_adds for row in rows) / 1e9, 2) == GIGA_MULT_ADDS[column]
    assert 0.71 < weighted[-3].parameters / PARAMETERS[column] < 0.78
    assert rows[-1].shape == (1000,)


@pytest.mark.parametrize("column", SAME)
def test_layers_have_torchvisions_names_and_shapes(column):
    theirs = without_weights(torchvision.models.get_model, SAME[column]).state_dict()
    ours = without_weights(vgg.VGG, column).state_dict()
    assert [(name, tensor.shape) for name, tensor in ours.items()] == [
        (name, tensor.shape) for name, tensor in theirs.items()
    ]


@pytest.mark.parametrize("column", SAME)
def test_convolutions_agree_with_torchvisions(column):
    torch.manual_seed(0)
    theirs = without_weights(torchvision.models.get_model, SAME[column]).features.to_empty(device="cpu")
    for parameter in theirs.parameters():
        torch.nn.init.kaiming_normal_(parameter) if parameter.ndim > 1 else torch.nn.init.normal_(parameter)
    ours = without_weights(vgg.features, column)
    ours.load_state_dict(theirs.state_dict(), assign=True)  # shares their memory
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert ours(images).abs().max() > 0.1
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=0)


def test_the_whole_network_agrees_with_torchvisions():
    torch.manual_seed(0)
    theirs = torchvision.models.vgg11(init_weights=False).eval()
    ours = without_weights(vgg.VGG, "A").eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)
    image = 100 * torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        found = ours(image)
        assert found.std() > 1e-3
        torch.testing.assert_close(found, theirs(image), atol=1e-5, rtol=0)


def test_a_lrn_is_a_with_alexnets_normalisation_behind_the_first_relu():
    plain, normalising = vgg.features("A"), vgg.features("A-LRN")
    kinds = [type(layer).__name__ for layer in normalising]
    assert kinds[:4] == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert kinds[:2] + kinds[3:] == [type(layer).__name__ for layer in plain]
    x = torch.rand(1, 64, 2, 2) * 30
    squares = torch.nn.functional.pad(x**2, (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(dim=-1)
    torch.testing.assert_close(normalising[2](x), x / (2 + 1e-4 * squares) ** 0.75)


def test_c_has_1x1_kernels_in_the_last_three_blocks_and_keeps_the_maps():
    sides = [layer.kernel_size[0] for layer in vgg.features("C") if isinstance(layer, torch.nn.Conv2d)]
    assert sides == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]
    assert vgg.features("C")(torch.zeros(1, 3, 32, 32)).shape == (1, 512, 1, 1)


@pytest.mark.parametrize("column, size", [("A", 150), ("B", 156), ("D", 212), ("E", 268)])
def test_receptive_fields(column, size):
    *_, last = receptive_field.fields(without_weights(vgg.features, column)).values()
    assert last == (size, 32)


def test_other_columns_in_the_words_of_the_table():
    assert vgg.features("5-8 pool 1-4")(torch.zeros(1, 3, 6, 6)).shape == (1, 4, 3, 3)


@pytest.mark.parametrize("words", ["F", "3-64 pol", "3-", "-64", "3x64"])
def test_an_unknown_word_is_named(words):
    with pytest.raises(CourseError, match=r'^"(F|pol|3-|-64|3x64)" is no layer: .*\.$'):
        vgg.features(words)
