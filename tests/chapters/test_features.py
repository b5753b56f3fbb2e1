"""07: the changes of photographs, the yardstick of a space, the explorer and the exercises."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from helpers import bundled, plotting
from helpers.chapters.features import changes, exercises, explorer
from helpers.chapters.features.changes import CHANGES

SIDE = 64

# ---- the changes ----


@pytest.fixture(scope="module")
def photos():
    return torch.stack([changes.with_margin(photo, SIDE) for photo, _ in bundled.labelled_photos()])


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (3000, 100)])
def test_a_photograph_of_any_size_gets_a_margin(size):
    photo = changes.with_margin(Image.new("RGB", size), SIDE)
    assert photo.shape == (3, 96, 96) and photo.dtype == torch.uint8


def test_with_margin_is_the_central_square():
    stripes = Image.new("RGB", (300, 100), "black")
    stripes.paste("white", (100, 0, 200, 100))
    assert changes.with_margin(stripes, 40).min() > 200  # resizing rings a little at the edges


@pytest.mark.parametrize("kind", CHANGES)
def test_no_amount_changes_nothing_and_the_largest_changes_much(kind, photos):
    change, before = CHANGES[kind], changes.centre_crop(photos[0], SIDE)
    assert torch.equal(change.make(photos[0], SIDE, 0), before)
    after = change.make(photos[0], SIDE, change.largest)
    assert after.shape == before.shape and after.dtype == torch.uint8
    assert (after.float() - before).abs().mean() > 5
    assert torch.equal(change.make(photos[0], SIDE, change.largest), after)


@pytest.mark.parametrize("kind", ["translation", "scale", "rotation"])
def test_no_edge_of_the_photograph_comes_into_view(kind):
    white = torch.full((3, 96, 96), 255, dtype=torch.uint8)
    for amount in np.linspace(0, CHANGES[kind].largest, 10):
        assert CHANGES[kind].make(white, SIDE, amount).min() == 255


def test_the_camera_moves_and_enlarges_by_what_it_is_told():
    columns = torch.arange(96, dtype=torch.uint8).expand(3, 96, 96)
    assert changes.centre_crop(columns, SIDE)[0, 0].tolist() == list(range(16, 80))
    assert changes.shift(columns, SIDE, 0.25)[0, 0].tolist() == list(range(32, 96))
    enlarged = changes.zoom(columns, SIDE, 1.0)[0, 0]
    assert 31 <= enlarged.min() <= 33 and 62 <= enlarged.max() <= 64


def test_light_noise_and_blur_do_what_they_say():
    grey = torch.full((3, 96, 96), 128, dtype=torch.uint8)
    assert (changes.darken(grey, SIDE, 0.75) == 32).all()
    assert changes.add_noise(grey, SIDE, 20.0).float().std().item() == pytest.approx(20, rel=0.03)
    assert (changes.blur(grey, SIDE, 3.0) == 128).all()
    dot = torch.zeros(3, 96, 96, dtype=torch.uint8)
    dot[:, 48, 48] = 255
    assert changes.blur(dot, SIDE, 1.0).max() == pytest.approx(255 / (2 * torch.pi), abs=3)


def test_rotation_turns_by_degrees():
    line = torch.zeros(3, 96, 96, dtype=torch.uint8)
    line[:, 47:49] = 255
    turned = changes.rotate(line, SIDE, 45.0)[0] > 100
    rows, columns = turned.nonzero().T
    assert (rows + columns - 63).abs().max() <= 3  # rising to the right


def test_the_yardstick_is_the_mean_over_pairs():
    points = torch.tensor([[0.0, 0], [3, 4], [0, 8]])
    assert changes.mean_pairwise_distance(points) == pytest.approx((5 + 8 + 5) / 3)
    vectors = torch.randn(9, 50)
    by_hand = [(a - b).norm().item() for a, b in itertools.combinations(vectors, 2)]
    assert changes.mean_pairwise_distance(vectors) == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-5)


# ---- the explorer ----


@pytest.fixture(scope="module")
def patterns():
    """Three images of coarse random squares, with their margins, [3, 3, 96, 96]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (3, 3, 6, 6), generator=generator).to(torch.uint8)
    return coarse.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)


def as_pixels(images):
    return images.float().flatten(1)


def brightness(images):
    """A space of one dimension."""
    return images.float().mean(dim=(1, 2, 3))[:, None]


def drawn(photos, *setting):
    """The figure's axes, the two distances and what is said of them."""
    plotting.use_style()
    spaces = {"pixels": (as_pixels, plotting.ORANGE), "brightness": (brightness, plotting.BLUE)}
    fig = explorer.changed_photo(spaces, photos, *setting, side=SIDE)
    *_, bars = fig.axes
    plt.close(fig)
    return fig.axes, [patch.get_width() for patch in bars.patches], [text.get_text() for text in bars.texts]


@pytest.mark.parametrize("number, kind, strength", list(itertools.product((0, 2), CHANGES, (0, 1))))
def test_the_explorer_draws_every_extreme(patterns, number, kind, strength):
    (before, after, _), distances, words = drawn(patterns, number, kind, strength)
    assert after.get_title().startswith(f"after {kind}: ")
    same = np.array_equal(before.images[0].get_array(), after.images[0].get_array())
    assert same == (distances[0] == 0) == (strength == 0)
    assert [float(word.partition(",")[0]) for word in words] == pytest.approx(distances, abs=0.006)
    if strength == 0:
        assert words == ["0.00, nearest: itself"] * 2


def test_distances_are_in_units_of_the_distance_between_photographs(patterns):
    _, distances, _ = drawn(patterns, 0, "light", 1)
    originals = torch.stack([changes.centre_crop(photo, SIDE) for photo in patterns])
    darker = changes.darken(patterns[0], SIDE, 0.75)[None]
    for found, space in zip(distances, (as_pixels, brightness), strict=True):
        vectors = space(originals)
        pairs = [(vectors[a] - vectors[b]).norm() for a, b in ((0, 1), (0, 2), (1, 2))]
        wanted = (space(darker)[0] - vectors[0]).norm() / (sum(pairs) / 3)
        assert found == pytest.approx(wanted.item(), rel=1e-4)


def test_the_nearest_photograph_is_told():
    """Two greys: the lighter one, dimmed, is the darker one to the pixel."""
    greys = torch.stack([torch.full((3, 96, 96), shade, dtype=torch.uint8) for shade in (200, 50)])
    _, distances, words = drawn(greys, 0, "light", 1)
    assert distances == pytest.approx([1, 1]) and words == ["1.00, nearest: a different one"] * 2


def test_a_long_bar_stays_in_the_picture():
    greys = torch.stack([torch.full((3, 96, 96), shade, dtype=torch.uint8) for shade in (200, 210)])
    (*_, bars), distances, _ = drawn(greys, 0, "light", 1)
    assert bars.get_xlim()[1] > max(distances) > 5
    assert [label.get_text() for label in bars.get_yticklabels()] == ["pixels", "brightness"]


# ---- the exercises ----


def unit(x, dim=1):
    return x / x.norm(dim=dim, keepdim=True)


def cosines(queries, gallery):
    return unit(queries) @ unit(gallery).T


def top(table, k, largest=True):
    return table.topk(k, dim=1, largest=largest).indices


def guesses(maps, weight, bias):
    """The first and the second guess of each image."""
    return (maps.mean(dim=(2, 3)) @ weight.T + bias).topk(2).indices.T


def weighed(maps, rows):
    return torch.einsum("nc,nchw->nhw", rows, maps)


def evidence(maps, weight, bias):
    first, second = guesses(maps, weight, bias)
    return weighed(maps, weight[first] - weight[second])


def by_loops(maps, weight, bias):
    """As lists of arrays, with the softmax, which keeps the order of the logits."""
    found = []
    for image in maps.numpy():
        probabilities = torch.softmax(torch.from_numpy(weight.numpy() @ image.mean((1, 2))) + bias, dim=0)
        second, first = probabilities.argsort()[-2:].tolist()
        found.append(np.tensordot((weight[first] - weight[second]).numpy(), image, 1))
    return found


def by_convolution(maps, weight, bias):
    """In place, with one map for each class, its bias added and taken off again."""
    maps = F.conv2d(maps, weight[:, :, None, None], bias)
    first, second = maps.mean(dim=(2, 3)).topk(2).indices.T
    rows = torch.arange(len(maps))
    maps.sub_(bias[:, None, None])
    return maps[rows, first] - maps[rows, second]


def by_gradient(maps, weight, bias):
    """The gradient of the lead by the maps, times the maps, over all channels: the same, since the head is linear."""
    maps.requires_grad_()
    best = (maps.mean(dim=(2, 3)) @ weight.T + bias).topk(2).values
    (best[:, 0] - best[:, 1]).sum().backward()
    return (maps.grad * maps).sum(dim=1) * maps[0, 0].numel()


def of_the_first_image(maps, weight, bias):
    first, second = guesses(maps, weight, bias)
    return torch.einsum("c,nchw->nhw", weight[first[0]] - weight[second[0]], maps)


def in_half_precision(maps, weight, bias):
    return evidence(maps.half(), weight.half(), bias.half())


def with_biases(maps, weight, bias):
    first, second = guesses(maps, weight, bias)
    return evidence(maps, weight, bias) + (bias[first] - bias[second])[:, None, None]


def scaled(maps, weight, bias):
    found = evidence(maps, weight, bias)
    low, high = found.amin((1, 2), keepdim=True), found.amax((1, 2), keepdim=True)
    return (found - low) / (high - low)


def place_by_place(maps, weight, bias):
    best = (torch.einsum("kc,nchw->nkhw", weight, maps) + bias[:, None, None]).topk(2, dim=1).values
    return best[:, 0] - best[:, 1]


def against_the_least_likely(maps, weight, bias):
    order = (maps.mean(dim=(2, 3)) @ weight.T + bias).argsort(dim=1)
    return weighed(maps, weight[order[:, -1]] - weight[order[:, 0]])


def against_all_others(maps, weight, bias):
    return weighed(maps, weight[guesses(maps, weight, bias)[0]] - weight.mean(dim=0))


def centred(x):
    return x - x.mean(dim=1, keepdim=True)


def rows(mask):
    return torch.where(mask)[0]


def shuffled(labels, regions):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return order[len(order) // 4 :], order[: len(order) // 4]


RIGHT = {
    "cosine_similarity": (
        exercises.neighbours,
        lambda q, g, k: F.cosine_similarity(q[:, None], g, dim=2).argsort(dim=1).flip(1)[:, :k],
    ),
    "numpy": (exercises.neighbours, lambda q, g, k: np.argsort(-cosines(q, g).numpy(), axis=1)[:, :k]),
    "a list of rows": (exercises.neighbours, lambda q, g, k: [row.topk(k).indices for row in cosines(q, g)]),
    "lists": (exercises.neighbours, lambda q, g, k: top(cosines(q, g), k).tolist()),
    "queries as they are": (exercises.neighbours, lambda q, g, k: top(q @ unit(g).T, k)),
    "in place": (exercises.neighbours, lambda q, g, k: top(q.div_(q.norm(dim=1, keepdim=True)) @ unit(g).T, k)),
    "loops": (
        exercises.neighbours,
        lambda q, g, k: [sorted(range(len(g)), key=lambda i: -F.cosine_similarity(x, g[i], dim=0))[:k] for x in q],
    ),
    "einsum": (exercises.evidence, evidence),
    "loops in numpy": (exercises.evidence, by_loops),
    "a 1x1 convolution, in place": (exercises.evidence, by_convolution),
    "gradients": (exercises.evidence, by_gradient),
    "the same region of all": (exercises.split, lambda labels, regions: (rows(regions != 3), rows(regions == 3))),
    "sets": (
        exercises.split,
        lambda labels, regions: (set(rows(regions != 1).tolist()), set(rows(regions == 1).tolist())),
    ),
    "lists and arrays": (
        exercises.split,
        lambda labels, regions: [rows(regions != 0).tolist(), rows(regions == 0).numpy()],
    ),
    "masks": (exercises.split, lambda labels, regions: (regions != labels % 4, regions == labels % 4)),
}


@pytest.mark.parametrize("check, answer", RIGHT.values(), ids=RIGHT)
def test_what_is_right_in_another_way_is_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")


WRONG = [
    (exercises.neighbours, lambda q, g, k: top(cosines(q, g), k, largest=False), "the most similar ones first"),
    (exercises.neighbours, lambda q, g, k: top(torch.cdist(q, g), k, largest=False), "Euclidean distance"),
    (exercises.neighbours, lambda q, g, k: top(q @ g.T, k), "the dot product"),
    (exercises.neighbours, lambda q, g, k: top(unit(q) @ g.T, k), "each gallery vector too"),
    (exercises.neighbours, lambda q, g, k: top(unit(q, 0) @ unit(g, 0).T, k), "each row by its own length (dim=1)"),
    (exercises.neighbours, lambda q, g, k: top(unit(q) @ (g / g.square().sum(1, keepdim=True)).T, k), "their squares"),
    (exercises.neighbours, lambda q, g, k: top(cosines(q, g), k + 1)[:, 1:], "the nearest one is missing"),
    (exercises.neighbours, lambda q, g, k: top(cosines(q, g), k) + 1, "the first row is row 0"),
    (exercises.neighbours, lambda q, g, k: top(q @ (g / g.norm()).T, k), "the dot product"),
    (exercises.neighbours, lambda q, g, k: cosines(q, g).argsort(dim=1)[:, -k:], "not the most similar ones first"),
    (exercises.neighbours, lambda q, g, k: cosines(q, g).topk(k, dim=1).values, "not the cosines"),
    (exercises.neighbours, lambda q, g, k: cosines(q, g).topk(k, dim=1), "return topk's indices"),
    (exercises.neighbours, lambda q, g, k: cosines(q, g).argmax(dim=1), "the shape [6], not [6, 3]"),
    (exercises.neighbours, lambda q, g, k: top(cosines(q, g), 3), "k=2 give the shape [4, 3], not [4, 2]"),
    (exercises.neighbours, lambda q, g, k: top(cosines(centred(q), centred(g)), k), "subtract no means"),
    (exercises.neighbours, lambda q, g, k: top(q @ F.normalize(g, p=1).T, k), "norm's p=2"),
    (exercises.neighbours, lambda q, g, k: top(cosines(q, g).abs(), k), "take no absolute value"),
    (exercises.neighbours, lambda q, g, k: top(cosines(q, g), k).flip(1), "not the most similar ones first"),
    (exercises.neighbours, lambda q, g, k: top(cosines(q, g).T, k), "the shape [12, 3], not [6, 3]"),
    (exercises.evidence, lambda m, w, b: weighed(m, w[guesses(m, w, b)[0]]), "of the first guess alone"),
    (exercises.evidence, lambda m, w, b: -evidence(m, w, b), "swap them"),
    (exercises.evidence, lambda m, w, b: evidence(m, w, 0 * b), "plus its bias"),
    (exercises.evidence, with_biases, "leave the biases out of the map"),
    (exercises.split, lambda labels, regions: ((regions != 3).nonzero(), (regions == 3).nonzero()), "not [n]"),
    (exercises.evidence, of_the_first_image, "those of image 0"),
    (exercises.evidence, lambda m, w, b: evidence(m, w, b).relu(), "no ReLU"),
    (exercises.evidence, scaled, "scaled to 0 and 1"),
    (exercises.evidence, lambda m, w, b: evidence(m, w, b) / m[0, 0].numel(), "do not divide by their number"),
    (exercises.evidence, in_half_precision, "compute in float32"),
    (exercises.evidence, place_by_place, "take the two largest logits"),
    (exercises.evidence, against_the_least_likely, "take the two largest logits"),
    (exercises.evidence, against_all_others, "take the two largest logits"),
    (exercises.evidence, lambda m, w, b: evidence(m, w, b)[:, None], "not [4, 3, 3]"),
    (exercises.evidence, lambda m, w, b: evidence(m.transpose(2, 3), w, b), "take the two largest logits"),
    (exercises.evidence, lambda m, w, b: evidence(m, w, b).mean(dim=(1, 2)), "the shape is [4], not [4, 3, 3]"),
    (exercises.evidence, lambda m, w, b: evidence(m, w, b)[:, :3, :3], "the shape is [3, 2, 3], not [3, 2, 5]"),
    (exercises.evidence, lambda m, w, b: F.interpolate(evidence(m, w, b)[:, None], size=224), "one small map"),
    (exercises.split, shuffled, "have overlapping patches in both parts"),
    (exercises.split, lambda labels, regions: (rows(labels != 0), rows(labels == 0)), "a photograph is missing"),
    (exercises.split, lambda labels, regions: (rows(regions == 3), rows(regions != 3)), "training comes first"),
    (exercises.split, lambda labels, regions: (rows(regions < 2), rows(regions >= 2)), "one region of four"),
    (exercises.split, lambda labels, regions: (rows(regions >= 0), rows(regions == 3)), "in both parts, in neither"),
    (exercises.split, lambda labels, regions: rows(regions == 3), "return a pair"),
    (exercises.split, lambda labels, regions: (range(90), range(90, 120)), "have overlapping patches"),
    (
        exercises.split,
        lambda labels, regions: (rows(regions != 3).float(), rows(regions == 3).float()),
        "whole numbers",
    ),
    (exercises.split, lambda labels, regions: (rows(regions != 3) + 1, rows(regions == 3) + 1), "rows 0 to 119"),
    (exercises.split, lambda labels, regions: (regions != 3, rows(regions == 3)[:0]), "in neither"),
    (exercises.split, lambda labels, regions: (labels[regions != 3], labels[regions == 3]), "twice in one"),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)
