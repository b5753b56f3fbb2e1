"""Checks of 04's exercises."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from helpers.architectures.resnet import SmallResNet
from helpers.exercises import Wrong, exercise, name_the_mistake, seeded


@exercise
def identity_convolution(answer: Callable[[int], nn.Conv2d]) -> str:
    """`answer(channels)`: a 3x3 convolution that puts out what it is given, [N, channels, H, W]."""
    layer = answer(4)
    if not isinstance(layer, nn.Conv2d):
        raise Wrong(f"it returns a {type(layer).__name__}: build an nn.Conv2d, change its weights, return it.")
    if layer.kernel_size != (3, 3):
        raise Wrong(f"the kernel is {layer.kernel_size}, not (3, 3): the layers of the network are 3x3.")
    if layer.groups != 1:
        raise Wrong(f"it has {layer.groups} groups: the layers of the network read all channels, so leave groups at 1.")
    with seeded():
        x = torch.randn(2, 4, 6, 6)
    with torch.no_grad():
        given, alone = layer(x), layer(x) - (0 if layer.bias is None else layer.bias[:, None, None])
        if given.shape != x.shape:
            raise Wrong(f"a map of 6 x 6 comes out as {given.shape[2]} x {given.shape[3]}: pad by 1, with stride 1.")
        all_channels = x.sum(dim=1, keepdim=True).expand(-1, 4, -1, -1)
        mistakes = [
            ("each output is the sum of all channels: output i must read channel i alone.", all_channels),
            ("each output is the mean of all channels: output i must read channel i alone.", all_channels / 4),
            ("each output is the sum of 3 x 3 places: only the middle of the kernel may be 1.", places(x)),
            ("each output is the mean of 3 x 3 places: only the middle of the kernel may be 1.", places(x) / 9),
            (
                "each output is the sum of 3 x 3 places in all channels: set all weights to 0 first.",
                places(all_channels),
            ),
            ("the outputs are all zero: one weight for each output channel must be 1.", torch.zeros_like(x)),
            ("there is a random bias left: build the layer with bias=False, or set it to 0.", given - alone + x),
        ]
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                shifted = functional.pad(x, (1, 1, 1, 1))[:, :, 1 + down : 7 + down, 1 + right : 7 + right]
                if down or right:
                    mistakes.append(("the map is shifted by a pixel: the middle of the kernel is [1, 1].", shifted))
        name_the_mistake(given, x, mistakes, "the output is not the input: are all other weights 0?")
    return "eighteen such layers, and nobody would notice them."


def places(x: torch.Tensor) -> torch.Tensor:
    """The sum over the 3 x 3 places around each unit, channel by channel: [N, C, H, W]."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1) * 9


@exercise
def residual_block(answer: Callable[[int, int, int], nn.Module]) -> str:
    """`answer(inputs, outputs, stride)`: a basic block with option B."""
    with seeded():
        same, halving = answer(4, 4, 1), answer(4, 6, 2)
        x = torch.randn(8, 4, 6, 6)
    for block in (same, halving):
        if not isinstance(block, nn.Module):
            raise Wrong(f"it returns a {type(block).__name__}, not a module: return an object of your class.")
    _check_block(same, x, (8, 4, 6, 6), "stride 1 and as many channels out as in")
    _check_block(halving, x, (8, 6, 3, 3), "stride 2 and more channels out than in")
    whole = sum(parameter.numel() for parameter in answer(64, 128, 2).parameters())
    if whole != 230_144:
        raise Wrong(
            f"a block from 64 to 128 channels has {whole:,} parameters, not 230,144: no biases, two 3x3, one 1x1."
        )
    return "the block that starts stage 2 of ResNet-18 and ResNet-34, with 230,144 parameters."


def _check_block(block: nn.Module, x: torch.Tensor, shape: tuple[int, ...], case: str) -> None:
    """Compute the block again from its own layers, right and with each mistake."""
    changes = x.shape[1:] != shape[1:]
    layers = {name: layer for name, layer in block.named_modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)}
    threes = [layer for layer in layers.values() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    ones = [layer for layer in layers.values() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)]
    norms = [layer for layer in layers.values() if isinstance(layer, nn.BatchNorm2d)]
    if len(threes) != 2:
        raise Wrong(f"there are {len(threes)} 3x3 convolutions, not 2.")
    if not norms:
        raise Wrong("there is no batch norm: one follows each convolution, before the ReLU.")
    if any(layer.bias is not None for layer in threes + ones):
        raise Wrong("a convolution has a bias: batch norm takes it away again, so build it with bias=False.")
    if [layer.stride[0] for layer in threes].count(2) == 2:
        raise Wrong("both 3x3 convolutions have the stride: the map is halved twice, x only once.")
    if changes and not ones:
        raise Wrong("the projection is missing: x has another shape than the result, a 1x1 convolution must change it.")
    if not changes and ones:
        raise Wrong(f"x is projected also with {case} (option C): option B adds x itself there.")
    if ones and ones[0].stride != (2, 2):
        raise Wrong("the projection has no stride: x then keeps its size while the result is halved.")
    if len(norms) != 2 + changes:
        raise Wrong(f"there are {len(norms)} batch norms for {2 + changes} convolutions: one follows each of them.")
    block.eval()
    with torch.no_grad(), seeded():
        for norm in norms:  # as after training: norms that are exchanged or left out then show
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                tensor.uniform_(0.2, 1.2)
        source = _followers(block, x)
        given = block(x)
    if given is None:
        raise Wrong("its forward returns nothing: return the result.")
    first, second = sorted(threes, key=list(source).index)
    norm1, norm2 = source[first], source[second]
    if norm1 is None or norm2 is None or (ones and source[ones[0]] is None):
        raise Wrong(
            "a convolution's result does not go straight into a batch norm: convolution, batch norm, then ReLU."
        )
    with torch.no_grad():
        inner = torch.relu(norm1(first(x)))
        branch = norm2(second(inner))
        past = source[ones[0]](ones[0](x)) if ones else x
        mistakes = [
            ("the skip is forgotten: add x, or its projection, before the last ReLU.", torch.relu(branch)),
            ("the skip is forgotten, and the last ReLU: relu(branch + x).", branch),
            ("the ReLU comes before the addition: add first, then ReLU.", torch.relu(branch) + past),
            ("the last ReLU is missing: the sum passes it.", branch + past),
            ("x passes a ReLU before it is added: add x as it is.", torch.relu(branch + torch.relu(past))),
            ("x is subtracted: H(x) = F(x) + x.", torch.relu(branch - past)),
            ("x and the branch are multiplied: add them.", torch.relu(branch * past)),
            ("there is no ReLU between the convolutions.", torch.relu(norm2(second(norm1(first(x)))) + past)),
            ("x and the branch are concatenated: add them.", torch.relu(torch.cat([branch, past], dim=1))),
            ("x and the branch are concatenated: add them.", torch.relu(torch.cat([past, branch], dim=1))),
        ]
        otherwise = f"with {case} the result is not relu(branch + x), with branch = norm, 3x3, ReLU, norm, 3x3 of x."
        if tuple(given.shape) != shape and given.shape[1] != 2 * shape[1]:
            raise Wrong(f"with {case}, {list(x.shape)} comes out as {list(given.shape)}, not {list(shape)}.")
        name_the_mistake(given, torch.relu(branch + past), mistakes, otherwise)


def _followers(block: nn.Module, x: torch.Tensor) -> dict[nn.Module, nn.Module | None]:
    """Which batch norm reads the result of which convolution, the convolutions in the order of their calls."""
    results, followers = {}, {}

    def after_convolution(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        results[module], followers[module] = output, None

    def before_norm(module: nn.Module, inputs: tuple) -> None:
        for convolution, output in results.items():
            if inputs[0] is output:
                followers[convolution] = module

    hooks = []
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            hooks.append(layer.register_forward_hook(after_convolution))
        elif isinstance(layer, nn.BatchNorm2d):
            hooks.append(layer.register_forward_pre_hook(before_norm))
    try:
        block(x)
    finally:
        for hook in hooks:
            hook.remove()
    return followers


@exercise
def deeper(answer: Callable[[SmallResNet, SmallResNet], SmallResNet]) -> str:
    """`answer(shallow, deep)`: the deep residual network, changed so that it puts out what the shallow one does."""
    with seeded():
        shallow, deep = (SmallResNet(depth, width=4, channels=1) for depth in (14, 26))
        images = torch.randn(4, 1, 12, 12)
        for network in (shallow, deep):  # as after training
            for layer in network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                        nn.init.uniform_(tensor, 0.2, 1.2)
    shallow.eval(), deep.eval()
    with torch.no_grad():
        wanted = shallow(images)
        grown = answer(shallow, deep)
        if not isinstance(grown, nn.Module):
            raise Wrong(f"it returns a {type(grown).__name__}: return the deep network.")
        if len(grown.layer1) != 4:
            raise Wrong(f"the stages have {len(grown.layer1)} blocks, not 4: change the deep network, and return that.")
        if not torch.equal(shallow(images), wanted):
            raise Wrong("the shallow network has changed too: copy its numbers, do not share or change its layers.")
        if grown.training:
            raise Wrong("the deep network was left in training mode, where batch norm uses the batch: leave the mode.")
        if torch.allclose(grown(images), wanted, atol=1e-5):
            return "26 layers, and the outputs of 14."
        raise Wrong(_why_different(shallow, grown))


def _why_different(shallow: SmallResNet, grown: SmallResNet) -> str:
    def alike(one: nn.Module, other: nn.Module, *, buffers: bool) -> bool:
        there = dict(other.named_parameters()) | (dict(other.named_buffers()) if buffers else {})
        here = dict(one.named_parameters()) | (dict(one.named_buffers()) if buffers else {})
        return all(torch.equal(tensor, there[name]) for name, tensor in here.items())

    for name in ("conv1", "bn1", "fc"):
        if not alike(getattr(shallow, name), getattr(grown, name), buffers=False):
            return f"the layer {name} is not the shallow network's: copy it too, not only the stages."
    pairs = [(shallow.bn1, grown.bn1)]
    for name in ("layer1", "layer2", "layer3"):
        pairs += zip(getattr(shallow, name), getattr(grown, name), strict=False)
    for ours, theirs in pairs:
        if not alike(ours, theirs, buffers=False):
            return "the first two blocks of a stage are not those of the shallow network: copy them there, in order."
    if not all(alike(*pair, buffers=True) for pair in pairs):
        return "the batch norms' running means and variances were not copied: load_state_dict brings them along."
    added = [block for name in ("layer1", "layer2", "layer3") for block in getattr(grown, name)[2:]]
    if any(block.bn2.weight.any() for block in added):
        return "an added block still adds something: its last batch norm's weight, gamma, must be 0."
    if any(block.bn2.bias.any() for block in added):
        return "an added block still adds its last batch norm's bias: set it to 0 too, like the weight."
    return "the outputs differ: copy what the shallow network has, and let the added blocks add nothing."
