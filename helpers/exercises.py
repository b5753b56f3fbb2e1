"""Checks of the exercises: each prints one line and neither passes nor fails the run.

A check takes the learner's function and says in one line how far it is:
    not solved yet: …    the function returns nothing, as its stub does
    wrong: …             and which mistake that looks like
    right: …             and what this result means
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Wrong(Exception):
    """What a check raises for a wrong answer; its message names the likely mistake."""


class _Unsolved(Exception):
    pass


def exercise(check: Callable[[Callable], str]) -> Callable[[Callable], None]:
    """Turn `check(answer)`, which raises Wrong or returns a sentence about the right answer, into one that prints.

    What the learner's function `answer` raises is reported as wrong too, in one line, so that the notebook runs on.
    """

    @functools.wraps(check)
    def printing(answer: Callable) -> None:
        def attempt(*arguments: Any, **options: Any) -> Any:
            result = answer(*arguments, **options)
            if result is None:
                raise _Unsolved
            return result

        try:
            print("right:", check(attempt))
        except _Unsolved:
            print(f"not solved yet: {answer.__name__} returns nothing.")
        except Wrong as mistake:
            print("wrong:", mistake)
        except Exception as error:  # whatever a learner's first attempt may raise
            reason = " ".join(str(error).split())
            print(f"wrong: {answer.__name__} stops with {type(error).__name__}: {reason}")

    return printing


# ---- 02 VGG ----


@exercise
def receptive_field(answer: Callable[[list[tuple[int, int, int]]], int]) -> str:
    """`answer(layers)`: the field in pixels of a stack of layers, each (kernel, stride, dilation), the first first."""
    vgg16 = [layer for depth in (2, 2, 3, 3, 3) for layer in [(3, 1, 1)] * depth + [(2, 2, 1)]]
    cases = [
        ([], 1, "without a layer a unit is one pixel, and sees 1: start there"),
        ([(3, 1, 1)], 3, "one 3x3 kernel sees 3 pixels: a layer adds kernel - 1, not kernel"),
        ([(3, 1, 1)] * 2, 5, "kernels do not add up, they overlap: two 3x3 see 5"),
        ([(3, 2, 1)], 3, "a layer's own stride moves its neighbours, not its own inputs: multiply after adding"),
        ([(3, 2, 1), (3, 1, 1)], 7, "behind a stride of 2, neighbouring units lie 2 pixels apart: keep count of it"),
        ([(2, 2, 1), (2, 2, 1), (2, 1, 1)], 8, "strides multiply: behind 2 and 2, neighbours lie 4 pixels apart"),
        ([(3, 1, 2)], 5, "a dilation of 2 spreads the kernel: its outer inputs lie (kernel - 1) * 2 apart"),
        (vgg16, 212, "VGG-16 sees 212 pixels; the short cases came out right"),
    ]
    for layers, truth, hint in cases:
        found = answer(list(layers))
        if found != truth:
            shown = "VGG-16" if layers is vgg16 else layers
            raise Wrong(f"{shown} gives {found}, not {truth}: {hint}.")
    return "VGG-16 sees 212 pixels of 224."


@exercise
def vgg_block(answer: Callable[[int, int, int], nn.Module]) -> str:
    """`answer(inputs, outputs, depth)`: depth times 3x3 convolution and ReLU, then pooling that halves the map."""
    block = answer(3, 8, 2)
    if not isinstance(block, nn.Module):
        raise Wrong(f"it returns a {type(block).__name__}, not a module: put the layers into nn.Sequential(*layers).")
    every = block.named_modules(remove_duplicate=False)  # one ReLU may serve twice
    layers = [module for _, module in every if not list(module.children())]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if len(convolutions) != 2:
        raise Wrong(f"depth=2 gives {len(convolutions)} convolutions, not 2: repeat convolution and ReLU depth times.")
    for layer in convolutions:
        if layer.kernel_size != (3, 3):
            raise Wrong(f"a kernel is {layer.kernel_size}, not (3, 3).")
        if layer.stride != (1, 1):
            raise Wrong("a convolution has a stride: in VGG only the pooling halves the map.")
        if layer.padding not in ((1, 1), "same"):
            raise Wrong("a convolution does not keep the size of the map: a 3x3 kernel needs padding=1.")
        if layer.groups != 1:
            raise Wrong(f"a convolution has {layer.groups} groups: VGG's see all channels.")
        if layer.bias is None:
            raise Wrong("a convolution has no bias: only batch norm, which VGG does not have, makes it superfluous.")
    if [layer.in_channels for layer in convolutions] != [3, 8]:
        raise Wrong("the channels do not fit: the first convolution reads `inputs`, all later ones read `outputs`.")
    kinds = [type(layer).__name__ for layer in layers]
    if kinds.count("ReLU") < 2:
        raise Wrong(
            f"there are {kinds.count('ReLU')} ReLUs for 2 convolutions: without one between them, two melt into one."
        )
    if kinds[:4] != ["Conv2d", "ReLU"] * 2:
        raise Wrong(f"the order is {', '.join(kinds)}: each convolution is followed by its ReLU, and pooling is last.")
    if kinds.count("MaxPool2d") != 1:
        raise Wrong("there is no maximum pooling at the end, or more than one: nn.MaxPool2d(2, 2), once.")
    pooling = layers[kinds.index("MaxPool2d")]
    if (pooling.kernel_size, pooling.stride) != (2, 2):
        raise Wrong(f"the pooling is {pooling.kernel_size}/{pooling.stride}: VGG's is 2/2; 3/2 overlaps, as AlexNet's.")
    if tuple(block(torch.zeros(1, 3, 32, 32)).shape) != (1, 8, 16, 16):
        raise Wrong("a map of 32 x 32 does not come out as 8 channels of 16 x 16.")
    vgg = nn.Sequential(*(answer(*sizes) for sizes in [(3, 64, 2), (64, 128, 2), (128, 256, 3)]))
    count = sum(parameter.numel() for parameter in vgg.parameters())
    if count != 1_735_488:
        raise Wrong(f"three blocks of VGG-16 have {count:,} parameters, not 1,735,488: try depth=3.")
    return "blocks 1 to 3 of VGG-16, with 1,735,488 parameters."


@exercise
def as_convolution(answer: Callable[[nn.Linear, int, int], nn.Conv2d]) -> str:
    """`answer(linear, channels, side)`: the convolution that gives what `linear` gives, and on larger maps too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = nn.Linear(4 * 3 * 3, 5)
        maps, larger = torch.randn(2, 4, 3, 3), torch.randn(1, 4, 4, 5)
    convolution = answer(linear, 4, 3)
    if not isinstance(convolution, nn.Conv2d):
        raise Wrong(f"it returns a {type(convolution).__name__}: build an nn.Conv2d and copy the weights into it.")
    if convolution.kernel_size != (3, 3):
        raise Wrong(f"the kernel is {convolution.kernel_size}, not (3, 3): it must cover the whole map, side x side.")
    if convolution.padding not in ((0, 0), "valid"):
        raise Wrong("there is padding: the layer then sees zeros around the map, and puts out more than one unit.")
    if convolution.bias is None:
        raise Wrong("the bias is forgotten: copy linear.bias too.")
    with torch.no_grad():
        found, truth = convolution(maps).flatten(1), linear(maps.flatten(1))
        if not torch.allclose(convolution.bias, linear.bias):
            raise Wrong("the bias is not the linear layer's: copy linear.bias too.")
        if found.shape != truth.shape or not torch.allclose(found, truth, atol=1e-5):
            mixed = linear.weight.reshape(5, 3, 3, 4).permute(0, 3, 1, 2)
            if torch.allclose(convolution.weight, mixed):
                raise Wrong("the weights are mixed up: flatten runs channel by channel; view as (out, C, H, W).")
            if torch.allclose(convolution.weight.flip(2, 3).flatten(1), linear.weight):
                raise Wrong("the kernel is turned round: PyTorch's convolution does not flip, so neither must you.")
            if torch.allclose(convolution.weight.transpose(2, 3).flatten(1), linear.weight):
                raise Wrong("rows and columns are exchanged: view the weights as (out, C, H, W).")
            raise Wrong("the outputs differ from the linear layer's: are linear.weight's numbers copied into it?")
        if tuple(convolution(larger).shape) != (1, 5, 2, 3):
            raise Wrong("a map of 4 x 5 does not give 2 x 3 answers: leave the stride at 1.")
    return "the same numbers, and an answer for each place of a larger photograph."


# ---- 01 AlexNet ----


@exercise
def dropout(answer: Callable[[torch.Tensor, float, bool], torch.Tensor]) -> str:
    """`answer(x, p, training)`: each number is 0 with probability p in training; its expectation is x all the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x, p = torch.full((200, 500), 3.0), 0.2
        dropped, tested = answer(x.clone(), p, True), answer(x.clone(), p, False)
    if dropped.shape != x.shape:
        raise Wrong(f"the shape changes from {list(x.shape)} to {list(dropped.shape)}: dropped numbers stay, as zeros.")
    zeros = (dropped == 0).float()
    share = zeros.mean().item()
    if share == 0:
        raise Wrong("no number became 0 in training: draw torch.rand_like(x), and compare it with p.")
    if abs(share - (1 - p)) < 0.02:
        raise Wrong(f"with p = {p}, {share:.0%} are dropped: p is the probability to be dropped, not to be kept.")
    if abs(share - p) > 0.02 or zeros.mean(0).std() > 0.1 or zeros.mean(1).std() > 0.1:
        raise Wrong("whole rows or columns are dropped together, or the wrong share: draw for each number on its own.")
    if (tested == 0).any():
        raise Wrong("numbers are dropped at test time too: return x as it is when training is False.")
    if not torch.allclose(tested, x):
        raise Wrong(
            f"at test time 3 becomes {tested.mean():.2f}: the paper scaled there, but this exercise scales in training."
        )
    if abs(dropped.mean() - 3) > 0.05:
        raise Wrong(
            f"in training the mean of 3 becomes {dropped.mean():.2f}: divide what is kept by 1 - p, "
            "so that the next layer expects the same at test time."
        )
    return (
        f"{share:.0%} dropped, and the mean of 3 is {dropped.mean():.2f} in training, {tested.mean():.2f} in testing."
    )


@exercise
def two_towers(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(x, weight, bias)`: a 5x5 convolution in two towers, as conv2d(x, weight, bias, padding=2, groups=2)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x, weight, bias = torch.randn(2, 6, 9, 9), torch.randn(8, 3, 5, 5), torch.randn(8) * 5
    conv = functools.partial(nn.functional.conv2d, padding=2)
    (x1, x2), (w1, w2), (b1, b2) = x.chunk(2, 1), weight.chunk(2), bias.chunk(2)
    truth = torch.cat([conv(x1, w1, b1), conv(x2, w2, b2)], 1)
    mistakes = [
        (truth - bias[:, None, None], "the bias is forgotten: each tower adds its half of it."),
        (torch.cat([conv(x2, w1, b1), conv(x1, w2, b2)], 1), "the towers read each other's channels: keep the halves."),
        (truth.roll(4, 1), "the towers are joined in the wrong order: the first half of the channels comes first."),
        (torch.cat([conv(x1, w1, b2), conv(x2, w2, b1)], 1), "the halves of the bias are exchanged."),
        (torch.cat([conv(x1, w1, b1), conv(x1, w2, b2)], 1), "both towers read the first half of the channels."),
        (conv(x, torch.cat([weight, weight], 1), bias), "each tower reads all channels: groups are left out."),
        (truth.relu(), "there is a ReLU: the exercise asks for the convolution alone."),
    ]
    found = answer(x.clone(), weight.clone(), bias.clone())
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"it returns a {type(found).__name__}: join the two towers by torch.cat(…, dim=1).")
    if found.shape[-2:] != truth.shape[-2:]:
        raise Wrong(f"the map is {found.shape[-2]} x {found.shape[-1]}, not 9 x 9: a 5x5 kernel needs padding=2.")
    if found.shape != truth.shape:
        raise Wrong(
            f"the shape is {list(found.shape)}, not {list(truth.shape)}: the towers are joined along the channels, "
            "by torch.cat(…, dim=1), not added and not along the batch."
        )
    for wrong, hint in mistakes:
        if torch.allclose(found, wrong, atol=1e-3):
            raise Wrong(hint)
    if not torch.allclose(found, truth, atol=1e-3):
        raise Wrong("the shape is right, the numbers are not: split x by channels, weight and bias by outputs.")
    return "the same numbers as groups=2, with half of the weights of a full convolution."


@exercise
def response_norm(answer: Callable[[torch.Tensor], torch.Tensor]) -> str:
    """`answer(x)`: the paper's response normalisation of x [N, C, H, W]: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = torch.rand(2, 9, 6, 7) * 300

    def normalised(alpha=1e-4, k=2.0, beta=0.75, reach=2, dim=1, power=2, wrap=False):
        square = (x**power).transpose(1, dim)
        if wrap:
            total = sum(square.roll(shift, 1) for shift in range(-reach, reach + 1))
        else:
            padded = nn.functional.pad(square, (0, 0, 0, 0, reach, reach))
            total = padded.unfold(1, 2 * reach + 1, 1).sum(-1)
        return x / (k + alpha * total.transpose(1, dim)) ** beta

    mistakes = [
        (
            normalised(alpha=1e-4 / 5),
            "alpha is divided by n, as PyTorch's alpha is: multiply it by n, or sum yourself.",
        ),
        (normalised(alpha=5e-4), "alpha is 5 times too large: only PyTorch's alpha must be multiplied by n."),
        (normalised(k=1.0), "k is 1, PyTorch's default: the paper's is 2."),
        (normalised(beta=1.0), "the power beta = 0.75 is left out."),
        (normalised(beta=0.5), "that is a square root: beta is 0.75."),
        (normalised(beta=-0.75), "it multiplies by the power: divide by it."),
        (normalised(power=1), "the sum is over the activations: the formula squares them."),
        (normalised(reach=5), "the sum reaches n to each side: it is over n = 5 channels, 2 to each side and its own."),
        (normalised(reach=0), "only the channel itself is summed: add 2 neighbours on each side."),
        (normalised(dim=3), "the sum runs along the rows of the map: neighbours are channels, dimension 1."),
        (normalised(dim=2), "the sum runs along the columns of the map: neighbours are channels, dimension 1."),
        (normalised(wrap=True), "the first channel has the last as its neighbour: at the border the sum is shorter."),
    ]
    found, truth = answer(x.clone()), normalised()
    if found.shape != truth.shape:
        raise Wrong(f"the shape changes from {list(x.shape)} to {list(found.shape)}: each number is only scaled.")
    for wrong, hint in mistakes:
        if torch.allclose(found, wrong, rtol=1e-4):
            raise Wrong(hint)
    if not torch.allclose(found, truth, rtol=1e-4):
        raise Wrong("the numbers differ from b = a / (k + alpha * sum of a² over 5 channels) ** beta.")
    return "the paper's formula; PyTorch's layer agrees when its alpha is 5 times the paper's."


# ---- 06 Classification results ----


@exercise
def softmax_with_temperature(answer: Callable[[torch.Tensor, float], torch.Tensor]) -> str:
    """`answer(logits, temperature)`: probabilities of each row of logits [N, classes]."""
    logits = torch.tensor([[1.0, 2.0, 4.0], [300.0, 0.0, 0.0]])
    given, wanted = answer(logits, 2.0), (logits / 2).softmax(dim=1)
    if given.shape != wanted.shape:
        raise Wrong(f"the result has the shape {list(given.shape)}, not that of the logits, {list(logits.shape)}.")
    if given.isnan().any():
        raise Wrong("large logits overflow to NaN: subtract each row's largest logit before exp.")
    mistakes = {
        "the temperature divides the logits; you multiplied by it.": (logits * 2).softmax(dim=1),
        "the temperature is not used.": logits.softmax(dim=1),
        "the temperature belongs inside exp: divide the logits, not the probabilities.": logits.softmax(dim=1) / 2,
        "each row is one photograph: sum over dim=1, the classes.": (logits / 2).softmax(dim=0),
    }
    _name_the_mistake(given, wanted, mistakes, "the rows are not softmax(logits / temperature).")
    return "a high temperature makes guesses more alike, a low one makes the first guess surer."


@exercise
def mean_class_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(guesses, labels)`, both int64 [N]: the error of each class that occurs, averaged over these classes."""
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2, 3])
    guesses = torch.tensor([0, 0, 0, 0, 0, 3, 2, 0, 1])
    given = torch.as_tensor(answer(guesses, labels), dtype=torch.float64)
    wrong = (guesses != labels).double()
    by_class = torch.stack([wrong[labels == label].mean() for label in (0, 2, 3)])
    mistakes = {
        "that is the error over all photographs, in which large classes count more.": wrong.mean(),
        "that is an accuracy: the error is the share of wrong guesses.": 1 - by_class.mean(),
        "average over the classes that occur as labels: class 1 has no photograph.": by_class.sum() / 4,
        "group by the labels, not by the guesses.": torch.stack([wrong[guesses == i].mean() for i in range(4)]).mean(),
    }
    _name_the_mistake(given, by_class.mean(), mistakes, "it is not the mean of the classes' errors 1/6, 1/2 and 1.")
    return "a rare class now counts as much as a common one."


@exercise
def calibration_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(confidence, right)`, float and bool [N]: the expected calibration error with ten bins of equal width."""
    confidence = torch.tensor([0.95, 0.91, 0.93, 0.97, 0.55, 0.52, 0.15])
    right = torch.tensor([True, False, True, False, True, True, False])
    given = torch.as_tensor(answer(confidence, right), dtype=torch.float64)
    bins = [slice(0, 4), slice(4, 6), slice(6, 7)]
    gaps = torch.stack([confidence[part].double().mean() - right[part].double().mean() for part in bins])
    counts = torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)
    mistakes = {
        "weight each bin's gap by its photographs; you averaged the bins alike.": gaps.abs().mean(),
        "divide by all photographs, not by the ten bins.": gaps.abs().sum() / 10,
        "take each gap's absolute value, or gaps cancel.": (gaps * counts).sum() / 7,
        "group into bins first: you compared photographs one by one.": (confidence - right.double()).abs().mean(),
        "that leaves the sum undivided: divide by the number of photographs.": (gaps.abs() * counts).sum(),
    }
    wanted = (gaps.abs() * counts).sum() / 7
    _name_the_mistake(given, wanted, mistakes, f"for this example the error is {wanted:.3f}, yours is {given:.3f}.")
    return "0 would mean: of all guesses made with 80 % probability, 80 % are right."


def _name_the_mistake(
    given: torch.Tensor, wanted: torch.Tensor, mistakes: dict[str, torch.Tensor], otherwise: str
) -> None:
    """Raise Wrong with the name of the mistake whose result `given` is, or `otherwise`, unless it is what is wanted."""
    if torch.allclose(given.double(), wanted.double(), atol=1e-4):
        return
    for mistake, result in mistakes.items():
        if torch.allclose(given.double(), result.double(), atol=1e-4):
            raise Wrong(mistake)
    raise Wrong(otherwise)
