"""Guesses, their errors, and the way from a data set to logits."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

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
