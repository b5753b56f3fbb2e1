"""ResNet against the paper's counts and torchvision's networks, and the recipe for CIFAR-10."""

import nbformat
import pytest
import torch
import torchvision
from torch import nn

from helpers import catalogue, cifar, counting, datasets, device, receptive_field, training
from helpers.architectures import resnet
from helpers.errors import CourseError
from helpers.machine import ROOT

PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
GIGA_MULT_ADDS = {18: 1.814, 34: 3.664, 50: 4.089, 101: 7.801, 152: 11.514}  # version 1.5
VERSION_1 = {50: 3.858, 101: 7.570, 152: 11.282}
SMALL = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962, 1202: 19_421_274}
SMALL_MULT_ADDS = {20: 40.6, 32: 68.9, 44: 97.2, 56: 125.5, 110: 252.9}


def without_weights(build, *arguments, **options):
    with torch.device("meta"):
        return build(*arguments, **options)


def cost(network, image=(3, 224, 224)):
    rows = counting.count(network, image)
    return sum(row.parameters for row in rows), sum(row.mult_adds for row in rows)


def with_random_statistics(network):
    """Batch norms as after training: their test then sees an exchanged or forgotten one."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor, low in ((layer.weight, 0.2), (layer.bias, -0.2), (layer.running_mean, -0.2)):
                nn.init.uniform_(tensor, low, low + 0.4)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize("depth", resnet.STAGES)
def test_parameters_mult_adds_and_depth(depth):
    network = without_weights(resnet.ResNet, depth)
    parameters, mult_adds = cost(network)
    assert parameters == PARAMETERS[depth]
    assert round(mult_adds / 1e9, 3) == GIGA_MULT_ADDS[depth]
    assert catalogue.longest_way(network) == depth


@pytest.mark.parametrize("depth", VERSION_1)
def test_version_1_has_the_stride_in_the_first_1x1(depth):
    network = without_weights(resnet.ResNet, depth, version=1)
    parameters, mult_adds = cost(network)
    assert parameters == PARAMETERS[depth]
    assert round(mult_adds / 1e9, 3) == VERSION_1[depth]
    assert network.layer2[0].conv1.stride == (2, 2) and network.layer2[0].conv2.stride == (1, 1)


@pytest.mark.parametrize("option, parameters", [("A", 21_623_848), ("B", 21_797_672), ("C", 22_716_840)])
def test_shortcut_options_of_resnet_34(option, parameters):
    network = without_weights(resnet.ResNet, 34, option=option)
    found, mult_adds = cost(network)
    assert found == parameters
    if option == "A":
        assert round(mult_adds / 1e9, 3) == 3.644
        assert cost(without_weights(resnet.ResNet, 34, residual=False)) == (found, mult_adds)


@pytest.mark.parametrize("depth", resnet.STAGES)
def test_torchvisions_weights_load_and_outputs_agree(depth):
    torch.manual_seed(0)
    theirs = with_random_statistics(torchvision.models.get_model(f"resnet{depth}"))
    ours = without_weights(resnet.ResNet, depth).eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found, truth = ours(images), theirs(images)
    scale = truth.abs().max()
    assert truth.std() > 1e-3 * scale
    torch.testing.assert_close(found / scale, truth / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("version, size", [(1, 483), (1.5, 427)])
def test_receptive_field_of_resnet_50(version, size):
    *_, last = receptive_field.fields(without_weights(resnet.ResNet, 50, version=version)).values()
    assert last.size == size


@pytest.mark.parametrize("depth", SMALL)
def test_small_networks_plain_and_residual_have_the_papers_parameters(depth):
    for residual in (True, False):
        network = without_weights(resnet.SmallResNet, depth, residual=residual)
        assert sum(parameter.numel() for parameter in network.parameters()) == SMALL[depth]
        if depth in SMALL_MULT_ADDS:
            assert round(cost(network, (3, 32, 32))[1] / 1e6, 1) == SMALL_MULT_ADDS[depth]


def test_a_small_network_has_6n_plus_2_layers_and_maps_of_32_16_and_8():
    network = without_weights(resnet.SmallResNet, 20)
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules()) == 20
    shapes = {row.shape for row in counting.count(network, (3, 32, 32)) if row.kind == "Conv2d"}
    assert shapes == {(16, 32, 32), (32, 16, 16), (64, 8, 8)}


def test_a_plain_block_is_the_residual_one_without_the_addition():
    torch.manual_seed(0)
    residual, plain = resnet.BasicBlock(4, 4), resnet.BasicBlock(4, 4, residual=False)
    plain.load_state_dict(residual.state_dict())
    x = torch.randn(2, 4, 5, 5)
    before = []
    residual.relu.register_forward_hook(lambda module, inputs, output: before.append(output.clone()))
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


@pytest.mark.parametrize(
    "option, kinds", [("A", ["Identity", "ZeroPadding"]), ("B", ["Identity", "Sequential"]), ("C", ["Sequential"] * 2)]
)
def test_options_where_shapes_stay_and_where_they_change(option, kinds):
    found = [type(resnet.shortcut(4, outputs, 1, option)).__name__ for outputs in (4, 8)]
    assert found == kinds


@pytest.mark.parametrize(
    "build, sentence",
    [
        (lambda: resnet.ResNet(20), "There is no ResNet-20 of version 1.5: choose one of 18, 34"),
        (lambda: resnet.ResNet(50, version=2), "There is no ResNet-50 of version 2"),
        (lambda: resnet.ResNet(18, option="D"), 'There is no shortcut option "D"'),
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

    def arrays(name, *, training):
        generator = torch.Generator().manual_seed(int(training))
        count = 40 if training else 20
        images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
        return datasets.Arrays(images, torch.arange(count) % 10, list("abcdefghij"))

    monkeypatch.setattr(datasets, "from_torchvision", arrays)


def test_the_images_lose_the_mean_image_of_the_training_part(made_up):
    (images, labels), (testing, _) = cifar.images()
    assert images.shape == (40, 3, 32, 32) and images.dtype == torch.float32 and labels.shape == (40,)
    assert images.mean(dim=0).abs().max() < 1e-6 and testing.mean(dim=0).abs().max() > 0.01


def test_the_recipe_trains_and_lowers_the_rate_at_half_and_three_quarters(made_up, monkeypatch):
    seen = []

    def watch(module, optimiser, *arguments, **options):
        step = options["scheduler"].step
        monkeypatch.setattr(
            options["scheduler"], "step", lambda: (seen.append(optimiser.param_groups[0]["lr"]), step())
        )
        seen.append(optimiser.defaults)
        return train(module, optimiser, *arguments, **options)

    train = training.train
    monkeypatch.setattr(training, "train", watch)
    torch.manual_seed(0)
    network = resnet.SmallResNet(8, width=4)
    before = network.conv1.weight.clone()
    history = cifar.train(network, *cifar.images(), steps=8, warm_up=2, measurements=2)
    assert history.steps == [4, 8] and len(history.validation) == 2
    assert not torch.equal(network.conv1.weight.cpu(), before)
    settings, *rates = seen
    assert (settings["momentum"], settings["weight_decay"]) == (0.9, 1e-4)
    assert rates == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_notebooks_full_size_cell_trains_plain_and_residual(made_up, capsys):
    cells = nbformat.read(ROOT / "notebooks/04_resnet.ipynb", as_version=4).cells
    [source] = [cell.source for cell in cells if cell.source.startswith("FULL_SIZE = False")]
    names = {"cifar": cifar, "device": device, "SmallResNet": resnet.SmallResNet}
    exec(source, names)
    assert capsys.readouterr().out == "Not run: set FULL_SIZE = True on a machine with a GPU.\n"
    names["full_size"]([20], steps=2, measurements=1)
    plain, residual = capsys.readouterr().out.splitlines()
    assert plain.startswith("plain, 20 layers: training error ") and "in the paper 8.75 %" in residual
