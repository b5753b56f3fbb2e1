"""The machinery of exercises: what a check says, what it hands out, and which weights a block computes with."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import checks
from helpers.checks import Wrong


@checks.exercise
def doubled(answer):
    x = torch.ones(2)
    checks.require(torch.equal(answer(x), 2 * torch.ones(2)), "it is not twice x.")
    checks.require(torch.equal(x, torch.ones(2)), "it changes x.")
    return "twice x."


def in_place(x):
    return x.mul_(2)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (lambda x: 2 * x, "right: twice x."),
        (in_place, "right: twice x."),
        (lambda x: 3 * x, "wrong: it is not twice x."),
        (lambda x: None, "not solved yet: <lambda> returns nothing."),
        (lambda x: [][0], "wrong: <lambda> stops with IndexError: list index out of range"),
    ],
)
def test_a_check_prints_one_line_and_never_raises(answer, line, capsys):
    doubled(answer)
    assert capsys.readouterr().out == f"{line}\n"


def test_the_mistake_is_named_or_the_rest_is_said():
    x = torch.ones(3)
    checks.name_the_mistake(x, x + 1e-6, [("never", x)], "never")
    with pytest.raises(Wrong, match="twice"):
        checks.name_the_mistake(2 * x, x, [("half", x / 2), ("twice", 2 * x)], "other")
    with pytest.raises(Wrong, match="other"):
        checks.name_the_mistake(torch.ones(3, 1), x, [("half", x / 2)], "other")


class Functional(nn.Module):
    """Two convolutions written without layers, used in another order than they were made."""

    def __init__(self):
        super().__init__()
        self.second, self.first = nn.Parameter(torch.zeros(2, 4, 3, 3)), nn.Parameter(torch.zeros(4, 3, 3, 3))

    def forward(self, x):
        return F.conv2d(F.conv2d(x, self.first, padding=1).relu(), self.second, padding=1)


@pytest.mark.parametrize(
    ("block", "shapes"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)), [(4, 3, 3, 3), (4,), (2, 4, 1, 1), (2,)]),
        (nn.Sequential(nn.LazyConv2d(4, 3, bias=False), nn.BatchNorm2d(4)), [(4, 3, 3, 3), (4,), (4,), (4,), (4,)]),
        (Functional(), [(4, 3, 3, 3), (2, 4, 3, 3)]),
    ],
    ids=["layers", "lazy", "functional"],
)
def test_weights_in_use_come_in_the_order_of_use_in_any_style(block, shapes):
    weights = checks.weights_in_use(block, torch.randn(2, 3, 8, 8))
    assert [tuple(weight.shape) for weight in weights] == shapes
    assert not block.training and all(weight.std() > 0.1 for weight in weights)


def test_with_the_weights_in_use_a_check_can_compute_the_block_again():
    block, x = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()), torch.randn(2, 3, 8, 8)
    kernel, mean, variance, gamma, beta = checks.weights_in_use(block, x)
    wanted = F.batch_norm(F.conv2d(x, kernel), mean, variance, gamma, beta).relu()
    assert checks.close(block(x), wanted)
    assert not checks.close(block(x), F.conv2d(x, kernel).relu())


def test_what_is_no_module_is_said():
    with pytest.raises(Wrong, match="it returns a list, not a module"):
        checks.weights_in_use([nn.ReLU()], torch.ones(1))


def test_the_learners_random_numbers_are_left_alone():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    with checks.seeded():
        torch.rand(5)
    assert torch.equal(torch.rand(2), wanted)


class InAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(3, 4, 3)]

    def forward(self, x):
        return self.layers[0](x)


class Silent(nn.Conv2d):
    def forward(self, x):
        super().forward(x)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (InAList(), "a plain list"),
        (nn.Sequential(nn.ReLU(), nn.Identity()), "no weights"),
        (Silent(3, 4, 3), "returns nothing"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.1)), "leave dropout out"),
    ],
)
def test_a_block_whose_weights_cannot_be_judged_is_refused(block, said):
    with pytest.raises(checks.Wrong, match=said):
        checks.weights_in_use(block, torch.randn(2, 3, 5, 5))
