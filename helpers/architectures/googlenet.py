"""GoogLeNet: nine inception modules, with two auxiliary heads that serve in training only.

Source: Szegedy et al. 2014, Going Deeper with Convolutions (arXiv:1409.4842), table 1 and figure 3.
"""

from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.architectures.alexnet import response_norm

# The paper's table 1: channels out of the 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5 convolutions and the pool projection.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def convolution(inputs: int, outputs: int, kernel_size: int, **options: Any) -> nn.Sequential:
    """A convolution and its ReLU; there is no batch norm, which is younger."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size, **options), nn.ReLU(inplace=True))


class NaiveInception(nn.ModuleDict):
    """Three kernel sizes and a pooling side by side: [N, inputs, H, W] to [N, one + three + five + inputs, H, W]."""

    def __init__(self, inputs: int, one: int, three: int, five: int, stride: int = 1):
        super().__init__()
        self["1x1"] = convolution(inputs, one, 1, stride=stride)
        self["3x3"] = convolution(inputs, three, 3, stride=stride, padding=1)
        self["5x5"] = convolution(inputs, five, 5, stride=stride, padding=2)
        self["pool"] = nn.MaxPool2d(3, stride=stride, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] to [N, one + three + five + inputs, H / stride, W / stride]."""
        return torch.cat([branch(x) for branch in self.values()], dim=1)


class Inception(nn.Module):
    """Four branches side by side, concatenated: [N, inputs, H, W] to [N, one + three + five + pool, H, W].

    1x1 convolutions reduce the channels to `reduce_3` and `reduce_5` in front of the larger kernels, and to `pool`
    after the pooling, whose stride is 1.
    """

    def __init__(self, inputs: int, one: int, reduce_3: int, three: int, reduce_5: int, five: int, pool: int):
        super().__init__()
        self.branch1 = convolution(inputs, one, 1)
        self.branch2 = nn.Sequential(convolution(inputs, reduce_3, 1), convolution(reduce_3, three, 3, padding=1))
        self.branch3 = nn.Sequential(convolution(inputs, reduce_5, 1), convolution(reduce_5, five, 5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), convolution(inputs, pool, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] to [N, one + three + five + pool, H, W]."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class AuxiliaryHead(nn.Sequential):
    """A small classifier on the maps in the middle of the network: [N, inputs, 14, 14] to logits [N, classes]."""

    def __init__(self, inputs: int, classes: int, dropout: float = 0.7):
        super().__init__(
            nn.AvgPool2d(5, stride=3),
            convolution(inputs, 128, 1),
            nn.Flatten(),
            nn.Linear(128 * 4 * 4, 1024),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(1024, classes),
        )


class Logits(NamedTuple):
    """What the network answers in training: its own logits [N, classes], and those of the heads on 4a and 4d."""

    main: torch.Tensor
    aux1: torch.Tensor
    aux2: torch.Tensor


class GoogLeNet(nn.Module):
    """GoogLeNet, 6,998,552 parameters and with `heads` 6,379,728 more: [N, 3, 224, 224] to logits [N, classes].

    The paper names response normalisation (figure 3) without its settings; these are AlexNet's. Layers are called as
    in torchvision, whose network is another one: batch norm, 3x3 for 5x5, other poolings.
    """

    def __init__(self, classes: int = 1000, heads: bool = True, dropout: float = 0.4):
        super().__init__()
        self.conv1 = convolution(3, 64, 7, stride=2, padding=3)
        self.conv2 = convolution(64, 64, 1)
        self.conv3 = convolution(64, 192, 3, padding=1)
        self.norm = response_norm()
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # 112 to 56, 28, 14 and 7
        inputs = 192
        for name, widths in TABLE_1.items():
            module = Inception(inputs, *widths)
            self.add_module(f"inception{name}", module)
            inputs = widths[0] + widths[2] + widths[4] + widths[5]
        self.aux1 = AuxiliaryHead(512, classes) if heads else None
        self.aux2 = AuxiliaryHead(528, classes) if heads else None
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor | Logits:
        """[N, 3, 224, 224] to logits [N, classes]; with heads and in training mode to Logits."""
        x = self.norm(self.pool(self.conv1(x)))
        x = self.pool(self.norm(self.conv3(self.conv2(x))))
        x = self.inception3b(self.inception3a(x))
        early = self.inception4a(self.pool(x))
        late = self.inception4d(self.inception4c(self.inception4b(early)))
        x = self.pool(self.inception4e(late))
        x = self.inception5b(self.inception5a(x))
        x = self.fc(self.dropout(x.mean(dim=(2, 3))))
        if self.training and self.aux1 is not None:
            return Logits(x, self.aux1(early), self.aux2(late))
        return x
