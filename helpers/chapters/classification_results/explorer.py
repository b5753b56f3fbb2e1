"""06's explorer: a plain function of a few values, so that tests can call each extreme."""

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure

from helpers import plotting


def outcomes(confidence: torch.Tensor, right: torch.Tensor, threshold: float) -> dict[str, int]:
    """What becomes of guesses, float and bool [N], if those with a confidence below the threshold are withheld."""
    answered = confidence >= threshold
    return {
        "right, answered": int((right & answered).sum()),
        "wrong, answered": int((~right & answered).sum()),
        "right, withheld": int((right & ~answered).sum()),
        "wrong, withheld": int((~right & ~answered).sum()),
    }


def scores(confidence: torch.Tensor, right: torch.Tensor, threshold: float) -> tuple[float, float, float]:
    """Precision, recall and F1 in % of "this guess is right", said where the confidence reaches the threshold.

    Precision without any answer is NaN.
    """
    hit, false, missed, _ = outcomes(confidence, right, threshold).values()
    precision = 100 * hit / (hit + false) if hit + false else float("nan")
    return precision, 100 * hit / max(hit + missed, 1), 200 * hit / max(2 * hit + false + missed, 1)


def draw_threshold(judged: pd.DataFrame, network: str, threshold: float) -> Figure:
    """The scores of one network at every threshold, with a line at this one; and the counts at this one."""
    rows = judged[judged.network == network]
    confidence, right = torch.tensor(rows.confidence.to_numpy()), torch.tensor((rows["rank"] == 1).to_numpy())
    fig, (left, bars) = plt.subplots(1, 2, figsize=(11, 4.6), width_ratios=[3, 2])
    grid = torch.linspace(0, 1, 101).tolist()
    curves = zip(*[scores(confidence, right, each) for each in grid], strict=True)
    for name, curve in zip(("precision", "recall", "F1"), curves, strict=True):
        left.plot(grid, curve, label=name)
    left.axvline(threshold, color=plotting.GREY, linestyle="-", lw=1.5)
    left.set(xlabel="threshold of the confidence", ylabel="%", ylim=(0, 103), xlim=(0, 1), title=network)
    left.legend(loc="lower left", fontsize=14)
    found = outcomes(confidence, right, threshold)
    bars.barh(range(4), found.values(), color=[plotting.BLUE, plotting.RED, plotting.SKY, plotting.GREY])
    for row, count in enumerate(found.values()):
        bars.text(count + len(rows) / 60, row, count, va="center")
    bars.set_yticks(range(4), found)
    bars.set(title=f"at {threshold:.2f}", xlabel="photographs", xlim=(0, 1.2 * len(rows)))
    bars.invert_yaxis()
    return fig
