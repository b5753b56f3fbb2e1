"""06's catalogue and charts, its explorer, the checks of its exercises, and the notebook on a folder of one's own."""

import math
import os
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from sklearn.metrics import balanced_accuracy_score

from helpers import ROOT, catalogue, charts, counting, datasets, evaluation
from helpers.chapters.classification_results import exercises, explorer, figures, record
from helpers.evaluation import Predictions

NOTEBOOK = ROOT / "notebooks/06_classification_results.ipynb"


@pytest.fixture(scope="module")
def entries():
    return {entry.name: entry for entry in catalogue.entries()}


# ---- the catalogue and its charts ----


@pytest.mark.parametrize(
    ("name", "depth", "top_1", "top_5"),
    [
        ("alexnet", 8, 43.478, 20.934),
        ("vgg16", 16, 28.408, 9.618),
        ("googlenet", 22, 30.222, 10.470),
        ("resnet50", 50, 23.870, 7.138),
        ("mobilenet_v2", 53, 28.122, 9.714),
        ("squeezenet1_1", 18, 41.822, 19.376),
    ],
)
def test_the_catalogue_has_the_v1_numbers(entries, name, depth, top_1, top_5):
    entry = entries[name]
    assert entry.depth == depth
    assert (100 * entry.top_1, 100 * entry.top_5) == pytest.approx((top_1, top_5))


def test_what_torchvision_says_of_sizes_is_what_we_count(entries):
    for name in ("alexnet", "mobilenet_v2", "squeezenet1_1"):
        totals = counting.totals(counting.count(catalogue.build(name)))
        assert entries[name].parameters == totals.parameters
        assert round(entries[name].mult_adds / 1e9, 2) == round(totals.mult_adds / 1e9, 2)


def test_the_embedded_network_is_counted_not_looked_up(entries):
    lite0 = entries["efficientnet_lite0"]
    assert (lite0.parameters, lite0.depth, lite0.top_5) == (4_652_008, 50, None)
    assert lite0.mebibytes == pytest.approx(17.95, abs=0.01)


def test_networks_for_timing_have_no_garbage_in_them():
    model = catalogue.build("squeezenet1_1", "cpu")
    assert not model.training
    assert all((parameter == 0).all() for parameter in model.parameters())


def test_charts_draw_every_row(entries):
    assert len(figures.winners(figures.WINNERS).axes[0].patches) == len(figures.WINNERS)
    assert entries["mobilenet_v2"].recipe != entries["resnet50"].recipe == catalogue.USUAL
    assert entries["squeezenet1_1"].recipe != catalogue.USUAL
    names = {text.get_text() for text in charts.accuracy_against_mult_adds(list(entries.values())).axes[0].texts}
    assert names == set(catalogue.FAMILIES)
    panels = {"error, %": [1.0, 2.0], "parameters": [3.0, 4.0]}
    assert [len(ax.patches) for ax in charts.bar_panels(panels, ["a", "b"], ["red", "blue"], 2).axes] == [2, 2]
    plt.close("all")


def test_the_calibration_error_is_the_weighted_gap():
    confidence = torch.tensor([0.95, 0.95, 0.55, 1.0])
    right = torch.tensor([True, False, True, True])
    error = figures.reliability(plt.figure().subplots(), confidence, right)
    assert error == pytest.approx((3 * abs(2.9 / 3 - 2 / 3) + 0.45) / 4, abs=1e-6)
    plt.close("all")


def test_a_calibrated_network_has_a_calibration_error_by_chance_alone():
    assert figures.calibrated_errors(torch.ones(5), draws=3).tolist() == [0, 0, 0]
    few, many = (figures.calibrated_errors(torch.full((count,), 0.5)).mean().item() for count in (100, 10_000))
    assert few == pytest.approx(0.5 * (2 / math.pi / 100) ** 0.5, rel=0.05)  # the mean of a normal's |x|
    assert many == pytest.approx(0.1 * few, rel=0.1)


# ---- the explorer ----


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("network", record.NETWORKS)
def test_the_explorer_draws_every_extreme(network, threshold):
    judged = record.load()
    fig = explorer.draw_threshold(judged, network, threshold)
    curves, bars = fig.axes
    assert len(curves.lines) == 4
    assert sum(patch.get_width() for patch in bars.patches) == sum(judged.network == network)
    plt.close(fig)


def test_the_scores_of_a_threshold():
    confidence, right = torch.tensor([0.9, 0.8, 0.4, 0.3]), torch.tensor([True, False, True, False])
    assert explorer.scores(confidence, right, 0.5) == (50, 50, 50)
    assert explorer.scores(confidence, right, 0) == pytest.approx((50, 100, 200 / 3))
    precision, recall, f1 = explorer.scores(confidence, right, 1)
    assert math.isnan(precision) and recall == f1 == 0


# ---- the record ----


def test_what_is_judged_is_fitted_on_the_other_half():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(40, 1000, generator=generator), torch.arange(40)
    logits[labels, labels] += 6
    photos = datasets.Photos([(Path(f"{number}.jpg"), number) for number in range(40)], list(range(1000)))
    before = record.judged({"a": Predictions(logits, labels, labels, [])}, photos)
    assert (before["rank"] == 1).sum() == (before.guess == before.label).sum()
    logits[::2] *= 0.2  # the temperature of the others alone may change
    after = record.judged({"a": Predictions(logits, labels, labels, [])}, photos)
    assert (after.temperature[::2] == before.temperature[::2]).all()
    assert (after.temperature[1::2] < before.temperature[1::2]).all()
    assert after.photograph.tolist() == [str(number) for number in range(40)]


def test_the_record_is_whole_and_can_be_repeated_where_its_photographs_are(networks):
    kept = record.load()
    assert set(kept.network) == set(record.NETWORKS) and kept.groupby("network").size().tolist() == [550, 550]
    assert ((kept["rank"] == 1) == (kept.guess == kept.label)).all()
    assert (kept.groupby(["network", "label"]).size() == 55).all()
    lines = [line for line in record.FILE.read_text().splitlines() if line.startswith("#")]
    assert all(any(word in line for line in lines) for word in ("machine", "commit", "PyTorch", "data", "python -m"))
    folder = os.environ.get("RECORD_PHOTOS")  # conftest.py takes IMAGENET_DIR away
    if not folder:
        pytest.skip("RECORD_PHOTOS does not name its photographs")
    photos = datasets.imagenet_folder(folder)
    photos = photos.subset(slice(None, None, 25))
    found = {path.stem: row for row, (path, _) in enumerate(photos.samples)}
    for name, key in record.NETWORKS.items():
        logits = evaluation.predict(networks[key], photos).logits
        rows = kept[(kept.network == name) & kept.photograph.isin(found)]
        again = logits[[found[stem] for stem in rows.photograph]].softmax(dim=1).max(dim=1).values
        assert torch.allclose(again, torch.tensor(rows.confidence.to_numpy()).float(), atol=0.002)


# ---- a folder of one's own ----


def test_folder_names_may_be_wnids_or_categories(tree):
    photos = datasets.imagenet_folder(tree("golf_ball/a.jpg", "n02123045/a.jpg", "Tench/a.jpg", "Cardigan/a.jpg"))
    assert sorted(photos.labels.tolist()) == [0, 264, 281, 574]


def test_the_notebook_runs_on_a_folder(tree, networks, monkeypatch):
    """The paired comparison is that of the folder's photographs."""
    folder = tree("n02108422/a.jpg", "Egyptian_cat/a.jpg", "tabby/a.jpg", "tabby/b.jpg")
    judged = [evaluation.predict(networks[key], datasets.imagenet_folder(folder)) for key in record.NETWORKS.values()]
    one, other = (each.logits.argmax(dim=1) == each.labels for each in judged)
    monkeypatch.setenv("IMAGENET_DIR", str(folder))
    book = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": NOTEBOOK.parent}}).execute()
    said = "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))
    assert f"only EfficientNet-Lite0 right: {(one & ~other).sum()}, only SqueezeNet: {(other & ~one).sum()}" in said
    assert "paired, exact: p = " in said


# ---- exercises ----


softmax, mean_error, calibration = (
    exercises.softmax_with_temperature,
    exercises.mean_class_error,
    exercises.calibration_error,
)


def in_place(x, t):
    x /= t
    return x.softmax(dim=1)


def twice(x, t):
    x /= t
    return (x / t).softmax(dim=1)


def undone(x, t):
    x *= t
    return (x / t).softmax(dim=1)


def in_float64(x, t):
    powers = (x.double() / t).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def in_numpy(x, t):
    scaled = x.numpy() / t
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def by_class(guesses, labels, classes=None):
    wrong = (guesses != labels).double()
    return torch.stack([wrong[labels == label].mean() for label in (labels.unique() if classes is None else classes)])


def by_loop(guesses, labels):
    total, wrong = Counter(labels.tolist()), Counter()
    for guess, label in zip(guesses.tolist(), labels.tolist(), strict=True):
        wrong[label] += guess != label
    return sum(wrong[label] / total[label] for label in total) / len(total)


def whole(guesses, labels):
    wrong = guesses != labels
    return sum(int(wrong[labels == one].sum()) // int((labels == one).sum()) for one in labels.unique()) / 3


def ece(bins=10, place=None, each=torch.abs):
    def answer(confidence, right):
        places = (confidence * bins).long().clamp(max=bins - 1) if place is None else place(confidence)
        total = 0
        for number in places.unique():
            inside = places == number
            total += each(confidence[inside].mean() - right[inside].double().mean()) * inside.sum()
        return total / len(confidence)

    return answer


def ten_counters(confidence, right):
    gaps = [0.0] * 10
    for value, hit in zip(confidence.tolist(), right.tolist(), strict=True):
        gaps[int(10 * value)] += value - hit
    return sum(map(abs, gaps)) / len(right)


def edges(confidence, right, low_too=True, high_too=True):
    total = 0
    for low in range(10):
        above = confidence >= low / 10 if low_too else confidence > low / 10
        last = high_too and low == 9
        inside = above & (confidence <= 1 if last or not low_too else confidence < (low + 1) / 10)
        if not low_too:
            inside = (above | (confidence == low)) & (confidence <= (low + 1) / 10)
        if inside.any():
            total += (confidence[inside] - right[inside].double()).sum().abs()
    return total / len(right)


def centred(confidence, right):
    places = (confidence * 10).long().clamp(max=9)
    gaps = (places + 0.5) / 10 - right.double()
    return sum(gaps[places == place].sum().abs() for place in range(10)) / len(right)


def by_the_right(confidence, right):
    places, total = (confidence * 10).long().clamp(max=9), 0
    for place in places.unique():
        inside = places == place
        total += (confidence[inside].mean() - right[inside].double().mean()).abs() * right[inside].sum()
    return total / right.sum()


def without_zeros(confidence, right):
    total = 0
    for low in range(10):
        inside = (confidence > low / 10) & (confidence <= (low + 1) / 10)
        total += (confidence[inside] - right[inside].double()).sum().abs()
    return total / len(right)


def added(confidence, right):
    places = (confidence * 10).long().clamp(max=9)
    return torch.zeros(10).double().index_add(0, places, confidence - right.double()).abs().sum() / len(right)


def digitized(confidence, right):
    places = np.digitize(confidence.numpy(), np.arange(1, 10) / 10)
    gaps = confidence.numpy() - right.numpy()
    return sum(abs(gaps[places == number].sum()) for number in range(10)) / len(right)


def with_empty(confidence, right):
    gaps = [(confidence - right.double())[(confidence * 10).long().clamp(max=9) == one] for one in range(10)]
    return sum(gap.mean().abs() * len(gap) for gap in gaps) / len(right)


WRONG = [
    (softmax, lambda x, t: (x * t).softmax(dim=1), "you multiplied"),
    (softmax, lambda x, t: (x / t).softmax(dim=0), "dim=1"),
    (softmax, lambda x, t: (x / t).exp() / (x / t).exp().sum(1, keepdim=True), "overflow"),
    (softmax, in_float64, "overflow"),
    (softmax, lambda x, t: x.softmax(dim=1), "not used"),
    (softmax, undone, "not used"),
    (softmax, twice, "twice"),
    (softmax, lambda x, t: in_float64(x.clamp(max=80), t), "do not clip"),
    (softmax, lambda x, t: in_float64((x / t).clamp(max=80), 1), "do not clip"),
    (softmax, lambda x, t: (x / t).log_softmax(dim=1), "not softmax"),
    (mean_error, lambda g, y: (g != y).double().mean(), "over all photographs"),
    (mean_error, lambda g, y: 1 - by_class(g, y).mean(), "accuracy"),
    (mean_error, lambda g, y: by_class(g, y, [0, 2, 3]).sum() / 4, "class 1"),
    (mean_error, lambda g, y: by_class(g, y, range(int(y.max()) + 1)).mean(), "NaN"),
    (mean_error, lambda g, y: by_class(y, g).mean(), "by label"),
    (mean_error, whole, "whole-number"),
    (mean_error, lambda g, y: by_class(g, y)[0], "1/7, 1/2 and 1"),
    (mean_error, lambda g, y: by_class(g, y, [0, 2, 3]).mean(), "5, 5, 5, 7"),
    (mean_error, by_class, "one number"),
    (calibration, lambda c, r: (c - r.double()).abs().mean(), "bins first"),
    (calibration, ece(each=lambda gap: gap), "absolute"),
    (calibration, ece(place=lambda c: (10 * c).round().long()), "round down"),
    (calibration, ece(place=lambda c: c.argsort().argsort() * 10 // len(c)), "equal width"),
    (calibration, lambda c, r: edges(c, r, high_too=False), "none of your bins"),
    (
        calibration,
        ece(place=lambda c: (10 * c).long()),
        "exactly 1 belongs to the last bin; you give it one of its own",
    ),
    (calibration, ece(place=lambda c: (10 * c).ceil()), "exactly 0 belongs to the first bin; you give it one of its"),
    (calibration, without_zeros, "exactly 0 is in none of your bins"),
    (calibration, centred, "middle of the bin"),
    (calibration, by_the_right, "right ones alone"),
    (calibration, lambda c, r: by_the_right(c, r) * r.sum() / len(r), "right ones alone"),
    (calibration, ten_counters, "exactly 1"),
    (calibration, with_empty, "NaN"),
    (calibration, lambda c, r: math.pi, "the error is"),
    *((calibration, ece(bins), f"{bins} bins") for bins in (3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 20)),
]
RIGHT = [
    (softmax, lambda x, t: (x / t).softmax(dim=1)),
    (softmax, in_place),
    (softmax, in_numpy),
    (softmax, lambda x, t: (x / t - (x / t).logsumexp(1, keepdim=True)).exp()),
    (mean_error, by_loop),
    (mean_error, lambda g, y: by_class(g, y).mean().reshape(1)),
    (mean_error, lambda g, y: float(by_class(g, y).mean())),
    (mean_error, lambda g, y: 1 - balanced_accuracy_score(y, g)),
    (calibration, ece()),
    (calibration, edges),
    (calibration, lambda c, r: edges(c, r, low_too=False)),  # (low, high]
    (calibration, added),
    (calibration, digitized),
    (calibration, lambda c, r: ece()(c, r).reshape(1)),
]


@pytest.mark.parametrize(("check", "answer", "mistake"), WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_a_right_answer_in_any_style_is_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")
