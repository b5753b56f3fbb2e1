"""09: its images, the recorded map, its explorer, section 9 on folders of all kinds, and the checks of exercises."""

import itertools
import re
import shutil
from statistics import mean

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from helpers import ROOT, bundled, counting, datasets, photos, plotting, pretrained, transfer
from helpers.chapters.fine_tuning import exercises, explorer, record, tasks
from helpers.errors import CourseError

NOTEBOOK = ROOT / "notebooks/09_fine_tuning.ipynb"

# ---- images ----


def test_crops_are_always_the_same_and_never_shared():
    train, again, test = (tasks.photo_crops(5, 24, train=part) for part in (True, True, False))
    assert train.images.shape == (50, 3, 24, 24) and train.images.dtype == torch.uint8
    assert torch.equal(train.images, again.images)
    assert train.labels.bincount().tolist() == [5] * 10 and len(set(train.categories)) == 10
    contents = [{part.content(row) for row in range(len(part))} for part in (train, test)]
    assert not contents[0] & contents[1]


@pytest.mark.parametrize("train", [True, False])
def test_crops_come_from_their_own_tiles_alone(train, monkeypatch):
    """On chessboards of two colours the crops for training show one of them only, and those for testing the other."""
    places = torch.arange(512) // (512 // tasks.TILES)
    board = ((places[:, None] + places[None]) % 2 * 200 + 20).to(torch.uint8).expand(3, -1, -1)
    boards = datasets.Arrays(board.expand(10, -1, -1, -1), torch.zeros(10), ["board"])
    pillow = boards.with_transform(lambda image: Image.fromarray(image.permute(1, 2, 0).numpy()))
    monkeypatch.setattr(bundled, "labelled_photos", lambda: pillow)
    crops = tasks.photo_crops(20, 16, train=train).images.float()
    assert crops.flatten(2).std(dim=2).max() < 1e-3  # even: no crop reaches over the edge of its tile
    assert (crops.mean() < 128) == train


def test_unknown_data_is_told_by_name():
    with pytest.raises(CourseError, match='no data set "flowers": choose one of'):
        tasks.load_task("flowers")


# ---- the record ----


def test_the_record_is_complete():
    runs = record.load_record()
    assert len({run[:5] for run in runs}) == len(runs)
    for data, images, cut in itertools.product(record.DATA, record.STEPS, record.CUTS):
        found = record.runs_at(runs, data, images, cut)
        assert [run.seed for run in found] == [0, 1, 2] and len({run.lr for run in found}) == 1
    assert "machine: " in record.record_header() and "commit" in record.record_header()


def test_the_best_rate_is_the_one_that_was_best_on_the_validation_half():
    run = record.Run("a", 3, None, 0.1, 0, train=0.0, val=0.5, test=0.1)
    runs = [run, run._replace(lr=0.2, val=0.4, test=0.9), run._replace(cut="x", val=0.0)]
    assert record.runs_at(runs, "a", 3, None) == [runs[1]]
    assert record.runs_at(runs, "a", 3, None, 0.1) == [run]
    assert record.runs_at(runs, "b", 3, None) == []


@pytest.mark.parametrize("cut, lr", [("avgpool", 3e-3), ("features.17", 1e-3)])
def test_a_recorded_run_is_what_the_code_gives(cut, lr):
    [recorded, *_] = record.runs_at(record.load_record(), "silhouettes", 3, cut, lr)
    run = record.measure("silhouettes", 3, cut, lr, seed=0)
    assert run[:5] == recorded[:5]
    assert run[5:] == pytest.approx(recorded[5:], abs=0.05)


def test_what_is_written_is_read_again(tmp_path):
    runs = record.load_record()[:9]
    record.write(reversed(runs), tmp_path / "record.csv")
    assert sorted(record.load_record(tmp_path / "record.csv"), key=str) == sorted(runs, key=str)


# ---- the explorer ----


@pytest.mark.parametrize("data, images, lr", list(itertools.product(record.DATA, (3, 50), (3e-4, 1e-3, "best"))))
def test_every_setting_shows_what_was_recorded(data, images, lr):
    plotting.use_style()
    runs = record.load_record()
    fig = explorer.retrained(runs, data, images, lr)
    [ax] = fig.axes
    cells = [record.runs_at(runs, data, images, cut, lr) for cut in record.CUTS]
    test, train = (list(line.get_ydata()) for line in ax.lines)
    assert test == pytest.approx([mean(run.test for run in cell) for cell in cells if cell])
    assert train == pytest.approx([mean(run.train for run in cell) for cell in cells if cell])
    assert f"least test error {min(test):.2f}" in ax.get_title()
    assert sum(text.get_text() == "not\nrecorded" for text in ax.texts) == cells.count([])
    plt.close(fig)


# ---- the reader's own folder ----


@pytest.fixture
def run_last_section(monkeypatch):
    """Run the set-up and section 9 of the notebook on a folder, and give back its names; nothing of it stays behind."""
    monkeypatch.chdir(ROOT / "notebooks")

    def run(folder, fine_tune=""):
        cells = nbformat.read(NOTEBOOK, as_version=4).cells
        code = [cell.source for cell in cells if cell.cell_type == "code"][:1]
        [start] = [i for i, cell in enumerate(cells) if cell.source.startswith("## 9. Your own folder")]
        [end] = [i for i, cell in enumerate(cells) if cell.source.startswith("## 10. Exercises")]
        code += [cell.source for cell in cells[start:end] if cell.cell_type == "code"]
        names = {}
        for source in code:
            source = re.sub(r'^MY_FOLDER = ""', f'MY_FOLDER = r"{folder}"', source, flags=re.MULTILINE)
            source = re.sub(r'^FINE_TUNE = ""', f'FINE_TUNE = "{fine_tune}"', source, flags=re.MULTILINE)
            source = source.replace(".at(160)", ".at(64)").replace('"steps": 60', '"steps": 3')  # soon done
            exec(source, names)
        return names

    threads = torch.get_num_threads()
    with plt.rc_context(), torch.random.fork_rng(devices=[]):
        yield run
    torch.set_num_threads(threads)
    plt.close("all")


@pytest.fixture
def folder(tmp_path):
    """Two classes of four photographs each, of other sizes, one of them for printing (CMYK)."""
    labelled = bundled.labelled_photos()
    for row in range(8):
        place = tmp_path / "mine" / ("first" if row < 4 else "second") / f"{row}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        photo = labelled[row][0].resize((90 + row, 70))
        (photo.convert("CMYK") if row == 5 else photo).save(place)
    return tmp_path / "mine"


@pytest.mark.parametrize("fine_tune", ["", "features.17", "all"])
def test_a_folder_becomes_a_network(folder, run_last_section, fine_tune, capsys):
    names = run_last_section(folder, fine_tune)
    said = capsys.readouterr().out
    assert "first: 4 photographs\nsecond: 4 photographs\n6 to train on, 2 for validation" in said
    assert "top-1 error" in said and "top-5" not in said and "my_network.pt" in said
    loaded, before = names["loaded"], pretrained.load("efficientnet_lite0").model.state_dict()
    assert loaded.categories == ["first", "second"] and loaded.pixels == 64
    after = loaded.model.state_dict()
    learned = {
        part for part in ("features.0", "features.20") if not after[f"{part}.weight"].equal(before[f"{part}.weight"])
    }
    assert learned == {"": set(), "features.17": {"features.20"}, "all": {"features.0", "features.20"}}[fine_tune]


def test_broken_files_and_copies_are_named_and_kept_out_of_both_parts(folder, run_last_section, capsys):
    (folder / "first/broken.jpg").write_bytes(b"no photograph")
    (folder / "first/empty.png").touch()
    shutil.copy(folder / "first/0.jpg", folder / "second/the same.jpg")
    names = run_last_section(folder)
    said = capsys.readouterr().out
    assert 'left out: "first/broken.jpg" is not a photograph' in said and '"first/empty.png" is empty' in said
    assert 'copy: "second/the same.jpg" is the same as "first/0.jpg"' in said
    together = [row for row, path in enumerate(names["names"]) if path.name in ("0.jpg", "the same.jpg")]
    assert len(set(together) & set(names["val_rows"].tolist())) in (0, 2)


def one_class(folder):
    shutil.rmtree(folder / "second")


def empty_class(folder):
    (folder / "third").mkdir()


def unreadable_class(folder):
    for path in (folder / "second").iterdir():
        path.write_bytes(b"no photograph")


def too_few(folder):
    (folder / "second/4.jpg").unlink()


def all_copies(folder):
    for path in (folder / "second").iterdir():
        Image.new("RGB", (30, 30)).save(path)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (one_class, r'has only the class "first": add the folder of a second class'),
        (empty_class, r'The class folder ".*third" holds no photograph: fill it or remove it'),
        (unreadable_class, r'The class "second" has 0 different images, and 4 are needed'),
        (too_few, r'The class "second" has 3 different images, and 4 are needed'),
        (all_copies, r'The class "second" has 1 different images, and 4 are needed'),
        (shutil.rmtree, r"does not exist: check the path"),
    ],
)
def test_a_folder_that_will_not_do_gets_one_sentence(folder, run_last_section, spoil, sentence):
    spoil(folder)
    with pytest.raises(CourseError, match=sentence) as raised:
        run_last_section(folder)
    assert "\n" not in str(raised.value)


def test_the_example_folder_has_the_faults_that_the_notebook_finds():
    folder = tasks.example_folder()
    try:
        example = datasets.image_folder(folder)
        assert example.labels.bincount().tolist() == [9, 11]
        rows = datasets.duplicates(example).tolist()
        assert sum(row != first for row, first in enumerate(rows)) == 1
        with pytest.raises(CourseError, match=r"from_the_web\.jpg"):
            photos.read_photo(folder / "things/from_the_web.jpg")
        with Image.open(folder / "things/for_the_printer.jpg") as photo:
            assert photo.mode == "CMYK"
    finally:
        shutil.rmtree(folder.parent)


# ---- exercises ----


def above(replaced=True, which=1):
    def answer(model, cut, classes):
        model = pretrained.with_head(model, classes if replaced else 1000)
        return counting.parameters(transfer.split_model(model, cut)[which])

    return answer


def in_place(model, cut, classes):
    model.classifier[1] = nn.Linear(1280, classes)
    return counting.parameters(transfer.split_model(model, cut)[1])


def step(train=True, still=True, clear=True, learn=slice(3, None), sign=1, result=lambda loss: loss.item(), go=True):
    def answer(model, frozen, images, labels, lr):
        model.train(train)
        if still:
            model[:frozen].eval()
        loss = F.cross_entropy(model(images), labels)
        optimizer = torch.optim.SGD(model[learn].parameters(), lr, maximize=sign < 0)
        if clear:
            model.zero_grad()
        loss.backward()
        if go:
            optimizer.step()
        return result(loss)

    return answer


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


def names_where(holds):
    return lambda train, val: [name for name in val if holds(name, train, val)]


WRONG = [
    (exercises.trained_parameters, above(replaced=False), "the head is not replaced"),
    (exercises.trained_parameters, above(which=0), "these are the parameters that are frozen"),
    (exercises.trained_parameters, lambda m, cut, classes: 1281 * classes, "that is the head alone"),
    (exercises.trained_parameters, lambda *a: above()(*a) - 1281 * a[2], "the new head is not counted"),
    (exercises.trained_parameters, in_place, "the given model is changed"),
    (exercises.trained_parameters, lambda m, cut, classes: above()(m, "features.17", 7), "one cut and not for another"),
    (exercises.trained_parameters, lambda m, cut, classes: 3, "is not right"),
    (exercises.leaks, names_where(lambda name, a, b: name in a), "compare what is in the files"),
    (exercises.leaks, names_where(lambda name, a, b: list(b.values()).count(b[name]) > 1), "two copies in validation"),
    (exercises.leaks, lambda a, b: [name for name in a if a[name] in b.values()], "these are the training files"),
    (exercises.leaks, lambda a, b: 2, "return a list"),
    (exercises.leaks, lambda a, b: ["dog/8.jpg"], "not dog/8.jpg"),
    (exercises.one_step, step(learn=slice(None)), "frozen layers learn"),
    (exercises.one_step, step(still=False), "batch norm below the cut is in training mode"),
    (exercises.one_step, step(train=False), "batch norm above the cut is in evaluation mode"),
    (exercises.one_step, step(learn=slice(8, None)), "-lr times"),
    (exercises.one_step, step(clear=False), "zero_grad()"),
    (exercises.one_step, step(sign=-1), "-lr times"),
    (exercises.one_step, step(go=False), "nothing has learned"),
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
        (exercises.leaks, names_where(lambda name, a, b: b[name] in a.values())),
        (exercises.leaks, lambda a, b: {name for name, content in b.items() if content in set(a.values())}),
        (exercises.one_step, step()),
        (exercises.one_step, step(result=lambda loss: loss.detach())),
        (exercises.one_step, step_by_hand),
    ],
)
def test_other_right_ways_are_right(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("right: ")
