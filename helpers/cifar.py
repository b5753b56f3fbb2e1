"""The recipe by which the ResNet paper trained its networks for CIFAR-10."""

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from helpers import datasets, training


def images() -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """CIFAR-10 for training and for testing: float images [N, 3, 32, 32] without their mean image, labels [N].

    Raises CourseError where the data set is not there and cannot be downloaded.
    """
    learning, testing = (datasets.from_torchvision("CIFAR10", training=part) for part in (True, False))
    mean = learning.images.float().mean(dim=0) / 255
    return tuple((part.images / 255 - mean, part.labels) for part in (learning, testing))


def train(
    network: nn.Module,
    learning: tuple[torch.Tensor, torch.Tensor],
    testing: tuple[torch.Tensor, torch.Tensor],
    *,
    steps: int = 64_000,
    warm_up: int = 0,
    measurements: int = 16,
    seed: int = 0,
) -> training.History:
    """Train as in section 4.2 of He et al. 2015 (arXiv:1512.03385), and measure at equal distances.

    Batches of 128, momentum 0.9, weight decay 1e-4; a learning rate of 0.1, a tenth of it after half of the `steps`
    and a hundredth after three quarters. Each image is shifted by up to 4 pixels and mirrored at random. For 110 layers
    the paper begins with a tenth of the rate, for about 400 steps of `warm_up`.
    """

    def factor(step: int) -> float:
        return 0.1 ** ((step < warm_up) + (step >= steps / 2) + (step >= steps * 3 / 4))

    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    return training.train(
        network,
        optimiser,
        learning,
        testing,
        steps=steps,
        every=max(1, steps // measurements),
        augment=lambda batch: training.shift_and_flip(batch, 4),
        scheduler=LambdaLR(optimiser, factor),
        seed=seed,
    )
