"""09 Fine-tuning: its data, one training above a cut, the recorded map, and section 9 on folders of all kinds."""

import math
import re
import shutil

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from PIL import Image

from helpers import datasets, fine_tuning, pretrained, transfer
from helpers.errors import CourseError
from helpers.machine import ROOT

NOTEBOOK = ROOT / "notebooks/09_fine_tuning.ipynb"


@pytest.fixture(scope="module")
def small():
    return pretrained.load("efficientnet_lite0").at(32)


# ---- data ----


def test_crops_are_always_the_same_and_never_shared():
    fit, again, unseen = (fine_tuning.photo_crops(5, 24, testing=testing) for testing in (False, False, True))
    assert fit.images.shape == (50, 3, 24, 24) and fit.images.dtype == torch.uint8
    assert torch.equal(fit.images, again.images)
    assert fit.labels.bincount().tolist() == [5] * 10 and len(set(fit.categories)) == 10
    assert not {image.numpy().tobytes() for image in fit.images} & {image.numpy().tobytes() for image in unseen.images}


@pytest.mark.parametrize("testing", [False, True])
def test_crops_come_from_their_own_tiles_alone(testing):
    """On a chessboard of two colours the crops for training show one of them only, and those for testing the other."""
    side = 3 * 40
    places = torch.arange(side) // 40
    board = ((places[:, None] + places[None]) % 2 * 200 + 20).to(torch.uint8).expand(3, -1, -1)
    crops = fine_tuning._crops(board, 200, 16, testing, torch.Generator().manual_seed(0)).float()
    assert crops.flatten(2).std(dim=2).max() < 1e-3  # even: no crop reaches over the edge of its tile
    assert (crops.mean() > 128) == testing


def test_draw_takes_as_many_of_each_class_and_depends_on_the_seed():
    pool, _ = fine_tuning.task("silhouettes")
    one, again, other = (fine_tuning.draw(pool, 3, seed) for seed in (0, 0, 1))
    assert one.labels.bincount().tolist() == [3] * 10
    assert torch.equal(one.images, again.images) and not torch.equal(one.images, other.images)
    with pytest.raises(CourseError, match=r'The class "bear" has \d+ images: draw no more'):
        fine_tuning.draw(pool, 100_000)


def test_photographs_are_prepared_like_arrays(small):
    photos = datasets.labelled_photos().part([0, 1])
    images, labels = fine_tuning.prepared(small, photos)
    assert images.shape == (2, 3, 32, 32) and torch.equal(labels, photos.labels)


def test_unknown_data_is_told_by_name():
    with pytest.raises(CourseError, match='no data set "flowers": choose one of'):
        fine_tuning.task("flowers")


# ---- training ----


@pytest.mark.parametrize("cut", ["avgpool", "features.17", ""])
def test_only_what_is_above_the_cut_learns(small, cut):
    data = fine_tuning.prepared(small, fine_tuning.draw(fine_tuning.task("silhouettes")[0], 2))
    module, fitted, _ = fine_tuning.fine_tune(small, cut, data, data, 10, rate=1e-3, steps=8, batch_size=20)
    old, new = small.module.state_dict(), module.state_dict()
    moved = {name for name in new if not torch.equal(new[name].cpu(), old[name])}
    above = transfer.split(module, cut)[1] if cut else module
    ours = {id(parameter) for parameter in above.parameters()}
    assert moved == {name for name, parameter in module.named_parameters() if id(parameter) in ours}
    assert not {name for name in moved if "running" in name or "num_batches" in name}
    assert fitted.loss < math.log(10)  # that of an even guess


def test_a_training_can_be_repeated(small):
    data = fine_tuning.prepared(small, fine_tuning.draw(fine_tuning.task("silhouettes")[0], 2))
    runs = [fine_tuning.fine_tune(small, "features.17", data, data, 10, rate=1e-3, steps=3, seed=s) for s in (0, 0, 1)]
    (_, one, _), (_, again, _), (_, other, _) = runs
    assert one == again != other


def test_batch_norm_keeps_its_statistics_in_training_mode():
    layers = fine_tuning.KeepStatistics(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2), torch.nn.Dropout())
    layers.train()
    assert [layer.training for layer in layers] == [True, False, True]


# ---- the record ----


def test_the_record_is_complete():
    runs = fine_tuning.recorded()
    assert len({run[:5] for run in runs}) == len(runs)
    for data in ("photographs", "silhouettes"):
        for images in (3, 20, 50):
            for cut in fine_tuning.CUTS:
                found = fine_tuning.cell(runs, data, images, cut)
                assert [run.seed for run in found] == [0, 1, 2] and len({run.rate for run in found}) == 1
    assert all(0 <= error <= 1 for run in runs for error in run[5:])
    assert "machine: " in fine_tuning.record_header() and "commit" in fine_tuning.record_header()


def test_a_cell_takes_the_rate_that_was_best_on_the_other_half():
    run = fine_tuning.Run("a", 3, "", 0.1, 0, 0.0, 0.5, 0.1)
    runs = [run, run._replace(rate=0.2, choosing=0.4, testing=0.9), run._replace(cut="x", choosing=0.0)]
    assert fine_tuning.cell(runs, "a", 3, "") == [runs[1]]
    assert fine_tuning.cell(runs, "a", 3, "", 0.1) == [run]
    assert fine_tuning.cell(runs, "b", 3, "") == []


def test_a_recorded_run_is_what_the_code_gives():
    network = pretrained.load("efficientnet_lite0").at(48)
    pool, unseen = fine_tuning.task("silhouettes")
    fit, held = (fine_tuning.prepared(network, fine_tuning.draw(part, n)) for part, n in ((pool, 3), (unseen, 60)))
    module, *_ = fine_tuning.fine_tune(network, "avgpool", fit, fit, 10, rate=3e-3, steps=40)
    wrong = (fine_tuning.respond(module, held[0]).argmax(dim=1).cpu() != held[1]).float()
    [run, *_] = fine_tuning.cell(fine_tuning.recorded(), "silhouettes", 3, "avgpool", 3e-3)
    assert run.testing == pytest.approx(wrong[1::2].mean().item(), abs=0.05)


# ---- the reader's own folder ----


def run_last_section(folder, fine_tune=""):
    """Run the set-up and section 9 of the notebook on a folder; returns its names."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"][:1]
    [start] = [i for i, cell in enumerate(cells) if cell.source.startswith("## 9. Your own folder")]
    [end] = [i for i, cell in enumerate(cells) if cell.source.startswith("## 10. Exercises")]
    code += [cell.source for cell in cells[start:end] if cell.cell_type == "code"]
    names = {}
    for source in code:
        source = re.sub(r'^MY_FOLDER = ""', f'MY_FOLDER = r"{folder}"', source, flags=re.MULTILINE)
        source = re.sub(r'^FINE_TUNE = ""', f'FINE_TUNE = "{fine_tune}"', source, flags=re.MULTILINE)
        source = source.replace(".at(160)", ".at(64)").replace("steps=60", "steps=3")  # soon done
        exec(source, names)
    plt.close("all")
    return names


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "cache_folder", lambda: tmp_path / "embeddings")
    monkeypatch.chdir(ROOT / "notebooks")


@pytest.fixture
def folder(tmp_path):
    """Two classes of four photographs each, of other sizes, one of them for printing (CMYK)."""
    photos = datasets.labelled_photos()
    for row in range(8):
        place = tmp_path / "mine" / ("first" if row < 4 else "second") / f"{row}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        photo = photos[row][0].resize((90 + row, 70))
        (photo.convert("CMYK") if row == 5 else photo).save(place)
    return tmp_path / "mine"


@pytest.mark.parametrize("fine_tune", ["", "features.17"])
def test_a_folder_becomes_a_network(folder, fine_tune, capsys):
    names = run_last_section(folder, fine_tune)
    said = capsys.readouterr().out
    assert "first: 4 photographs\nsecond: 4 photographs\n6 to train on, 2 for validation" in said
    assert "top-1 error" in said and "top-5" not in said and "my_network.pt" in said
    assert names["again"].categories == ["first", "second"]
    old = pretrained.load("efficientnet_lite0").module.state_dict()["features.20.weight"]
    assert torch.equal(names["module"].state_dict()["features.20.weight"].cpu(), old) == (not fine_tune)


def test_broken_files_and_copies_are_named_and_kept_out_of_both_parts(folder, capsys):
    (folder / "first/broken.jpg").write_bytes(b"no photograph")
    (folder / "first/empty.png").touch()
    shutil.copy(folder / "first/0.jpg", folder / "second/the same.jpg")
    names = run_last_section(folder)
    said = capsys.readouterr().out
    assert 'left out: "first/broken.jpg" is not a photograph' in said and '"first/empty.png" is empty' in said
    assert 'copy: "second/the same.jpg" is the same as "first/0.jpg"' in said
    together = [name for name, path in enumerate(names["names"]) if path.name in ("0.jpg", "the same.jpg")]
    assert len(set(together) & set(names["held"].tolist())) in (0, 2)


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
def test_a_folder_that_will_not_do_gets_one_sentence(folder, spoil, sentence):
    spoil(folder)
    with pytest.raises(CourseError, match=sentence) as raised:
        run_last_section(folder)
    assert "\n" not in str(raised.value)


def test_the_example_folder_has_the_faults_that_the_notebook_finds():
    folder = fine_tuning.example_folder()
    try:
        photos = datasets.class_folders(folder)
        assert photos.labels.bincount().tolist() == [9, 11]
        rows = datasets.copies(photos).tolist()
        assert sum(row != first for row, first in enumerate(rows)) == 1
        with pytest.raises(CourseError, match=r"from_the_web\.jpg"):
            datasets.read_photo(folder / "things/from_the_web.jpg")
        with Image.open(folder / "things/for_the_printer.jpg") as photo:
            assert photo.mode == "CMYK"
    finally:
        shutil.rmtree(folder.parent)
