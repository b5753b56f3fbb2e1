"""AlexNet, as in the paper: two towers, response normalisation, overlapping pooling.

Source: Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep Convolutional Neural Networks.
"""

import torch
from torch import nn


def response_norm() -> nn.LocalResponseNorm:
    """The paper's response normalisation: n = 5, alpha = 1e-4, beta = 0.75, k = 2.

    PyTorch divides alpha by n, so it is multiplied by n here.
    """
    return nn.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)


class AlexNet(nn.Module):
    """AlexNet, 60,965,224 parameters: [N, 3, 227, 227] to logits [N, classes].

    The paper computes half of the channels on each of two GPUs, in two towers that see each other only in the third
    convolution and the fully connected layers: `towers` are the groups of a convolution. With `towers` = 1 each
    convolution sees all channels (62,378,344 parameters). The paper says 224 x 224, but 55 x 55 follows from 227.
    """

    def __init__(self, classes: int = 1000, towers: int = 2, dropout: float = 0.5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, kernel_size=11, stride=4),
            nn.ReLU(inplace=True),
            response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=towers),
            nn.ReLU(inplace=True),
            response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=towers),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=towers),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, classes),
        )
        self.initialise()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 3, 227, 227] to logits [N, classes]."""
        return self.classifier(self.features(x).flatten(1))

    def initialise(self) -> None:
        """As in the paper's section 5: weights N(0, 0.01²); biases 1 where they keep ReLUs alive at first, else 0."""
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        for number, layer in enumerate(layers, start=1):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, float(number in (2, 4, 5, 6, 7)))
