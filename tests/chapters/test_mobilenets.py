"""05: MobileNet against the paper's tables, the parts that EfficientNet-Lite0 shares, the record, the timing cells on
other kernels, the explorer, the exercises."""

import copy
import functools
import time

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import ROOT, catalogue, counting, plotting, pretrained, timing
from helpers.architectures import efficientnet, mobilenet
from helpers.chapters.mobilenets import exercises, explorer, paper, record
from helpers.errors import CourseError

DENSE = {"block": mobilenet.conv_norm_act}
CELLS = nbformat.read(ROOT / "notebooks/05_mobilenets.ipynb", as_version=4).cells


def count(options, side=224):
    with torch.device("meta"):
        model = mobilenet.MobileNet(**options)
    return counting.count(model, (3, side, side))


# ---- the network ----


@pytest.mark.parametrize(
    "options, side, parameters, mult_adds",
    [
        ({}, 224, 4_231_976, 568_740_352),
        (DENSE, 224, 29_294_088, 4_867_293_184),
        ({"blocks": mobilenet.SHALLOW}, 224, 2_887_976, 307_323_392),
        ({"width": 0.75}, 224, 2_585_560, 325_400_448),
        ({"width": 0.25}, 224, 470_072, 41_030_272),
        ({}, 128, 4_231_976, 186_400_768),
    ],
)
def test_parameters_and_mult_adds(options, side, parameters, mult_adds):
    rows = count(options, side)
    totals = counting.totals(rows)
    assert (totals.parameters, totals.mult_adds) == (parameters, mult_adds)
    assert rows[-1].shape == (1000,)


def test_maps_of_table_1():
    shapes = [row.shape for row in count({}) if row.kind == "SameConv2d"]
    sides = [112] * 3 + [56] * 4 + [28] * 4 + [14] * 12 + [7] * 4
    assert [shape[1:] for shape in shapes] == [(side, side) for side in sides]
    assert [shape[0] for shape in shapes[::2]] == [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]


def test_block_is_depthwise_then_pointwise_each_with_norm_and_relu6():
    torch.manual_seed(0)
    block = nn.Sequential(*mobilenet.depthwise_separable(4, 6, stride=2)).eval()
    depthwise, pointwise = (layer for layer in block if isinstance(layer, nn.Conv2d))
    x = 20 * torch.randn(2, 4, 7, 7)  # odd: TensorFlow's padding is symmetric
    with torch.no_grad():
        filtered = torch.cat([F.conv2d(x[:, [c]], depthwise.weight[[c]], stride=2, padding=1) for c in range(4)], dim=1)
        mixed = torch.einsum("nc,bchw->bnhw", pointwise.weight[:, :, 0, 0], (filtered / 1.001**0.5).clamp(0, 6))
        torch.testing.assert_close(block(x), (mixed / 1.001**0.5).clamp(0, 6), atol=1e-5, rtol=1e-5)
        assert (filtered > 6).any() and (filtered < 0).any()


@pytest.mark.parametrize("options", [{}, DENSE, {"width": 0.25}, {"classes": 7}, {"blocks": mobilenet.SHALLOW}])
def test_photographs_of_any_size(options):
    model = mobilenet.MobileNet(**options).eval()
    with torch.inference_mode():
        for size in ((96, 96), (33, 70)):
            logits = model(torch.randn(2, 3, *size))
            assert logits.shape == (2, options.get("classes", 1000)) and logits.isfinite().all()


def test_a_width_without_channels_is_refused():
    with pytest.raises(CourseError, match=r"^A width of 0.01 leaves no channel .*\.$"):
        mobilenet.MobileNet(width=0.01)
    assert mobilenet.MobileNet(width=0.05).features[0].out_channels == 2


def test_efficientnet_lite0_is_built_of_the_same_parts():
    block = efficientnet.InvertedResidual(8, 8, kernel=5, stride=1, expansion=6)
    kinds = [type(layer).__name__ for layer in block.layers]
    assert kinds == ["SameConv2d", "BatchNorm2d", "ReLU6"] * 2 + ["SameConv2d", "BatchNorm2d"]
    expand, depthwise, project = (layer for layer in block.layers if isinstance(layer, mobilenet.SameConv2d))
    assert (expand.kernel_size, depthwise.kernel_size, project.kernel_size) == ((1, 1), (5, 5), (1, 1))
    assert (depthwise.groups, project.out_channels) == (48, 8)


# ---- timing ----


def work(milliseconds):
    end = time.process_time() + milliseconds / 1e3
    while time.process_time() < end:
        pass


def test_times_are_of_computing_not_of_waiting():
    found = timing.cpu_time({"short": lambda: work(4), "long": lambda: work(16), "sleeps": lambda: time.sleep(0.03)}, 5)
    assert list(found) == ["short", "long", "sleeps"]
    assert 0.004 <= found["short"] < 0.010 and 0.016 <= found["long"] < 0.025 and found["sleeps"] < 0.003


def test_times_are_medians_and_leave_out_the_first_round():
    lengths = iter([60, 2, 2, 2, 60, 2])
    assert timing.cpu_time({0: lambda: work(next(lengths))}, rounds=5)[0] < 0.01


def test_timing_gives_the_threads_back_and_keeps_no_gradients():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        modes = []
        layer = nn.Linear(2, 2)
        timing.cpu_time({0: lambda: modes.append((torch.get_num_threads(), layer(torch.ones(2)).requires_grad))}, 1)
        assert modes == [(1, False)] * 2 and torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError):
            timing.cpu_time({0: lambda: 1 / 0})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# ---- the record, and the cells of the notebook ----


def code(first, last=""):
    """The code of the notebook's cells from the first one that has `first` in it to the first later one with `last`."""
    start = next(number for number, cell in enumerate(CELLS) if first in cell.source)
    end = next(number for number, cell in enumerate(CELLS) if number >= start and (last or first) in cell.source)
    return "\n".join(cell.source for cell in CELLS[start : end + 1] if cell.cell_type == "code")


def test_each_network_was_recorded_and_has_its_best_learning_rate_inside_the_grid():
    known = record.read()
    for kind in record.KINDS:
        of = known[known.kind == kind]
        assert set(of[of.seed == record.CHOOSING].lr) == set(record.RATES)
        assert min(record.RATES) < record.best_lr(known, kind) < max(record.RATES)
        reported = of[of.seed != record.CHOOSING]
        assert set(reported[reported.epochs == record.EPOCHS].seed) == set(record.REPORTING)
        assert 0 in set(reported[reported.epochs == record.LONG].seed)
        assert set(reported.lr) == {record.best_lr(known, kind)}


def test_a_part_of_the_record_repeats():
    known = record.read()
    lr = record.best_lr(known, "thin dense")
    of = (known.kind == "thin dense") & (known.seed == 0) & (known.epochs == record.EPOCHS)
    found = record.measure(record.EPOCHS, "thin dense", lr, seed=0)
    assert found["test_error"] == pytest.approx(known[of].test_error.item(), abs=0.015)


def test_no_image_serves_two_purposes():
    parts = [{image.numpy().tobytes() for image in images} for images, _ in record.parts()]
    assert [len(part) for part in parts] == [3110, 1555, 1941] and len(set.union(*parts)) == sum(map(len, parts))


@pytest.mark.parametrize("kind", record.KINDS)
def test_the_notebook_trains_as_the_record_does(kind, monkeypatch):
    images, labels = (part[:96] for part in record.parts()[0])
    monkeypatch.setattr(record, "parts", lambda: [(images, labels)])
    names = {"nn": nn, "F": F, "torch": torch, "images": images, "labels": labels}
    layer = code("def layer(").partition("def layer(")
    exec(layer[1] + layer[2] + "\n" + code("def build(") + "\n" + code("def fit("), names)
    torch.manual_seed(0)
    own = names["build"](kind)
    names["fit"](own, lr=0.01)
    recorded = record.run(kind, lr=0.01, seed=0, epochs=3)
    for found, wanted in zip(own.state_dict().values(), recorded.state_dict().values(), strict=True):
        torch.testing.assert_close(found, wanted)


def test_thin_dense_costs_a_little_more_than_separable():
    thin, separable = (
        counting.totals(counting.count(record.build(kind), (1, 28, 28))) for kind in ("thin dense", "separable")
    )
    assert 1 < thin.mult_adds / separable.mult_adds < 1.06 and 1 < thin.parameters / separable.parameters < 1.06


def test_the_claim_of_the_trade_off_can_fail():
    known = record.read()
    known = known[known.seed != record.CHOOSING].assign(accuracy=lambda rows: 100 * (1 - rows.test_error))
    longer = known.groupby(["epochs", "kind"])["accuracy"].agg(["min", "mean", "max"])
    live = longer.loc[record.EPOCHS, ["mean"]].set_axis(["live, accuracy, %"], axis="columns")
    source = next(cell.source for cell in CELLS if "claim:mobilenet-tradeoff" in cell.metadata.get("tags", []))
    exec(source, {"live": live, "longer": longer})
    exchange = {"thin dense": "separable", "separable": "thin dense"}
    with pytest.raises(AssertionError):
        exec(source, {"live": live.rename(exchange), "longer": longer})
    with pytest.raises(AssertionError):
        exec(source, {"live": live, "longer": longer.rename(exchange, level="kind")})


@pytest.mark.parametrize("threads, mkldnn", [(2, True), (1, False)])
def test_what_is_said_of_time_holds_on_other_kernels(threads, mkldnn, monkeypatch):
    """The cells that time, from section 9's first to the claims; with one round each, to be quick."""
    few, was_on, before = timing.cpu_time, torch.backends.mkldnn.enabled, torch.get_num_threads()
    monkeypatch.setattr(timing, "cpu_time", lambda calls, rounds=1: few(calls, rounds=1))
    source = code("def prepared(", "fold_seconds") + "\n" + code("def design(", "per_mult_add")
    source += "\n" + code("rows = []\nfor (width, side)") + "\n" + code("plain = (", "is_mobile = ")
    source += "\n" + code("alexnet = profile")
    networks = {name: pretrained.load(name) for name in pretrained.EMBEDDED}
    names = {"copy": copy, "functools": functools, "np": np, "pd": pd, "plt": plt, "torch": torch, "nn": nn}
    names |= {"catalogue": catalogue, "counting": counting, "mobilenet": mobilenet, "plotting": plotting}
    names |= {"timing": timing, "explorer": explorer, "paper": paper, "DENSE": DENSE}
    names |= {"pretrained_networks": networks, "efficient": networks["efficientnet_lite0"]}
    explorer.measure.cache_clear()
    torch.backends.mkldnn.enabled = mkldnn
    torch.set_num_threads(threads)
    try:
        exec(source, names)
    finally:
        torch.backends.mkldnn.enabled = was_on
        torch.set_num_threads(before)
        explorer.measure.cache_clear()
    [claim] = [cell.source for cell in CELLS if "claim:mobilenet-realtime" in cell.metadata.get("tags", [])]
    exec(claim, names)
    with pytest.raises(AssertionError):
        exec(claim, names | {"frames": 1 / names["frames"]})


# ---- the explorer ----


def panels(fig):
    """The lengths of the bars of each panel, by its title, and the figure's title."""
    bars = {ax.get_title(): [patch.get_width() for patch in ax.patches] for ax in fig.axes}
    title = fig.get_suptitle()
    plt.close(fig)
    return bars, title


@pytest.mark.parametrize(
    "width, resolution, parameters, mult_adds",
    [
        (0.25, 96, 0.470072, 7.745152),
        (0.25, 224, 0.470072, 41.030272),
        (1.0, 96, 4.231976, 105.298432),
        (1.0, 224, 4.231976, 568.740352),
    ],
)
def test_the_explorer_draws_every_extreme_and_the_same_picture_again(width, resolution, parameters, mult_adds):
    plotting.use_style()
    bars, title = panels(explorer.smaller_mobilenet(width, resolution))
    full, yours = bars.pop("milliseconds")
    assert yours == full if (width, resolution) == (1.0, 224) else yours < 0.6 * full
    assert bars["parameters, M"] == pytest.approx([4.231976, parameters])
    assert bars["mult-adds, M"] == pytest.approx([568.740352, mult_adds])
    assert title.startswith(f"width {width:g}, resolution {resolution}: ")
    first, again = (plotting.png(explorer.smaller_mobilenet(width, resolution)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("setting, said", [((0.5, 224), "63.7 %"), ((1.0, 160), "67.2 %"), ((0.5, 160), "not in")])
def test_the_papers_accuracy_is_named_where_it_has_one(setting, said):
    _, title = panels(explorer.smaller_mobilenet(*setting))
    assert said in title


# ---- the exercises ----


def separated(left=lambda u: u[:, 0], right=lambda vh: vh[0], sizes=lambda s: (s[0] ** 0.5, s[0] ** 0.5)):
    def answer(kernel):
        u, s, vh = torch.linalg.svd(kernel)
        return [size * part for size, part in zip(sizes(s), (left(u), right(vh)), strict=True)]

    return answer


def numpy_separation(kernel):
    u, s, vh = np.linalg.svd(kernel.numpy())
    return u[:, :1], s[0] * vh[:1]


def sequential(groups=None, strides=None, padding=1, bias=False, middle=None, relu=nn.ReLU, keep=range(6)):
    """Answers in a row of six layers, or of those that are in `keep`, in its order."""

    def answer(inputs, outputs, stride):
        first, second = strides(stride) if strides else (stride, 1)
        hidden = middle or inputs
        layers = [
            nn.Conv2d(inputs, hidden, 3, first, padding=padding, groups=groups or inputs, bias=bias),
            nn.BatchNorm2d(hidden),
            relu(),
            nn.Conv2d(hidden, outputs, 1, second, bias=bias),
            nn.BatchNorm2d(outputs),
            relu(),
        ]
        return nn.Sequential(*[layers[number] for number in keep])

    return answer


IN_ORDER = ("depthwise", "norm1", "relu", "pointwise", "norm2", "other_relu")
WITHOUT_RELU = ("depthwise", "norm1", "pointwise", "norm2")


def in_a_class(forward, registered=IN_ORDER):
    """Answers that register these layers, in this order, and compute `forward(self, x)`."""

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            layers = sequential()(inputs, outputs, stride)
            for name in registered:
                self.add_module(name, layers[IN_ORDER.index(name)])

        def forward(self, x):
            return forward(self, x)

    return Block


def with_functions(self, x):
    return F.relu(self.norm2(self.pointwise(F.relu(self.norm1(self.depthwise(x))))))


def one_relu(self, x):
    return self.relu(self.norm2(self.pointwise(self.relu(self.norm1(self.depthwise(x))))))


def lazy(inputs, outputs, stride):
    depthwise = nn.LazyConv2d(inputs, 3, stride, padding=1, groups=inputs, bias=False)
    pointwise = nn.LazyConv2d(outputs, 1, bias=False)
    return nn.Sequential(depthwise, nn.LazyBatchNorm2d(), nn.ReLU(), pointwise, nn.LazyBatchNorm2d(), nn.ReLU())


class Raw(nn.Module):
    """The block of parameters and functions alone, padded and rectified by hand."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.stride = stride
        self.kernels = nn.ParameterList([torch.ones(outputs, inputs, 1, 1), torch.ones(inputs, 1, 3, 3)])
        self.norms = nn.ModuleList(
            nn.ParameterList([torch.ones(channels) for _ in range(4)]) for channels in (inputs, outputs)
        )

    def forward(self, x):
        pointwise, depthwise = self.kernels
        x = F.conv2d(F.pad(x, (1, 1, 1, 1)), depthwise, stride=self.stride, groups=x.shape[1])
        x = F.conv2d(F.batch_norm(x, *self.norms[0]).clamp(min=0), pointwise)
        return F.threshold(F.batch_norm(x, *self.norms[1]), 0, 0)


class RawRow(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernels = nn.ParameterList([torch.ones(24, 1, 7, 7), torch.ones(64, 24, 1, 1)])

    def forward(self, x):
        depthwise, pointwise = self.kernels
        return F.conv2d(F.conv2d(x, depthwise, stride=2, padding=3, groups=3), pointwise)


def row(multiplier=8, strides=(2, 1), kernel=7, bias=False, channels=64):
    first, second = strides
    return lambda: nn.Sequential(
        nn.Conv2d(3, 3 * multiplier, kernel, first, padding=kernel // 2, groups=3, bias=bias),
        nn.Conv2d(3 * multiplier, channels, 1, second, bias=bias),
    )


def swapped(inputs, outputs, stride):
    pointwise, depthwise = nn.Conv2d(inputs, outputs, 1), nn.Conv2d(outputs, outputs, 3, stride, 1, groups=outputs)
    return nn.Sequential(pointwise, nn.BatchNorm2d(outputs), nn.ReLU(), depthwise, nn.BatchNorm2d(outputs), nn.ReLU())


def row_swapped():
    return nn.Sequential(nn.Conv2d(3, 64, 1, bias=False), nn.Conv2d(64, 64, 7, 2, padding=3, groups=64, bias=False))


separation, block, googlenet_row = exercises.separation, exercises.separable_block, exercises.googlenet_row

RIGHT = {
    "any share of size and sign": (separation, separated(sizes=lambda s: (-s[0], -1))),
    "numpy": (separation, numpy_separation),
    "layers in a row": (block, sequential()),
    "ReLU6": (block, sequential(relu=nn.ReLU6)),
    "in place": (block, sequential(relu=lambda: nn.ReLU(inplace=True))),
    "F.relu": (block, in_a_class(with_functions, WITHOUT_RELU)),
    "one ReLU twice": (block, in_a_class(one_relu, (*WITHOUT_RELU, "relu"))),
    "registered in another order": (block, in_a_class(with_functions, WITHOUT_RELU[::-1])),
    "lazy layers": (block, lazy),
    "raw parameters": (block, Raw),
    "the chapter's own": (block, lambda i, o, s: nn.Sequential(*mobilenet.depthwise_separable(i, o, 3, s))),
    "a row of functions": (googlenet_row, RawRow),
}


@pytest.mark.parametrize("check, answer", RIGHT.values(), ids=RIGHT)
def test_what_is_right_in_another_style_is_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")


WRONG = [
    (separation, separated(sizes=lambda s: (1, 1)), "the singular value is missing"),
    (separation, separated(sizes=lambda s: (s[0], s[0])), "in it twice"),
    (separation, separated(left=lambda u: u[0]), "a row of U"),
    (separation, separated(right=lambda vh: vh[:, 0]), "a column of Vh"),
    (separation, separated(lambda u: u[:, -1], lambda vh: vh[-1], lambda s: (s[-1], 1)), "not the nearest to a random"),
    (separation, lambda kernel: separated()(kernel)[::-1], "its column has 3 numbers and its row 5"),
    (separation, lambda kernel: separated()(kernel)[:: 1 if len(kernel) == 5 else -1], "not the nearest to Sobel's"),
    (separation, lambda kernel: torch.linalg.svd(kernel), "stops with ValueError: too many values"),
    # ReLUs that are registered, not applied
    (block, in_a_class(lambda m, x: m.norm2(m.pointwise(m.norm1(m.depthwise(x))))), "no ReLU is applied: "),
    (block, in_a_class(lambda m, x: m.relu(m.norm2(m.pointwise(m.norm1(m.depthwise(x)))))), "between the two"),
    (block, in_a_class(lambda m, x: m.norm2(m.pointwise(m.relu(m.norm1(m.depthwise(x)))))), "applied at the end"),
    (block, in_a_class(lambda m, x: m.relu(m.norm2(m.pointwise(x)))), "its kernels are [[16, 8, 1, 1]], not"),
    (block, in_a_class(lambda m, x: None), "its forward returns nothing"),
    (block, sequential(keep=(0, 1, 3, 4, 5)), "no ReLU is applied between"),
    (block, sequential(keep=(0, 1, 2, 3, 4)), "no ReLU is applied at the end"),
    (block, sequential(keep=(0, 3, 4, 5)), "its vectors have the lengths [16, 16, 16, 16]"),
    (block, sequential(keep=(0, 2, 1, 3, 4, 5)), "not what depthwise convolution (stride 2, padding 1), batch norm"),
    (block, sequential(groups=1), "reads all channels"),
    (block, sequential(groups=2), "its kernels are [[8, 4, 3, 3], [16, 8, 1, 1]], not"),
    (block, lambda i, o, s: sequential(middle=o)(i, o, s), "its kernels are [[16, 1, 3, 3], [16, 16, 1, 1]], not"),
    (block, swapped, "depthwise comes first, then pointwise"),
    (block, sequential(strides=lambda s: (1, s)), "but cost more mult-adds"),
    (block, sequential(strides=lambda s: (s, s)), "with stride=2 it makes [2, 16, 2, 3]"),
    (block, sequential(strides=lambda s: (1, 1)), "the stride is missing"),
    (block, sequential(strides=lambda s: (2, 1)), "with stride=1 it makes [2, 6, 4, 5]"),
    (block, sequential(padding=0), "needs padding=1"),
    (block, sequential(bias=True), "keep their biases"),
    (block, lambda i, o, s: list(sequential()(i, o, s)), "returns a list"),
    (block, lambda i, o: sequential()(i, o, 1), "stops with TypeError"),
    (
        googlenet_row,
        lambda: nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
        "filter each of the three channels",
    ),
    (googlenet_row, row(multiplier=4), "are 1,356 weights"),
    (googlenet_row, row(bias=True), "without biases"),
    (googlenet_row, row(kernel=3), "weights, not 2,712"),
    (googlenet_row, row_swapped, "weights, not 2,712"),
    (googlenet_row, row(strides=(1, 2)), "where is the stride"),
    (googlenet_row, row(strides=(1, 1)), "not [64, 112, 112]"),
    (googlenet_row, lambda: nn.Sequential(nn.AvgPool2d(2), *row(strides=(1, 1))()), "the 7x7 has stride 2"),
    (googlenet_row, lambda: 2712, "returns a int"),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG, ids=[mistake for *_, mistake in WRONG])
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


def test_13_blocks_have_the_parameters_that_the_check_names(capsys):
    channels, parameters = 32, 0
    for outputs, stride in mobilenet.BLOCKS:
        parameters += counting.parameters(sequential()(channels, outputs, stride))
        channels = outputs
    block(sequential())
    assert f"{parameters:,}" in capsys.readouterr().out


class LinearPointwise(nn.Module):
    """The pointwise convolution as a linear layer over the channels of each place; a residual `when_it_fits`."""

    def __init__(self, inputs, outputs, stride, when_it_fits=False):
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.norm = nn.BatchNorm2d(inputs)
        self.pointwise = nn.Linear(inputs, outputs, bias=False)
        self.last = nn.BatchNorm2d(outputs)
        self.adds = when_it_fits and inputs == outputs and stride == 1

    def forward(self, x):
        y = self.norm(self.depthwise(x)).relu()
        y = self.last(self.pointwise(y.movedim(1, 3)).movedim(3, 1)).relu()
        return x + y if self.adds else y


def test_a_pointwise_convolution_may_be_a_linear_layer_and_a_residual_may_not_be_added(capsys):
    exercises.separable_block(LinearPointwise)
    assert capsys.readouterr().out.startswith("right")
    exercises.separable_block(lambda *widths: LinearPointwise(*widths, when_it_fits=True))
    assert capsys.readouterr().out.startswith("wrong")
