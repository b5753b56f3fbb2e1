"""Signals of a network small enough to compute them by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import signals


def small():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.fixture
def batch():
    return torch.randn(8, 1, 8, 8), torch.arange(8) % 4


def test_the_four_columns_are_what_autograd_finds(batch):
    model, (images, labels) = small(), batch
    found = signals.measure(model, images, labels)
    first = model[0](images)
    second = model[3](F.relu(model[1](first)))
    F.cross_entropy(F.relu(second).mean(dim=(2, 3)), labels).backward(inputs=[first, second, *model.parameters()])
    assert list(found.index) == ["0", "3"]
    assert found["activations"].tolist() == pytest.approx([first.std().item(), second.std().item()])
    assert found["backward"].tolist() == pytest.approx([first.grad.std().item(), second.grad.std().item()], rel=1e-4)
    assert found["weights"].tolist() == pytest.approx([model[n].weight.grad.norm().item() for n in (0, 3)], rel=1e-4)
    assert found["biases"].isna().tolist() == [True, False]
    assert found["biases"]["3"] == pytest.approx(model[3].bias.grad.norm().item(), rel=1e-4)


def test_the_model_stays_as_it_is(batch):
    model = small().train()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = copy.deepcopy(model.state_dict())
    signals.measure(model, *batch)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model.training and model[0].weight.grad.eq(1).all() and model[3].weight.grad is None
    assert not model[0]._forward_hooks


def test_layers_and_loss_can_be_named(batch):
    model = nn.Sequential(small(), nn.Linear(4, 4))
    found = signals.measure(model, *batch, layers=["0", "1"], loss=lambda logits, labels: 0 * logits.sum())
    assert list(found.index) == ["0", "1"]
    assert (found[["backward", "weights", "biases"]] == 0).all(axis=None) and (found["activations"] > 0).all()


def test_what_the_loss_does_not_reach_gets_zeros(batch):
    class Dead(nn.Sequential):
        def forward(self, x):
            super().forward(x)
            return x.mean(dim=(2, 3)).expand(-1, 4) * self[1].weight.sum()

    found = signals.measure(Dead(*small()[:2]), *batch)
    assert found.loc["0", ["backward", "weights"]].tolist() == [0, 0]
