"""03: GoogLeNet against the paper's table 1 and torchvision's network; the explorer; the checks of the exercises."""

import contextlib
import functools
import re

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from helpers import ROOT, counting, plotting
from helpers.architectures import googlenet
from helpers.architectures.googlenet import GoogLeNet, Inception
from helpers.chapters.googlenet import exercises, explorer, heads, needles
from helpers.chapters.googlenet.record import Record

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
SAME = {"kernel_size": 3, "stride": 1, "padding": 1}


def for_as_many_outputs_alone(x, weight, bias):
    return (weight @ x.flatten(2)).view(x.shape) + bias[:, None, None]


def zeros(x, layer):
    return torch.zeros(len(x), layer.out_channels, *x.shape[2:])


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
        inner=torch.relu, outer=torch.relu, first=None, project=None, pooling=MAXIMA, join=join, padding=2, bias=True,
        seen=NOTHING,
    ):  # fmt: skip
        super().__init__()
        self.after_one, self.after_pool, self.seen = first or outer, project or outer, seen
        self.inner, self.outer, self.pooling, self.join = inner, outer, pooling, join
        self.one = nn.Conv2d(inputs, one, 1, bias=bias)
        self.reduce_3, self.three = nn.Conv2d(inputs, reduce_3, 1), nn.Conv2d(reduce_3, three, 3, padding=1)
        self.reduce_5, self.five = nn.Conv2d(inputs, reduce_5, 1), nn.Conv2d(reduce_5, five, 5, padding=padding)
        self.project = nn.Conv2d(inputs, pool, 1)

    def forward(self, x):
        x = self.seen(x)
        three = self.outer(self.three(self.inner(self.reduce_3(x))))
        five = self.outer(self.five(self.inner(self.reduce_5(x))))
        pooled = self.after_pool(self.project(self.pooling(x)))
        return self.join([self.after_one(self.one(x)), three, five, pooled])


def block(**options):
    return lambda *widths: Block(*widths, **options)


class WithoutReduction(Block):
    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool):
        super().__init__(inputs, one, reduce_3, three, inputs, five, pool)
        self.reduce_5 = nn.Identity()


class WithNorm(Block):
    def __init__(self, inputs, one, *widths):
        super().__init__(inputs, one, *widths)
        self.one = nn.Sequential(self.one, nn.BatchNorm2d(one))


class WithDeadPooling(Block):
    """The last branch is zeros, and its layer is not used."""

    def forward(self, x):
        three, five = self.three(self.reduce_3(x).relu()), self.five(self.reduce_5(x).relu())
        return torch.cat([self.one(x).relu(), three.relu(), five.relu(), zeros(x, self.project)], dim=1)


class WithZeros(Block):
    """The last branch is used, and comes out as zeros."""

    def forward(self, x):
        parts = super().forward(x)
        return parts * (torch.arange(parts.shape[1]) < parts.shape[1] - self.project.out_channels)[:, None, None]


class FixedWidths(Block):
    """Right for the first widths of the check, whatever it is asked for."""

    def __init__(self, *widths):
        super().__init__(*exercises.WIDTHS[0])


class Joined(nn.Module):
    """Right: the three 1x1 that read x as one, split afterwards; kernels without layers."""

    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool):
        super().__init__()
        self.sizes = [reduce_5, one, reduce_3]
        self.readers = nn.Conv2d(inputs, sum(self.sizes), 1)
        self.kernel_3, self.bias_3 = nn.Parameter(torch.randn(three, reduce_3, 3, 3)), nn.Parameter(torch.zeros(three))
        self.kernel_5, self.bias_5 = nn.Parameter(torch.randn(five, reduce_5, 5, 5)), nn.Parameter(torch.zeros(five))
        self.project = nn.Conv2d(inputs, pool, 1)

    def forward(self, x):
        for_5, one, for_3 = self.readers(x).relu().split(self.sizes, dim=1)
        three = F.conv2d(for_3, self.kernel_3, self.bias_3, padding=1)
        five = F.conv2d(for_5, self.kernel_5, self.bias_5, padding=2)
        pooled = self.project(F.max_pool2d(x, 3, 1, 1))
        return torch.cat([one, three.relu(), five.relu(), pooled.relu()], 1)


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
    (exercises.one_by_one, lambda x, weight, bias: per_pixel(x, weight, None) + bias, "along the width"),
    (exercises.one_by_one, lambda *given: per_pixel(*given).relu(), "a ReLU follows"),
    (exercises.one_by_one, lambda x, w, b: per_pixel(x, w, 2 * b), "the bias counts twice"),
    (exercises.one_by_one, lambda *given: per_pixel(*given)[:1], "of 2 images it gives 1"),
    (exercises.one_by_one, lambda *given: per_pixel(*given).tolist(), "it returns a list"),
    (exercises.one_by_one, lambda x, w, b: F.conv3d(x[None], w[None, ..., None, None], b), "that is a convolution"),
    (exercises.one_by_one, F.linear, "reads the width"),
    (exercises.one_by_one, reshaped, "reshape mixes them up"),
    (exercises.one_by_one, lambda *given: per_pixel(*given).permute(0, 2, 3, 1), "back to dimension 1"),
    (exercises.one_by_one, lambda *given: per_pixel(*given).transpose(2, 3), "height and width have changed places"),
    (exercises.one_by_one, lambda x, w, b: F.conv2d(x, w[..., None, None], b), "that is a convolution"),
    (exercises.one_by_one, for_as_many_outputs_alone, "take their number from the weight"),
    (exercises.inception, block(join=torch.cat), "it stops: torch.cat(…, dim=1)"),
    (exercises.inception, block(join=lambda parts: join(parts[:3])), "comes out as [2, 15, 9, 9]"),
    (exercises.inception, block(join=lambda parts: join(parts[::-1])), "in this order"),
    (exercises.inception, block(padding=1), "3x3, 5x5 and pooling need padding"),
    (exercises.inception, block(pooling=nn.MaxPool2d(3, padding=1)), "a stride of 1"),
    (exercises.inception, block(inner=NOTHING, outer=NOTHING), "there is no ReLU"),
    (exercises.inception, block(inner=NOTHING), "the reductions have no ReLU"),
    (exercises.inception, block(outer=NOTHING), "last convolutions have no ReLU"),
    (exercises.inception, block(pooling=NOTHING), "the pooling is forgotten"),
    (exercises.inception, block(pooling=nn.AvgPool2d(3, 1, 1)), "takes averages"),
    (
        exercises.inception,
        block(pooling=functools.partial(F.avg_pool2d, **SAME, count_include_pad=False)),
        "of the map",
    ),
    (exercises.inception, block(pooling=nn.MaxPool2d(5, 1, 2)), "the pooling is 5x5"),
    (exercises.inception, block(inner=F.leaky_relu, outer=F.leaky_relu), "leaky"),
    (exercises.inception, block(project=NOTHING), "there is no ReLU after the projection"),
    (exercises.inception, block(first=NOTHING), "there is no ReLU after the 1x1 branch"),
    (exercises.inception, block(seen=lambda x: 3 * x + 5), "read x as it is"),
    (exercises.inception, WithNorm, "leave batch norm out"),
    (exercises.inception, WithDeadPooling, "no weights of the shapes [[8, 6, 1, 1], [8]]"),
    (exercises.inception, WithZeros, "the numbers are wrong"),
    (exercises.inception, FixedWidths, "expected input[2, 5, 9, 9] to have 6 channels"),
    (exercises.inception, block(bias=False), "no weights of the shapes [[3]]"),
    (exercises.inception, WithoutReduction, "no weights of the shapes [[2, 6, 1, 1], [2], [7, 2, 5, 5]]"),
    (exercises.inception, InAList, "layers in a plain list are not found"),
    (exercises.one_kernel, in_a_corner, "in a corner"),
    (exercises.one_kernel, lambda *kernels: padded(*kernels)[:1], "not [7, 4, 5, 5]"),
    (exercises.one_kernel, lambda *kernels: padded(*kernels).flip(2, 3), "put zeros around"),
]

RIGHT = [
    (exercises.one_by_one, per_pixel),
    (
        exercises.one_by_one,
        lambda x, weight, bias: (weight @ x.flatten(2)).unflatten(2, x.shape[2:]) + bias[:, None, None],
    ),
    (exercises.one_by_one, lambda x, weight, bias: torch.einsum("nchw,oc->nohw", x, weight) + bias.view(-1, 1, 1)),
    (exercises.one_by_one, lambda *given: per_pixel(*given).numpy()),
    (exercises.inception, Inception),
    (exercises.inception, Block),
    (exercises.inception, Lazy),
    (exercises.inception, ByLinear),
    (exercises.inception, Joined),
    (exercises.one_kernel, padded),
    (exercises.one_kernel, written_into_zeros),
    (exercises.one_kernel, lambda *kernels: padded(*kernels).double().numpy()),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


@pytest.mark.parametrize("check, answer", RIGHT)
def test_a_right_answer_is_right_in_any_style(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")


# ---- the records ----


def test_the_record_is_complete_and_every_learning_rate_lies_inside_its_grid():
    runs = needles.load()
    jobs = [(300, network) for network in needles.NETWORKS] + [(1200, network) for network in needles.LONG]
    for steps, network in jobs:
        mine = runs[(runs["network"] == network) & (runs["steps"] == steps)]
        trials, tests = mine[mine["part"] == "val"], mine[mine["part"] == "test"]
        best = needles.best_lr(runs, network, steps)
        assert trials["lr"].min() < best < trials["lr"].max() and trials["lr"].nunique() >= 4
        assert set(trials["seed"]) == set(needles.CHOOSING[steps])
        assert sorted(tests["seed"]) == list(needles.REPORTING) and set(tests["lr"]) == {best}


def test_the_record_can_be_repeated():
    runs = needles.load().query("network == '3x3' and steps == 300 and seed == 0 and part == 'test'")
    [kept] = runs.to_dict("records")
    again = needles.accuracy("3x3", 300, kept["lr"], seed=0)
    assert again["24 px"] == pytest.approx(kept["24 px"], abs=0.2) and again["3 px"] > 0.7


def test_networks_are_of_equal_size_but_for_the_control_and_the_stack():
    sizes = {name: counting.parameters(build()) for name, build in needles.NETWORKS.items()}
    control, stack = sizes.pop("7x7 with 19 channels"), sizes.pop("five layers of 3x3")
    assert all(3_400 < size < 3_700 for size in sizes.values()) and stack == 3_828 and control == 18_818


def test_a_run_is_measured_once_and_kept(tmp_path):
    asked = []

    def measure(lr):
        asked.append(lr)
        return {"loss": lr / 3}

    for _ in range(2):
        Record(tmp_path / "runs.csv", ["lr"], measure).need(lr=0.1)
    assert asked == [0.1]
    text = (tmp_path / "runs.csv").read_text()
    assert "# machine: " in text and "# commit: " in text and "PyTorch" in text and text.endswith("0.1,0.03333\n")


def test_the_head_reaches_the_lower_half_alone():
    model = heads.Deep()
    model(torch.randn(4, 1, 14, 14))[1].sum().backward()
    reached = {name.partition(".")[0] for name, each in model.named_parameters() if each.grad is not None}
    assert reached == {"lower", "head"}


# ---- the claim on auxiliary heads ----


class Detached(googlenet.AuxiliaryHead):
    """A head that nothing of the network hears of."""

    def forward(self, x):
        return super().forward(x.detach())


def section(heading):
    """The code of a notebook's section, from its heading to the next one."""
    cells = nbformat.read(ROOT / "notebooks/03_googlenet.ipynb", as_version=4).cells
    starts = [number for number, cell in enumerate(cells) if re.match(r"##? |### ", cell.source)]
    start = next(number for number in starts if cells[number].source.startswith(heading))
    end = min(number for number in starts if number > start)
    return [cell.source for cell in cells[start:end] if cell.cell_type == "code"]


@pytest.mark.parametrize("head", [googlenet.AuxiliaryHead, Detached])
def test_the_claim_on_auxiliary_heads_needs_heads(head, monkeypatch):
    monkeypatch.setattr(googlenet, "AuxiliaryHead", head)
    monkeypatch.setattr(plotting, "show", lambda figure, alt: plt.close(figure))
    cells = nbformat.read(ROOT / "notebooks/03_googlenet.ipynb", as_version=4).cells
    setup, names = next(cell.source for cell in cells if cell.cell_type == "code"), {}
    exec(setup.partition("plotting.use_style")[0].partition("sys.path.insert(0, str(course))")[2], names)
    expected = pytest.raises(AssertionError) if head is Detached else contextlib.nullcontext()
    with expected:
        for source in section("## 9. "):
            exec(source.replace("range(3)", "range(1)").replace("seed 2", "seed 0"), names)
