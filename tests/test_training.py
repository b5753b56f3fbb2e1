"""The training loop: what it changes, what it repeats, what it measures, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import training
from helpers.errors import CourseError

CPU = torch.device("cpu")


@pytest.fixture
def data():
    """60 images of 4 x 4 pixels of three classes, told apart by their brightness, in a fixed random order."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    images = labels[:, None, None, None] + 0.3 * torch.randn(60, 1, 4, 4, generator=generator) - 1
    return images, labels


def small_network(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3))


def run(data, model=None, lr=0.1, **options):
    model = model or small_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    options = {"steps": 20, "measure_every": 10, "batch_size": 16, "seed": 0, "device": CPU} | options
    return training.train(model, optimizer, data, **options), model


def test_learns_a_task_that_can_be_learnt(data):
    images, labels = data
    history, model = run((images[:40], labels[:40]), val_set=(images[40:], labels[40:]), steps=100, measure_every=25)
    assert history.steps == [25, 50, 75, 100]
    assert len(history.train) == len(history.val) == 4
    assert history.train[-1].error == history.val[-1].error == 0
    assert history.train[-1].loss < history.train[0].loss
    assert not model.training


def test_one_step_is_one_step_of_the_optimizer_by_hand(data):
    by_hand = small_network()
    loss = F.cross_entropy(by_hand(data[0]), data[1])
    gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
    _, model = run(data, steps=1, batch_size=60)
    for new, old, gradient in zip(model.parameters(), by_hand.parameters(), gradients, strict=True):
        torch.testing.assert_close(new, old - 0.1 * gradient)


def test_each_epoch_shows_every_image_once_in_another_order(data):
    seen = []

    def watch(images):
        seen.append(images.sum(dim=(1, 2, 3)))
        return images

    run(data, augment=watch, steps=8, batch_size=15)
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert torch.equal(first.sort().values, data[0].sum(dim=(1, 2, 3)).sort().values)
    assert torch.equal(first.sort().values, second.sort().values) and not torch.equal(first, second)


def test_the_same_seed_repeats_the_run_to_the_last_bit_and_another_does_not(data):
    def trained(seed):
        augment = lambda images: training.shift_and_flip(images, 1)  # noqa: E731
        return run(data, small_network(dropout=0.5), seed=seed, augment=augment)[0]

    assert trained(1) == trained(1) != trained(2)


def test_unasked_the_random_generators_are_left_where_they_stand(data):
    model = small_network()
    torch.manual_seed(5)
    torch.randperm(60)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    run(data, model, steps=1, seed=None)
    assert torch.equal(torch.rand(1), wanted)


def test_scores_are_taken_without_dropout_and_over_all_images(data):
    history, model = run(data, small_network(dropout=0.9))
    logits = model(data[0])
    assert history.train[-1].loss == pytest.approx(F.cross_entropy(logits, data[1]).item(), rel=1e-5)
    assert history.train[-1].error == pytest.approx((logits.argmax(1) != data[1]).float().mean().item())


def test_stops_at_the_target_error_and_also_measures_an_incomplete_last_interval(data):
    history, _ = run(data, steps=200, measure_every=7, target_error=0.1)
    assert history.steps[-1] < 200
    assert history.train[-1].error <= 0.1 < history.train[-2].error
    assert run(data, steps=10, measure_every=7)[0].steps == [7, 10]


def test_only_what_the_optimizer_holds_is_changed(data):
    model = small_network()
    before = model[1].weight.clone()
    optimizer = torch.optim.SGD(model[4].parameters(), lr=0.1)
    last = model[4].weight.clone()
    training.train(model, optimizer, data, steps=3, measure_every=3, device=CPU)
    assert torch.equal(model[1].weight, before) and not torch.equal(model[4].weight, last)


def test_the_scheduler_sets_the_rate_of_the_next_step(data):
    model = small_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    training.train(model, optimizer, data, steps=4, measure_every=4, scheduler=scheduler, device=CPU)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_a_loss_that_is_not_finite_names_its_step_and_the_cure(data):
    calls = []

    def spoil_the_third(images):
        calls.append(1)
        return images * float("nan") if len(calls) == 3 else images

    with pytest.raises(CourseError, match=r"The loss of step 3 is not finite: lower the learning rate\."):
        run(data, augment=spoil_the_third, steps=10, measure_every=5)
    with pytest.raises(CourseError, match="lower the learning rate"):
        run(data, lr=1e30)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda images, labels: (images.byte(), labels), r"training images are uint8 \[60, 1, 4, 4\]: give float"),
        (lambda images, labels: (images[:, 0], labels), r"float32 \[60, 4, 4\]: give float images \[N, C, H, W\]"),
        (lambda images, labels: (images[:0], labels[:0]), r"float32 \[0, 1, 4, 4\]"),
        (lambda images, labels: (images, labels[:50]), "60 training images and 50 labels"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused(data, change, sentence):
    with pytest.raises(CourseError, match=sentence):
        run(change(*data))
    with pytest.raises(CourseError, match=sentence.replace("training", "validation")):
        run(data, val_set=change(*data))


def test_shift_and_flip_gives_each_of_the_variants_and_only_these():
    image = torch.arange(1.0, 7).view(1, 2, 3)
    padded = F.pad(image, [1] * 4)
    crops = [padded[:, down : down + 2, right : right + 3] for down in range(3) for right in range(3)]
    expected = {tuple(crop.flatten().tolist()) for crop in crops} | {
        tuple(crop.flip(2).flatten().tolist()) for crop in crops
    }
    torch.manual_seed(0)
    drawn = training.shift_and_flip(image.expand(2000, 1, 2, 3), 1)
    assert {tuple(each.flatten().tolist()) for each in drawn} == expected
    assert len(expected) == 18


@pytest.mark.parametrize("option", ["steps", "measure_every", "batch_size"])
def test_counts_below_one_are_refused(data, option):
    with pytest.raises(CourseError, match=rf"{option} = 0.*: each must be 1 or more\."):
        run(data, **{option: 0})


def test_labels_that_the_model_has_no_logit_for_are_refused(data):
    images, labels = data
    with pytest.raises(CourseError, match="The labels run from 1 to 3, but the model tells 3 classes apart"):
        run((images, labels + 1))
    with pytest.raises(CourseError, match="The labels run from -1 to 2"):
        run(data, val_set=(images, labels - 1))
