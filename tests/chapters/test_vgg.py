"""02's networks, receptive fields, explorer, and the checks of its exercises."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn

from helpers import counting
from helpers.architectures import vgg
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.architectures.resnet import SmallResNet
from helpers.chapters.vgg import exercises, explorer, receptive_field, record
from helpers.errors import CourseError

# ---- the networks ----

TABLE_2 = {"A": 133, "A-LRN": 133, "B": 133, "C": 134, "D": 138, "E": 144}  # the paper's, million parameters
LAYERS = {"A": 11, "A-LRN": 11, "B": 13, "C": 16, "D": 16, "E": 19}
TORCHVISION = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}


def without_weights(build, *arguments, **options):
    with torch.device("meta"):
        return build(*arguments, **options)


@pytest.mark.parametrize("column", vgg.TABLE_1)
def test_layers_and_parameters_of_each_column(column):
    rows = counting.count(without_weights(vgg.VGG, column))
    assert sum(row.parameters > 0 for row in rows) == LAYERS[column]
    assert round(counting.totals(rows).parameters / 1e6) == TABLE_2[column]


@pytest.mark.parametrize("column, name", TORCHVISION.items())
def test_layers_are_called_and_counted_as_torchvisions(column, name):
    theirs = without_weights(torchvision.models.get_model, name).state_dict()
    ours = without_weights(vgg.VGG, column)
    assert {name: tensor.shape for name, tensor in ours.state_dict().items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }
    weights = torchvision.models.get_model_weights(name).DEFAULT
    assert round(counting.totals(counting.count(ours)).mult_adds / 1e9, 2) == round(weights.meta["_ops"], 2)


@pytest.mark.parametrize("column", ["B", "D", "E"])
def test_convolutions_agree_with_torchvisions(column):
    torch.manual_seed(0)
    theirs = without_weights(torchvision.models.get_model, TORCHVISION[column]).features.to_empty(device="cpu")
    for parameter in theirs.parameters():
        nn.init.kaiming_normal_(parameter) if parameter.ndim > 1 else nn.init.normal_(parameter)
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
        logits = ours(image)
        assert logits.std() > 1e-3
        torch.testing.assert_close(logits, theirs(image), atol=1e-5, rtol=0)


def test_a_lrn_is_a_with_alexnets_normalisation_after_the_first_relu():
    plain, normalising = vgg.features("A"), vgg.features("A-LRN")
    kinds = [type(layer).__name__ for layer in normalising]
    assert kinds[:4] == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert kinds[:2] + kinds[3:] == [type(layer).__name__ for layer in plain]
    x = torch.rand(1, 64, 2, 2) * 30
    squares = F.pad(x**2, (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(dim=-1)
    torch.testing.assert_close(normalising[2](x), x / (2 + 1e-4 * squares) ** 0.75)


def test_c_has_1x1_kernels_in_the_last_three_blocks_and_keeps_the_maps():
    sides = [layer.kernel_size[0] for layer in vgg.features("C") if isinstance(layer, nn.Conv2d)]
    assert sides == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]
    assert vgg.features("C")(torch.zeros(1, 3, 32, 32)).shape == (1, 512, 1, 1)


@pytest.mark.parametrize("words", ["F", "3-64 pol", "3-", "-64", "3x64"])
def test_an_unknown_word_is_named(words):
    with pytest.raises(CourseError, match=r'^"(F|pol|3-|-64|3x64)" is no layer: .*\.$'):
        vgg.features(words)


# ---- receptive fields ----

WHOLE = {"alexnet": 195, "vgg11": 150, "vgg13_bn": 156, "vgg16": 212, "vgg19": 268}
WHOLE |= {"resnet18": 435, "resnet34": 899, "resnet50": 427}
WHOLE |= {"googlenet": 379, "mobilenet_v2": 491, "squeezenet1_1": 207}  # branches, groups, concatenations
BUILD = {name: lambda name=name: torchvision.models.get_model(name) for name in WHOLE}
BUILD |= {"googlenet": lambda: torchvision.models.googlenet(init_weights=False)}
WHOLE |= {"efficientnet_lite0": 851, "small_resnet20": 81}  # a convolution that pads by itself, a shortcut that slices
BUILD |= {"efficientnet_lite0": EfficientNetLite0, "small_resnet20": lambda: SmallResNet(20)}


def measured_extent(model, layer, size):
    return receptive_field.extent(receptive_field.measured(model, layer, size))


@pytest.mark.parametrize("name", WHOLE)
def test_recurrence_and_gradient_of_whole_networks_agree(name):
    model = without_weights(BUILD[name]).eval()
    layer, field = list(receptive_field.fields(model).items())[-1]
    assert measured_extent(model, layer, field.size + 4 * field.jump) == field.size == WHOLE[name]


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_stacks_of_each_kernel_stride_and_dilation(kernel, stride, dilation):
    model = nn.Sequential(
        nn.Conv2d(3, 4, kernel, stride, dilation=dilation), nn.ReLU(), nn.Conv2d(4, 4, kernel, stride, padding=1)
    )
    field = receptive_field.fields(model)["2"]
    assert field == (1 + (kernel - 1) * dilation + (kernel - 1) * stride, stride**2)
    assert measured_extent(model, "2", 80) == field.size


class Branches(nn.Module):
    """A wide path and a narrow one, joined as `join` says, then one 3x3 more."""

    def __init__(self, join):
        super().__init__()
        self.wide, self.narrow, self.join = nn.Conv2d(4, 4, 7, padding=3), nn.Conv2d(4, 4, 1), join
        self.last = nn.Conv2d(8 if join is torch.cat else 4, 4, 3)

    def forward(self, x):
        if self.join is torch.cat:
            return self.last(torch.cat([self.narrow(x), F.relu(self.wide(x))], dim=1))
        return self.last(self.join(self.narrow(x), self.wide(x)))


@pytest.mark.parametrize("join", [torch.cat, torch.add])
def test_where_paths_meet_the_widest_counts(join):
    assert receptive_field.fields(Branches(join)) == {"wide": (7, 1), "narrow": (1, 1), "last": (9, 1)}
    assert measured_extent(Branches(join), "last", 40) == 9


def test_maximum_pooling_of_equal_numbers_hides_nothing():
    """Its own gradient goes to the first of equal numbers: the measured field would be a single pixel."""
    model = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(3, 1, dilation=2))
    image = torch.ones(1, 1, 24, 24, requires_grad=True)
    model(image)[0, 0, 2, 2].backward()
    assert receptive_field.extent(image.grad[0, 0]) == 1
    assert measured_extent(model, "1", 24) == 10
    assert receptive_field.fields(model)["1"] == (10, 2)


def test_maps_end_at_pooling_to_a_size_and_at_flatten():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(4, 2)
    )
    assert list(receptive_field.fields(model)) == ["0"]


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.unused = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.layer(x * self.scale)


def test_parameters_see_no_pixel():
    assert receptive_field.fields(Scaled()) == {"layer": (3, 1)}


def test_a_window_that_is_not_square_is_said_in_one_sentence():
    with pytest.raises(CourseError, match=r"^Receptive fields are for square windows, not 1 x 3\.$"):
        receptive_field.fields(nn.Sequential(nn.Conv2d(1, 1, (1, 3))))


@pytest.mark.parametrize(
    "model, layer, sentence",
    [
        (Scaled(), "conv9", r'^"conv9" puts out no map of units: choose one of layer, unused\.$'),
        (Scaled(), "unused", r'"unused" puts out no map of units'),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten()), "1", r'"1" puts out no map of units'),
    ],
)
def test_a_layer_that_cannot_be_measured_is_said_in_one_sentence(model, layer, sentence):
    with pytest.raises(CourseError, match=sentence):
        receptive_field.measured(model, layer, 10)


def test_effective_field_is_the_gradient_of_the_network_as_it_is():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Conv2d(2, 1, 1, bias=False))
    nn.init.ones_(model[1].weight)
    gradient = receptive_field.effective(model, "1", torch.randn(2, 1, 5, 5))
    kernel = model[0].weight.sum(dim=(0, 1)).abs().detach()
    torch.testing.assert_close(gradient[1:4, 1:4], kernel / kernel.sum())
    assert gradient.sum() == pytest.approx(1) and receptive_field.extent(gradient) == 3


@pytest.mark.parametrize("reached, side", [([], 0), ([(2, 3)], 1), ([(2, 3), (4, 8)], 6)])
def test_extent_is_the_longer_side(reached, side):
    gradient = torch.zeros(9, 9)
    for pixel in reached:
        gradient[pixel] = -1
    assert receptive_field.extent(gradient) == side


# ---- the explorer ----


def panels(fig):
    """The right-hand picture, and the widths of the squares on the left one."""
    left, right = fig.axes
    widths = [patch.get_width() for patch in left.patches]
    cut = np.asarray(right.images[0].get_array())
    plt.close(fig)
    return cut, widths


@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("dilation", [1, 4])
def test_every_extreme_is_drawn(kernel, stride, depth, dilation):
    photo = Image.new("RGB", (300, 90), "white")
    cut, widths = panels(explorer.seen_by_one_unit(photo, kernel, stride, depth, dilation))
    jumps = [stride**layer for layer in range(depth)]
    fields = [1 + (kernel - 1) * dilation * sum(jumps[: layer + 1]) for layer in range(depth)]
    assert widths == fields
    assert cut.shape == (min(fields[-1], 449),) * 2 + (3,)


@pytest.mark.parametrize("kernel, depth, dilation, white", [(3, 1, 1, 9), (3, 1, 4, 9), (3, 2, 2, 25)])
def test_only_the_pixels_that_are_reached_are_lit(kernel, depth, dilation, white):
    cut, _ = panels(explorer.seen_by_one_unit(Image.new("RGB", (224, 224), "white"), kernel, 1, depth, dilation))
    assert (cut == 255).all(axis=2).sum() == white
    assert ((cut == 255) | (cut == 0)).all()


def test_what_lies_outside_the_photograph_is_grey():
    cut, _ = panels(explorer.seen_by_one_unit(Image.new("RGB", (224, 224), "white"), 7, 2, 8, 1))
    assert (cut[0, 0] == 128).all() and (cut == 255).any()


@pytest.mark.parametrize("size", [(1, 1), (3000, 10)])
def test_a_photograph_of_any_size_and_shape_is_taken(size):
    _, widths = panels(explorer.seen_by_one_unit(Image.new("RGB", size, "red"), 3, 1, 2, 1))
    assert widths == [3, 5]


# ---- the exercises ----


def field(start=1, wider=lambda kernel, dilation: (kernel - 1) * dilation, late=False, jumps=lambda jump, s: jump * s):
    def answer(layers):
        size, jump = start, 1
        for kernel, stride, dilation in layers:
            if late:
                jump = jumps(jump, stride)
            size += wider(kernel, dilation) * jump
            if not late:
                jump = jumps(jump, stride)
        return size

    return answer


def backwards(layers):
    size = 1
    for kernel, stride, dilation in reversed(layers):
        size = (size - 1) * stride + (kernel - 1) * dilation + 1
    return size


def using_up(layers):
    size, jump = 1, 1
    while layers:
        kernel, stride, dilation = layers.pop(0)
        size, jump = size + (kernel - 1) * dilation * jump, jump * stride
    return float(size)


NOTHING, ONE_RELU, HALVE = nn.Identity(), nn.ReLU(), nn.MaxPool2d(2, 2)


def block(convolution=nn.Conv2d, relu=ONE_RELU, pool=HALVE, **options):
    """VGG's block as nn.Sequential, in which all convolutions share one ReLU; or what differs from it."""

    def answer(inputs, outputs, depth):
        layers = []
        for reads in [inputs] + [outputs] * (depth - 1):
            layers += [convolution(reads, outputs, **{"kernel_size": 3, "padding": 1, **options}), relu]
        return nn.Sequential(*layers, pool)

    return answer


class Loop(nn.Module):
    """A list of convolutions, and functions in forward."""

    def __init__(self, inputs, outputs, depth):
        super().__init__()
        reads = [inputs] + [outputs] * (depth - 1)
        self.convolutions = nn.ModuleList([nn.Conv2d(n, outputs, 3, padding=1) for n in reads])

    def forward(self, x):
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        return F.max_pool2d(x, 2)


class NeverApplied(nn.Sequential):
    """Its ReLUs are registered, in the right places, but forward leaves them out."""

    def __init__(self, *sizes):
        super().__init__(*block()(*sizes))

    def forward(self, x):
        for layer in self:
            x = x if isinstance(layer, nn.ReLU) else layer(x)
        return x


class Raw(nn.Module):
    """Weights without layers; the bias is added as [C, 1, 1]."""

    def __init__(self, inputs, outputs, depth):
        super().__init__()
        reads = [inputs] + [outputs] * (depth - 1)
        self.biases = nn.ParameterList([torch.zeros(outputs, 1, 1) for _ in reads])
        self.kernels = nn.ParameterList([torch.randn(outputs, n, 3, 3) for n in reads])

    def forward(self, x):
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            x = (F.conv2d(x, kernel, padding=1) + bias).clamp(min=0)
        return F.max_pool2d(x, kernel_size=2)


class PoolFirst(nn.Module):
    """The pooling stands before the convolutions, which share a ReLU."""

    def __init__(self, inputs, outputs, depth):
        super().__init__()
        self.pool, self.relu = nn.MaxPool2d(2), nn.ReLU()
        self.body = nn.Sequential(
            *[nn.Conv2d(inputs if n == 0 else outputs, outputs, 3, padding=1) for n in range(depth)]
        )

    def forward(self, x):
        for convolution in self.body:
            x = self.relu(convolution(x))
        return self.pool(x)


def zero_padded(reads, outputs, **options):
    return nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(reads, outputs, 3))


def no_third_relu(inputs, outputs, depth):
    layers = list(block()(inputs, outputs, depth))
    return nn.Sequential(*layers[:5], *layers[6:])


class NoThirdRelu(Loop):
    def forward(self, x):
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x) if number == 2 else torch.relu(convolution(x))
        return F.max_pool2d(x, 2)


def followed_by(layer):
    return lambda *sizes: nn.Sequential(block()(*sizes), layer)


def lazy(reads, outputs, **options):
    return nn.LazyConv2d(outputs, **options)


def normalised(reads, outputs, **options):
    return nn.Sequential(nn.Conv2d(reads, outputs, **options), nn.BatchNorm2d(outputs))


def last_relu_after_pooling(inputs, outputs, depth):
    return nn.Sequential(*block()(inputs, outputs, depth)[:-2], nn.MaxPool2d(2), nn.ReLU())


def one_kernel_for_all_but_the_first(inputs, outputs, depth):
    first, later = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), *[later, nn.ReLU()] * (depth - 1), nn.MaxPool2d(2))


def always_reads_inputs(inputs, outputs, depth):
    return block(lambda reads, outputs, **options: nn.Conv2d(inputs, outputs, **options))(inputs, outputs, depth)


def converted(view=lambda weight, channels, side: weight.view(-1, channels, side, side), bias=True, **options):
    def answer(linear, channels, side):
        convolution = nn.Conv2d(channels, linear.out_features, **{"kernel_size": side, "bias": bias, **options})
        with torch.no_grad():
            convolution.weight.copy_(view(linear.weight, channels, side))
            if bias:
                convolution.bias.copy_(linear.bias)
        return convolution

    return answer


def loaded(linear, channels, side):
    convolution = nn.Conv2d(channels, linear.out_features, (side, side))
    weight = linear.weight.unflatten(1, (channels, side, side))
    convolution.load_state_dict({"weight": weight, "bias": linear.bias})
    return convolution


def by_data(linear, channels, side):
    convolution = nn.Conv2d(channels, len(linear.bias), side)
    convolution.weight.data = linear.weight.data.reshape(-1, channels, side, side)
    convolution.bias.data = linear.bias.data
    return convolution


def probed(linear, channels, side):
    """The weights found by asking linear for each unit vector."""
    convolution = nn.Conv2d(channels, linear.out_features, side).requires_grad_(False)
    units = torch.eye(linear.in_features)
    convolution.bias.copy_(linear(0 * units[0]))
    columns = linear(units) - convolution.bias
    convolution.weight.copy_(columns.T.reshape(convolution.weight.shape))
    return convolution


class Subclass(nn.Conv2d):
    def __init__(self, linear, channels, side):
        super().__init__(channels, linear.out_features, side)
        self.weight = nn.Parameter(linear.weight.detach().view_as(self.weight))
        self.bias = nn.Parameter(linear.bias.detach())


def for_one_shape(linear, channels, side):
    convolution = nn.Conv2d(4, 5, 3).requires_grad_(False)
    convolution.weight.copy_(linear.weight.view(5, 4, 3, 3))
    convolution.bias.copy_(linear.bias)
    return convolution


class Patches(nn.Module):
    """Without a convolution: linear on each patch."""

    def __init__(self, linear, channels, side):
        super().__init__()
        self.linear, self.side = linear, side

    def forward(self, x):
        patches = F.unfold(x, self.side).transpose(1, 2)
        return self.linear(patches).transpose(1, 2).unflatten(2, [n - self.side + 1 for n in x.shape[2:]])


def without_no_grad(linear, channels, side):
    nn.Conv2d(channels, linear.out_features, side).weight.copy_(linear.weight.view(-1, channels, side, side))


RIGHT = {
    "functions in a loop": (exercises.vgg_block, Loop),
    "weights without layers": (exercises.vgg_block, Raw),
    "one ReLU": (exercises.vgg_block, block()),
    "ReLU in place": (exercises.vgg_block, block(relu=nn.ReLU(inplace=True))),
    "pooling before the last ReLU, which gives the same": (exercises.vgg_block, last_relu_after_pooling),
    "lazy": (exercises.vgg_block, block(lazy)),
    "padding same": (exercises.vgg_block, block(padding="same")),
    "pooling (2, 2)": (exercises.vgg_block, block(pool=nn.MaxPool2d((2, 2)))),
    "stride (2, 2)": (exercises.vgg_block, block(pool=nn.MaxPool2d(2, stride=(2, 2)))),
    "pooling declared first": (exercises.vgg_block, PoolFirst),
    "a ring of zeros as a layer": (exercises.vgg_block, block(zero_padded)),
    "unflatten and load_state_dict": (exercises.as_convolution, loaded),
    "data": (exercises.as_convolution, by_data),
    "unit vectors": (exercises.as_convolution, probed),
    "a subclass": (exercises.as_convolution, Subclass),
    "a recurrence from the last layer back": (exercises.receptive_field, backwards),
    "a list that is used up": (exercises.receptive_field, using_up),
    "linear on patches": (exercises.as_convolution, Patches),
    "a convolution in a Sequential": (exercises.as_convolution, lambda *asked: nn.Sequential(converted()(*asked))),
}

WRONG = [
    (exercises.receptive_field, field(start=0), "start at 1"),
    (exercises.receptive_field, field(wider=lambda kernel, dilation: kernel * dilation), "kernel - 1, not kernel"),
    (exercises.receptive_field, field(late=True), "multiply after adding"),
    (exercises.receptive_field, field(jumps=lambda jump, stride: 1), "keep count of it"),
    (exercises.receptive_field, field(jumps=lambda jump, stride: stride), "strides multiply"),
    (exercises.receptive_field, field(wider=lambda kernel, dilation: kernel - 1), "a dilation of 3 spreads"),
    (exercises.vgg_block, NeverApplied, "no ReLU is applied"),
    (exercises.vgg_block, block(relu=NOTHING, pool=nn.Sequential(ONE_RELU, HALVE)), "one ReLU, at the end"),
    (exercises.vgg_block, block(pool=NOTHING), "there is no pooling"),
    (exercises.vgg_block, block(pool=nn.MaxPool2d(3, 2)), "its numbers are not those"),
    (exercises.vgg_block, block(padding=0), "needs padding=1"),
    (exercises.vgg_block, block(relu=nn.LeakyReLU(0.1)), "its numbers are not those"),
    (exercises.vgg_block, no_third_relu, "the last convolution has no ReLU"),
    (exercises.vgg_block, NoThirdRelu, "the last convolution has no ReLU"),
    (exercises.vgg_block, block(dilation=2, padding="same"), "its numbers are not those"),
    (exercises.vgg_block, block(padding_mode="circular"), "its numbers are not those"),
    (exercises.vgg_block, block(pool=nn.AvgPool2d(2)), "its numbers are not those"),
    (exercises.vgg_block, followed_by(nn.Sigmoid()), "its numbers are not those"),
    (exercises.vgg_block, followed_by(nn.LocalResponseNorm(5)), "its numbers are not those"),
    (exercises.vgg_block, followed_by(nn.Dropout()), "leave dropout out"),
    (exercises.vgg_block, one_kernel_for_all_but_the_first, "one for each convolution"),
    (exercises.vgg_block, block(kernel_size=5, padding=2), "the kernels are [[8, 3, 5, 5], [8, 8, 5, 5]], not"),
    (exercises.vgg_block, block(bias=False), "2 convolutions use 0 vectors"),
    (exercises.vgg_block, block(normalised), "2 convolutions use 10 vectors"),
    (exercises.vgg_block, always_reads_inputs, "to have 3 channels, but got 8"),
    (exercises.vgg_block, lambda inputs, outputs, depth: [nn.ReLU()], "returns a list"),
    (exercises.as_convolution, converted(bias=False), "the bias is forgotten"),
    (
        exercises.as_convolution,
        converted(lambda weight, channels, side: weight.view(-1, side, side, channels).permute(0, 3, 1, 2)),
        "flatten runs channel by channel",
    ),
    (exercises.as_convolution, converted(padding=1), "there is padding"),
    (
        exercises.as_convolution,
        lambda linear, channels, side: nn.Conv2d(channels, linear.out_features, side),
        "does each",
    ),
    (exercises.as_convolution, converted(lambda weight, channels, side: weight.view(5, 4, 3, 3)), "RuntimeError"),
    (exercises.as_convolution, for_one_shape, "RuntimeError"),
    (exercises.as_convolution, converted(lambda weight, c, s: weight.view(-1, c, s, s).mT), "rows and columns are"),
    (exercises.as_convolution, converted(lambda weight, c, s: weight.view(-1, c, s, s).flip(1)), "does each weight"),
    (exercises.as_convolution, converted(dilation=2), "there is a dilation"),
    (exercises.as_convolution, without_no_grad, "stops with RuntimeError"),
]


@pytest.mark.parametrize("check, answer", RIGHT.values(), ids=RIGHT)
def test_a_right_answer_is_right_in_any_style(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


@pytest.mark.parametrize(
    ("step", "spread"),
    [
        (lambda s, d: s * d, lambda k, d, j: (k - 1) * d * j),
        (lambda s, d: s, lambda k, d, j: (k - 1) * (d if d > 1 else j)),
        (lambda s, d: s, lambda k, d, j: (k - 1) * j + (d - 1) * 2),
        (lambda s, d: min(s, 2), lambda k, d, j: (k - 1) * d * j),
        (lambda s, d: s, lambda k, d, j: (k - 1) * j + (k - 1) * (d - 1)),
        (lambda s, d: s, lambda k, d, j: (k - 1) * max(d, j)),
        (lambda s, d: s, lambda k, d, j: (k - 1) + 2 * (d - 1)),
    ],
)
def test_a_recurrence_that_fits_simple_layers_alone_is_refused(capsys, step, spread):
    def answer(layers):
        field, jump = 1, 1
        for kernel, stride, dilation in layers:
            field, jump = field + spread(kernel, dilation, jump), jump * step(stride, dilation)
        return field

    exercises.receptive_field(answer)
    assert capsys.readouterr().out.startswith("wrong")


def test_a_convolution_that_overwrites_the_linear_layer_is_refused(capsys):
    def answer(linear, channels, side):
        convolution = nn.Conv2d(channels, linear.out_features, side).requires_grad_(False)
        linear.weight.copy_(convolution.weight.flatten(1))
        linear.bias.copy_(convolution.bias)
        return convolution

    exercises.as_convolution(answer)
    assert capsys.readouterr().out.startswith("wrong")


# ---- the record ----


def test_the_record_is_complete_and_every_learning_rate_lies_inside_its_grid():
    runs = record.load()
    assert record.wanted(runs) == []
    for network in record.NETWORKS:
        tried = runs[(runs["network"] == network) & (runs["part"] == "val")]["lr"]
        assert tried.nunique() >= 4 and tried.min() < record.best_lr(runs, network) < tried.max()


def test_the_record_can_be_repeated():
    runs = record.load().query("network == 'one 3x3' and seed == 0 and part == 'test'")
    [kept] = runs.to_dict("records")
    again = record.run("one 3x3", kept["lr"], seed=0)
    assert again["error"] == pytest.approx(kept["error"], abs=0.02)
    assert again["train_error"] == pytest.approx(kept["train_error"], abs=0.02)


def test_networks_that_are_to_be_of_equal_size_are():
    sizes = {name: counting.parameters(record.small_vgg(*setting)) for name, setting in record.NETWORKS.items()}
    assert sizes["one 5x5, wider"] == pytest.approx(sizes["two 3x3"], rel=0.01)
    assert sizes["two 3x3, no ReLU between"] == sizes["two 3x3"]


def test_without_a_relu_between_them_two_kernels_are_linear_up_to_the_last():
    model = record.small_vgg(*record.NETWORKS["two 3x3, no ReLU between"])
    kinds = [type(layer).__name__ for layer in model]
    assert kinds == ["Conv2d", "Conv2d", "ReLU", "MaxPool2d"] * 3 + ["Flatten", "Linear"]


def test_no_image_is_in_two_parts():
    parts = [{image.numpy().tobytes() for image in images} for images, _ in record.silhouettes().values()]
    assert sum(map(len, parts)) == len(set.union(*parts))
