"""MobileNet v1: convolutions taken apart into a depthwise and a pointwise one; and its twin that does not.

Source: Howard et al. 2017, MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications
(arXiv:1704.04861), table 1.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from helpers.errors import CourseError


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": output side = ceil(input side / stride).

    At stride 2 TensorFlow pads one pixel more on the right and below than on the left and above. PyTorch's
    symmetric padding would shift the picture by a pixel at each such layer, and cost the published weights accuracy.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] to [N, C', ceil(H / stride), ceil(W / stride)]."""
        totals = [
            max((-(-side // stride) - 1) * stride + kernel - side, 0)
            for side, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        ]
        if any(total % 2 for total in totals):
            x = F.pad(x, (0, totals[1] % 2, 0, totals[0] % 2))
        padding = [total // 2 for total in totals]
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def conv_norm_act(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias, batch norm with TensorFlow's constants, ReLU6."""
    return [
        SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
        nn.ReLU6(inplace=True),
    ]


def depthwise_separable(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Filter each channel by a kernel of its own (depthwise), then mix the channels at each place (pointwise)."""
    depthwise = conv_norm_act(inputs, inputs, kernel, stride, groups=inputs)
    pointwise = conv_norm_act(inputs, outputs, kernel=1)
    return depthwise + pointwise


# Output channels and stride of the 13 blocks after the first convolution, the paper's table 1. (It prints a stride of
# 2 for the last depthwise layer too, but maps of 7 x 7 in front of it and after it.)
BLOCKS = (*((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)), *((512, 1),) * 5, *((1024, 2), (1024, 1)))
SHALLOW = BLOCKS[:6] + BLOCKS[11:]  # the paper's table 5: without the five blocks of 14 x 14 x 512


class MobileNet(nn.Module):
    """MobileNet v1, 4,231,976 parameters: [N, 3, H, W] to logits [N, classes]; the paper's H = W is 128 to 224.

    `width` multiplies all channels (the paper's alpha); its other multiplier, resolution, is the size of the image.
    With `block` = conv_norm_act it is the twin of the paper's table 4, with a dense 3x3 convolution in each block.
    The paper says ReLU; its authors' code caps it at 6, as all later MobileNets do. Raises CourseError for a width
    that leaves no channel.
    """

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        blocks: Sequence[tuple[int, int]] = BLOCKS,
        block: Callable[[int, int, int, int], list[nn.Module]] = depthwise_separable,
    ):
        super().__init__()
        channels = round(32 * width)
        if channels < 1:
            raise CourseError(f"A width of {width} leaves no channel of 32: use one from 0.05 on.")
        layers = conv_norm_act(3, channels, kernel=3, stride=2)
        for outputs, stride in blocks:
            layers += block(channels, round(outputs * width), 3, stride)
            channels = round(outputs * width)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 3, H, W] to logits [N, classes]."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
