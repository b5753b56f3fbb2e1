"""Figures and galleries as they are shown, and explorers and buttons as a live kernel would use them."""

import json

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from helpers import bundled, evaluation, gallery, plotting, widgets
from tests.explorers import both_ends


def one_bar(height):
    fig, ax = plt.subplots()
    ax.bar([0], [height])
    ax.set_ylim(0, 10)
    return fig


def test_show_gives_the_picture_its_alternative_text_and_closes_the_figure(displayed):
    plt.close("all")  # what other tests left open
    plotting.show(one_bar(3), 'One "bar" < 4.')
    [bundle] = displayed
    assert bundle["text/plain"] == 'One "bar" < 4.'
    assert bundle["text/html"].startswith('<img alt="One &quot;bar&quot; &lt; 4." src="data:image/png;base64,')
    assert not plt.get_fignums()


def test_explorer_offers_widget_picture_and_text(displayed):
    widgets.explore(one_bar, "One bar.", height=ipywidgets.IntSlider(value=1, max=10, description="height"))
    [bundle] = displayed
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert bundle["text/plain"] == "One bar. Set here: height 1."


def test_the_view_of_a_widget_is_the_one_that_ipywidgets_would_give(displayed):
    button = ipywidgets.Button()
    plotting.display_forms("A button.", widget=button)
    assert displayed[0] == button._repr_mimebundle_() | {"text/plain": "A button."}


def test_explorer_redraws_when_a_control_moves(displayed, panel):
    slider = ipywidgets.IntSlider(value=1, max=10)
    widgets.explore(one_bar, "One bar.", height=slider)
    picture = panel().children[-1]
    before = picture.value
    slider.value = 9
    assert picture.value != before
    slider.value = 1
    assert picture.value == before


def test_guess_bars_marks_the_truth_and_only_it():
    fig, ax = plt.subplots()
    gallery.guess_bars(ax, ["cat", "dog"], torch.tensor([0.7, 0.2]), truth="dog")
    assert [text.get_text() for text in ax.texts] == ["cat", "✓ dog"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.7, 0.2])
    plt.close(fig)


def test_guess_gallery_says_what_it_shows():
    photos = bundled.labelled_photos()
    logits = torch.zeros(len(photos), 1000)
    logits[:, 7] = 9.0
    fig, alt = gallery.guess_gallery(photos, [0, 1], {"a net": evaluation.top_k(logits)}, photos.categories)
    assert "bull mastiff: cock; folding chair: cock" in alt and "a net" in alt
    assert len(fig.axes) == 4
    plt.close(fig)


def test_labels_keep_their_order_and_a_gap():
    assert plotting.spread_labels([1.0, 5.0, 1.1, 1.0], 0.5) == [1.0, 5.0, 2.0, 1.5]
    assert plotting.spread_labels([], 0.5) == []


def test_a_photograph_is_drawn_from_pillow_and_from_a_tensor_alike():
    photo = bundled.free_photos()[0][0]
    tensor = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
    fig, axes = plt.subplots(1, 2)
    for ax, form in zip(axes, (photo, tensor), strict=True):
        gallery.show_photo(ax, form, "a cat")
    one, other = (ax.images[0].get_array() for ax in axes)
    assert (one == other).all() and one.shape == (300, 451, 3)
    plt.close(fig)


@pytest.mark.parametrize(
    ("control", "ends"),
    [
        (ipywidgets.IntSlider(min=2, max=5), [2, 5]),
        (ipywidgets.FloatLogSlider(min=-1, max=2), [0.1, 100]),
        (ipywidgets.SelectionSlider(options=["a", "b", "c"]), ["a", "c"]),
        (ipywidgets.Dropdown(options=[("A", 1), ("B", 2)]), [1, 2]),
    ],
)
def test_both_ends_are_what_a_browser_sends(control, ends):
    reached = []
    for state in both_ends(control):
        control.set_state(json.loads(json.dumps(state)))
        reached.append(control.value)
    assert reached == ends
