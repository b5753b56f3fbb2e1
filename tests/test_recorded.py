"""What was computed once from photographs that do not travel: complete, small, and repeated where it can be."""

import itertools

import numpy as np
import pytest
import torch

from helpers import bundled, datasets
from helpers.errors import CourseError
from helpers.recorded import curves, flowers

# ---- embeddings ----


def test_every_flower_is_there_once_and_has_its_part():
    found = flowers.load()
    assert len(set(found.files)) == len(found.files) == 1360
    assert [found.categories[label] for label in found.labels] == [name.partition("/")[0] for name in found.files]
    for part in range(flowers.FOLDS):
        assert found.labels[found.folds == part].bincount().tolist() == [20] * 17


def test_each_space_has_a_row_for_each_photograph():
    found = flowers.load()
    sizes = {name: values.shape[1] for name, values in found.at().items()}
    assert list(sizes.values()) == [16, 24, 40, 80, 112, 192, 1280] and list(sizes) == list(flowers.EFFICIENTNET)
    assert list(found.at(64)) == list(flowers.EFFICIENTNET_64)
    for values in found.spaces.values():
        assert len(values) == 1360 and values.dtype == torch.float32 and values.isfinite().all()
        assert len(values.unique(dim=0)) >= 1292  # but for 68 photographs that are there twice
    assert torch.allclose(found.colours.sum(1), torch.ones(1360), atol=0.02)


def test_the_embeddings_are_small():
    assert flowers.FILE.stat().st_size < 6e6


def test_rounding_keeps_six_binary_digits():
    values = torch.randn(1000) * 10 ** torch.linspace(-2, 3, 1000)
    kept = torch.from_numpy(flowers.rounded(values)).float()
    assert ((kept - values).abs() <= 2**-6 * values.abs() + 1e-6).all()
    assert flowers.rounded(torch.tensor([63.0, 65.0, 0.0])).tolist() == [63, 64, 0]


def test_three_photographs_of_the_packages_give_the_kept_numbers_again():
    spaces, _ = flowers.spaces_of(flowers.controls())
    with np.load(flowers.FILE) as file:
        kept = {name: torch.from_numpy(file[name]).float() for name in file if name.startswith(flowers.CONTROL)}
    assert len(kept) == len(spaces) == len(flowers.load().spaces)
    for name, values in spaces.items():
        difference = (kept[f"{flowers.CONTROL}{name}"] - values).norm(dim=1) / values.norm(dim=1)
        assert difference.max() < 0.01, name


def test_a_colour_histogram_by_hand():
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    image[0, 0, 0], image[1, 0, 0] = 255, 64  # one pixel of four
    found = flowers.colour_histogram(image)
    assert found[0] == 0.75 and found[16 * 3 + 4] == 0.25 and found.sum() == 1


def test_photographs_that_are_there_twice_stay_together():
    found = flowers.load()
    group = flowers.same_photograph(found.pixels)
    assert len(group.unique()) == 1360 - 68
    assert torch.equal(found.labels, found.labels[group]) and torch.equal(found.folds, found.folds[group])


def test_a_folder_of_ones_own_is_embedded_alike(tmp_path):
    source = bundled.labelled_photos()
    for number, label in enumerate("aaaabbbb"):
        (tmp_path / label).mkdir(exist_ok=True)
        source[number][0].resize((90, 70)).save(tmp_path / label / f"{number}.jpg")
    found = flowers.load(str(tmp_path))
    assert found.categories == ["a", "b"] and found.files[4] == "b/4.jpg"
    assert found.labels.tolist() == [0] * 4 + [1] * 4 and found.folds[:4].sort().values.tolist() == [0, 1, 2, 3]
    assert found.spaces.keys() == flowers.load().spaces.keys()
    with pytest.raises(CourseError, match="does not exist"):
        flowers.load(str(tmp_path / "nowhere"))


# ---- curves ----


def test_each_curve_is_whole():
    table = curves.load()
    key = ["data", "images", "way", "lr", "seed"]
    assert not table.duplicated([*key, "step"]).any()
    ends = curves.ends(table)
    assert len(ends) == len(table.groupby(key))
    for (_, images, *_), points in table.groupby(key).size().items():
        assert points == curves.POINTS or (points == 2 and images == 60)
    for _, end in ends.iterrows():
        assert curves.wrong(ends.loc[[end.name]]).float().mean().item() == pytest.approx(end["error"], abs=1e-3)


def test_each_way_was_tried_at_each_learning_rate_and_reported_at_the_best():
    table = curves.load()
    complete = set()
    for (data, images, way), runs in table.groupby(["data", "images", "way"]):
        best = curves.best_lr(table, data, images, way)
        tried = set(runs.loc[runs["seed"] == curves.CHOOSING, "lr"])
        if {*curves.REPORTING} <= set(runs.loc[runs["lr"] == best, "seed"]):
            if len(curves.WAYS[way].rates) > 1:
                assert tried >= set(curves.WAYS[way].rates) and min(tried) < best < max(tried)
            complete.add((data, images, way))
    cuts, others = list(curves.WAYS)[:4], list(curves.WAYS)[4:]
    assert complete == {
        *itertools.product(("flowers", "silhouettes"), (5, 20, 60), cuts),
        *itertools.product(("flowers",), (20,), others),
    }


def test_the_judged_images_are_others_for_each_seed_and_none_is_trained_on():
    seen = []
    for seed in (curves.CHOOSING, *curves.REPORTING):
        train, judged = curves.parts("silhouettes", 5, seed, None)
        assert judged.labels.bincount().tolist() == [40] * 10 and train.labels.bincount().tolist() == [5] * 10
        digests = datasets.duplicates(
            datasets.Arrays((torch.cat([train.images, judged.images]) * 50).byte(), torch.zeros(450), [""])
        )
        assert (digests == torch.arange(450)).all()
        seen.append({image.numpy().tobytes() for image in judged.images})
    assert len(set.union(*seen)) == 1600


@pytest.mark.parametrize("way", ["head only", "+ last blocks"])
def test_a_curve_is_what_it_was(way):
    """Silhouettes travel with the packages. Another processor may round otherwise."""
    lr = curves.best_lr(curves.load(), "silhouettes", 5, way)
    *_, end = curves.measure("silhouettes", 5, way, curves.CHOOSING, [lr], None)
    kept = curves.ends(curves.load()).query(
        "data == 'silhouettes' and images == 5 and way == @way and seed == 0 and lr == @lr"
    )
    assert end["error"] == pytest.approx(kept["error"].item(), abs=0.02)
    assert end["loss"] == pytest.approx(kept["loss"].item(), rel=0.05)
