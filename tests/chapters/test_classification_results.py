"""06's catalogue and charts, its explorer, the checks of its exercises, and the notebook on a folder of one's own."""

import math

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from nbclient import NotebookClient

from helpers import ROOT, catalogue, charts, counting, datasets
from helpers.chapters.classification_results import exercises, explorer, figures

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
    names = {text.get_text() for text in charts.accuracy_against_mult_adds(list(entries.values())).axes[0].texts}
    assert names == set(catalogue.FAMILIES)
    panels = {"error, %": [1.0, 2.0], "parameters": [3.0, 4.0]}
    assert [len(ax.patches) for ax in charts.bar_panels(panels, ["a", "b"], ["red", "blue"], 2).axes] == [2, 2]
    plt.close("all")


def test_a_confusion_matrix_counts_the_shown_classes_alone():
    labels, guesses = ["a", "a", "a", "b", "c", "c"], ["a", "a", "b", "d", "c", "a"]
    [ax] = figures.confusion(labels, guesses, ["a", "b", "c"]).axes
    assert [text.get_text() for text in ax.texts] == ["2", "1", "", "", "", "", "1", "", "1"]
    plt.close("all")


def test_the_calibration_error_is_the_weighted_gap():
    confidence = torch.tensor([0.95, 0.95, 0.55, 1.0])
    right = torch.tensor([True, False, True, True])
    error = figures.reliability(plt.figure().subplots(), confidence, right)
    assert error == pytest.approx((3 * abs(2.9 / 3 - 2 / 3) + 0.45) / 4, abs=1e-6)
    plt.close("all")


# ---- the explorer ----


@pytest.mark.parametrize("temperature", [0.1, 1, 100])
def test_the_explorer_draws_every_extreme(temperature):
    logits = torch.linspace(-4, 11, 1000)
    fig = explorer.draw_temperature(logits, [str(i) for i in range(1000)], temperature)
    bars, ranks = fig.axes
    drawn = bars.patches[0].get_width()
    assert drawn == pytest.approx((logits / temperature).softmax(dim=0).max().item(), rel=1e-4)
    assert len(ranks.lines[0].get_xdata()) == 1000
    plt.close(fig)


# ---- a folder of one's own ----


def test_folder_names_may_be_wnids_or_categories(tree):
    photos = datasets.imagenet_folder(tree("golf_ball/a.jpg", "n02123045/a.jpg", "Tench/a.jpg", "Cardigan/a.jpg"))
    assert sorted(photos.labels.tolist()) == [0, 264, 281, 574]


def test_the_notebook_runs_on_a_folder(tree, monkeypatch):
    """The sections that use photographs, with the set-up before the first section."""
    monkeypatch.setenv("IMAGENET_DIR", str(tree("n02108422/a.jpg", "Egyptian_cat/a.jpg", "tabby/a.jpg", "tabby/b.jpg")))
    book, section, cells = nbformat.read(NOTEBOOK, as_version=4), "", []
    for cell in book.cells:
        if cell.source.startswith("## "):
            section = cell.source[3]
        if section in ("", "1", "3", "5", "9"):
            cells.append(cell)
    book.cells = cells
    NotebookClient(book, timeout=300, resources={"metadata": {"path": NOTEBOOK.parent}}).execute()
    said = "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))
    assert "squeezenet1_1: " in said and "% of 4 right" in said


# ---- exercises ----


def error_of(wrong):
    return lambda guesses, labels: wrong(guesses, labels, (guesses != labels).double())


def gaps(confidence, right):
    bins = (confidence * 10).long().clamp(max=9)
    inside = [bins == number for number in bins.unique()]
    return [(confidence[one].mean() - right[one].double().mean(), one.sum()) for one in inside]


WRONG = [
    (exercises.softmax_with_temperature, lambda x, t: (x * t).softmax(dim=1), "you multiplied"),
    (exercises.softmax_with_temperature, lambda x, t: (x / t).softmax(dim=0), "dim=1"),
    (exercises.softmax_with_temperature, lambda x, t: (x / t).exp() / (x / t).exp().sum(1, keepdim=True), "overflow"),
    (exercises.softmax_with_temperature, lambda x, t: x.softmax(dim=1), "not softmax"),
    (exercises.mean_class_error, error_of(lambda g, y, w: w.mean()), "over all photographs"),
    (
        exercises.mean_class_error,
        error_of(lambda g, y, w: 1 - sum(w[y == i].mean() for i in (0, 2, 3)) / 3),
        "accuracy",
    ),
    (exercises.mean_class_error, error_of(lambda g, y, w: sum(w[y == i].mean() for i in (0, 2, 3)) / 4), "class 1"),
    (exercises.mean_class_error, error_of(lambda g, y, w: w[y == 0].mean()), "1/6, 1/2 and 1"),
    (exercises.calibration_error, lambda c, r: sum(g.abs() for g, _ in gaps(c, r)) / 3, "weight each bin"),
    (exercises.calibration_error, lambda c, r: sum(g * n for g, n in gaps(c, r)) / len(c), "absolute"),
    (exercises.calibration_error, lambda c, r: (c - r.double()).abs().mean(), "bins first"),
    (exercises.calibration_error, lambda c, r: math.pi, "for this example"),
]


@pytest.mark.parametrize(("check", "answer", "mistake"), WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)
