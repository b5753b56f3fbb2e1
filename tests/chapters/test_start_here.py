"""00's explorer."""

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from helpers import pretrained
from helpers.chapters.start_here import explorer


@pytest.mark.parametrize("name", pretrained.EMBEDDED)
@pytest.mark.parametrize("pixels", [1, 4, 224, 512])
def test_the_explorer_draws_every_extreme(networks, name, pixels):
    fig = explorer.draw_fewer_pixels(networks[name], Image.new("RGB", (30, 900), "red"), pixels)
    photo, bars = fig.axes
    assert photo.get_title() == f"{pixels} x {30 * pixels} pixels"
    assert len(bars.patches) == 5
    plt.close(fig)


def test_a_narrow_photograph_keeps_a_pixel():
    assert explorer.shrink(Image.new("RGB", (900, 30)), 1).size == (30, 1)
    assert explorer.shrink(Image.new("RGB", (30, 20)), 224).size == (336, 224)
