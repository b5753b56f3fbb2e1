"""Guesses, their errors, and the way from a data set to logits."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
import torchvision
from sklearn.metrics import top_k_accuracy_score
from torch import nn

from helpers import bundled, datasets, evaluation, pretrained

TIED = torch.tensor([[0.0, 2.0, 1.0, 2.0], [3.0, 3.0, 3.0, 3.0]])


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(200, 30, generator=torch.Generator().manual_seed(0))


def test_among_equal_logits_the_lower_class_is_guessed_first():
    assert evaluation.top_k(TIED, 4).classes.tolist() == [[1, 3, 2, 0], [0, 1, 2, 3]]
    assert evaluation.top_k(TIED, 1).classes.flatten().equal(TIED.argmax(dim=1))


def test_among_many_equal_logits_the_lower_classes_are_guessed_first():
    assert evaluation.top_k(torch.zeros(2, 1000)).classes.tolist() == [list(range(5))] * 2


def test_with_k_above_the_classes_every_class_is_guessed_and_nothing_is_wrong():
    assert evaluation.top_k(TIED, 9).classes.shape == (2, 4)
    assert evaluation.top_k_error(TIED, torch.tensor([0, 3]), 9).value == 0


def test_probabilities_are_those_of_softmax_fall_and_sum_to_one(logits):
    guesses = evaluation.top_k(logits, 30)
    assert (guesses.probabilities.diff(dim=1) <= 0).all()
    torch.testing.assert_close(guesses.probabilities.sum(dim=1), torch.ones(200))
    torch.testing.assert_close(guesses.probabilities[:, 0], torch.softmax(logits, dim=1).max(dim=1).values)


@pytest.mark.parametrize("k", [1, 2, 5, 29])
def test_the_error_is_what_scikit_learn_leaves_of_the_accuracy(logits, k):
    labels = torch.arange(200) % 30
    accuracy = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=k, labels=np.arange(30))
    error = evaluation.top_k_error(logits, labels, k)
    assert error.value == pytest.approx(1 - accuracy, abs=1e-12)
    assert error.low < error.value < error.high
    assert error.count == 200


@pytest.mark.parametrize("levels", [1, 2, 5, 10**6], ids=["constant", "two levels", "five levels", "no ties"])
@pytest.mark.parametrize("seed", range(3))
def test_more_guesses_are_never_wrong_more_often(levels, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(levels, (100, 12), generator=generator).float()
    labels = torch.randint(12, (100,), generator=generator)
    errors = [evaluation.top_k_error(logits, labels, k).value for k in range(1, 13)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[4] > errors[-1] == 0
    assert errors[0] == (logits.argmax(dim=1) != labels).sum().item() / 100


def test_an_error_rate_reads_as_a_percentage_with_its_interval():
    error = evaluation.top_k_error(torch.eye(4), torch.tensor([0, 1, 2, 0]))
    assert str(error) == "25.0% [4.6%, 69.9%] of 4"


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_batch_size_changes_neither_the_logits_nor_their_order(networks, predictions, batch_size):
    whole = predictions["squeezenet1_1"]
    parts = evaluation.predict(networks["squeezenet1_1"], bundled.labelled_photos(), batch_size)
    torch.testing.assert_close(parts.logits, whole.logits, rtol=0, atol=1e-4)
    assert parts.labels.equal(whole.labels)
    assert parts.indices.equal(torch.arange(20))


def test_predictions_follow_the_order_of_the_photographs(networks, predictions):
    photos = bundled.labelled_photos()
    backwards = datasets.Photos(photos.samples[::-1], photos.categories)
    turned = evaluation.predict(networks["squeezenet1_1"], backwards, batch_size=7)
    assert turned.labels.tolist() == [label for _, label in photos.samples][::-1]
    torch.testing.assert_close(turned.logits.flip(0), predictions["squeezenet1_1"].logits, rtol=0, atol=1e-4)


def test_predicting_twice_gives_identical_logits(networks, predictions):
    again = evaluation.predict(networks["squeezenet1_1"], bundled.labelled_photos())
    assert again.logits.equal(predictions["squeezenet1_1"].logits)


def test_predictions_are_float32_logits_and_int64_labels_on_the_cpu(predictions):
    logits, labels, indices, unreadable = predictions["efficientnet_lite0"]
    assert (logits.dtype, labels.dtype, indices.dtype) == (torch.float32, torch.int64, torch.int64)
    assert logits.device.type == labels.device.type == indices.device.type == "cpu"
    assert (logits.shape, unreadable) == ((20, 1000), [])


def test_predicting_leaves_the_network_as_it_was(networks):
    """In its mode, on its device, in its memory layout, and with its gradients."""
    network = dataclasses.replace(networks["squeezenet1_1"], model=copy.deepcopy(networks["squeezenet1_1"].model))
    network.model.to(memory_format=torch.contiguous_format).train()
    strides = [parameter.stride() for parameter in network.model.parameters()]
    evaluation.predict(network, bundled.labelled_photos().subset([0]))
    assert network.model.training
    assert [parameter.stride() for parameter in network.model.parameters()] == strides
    assert all(parameter.requires_grad for parameter in network.model.parameters())


def test_photographs_and_the_same_pixels_in_memory_give_the_same(networks, photo, tmp_path):
    """But for Pillow's and PyTorch's resizing, which round differently."""
    photo.resize((336, 224)).save(tmp_path / "a.png")
    photos = datasets.Photos([(tmp_path / "a.png", 7)], ["a"])
    pixels = torch.from_numpy(np.array(photos[0][0])).permute(2, 0, 1)[None]
    arrays = datasets.Arrays(pixels, torch.tensor([7]), ["a"])
    one, other = (evaluation.predict(networks["squeezenet1_1"], data) for data in (photos, arrays))
    assert one.labels.tolist() == other.labels.tolist() == [7]
    torch.testing.assert_close(one.logits, other.logits, rtol=0, atol=1e-3)


def test_a_data_set_with_a_transform_is_preprocessed_once():
    network, photos = pretrained.load("squeezenet1_1").at(64), bundled.free_photos().subset(slice(0, 2))
    plain = evaluation.predict(network, photos).logits
    assert torch.equal(evaluation.predict(network, photos.with_transform(network.preprocess)).logits, plain)


# ---- batch norm folded into convolutions ----


def with_statistics(model):
    """As after training: each batch norm with statistics, weights and biases of its own; in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.running_var):
                nn.init.uniform_(values, 0.5, 2, generator=generator)
            for values in (layer.bias, layer.running_mean):
                nn.init.normal_(values, generator=generator)
    return model.eval()


def norms(model):
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())


def answers(model, pixels=64):
    with torch.inference_mode():
        return model(torch.randn(2, 3, pixels, pixels, generator=torch.Generator().manual_seed(1)))


FOLDED = {"efficientnet_lite0": 49, "resnet18": 20, "googlenet": 57, "mobilenet_v2": 52, "mobilenet_v3_small": 34}


@pytest.mark.parametrize("name, count", FOLDED.items())
def test_all_batch_norm_is_folded_and_the_logits_stay(name, count):
    torch.manual_seed(0)
    model = with_statistics(pretrained.architecture(name))
    folded = evaluation.fold_(copy.deepcopy(model))
    assert (norms(model), norms(folded)) == (count, 0)
    wanted = answers(model, 96)
    assert (answers(folded, 96) - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_the_published_weights_give_the_same_logits_folded_and_stay_as_they_are(networks):
    model = networks["efficientnet_lite0"].model
    before = copy.deepcopy(model.state_dict())
    wanted = answers(model, 224)
    assert (answers(evaluation.fold_(copy.deepcopy(model)), 224) - wanted).abs().max() < 1e-5 * wanted.abs().max()
    evaluation.predict(networks["efficientnet_lite0"].at(64), bundled.labelled_photos().subset([0]))
    assert norms(model) == 49 and all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())


def test_predicting_computes_without_batch_norm(networks, monkeypatch):
    """Or it would be as slow as before, with nobody to notice."""
    fold_, seen = evaluation.fold_, []
    monkeypatch.setattr(evaluation, "fold_", lambda model: seen.append(fold_(model)) or seen[-1])
    evaluation.predict(networks["efficientnet_lite0"].at(64), bundled.labelled_photos().subset([0]))
    assert [norms(model) for model in seen] == [0]


class Odd(nn.Module):
    """A convolution and batch norm, joined by what is given."""

    def __init__(self, forward, conv=nn.Conv2d):
        super().__init__()
        self.conv, self.norm, self.way = conv(3, 4, 3), nn.BatchNorm2d(4), forward

    def forward(self, x):
        return self.way(self, x)


class Doubled(nn.Conv2d):
    """A convolution with a forward pass of its own, into which no batch norm fits."""

    def forward(self, x):
        return super().forward(x).abs()


ODD = {
    "the convolution is read twice": Odd(lambda self, x: self.conv(x).mean() + self.norm(self.conv(x))),
    "its output is read elsewhere": Odd(lambda self, x: (lambda y: y + self.norm(y))(self.conv(x))),
    "its weight is used apart": Odd(lambda self, x: self.norm(self.conv(x)) * self.conv.weight.sum()),
    "the norm is used twice": Odd(lambda self, x: self.norm(self.conv(x)) + self.norm(self.conv.forward(x) * 2)),
    "something stands between": Odd(lambda self, x: self.norm(self.conv(x).relu())),
    "the norm comes first": Odd(lambda self, x: self.norm(torch.cat([self.conv(x), x[:, :1, 1:-1, 1:-1]], 1)[:, :4])),
    "a convolution of one's own": Odd(lambda self, x: self.norm(self.conv(x)), Doubled),
    "the way depends on the values": Odd(lambda self, x: self.norm(self.conv(x)) if x.mean() < 9 else x),
    "no arguments by place": Odd(lambda self, x: self.norm(input=self.conv(input=x))),
    "it raises when traced": Odd(lambda self, x: self.norm(self.conv(x)) * float(x.sum())),
}


@pytest.mark.parametrize("case", ODD)
def test_what_cannot_be_folded_computes_as_it_is(case):
    model = with_statistics(copy.deepcopy(ODD[case]))
    folded = evaluation.fold_(copy.deepcopy(model))
    assert norms(folded) == 1
    torch.testing.assert_close(answers(folded), answers(model), rtol=0, atol=0)


def test_the_plain_pair_is_folded_so_that_the_odd_ones_mean_something():
    model = with_statistics(Odd(lambda self, x: self.norm(self.conv(x))))
    folded = evaluation.fold_(copy.deepcopy(model))
    assert norms(folded) == 0
    torch.testing.assert_close(answers(folded), answers(model), rtol=1e-5, atol=1e-5)


def test_hooks_see_what_they_saw():
    model, seen = with_statistics(torchvision.models.resnet18(weights=None)), []
    model.bn1.register_forward_hook(lambda layer, given, answer: seen.append(answer.mean().item()))
    answers(model)
    answers(evaluation.fold_(copy.deepcopy(model)))
    assert len(seen) == 2 and seen[0] == seen[1]


def test_a_forward_pass_that_prints_prints_nothing_more(capsys):
    def way(self, x):
        print("shape", len(x.shape))
        return self.norm(self.conv(x))

    model = with_statistics(Odd(way))
    answers(evaluation.fold_(model))
    assert capsys.readouterr().out == "shape 4\n"


def test_batch_norm_without_statistics_is_not_folded():
    model = Odd(lambda self, x: self.norm(self.conv(x)))
    model.norm = nn.BatchNorm2d(4, track_running_stats=False)
    assert norms(evaluation.fold_(model.eval())) == 1
    model.norm = nn.BatchNorm2d(4)
    assert norms(evaluation.fold_(model.train())) == 1
