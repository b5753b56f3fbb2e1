"""EfficientNet-Lite0: inverted residual blocks of depthwise separable convolutions.

Sources: Tan and Le 2019, EfficientNet (arXiv:1905.11946), table 1, and Google's Lite variant of it
(github.com/tensorflow/tpu, models/official/efficientnet/lite): ReLU6 instead of swish, no squeeze-and-excitation.
"""

import torch
from torch import nn
from torch.nn import functional

# One row a stage: kernel size, stride of its first block, expansion, output channels, number of blocks.
LITE0_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


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
            x = functional.pad(x, (0, totals[1] % 2, 0, totals[0] % 2))
        padding = [total // 2 for total in totals]
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def conv_norm_act(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias, batch norm with TensorFlow's constants, ReLU6."""
    return [
        SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
        nn.ReLU6(inplace=True),
    ]


class InvertedResidual(nn.Module):
    """Expand by a 1x1, filter each channel by a depthwise kernel, project by a linear 1x1; add x where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        expand = conv_norm_act(inputs, hidden) if expansion != 1 else []
        depthwise = conv_norm_act(hidden, hidden, kernel, stride, groups=hidden)
        project = conv_norm_act(hidden, outputs)[:2]
        self.layers = nn.Sequential(*expand, *depthwise, *project)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] to [N, outputs, ceil(H / stride), ceil(W / stride)]."""
        return x + self.layers(x) if self.shortcut else self.layers(x)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0, 4,652,008 parameters: [N, 3, H, W] to logits [N, classes]; trained at 224 x 224."""

    def __init__(self, classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        layers, channels = conv_norm_act(3, 32, 3, stride=2), 32
        for kernel, stride, expansion, outputs, blocks in LITE0_STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, outputs, kernel, stride if block == 0 else 1, expansion))
                channels = outputs
        self.features = nn.Sequential(*layers, *conv_norm_act(channels, 1280))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 3, H, W] to logits [N, classes]."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
