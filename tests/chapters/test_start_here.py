"""00's explorer, and its button for photographs."""

import io

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
