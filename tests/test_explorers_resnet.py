"""04's explorer, at its extremes."""

import itertools

import matplotlib.pyplot as plt
import pytest

from helpers import explorers, plotting


@pytest.mark.parametrize("depth, option, version", [*itertools.product((18, 152), "ABC", (1, 1.5))])
def test_every_extreme_is_drawn(depth, option, version):
    plotting.use_style()
    figure = explorers.resnet_costs(depth, option, version)
    costs = explorers.resnet_cost(depth, option, version)
    for axis, which, unit in zip(figure.axes, (0, 1), (1e6, 1e9), strict=True):
        widths = [bar.get_width() * unit for bar in axis.patches]
        assert widths == pytest.approx([cost[which] for cost in costs.values()])
        assert axis.get_title().startswith(f"{sum(widths) / unit:.2f} ")
    plt.close(figure)


@pytest.mark.parametrize(
    "setting, parameters, giga_mult_adds",
    [
        ((18, "B", 1.5), 11_689_512, 1.814),
        ((34, "A", 1), 21_623_848, 3.644),
        ((50, "B", 1), 25_557_032, 3.858),
        ((152, "B", 1.5), 60_192_808, 11.514),
    ],
)
def test_the_parts_add_up(setting, parameters, giga_mult_adds):
    costs = explorers.resnet_cost(*setting)
    found, mult_adds = map(sum, zip(*costs.values(), strict=True))
    assert (found, round(mult_adds / 1e9, 3)) == (parameters, giga_mult_adds)


def test_the_first_convolution_and_the_classes_of_resnet_50():
    costs = explorers.resnet_cost(50, "B", 1.5)
    assert costs["first 7x7"] == (64 * 3 * 49 + 2 * 64, 64 * 3 * 49 * 112**2)
    assert costs["classes"] == (2048 * 1000 + 1000, 2048 * 1000)


def test_only_the_version_moves_the_mult_adds_of_resnet_50_and_only_after_stage_1():
    old, new = (explorers.resnet_cost(50, "B", version) for version in (1, 1.5))
    differing = [part for part in old if old[part] != new[part]]
    assert differing == ["stage 2", "stage 3", "stage 4"]
    assert all(old[part][0] == new[part][0] for part in old)
