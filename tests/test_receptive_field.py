"""Receptive fields: recurrence and gradient, against each other and the figures of whole networks."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from helpers import receptive_field
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.errors import CourseError

ALEXNET = {"features.0": 11, "features.2": 19, "features.3": 51, "features.5": 67, "features.6": 99}
ALEXNET |= {"features.8": 131, "features.10": 163, "features.12": 195}
WHOLE = {"alexnet": 195, "vgg11": 150, "vgg16": 212, "vgg19": 268, "resnet18": 435, "resnet34": 899, "resnet50": 427}
OTHERS = ("googlenet", "mobilenet_v2", "squeezenet1_1", "densenet121")  # branches, groups, concatenations


def build(name):
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        return torchvision.models.get_model(name, **options).eval()


def last_of(network):
    return list(receptive_field.fields(network).items())[-1]


@pytest.mark.parametrize("name", [*WHOLE, *OTHERS])
def test_recurrence_and_gradient_of_whole_networks_agree(name):
    network = build(name)
    layer, field = last_of(network)
    assert field.size == WHOLE.get(name, field.size)
    gradient = receptive_field.measured(network, layer, field.size + 4 * field.jump)
    assert receptive_field.extent(gradient) == field.size


def test_each_layer_of_alexnet():
    fields = receptive_field.fields(build("alexnet"))
    assert {layer: field.size for layer, field in fields.items()} == ALEXNET
    network = build("alexnet")
    for layer, size in ALEXNET.items():
        assert receptive_field.extent(receptive_field.measured(network, layer, 330)) == size


def test_layers_that_inherit_from_a_convolution_and_pad_by_calculation():
    with torch.device("meta"):
        network = EfficientNetLite0().eval()
    layer, field = last_of(network)
    gradient = receptive_field.measured(network, layer, field.size + 4 * field.jump)
    assert receptive_field.extent(gradient) == field.size == 851


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_stacks_of_each_kernel_stride_and_dilation(kernel, stride, dilation):
    network = nn.Sequential(
        nn.Conv2d(3, 4, kernel, stride, dilation=dilation), nn.ReLU(), nn.Conv2d(4, 4, kernel, stride, padding=1)
    )
    field = receptive_field.fields(network)["2"]
    assert field.size == 1 + (kernel - 1) * dilation + (kernel - 1) * stride
    assert field.jump == stride**2
    assert receptive_field.extent(receptive_field.measured(network, "2", 80)) == field.size


class Branches(nn.Module):
    """A wide path and a narrow one, joined as `join` says, then one 3x3 more."""

    def __init__(self, join):
        super().__init__()
        self.wide, self.narrow, self.join = nn.Conv2d(4, 4, 7, padding=3), nn.Conv2d(4, 4, 1), join
        self.last = nn.Conv2d(8 if join is torch.cat else 4, 4, 3)

    def forward(self, x):
        if self.join is torch.cat:
            return self.last(torch.cat([self.narrow(x), functional.relu(self.wide(x))], dim=1))
        return self.last(self.join(self.narrow(x), self.wide(x)))


@pytest.mark.parametrize("join", [torch.cat, torch.add, lambda narrow, wide: narrow + wide, lambda a, b: a * b + a])
def test_where_paths_meet_the_widest_counts(join):
    assert receptive_field.fields(Branches(join)) == {"wide": (7, 1), "narrow": (1, 1), "last": (9, 1)}
    assert receptive_field.extent(receptive_field.measured(Branches(join), "last", 40)) == 9


@pytest.mark.parametrize("activation", [nn.ReLU6, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.GELU, nn.SiLU, nn.ELU])
def test_activations_that_saturate_hide_nothing(activation):
    """Behind 30 of them a gradient of the function itself would vanish, or be cut off."""
    layers = [layer for _ in range(30) for layer in (nn.Conv2d(1, 1, 3, padding=1), activation())]
    assert receptive_field.extent(receptive_field.measured(nn.Sequential(*layers), "58", 80)) == 61


def test_maximum_pooling_of_equal_numbers_hides_nothing():
    """Its own gradient goes to the first of equal numbers: the measured field would be a single pixel."""
    network = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(3, 1, dilation=2))
    image = torch.ones(1, 1, 24, 24, requires_grad=True)
    network(image)[0, 0, 2, 2].backward()
    assert receptive_field.extent(image.grad[0, 0]) == 1
    assert receptive_field.extent(receptive_field.measured(network, "1", 24)) == 10
    assert receptive_field.fields(network)["1"] == (10, 2)


def test_maps_end_at_pooling_to_a_size_and_at_flatten():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(4, 2)
    )
    assert list(receptive_field.fields(network)) == ["0"]


class Scaled(nn.Module):
    """A learned factor, which is no pixel."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Conv2d(1, 1, 3), nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.layer(x * self.scale)


def test_parameters_see_no_pixel():
    assert receptive_field.fields(Scaled()) == {"layer": (3, 1)}


class Functions(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def by_its_values(x):
    return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    "network, sentence",
    [
        (nn.Sequential(nn.ConvTranspose2d(1, 1, 2)), r'behind "0" \(ConvTranspose2d\) is not known'),
        (nn.Sequential(nn.Upsample(scale_factor=2)), r'behind "0" \(Upsample\) is not known'),
        (nn.Sequential(nn.GroupNorm(1, 1)), r'behind "0" \(GroupNorm\) is not known'),
        (nn.Sequential(nn.Conv2d(1, 1, (1, 3))), r'^"0" has a kernel_size of \(1, 3\)'),
        (nn.Sequential(nn.MaxPool2d(3, (1, 2))), r'^"0" has a stride of \(1, 2\)'),
        (Functions(torch.fft.fft2), r'behind the function "fft_fft2" is not known'),
        (Functions(lambda x: x.cumsum(dim=2)), r'behind the function "cumsum" is not known'),
        (Functions(by_its_values), r"^Functions cannot be traced"),
    ],
)
def test_what_is_not_known_is_said_in_one_sentence(network, sentence):
    with pytest.raises(CourseError, match=sentence) as caught:
        receptive_field.fields(network)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)

    def forward(self, x):
        return self.used(x)


@pytest.mark.parametrize(
    "network, layer, sentence",
    [
        (Skipping(), "conv9", r'has no layer "conv9": choose one of used, unused\.$'),
        (Skipping(), "unused", r'does not come to the layer "unused"\.$'),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten()), "1", r'"1" puts out no map of units'),
    ],
)
def test_a_layer_that_cannot_be_measured_is_said_in_one_sentence(network, layer, sentence):
    with pytest.raises(CourseError, match=sentence):
        receptive_field.measured(network, layer, 10)


def test_effective_field_is_the_gradient_of_the_network_as_it_is():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Conv2d(2, 1, 1, bias=False))
    nn.init.ones_(network[1].weight)
    gradient = receptive_field.effective(network, "1", torch.randn(2, 1, 5, 5))
    kernel = network[0].weight.sum(dim=(0, 1)).abs().detach()
    torch.testing.assert_close(gradient[1:4, 1:4], kernel / kernel.sum())
    assert gradient.sum() == pytest.approx(1) and receptive_field.extent(gradient) == 3


def test_effective_field_of_a_deep_stack_lies_in_the_theoretical_one_and_is_denser_in_its_centre():
    torch.manual_seed(0)
    layers = [layer for _ in range(10) for layer in (nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.ReLU())]
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), *layers)
    gradient = receptive_field.effective(network, "19", torch.randn(8, 3, 33, 33))
    assert receptive_field.extent(gradient) <= receptive_field.fields(network)["19"].size == 23
    assert gradient[11:22, 11:22].sum() > 0.6  # 11 of 23 pixels wide: 23 % of the area


def test_extent_is_the_longer_side_and_nothing_has_none():
    gradient = torch.zeros(9, 9)
    assert receptive_field.extent(gradient) == 0
    gradient[2, 3] = gradient[4, 8] = -1
    assert receptive_field.extent(gradient) == 6
