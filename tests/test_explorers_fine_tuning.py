"""09's explorer, at its extremes."""

import itertools
from statistics import mean

import matplotlib.pyplot as plt
import pytest

from helpers import explorers, fine_tuning, plotting

EXTREMES = list(itertools.product(("photographs", "silhouettes"), (3, 20, 50), (3e-4, 1e-3, None)))


@pytest.fixture(autouse=True)
def style():
    plotting.use_style()
    yield
    plt.close("all")


@pytest.mark.parametrize("data, images, rate", EXTREMES)
def test_every_setting_shows_what_was_recorded(data, images, rate):
    runs = fine_tuning.recorded()
    axes = explorers.retrained(runs, data, images, rate).axes[0]
    cells = [fine_tuning.cell(runs, data, images, cut, rate) for cut in fine_tuning.CUTS]
    cells = [cell for cell in cells if cell]
    testing, training = (line.get_ydata() for line in axes.lines)
    assert list(testing) == pytest.approx([mean(run.testing for run in cell) for cell in cells])
    assert list(training) == pytest.approx([mean(run.training for run in cell) for cell in cells])
    assert f"least error {min(testing):.2f}" in axes.get_title()
    assert [label.get_text() for label in axes.get_xticklabels()] == list(fine_tuning.CUTS.values())
    missing = len(fine_tuning.CUTS) - len(cells)
    assert sum(text.get_text() == "not\nrecorded" for text in axes.texts) == missing


def test_a_cut_without_a_record_at_this_rate_is_shown_as_such():
    run = fine_tuning.Run("a", 3, "avgpool", 0.1, 0, 0.0, 0.5, 0.25)
    runs = [run, run._replace(cut="", rate=0.2)]
    for rate, missing in ((0.1, 3), (None, 2)):
        axes = explorers.retrained(runs, "a", 3, rate).axes[0]
        assert sum(text.get_text() == "not\nrecorded" for text in axes.texts) == missing
