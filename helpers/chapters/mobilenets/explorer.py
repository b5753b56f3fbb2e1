"""05's explorer: a plain function of a few values, so that tests can call each extreme."""

import functools

import torch
from matplotlib.figure import Figure

from helpers import charts, counting, plotting, timing
from helpers.architectures.mobilenet import MobileNet
from helpers.chapters.mobilenets import paper


@functools.cache  # one measurement per session, so that a setting gives the same picture again
def measure(width: float, resolution: int) -> dict[str, float]:
    """Parameters, numbers that its convolutions put out, multiply-adds and time of MobileNet, for one photograph on one
    CPU core; by the panel of each."""
    model = MobileNet(width=width).eval().to(memory_format=torch.channels_last)
    rows = counting.count(model, (3, resolution, resolution))
    totals, maps = counting.totals(rows), counting.totals(row for row in rows if row.kind == "SameConv2d")
    image = torch.zeros(1, 3, resolution, resolution).to(memory_format=torch.channels_last)
    [seconds] = timing.cpu_time({"": functools.partial(model, image)}, rounds=5).values()
    return {
        "parameters, M": totals.parameters / 1e6,
        "in maps, M": maps.activations / 1e6,
        "mult-adds, M": totals.mult_adds / 1e6,
        "milliseconds": 1e3 * seconds,
    }


def smaller_mobilenet(width: float, resolution: int) -> Figure:
    """What `measure` finds at a width and a resolution, beside the full MobileNet's; above it the paper's accuracy."""
    full, yours = measure(1.0, 224), measure(width, resolution)
    panels = {title: [full[title], yours[title]] for title in full}
    names = ["1.0, 224", f"{width:g}, {resolution}"]
    fig = charts.bar_panels(panels, names, [plotting.GREY, plotting.BLUE], height=3.2)
    accuracy = paper.ACCURACY.get((width, resolution))
    said = f"the paper's accuracy: {accuracy} % (full: 70.6 %)" if accuracy else "not in the paper's tables 6 and 7"
    fig.suptitle(f"width {width:g}, resolution {resolution}: {said}")
    return fig
