"""00's picture of a paired comparison."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from helpers.plotting import BLUE, GREY


def draw_pairs(hits: dict[str, torch.Tensor]) -> tuple[Figure, str]:
    """A row for each of two networks, a column for each photograph, blue where the network is right; and its alt text.

    hits: the names of the two, and for each bool [N], where row i is the same photograph for both. The columns are
    sorted: those where both are right, neither, only the first, only the second.
    """
    (one, right_one), (other, right_other) = hits.items()
    kind = 2 * (right_one != right_other).int() + (~right_one).int()  # 0 to 3, in the order above
    order = kind.argsort(stable=True)
    fig, ax = plt.subplots(figsize=(11, 3.2))
    for row, right in enumerate((right_one, right_other)):
        colors = [BLUE if each else "white" for each in right[order]]
        ax.scatter(range(len(right)), [row] * len(right), 550, colors, marker="s", edgecolors=GREY)
    said = []
    for number, name in enumerate(["both right", "neither", f"only {one}", f"only {other}"]):
        columns = (kind[order] == number).nonzero().flatten().tolist()
        said.append(f"{len(columns)} {name}")
        if columns:  # the last stands at the right edge, lest it leave the picture
            x, side = (columns[-1] + 0.5, "right") if number == 3 else (sum(columns) / len(columns), "center")
            ax.text(x, 1.7 if number % 2 else -0.7, said[-1], ha=side, va="center")
    ax.set(xlim=(-0.7, len(kind) - 0.3), ylim=(2.1, -1.1), xticks=[])
    ax.set_yticks([0, 1], [one, other])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    alt = f"A column for each of {len(kind)} photographs, a row for each network, blue where it is right"
    return fig, f"{alt}: {', '.join(said)}."
