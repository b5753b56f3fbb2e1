"""The recipe by which the ResNet paper trained its networks for CIFAR-10 (section 4.2 of arXiv:1512.03385)."""

import functools

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import MultiStepLR

from helpers import bundled, training

Images = tuple[torch.Tensor, torch.Tensor]  # float [N, 3, 32, 32] less the mean training image, and labels [N]


def load() -> tuple[Images, Images]:
    """CIFAR-10's training and test set; raises CourseError where it is not there and cannot be downloaded."""
    train_set, test_set = (bundled.from_torchvision("CIFAR10", train=train) for train in (True, False))
    mean = train_set.images.float().mean(dim=0) / 255
    return (train_set.images / 255 - mean, train_set.labels), (test_set.images / 255 - mean, test_set.labels)


def train(
    model: nn.Module, train_set: Images, test_set: Images, *, steps: int = 64_000, measure_every: int = 4_000
) -> training.History:
    """Train `model` in place in batches of 128, each image shifted by up to 4 pixels and mirrored.

    The learning rate is 0.1, a tenth of it after half of the steps, a hundredth after three quarters. The test set
    stands in the History as `val`: nothing is chosen by it.
    """
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = MultiStepLR(optimizer, [steps // 2, steps * 3 // 4])
    options = {"steps": steps, "measure_every": measure_every, "scheduler": scheduler, "seed": 0}
    augment = functools.partial(training.shift_and_flip, pixels=4)
    return training.train(model, optimizer, train_set, test_set, augment=augment, **options)
