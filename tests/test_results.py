"""06 Classification results: the catalogue's numbers, the charts, the exercises, and the notebook on a folder."""

import math
import os
import re
import shutil

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from helpers import catalogue, charts, datasets, explorers, plotting
from helpers.errors import CourseError
from helpers.exercises import results as exercises
from helpers.machine import ROOT

NOTEBOOK = ROOT / "notebooks/06_classification_results.ipynb"


@pytest.fixture(scope="module")
def entries():
    return {entry.name: entry for entry in catalogue.entries()}


@pytest.mark.parametrize(
    ("name", "depth", "parameters", "giga_mult_adds", "top_1", "top_5"),
    [
        ("alexnet", 8, 61_100_840, 0.714, 43.478, 20.934),
        ("vgg16", 16, 138_357_544, 15.470, 28.408, 9.618),
        ("vgg19", 19, 143_667_240, 19.632, 27.624, 9.124),
        ("googlenet", 22, 6_624_904, 1.498, 30.222, 10.470),
        ("resnet18", 18, 11_689_512, 1.814, 30.242, 10.922),
        ("resnet50", 50, 25_557_032, 4.089, 23.870, 7.138),
        ("resnet152", 152, 60_192_808, 11.514, 21.688, 5.954),
        ("mobilenet_v2", 53, 3_504_872, 0.301, 28.122, 9.714),
        ("squeezenet1_1", 18, 1_235_496, 0.349, 41.822, 19.376),
    ],
)
def test_catalogue_has_the_v1_numbers(entries, name, depth, parameters, giga_mult_adds, top_1, top_5):
    entry = entries[name]
    assert (entry.depth, entry.parameters) == (depth, parameters)
    assert entry.mult_adds / 1e9 == pytest.approx(giga_mult_adds)
    assert (100 * entry.top_1, 100 * entry.top_5) == pytest.approx((top_1, top_5))


def test_embedded_network_is_counted_not_looked_up(entries):
    lite0 = entries["efficientnet_lite0"]
    assert (lite0.parameters, lite0.depth, lite0.top_5) == (4_652_008, 50, None)
    assert lite0.mebibytes == pytest.approx(17.95, abs=0.01)


def test_winners_are_the_published_ones():
    errors = {row.year: row.top_5 for row in catalogue.WINNERS if row.source != catalogue.REPORTED}
    assert errors == {2012: 0.164, 2014: 0.0667, 2015: 0.0357}


def test_networks_for_timing_have_no_garbage_in_them():
    network = catalogue.build("squeezenet1_1", "cpu")
    assert not network.training
    assert all((parameter == 0).all() for parameter in network.parameters())


def test_charts_draw_every_row(entries):
    plotting.use_style()
    assert len(charts.winners(catalogue.WINNERS).axes[0].patches) == len(catalogue.WINNERS)
    names = {text.get_text() for text in charts.accuracy_against_mult_adds(list(entries.values())).axes[0].texts}
    assert names == set(catalogue.FAMILIES)
    assert [len(axis.patches) for axis in charts.architectures(list(entries.values())[:4]).axes] == [4, 4, 4]
    counts = torch.tensor([[3, 1], [0, 2]])
    shown = {text.get_text() for text in charts.confusion(counts, ["a", "b"], ["a", "b"]).axes[0].texts}
    assert shown == {"1", "2", "3"}


def test_calibration_error_is_the_weighted_gap():
    confidence = torch.tensor([0.95, 0.95, 0.55, 1.0])
    right = torch.tensor([True, False, True, True])
    _, error = charts.reliability(confidence, right)
    assert error == pytest.approx((3 * abs(2.9 / 3 - 2 / 3) + 0.45) / 4, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 1, 100])
def test_temperature_explorer_draws_every_extreme(temperature):
    logits = torch.linspace(-4, 11, 1000)
    bars, ranks = explorers.temperature(logits, [str(i) for i in range(1000)], temperature).axes
    drawn = bars.patches[0].get_width()
    assert drawn == pytest.approx((logits / temperature).softmax(dim=0).max().item(), rel=1e-4)
    assert len(ranks.lines[0].get_xdata()) == 1000


def test_table_sorts_by_any_column_and_puts_gaps_last(monkeypatch):
    made = []
    monkeypatch.setattr(plotting, "_display", lambda alt, picture=None, widget=None: made.append((alt, widget)))
    rows = [{"name": "b", "size": 2.0}, {"name": "c", "size": None}, {"name": "a", "size": 10.0}]
    plotting.sortable_table(rows, {"name": "{}", "size": "{:.1f}"}, sort_by="size")
    [(text, panel)] = made
    assert [line.split() for line in text.splitlines()] == [["name", "size"], ["b", "2.0"], ["a", "10.0"], ["c", "-"]]
    menu, shown = panel.children
    menu.value = "name"
    assert re.findall(r"^(?:<pre>)?(\w+) ", shown.value, re.MULTILINE) == ["name", "a", "b", "c"]


def make_folder(root, names):
    """Folders of these names with two labelled photographs each."""
    photos = datasets.labelled_photos()
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for path, _ in photos.samples[2 * number : 2 * number + 2]:
            shutil.copy(path, root / name)
    return root


def test_folder_names_may_be_wnids_or_categories(tmp_path):
    photos = datasets.imagenet_folder(make_folder(tmp_path, ["golf_ball", "n02123045", "Tench", "Cardigan"]))
    assert sorted({label for _, label in photos.samples}) == [0, 264, 281, 574]
    with pytest.raises(CourseError, match="no ImageNet category \\(my cat\\)"):
        datasets.imagenet_folder(make_folder(tmp_path / "more", ["my cat", "tabby"]))


@pytest.mark.parametrize("names", [["n02108422", "n03376595", "tabby"]])
def test_notebook_runs_on_a_folder(names, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "IMAGENET_DIR", str(make_folder(tmp_path, names)))
    book = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": ROOT / "notebooks"}}).execute()
    said = "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))
    assert f"of {2 * len(names)}\n" in said


# ---- exercises ----


def error_of(wrong):
    return lambda guesses, labels: wrong(guesses, labels, (guesses != labels).double())


def gaps(confidence, right):
    bins = (confidence * 10).long().clamp(max=9)
    inside = [bins == number for number in bins.unique()]
    return [(confidence[one].mean() - right[one].double().mean(), one.sum()) for one in inside]


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [
        ("softmax_with_temperature", lambda x, t: (x * t).softmax(dim=1), "you multiplied"),
        ("softmax_with_temperature", lambda x, t: x.softmax(dim=1), "not used"),
        ("softmax_with_temperature", lambda x, t: x.softmax(dim=1) / t, "inside exp"),
        ("softmax_with_temperature", lambda x, t: (x / t).softmax(dim=0), "dim=1"),
        ("softmax_with_temperature", lambda x, t: (x / t).exp() / (x / t).exp().sum(1, keepdim=True), "overflow"),
        ("softmax_with_temperature", lambda x, t: (x / t).softmax(dim=1)[0], "shape"),
        ("softmax_with_temperature", lambda x, t: (x / t).log_softmax(dim=1), "not softmax"),
        ("mean_class_error", error_of(lambda g, y, w: w.mean()), "over all photographs"),
        ("mean_class_error", error_of(lambda g, y, w: 1 - sum(w[y == i].mean() for i in (0, 2, 3)) / 3), "accuracy"),
        ("mean_class_error", error_of(lambda g, y, w: sum(w[y == i].mean() for i in (0, 2, 3)) / 4), "class 1"),
        ("mean_class_error", error_of(lambda g, y, w: sum(w[g == i].mean() for i in range(4)) / 4), "by the labels"),
        ("mean_class_error", error_of(lambda g, y, w: w[y == 0].mean()), "1/6, 1/2 and 1"),
        ("calibration_error", lambda c, r: sum(g.abs() for g, _ in gaps(c, r)) / 3, "weight each bin"),
        ("calibration_error", lambda c, r: sum(g.abs() for g, _ in gaps(c, r)) / 10, "not by the ten bins"),
        ("calibration_error", lambda c, r: sum(g * n for g, n in gaps(c, r)) / len(c), "absolute"),
        ("calibration_error", lambda c, r: (c - r.double()).abs().mean(), "bins first"),
        ("calibration_error", lambda c, r: sum(g.abs() * n for g, n in gaps(c, r)), "divide by the number"),
        ("calibration_error", lambda c, r: math.pi, "for this example"),
        ("calibration_error", lambda c, r: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, hint, tells):
    tells(getattr(exercises, name), answer, hint)
