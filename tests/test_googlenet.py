"""GoogLeNet against the paper's table 1, and against torchvision's network where the two agree."""

import pytest
import torch
import torchvision
from torch import nn

from helpers import counting, receptive_field
from helpers.architectures import googlenet
from helpers.architectures.googlenet import GoogLeNet, Inception

WEIGHTS = {
    "conv1": 9_408, "conv2": 114_688, "3a": 163_328, "3b": 388_096, "4a": 375_552, "4b": 448_512, "4c": 509_440,
    "4d": 604_672, "4e": 867_328, "5a": 1_042_432, "5b": 1_442_816, "fc": 1_024_000,
}  # fmt: skip
MEGA_MULT_ADDS = {
    "conv1": 118.0, "conv2": 359.7, "3a": 128.0, "3b": 304.3, "4a": 73.6, "4b": 87.9, "4c": 99.9, "4d": 118.5,
    "4e": 170.0, "5a": 51.1, "5b": 70.7, "fc": 1.0,
}  # fmt: skip
SHAPES = {
    "3a": (256, 28, 28), "3b": (480, 28, 28), "4a": (512, 14, 14), "4b": (512, 14, 14), "4c": (512, 14, 14),
    "4d": (528, 14, 14), "4e": (832, 14, 14), "5a": (832, 7, 7), "5b": (1024, 7, 7),
}  # fmt: skip


def without_weights(build, *arguments, **options):
    with torch.device("meta"):
        return build(*arguments, **options)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def randomised(network):
    """Weights that keep the signal's size, so that a difference at the input shows at the output."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return network


@pytest.fixture(scope="module")
def rows():
    return counting.count(without_weights(GoogLeNet, heads=False))


def stage(layer):
    return layer.partition(".")[0].removeprefix("inception").replace("conv3", "conv2")


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_and_mult_adds_of_each_row_of_table_1(name, rows):
    network = without_weights(GoogLeNet, heads=False)
    mine = [row for row in rows if stage(row.layer) == name and row.parameters]
    assert sum(network.get_submodule(row.layer).weight.numel() for row in mine) == WEIGHTS[name]
    assert round(sum(row.mult_adds for row in mine) / 1e6, 1) == MEGA_MULT_ADDS[name]


def test_sums(rows):
    assert sum(WEIGHTS.values()) == 6_990_272
    assert sum(row.parameters for row in rows) == 6_998_552
    assert sum(row.mult_adds for row in rows) == 1_582_671_872
    assert rows[-1].shape == (1000,)


def test_the_heads_parameters():
    network = without_weights(GoogLeNet)
    assert (parameters(network.aux1), parameters(network.aux2)) == (3_188_840, 3_190_888)
    assert parameters(network) == 13_378_280


def test_22_layers_with_weights_on_the_longest_way(rows):
    modules = [row.layer for row in rows if row.parameters and ".branch" not in row.layer]
    assert len(modules) + 2 * len(googlenet.TABLE_1) == 22


def test_the_two_rows_that_do_not_fit_and_what_would():
    """A separable 7x7 with multiplier 8 gives conv1's 2.7K / 34M, a 5x5 reduction to 48 gives 5a's 54M."""
    separable = nn.Sequential(
        nn.Conv2d(3, 24, 7, stride=2, padding=3, groups=3, bias=False), nn.Conv2d(24, 64, 1, bias=False)
    )
    conv1 = counting.count(separable)
    assert sum(row.parameters for row in conv1) == 2_712
    assert sum(row.mult_adds for row in conv1) == 34_019_328
    widths = [*googlenet.TABLE_1["5a"]]
    widths[3] = 48
    fifth = sum(row.mult_adds for row in counting.count(without_weights(Inception, 832, *widths), (832, 7, 7)))
    assert round(fifth / 1e6, 1) == 54.2
    others = sum(value for name, value in MEGA_MULT_ADDS.items() if name not in ("conv1", "5a"))
    assert others + 34.02 + fifth / 1e6 == pytest.approx(1501.8, abs=0.2)


def test_an_inception_module_concatenates_four_branches_in_the_papers_order():
    module = randomised(Inception(6, 3, 4, 5, 2, 7, 1))
    x = torch.randn(2, 6, 9, 9)
    parts = module(x).split((3, 5, 7, 1), dim=1)
    for part, branch in zip(parts, (module.branch1, module.branch2, module.branch3, module.branch4), strict=True):
        assert torch.equal(part, branch(x)) and part.min() >= 0 and part.std() > 0.01
    kernels = [layer.kernel_size[0] for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [1, 1, 3, 1, 5, 1]
    assert [receptive_field.fields(branch)[name].size for branch, name in
            ((module.branch2, "1.0"), (module.branch3, "1.0"), (module.branch4, "0"))] == [3, 5, 3]  # fmt: skip


def outputs_of_modules(network):
    shapes, image = {}, torch.zeros(1, 3, 224, 224, device="meta")
    for name in SHAPES:
        hook = lambda module, inputs, output, name=name: shapes.update({name: tuple(output.shape[1:])})  # noqa: E731
        network.get_submodule(f"inception{name}").register_forward_hook(hook)
    network.eval()(image)
    return shapes


def test_modules_put_out_the_papers_shapes_and_torchvisions_do_too():
    assert outputs_of_modules(without_weights(GoogLeNet)) == SHAPES
    theirs = without_weights(torchvision.models.googlenet, aux_logits=False, init_weights=False)
    assert outputs_of_modules(theirs) == SHAPES


def test_torchvisions_network_is_another_one():
    theirs = without_weights(torchvision.models.googlenet, aux_logits=False, init_weights=False)
    assert parameters(theirs) == 6_624_904
    assert max(row.kernel_size[0] for row in theirs.inception3a.modules() if isinstance(row, nn.Conv2d)) == 3
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in theirs.modules())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in without_weights(GoogLeNet).modules())
    with pytest.raises(RuntimeError, match="Missing key"):
        without_weights(GoogLeNet).load_state_dict(theirs.state_dict())


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
        found = ours(image)
        assert found.std() > 0.1
        torch.testing.assert_close(found, theirs(image), atol=1e-5, rtol=0)
    for network in (ours, theirs):  # the heads too, which run in training mode only; no dropout, to be compared
        network.train()
        for layer in network.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    with torch.no_grad():
        mine, other = ours(image), theirs(image)
    assert min(logits.std() for logits in mine) > 0.1
    for head in ("aux1", "aux2"):
        other_head = getattr(other, f"aux_logits{head[-1]}")
        torch.testing.assert_close(getattr(mine, head), other_head, atol=1e-5, rtol=0)


def test_heads_serve_in_training_only():
    network = randomised(GoogLeNet(classes=10))
    image = torch.randn(2, 3, 224, 224)
    logits = network(image)
    assert isinstance(logits, googlenet.Logits) and [each.shape for each in logits] == [(2, 10)] * 3
    without = GoogLeNet(classes=10, heads=False)
    missing, unexpected = without.load_state_dict(network.state_dict(), strict=False)
    assert not missing and {name[:4] for name in unexpected} == {"aux1", "aux2"}
    with torch.inference_mode():
        assert torch.equal(network.eval()(image), without.eval()(image))
    assert isinstance(without.train()(image[:, :, :64, :64]), torch.Tensor)


def test_the_heads_reach_only_what_lies_below_them():
    network = randomised(GoogLeNet(classes=10))
    logits = network(torch.randn(1, 3, 224, 224))
    reached = {}
    for head, loss in (("aux1", logits.aux1), ("aux2", logits.aux2)):
        network.zero_grad()
        loss.sum().backward(retain_graph=True)
        layers = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
        reached[head] = {stage(name) for name in layers} & set(googlenet.TABLE_1)
    assert reached == {"aux1": {"3a", "3b", "4a"}, "aux2": {"3a", "3b", "4a", "4b", "4c", "4d"}}


def test_a_heads_pooling_is_the_papers():
    head = without_weights(googlenet.AuxiliaryHead, 512, 1000)
    assert (head[0].kernel_size, head[0].stride) == (5, 3)
    assert head[5].p == 0.7
    maps = torch.zeros(1, 512, 14, 14, device="meta")
    assert head[0](maps).shape == (1, 512, 4, 4) and head(maps).shape == (1, 1000)
