"""Checks of 04's exercises."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from helpers.architectures.resnet import BasicBlock, SmallResNet
from helpers.checks import Wrong, close, exercise, name_the_mistake, require, seeded, weights_in_use


@exercise
@torch.no_grad()
def identity_convolution(answer: Callable[[int], nn.Conv2d]) -> str:
    """`answer(channels)`: a 3x3 convolution that puts out what it is given, [N, channels, H, W]."""
    for channels in (4, 3):
        layer = answer(channels)
        is_3x3 = isinstance(layer, nn.Conv2d) and layer.weight.shape == (channels, channels, 3, 3)
        require(is_3x3, "it is not nn.Conv2d(channels, channels, 3, padding=1), from all channels to all channels.")
        with seeded():
            x = torch.randn(2, channels, 6, 6)
        given = layer(x)
        require(given.shape == x.shape, f"6 x 6 comes out as {list(given.shape[2:])}: pad by 1, with stride 1.")
        bias = 0 if layer.bias is None else layer.bias[:, None, None]
        all_channels, all_places = x.sum(dim=1, keepdim=True).expand_as(x), 9 * F.avg_pool2d(x, 3, stride=1, padding=1)
        mistakes = [
            ("a random bias is left: build the layer with bias=False, or set it to 0.", x + bias),
            ("each output is the sum of all channels: output i must read channel i alone.", all_channels),
            ("each output is the sum of 3 x 3 places: only the middle of the kernel may be 1.", all_places),
        ]
        name_the_mistake(given, x, mistakes, "the output is not the input: from i to i the middle is 1, all else is 0.")
    return "put 36 such layers into the network, and nobody would notice them."


@exercise
@torch.no_grad()
def residual_block(answer: Callable[[int, int, int], nn.Module]) -> str:
    """`answer(inputs, outputs, stride)`: a basic block with option B."""
    for inputs, outputs, stride in ((4, 4, 1), (4, 6, 2), (4, 6, 1), (4, 4, 2)):
        case = f"from {inputs} to {outputs} channels with stride {stride}"
        with seeded():
            block, right = answer(inputs, outputs, stride), BasicBlock(inputs, outputs, stride)
            x = torch.randn(8, inputs, 6, 6)
        try:
            used = weights_in_use(block, x)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            same = stride == 1 and inputs == outputs
            why = "are both 3x3 padded by 1?" if same else "does x need a projection there, with the same stride?"
            raise Wrong(f"{case} it stops ({reason}): {why}") from error
        wanted = sorted(weights_in_use(right, x), key=torch.numel, reverse=True)
        used.sort(key=torch.numel, reverse=True)  # a projection may come first or last
        kernels = [list(each.shape) for each in used if each.numel() > outputs]
        two = f"{case} its kernels are {kernels}: two of 3x3, and a 1x1 that projects x only where shapes change"
        require(kernels == [list(each.shape) for each in wanted if each.ndim == 4], f"{two}.")
        vectors = used[len(kernels) :]  # mean, variance, gamma and beta of each norm
        norms = f"{len(kernels)} convolutions use {len(vectors)} vectors: the four of a batch norm each, and no bias."
        require([each.numel() for each in used] == [each.numel() for each in wanted], norms)
        for number, vector in enumerate(vectors):  # all norms alike: which is which the order of use does not tell
            vector.copy_(vectors[number % 4])
        for own, learners in zip(wanted, used, strict=True):
            own.copy_(learners.view_as(own))
        branch = right.bn2(right.conv2(F.relu(right.bn1(right.conv1(x)))))
        linear, skip = right.bn2(right.conv2(right.bn1(right.conv1(x)))), right.downsample(x)
        mistakes = [
            ("the skip is forgotten: add x, or its projection, before the last ReLU.", F.relu(branch)),
            ("the ReLU comes before the addition: add first, then ReLU.", F.relu(branch) + skip),
            ("the last ReLU is missing: the sum passes it.", branch + skip),
            ("there is no ReLU between the convolutions.", F.relu(linear + skip)),
        ]
        f_of_x = "F(x) = 3x3 with the stride, norm (PyTorch's eps), ReLU, 3x3, norm"
        otherwise = f"{case} the result is not relu(F(x) + x), {f_of_x}."
        name_the_mistake(block(x.clone()), right(x), mistakes, otherwise)
    return "the block that starts stage 2 of ResNet-18 and ResNet-34, with 230,144 parameters."


@exercise
@torch.no_grad()
def deeper(answer: Callable[[SmallResNet, SmallResNet], SmallResNet]) -> str:
    """`answer(shallow, deep)`: the deep residual network, changed so that it puts out what the shallow one does."""
    with seeded():
        shallow, deep = (SmallResNet(depth, width=4, channels=1).eval() for depth in (14, 26))
        for tensor in [*shallow.state_dict().values(), *deep.state_dict().values()]:
            if tensor.ndim == 1:  # batch norms as after training
                tensor.uniform_(0.2, 1.2)
        images = torch.randn(4, 1, 12, 12)
    before = shallow(images)
    grown = answer(shallow, deep).eval()
    layers = sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in grown.modules())
    require(layers == 26, f"the network that it returns has {layers} layers, not 26: change deep, and return that.")
    require(torch.equal(shallow(images), before), "the shallow network has changed too: copy its parameters.")
    if not close(grown(images), before):
        copied = grown.state_dict()
        for name, tensor in shallow.state_dict().items():
            differs = f"the outputs differ. If the first blocks of deep are to be the copies: {name} is not"
            missing = f"{differs} the shallow network's; load_state_dict copies all that a layer or a block has."
            require(torch.equal(copied[name], tensor), missing)
        raise Wrong(
            "the added blocks still add something to x (an identity kernel doubles it): gamma and beta of their last "
            "batch norm, bn2, must be 0."
        )
    for parameter in shallow.parameters():
        parameter.zero_()
    shared = (
        "deep computes with layers of the shallow network, so that training it would change both: copy their values."
    )
    require(close(grown(images), before), shared)
    return "26 layers, and the outputs of 14."
