"""00's explorer, its button for photographs, and its paired comparison."""

import io

import matplotlib.pyplot as plt
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest

from helpers import pretrained
from helpers.chapters.start_here import explorer, figures


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


@pytest.mark.parametrize("ipywidgets_7", [True, False])
def test_photo_upload_draws_good_files_and_names_bad_ones(displayed, panel, ipywidgets_7):
    file = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(file, "png")
    sizes = []

    def draw(photo):
        sizes.append(photo.size)
        return plt.figure()

    explorer.photo_upload(draw, "A button.")
    button, below = panel().children
    answers = {"good.png": file.getvalue(), "bad.png": b"no photograph"}
    if ipywidgets_7:
        answers = {name: {"metadata": {"name": name}, "content": content} for name, content in answers.items()}
    else:
        answers = tuple({"name": name, "content": memoryview(content)} for name, content in answers.items())
    button.notify_change({"name": "value", "type": "change", "new": answers})
    picture, sentence = below.children
    assert sizes == [(20, 10)] and picture.value.startswith('<img alt="A button. Photograph: good.png." src="data:')
    assert sentence.value.startswith('"bad.png" is not a photograph')


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("11100", "11010", "2 both right, 1 neither, 1 only A, 1 only B"),
        ("11111", "11111", "5 both right, 0 neither, 0 only A, 0 only B"),
        ("000", "101", "0 both right, 1 neither, 0 only A, 2 only B"),
        ("1", "0", "0 both right, 0 neither, 1 only A, 0 only B"),
    ],
)
def test_pairs_are_counted_and_sorted(one, other, said):
    hits = {name: torch.tensor([bit == "1" for bit in bits]) for name, bits in {"A": one, "B": other}.items()}
    fig, alt = figures.draw_pairs(hits)
    assert f"each of {len(one)} photographs" in alt and alt.endswith(f"right: {said}.")
    written = [text.get_text() for text in fig.axes[0].texts]
    assert written == [each for each in said.split(", ") if not each.startswith("0")]
    blue = [(dots.get_facecolor()[:, 0] < 0.5).tolist() for dots in fig.axes[0].collections]
    assert sorted(zip(*blue, strict=True)) == sorted(zip(*(bits.tolist() for bits in hits.values()), strict=True))
    plt.close(fig)


def test_efficientnet_wins_seven_of_the_eight_that_tell_them_apart(predictions):
    """What 00 says of the two networks: 7 to 1 on 20 photographs, which a fair coin gives in 7 % of trials."""
    hits = {name: found.logits.argmax(dim=1) == found.labels for name, found in predictions.items()}
    fig, alt = figures.draw_pairs(hits)
    assert "10 both right, 2 neither, 7 only efficientnet_lite0, 1 only squeezenet1_1" in alt
    assert [int(each.sum()) for each in hits.values()] == [17, 11]
    assert round(binomtest(7, 8).pvalue, 2) == 0.07
    plt.close(fig)
