"""Each check of 01's exercises, against plausible wrong answers."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, local_response_norm, pad

from helpers.exercises import alexnet as exercises

CHECKS = {
    "my_dropout": exercises.dropout,
    "my_two_towers": exercises.two_towers,
    "my_response_norm": exercises.response_norm,
}


def dropping(keep=lambda x, p: torch.rand_like(x) >= p, scale=lambda p: 1 - p, at_test=lambda x, p: x):
    def answer(x, p, training):
        return x * keep(x, p) / scale(p) if training else at_test(x, p)

    return answer


def towers(padding=2, bias=True, order=(0, 1), read=(0, 1), joined=lambda parts: torch.cat(parts, 1)):
    def answer(x, weight, all_bias):
        inputs, weights, biases = x.chunk(2, 1), weight.chunk(2), all_bias.chunk(2)
        parts = [conv2d(inputs[read[i]], weights[i], biases[i] if bias else None, padding=padding) for i in (0, 1)]
        return joined([parts[i] for i in order])

    return answer


def norm(alpha=1e-4, k=2.0, beta=0.75, reach=(2, 2), power=2):
    def answer(x):
        padded = pad(x**power, (0, 0, 0, 0, *reach))
        return x / (k + alpha * padded.unfold(1, sum(reach) + 1, 1).sum(-1)) ** beta

    return answer


def wrapped(x):
    return x / (2 + 1e-4 * sum((x**2).roll(shift, 1) for shift in range(-2, 3))) ** 0.75


def along(dim):
    def answer(x):
        return norm()(x.transpose(1, dim)).transpose(1, dim) if x.shape[1] != x.shape[dim] else x

    return answer


def mask_of(shape):
    return lambda x, p: torch.rand([x.shape[i] if keep else 1 for i, keep in enumerate(shape)]) >= p


WRONG = [
    ("my_dropout", dropping(scale=lambda p: 1), "divide what is kept by 1 - p"),
    ("my_dropout", dropping(scale=lambda p: p), "divide what is kept by 1 - p"),
    ("my_dropout", dropping(keep=lambda x, p: torch.rand_like(x) < p, scale=lambda p: p), "not to be kept"),
    ("my_dropout", dropping(scale=lambda p: 1, at_test=lambda x, p: x * (1 - p)), "the paper scaled there"),
    ("my_dropout", lambda x, p, training: dropping()(x, p, True), "dropped at test time too"),
    ("my_dropout", dropping(keep=mask_of((False, True))), "draw for each number on its own"),
    ("my_dropout", dropping(keep=mask_of((True, False))), "draw for each number on its own"),
    ("my_dropout", lambda x, p, training: x, "no number became 0"),
    ("my_dropout", lambda x, p, training: x[torch.rand_like(x) >= p] / (1 - p), "dropped numbers stay, as zeros"),
    ("my_dropout", lambda x: x, "stops with TypeError"),
    ("my_two_towers", towers(bias=False), "the bias is forgotten"),
    ("my_two_towers", towers(padding=0), "needs padding=2"),
    ("my_two_towers", towers(order=(1, 0)), "the wrong order"),
    ("my_two_towers", towers(read=(1, 0)), "each other's channels"),
    ("my_two_towers", towers(read=(0, 0)), "both towers read the first half"),
    ("my_two_towers", towers(joined=sum), "joined along the channels"),
    ("my_two_towers", towers(joined=lambda parts: torch.cat(parts, 0)), "joined along the channels"),
    ("my_two_towers", towers(joined=tuple), "returns a tuple"),
    ("my_two_towers", lambda x, w, b: conv2d(x, torch.cat([w, w], 1), b, padding=2), "groups are left out"),
    ("my_two_towers", lambda x, w, b: conv2d(x, w, b, padding=2, groups=2).relu(), "there is a ReLU"),
    ("my_two_towers", lambda x, w, b: conv2d(x, w.flip(2, 3), b, padding=2, groups=2), "the numbers are not"),
    ("my_two_towers", lambda x, w, b: conv2d(x, w, b, padding=2), "stops with RuntimeError"),
    ("my_response_norm", lambda x: local_response_norm(x, 5, 1e-4, 0.75, 2.0), "alpha is divided by n"),
    ("my_response_norm", norm(alpha=5e-4), "5 times too large"),
    ("my_response_norm", norm(k=1.0), "k is 1"),
    ("my_response_norm", norm(beta=1.0), "beta = 0.75 is left out"),
    ("my_response_norm", norm(beta=0.5), "a square root"),
    ("my_response_norm", norm(beta=-0.75), "divide by it"),
    ("my_response_norm", norm(power=1), "the formula squares them"),
    ("my_response_norm", norm(reach=(5, 5)), "n to each side"),
    ("my_response_norm", norm(reach=(0, 0)), "only the channel itself"),
    ("my_response_norm", norm(reach=(4, 0)), "the numbers differ"),
    ("my_response_norm", along(3), "along the rows"),
    ("my_response_norm", along(2), "along the columns"),
    ("my_response_norm", wrapped, "has the last as its neighbour"),
    ("my_response_norm", lambda x: norm()(x)[:, 2:-2], "the shape changes"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    exercises.dropout(lambda x, p, training: nn.functional.dropout(x, p, training))
    exercises.two_towers(lambda x, weight, bias: conv2d(x, weight, bias, padding=2, groups=2))
    exercises.response_norm(lambda x: local_response_norm(x, 5, 5e-4, 0.75, 2.0))
    assert capsys.readouterr().out.count("right: ") == 3
