"""Residual networks, and the same networks without their shortcuts, as in the paper.

Source: He, Zhang, Ren and Sun 2015, Deep Residual Learning for Image Recognition (arXiv:1512.03385).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers.errors import CourseError

# Blocks in each of the four stages (the paper's table 1); those of 18 and 34 have two layers, the others three.
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size of the map, or halves it; without bias, since batch norm follows."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


class ZeroPadding(nn.Module):
    """The shortcut without parameters, option A: every `stride`-th unit, and zeros for the channels that x lacks.

    They come after those of x or, with pad="both", half of them before: some pretrained networks for CIFAR-10 need it.
    """

    def __init__(self, more_channels: int, stride: int, pad: str = "after"):
        super().__init__()
        before = more_channels // 2 if pad == "both" else 0
        self.channels, self.stride = (before, more_channels - before), stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] to [N, C + more_channels, ceil(H / stride), ceil(W / stride)]."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.channels))


def shortcut(inputs: int, outputs: int, stride: int, option: str, pad: str = "after") -> nn.Module:
    """What takes x past the layers of a block: the identity, and where shapes change one of the paper's three options.

    A: zeros, placed as `pad` says. B: a projection, by a 1x1 convolution and batch norm, where shapes change.
    C: always a projection.
    """
    if option not in ("A", "B", "C") or pad not in ("after", "both"):
        raise CourseError(f'There is no shortcut option "{option}" with pad "{pad}": choose A, B or C, after or both.')
    same = inputs == outputs and stride == 1
    if same and option != "C":
        return nn.Identity()
    if option == "A":
        return ZeroPadding(outputs - inputs, stride, pad)
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; their result is added to x, or to its projection: [N, inputs, H, W] to [N, width, …].

    Without `residual` it is a plain block: the same layers, and nothing is added.
    """

    expansion = 1

    def __init__(
        self, inputs: int, width: int, stride: int = 1, option: str = "B", residual: bool = True, pad: str = "after"
    ):
        super().__init__()
        self.conv1 = conv(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, width, stride, option, pad) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] to [N, width, ceil(H / stride), ceil(W / stride)]."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            out = out + self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1 to fewer channels, 3x3 on these, 1x1 to four times as many: [N, inputs, H, W] to [N, 4 width, …].

    The paper (version 1) has the stride in the first 1x1, which then passes over three of four units; version 1.5,
    which torchvision builds, has it in the 3x3.
    """

    expansion = 4

    def __init__(
        self, inputs: int, width: int, stride: int = 1, option: str = "B", residual: bool = True, version: float = 1.5
    ):
        super().__init__()
        outputs = width * self.expansion
        first, second = (stride, 1) if version == 1 else (1, stride)
        self.conv1 = conv(inputs, width, 1, first)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, second)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, outputs, stride, option) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] to [N, 4 width, ceil(H / stride), ceil(W / stride)]."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            out = out + self.downsample(x)
        return self.relu(out)


def initialise(network: nn.Module) -> None:
    """Random weights that keep the size of what passes a ReLU, on the way back (He et al. 2015, arXiv:1502.01852)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def stage(
    block: type[BasicBlock | Bottleneck], inputs: int, width: int, blocks: int, stride: int, **options: Any
) -> nn.Sequential:
    """`blocks` blocks one after the other, of which the first one may halve the map and change the channels."""
    later = (block(width * block.expansion, width, **options) for _ in range(blocks - 1))
    return nn.Sequential(block(inputs, width, stride, **options), *later)


class ResNet(nn.Module):
    """A network of the paper's table 1, of 18, 34, 50, 101 or 152 layers: [N, 3, 224, 224] to logits [N, classes].

    Version 1 is the paper's, 1.5 torchvision's (see Bottleneck; 18 and 34 are the same in both). The layers are called
    as in torchvision, whose weights fit those of version 1.5 and option B. Without `residual` it is a plain network.
    """

    def __init__(
        self, depth: int, *, version: float = 1.5, option: str = "B", residual: bool = True, classes: int = 1000
    ):
        super().__init__()
        if depth not in STAGES or version not in (1, 1.5):
            depths = ", ".join(map(str, STAGES))
            raise CourseError(
                f"There is no ResNet-{depth} of version {version}: choose one of {depths}, version 1 or 1.5."
            )
        block, options = BasicBlock, {"option": option, "residual": residual}
        if depth >= 50:
            block, options["version"] = Bottleneck, version
        self.conv1 = conv(3, 64, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        first, second, third, fourth = STAGES[depth]
        self.layer1 = stage(block, 64, 64, first, 1, **options)
        self.layer2 = stage(block, 64 * block.expansion, 128, second, 2, **options)
        self.layer3 = stage(block, 128 * block.expansion, 256, third, 2, **options)
        self.layer4 = stage(block, 256 * block.expansion, 512, fourth, 2, **options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, classes)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 3, 224, 224] to logits [N, classes]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


class SmallResNet(nn.Module):
    """A network of the paper's section 4.2, for small images: [N, channels, H, W] to logits [N, classes].

    A 3x3 convolution, three stages of n basic blocks with `width`, 2 and 4 times as many channels, each stage on maps
    half as wide as the one before, average pooling and a fully connected layer: `depth` = 6n + 2 layers. With 16
    channels it is the paper's for CIFAR-10 (ResNet-20: 269,722 parameters). Without `residual` it is a plain network
    (with option A, which has no parameters, both have the same number of them).
    """

    def __init__(
        self,
        depth: int,
        *,
        residual: bool = True,
        option: str = "A",
        pad: str = "after",
        width: int = 16,
        channels: int = 3,
        classes: int = 10,
    ):
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if blocks < 1 or rest:
            raise CourseError(f"A depth of {depth} is not 6n + 2: choose one of 8, 14, 20, 26, 32 and so on.")
        options = {"option": option, "residual": residual, "pad": pad}
        self.conv1 = conv(channels, width, 3)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(BasicBlock, width, width, blocks, 1, **options)
        self.layer2 = stage(BasicBlock, width, 2 * width, blocks, 2, **options)
        self.layer3 = stage(BasicBlock, 2 * width, 4 * width, blocks, 2, **options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, classes)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, channels, H, W] to logits [N, classes]."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))
