"""VGG: 3x3 convolutions, stacked, with a pooling that halves the map after each stack.

Source: Simonyan and Zisserman 2014, Very Deep Convolutional Networks for Large-Scale Image Recognition
(arXiv:1409.1556), table 1.
"""

import torch
from torch import nn

from helpers.errors import CourseError

# The columns of the paper's table 1, in its words: 3-64 is a 3x3 convolution to 64 channels.
TABLE_1 = {
    "A": "3-64 pool 3-128 pool 3-256 3-256 pool 3-512 3-512 pool 3-512 3-512 pool",
    "A-LRN": "3-64 LRN pool 3-128 pool 3-256 3-256 pool 3-512 3-512 pool 3-512 3-512 pool",
    "B": "3-64 3-64 pool 3-128 3-128 pool 3-256 3-256 pool 3-512 3-512 pool 3-512 3-512 pool",
    "C": "3-64 3-64 pool 3-128 3-128 pool 3-256 3-256 1-256 pool 3-512 3-512 1-512 pool 3-512 3-512 1-512 pool",
    "D": "3-64 3-64 pool 3-128 3-128 pool 3-256 3-256 3-256 pool 3-512 3-512 3-512 pool 3-512 3-512 3-512 pool",
    "E": "3-64 3-64 pool 3-128 3-128 pool 3-256 3-256 3-256 3-256 pool 3-512 3-512 3-512 3-512 pool "
    "3-512 3-512 3-512 3-512 pool",
}


def features(column: str) -> nn.Sequential:
    """The convolutions of one column of TABLE_1, or of another one in its words: [N, 3, H, W] to [N, 512, H/32, W/32].

    Raises CourseError for a word that is not known.
    """
    layers, channels = [], 3
    for word in TABLE_1.get(column, column).split():
        kernel, _, outputs = word.partition("-")
        if word == "pool":
            layers.append(nn.MaxPool2d(2, 2))
        elif word == "LRN":  # AlexNet's; PyTorch divides alpha by n = 5, the formula does not
            layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
        elif kernel.isdecimal() and outputs.isdecimal():
            layers.append(nn.Conv2d(channels, int(outputs), int(kernel), padding=int(kernel) // 2))
            layers.append(nn.ReLU(inplace=True))
            channels = int(outputs)
        else:
            raise CourseError(f'"{word}" is no layer: write for example "3-64", "LRN" or "pool", or one of A to E.')
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """One column of TABLE_1 ("A" to "E", "A-LRN"): [N, 3, 224, 224] to logits [N, classes].

    The layers are called as in torchvision (vgg11, vgg13, vgg16, vgg19 are A, B, D, E), whose weights fit.
    """

    def __init__(self, column: str, classes: int = 1000):
        super().__init__()
        self.features = features(column)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Linear(4096, classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 3, 224, 224] to logits [N, classes]."""
        return self.classifier(self.features(x).flatten(1))
