"""The changes of 07's photographs, the yardstick of a space, and what the features make of them."""

import itertools

import pytest
import torch
from PIL import Image

from helpers import changes, datasets, pretrained
from helpers.changes import CHANGES

SIDE = 64


@pytest.fixture(scope="module")
def photos():
    return torch.stack([changes.wide(photo, SIDE) for photo, _ in datasets.labelled_photos()])


def test_a_wide_photograph_is_the_central_square(photos):
    assert photos.shape == (20, 3, 96, 96) and photos.dtype == torch.uint8
    stripes = Image.new("RGB", (300, 100), "black")
    stripes.paste("white", (100, 0, 200, 100))
    assert changes.wide(stripes, 40).min() > 200  # resizing rings a little at the edges


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (3000, 100)])
def test_a_photograph_of_any_size_is_taken(size):
    assert changes.wide(Image.new("RGB", size), SIDE).shape == (3, 96, 96)


@pytest.mark.parametrize("kind", CHANGES)
def test_no_amount_changes_nothing_and_the_largest_changes_much(kind, photos):
    change, before = CHANGES[kind], changes.window(photos[0], SIDE)
    assert torch.equal(change.make(photos[0], SIDE, 0), before)
    after = change.make(photos[0], SIDE, change.largest)
    assert after.shape == before.shape and after.dtype == torch.uint8
    assert (after.float() - before).abs().mean() > 5
    assert torch.equal(change.make(photos[0], SIDE, change.largest), after)


@pytest.mark.parametrize("kind, amount", [("translation", 0.25), ("scale", 1.0), ("rotation", 45.0)])
def test_no_edge_of_the_photograph_comes_into_view(kind, amount):
    white = torch.full((3, 96, 96), 255, dtype=torch.uint8)
    assert CHANGES[kind].make(white, SIDE, amount).min() == 255


def test_the_window_moves_and_enlarges_by_what_it_is_told():
    columns = torch.arange(96, dtype=torch.uint8).expand(3, 96, 96)
    assert changes.window(columns, SIDE)[0, 0].tolist() == list(range(16, 80))
    assert changes.shift(columns, SIDE, 0.25)[0, 0].tolist() == list(range(32, 96))
    enlarged = changes.scale(columns, SIDE, 1.0)[0, 0]
    assert 31 <= enlarged.min() <= 33 and 62 <= enlarged.max() <= 64


def test_light_noise_and_blur_do_what_they_say():
    grey = torch.full((3, 96, 96), 128, dtype=torch.uint8)
    assert (changes.light(grey, SIDE, 0.75) == 32).all()
    assert changes.noise(grey, SIDE, 20.0).float().std().item() == pytest.approx(20, rel=0.03)
    assert (changes.blur(grey, SIDE, 3.0) == 128).all()
    dot = torch.zeros(3, 96, 96, dtype=torch.uint8)
    dot[:, 48, 48] = 255
    assert changes.blur(dot, SIDE, 1.0).max() == pytest.approx(255 / (2 * torch.pi), abs=3)


def test_rotation_turns_by_degrees():
    line = torch.zeros(3, 96, 96, dtype=torch.uint8)
    line[:, 47:49] = 255
    turned = changes.rotation(line, SIDE, 45.0)[0] > 100
    rows, columns = turned.nonzero().T
    assert (rows + columns - 63).abs().max() <= 3  # rising to the right


def test_the_yardstick_is_the_mean_over_pairs():
    points = torch.tensor([[0.0, 0], [3, 4], [0, 8]])
    assert changes.distance_between_different(points) == pytest.approx((5 + 8 + 5) / 3)
    assert changes.distance_between_different(points * 7) == pytest.approx(7 * 6)
    vectors = torch.randn(9, 50)
    by_hand = [(a - b).norm().item() for a, b in itertools.combinations(vectors, 2)]
    assert changes.distance_between_different(vectors) == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-5)


@pytest.fixture(scope="module")
def moved():
    """kind: how far pixels and features of the 20 photographs move on average at the largest amount."""
    side = 128  # at 64 the network hardly recognises an enlarged photograph, and gains little
    photos = torch.stack([changes.wide(photo, side) for photo, _ in datasets.labelled_photos()])
    network = pretrained.load("efficientnet_lite0").at(side)
    module = network.module

    @torch.inference_mode()
    def features(images):
        return module.avgpool(module.features(network.preprocess(images))).flatten(1)

    spaces = (lambda images: images.float().flatten(1)), features
    known = [space(torch.stack([changes.window(photo, side) for photo in photos])) for space in spaces]
    found = {}
    for kind, change in CHANGES.items():
        images = torch.stack([change.make(photo, side, change.largest) for photo in photos])
        found[kind] = [
            ((space(images) - originals).norm(dim=1).mean() / changes.distance_between_different(originals)).item()
            for space, originals in zip(spaces, known, strict=True)
        ]
    return found


@pytest.mark.parametrize("kind", CHANGES)
def test_features_move_less_under_irrelevant_changes_but_for_noise_and_blur(kind, moved):
    in_pixels, in_features = moved[kind]
    assert (in_features < in_pixels - 0.05) == (kind not in ("noise", "blur"))
