"""07's explorer, at its extremes."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import changes, explorers, plotting

SIDE = 32


@pytest.fixture(scope="module")
def photos():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (3, 3, 6, 6), generator=generator).to(torch.uint8)
    return coarse.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


def brightness(images):
    """A space of one number."""
    return images.float().mean(dim=(1, 2, 3))[:, None]


def drawn(embed, photos, *setting):
    figure = explorers.changed_photo(embed, photos, *setting, side=SIDE)
    before, after, bars = figure.axes
    pictures = [np.asarray(axis.images[0].get_array()) for axis in (before, after)]
    widths = [patch.get_width() for patch in bars.patches]
    words = [text.get_text() for text in bars.texts]
    title = after.get_title()
    edge = bars.get_xlim()[1]
    plt.close(figure)
    return pictures, widths, words, title, edge


@pytest.mark.parametrize("number, kind, strength", list(itertools.product((0, 2), changes.CHANGES, (0, 1))))
def test_every_extreme_is_drawn(photos, number, kind, strength):
    plotting.use_style()
    (before, after), widths, words, title, edge = drawn(brightness, photos, number, kind, strength)
    assert title.startswith(kind) and len(widths) == len(words) == 2 and edge >= max(widths)
    assert np.array_equal(before, after) == (strength == 0)
    assert (widths[0] == 0) == (strength == 0)
    assert [float(word.partition(",")[0]) for word in words] == pytest.approx(widths, abs=0.006)
    if strength == 0:
        assert words == ["0.00, nearest: itself"] * 2


def test_distances_are_in_units_of_the_distance_between_photographs(photos):
    _, (in_pixels, in_features), *_ = drawn(brightness, photos, 0, "light", 1)
    known = torch.stack([changes.window(photo, SIDE) for photo in photos])
    darker = changes.light(photos[0], SIDE, 0.75)[None]
    for found, space in ((in_pixels, lambda images: images.float().flatten(1)), (in_features, brightness)):
        pairs = [(space(known)[a] - space(known)[b]).norm() for a, b in ((0, 1), (0, 2), (1, 2))]
        wanted = (space(darker)[0] - space(known)[0]).norm() / (sum(pairs) / 3)
        assert found == pytest.approx(wanted.item(), rel=1e-4)


def test_the_nearest_photograph_is_told():
    """Two greys: the lighter one, dimmed, is the darker one to the pixel."""
    greys = torch.stack([torch.full((3, 48, 48), shade, dtype=torch.uint8) for shade in (200, 50)])
    _, widths, words, *_ = drawn(brightness, greys, 0, "light", 1)
    assert widths == pytest.approx([1, 1]) and words == ["1.00, nearest: another"] * 2


def test_a_long_bar_stays_in_the_picture():
    pair = torch.stack([changes.wide(Image.new("RGB", (90, 90), (200, 200, shade)), SIDE) for shade in (0, 10)])
    *_, edge = found = drawn(brightness, pair, 0, "light", 1)
    assert max(found[1]) > 5 and edge > max(found[1])
