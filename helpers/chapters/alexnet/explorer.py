"""01's explorer: how much of the gradient an activation function lets through, layer after layer."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from helpers import plotting

ACTIVATIONS = {"ReLU": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def passed_gradient(activation: str, spread: float) -> float:
    """The share of the gradient that a unit passes: its mean slope over normal inputs of deviation `spread`."""
    quantiles = (torch.arange(10_001, dtype=torch.float64) + 0.5) / 10_001
    return torch.vmap(torch.func.grad(ACTIVATIONS[activation]))(torch.special.ndtri(quantiles) * spread).mean().item()


def draw_saturation(activation: str, spread: float, layers: int) -> Figure:
    """One of ACTIVATIONS, its slope and inputs; and what each leaves of the gradient after 1 to `layers` layers."""
    fig, (curves, shares) = plt.subplots(1, 2, figsize=(11, 4.5))
    x = torch.linspace(-6, 6, 241)
    curves.fill_between(x, torch.exp(-((x / spread) ** 2) / 2), color=plotting.YELLOW, alpha=0.6, linewidth=0)
    curves.plot(x, ACTIVATIONS[activation](x), color=plotting.BLUE, linestyle="-")
    curves.plot(x, torch.vmap(torch.func.grad(ACTIVATIONS[activation]))(x), color=plotting.RED, linestyle="--")
    curves.annotate("its slope", (-5.9, 0.12), color=plotting.RED)
    curves.annotate(activation, (5.9, 1.12), ha="right", color=plotting.BLUE)
    curves.set(ylim=(-1.1, 1.6), xlabel=f"input (yellow: how they lie, deviation {spread:g})")
    depths = torch.arange(1, layers + 1)
    for name, marker in zip(ACTIVATIONS, "os^", strict=True):
        share = passed_gradient(name, spread) ** depths
        style = {"linewidth": 4, "alpha": 1.0} if name == activation else {"linewidth": 2, "alpha": 0.5}
        shares.semilogy(depths, share, marker=marker, **style)
        shares.annotate(f"  {name}", (layers, share[-1]), va="center")
    shares.set(xlabel="layers", title="gradient that is left", xlim=(0.5, layers * 1.35 + 0.5), xticks=depths)
    return fig
