"""Plotting, explorers and widgets, as a live kernel would use them."""

import io

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pytest
import torch
from PIL import Image

from helpers import datasets, evaluation, explorers, plotting, pretrained


@pytest.fixture
def displayed(monkeypatch):
    """What would be displayed: a list of (bundle, metadata)."""
    shown = []
    monkeypatch.setattr(plotting, "display", lambda bundle, metadata, raw: shown.append((bundle, metadata)))
    return shown


@pytest.fixture
def made(monkeypatch):
    """The widgets that are displayed."""
    kept = []
    monkeypatch.setattr(plotting, "_display", lambda alt, picture=None, widget=None: kept.append(widget))
    return kept


def one_bar(height):
    figure, axes = plt.subplots()
    axes.bar([0], [height])
    axes.set_ylim(0, 10)
    return figure


def test_show_keeps_the_alternative_text_twice_and_closes_the_figure(displayed):
    plt.close("all")  # what other tests left open
    plotting.show(one_bar(3), "One bar.")
    [(bundle, metadata)] = displayed
    assert bundle["text/plain"] == "One bar." and metadata["image/png"]["alt"] == "One bar."
    assert isinstance(bundle["image/png"], str)
    assert not plt.get_fignums()


def test_explorer_offers_widget_picture_and_text(displayed):
    plotting.explorer(one_bar, "One bar.", height=widgets.IntSlider(value=1, max=10))
    [(bundle, _)] = displayed
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}


def test_explorer_redraws_when_a_control_moves(made):
    slider = widgets.IntSlider(value=1, max=10)
    plotting.explorer(one_bar, "One bar.", height=slider)
    picture = made[0].children[-1]
    before = picture.value
    slider.value = 9
    assert picture.value != before
    slider.value = 1
    assert picture.value == before


def test_photo_upload_draws_good_files_and_names_bad_ones(made):
    file = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(file, "png")
    sizes = []

    def draw(photo):
        sizes.append(photo.size)
        return one_bar(1)

    plotting.photo_upload(draw, "A button.")
    button, below = made[0].children
    answers = [{"name": "good.png", "content": file.getvalue()}, {"name": "bad.png", "content": b"no photograph"}]
    button.notify_change({"name": "value", "type": "change", "new": answers})
    picture, sentence = below.children
    assert sizes == [(20, 10)] and bytes(picture.value).startswith(b"\x89PNG")
    assert sentence.value.startswith('"bad.png" is not a photograph')


@pytest.mark.parametrize("name", pretrained.EMBEDDED)
@pytest.mark.parametrize("pixels", [1, 4, 224, 512])
def test_fewer_pixels_draws_every_extreme(name, pixels):
    figure = explorers.fewer_pixels(pretrained.load(name), Image.new("RGB", (30, 900), "red"), pixels)
    photo, bars = figure.axes
    assert photo.get_title() == f"{pixels} x {30 * pixels} pixels"
    assert len(bars.patches) == 5
    plt.close(figure)


def test_guess_bars_marks_the_truth_and_only_it():
    figure, axes = plt.subplots()
    plotting.guess_bars(axes, ["cat", "dog"], torch.tensor([0.7, 0.2]), truth="dog")
    assert [text.get_text() for text in axes.texts] == ["cat", "✓ dog"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.7, 0.2])
    plt.close(figure)


def test_guess_gallery_says_what_it_shows():
    photos = datasets.labelled_photos()
    logits = torch.zeros(len(photos), 1000)
    logits[:, 7] = 9.0
    figure, alt = plotting.guess_gallery(photos, [0, 1], {"a net": evaluation.top_k(logits)}, photos.categories)
    assert "bull mastiff: cock; folding chair: cock" in alt and "a net" in alt
    assert len(figure.axes) == 4
    plt.close(figure)


def test_labels_keep_their_order_and_a_gap():
    assert plotting.apart([1.0, 5.0, 1.1, 1.0], 0.5) == [1.0, 5.0, 2.0, 1.5]
    assert plotting.apart([], 0.5) == []
