"""EfficientNet-Lite0: inverted residual blocks of depthwise separable convolutions.

Sources: Tan and Le 2019, EfficientNet (arXiv:1905.11946), table 1, and Google's Lite variant of it
(github.com/tensorflow/tpu, models/official/efficientnet/lite): ReLU6 instead of swish, no squeeze-and-excitation.
"""

import torch
from torch import nn

from helpers.architectures.mobilenet import conv_norm_act, depthwise_separable

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


class InvertedResidual(nn.Module):
    """Expand by a 1x1, filter each channel by a depthwise kernel, project by a linear 1x1; add x where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        expand = conv_norm_act(inputs, hidden) if expansion != 1 else []
        filter_and_project = depthwise_separable(hidden, outputs, kernel, stride)[:-1]  # no ReLU6 after the last 1x1
        self.layers = nn.Sequential(*expand, *filter_and_project)
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
