"""01: AlexNet against the paper's counts and formula, processes that compute together, exercises and explorer."""

import os
import signal
import time

import matplotlib.pyplot as plt
import psutil
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from helpers import counting
from helpers.architectures.alexnet import AlexNet, response_norm
from helpers.chapters.alexnet import exercises, explorer, parallel
from helpers.errors import CourseError

# ---- the network ----


@pytest.fixture(scope="module")
def alexnet():
    torch.manual_seed(0)
    return AlexNet().eval()


def test_parameters_mult_adds_and_maps_are_the_papers(alexnet):
    rows = counting.count(alexnet, (3, 227, 227))
    layers, totals = [row for row in rows if row.parameters], counting.totals(rows)
    assert [row.parameters for row in layers] == [34944, 307456, 885120, 663936, 442624, 37752832, 16781312, 4097000]
    maps = [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]
    assert [row.shape for row in layers[:5]] == maps
    assert (totals.parameters, totals.mult_adds) == (60_965_224, 724_406_816)
    assert counting.totals(layers).activations == 659_272  # the paper's "650,000 neurons", without the image


def test_without_towers_there_are_more_parameters_and_mult_adds():
    with torch.device("meta"):
        totals = counting.totals(counting.count(AlexNet(towers=1), (3, 227, 227)))
    assert (totals.parameters, totals.mult_adds) == (62_378_344, 1_135_256_096)


def test_other_numbers_of_classes_change_the_last_layer_alone():
    with torch.device("meta"):
        assert counting.parameters(AlexNet(classes=10)) == 60_965_224 - 4097 * 990


def test_starts_as_in_the_paper(alexnet):
    layers = [layer for layer in alexnet.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [layer.bias.unique().item() for layer in layers] == [0, 1, 0, 1, 1, 1, 1, 0]
    assert all(layer.weight.std().item() == pytest.approx(0.01, rel=0.02) for layer in layers)


def test_order_of_the_layers(alexnet):
    kinds = [type(layer).__name__ for layer in [*alexnet.features, *alexnet.classifier]]
    norm = ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    middle = ["Conv2d", "ReLU"] * 3 + ["MaxPool2d"]
    assert kinds == norm + norm + middle + ["Dropout", "Linear", "ReLU"] * 2 + ["Linear"]
    pools = [layer for layer in alexnet.features if isinstance(layer, nn.MaxPool2d)]
    assert {(pool.kernel_size, pool.stride) for pool in pools} == {(3, 2)}
    assert {layer.p for layer in alexnet.classifier if isinstance(layer, nn.Dropout)} == {0.5}


def test_the_second_half_of_the_channels_does_not_reach_the_first_tower(alexnet):
    x = torch.randn(1, 96, 9, 9)
    changed = x.clone()
    changed[:, 48:] += 1
    with torch.no_grad():
        before, after = alexnet.features[4](x), alexnet.features[4](changed)
    assert torch.equal(before[:, :128], after[:, :128])
    assert not torch.allclose(before[:, 128:], after[:, 128:])


def test_response_norm_is_the_papers_formula():
    torch.manual_seed(0)
    a = torch.rand(2, 7, 3, 3, dtype=torch.float64) * 300
    b = torch.empty_like(a)
    for i in range(7):
        window = a[:, max(0, i - 2) : i + 3]
        b[:, i] = a[:, i] / (2 + 1e-4 * (window**2).sum(dim=1)) ** 0.75
    torch.testing.assert_close(response_norm()(a), b)


def test_logits_of_a_batch_and_the_gradient_of_every_parameter(alexnet):
    logits = alexnet(torch.randn(2, 3, 227, 227))
    assert logits.shape == (2, 1000)
    logits.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in alexnet.parameters())
    alexnet.zero_grad()


# ---- processes that compute together ----


def one_fails_while_the_other_waits(rank, processes):
    if rank == 1:
        raise ValueError("no\nluck")
    dist.barrier()


def one_is_killed_while_the_other_waits(rank, processes):
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


def both_wait_for_ever(rank, processes):
    time.sleep(10_000)


@pytest.fixture
def none_is_left():
    """The test leaves no process behind (but PyTorch's tracker of shared memory, which ends with this program)."""

    def children():
        mine = psutil.Process().children(recursive=True)
        return {child.pid for child in mine if "resource_tracker" not in " ".join(child.cmdline())}

    before = children()
    yield
    assert children() <= before


def test_the_gradient_of_two_processes_is_that_of_one(none_is_left):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    images, labels = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 2, 2, 1, 1])
    F.cross_entropy(model(images), labels).backward()
    first, second = parallel.run(parallel.gradient_of_share, model, images, labels)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(first[name], parameter.grad)
        assert torch.equal(first[name], second[name])
    own_share = torch.autograd.grad(F.cross_entropy(model(images[::2]), labels[::2]), model[3].weight)[0]
    assert not torch.allclose(own_share, first["3.weight"], rtol=0.01)


def test_when_one_process_fails_the_other_is_stopped_and_the_reason_is_said(none_is_left):
    with pytest.raises(CourseError, match=r"^Process 1 failed, so all were stopped \(ValueError: no luck\)\.$"):
        parallel.run(one_fails_while_the_other_waits)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_when_one_process_is_killed_the_other_is_stopped(none_is_left):
    with pytest.raises(CourseError, match=r"^Process 1 was killed \(exit code -9\), so all were stopped: [^.]+\?$"):
        parallel.run(one_is_killed_while_the_other_waits)


def test_processes_that_take_too_long_are_stopped(none_is_left):
    with pytest.raises(CourseError, match=r"^2 processes were stopped after 5 seconds: allow them more\.$"):
        parallel.run(both_wait_for_ever, seconds=5)


# ---- exercises ----


def dropping(keep=lambda x, p: torch.rand_like(x) >= p, scale=lambda p: 1 - p, at_test=lambda x, p: x):
    """A right answer, and with one of the arguments a wrong one; so are the next two."""

    def answer(x, p, training):
        return x * keep(x, p) / scale(p) if training else at_test(x, p)

    return answer


def towers(padding=2, bias=True, read=(0, 1), joined=lambda parts: torch.cat(parts, dim=1)):
    def answer(x, weight, all_bias):
        inputs, weights, biases = x.chunk(2, dim=1), weight.chunk(2), all_bias.chunk(2)
        parts = [F.conv2d(inputs[read[i]], weights[i], biases[i] if bias else None, padding=padding) for i in (0, 1)]
        return joined(parts)

    return answer


def norm(k=2.0, reach=2, power=2):
    def answer(x):
        padded = F.pad(x**power, (0, 0, 0, 0, reach, reach))
        return x / (k + 1e-4 * padded.unfold(1, 2 * reach + 1, 1).sum(-1)) ** 0.75

    return answer


def wrapped(x):
    return x / (2 + 1e-4 * sum((x**2).roll(shift, 1) for shift in range(-2, 3))) ** 0.75


WRONG = [
    (exercises.dropout, dropping(scale=lambda p: 1), "divide what is kept by 1 - p"),
    (exercises.dropout, dropping(keep=lambda x, p: torch.rand_like(x) < p, scale=lambda p: p), "80% became 0, not 20%"),
    (exercises.dropout, dropping(scale=lambda p: 1, at_test=lambda x, p: x * (1 - p)), "change at test time too"),
    (exercises.dropout, lambda x, p, training: dropping()(x, p, True), "change at test time too"),
    (exercises.dropout, dropping(keep=lambda x, p: torch.rand(x.shape[1]) >= p), "each on its own"),
    (exercises.dropout, lambda x, p, training: x, "0% became 0"),
    (exercises.dropout, lambda x, p, training: x[torch.rand_like(x) >= p] / (1 - p), "dropped numbers stay, as zeros"),
    (exercises.dropout, lambda x: x, "stops with TypeError"),
    (exercises.two_towers, towers(bias=False), "the bias is forgotten"),
    (exercises.two_towers, towers(padding=0), "padding=2"),
    (exercises.two_towers, towers(read=(0, 0)), "both towers read the first half"),
    (exercises.two_towers, towers(joined=torch.cat), "torch.cat(…, dim=1)"),
    (exercises.two_towers, towers(read=(1, 0)), "the numbers differ: split x by channels"),
    (exercises.response_norm, lambda x: F.local_response_norm(x, 5, 1e-4, 0.75, 2.0), "alpha is divided by n"),
    (exercises.response_norm, norm(k=1.0), "k is 1"),
    (exercises.response_norm, norm(power=1), "the sum is of squares"),
    (exercises.response_norm, norm(reach=5), "over 5 channels"),
    (exercises.response_norm, wrapped, "or fewer"),
    (exercises.response_norm, lambda x: norm()(x)[:, 2:-2], "the shape changes"),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


@pytest.mark.parametrize(
    "check, answer",
    [
        (exercises.dropout, F.dropout),
        (exercises.two_towers, lambda x, weight, bias: F.conv2d(x, weight, bias, padding=2, groups=2)),
        (exercises.response_norm, lambda x: F.local_response_norm(x, 5, 5e-4, 0.75, 2.0)),
    ],
)
def test_other_right_ways_are_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")


# ---- the explorer ----


@pytest.mark.parametrize("spread", [0.25, 1, 8])
def test_the_gradient_that_passes_is_half_for_relu_and_the_mean_slope_for_the_others(spread):
    draws = torch.randn(200_000, generator=torch.Generator().manual_seed(0)) * spread
    sigmoid, tanh = draws.sigmoid() * (1 - draws.sigmoid()), 1 - draws.tanh() ** 2
    assert explorer.passed_gradient("ReLU", spread) == pytest.approx(0.5, abs=1e-3)
    assert explorer.passed_gradient("sigmoid", spread) == pytest.approx(sigmoid.mean().item(), rel=0.02)
    assert explorer.passed_gradient("tanh", spread) == pytest.approx(tanh.mean().item(), rel=0.02)


@pytest.mark.parametrize("activation, layers", [("ReLU", 1), ("tanh", 3), ("sigmoid", 8)])
def test_the_explorer_draws_what_each_activation_leaves_after_each_layer(activation, layers):
    fig = explorer.draw_saturation(activation, 4, layers)
    curves, shares = fig.axes
    assert activation in [text.get_text() for text in curves.texts]
    slopes = torch.tensor([explorer.passed_gradient(name, 4) for name in explorer.ACTIVATIONS])
    drawn = torch.stack([torch.as_tensor(line.get_ydata()) for line in shares.lines])
    left = slopes[:, None].repeat(1, layers).cumprod(dim=1)  # the slopes of all layers multiplied
    torch.testing.assert_close(drawn, left, check_dtype=False)
    plt.close(fig)
