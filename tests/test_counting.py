"""Parameters and multiply-adds, against arithmetic by hand and torchvision's own figures."""

import pytest
import torch
import torchvision
from torch import nn

from helpers import counting
from helpers.errors import CourseError

SMALL = (8, 10, 12)


@pytest.mark.parametrize(
    "layer, shape, parameters, mult_adds",
    [
        (nn.Conv2d(8, 6, 3, padding=1), (6, 10, 12), 6 * 8 * 9 + 6, 6 * 8 * 9 * 10 * 12),
        (nn.Conv2d(8, 6, 3, stride=2, bias=False), (6, 4, 5), 6 * 8 * 9, 6 * 8 * 9 * 4 * 5),
        (nn.Conv2d(8, 6, 3, padding=1, groups=2), (6, 10, 12), 6 * 4 * 9 + 6, 6 * 4 * 9 * 10 * 12),
        (nn.Conv2d(8, 6, (1, 3), dilation=2), (6, 10, 8), 6 * 8 * 3 + 6, 6 * 8 * 3 * 10 * 8),
        (nn.Linear(12, 5), (8, 10, 5), 12 * 5 + 5, 12 * 5 * 8 * 10),
        (nn.MaxPool2d(2), (8, 5, 6), 0, 0),
        (nn.BatchNorm2d(8), SMALL, 16, 0),
    ],
)
def test_one_layer(layer, shape, parameters, mult_adds):
    [row] = counting.count(nn.Sequential(layer), SMALL)
    activations = torch.Size(shape).numel()
    assert row == ("0", type(layer).__name__, shape, parameters, mult_adds, activations)


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "mobilenet_v2", "resnet50", "vgg16", "vit_b_16", "swin_t"])
def test_sums_are_torchvisions(name):
    meta = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        network = torchvision.models.get_model(name, **options)
    rows = counting.count(network.eval())
    totals = counting.totals(rows)
    assert totals.parameters == meta["num_params"] == counting.parameters(network)
    assert totals.mult_adds / 1e9 == pytest.approx(meta["_ops"], abs=6e-4)


def test_layers_that_neither_hold_weights_nor_reshape_are_listed_on_request():
    network = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2))
    assert [row.layer for row in counting.count(network, SMALL)] == ["0", "3"]
    assert [row.layer for row in counting.count(network, SMALL, all_layers=True)] == ["0", "1", "2", "3"]


def test_a_layer_that_is_called_twice_has_its_parameters_once():
    layer = nn.Conv2d(8, 8, 1)
    first, second = counting.count(nn.Sequential(layer, layer), SMALL)
    assert (first.parameters, second.parameters) == (72, 0)
    assert first.mult_adds == second.mult_adds == 64 * 10 * 12


def test_the_network_stays_as_it_was():
    network = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    counting.count(network, SMALL)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert network.training and not network[0]._forward_hooks and not network[0]._forward_pre_hooks
    assert network(torch.zeros(1, *SMALL)).device.type == "cpu"


@pytest.mark.parametrize("image", [(3, 10, 12), (8, 2, 2)])
def test_an_image_that_does_not_fit_is_said_in_one_sentence_and_leaves_no_hooks(image):
    network = nn.Sequential(nn.Conv2d(8, 8, 3))
    with pytest.raises(CourseError, match=r"^An image of shape \[.*\)\.$"):
        counting.count(network, image)
    assert not network[0]._forward_hooks


class Scaled(nn.Module):
    """A block with a parameter and a product of its own beside its layers."""

    def __init__(self):
        super().__init__()
        self.conv, self.gain = nn.Conv2d(8, 8, 1), nn.Parameter(torch.ones(8, 1, 1))
        self.mix = nn.Parameter(torch.eye(8))

    def forward(self, x):
        return torch.einsum("ij,njhw->nihw", self.mix, self.conv(x) * self.gain)


def test_parameters_and_products_outside_of_leaf_modules_are_counted():
    conv, block = counting.count(Scaled(), SMALL)
    assert (conv.layer, conv.parameters, conv.mult_adds) == ("conv", 72, 64 * 10 * 12)
    assert (block.kind, block.parameters, block.mult_adds) == ("Scaled", 8 + 64, 64 * 10 * 12)
    assert counting.totals([conv, block]).parameters == counting.parameters(Scaled())


def test_table_shows_shares_and_sums():
    network = nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(180, 10))
    table = counting.table(counting.count(network, SMALL))
    assert table.loc["0"].tolist() == ["Conv2d", "6 x 10 x 12", "438", 19.5, "51,840", 96.6, "720"]
    assert table.loc["3"].tolist() == ["Linear", "10", "1,810", 80.5, "1,800", 3.4, "10"]
    assert table.loc["sum"].tolist() == ["", "", "2,248", 100.0, "53,640", 100.0, "1,090"]
