"""03's explorer: what an inception module costs, and what it puts out, branch by branch."""

from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from helpers import plotting


class Branch(NamedTuple):
    """A branch of an inception module: the channels that it puts out, and the weights of its 1x1 and of its kernel."""

    name: str
    channels: int
    reduction: int
    kernel: int

    @property
    def mega_mult_adds(self) -> float:
        """Millions of mult-adds on a map of 28 x 28, as in 3a: each weight is used once at each place."""
        return (self.reduction + self.kernel) * 28**2 / 1e6


def inception_branches(
    inputs: int, one: int, reduce_3: int, three: int, reduce_5: int, five: int, pool: int
) -> list[Branch]:
    """The four branches of a module of these widths. One of 0 stands for no 1x1 there: all inputs are handed on."""
    return [
        Branch("1x1", one, 0, inputs * one),
        Branch("3x3", three, inputs * reduce_3, 9 * (reduce_3 or inputs) * three),
        Branch("5x5", five, inputs * reduce_5, 25 * (reduce_5 or inputs) * five),
        Branch("pool", pool or inputs, inputs * pool, 0),
    ]


def inception_cost(**widths: int) -> Figure:
    """Bars of the mult-adds and of the channels of each branch, for the widths that `inception_branches` takes."""
    branches = inception_branches(**widths)
    naive = inception_branches(**widths | {"reduce_3": 0, "reduce_5": 0, "pool": 0})
    cost, naive_cost = (sum(branch.mega_mult_adds for branch in each) for each in (branches, naive))
    fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), sharey=True)
    for branch in branches:
        reduction = branch._replace(kernel=0).mega_mult_adds
        left.barh(branch.name, reduction, color=plotting.ORANGE, hatch="//", edgecolor="white")
        left.barh(branch.name, branch.mega_mult_adds - reduction, left=reduction, color=plotting.SKY)
        left.annotate(f" {branch.mega_mult_adds:,.1f}", (branch.mega_mult_adds, branch.name), va="center")
        right.barh(branch.name, branch.channels, color=plotting.GREEN)
        right.annotate(f" {branch.channels}", (branch.channels, branch.name), va="center")
    left.set(title=f"{cost:,.0f} M mult-adds, naive {naive_cost:,.0f} M", xmargin=0.2)
    left.set_xlabel("million; orange hatched: 1x1 reductions, projection")
    left.invert_yaxis()
    weights, channels = (sum(b.reduction + b.kernel for b in branches), sum(b.channels for b in branches))
    right.set(title=f"{weights:,} weights, {channels} channels", xlabel="channels", xmargin=0.2)
    return fig
