"""05's explorer, at its extremes."""

import itertools

import matplotlib.pyplot as plt
import pytest

from helpers import explorers, plotting

PARAMETERS = {0.25: 0.470072, 1.0: 4.231976}  # millions
MULT_ADDS = {(0.25, 96): 7.745152, (0.25, 224): 41.030272, (1.0, 96): 105.298432, (1.0, 224): 568.740352}  # millions


def panels(figure):
    """The lengths of the bars of each panel, by its title, and the figure's title."""
    bars = {axis.get_title(): [patch.get_width() for patch in axis.patches] for axis in figure.axes}
    title = figure.get_suptitle()
    plt.close(figure)
    return bars, title


@pytest.mark.parametrize("width, resolution", list(itertools.product((0.25, 1.0), (96, 224))))
def test_every_extreme_is_drawn(width, resolution):
    plotting.use_style()
    bars, title = panels(explorers.smaller_mobilenet(width, resolution))
    assert list(bars) == ["parameters, millions", "mult-adds, millions", "milliseconds"]
    parameters, mult_adds, milliseconds = bars.values()
    assert parameters == pytest.approx([4.231976, PARAMETERS[width]])
    assert mult_adds == pytest.approx([568.740352, MULT_ADDS[width, resolution]])
    assert milliseconds[1] < 1.5 * milliseconds[0]
    assert title.startswith(f"width {width:g}, resolution {resolution}: ")


def test_smaller_is_faster():
    bars, _ = panels(explorers.smaller_mobilenet(0.25, 96))
    full, small = bars["milliseconds"]
    assert small < 0.5 * full


@pytest.mark.parametrize("setting, said", [((0.5, 224), "63.7 %"), ((1.0, 160), "67.2 %"), ((0.5, 160), "not in")])
def test_the_papers_accuracy_is_named_where_it_has_one(setting, said):
    _, title = panels(explorers.smaller_mobilenet(*setting))
    assert said in title
