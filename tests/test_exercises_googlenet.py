"""Each check of 03's exercises, against plausible wrong answers."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from helpers.exercises import googlenet as exercises

CHECKS = {
    "my_one_by_one": exercises.one_by_one,
    "my_inception": exercises.inception,
    "my_one_kernel": exercises.one_kernel,
}


def per_pixel(x, weight, bias):
    return functional.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


def along_width_bias(x, weight, bias):
    return per_pixel(x, weight, None) + bias


def reshaped(x, weight, bias):
    return functional.linear(x.reshape(-1, x.shape[1]), weight, bias).reshape(x.shape)


def permuted_once(x, weight, bias):
    return functional.linear(x.permute(0, 2, 3, 1), weight, bias).reshape(x.shape)


class Block(nn.Module):
    """The right module, but for what the options change."""

    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool, **options):
        super().__init__()
        self.options = {"inner": True, "outer": True, "join": lambda parts: torch.cat(parts, 1), "order": (0, 1, 2, 3)}
        self.options |= options
        padding = options.get("padding", (1, 2))
        bias = options.get("bias", True)
        self.one = nn.Conv2d(inputs, one, 1, bias=bias)
        self.reduce_3, self.three = nn.Conv2d(inputs, reduce_3, 1), nn.Conv2d(reduce_3, three, 3, padding=padding[0])
        self.reduce_5, self.five = nn.Conv2d(inputs, reduce_5, 1), nn.Conv2d(reduce_5, five, 5, padding=padding[1])
        self.pool = options.get("pooling", nn.MaxPool2d(3, 1, 1))
        self.project = nn.Conv2d(inputs, pool, 1)

    def forward(self, x):
        inner, outer = (torch.relu if self.options[name] else lambda y: y for name in ("inner", "outer"))
        late = self.options.get("late")
        last = self.pool(outer(self.project(x))) if late else outer(self.project(self.pool(x)))
        parts = [
            outer(self.one(x)),
            outer(self.three(inner(self.reduce_3(x)))),
            outer(self.five(inner(self.reduce_5(x)))),
            last,
        ]
        return self.options["join"]([parts[number] for number in self.options["order"]])


def block(**options):
    return lambda *widths: Block(*widths, **options)


class WithoutProjection(Block):
    def __init__(self, inputs, *widths):
        super().__init__(inputs, *widths)
        self.project = nn.Identity()


class WithoutReduction(Block):
    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool):
        super().__init__(inputs, one, reduce_3, three, reduce_5, five, pool)
        self.reduce_5, self.five = nn.Identity(), nn.Conv2d(inputs, five, 5, padding=2)


class ReductionAfter(Block):
    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool):
        super().__init__(inputs, one, reduce_3, three, reduce_5, five, pool)
        self.reduce_3, self.three = nn.Conv2d(inputs, reduce_3, 3, padding=1), nn.Conv2d(reduce_3, three, 1)


class Exchanged(Block):
    def __init__(self, inputs, one, reduce_3, three, reduce_5, five, pool):
        super().__init__(inputs, one, reduce_5, three, reduce_3, five, pool)


class Chained(Block):
    def forward(self, x):
        one = torch.relu(self.one(x))
        three = torch.relu(self.three(torch.relu(self.reduce_3(x))))
        five = torch.relu(self.five(torch.relu(self.reduce_5(x))))
        return torch.cat([one, three, five, torch.relu(self.project(x.flip(1)))], 1)


class Strided(Block):
    def __init__(self, inputs, one, *widths):
        super().__init__(inputs, one, *widths)
        self.one = nn.Conv2d(inputs, one, 1, stride=2)


def padded(kernel, fill=functional.pad, offset=lambda missing: missing // 2):
    missing = 5 - kernel.shape[-1]
    low = offset(missing)
    return fill(kernel, (low, missing - low, low, missing - low))


def one_kernel(offset=lambda missing: missing // 2, order=(0, 1, 2), change=lambda kernel: kernel, dim=0):
    def answer(*kernels):
        return change(torch.cat([padded(kernels[number], offset=offset) for number in order], dim))

    return answer


def stretched(*kernels):
    return torch.cat([functional.interpolate(kernel, (5, 5)) for kernel in kernels])


def added(one, three, five):
    return padded(one).sum(0, keepdim=True) + padded(three).sum(0, keepdim=True) + five.sum(0, keepdim=True)


WRONG = [
    ("my_one_by_one", lambda x, weight, bias: per_pixel(x, weight, None), "the bias is forgotten"),
    ("my_one_by_one", along_width_bias, "the bias runs along the width"),
    ("my_one_by_one", lambda x, weight, bias: per_pixel(x, weight.T, bias), "the wrong way round"),
    ("my_one_by_one", lambda x, weight, bias: functional.linear(x, weight, bias), "reads the width"),
    ("my_one_by_one", reshaped, "reshape does not move them"),
    ("my_one_by_one", permuted_once, "back in the wrong order"),
    (
        "my_one_by_one",
        lambda x, weight, bias: functional.linear(x.permute(0, 2, 3, 1), weight, bias),
        "the channels are still last",
    ),
    ("my_one_by_one", lambda x, weight, bias: per_pixel(x, weight, bias).relu(), "there is a ReLU"),
    ("my_one_by_one", lambda x, weight, bias: per_pixel(x, weight, bias).mean((2, 3)), "the shape is [2, 4]"),
    ("my_one_by_one", lambda x, weight, bias: weight @ x, "stops with RuntimeError"),
    ("my_one_by_one", lambda x, weight, bias: [x], "returns a list"),
    ("my_one_by_one", lambda x, weight, bias: x, "the numbers are not"),
    ("my_inception", block(join=sum), "cannot be added"),
    ("my_inception", block(join=torch.cat), "dim=1, the channels"),
    ("my_inception", block(join=lambda parts: parts), "forward returns a list"),
    ("my_inception", block(join=lambda parts: torch.cat(parts[:3], 1)), "15 channels"),
    ("my_inception", block(padding=(1, 1)), "5x5 convolution needs padding=2"),
    ("my_inception", block(padding=(0, 2)), "3x3 convolution needs padding=1"),
    ("my_inception", block(inner=False, outer=False), "there is no ReLU"),
    ("my_inception", block(inner=False), "the reductions have no ReLU"),
    ("my_inception", block(outer=False), "last convolutions have no ReLU"),
    ("my_inception", block(pooling=nn.MaxPool2d(3, 2, 1)), "the pooling has stride 2"),
    ("my_inception", block(pooling=nn.MaxPool2d(3, padding=1)), "the pooling has stride 3"),
    ("my_inception", block(pooling=nn.MaxPool2d(3, 1)), "the pooling needs padding=1"),
    ("my_inception", block(pooling=nn.MaxPool2d(2, 1)), "the pooling's kernel is 2"),
    ("my_inception", block(pooling=nn.AvgPool2d(3, 1, 1)), "takes averages"),
    ("my_inception", block(pooling=nn.Identity()), "the pooling is forgotten"),
    ("my_inception", block(late=True), "the projection comes before the pooling"),
    ("my_inception", block(order=(3, 0, 1, 2)), "in another order"),
    ("my_inception", block(bias=False), "do all convolutions have a bias"),
    ("my_inception", WithoutProjection, "no 1x1 projection"),
    ("my_inception", WithoutReduction, "the 5x5 kernel reads all 6 inputs"),
    ("my_inception", ReductionAfter, "the 1x1 comes after the 3x3"),
    ("my_inception", Exchanged, "no 3x3 convolution from 4 to 5 channels"),
    ("my_inception", Chained, "does each branch read x"),
    ("my_inception", Strided, "a 1x1 convolution has a stride"),
    ("my_inception", lambda *widths: [nn.ReLU()], "returns a list"),
    ("my_inception", lambda inputs, outputs: nn.ReLU(), "stops with TypeError"),
    ("my_one_kernel", one_kernel(offset=lambda missing: 0), "in a corner"),
    ("my_one_kernel", one_kernel(offset=lambda missing: missing), "in a corner"),
    ("my_one_kernel", one_kernel(order=(2, 1, 0)), "in another order"),
    ("my_one_kernel", one_kernel(change=lambda kernels: kernels.flip(2, 3)), "turned round"),
    ("my_one_kernel", stretched, "stretched"),
    ("my_one_kernel", added, "not [7, 4, 5, 5]"),
    ("my_one_kernel", one_kernel(dim=1), "stops with RuntimeError"),
    ("my_one_kernel", lambda one, three, five: torch.cat([one, three, five]), "stops with RuntimeError"),
    ("my_one_kernel", lambda one, three, five: (one, three, five), "returns a tuple"),
    ("my_one_kernel", one_kernel(change=lambda kernels: 2 * kernels), "zeros around them"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    exercises.one_by_one(lambda x, weight, bias: torch.einsum("oc,nchw->nohw", weight, x) + bias[:, None, None])
    exercises.inception(Block)  # ReLU as a function
    exercises.inception(block(pooling=nn.MaxPool2d((3, 3), (1, 1), (1, 1))))

    def in_place(one, three, five):
        kernels = torch.zeros(len(one) + len(three) + len(five), one.shape[1], 5, 5)
        kernels[: len(one), :, 2:3, 2:3] = one
        kernels[len(one) : len(one) + len(three), :, 1:4, 1:4] = three
        kernels[len(one) + len(three) :] = five
        return kernels

    exercises.one_kernel(in_place)
    assert capsys.readouterr().out.count("right: ") == 4
