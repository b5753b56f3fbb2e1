"""04: ResNet against the paper's counts and torchvision's networks, the recipe, the record, exercises and explorer."""

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from helpers import ROOT, bundled, catalogue, counting, datasets, device, training
from helpers.architectures import resnet
from helpers.chapters.resnet import exercises, explorer, record
from helpers.errors import CourseError
from helpers.recorded import cifar

PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
GIGA_MULT_ADDS = {18: 1.814, 34: 3.664, 50: 4.089, 101: 7.801, 152: 11.514}  # version 1.5
VERSION_1 = {50: 3.858, 101: 7.570, 152: 11.282}
SMALL = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}


def without_weights(build, *arguments, **options):
    with torch.device("meta"):
        return build(*arguments, **options)


def giga_mult_adds(model):
    return round(counting.totals(counting.count(model)).mult_adds / 1e9, 3)


@pytest.mark.parametrize("depth", resnet.STAGES)
def test_parameters_mult_adds_and_depth(depth):
    model = without_weights(resnet.ResNet, depth)
    assert counting.parameters(model) == PARAMETERS[depth]
    assert giga_mult_adds(model) == GIGA_MULT_ADDS[depth]
    assert catalogue.depth_of(model) == depth


@pytest.mark.parametrize("depth", VERSION_1)
def test_version_1_has_the_stride_in_the_first_1x1(depth):
    model = without_weights(resnet.ResNet, depth, version=1)
    assert counting.parameters(model) == PARAMETERS[depth]
    assert giga_mult_adds(model) == VERSION_1[depth]


@pytest.mark.parametrize("option, parameters", [("A", 21_623_848), ("B", 21_797_672), ("C", 22_716_840)])
def test_shortcut_options_of_resnet_34(option, parameters):
    assert counting.parameters(without_weights(resnet.ResNet, 34, option=option)) == parameters


def test_option_a_costs_no_more_than_no_shortcut():
    option_a, plain = (without_weights(resnet.ResNet, 34, option="A", residual=each) for each in (True, False))
    assert counting.parameters(option_a) == counting.parameters(plain)
    assert giga_mult_adds(option_a) == giga_mult_adds(plain) == 3.644


@pytest.mark.parametrize("depth", resnet.STAGES)
def test_torchvisions_weights_load_and_outputs_agree(depth):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(f"resnet{depth}").eval()
    for layer in theirs.modules():  # as after training: an exchanged or forgotten batch norm then shows
        if isinstance(layer, nn.BatchNorm2d):
            for tensor, low in ((layer.weight, 0.2), (layer.bias, -0.2), (layer.running_mean, -0.2)):
                nn.init.uniform_(tensor, low, low + 0.4)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    ours = without_weights(resnet.ResNet, depth).eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found, truth = ours(images), theirs(images)
    scale = truth.abs().max()
    assert truth.std() > 1e-3 * scale
    torch.testing.assert_close(found / scale, truth / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("depth", SMALL)
@pytest.mark.parametrize("residual", [True, False])
def test_small_networks_plain_and_residual_have_the_papers_parameters(depth, residual):
    assert counting.parameters(without_weights(resnet.SmallResNet, depth, residual=residual)) == SMALL[depth]


def test_a_small_network_has_6n_plus_2_layers_and_maps_of_32_16_and_8():
    model = without_weights(resnet.SmallResNet, 20)
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules()) == 20
    shapes = {row.shape for row in counting.count(model, (3, 32, 32)) if row.kind == "Conv2d"}
    assert shapes == {(16, 32, 32), (32, 16, 16), (64, 8, 8)}


def test_a_plain_block_is_the_residual_one_without_the_addition():
    torch.manual_seed(0)
    residual, plain = resnet.BasicBlock(4, 4), resnet.BasicBlock(4, 4, residual=False)
    plain.load_state_dict(residual.state_dict())
    x = torch.randn(2, 4, 5, 5)
    branch = residual.bn2(residual.conv2(torch.relu(residual.bn1(residual.conv1(x)))))
    torch.testing.assert_close(plain(x), torch.relu(branch))
    torch.testing.assert_close(residual(x), torch.relu(branch + x))


@pytest.mark.parametrize("block, last", [(resnet.BasicBlock, "bn2"), (resnet.Bottleneck, "bn3")])
def test_a_last_gamma_of_zero_gives_the_relu_of_x(block, last):
    torch.manual_seed(0)
    module = block(4 * block.expansion, 4)
    nn.init.zeros_(getattr(module, last).weight)
    x = torch.randn(2, 4 * block.expansion, 5, 5)
    assert torch.equal(module(x), torch.relu(x))


def test_option_a_takes_every_second_unit_and_adds_zeros():
    x = torch.randn(2, 3, 5, 5)
    found = resnet.shortcut(3, 8, 2, "A")(x)
    assert found.shape == (2, 8, 3, 3)
    assert torch.equal(found[:, :3], x[:, :, ::2, ::2]) and not found[:, 3:].any()


def test_option_a_can_pad_on_both_sides():
    """As some pretrained networks for CIFAR-10 do, which halve the map and double the channels."""
    x = torch.randn(2, 4, 6, 6)
    found = resnet.shortcut(4, 8, 2, "A", pad="both")(x)
    torch.testing.assert_close(found, F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))
    torch.manual_seed(0)
    both, after = (resnet.SmallResNet(8, pad=pad).eval() for pad in ("both", "after"))
    after.load_state_dict(both.state_dict())
    images = torch.randn(2, 3, 16, 16)
    assert (both(images) - after(images)).abs().max() > 0.01


@pytest.mark.parametrize(
    "build, sentence",
    [
        (lambda: resnet.ResNet(20), "There is no ResNet-20 of version 1.5: choose one of 18, 34"),
        (lambda: resnet.ResNet(50, version=2), "There is no ResNet-50 of version 2"),
        (lambda: resnet.ResNet(18, option="D"), 'There is no shortcut option "D"'),
        (lambda: resnet.SmallResNet(8, pad="left"), 'There is no shortcut option "A" with pad "left"'),
        (lambda: resnet.SmallResNet(18), "A depth of 18 is not 6n"),
        (lambda: resnet.SmallResNet(2), "A depth of 2 is not 6n"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(CourseError, match=f"^{sentence}.*[.]$"), torch.device("meta"):
        build()


# ---- the recipe for CIFAR-10, on made-up data ----


@pytest.fixture
def made_up(monkeypatch):
    """Instead of CIFAR-10: 40 and 20 images of noise in its form."""

    def arrays(name, *, train):
        generator = torch.Generator().manual_seed(int(train))
        count = 40 if train else 20
        images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
        return datasets.Arrays(images, torch.arange(count) % 10, list("abcdefghij"))

    monkeypatch.setattr(bundled, "from_torchvision", arrays)


def test_the_images_lose_the_mean_image_of_the_training_set(made_up):
    (images, labels), (test_images, _) = cifar.load()
    assert images.shape == (40, 3, 32, 32) and images.dtype == torch.float32 and labels.shape == (40,)
    assert images.mean(dim=0).abs().max() < 1e-6 and test_images.mean(dim=0).abs().max() > 0.01


def test_the_learning_rate_falls_after_half_and_three_quarters(monkeypatch):
    rates = []

    def train(model, optimizer, *sets, steps, scheduler, **options):
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()

    monkeypatch.setattr(training, "train", train)
    cifar.train(nn.Linear(1, 1), (), (), steps=8)
    assert rates == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)


def test_the_notebooks_full_size_cell_trains_plain_and_residual(made_up, capsys):
    [source] = [cell.source for cell in CELLS if cell.source.startswith("FULL_SIZE = False")]
    names = {"cifar": cifar, "device": device, "SmallResNet": resnet.SmallResNet}
    exec(source, names)
    assert capsys.readouterr().out == "Not run: set FULL_SIZE = True on a machine with a GPU.\n"
    names["full_size"]([20], steps=2, measure_every=2)
    plain, residual = capsys.readouterr().out.splitlines()
    assert plain.startswith("plain, 20 layers: training error ") and "in the paper 8.75 %" in residual


# ---- the record, and the claims that rest on it ----


def test_the_record_of_cifar_10_is_complete_and_each_learning_rate_lies_inside_its_grid():
    known = cifar.read()
    assert cifar.wanted(known) == []
    for kind, depth in cifar.NETWORKS:
        assert cifar.RATES[0] < cifar.best_lr(known, kind, depth) < cifar.RATES[-1]
        runs = known.query("kind == @kind and depth == @depth and seed in @cifar.REPORTING")
        assert set(runs["lr"]) == {cifar.best_lr(known, kind, depth)}
        assert sorted(set(runs["step"])) == [2 * number * cifar.EPOCH for number in range(1, 6)]


def test_a_run_of_cifar_10_is_measured_on_all_images_after_each_two_epochs(made_up, monkeypatch):
    monkeypatch.setattr(cifar, "EPOCH", 1)
    sets = cifar.load()
    rows, again = (cifar.measure("residual", 8, 0.1, 1, sets, epochs=4) for _ in range(2))
    assert [row["step"] for row in rows] == [2, 4]
    for row in rows:
        for error, count in (("train_error", 40), ("test_error", 20)):
            assert count * row[error] == pytest.approx(round(count * row[error]), abs=1e-3)
    assert rows[-1]["train_loss"] == pytest.approx(again[-1]["train_loss"], rel=1e-3)
    [exploded] = cifar.measure("plain", 8, 1e30, 1, sets, epochs=4)
    assert exploded["train_loss"] == float("inf") and "test_error" not in exploded


def test_recorded_runs_come_out_again():
    known = record.read()
    [wanted] = known.query("experiment == 'rates' and kind == 'plain' and depth == 8 and lr == 0.003")["train_loss"]
    found = record.run("plain", 8, 0.003, record.CHOOSING, record.STEPS, record.STEPS)
    assert found.train[-1].loss == pytest.approx(wanted, abs=0.05)
    of = "experiment == 'identity' and kind == 'plain' and depth == 2 and lr == 0.01 and seed == 3 and step == 25"
    [wanted] = known.query(of)["train_loss"]
    losses = record.learn_identity("plain", 2, 0.01, record.CHOOSING, record.IDENTITY_STEPS // 3)
    assert sum(losses[:25]) / 25 == pytest.approx(wanted, rel=0.02)


def test_the_record_is_complete_and_each_best_rate_lies_inside_its_range():
    known = record.read()
    assert record.wanted(known) == []
    for kind in record.KINDS:
        for depth in record.DEPTHS:
            for experiment in ("rates", "all rates"):
                assert record.best_lr(known, experiment, kind, depth) not in (record.RATES[0], record.RATES[-1])
    for depth in record.STACKS:
        ends = record.IDENTITY_RATES[0], record.IDENTITY_RATES[-1]
        assert record.best_lr(known, "identity", "plain", depth) not in ends


def test_kernels_near_the_identity_hand_on_what_they_get():
    torch.manual_seed(0)
    model = resnet.SmallResNet(20, residual=False, width=8, channels=1)
    record.near_identity(model)
    x = torch.rand(2, 8, 9, 9)
    convolution = model.layer1[0].conv1
    assert F.cosine_similarity(convolution(x).flatten(), x.flatten(), dim=0) > 0.7
    twice = model.layer2[0].conv1.weight[:, :, 1, 1].argmax(dim=1)
    assert twice.tolist() == [*range(8), *range(8)]


CELLS = nbformat.read(ROOT / "notebooks/04_resnet.ipynb", as_version=4).cells


def scores(kind):
    """What the notebook measures, with the record's one seed instead of its three."""
    rows = []
    for depth in record.DEPTHS:
        lr = record.best_lr(record.read(), "rates", kind, depth)
        found = record.read().query("experiment == 'rates' and kind == @kind and depth == @depth")
        found = found[found["lr"] == lr]
        loss, train_error, test_error = found[["train_loss", "train_error", "test_error"]].iloc[0]
        errors = {"training error, %": 100 * train_error, "test error, %": 100 * test_error}
        rows += [{"layers": depth, "seed": seed, "training loss": loss} | errors for seed in range(3)]
    return pd.DataFrame(rows).set_index(["layers", "seed"])


@pytest.mark.parametrize("claim", ["resnet-degradation", "resnet-not-overfitting", "resnet-deeper"])
def test_a_claim_fails_where_plain_networks_are_replaced_by_residual_ones(claim):
    [source] = [cell.source for cell in CELLS if f"claim:{claim}" in cell.metadata.get("tags", [])]
    plain, residual = scores("plain"), scores("residual")
    cosine = {"plain": (0.8, 0.2, 0.0), "residual": (0.9, 0.8, 0.6)}  # as measured
    rows = [(kind, depth, one) for kind in cosine for depth, one in zip(record.DEPTHS, cosine[kind], strict=True)]
    names = {"residual_scores": residual, "shattered": pd.DataFrame(rows, columns=["kind", "layers", "cosine"])}
    exec(source, names | {"plain_scores": plain})
    with pytest.raises(AssertionError):
        exec(source, names | {"plain_scores": residual})


# ---- exercises ----


def kernel(fill, **options):
    """A layer of zeros that `fill(weight)` changes in place."""

    def answer(channels):
        layer = nn.Conv2d(channels, channels, **{"kernel_size": 3, "padding": 1, "bias": False, **options})
        with torch.no_grad():
            layer.weight.zero_()
            fill(layer.weight)
        return layer

    return answer


def middle_of_all(weight):
    weight[:, :, 1, 1] = 1


def all_places(weight):
    for channel in range(len(weight)):
        weight[channel, channel] = 1


class Block(nn.Module):
    """A right block, and with `mistake` a wrong one."""

    def __init__(self, inputs, outputs, stride, mistake=""):
        super().__init__()
        self.mistake = mistake
        bias = mistake == "bias"
        first, second = (1, stride) if mistake == "second stride" else (stride, 1)
        padding = 0 if mistake == "no padding" else 1
        self.conv1 = nn.Conv2d(inputs, outputs, 3, first, padding=padding, bias=bias)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, second, padding=padding, bias=bias)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs) if mistake != "one norm" else nn.Identity()
        conditions = {
            "stride alone": stride != 1,
            "channels alone": inputs != outputs,
            "both at once": stride != 1 and inputs != outputs,
        }
        changes = conditions.get(mistake, stride != 1 or inputs != outputs)
        self.skip = nn.Identity()
        if changes or mistake == "always projected":
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        between = nn.Identity() if self.mistake == "no relu between" else torch.relu
        branch, skip = self.bn2(self.conv2(between(self.bn1(self.conv1(x))))), self.skip(x)
        match self.mistake:
            case "no skip":
                return torch.relu(branch)
            case "relu first":
                return torch.relu(branch) + skip
            case "no last relu":
                return branch + skip
            case "dropout":
                return torch.relu(F.dropout(branch, 0.2, self.training) + skip)
        return torch.relu(branch + skip)


def block(mistake):
    return lambda inputs, outputs, stride: Block(inputs, outputs, stride, mistake)


def rolled(weight):
    nn.init.dirac_(weight)
    weight.copy_(weight.roll(1, dims=0))


def diagonal(weight):
    for channel in range(len(weight)):
        weight[channel, channel] = torch.eye(3)


def three_channels(weight):
    for channel in range(3):
        weight[channel, channel, 1, 1] = 1


def fewer_blocks(shallow, deep):
    grown()(shallow, deep)
    for stage in (deep.layer1, deep.layer2, deep.layer3):
        stage[2], stage[3] = nn.Identity(), nn.Identity()
    return deep


def shared_blocks(shallow, deep):
    grown()(shallow, deep)
    deep.layer1[0] = shallow.layer1[0]
    return deep


def in_training_mode(shallow, deep):
    return grown()(shallow, deep).train()


def borrowed_forward(shallow, deep):
    deep.forward = shallow.forward
    return deep


def identity_kernels(shallow, deep):
    """Section 6's construction: in a residual block it doubles x."""
    grown("gamma")(shallow, deep)
    for stage in (deep.layer1, deep.layer2, deep.layer3):
        for added in stage[2:]:
            for convolution, norm in ((added.conv1, added.bn1), (added.conv2, added.bn2)):
                nn.init.dirac_(convolution.weight)
                norm.reset_parameters()
    return deep


def grown(mistake=""):
    """A right deeper network, and with `mistake` a wrong one."""

    def answer(shallow, deep):
        if mistake == "shallow":
            return shallow
        for layer in ("conv1", "bn1", "fc"):
            getattr(deep, layer).load_state_dict(getattr(shallow, layer).state_dict())
        for stage in ("layer1", "layer2", "layer3"):
            copied, blocks = getattr(shallow, stage), getattr(deep, stage)
            for old, new in zip(copied, blocks, strict=False):
                state = dict(old.named_parameters()) if mistake == "no buffers" else old.state_dict()
                new.load_state_dict(state, strict=False)
            for added in blocks[2:]:
                if mistake != "gamma":
                    nn.init.zeros_(added.bn2.weight)
                if mistake != "beta":
                    nn.init.zeros_(added.bn2.bias)
        if mistake == "shallow changed":
            nn.init.zeros_(shallow.fc.weight)
        return deep

    return answer


WRONG = [
    (exercises.identity_convolution, kernel(middle_of_all), "the sum of all channels"),
    (exercises.identity_convolution, kernel(all_places), "the sum of 3 x 3 places"),
    (exercises.identity_convolution, kernel(nn.init.dirac_, bias=True), "random bias"),
    (exercises.identity_convolution, kernel(nn.init.dirac_, padding=0), "pad by 1"),
    (exercises.identity_convolution, kernel(nn.init.dirac_, kernel_size=1, padding=0), "it is not nn.Conv2d"),
    (exercises.identity_convolution, kernel(nn.init.normal_), "the output is not the input"),
    (exercises.identity_convolution, lambda channels: kernel(nn.init.dirac_)(4), "it is not nn.Conv2d"),
    (exercises.identity_convolution, kernel(rolled), "the output is not the input"),
    (exercises.identity_convolution, kernel(diagonal), "the output is not the input"),
    (exercises.identity_convolution, kernel(three_channels), "the output is not the input"),
    (exercises.residual_block, block("no skip"), "the skip is forgotten: add x"),
    (exercises.residual_block, block("relu first"), "the ReLU comes before the addition"),
    (exercises.residual_block, block("no last relu"), "the last ReLU is missing"),
    (exercises.residual_block, block("no relu between"), "no ReLU between the convolutions"),
    (exercises.residual_block, block("second stride"), "the result is not relu(F(x) + x)"),
    (exercises.residual_block, block("no padding"), "are both 3x3 padded by 1?"),
    (exercises.residual_block, block("stride alone"), "from 4 to 6 channels with stride 1 it stops"),
    (exercises.residual_block, block("channels alone"), "from 4 to 4 channels with stride 2 it stops"),
    (exercises.residual_block, block("both at once"), "from 4 to 6 channels with stride 1 it stops"),
    (exercises.residual_block, block("dropout"), "leave dropout out"),
    (exercises.residual_block, lambda *sizes: resnet.BasicBlock(*sizes, option="A"), "where shapes change"),
    (exercises.residual_block, block("always projected"), "from 4 to 4 channels with stride 1 its kernels are"),
    (exercises.residual_block, block("one norm"), "2 convolutions use 4 vectors"),
    (exercises.residual_block, block("bias"), "and no bias"),
    (exercises.deeper, grown("gamma"), "the added blocks still add something"),
    (exercises.deeper, grown("beta"), "the added blocks still add something"),
    (exercises.deeper, grown("no buffers"), "layer1.0.bn1.running_mean is not the shallow network's"),
    (exercises.deeper, grown("shallow changed"), "the shallow network has changed too"),
    (exercises.deeper, grown("shallow"), "has 14 layers, not 26"),
    (exercises.deeper, fewer_blocks, "has 14 layers, not 26"),
    (exercises.deeper, shared_blocks, "deep computes with layers of the shallow network"),
    (exercises.deeper, borrowed_forward, "deep computes with layers of the shallow network"),
    (exercises.deeper, identity_kernels, "an identity kernel doubles it"),
    (exercises.deeper, lambda shallow, deep: deep, "conv1.weight is not the shallow network's"),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


class SharedReLU(Block):
    """One module in place for both ReLUs, as torchvision writes it; the skip is computed first."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        skip = self.skip(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += skip
        return self.relu(out)


class Lazy(nn.Module):
    """Layers that learn their input channels when they are first used."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LazyConv2d(outputs, 3, stride, padding=1, bias=False),
            nn.LazyBatchNorm2d(),
            nn.ReLU(),
            nn.LazyConv2d(outputs, 3, padding="same", bias=False),
            nn.LazyBatchNorm2d(),
        )
        self.skip = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(nn.LazyConv2d(outputs, 1, stride, bias=False), nn.LazyBatchNorm2d())

    def forward(self, x):
        return F.relu(self.layers(x) + self.skip(x))


class Sliced(Block):
    """The projection reads every second position itself, and the sum is made in place."""

    def __init__(self, inputs, outputs, stride):
        super().__init__(inputs, outputs, stride)
        self.step = stride
        if isinstance(self.skip, nn.Sequential):
            self.skip[0].stride = (1, 1)

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        x = self.skip(x[:, :, :: self.step, :: self.step])
        x += out
        return F.relu(x)


class TwoAttributes(Block):
    """The projection and its norm are two attributes, and the norm comes last of all."""

    def forward(self, x):
        projection, norm = self.skip if isinstance(self.skip, nn.Sequential) else (nn.Identity(), nn.Identity())
        skip = projection(x)
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + norm(skip))


def last_two_take_over(shallow, deep):
    """Where shapes stay, the added blocks may also come first."""
    grown()(shallow, deep)
    blocks = list(deep.layer1)
    deep.layer1 = nn.Sequential(*blocks[2:], *blocks[:2])
    return deep


@pytest.mark.parametrize(
    "check, answer",
    [
        (exercises.identity_convolution, kernel(nn.init.dirac_, padding="same")),
        (exercises.residual_block, resnet.BasicBlock),
        (exercises.residual_block, SharedReLU),
        (exercises.residual_block, Lazy),
        (exercises.residual_block, Sliced),
        (exercises.residual_block, TwoAttributes),
        (exercises.deeper, last_two_take_over),
        (exercises.deeper, in_training_mode),
    ],
)
def test_other_right_ways_are_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")


# ---- the explorer ----


@pytest.mark.parametrize("depth, option, version", [(18, "A", 1), (50, "B", 1.5)])
def test_the_explorers_bars_add_up_to_the_whole_network(depth, option, version):
    model = without_weights(resnet.ResNet, depth, option=option, version=version)
    fig = explorer.draw_costs(depth, option, version)
    parameters, mult_adds = (sum(bar.get_width() for bar in ax.patches) for ax in fig.axes)
    assert parameters * 1e6 == pytest.approx(counting.parameters(model))
    assert round(mult_adds, 3) == giga_mult_adds(model)
    plt.close(fig)


def test_the_explorers_first_convolution_and_classes_of_resnet_50():
    costs = explorer.cost_by_part(50, "B", 1.5)
    first, classes = costs["first 7x7"], costs["classes"]
    assert (first.parameters, first.mult_adds) == (64 * 3 * 49 + 2 * 64, 64 * 3 * 49 * 112**2)
    assert (classes.parameters, classes.mult_adds) == (2048 * 1000 + 1000, 2048 * 1000)
