"""Checks of 01's exercises."""

import functools
from collections.abc import Callable

import torch
from torch import nn

from helpers.exercises import Wrong, exercise, name_the_mistake, seeded


@exercise
def dropout(answer: Callable[[torch.Tensor, float, bool], torch.Tensor]) -> str:
    """`answer(x, p, training)`: each number is 0 with probability p in training; its expectation is x all the same."""
    with seeded():
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
    with seeded():
        x, weight, bias = torch.randn(2, 6, 9, 9), torch.randn(8, 3, 5, 5), torch.randn(8) * 5
    conv = functools.partial(nn.functional.conv2d, padding=2)
    (x1, x2), (w1, w2), (b1, b2) = x.chunk(2, 1), weight.chunk(2), bias.chunk(2)
    truth = torch.cat([conv(x1, w1, b1), conv(x2, w2, b2)], 1)
    mistakes = [
        ("the bias is forgotten: each tower adds its half of it.", truth - bias[:, None, None]),
        ("the towers read each other's channels: keep the halves.", torch.cat([conv(x2, w1, b1), conv(x1, w2, b2)], 1)),
        ("the towers are joined in the wrong order: the first half of the channels comes first.", truth.roll(4, 1)),
        ("the halves of the bias are exchanged.", torch.cat([conv(x1, w1, b2), conv(x2, w2, b1)], 1)),
        ("both towers read the first half of the channels.", torch.cat([conv(x1, w1, b1), conv(x1, w2, b2)], 1)),
        ("each tower reads all channels: groups are left out.", conv(x, torch.cat([weight, weight], 1), bias)),
        ("there is a ReLU: the exercise asks for the convolution alone.", truth.relu()),
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
    otherwise = "the shape is right, the numbers are not: split x by channels, weight and bias by outputs."
    name_the_mistake(found, truth, mistakes, otherwise)
    return "the same numbers as groups=2, with half of the weights of a full convolution."


@exercise
def response_norm(answer: Callable[[torch.Tensor], torch.Tensor]) -> str:
    """`answer(x)`: the paper's response normalisation of x [N, C, H, W]: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    with seeded():
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
            "alpha is divided by n, as PyTorch's alpha is: multiply it by n, or sum yourself.",
            normalised(alpha=1e-4 / 5),
        ),
        ("alpha is 5 times too large: only PyTorch's alpha must be multiplied by n.", normalised(alpha=5e-4)),
        ("k is 1, PyTorch's default: the paper's is 2.", normalised(k=1.0)),
        ("the power beta = 0.75 is left out.", normalised(beta=1.0)),
        ("that is a square root: beta is 0.75.", normalised(beta=0.5)),
        ("it multiplies by the power: divide by it.", normalised(beta=-0.75)),
        ("the sum is over the activations: the formula squares them.", normalised(power=1)),
        ("the sum reaches n to each side: it is over n = 5 channels, 2 to each side and its own.", normalised(reach=5)),
        ("only the channel itself is summed: add 2 neighbours on each side.", normalised(reach=0)),
        ("the sum runs along the rows of the map: neighbours are channels, dimension 1.", normalised(dim=3)),
        ("the sum runs along the columns of the map: neighbours are channels, dimension 1.", normalised(dim=2)),
        ("the first channel has the last as its neighbour: at the border the sum is shorter.", normalised(wrap=True)),
    ]
    found, truth = answer(x.clone()), normalised()
    if found.shape != truth.shape:
        raise Wrong(f"the shape changes from {list(x.shape)} to {list(found.shape)}: each number is only scaled.")
    otherwise = "the numbers differ from b = a / (k + alpha * sum of a² over 5 channels) ** beta."
    name_the_mistake(found, truth, mistakes, otherwise)
    return "the paper's formula; PyTorch's layer agrees when its alpha is 5 times the paper's."
