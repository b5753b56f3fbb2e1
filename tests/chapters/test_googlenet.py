"""03: GoogLeNet against the paper's table 1 and torchvision's network; the explorer; the checks of the exercises."""

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from helpers import counting
from helpers.architectures import googlenet
from helpers.architectures.googlenet import GoogLeNet, Inception
from helpers.chapters.googlenet import exercises, explorer

# Our rows of table 1: weights, and millions of mult-adds.
ROWS = {
    "conv1": (9_408, 118.0), "conv2": (114_688, 359.7), "3a": (163_328, 128.0), "3b": (388_096, 304.3),
    "4a": (375_552, 73.6), "4b": (448_512, 87.9), "4c": (509_440, 99.9), "4d": (604_672, 118.5), "4e": (867_328, 170.0),
    "5a": (1_042_432, 51.1), "5b": (1_442_816, 70.7), "fc": (1_024_000, 1.0),
}  # fmt: skip
SHAPES = {
    "3a": (256, 28, 28), "3b": (480, 28, 28), "4a": (512, 14, 14), "4b": (512, 14, 14), "4c": (512, 14, 14),
    "4d": (528, 14, 14), "4e": (832, 14, 14), "5a": (832, 7, 7), "5b": (1024, 7, 7),
}  # fmt: skip


def without_weights(build, *arguments, **options):
    with torch.device("meta"):
        return build(*arguments, **options)


def randomised(model):
    """Weights that keep the signal's size, so that a difference at the input shows at the output."""
    torch.manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return model


def stage(layer):
    return layer.partition(".")[0].removeprefix("inception").replace("conv3", "conv2")


# ---- the network ----


def test_weights_and_mult_adds_are_those_of_table_1():
    model = without_weights(GoogLeNet, heads=False)
    rows = [row for row in counting.count(model) if row.parameters]
    for name, (weights, mega_mult_adds) in ROWS.items():
        mine = [row for row in rows if stage(row.layer) == name]
        assert sum(model.get_submodule(row.layer).weight.numel() for row in mine) == weights
        assert round(counting.totals(mine).mult_adds / 1e6, 1) == mega_mult_adds
    whole = counting.totals(rows)
    assert (whole.parameters, whole.mult_adds) == (6_998_552, 1_582_671_872)
    assert counting.parameters(without_weights(GoogLeNet)) == whole.parameters + 3_188_840 + 3_190_888  # the heads


def test_22_layers_with_weights_from_image_to_classes():
    rows = counting.count(without_weights(GoogLeNet, heads=False))
    outside = [row for row in rows if row.parameters and ".branch" not in row.layer]
    assert len(outside) + 2 * len(googlenet.TABLE_1) == 22


def shapes_out_of_modules(model):
    shapes = []
    for name in SHAPES:
        module = model.get_submodule(f"inception{name}")
        module.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
    model.eval()(torch.zeros(1, 3, 224, 224, device="meta"))
    return shapes


def test_modules_put_out_the_papers_shapes_as_torchvisions_do():
    theirs = without_weights(torchvision.models.googlenet, aux_logits=False, init_weights=False)
    assert shapes_out_of_modules(theirs) == list(SHAPES.values())
    assert shapes_out_of_modules(without_weights(GoogLeNet)) == list(SHAPES.values())


def test_torchvisions_wiring_with_the_papers_blocks_agrees():
    """Its frame, our blocks, and the paper's poolings and normalisations: the same names, shapes and outputs."""
    blocks = [googlenet.convolution, Inception, googlenet.AuxiliaryHead]
    theirs = randomised(torchvision.models.GoogLeNet(blocks=blocks, init_weights=False).eval())
    ours = without_weights(GoogLeNet).eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)
    theirs.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    theirs.maxpool1 = nn.Sequential(theirs.maxpool1, ours.norm)
    theirs.conv3 = nn.Sequential(theirs.conv3, ours.norm)
    image = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        logits = ours(image)
        assert logits.std() > 0.1
        torch.testing.assert_close(logits, theirs(image), atol=1e-5, rtol=0)
    for model in (ours, theirs):  # the heads too, which run in training mode only; no dropout, to be compared
        model.train()
        for layer in model.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    with torch.no_grad():
        mine, other = ours(image), theirs(image)
    assert min(logits.std() for logits in mine) > 0.1
    torch.testing.assert_close(mine.aux1, other.aux_logits1, atol=1e-5, rtol=0)
    torch.testing.assert_close(mine.aux2, other.aux_logits2, atol=1e-5, rtol=0)


def test_the_heads_reach_only_what_lies_below_them():
    model = randomised(GoogLeNet(classes=10))
    logits = model(torch.randn(1, 3, 224, 224))
    reached = {}
    for head, loss in (("aux1", logits.aux1), ("aux2", logits.aux2)):
        model.zero_grad()
        loss.sum().backward(retain_graph=True)
        layers = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        reached[head] = {stage(name) for name in layers} & set(googlenet.TABLE_1)
    assert reached == {"aux1": {"3a", "3b", "4a"}, "aux2": {"3a", "3b", "4a", "4b", "4c", "4d"}}


def test_without_heads_training_gives_logits_alone():
    assert GoogLeNet(classes=10, heads=False).train()(torch.randn(2, 3, 64, 64)).shape == (2, 10)


# ---- the explorer ----


def test_the_explorers_costs_are_those_of_the_modules():
    inputs = 192
    for widths in googlenet.TABLE_1.values():
        branches = explorer.inception_branches(inputs, *widths)
        rows = counting.count(without_weights(Inception, inputs, *widths), (inputs, 28, 28))
        cost = sum(branch.mega_mult_adds for branch in branches)
        assert round(cost * 1e6) == counting.totals(rows).mult_adds
        inputs = sum(branch.channels for branch in branches)
    assert inputs == 1024


def test_the_explorer_counts_branches_without_reduction():
    branches = explorer.inception_branches(192, 64, 0, 128, 0, 32, 0)
    kernels = [nn.Conv2d(192, outputs, side, bias=False) for outputs, side in ((64, 1), (128, 3), (32, 5))]
    assert [branch.reduction + branch.kernel for branch in branches[:3]] == list(map(counting.parameters, kernels))
    assert [branch.channels for branch in branches] == [64, 128, 32, 192]


@pytest.mark.parametrize("reduce_3, reduce_5, pool", [(96, 16, 32), (0, 0, 0)])
def test_the_explorers_bars_add_up_to_its_titles(reduce_3, reduce_5, pool):
    widths = {"one": 64, "reduce_3": reduce_3, "three": 128, "reduce_5": reduce_5, "five": 32, "pool": pool}
    fig = explorer.inception_cost(inputs=192, **widths)
    cost, channels = (sum(patch.get_width() for patch in ax.patches) for ax in fig.axes)
    assert fig.axes[0].get_title() == f"{cost:,.0f} M mult-adds, naive 303 M"
    assert fig.axes[1].get_title().endswith(f" {channels} channels")
    plt.close(fig)


# ---- the exercises ----


MAXIMA, NOTHING = nn.MaxPool2d(3, stride=1, padding=1), nn.Identity()


def per_pixel(x, weight, bias):
    return F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


def reshaped(x, weight, bias):
    return F.linear(x.permute(0, 2, 3, 1), weight, bias).reshape(x.shape)


def join(parts):
    return torch.cat(parts, dim=1)


class Block(nn.Module):
    """The right module, but for what the options change."""

    def __init__(
        self, inputs, one, reduce_3, three, reduce_5, five, pool,
        inner=torch.relu, outer=torch.relu, pooling=MAXIMA, join=join, padding=2, bias=True,
    ):  # fmt: skip
        super().__init__()
        self.inner, self.outer, self.pooling, self.join = inner, outer, pooling, join
        self.one = nn.Conv2d(inputs, one, 1, bias=bias)
        self.reduce_3, self.three = nn.Conv2d(inputs, reduce_3, 1), nn.Conv2d(reduce_3, three, 3, padding=1)
        self.reduce_5, self.five = nn.Conv2d(inputs, reduce_5, 1), nn.Conv2d(reduce_5, five, 5, padding=padding)
        self.project = nn.Conv2d(inputs, pool, 1)

    def forward(self, x):
        three = self.outer(self.three(self.inner(self.reduce_3(x))))
        five = self.outer(self.five(self.inner(self.reduce_5(x))))
        return self.join([self.outer(self.one(x)), three, five, self.outer(self.project(self.pooling(x)))])


def block(**options):
    return lambda *widths: Block(*widths, **options)


class WithoutReduction(Block):
    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool):
        super().__init__(inputs, one, reduce_3, three, inputs, five, pool)
        self.reduce_5 = nn.Identity()


class InAList(nn.Module):
    def __init__(self, inputs, *widths):
        super().__init__()
        self.branches = [nn.Conv2d(inputs, 4, 1) for _ in range(4)]

    def forward(self, x):
        return join([branch(x) for branch in self.branches])


class Lazy(nn.Module):
    """Right: one ReLU for all, layers that find out their inputs, and the last branch computed first."""

    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        reduce_3, reduce_5 = (nn.Sequential(nn.LazyConv2d(width, 1), self.relu) for width in (reduce_3, reduce_5))
        self.branches = nn.ModuleList(
            [
                nn.LazyConv2d(one, 1),
                nn.Sequential(reduce_3, nn.LazyConv2d(three, 3, padding="same")),
                nn.Sequential(reduce_5, nn.LazyConv2d(five, 5, padding="same")),
                nn.Sequential(nn.MaxPool2d((3, 3), (1, 1), (1, 1)), nn.LazyConv2d(pool, 1)),
            ]
        )

    def forward(self, x):
        outputs = [branch(x) for branch in reversed(self.branches)]
        return self.relu(join(outputs[::-1]))


class Permute(nn.Module):
    def __init__(self, *order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(self.order)


class ByLinear(Block):
    """Right: a 1x1 convolution as the linear layer that it is."""

    def __init__(self, inputs, one, *widths):
        super().__init__(inputs, one, *widths)
        self.one = nn.Sequential(Permute(0, 2, 3, 1), nn.Linear(inputs, one), Permute(0, 3, 1, 2))


def padded(one, three, five):
    return torch.cat([F.pad(one, (2, 2, 2, 2)), F.pad(three, (1, 1, 1, 1)), five])


def written_into_zeros(one, three, five):
    kernels = torch.zeros(7, 4, 5, 5)
    kernels[:2, :, 2:3, 2:3], kernels[2:5, :, 1:4, 1:4], kernels[5:] = one, three, five
    return kernels


def in_a_corner(one, three, five):
    return torch.cat([F.pad(one, (0, 4, 0, 4)), F.pad(three, (0, 2, 0, 2)), five])


WRONG = [
    (exercises.one_by_one, lambda x, weight, bias: per_pixel(x, weight, None), "the bias is forgotten"),
    (exercises.one_by_one, lambda x, weight, bias: per_pixel(x, weight.T, bias), "the wrong way round"),
    (exercises.one_by_one, F.linear, "reads the width"),
    (exercises.one_by_one, reshaped, "reshape mixes them up"),
    (exercises.one_by_one, lambda *given: per_pixel(*given).permute(0, 2, 3, 1), "back to dimension 1"),
    (exercises.inception, block(join=torch.cat), "it stops: torch.cat(…, dim=1)"),
    (exercises.inception, block(join=lambda parts: join(parts[:3])), "comes out as [2, 15, 9, 9]"),
    (exercises.inception, block(join=lambda parts: join(parts[::-1])), "in this order"),
    (exercises.inception, block(padding=1), "3x3, 5x5 and pooling need padding"),
    (exercises.inception, block(pooling=nn.MaxPool2d(3, padding=1)), "a stride of 1"),
    (exercises.inception, block(inner=NOTHING, outer=NOTHING), "there is no ReLU"),
    (exercises.inception, block(inner=NOTHING), "the reductions have no ReLU"),
    (exercises.inception, block(outer=NOTHING), "last convolutions have no ReLU"),
    (exercises.inception, block(pooling=NOTHING), "the pooling is forgotten"),
    (exercises.inception, block(pooling=nn.AvgPool2d(3, 1, 1)), "the last takes 3x3 maxima first"),
    (exercises.inception, block(bias=False), "no weights of the shapes [[3]]"),
    (exercises.inception, WithoutReduction, "no weights of the shapes [[2, 6, 1, 1], [2], [7, 2, 5, 5]]"),
    (exercises.inception, InAList, "layers in a plain list are not found"),
    (exercises.one_kernel, in_a_corner, "in a corner"),
    (exercises.one_kernel, lambda *kernels: padded(*kernels)[:1], "not [7, 4, 5, 5]"),
    (exercises.one_kernel, lambda *kernels: padded(*kernels).flip(2, 3), "put zeros around"),
]

RIGHT = [
    (exercises.one_by_one, per_pixel),
    (exercises.one_by_one, lambda x, weight, bias: (weight @ x.flatten(2)).view(x.shape) + bias[:, None, None]),
    (exercises.one_by_one, lambda *given: per_pixel(*given).numpy()),
    (exercises.inception, Inception),
    (exercises.inception, Block),
    (exercises.inception, Lazy),
    (exercises.inception, ByLinear),
    (exercises.one_kernel, padded),
    (exercises.one_kernel, written_into_zeros),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


@pytest.mark.parametrize("check, answer", RIGHT)
def test_a_right_answer_is_right_in_any_style(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")
