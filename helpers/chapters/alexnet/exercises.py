"""Checks of 01's exercises."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from helpers.checks import close, exercise, name_the_mistake, require, seeded


@exercise
def dropout(answer: Callable[[torch.Tensor, float, bool], torch.Tensor]) -> str:
    """`answer(x, p, training)`: each number is 0 with probability p in training; its expectation is x all the same."""
    with seeded():
        x, p = torch.full((200, 500), 3.0), 0.2
        dropped, tested = answer(x, p, True), answer(x, p, False)
    require(dropped.shape == x.shape, "the shape changes: dropped numbers stay, as zeros.")
    zeros = (dropped == 0).float()
    share, mean = zeros.mean(), dropped.mean()
    alone = zeros.mean(dim=0).std() + zeros.mean(dim=1).std() < 0.1  # not whole rows or columns
    require(abs(share - p) < 0.02 and alone, f"{share:.0%} became 0, not 20%, each on its own: p is for being dropped.")
    require(close(tested, x), "numbers change at test time too: return x as it is when training is False.")
    require(abs(mean - 3) < 0.05, f"in training the mean of 3 becomes {mean:.2f}: divide what is kept by 1 - p.")
    return f"{share:.0%} dropped, and the mean of 3 is {mean:.2f} in training, {tested.mean():.2f} in testing."


@exercise
def two_towers(answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """`answer(x, weight, bias)`: a 5x5 convolution in two towers, as conv2d(x, weight, bias, padding=2, groups=2)."""
    with seeded():
        x, weight, bias = torch.randn(2, 6, 9, 9), torch.randn(8, 3, 5, 5), torch.randn(8) * 5
    found, truth = answer(x, weight, bias), F.conv2d(x, weight, bias, padding=2, groups=2)
    require(found.shape == truth.shape, "the shape is not [2, 8, 9, 9]: use padding=2, join by torch.cat(…, dim=1).")
    mistakes = [
        ("the bias is forgotten: each tower adds its half of it.", truth - bias[:, None, None]),
        ("both towers read the first half of the channels.", F.conv2d(x[:, :3], weight, bias, padding=2)),
    ]
    name_the_mistake(found, truth, mistakes, "the numbers differ: split x by channels, weight and bias by outputs.")
    return "the same numbers as groups=2, with half of the weights of a full convolution."


@exercise
def response_norm(answer: Callable[[torch.Tensor], torch.Tensor]) -> str:
    """`answer(x)`: the paper's response normalisation of x [N, C, H, W]: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    with seeded():
        x = torch.rand(2, 9, 6, 7) * 300
    found, sums = answer(x), F.pad(x**2, (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(dim=-1)
    require(found.shape == x.shape, "the shape changes: each number is only scaled.")
    mistakes = [
        ("alpha is divided by n, as PyTorch's is: multiply it by n, or sum yourself.", x / (2 + 2e-5 * sums) ** 0.75),
        ("k is 1, PyTorch's default: the paper's is 2.", x / (1 + 1e-4 * sums) ** 0.75),
    ]
    name_the_mistake(found, x / (2 + 1e-4 * sums) ** 0.75, mistakes, "the sum is of squares, over 5 channels or fewer.")
    return "the paper's formula; PyTorch's layer agrees when its alpha is 5 times the paper's."
