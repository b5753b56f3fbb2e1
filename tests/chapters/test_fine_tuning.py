"""09: the readings of the record, its explorer, section 9 on folders of all kinds, and the checks of exercises."""

import copy
import itertools
import re
import shutil
import subprocess
import sys

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from helpers import ROOT, bundled, counting, datasets, photos, plotting, pretrained, transfer
from helpers.chapters.fine_tuning import example, exercises, explorer, maps
from helpers.errors import CourseError
from helpers.recorded import curves

NOTEBOOK = ROOT / "notebooks/09_fine_tuning.ipynb"

# ---- the record ----


def row(way, lr, seed, error, wrong="f", step=10, data="flowers", images=5):
    return {
        "data": data, "images": images, "way": way, "lr": lr, "seed": seed, "step": step, "seconds": 1.0,
        "train_loss": 0.0, "train": 0.0, "loss": error, "error": error, "wrong": wrong,
    }  # fmt: skip


@pytest.fixture
def record(monkeypatch):
    """Let the chapter read these rows instead of the record."""

    def give(*rows):
        monkeypatch.setattr(curves, "load", lambda: pd.DataFrame(rows))

    return give


def test_the_chosen_learning_rate_is_seed_zeros_and_the_report_is_the_other_seeds(record):
    record(
        row("+ upper half", 1e-3, 0, 0.1), row("+ upper half", 1e-4, 0, 0.2),
        row("+ upper half", 1e-3, 1, 0.4), row("+ upper half", 1e-3, 2, 0.6), row("+ upper half", 1e-4, 1, 0.0),
    )  # fmt: skip
    assert curves.error("flowers", 5, "+ upper half") == pytest.approx(0.5)
    assert curves.error("flowers", 5, "+ upper half", 1e-4) == 0.2  # a given one on the images that choose
    assert maps.larger_lr("flowers", 5, "+ upper half") == 1e-3  # of 3e-5 to 1e-3 the last
    assert curves.runs("flowers", 20, "+ upper half").empty and np.isnan(curves.error("flowers", 20, "+ upper half"))


def test_nothing_is_reported_on_the_images_that_chose(record):
    record(row("all layers", 1e-3, 0, 0.1), row("head only", 1e-3, 0, 0.1), row("head only", 1e-3, 1, 0.1))
    assert np.isnan(curves.error("flowers", 5, "all layers"))
    found = curves.difference("flowers", 5, "all layers", "head only")
    assert found.images == 0 and str(found) == "not recorded" and not found.is_clear


def test_a_paired_interval_is_that_of_the_images_on_which_two_differ():
    one, other = torch.zeros(2, 400, dtype=torch.bool)
    one[:30] = True
    other[20:40] = True
    found = curves.paired(one, other)
    assert found.value == pytest.approx(2.5) and found.images == 400
    both_ways = (20 + 10) / 400 - (10 / 400) ** 2  # McNemar's variance
    assert found.high - found.value == pytest.approx(196 * (both_ways / 400) ** 0.5, rel=0.01)
    assert not curves.paired(one, one).is_clear and curves.paired(~one, one).is_clear


def test_two_ways_are_compared_on_the_seeds_that_both_have(record):
    record(
        row("all layers", 1e-3, 0, 0.1), row("all layers", 1e-3, 1, 0.5, f"{0b1_0000_1111:x}"),
        row("all layers", 1e-3, 2, 0.5, f"{0b1_1111_1111:x}"), row("head only", 1e-3, 0, 0.1),
        row("head only", 1e-3, 1, 0.25, f"{0b1_0000_0011:x}"),
    )  # fmt: skip
    found = curves.difference("flowers", 5, "all layers", "head only")
    assert found.value == pytest.approx(25) and found.images == 8
    assert curves.difference("flowers", 60, "all layers", "head only").images == 0


@pytest.fixture
def small_figures():
    plotting.use_style()
    yield
    plt.close("all")


# ---- pictures ----


def test_the_map_marks_the_least_error_and_what_cannot_be_told_from_it(record, small_figures):
    bits = {"head only": 0b1 << 40 | 0xFF, "+ last blocks": 0b1 << 40 | 0x7F, "+ upper half": 0b1 << 40 | 0xFFFFFFF}
    rows = itertools.product(range(4), bits.items())
    record(*(row(way, 1e-3, seed, bin(each).count("1") / 40, f"{each:x}") for seed, (way, each) in rows))
    _, ax = plt.subplots()
    maps.draw_map(ax, "flowers")
    words = [text.get_text() for text in ax.texts]
    assert words[0].startswith("○") and words[2].startswith("★") and words[4][0].isdigit()


def test_what_lacks_a_seed_is_left_blank_on_the_map(record, small_figures, monkeypatch):
    monkeypatch.setattr(maps, "IMAGES", (5, 20, 60))
    whole = [row("head only", 1e-3, seed, 0.25, "1000f", images=60) for seed in range(4)]
    record(*whole, *(row("all layers", 1e-4, seed, 0.1, "10003", images=60) for seed in range(3)))
    _, ax = plt.subplots()
    maps.draw_map(ax, "flowers")
    assert [text.get_text() for text in ax.texts] == ["★ 25.0 %", "lr 0.001"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["5", "20", "60"]
    maps.draw_steps(plt.figure().add_subplot(), "flowers")
    assert maps.decimal(3e-5) == "0.00003"


def test_pictures_of_the_record_hold_what_was_recorded(small_figures):
    fig = maps.overfitting()
    assert len(fig.axes) == 8
    _, ax = plt.subplots()
    maps.draw_steps(ax, "flowers")
    steps = [(images, pair) for images in maps.IMAGES for pair in itertools.pairwise(maps.CUTS)]
    there = sum(bool(curves.difference("flowers", images, *pair[::-1]).images) for images, pair in steps)
    assert there >= 5 and len(ax.lines) == 2 * there + 1


# ---- the explorer ----

SETTINGS = list(itertools.product(maps.DATA, (5, 60), ("head only", "all layers"), (1e-4, 1e-3, 3e-2)))


@pytest.mark.parametrize("data, images, way, lr", SETTINGS)
def test_every_setting_shows_what_was_recorded(data, images, way, lr, small_figures):
    left, right = explorer.learning_rates(data, images, way, lr).axes
    found = curves.runs(data, images, way, lr)
    assert bool(right.lines) == (not found.empty)
    if not found.empty:
        trained, judged = (line.get_ydata()[-1] for line in right.lines)
        assert judged == pytest.approx(curves.error(data, images, way, lr))
        assert trained == pytest.approx(curves.error(data, images, way, lr, "train"))
    assert len(left.lines) == len(maps.CUTS) + 1


# ---- the reader's own folder ----


@pytest.fixture
def run_last_section(monkeypatch):
    """Run the set-up and section 9 of the notebook on a folder, and give back its names; nothing of it stays behind."""
    monkeypatch.chdir(ROOT / "notebooks")

    def run(folder, fine_tune="", until="## 10. The answer"):
        cells = nbformat.read(NOTEBOOK, as_version=4).cells
        code = [cell.source for cell in cells if cell.cell_type == "code"][:1]
        [start] = [i for i, cell in enumerate(cells) if cell.source.startswith("## 9. Your own folder")]
        [end] = [i for i, cell in enumerate(cells) if cell.source.startswith(until)]
        code += [cell.source for cell in cells[start:end] if cell.cell_type == "code"]
        names = {}
        for source in code:
            source = re.sub(r'^MY_FOLDER = ""', f'MY_FOLDER = r"{folder}"', source, flags=re.MULTILINE)
            source = re.sub(r'^FINE_TUNE = ""', f'FINE_TUNE = "{fine_tune}"', source, flags=re.MULTILINE)
            source = re.sub(r'load\("efficientnet_lite0"\)', 'load("efficientnet_lite0").at(64)', source)  # soon done
            source = re.sub(r"steps=\d+", "steps=3", source)
            exec(source, names)
        return names

    with plt.rc_context(), torch.random.fork_rng(devices=[]):
        yield run
    plt.close("all")


BEFORE_EXPORT = "### Outside the course"


def plant(folder, counts):
    """Photographs of other sizes, one of them for printing (CMYK), in class folders: so many in each."""
    labelled, row = bundled.labelled_photos(), 0
    for name, count in counts.items():
        for _ in range(count):
            place = folder / name / f"{row}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            photo = labelled[row][0].resize((90 + row, 70))
            (photo.convert("CMYK") if row == 5 else photo).save(place)
            row += 1
    return folder


@pytest.fixture
def folder(tmp_path):
    return plant(tmp_path / "mine", {"first": 4, "second": 4})


def test_a_folder_becomes_a_network_that_works_outside_the_course(folder, run_last_section, capsys):
    names = run_last_section(folder)
    said = capsys.readouterr().out
    assert "photographs per part: [2, 2, 2, 2]" in said
    assert "top-1 error" in said and "of 8 photographs" in said and "my_network.pt" in said
    loaded = names["saved"]
    assert loaded.categories == ["first", "second"] and loaded.pixels == 64
    assert sum(probability for _, probability in loaded.classify(names["photo"])) == pytest.approx(1)
    assert set(names["lines"]) == {"first", "second"}  # what the process without the course printed


@pytest.mark.parametrize("fine_tune", ["features.17", "all"])
def test_fine_tuning_begins_from_the_trained_head_at_any_cut(folder, run_last_section, fine_tune, capsys):
    names = run_last_section(folder, fine_tune, BEFORE_EXPORT)
    assert f"fine-tuning changes the error by {names['step']} percentage points" in capsys.readouterr().out
    kept = names["tuned"].network.model.state_dict()
    is_kept = names["mine"].model.state_dict()["classifier.1.weight"].equal(kept["classifier.1.weight"])
    assert is_kept == (names["step"].value < 0)  # only where it makes fewer errors
    before, after = pretrained.load("efficientnet_lite0").model.state_dict(), kept
    parts = ("features.0", "features.19")
    learned = {part for part in parts if not after[f"{part}.weight"].equal(before[f"{part}.weight"])}
    assert learned == {"features.17": {"features.19"}, "all": {"features.0", "features.19"}}[fine_tune]
    head, trained = names["start"].weight, after["classifier.1.weight"]
    assert 0 < (head - trained).abs().max() < 0.02  # three steps away from the head that it began from


def test_folders_for_training_and_validation_are_used_as_they_are(tmp_path, run_last_section, capsys):
    folder = tmp_path / "mine"
    plant(folder / "train", {"first": 4, "second": 5})
    plant(folder / "val", {"first": 2, "second": 1})
    for path in (folder / "val").rglob("*.jpg"):  # photographs that differ from all in train/
        Image.open(path).convert("RGB").transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(path)
    names = run_last_section(folder, until="### The network to keep")
    said = capsys.readouterr().out
    assert names["photos"].categories == ["first", "second"] and len(names["photos"]) == 12
    assert "photographs per part: [3]" in said and "of 3 photographs" in said
    assert all("val" in path.parts for path, _ in names["judged_photos"].samples)


def test_broken_files_and_copies_are_named_and_left_out(folder, run_last_section, capsys):
    (folder / "first/broken.jpg").write_bytes(b"no photograph")
    (folder / "first/empty.png").touch()
    shutil.copy(folder / "first/0.jpg", folder / "second/the same.jpg")
    names = run_last_section(folder, until="### A head on the embeddings")
    said = capsys.readouterr().out
    assert 'left out: "first/broken.jpg" is not a photograph' in said and '"first/empty.png" is empty' in said
    assert 'copy, left out: "second/the same.jpg" is the same as "first/0.jpg"' in said
    assert len(names["photos"]) == len(names["vectors"]) == len(names["folds"]) == 8


def test_photographs_of_every_data_type_stand_side_by_side(folder, run_last_section, capsys):
    grey = np.linspace(0, 65535, 60 * 80).reshape(60, 80).astype(np.uint16)
    Image.fromarray(grey).save(folder / "first/sixteen.png")
    photo = bundled.labelled_photos()[12][0]
    photo.resize((80, 70)).save(folder / "first/moving.gif")
    photo.resize((81, 70)).convert("L").save(folder / "second/grey.jpg")
    photo.resize((82, 70)).convert("1").save(folder / "second/fax.tif")
    (folder / "second/phone.jpg").write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100))
    names = run_last_section(folder, until="### A head on the embeddings")
    assert len(names["photos"]) == 12
    assert 'left out: "second/phone.jpg" is not a photograph in a known format' in capsys.readouterr().out


def one_class(folder):
    shutil.rmtree(folder / "second")


def empty_class(folder):
    (folder / "third").mkdir()


def unreadable_class(folder):
    for path in (folder / "second").iterdir():
        path.write_bytes(b"no photograph")


def too_few(folder):
    (folder / "second/4.jpg").unlink()


def one_photograph(folder):
    for number in (4, 5, 6):
        (folder / f"second/{number}.jpg").unlink()


def all_from_another_class(folder):
    shutil.copytree(folder / "first", folder / "third")


def all_copies(folder):
    for path in (folder / "second").iterdir():
        Image.new("RGB", (30, 30)).save(path)


def parted(*parts, also=""):
    """Makes folders for the parts with the classes a and b; of `also` the folder alone."""

    def spoil(folder):
        for part in parts:
            shutil.copytree(folder / "first", folder / part / "a")
            shutil.copytree(folder / "second", folder / part / "b")
        shutil.rmtree(folder / "first")
        shutil.rmtree(folder / "second")
        if also:
            (folder / also).mkdir()

    return spoil


def class_in_train_alone(folder):
    shutil.copytree(folder / "second", folder / "train" / "c")
    parted("train", "val")(folder)


def val_of_one_class(folder):
    parted("train", "val")(folder)
    shutil.rmtree(folder / "val/b")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (one_class, r'has only the class "first": add the folder of a second class'),
        (empty_class, r'The class folder ".*third" holds no photograph: fill it or remove it'),
        (unreadable_class, r'needs 4 photographs per class, and "second" has 0 \(copies and unreadable ones left out'),
        (too_few, r'needs 4 photographs per class, and "second" has 3 \('),
        (one_photograph, r'needs 4 photographs per class, and "second" has 1 \('),
        (all_copies, r'needs 4 photographs per class, and "second" has 1 \('),
        (all_from_another_class, r'needs 4 photographs per class, and "third" has 0 \('),
        (class_in_train_alone, r'has the class "c" in train/, not in val/: each class needs photographs in both'),
        (val_of_one_class, r'val" has only the class "a": add the folder of a second class'),
        (parted("train", "val"), r'"a" has none in val/ \(copies and unreadable ones left out\): add some'),
        (parted("train"), r'has train/, but not both train/ and val/: .* or name ".*train", .* cross-validation'),
        (parted("train", "test"), r"has train/, but not both train/ and val/"),
        (parted("training", "validation"), r"has training/, but not both train/ and val/"),
        (parted("train", also="val"), r'val" has no class folders'),
        (shutil.rmtree, r"does not exist: check the path"),
    ],
)
def test_a_folder_that_will_not_do_gets_one_sentence(folder, run_last_section, spoil, sentence):
    spoil(folder)
    with pytest.raises(CourseError, match=sentence) as raised:
        run_last_section(folder)
    assert "\n" not in str(raised.value)


def test_a_photograph_in_two_classes_keeps_the_first_and_says_so(folder, run_last_section, capsys):
    shutil.copy(folder / "first/0.jpg", folder / "first/again.jpg")
    shutil.copy(folder / "first/0.jpg", folder / "second/too.jpg")
    names = run_last_section(folder, until="### A head on the embeddings")
    said = capsys.readouterr().out.splitlines()
    [same] = [row for row, line in enumerate(said) if "first/again.jpg" in line]
    assert '"second/too.jpg" is the same as "first/0.jpg"' in said[same + 1]
    assert sum("one of the two labels is wrong" in line for line in said) == 1 and "labels" in said[same + 2]
    assert names["counts"].tolist() == [4, 4]


def test_what_is_no_photograph_in_a_class_folder_is_listed(folder, run_last_section, capsys):
    shutil.copy(folder / "first/0.jpg", folder / "stray.jpg")
    (folder / "first/notes.txt").write_text("seen in May")
    (folder / "second/film.MOV").write_bytes(bytes(99))
    (folder / "second/phone.heic").write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100))
    (folder / ".DS_Store").touch()
    names = run_last_section(folder, until="### A head on the embeddings")
    said = capsys.readouterr().out
    assert "left out: not photographs in a class folder: 1 x .jpg, 1 x .mov, 1 x .txt\n" in said
    assert 'left out: "second/phone.heic"' in said and len(names["photos"]) == 8


def test_folders_in_class_folders_belong_to_the_class_and_a_class_may_be_called_train(tmp_path):
    plant(tmp_path, {"bus/2020/may": 2, "bus/2021": 2, "train": 4})
    found = example.read_folder(tmp_path)
    assert found.categories == ["bus", "train"] and found.labels.tolist() == [0] * 4 + [1] * 4
    assert example.passed_over(tmp_path, found) == [] and sorted(example.parts(found).bincount().tolist()) == [2] * 4


def test_with_train_and_val_other_folders_are_passed_over(tmp_path):
    plant(tmp_path, {f"{part}/{name}": 2 for part in ("test", "train", "val") for name in "ab"})
    found = example.read_folder(tmp_path)
    assert example.parts(found).tolist() == [-1] * 4 + [0] * 4
    assert example.passed_over(tmp_path, found) == ["not photographs in a class folder: 4 x .jpg"]


def test_the_example_folder_has_the_faults_that_the_notebook_finds():
    folder = example.folder()
    try:
        found = datasets.image_folder(folder)
        assert found.labels.bincount().tolist() == [16, 16, 15, 16]
        rows = datasets.duplicates(found).tolist()
        assert sum(row != first for row, first in enumerate(rows)) == 1
        with pytest.raises(CourseError, match=r"from_the_web\.jpg"):
            photos.read_photo(folder / "cat/from_the_web.jpg")
        with Image.open(folder / "dog/for_the_printer.jpg") as photo:
            assert photo.mode == "CMYK"
        new = example.new_photo().read_bytes()
        assert new not in [path.read_bytes() for path, _ in found.samples]
    finally:
        shutil.rmtree(folder.parent)


# ---- the command line ----


def classify(*arguments):
    command = [sys.executable, "-m", "helpers", "classify", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_command_line_names_what_a_network_sees(tmp_path, photo):
    photo.save(tmp_path / "cat.png")
    (tmp_path / "broken.jpg").write_bytes(b"?")
    said = classify("efficientnet_lite0", tmp_path / "broken.jpg", tmp_path / "cat.png")
    assert re.fullmatch(rf"{tmp_path}/cat.png: [\w ]+ \d+\.\d%(, [\w ]+ \d+\.\d%){{2}}\n", said.stdout)
    refused = f'"{tmp_path}/broken.jpg" is not a photograph in a known format: save it as JPEG or PNG.\n'
    assert said.returncode == 1 and said.stderr == refused
    said = classify(tmp_path / "none.pt", tmp_path / "cat.png")
    assert said.returncode == 1 and said.stdout == "" and "none.pt" in said.stderr and said.stderr.count("\n") == 1
    kept = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize": 224, "crop": -3}
    kept = {"network": "squeezenet1_1", "preprocess": kept, "categories": ["a", "b"], "state": {}}
    torch.save(kept, tmp_path / "by hand.pt")
    said = classify(tmp_path / "by hand.pt", tmp_path / "cat.png")
    assert said.returncode == 1 and said.stdout == "" and said.stderr.count("\n") == 1
    assert 'by hand.pt" was not written by this edition' in said.stderr


# ---- exercises ----


def above(replaced=True, which=1):
    def answer(model, cut, classes):
        model = pretrained.with_head(model, classes if replaced else 1000)
        return counting.parameters(transfer.split_model(model, cut)[which])

    return answer


def in_place(model, cut, classes):
    model.classifier[1] = nn.Linear(1280, classes)
    return counting.parameters(transfer.split_model(model, cut)[1])


def by_requires_grad(model, cut, classes):
    model = pretrained.with_head(model, classes)
    transfer.freeze_(model, cut)
    return torch.tensor([each.numel() for each in model.parameters() if each.requires_grad]).sum()


def less_what_is_frozen(model, cut, classes):
    lower = transfer.split_model(model, cut)[0]
    return np.int64(counting.parameters(pretrained.with_head(model, classes)) - counting.parameters(lower))


def with_the_statistics(model, cut, classes):
    upper = transfer.split_model(pretrained.with_head(model, classes), cut)[1]
    return sum(each.numel() for each in upper.state_dict().values())


def one_block_too_early(model, cut, classes):
    return above()(model, "features.16" if cut == "features.17" else cut, classes)


def left_frozen(model, cut, classes):
    lower, _ = transfer.split_model(model, cut)
    lower.requires_grad_(False)
    return above()(model, cut, classes)


def hard_coded_widths(model, cut, classes):
    upper = counting.parameters(transfer.split_model(model, cut)[1])
    return upper - 1281 * 1000 + 1281 * classes


def step(
    train=True, still=True, clear=True, learn=None, sign=1, result=lambda loss: loss.item(), go=1, frozen_at=None,
    optimizer=lambda parameters, lr, **options: torch.optim.SGD(parameters, lr, **options), rate=None, twice=False,
    loss_of=F.cross_entropy,
):  # fmt: skip
    def answer(model, frozen, images, labels, lr):
        frozen, lr = frozen_at or frozen, rate or lr
        model.train(train)
        if still:
            model[:frozen].eval()
        chosen = model[learn or slice(frozen, None)].parameters()
        descent = optimizer(chosen, lr, maximize=sign < 0)
        for _ in range(go or 1):
            loss = loss_of(model(images), labels)
            if twice:
                model(images)
            if clear:
                model.zero_grad()
            loss.backward()
            if go:
                descent.step()
        return result(loss)

    return answer


def forgets(model, frozen, images, labels, lr):
    """Zeroes the running means above."""
    loss = step()(model, frozen, images, labels, lr)
    for layer in model[frozen:]:
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.zero_()
    return loss


def step_by_hand(model, frozen, images, labels, lr):
    with torch.no_grad():
        maps = model[:frozen].eval()(images)
    upper = model[frozen:].train()
    loss = F.cross_entropy(upper(maps), labels)
    gradients = torch.autograd.grad(loss, list(upper.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(upper.parameters(), gradients, strict=True):
            parameter -= lr * gradient
    return loss.detach()


def step_by_requires_grad(model, frozen, images, labels, lr):
    for layer in model[:frozen]:
        layer.eval().requires_grad_(False)
    for layer in model[frozen:]:
        layer.train()
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=lr)
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def on_a_copy(model, *arguments):
    return step()(copy.deepcopy(model), *arguments)


def loss_afterwards(model, frozen, images, labels, lr):
    step()(model, frozen, images, labels, lr)
    return F.cross_entropy(copy.deepcopy(model)(images), labels)


def nesterov(parameters, lr, maximize):
    return torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True, maximize=maximize)


def names_where(holds):
    return lambda train, val: [name for name in val if holds(name, train, val)]


def after_softmax(logits, labels):
    return F.cross_entropy(logits.softmax(1), labels)


def summed(logits, labels):
    return F.cross_entropy(logits, labels, reduction="sum")


def smoothed(logits, labels):
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


def adam(parameters, lr, maximize):
    return torch.optim.Adam(parameters, lr, maximize=maximize)


def decayed(parameters, lr, maximize):
    return torch.optim.SGD(parameters, lr, weight_decay=0.1, maximize=maximize)


WRONG = [
    (exercises.trained_parameters, above(replaced=False), "the head is not replaced"),
    (exercises.trained_parameters, above(which=0), "these are the parameters that are frozen"),
    (exercises.trained_parameters, lambda m, cut, classes: 1281 * classes, "that is the head alone"),
    (exercises.trained_parameters, lambda *a: above()(*a) - 1281 * a[2], "the new head is not counted"),
    (exercises.trained_parameters, lambda m, cut, classes: counting.parameters(m), "that is the whole model"),
    (
        exercises.trained_parameters,
        lambda m, cut, classes: counting.parameters(pretrained.with_head(m, classes)),
        "what is frozen is counted too",
    ),
    (exercises.trained_parameters, with_the_statistics, "running statistics are counted"),
    (exercises.trained_parameters, one_block_too_early, "the layer at the cut is counted too"),
    (exercises.trained_parameters, in_place, "the given model is changed"),
    (exercises.trained_parameters, left_frozen, "left frozen"),
    (exercises.trained_parameters, hard_coded_widths, "ResNet cut after layer3, with 5 classes"),
    (exercises.trained_parameters, lambda m, cut, classes: above()(m, "features.17", 7), "use the arguments"),
    (exercises.trained_parameters, lambda m, cut, classes: above()(m, cut, 7), "use the arguments"),
    (exercises.trained_parameters, lambda m, cut, classes: 3, "is not right"),
    (exercises.trained_parameters, lambda *a: f"{above()(*a)}", "it returns text"),
    (exercises.leaks, names_where(lambda name, a, b: name in a), "compare what is in the files"),
    (exercises.leaks, names_where(lambda name, a, b: list(b.values()).count(b[name]) > 1), "two copies in validation"),
    (exercises.leaks, lambda a, b: [name for name in a if a[name] in b.values()], "these are the training files"),
    (exercises.leaks, names_where(lambda n, a, b: b[n][0] in {c[0] for c in a.values()}), "every byte"),
    (exercises.leaks, names_where(lambda n, a, b: sorted(b[n]) in map(sorted, a.values())), "every byte"),
    (exercises.leaks, names_where(lambda n, a, b: any(b[n] in c for c in a.values())), "every byte"),
    (exercises.leaks, names_where(lambda n, a, b: any(c in b[n] for c in a.values())), "every byte"),
    (exercises.leaks, lambda a, b: ["cat/9.jpg", "wolf/1.jpg"], "every byte"),
    (exercises.leaks, names_where(lambda n, a, b: len(b[n]) in map(len, a.values())), "each named once"),
    (exercises.leaks, lambda a, b: [n for n in b for content in a.values() if b[n] == content], "each once"),
    (exercises.leaks, lambda a, b: ["cat/9.jpg"], "the leaks are cat/9.jpg and wolf/1.jpg"),
    (exercises.leaks, lambda a, b: 2, "return a list"),
    (exercises.leaks, lambda a, b: "cat/9.jpg", "return a list"),
    (exercises.leaks, lambda a, b: ["dog/8.jpg"], "not dog/8.jpg"),
    (exercises.one_step, step(learn=slice(None)), "frozen layers learn"),
    (exercises.one_step, step(frozen_at=3), "with frozen = 6"),
    (exercises.one_step, step(rate=0.1), "the step is 5 times what it should be"),
    (exercises.one_step, step(still=False), "batch norm below the cut is in training mode"),
    (exercises.one_step, step(train=False), "batch norm above the cut is in evaluation mode"),
    (exercises.one_step, step(learn=slice(10, None)), "some layers above the cut do not learn"),
    (exercises.one_step, step(clear=False), "call zero_grad() before backward()"),
    (exercises.one_step, step(sign=-1), "the step goes up the gradient"),
    (exercises.one_step, step(go=0), "nothing has learned"),
    (exercises.one_step, on_a_copy, "nothing has learned, or it was a copy"),
    (exercises.one_step, loss_afterwards, "the loss of this batch before the step is"),
    (exercises.one_step, step(optimizer=nesterov), "the step is 1.9 times what it should be"),
    (exercises.one_step, step(go=2), "those of one pass"),
    (exercises.one_step, step(twice=True), "those of one pass"),
    (exercises.one_step, forgets, "those of one pass"),
    (exercises.one_step, step(loss_of=after_softmax), "the logits pass a softmax"),
    (exercises.one_step, step(loss_of=summed), "the step is 8 times what it should be"),
    (exercises.one_step, step(loss_of=smoothed), "plain SGD"),
    (exercises.one_step, step(optimizer=adam), "plain SGD"),
    (exercises.one_step, step(optimizer=decayed), "plain SGD"),
    (exercises.one_step, step(rate=0.01), "the step is 0.1 times what it should be"),
    (exercises.one_step, step(result=lambda loss: 0.0), "you return 0.000"),
    (exercises.one_step, lambda model, frozen, images, labels: 0.0, "stops with TypeError"),
]


@pytest.mark.parametrize("check, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(check, answer, mistake, tells):
    tells(check, answer, mistake)


@pytest.mark.parametrize(
    "check, answer",
    [
        (exercises.trained_parameters, above()),
        (exercises.trained_parameters, by_requires_grad),
        (exercises.trained_parameters, less_what_is_frozen),
        (exercises.leaks, names_where(lambda name, a, b: b[name] in a.values())),
        (exercises.leaks, lambda a, b: {name for name, content in b.items() if content in set(a.values())}),
        (exercises.leaks, lambda a, b: (name for name in b if b[name] in a.values())),
        (exercises.leaks, lambda a, b: filter(lambda name: b[name] in a.values(), b)),
        (exercises.leaks, lambda a, b: {name: 1 for name in b if b[name] in a.values()}.keys()),
        (exercises.one_step, step()),
        (exercises.one_step, step(result=lambda loss: loss.detach())),
        (exercises.one_step, step_by_hand),
        (exercises.one_step, step_by_requires_grad),
    ],
)
def test_other_right_ways_are_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")
