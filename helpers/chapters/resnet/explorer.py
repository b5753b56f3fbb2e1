"""04's explorer: where the parameters and the multiply-adds of a ResNet sit."""

import functools

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from helpers import counting, plotting
from helpers.architectures.resnet import ResNet

PARTS = {  # by how the names of their layers begin
    "first 7x7": ("conv1", "bn1"),
    **{f"stage {number}": f"layer{number}" for number in (1, 2, 3, 4)},
    "classes": "fc",
}


@functools.cache
def cost_by_part(depth: int, option: str, version: float) -> dict[str, counting.Row]:
    """What each part of a ResNet costs at 224 x 224 pixels, by the names in PARTS, from the first to the last."""
    with torch.device("meta"):
        rows = counting.count(ResNet(depth, option=option, version=version))
    return {
        part: counting.totals(row for row in rows if row.layer.startswith(layers)) for part, layers in PARTS.items()
    }


def draw_costs(depth: int, option: str, version: float) -> Figure:
    """Bars of the parameters and of the multiply-adds by part, with their sums as titles."""
    costs = cost_by_part(depth, option, version)
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    parameters = [cost.parameters / 1e6 for cost in costs.values()]
    axes[0].barh(list(costs), parameters, color=plotting.SKY)
    axes[0].set(title=f"{sum(parameters):.2f} million parameters", xlabel="million")
    mult_adds = [cost.mult_adds / 1e9 for cost in costs.values()]
    axes[1].barh(list(costs), mult_adds, color=plotting.SKY)
    axes[1].set(title=f"{sum(mult_adds):.2f} billion mult-adds", xlabel="billion")
    axes[0].invert_yaxis()
    return fig
