"""Where the course may lie and who may run it: other folders, shared servers, few rights, few letters, few cores."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
import torch

from helpers import ROOT, datasets, machine
from tests.bad_input import never_privileged

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such rights")

# ---- the set-up cell, from anywhere ----

CELLS = nbformat.read(ROOT / "notebooks/00_start_here.ipynb", as_version=4).cells
SET_UP = next(cell for cell in CELLS if cell.cell_type == "code").source.partition("\nfrom helpers import")[0]


def course(folder: Path) -> Path:
    """As much of a course as the set-up cell looks for."""
    (folder / "helpers").mkdir(parents=True)
    (folder / "notebooks").mkdir()
    for name in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "helpers" / name, folder / "helpers")
    return folder


def foreign(folder: Path) -> Path:
    """Another package `helpers`, with a module that has the name of one of ours."""
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers/__init__.py").write_text("from helpers import plotting\n")
    (folder / "helpers/plotting.py").touch()
    return folder


def start(folder: Path, before: str = "", after: str = "", **surroundings: str) -> subprocess.CompletedProcess:
    """Run the set-up cell in a folder as a kernel does, and import from the course what it found."""
    program = "\n".join([before, SET_UP, "from helpers import errors", after, "print(errors.__file__)"])
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "JPY_SESSION_NAME")}
    return subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=folder, env=environment | surroundings, preexec_fn=never_privileged, capture_output=True, text=True,
    )  # fmt: skip


def found(folder: Path, *arguments: str, **surroundings: str) -> Path:
    answer = start(folder, *arguments, **surroundings)
    assert answer.returncode == 0, answer.stderr
    return Path(answer.stdout.splitlines()[-1]).resolve().parents[1]


@pytest.mark.parametrize(
    ("place", "kernel"),
    [
        pytest.param("course", "course", id="in it"),
        pytest.param("course", "course/notebooks", id="in notebooks"),
        pytest.param("course", "course/my/work", id="two below"),
        pytest.param("course", ".", id="one above"),
        pytest.param("a/course", ".", id="two above"),
        pytest.param("Grüße & Übung/neu 1", "Grüße & Übung/neu 1/notebooks", id="spaces and umlauts"),
        pytest.param("Grüße & Übung/neu 1", "Grüße & Übung", id="spaces and umlauts, one above"),
        pytest.param("Grüße & Übung/neu 1", ".", id="spaces and umlauts, two above"),
        pytest.param("[a] * ?", "[a] * ?/notebooks", id="signs of patterns"),
        pytest.param('it\'s "mine"', 'it\'s "mine"/notebooks', id="quotation marks"),
        pytest.param("課程", "課程/notebooks", id="Chinese"),
    ],
)
def test_the_set_up_cell_finds_the_course(place, kernel, tmp_path):
    where = course(tmp_path / place)
    (tmp_path / kernel).mkdir(parents=True, exist_ok=True)
    assert found(tmp_path / kernel) == where


def beside_a_folder_that_may_not_be_entered(folder: Path) -> tuple[Path, Path]:
    shut = folder / "a"
    (shut / "helpers").mkdir(parents=True)
    shut.chmod(0)
    return folder, course(folder / "course")


def below_a_helpers_that_may_not_be_entered(folder: Path) -> tuple[Path, Path]:
    (folder / "own").mkdir()
    (folder / "own/helpers").mkdir(mode=0)
    return folder / "own", course(folder / "own/course")


def in_a_folder_that_may_not_be_listed(folder: Path) -> tuple[Path, Path]:
    where = course(folder / "shut/course")
    (folder / "shut").chmod(0o100)
    return where / "notebooks", where


def of_two_copies_in_one(folder: Path) -> tuple[Path, Path]:
    course(folder / "course-old")
    where = course(folder / "course")
    return where / "notebooks", where


def of_two_copies_the_second(folder: Path) -> tuple[Path, Path]:
    course(folder / "course")
    where = course(folder / "course-new")
    return where / "notebooks", where


def in_a_copy_within_a_copy(folder: Path) -> tuple[Path, Path]:
    where = course(course(folder / "course") / "old")
    return where / "notebooks", where


def with_a_foreign_one_beside(folder: Path) -> tuple[Path, Path]:
    foreign(folder / "another")
    return folder, course(folder / "course")


def through_a_link(folder: Path) -> tuple[Path, Path]:
    where = course(folder / "elsewhere/course")
    (folder / "home").mkdir()
    (folder / "home/course").symlink_to(where)
    return folder / "home", where


def with_a_loop_of_links_beside(folder: Path) -> tuple[Path, Path]:
    (folder / "a").symlink_to(folder / "a")
    return folder, course(folder / "course")


@pytest.mark.parametrize(
    "situation",
    [
        beside_a_folder_that_may_not_be_entered,
        below_a_helpers_that_may_not_be_entered,
        in_a_folder_that_may_not_be_listed,
        of_two_copies_in_one,
        of_two_copies_the_second,
        in_a_copy_within_a_copy,
        with_a_foreign_one_beside,
        through_a_link,
        with_a_loop_of_links_beside,
    ],
)
def test_the_set_up_cell_finds_the_right_one(situation: Callable[[Path], tuple[Path, Path]], tmp_path):
    kernel, where = situation(tmp_path)
    try:
        assert found(kernel) == where
    finally:
        for folder in tmp_path.glob("*"):
            if not folder.is_symlink():
                folder.chmod(0o700)
        if (tmp_path / "own").exists():
            (tmp_path / "own/helpers").chmod(0o700)


@pytest.mark.parametrize("opened", ["course", "course-new"])
def test_of_two_copies_the_opened_notebooks_own_one_wins_also_from_above(opened, tmp_path):
    for name in ("course", "course-new"):
        course(tmp_path / name)
    assert found(tmp_path, JPY_SESSION_NAME=f"{tmp_path}/{opened}/notebooks/00_start_here.ipynb") == tmp_path / opened


def test_of_two_copies_below_the_first_by_name_is_taken(tmp_path):
    for name in ("b", "c", "a", "d"):
        course(tmp_path / name)
    assert found(tmp_path) == tmp_path / "a"


def test_another_helpers_on_the_path_gives_way(tmp_path):
    where = course(tmp_path / "course")
    assert found(where / "notebooks", PYTHONPATH=str(foreign(tmp_path / "another"))) == where


@pytest.mark.parametrize("kind", ["package", "module", "an older copy of the course"])
def test_another_helpers_that_was_imported_gives_way(kind, tmp_path):
    where, other = course(tmp_path / "course"), tmp_path / "another"
    if kind == "module":
        other.mkdir()
        (other / "helpers.py").write_text("")
    else:
        foreign(other) if kind == "package" else course(other)
    load = "from helpers import errors" if kind.endswith("course") else "import helpers"
    assert found(where / "notebooks", f"import sys; sys.path.insert(0, {str(other)!r}); {load}") == where


def test_the_set_up_cell_run_twice_imports_nothing_twice(tmp_path):
    """Else a network of before would be of another class than one of after."""
    where = course(tmp_path / "course")
    again = f"before = errors.CourseError\n{SET_UP}\nfrom helpers import errors\nassert errors.CourseError is before"
    assert found(where / "notebooks", "", again) == where


def test_without_a_course_the_set_up_cell_says_what_to_do(tmp_path):
    said = start(tmp_path).stderr.strip().splitlines()[-1]
    assert said == "AssertionError: Keep this notebook in the folder notebooks/ of the course."


# ---- a class on one server ----

TOUR = """
import sys
from helpers import bundled, evaluation, pretrained
network = pretrained.load("squeezenet1_1")
found = evaluation.predict(network, bundled.free_photos().subset([0]))
print(network.categories[found.logits.argmax()])
for path in sys.argv[1:]:
    try:
        pretrained.save(network, path)
        print(pretrained.load(path).name)
    except Exception as error:
        print(type(error).__name__, ascii(str(error)))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The course's library in a folder with spaces and umlauts."""
    folder = tmp_path_factory.mktemp("class") / "Grüße & Übung"
    shutil.copytree(ROOT / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", folder)
    return folder


def run(folder: Path, *arguments: str, **surroundings: str) -> list[str]:
    """What a program without privileges prints, that is started in a folder of the course."""
    environment = {name: value for name, value in os.environ.items() if name not in ("TORCH_HOME", "XDG_CACHE_HOME")}
    answer = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment | surroundings, preexec_fn=never_privileged,
        capture_output=True, encoding="utf-8", errors="backslashreplace",
    )  # fmt: skip
    assert "Traceback" not in answer.stderr, answer.stderr
    return answer.stdout.splitlines()


def set_mode(folder: Path, mode: int) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)


def test_a_course_folder_that_is_read_only_with_a_home_that_is_not(copy, tmp_path):
    home, kept = tmp_path / "home", tmp_path / "home/süß 1.pt"
    set_mode(copy, 0o500)
    try:
        cat, saved, refused = run(copy, "-c", TOUR, str(kept), str(copy / "mine.pt"), HOME=str(home))
    finally:
        set_mode(copy, 0o700)
    assert (cat, saved, kept.exists()) == ("Egyptian cat", "squeezenet1_1", True)
    assert refused.startswith("CourseError") and "mine.pt" in refused and "choose another folder" in refused


def test_a_home_that_is_read_only_with_a_course_folder_that_is_not(copy, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    cat, saved, refused = run(copy, "-c", TOUR, "mine.pt", "~/mine.pt", HOME=str(home))
    (copy / "mine.pt").unlink()
    assert (cat, saved, list(home.iterdir())) == ("Egyptian cat", "squeezenet1_1", [])
    assert refused.startswith("CourseError") and f"{home}/mine.pt" in refused and "choose another folder" in refused


def test_a_system_of_few_letters(copy, tmp_path, photo):
    """For it, a name in a program's text may not exist; one that is handed over does."""
    letters, kept = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}, tmp_path / "ü.pt"
    program = TOUR.replace("sys.argv[1:]", r"[*sys.argv[1:], '\xfc.pt']")
    cat, saved, refused = run(copy, "-c", program, str(kept), **letters)
    assert (cat, saved, kept.exists()) == ("Egyptian cat", "squeezenet1_1", True)
    assert refused.startswith("CourseError") and "cannot be written" in refused
    photo.save(tmp_path / "süße Katze.jpg")
    (said,) = run(copy, "-m", "helpers", "classify", "squeezenet1_1", str(tmp_path / "süße Katze.jpg"), **letters)
    assert "Katze.jpg: " in said and "cat" in said
    assert "This machine has what the course needs." in run(copy, "-m", "helpers", **letters)


def test_another_helpers_on_the_path_of_a_server_does_not_stop_the_check(copy, tmp_path):
    path = str(foreign(tmp_path / "another"))
    assert "This machine has what the course needs." in run(copy, "-m", "helpers", PYTHONPATH=path)


def test_two_kernels_with_one_torch_home(copy, tmp_path):
    """Both save and read the same file at once, again and again: never half of one, never of both."""
    program = (
        "import sys, torch; from helpers import files\n"
        "for _ in range(30):\n"
        "    files.save({'a': torch.full((50_000,), float(sys.argv[1]))}, '~/shared.pt')\n"
        "    assert len(files.load_state_dict('~/shared.pt')['a'].unique()) == 1\n"
        "print('done')"
    )
    with ThreadPoolExecutor(2) as pool:
        ended = pool.map(lambda number: run(copy, "-c", program, number, HOME=str(tmp_path)), "12")
        assert list(ended) == [["done"], ["done"]]
    assert [path.name for path in tmp_path.iterdir()] == ["shared.pt"]


# ---- few cores, in a container ----


@pytest.mark.parametrize(
    ("group", "limits", "cores"),
    [
        pytest.param("0::/", {"cpu.max": "200000 100000"}, 2, id="two"),
        pytest.param("0::/", {"cpu.max": "50000 100000"}, 1, id="a half"),
        pytest.param("0::/", {"cpu.max": "250000 100000"}, 3, id="two and a half"),
        pytest.param("0::/", {"cpu.max": "max 100000"}, 64, id="no limit"),
        pytest.param("0::/", {"cpu.max": ""}, 64, id="empty"),
        pytest.param("0::/", {}, 64, id="no such file"),
        pytest.param("0::/a/b", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3, id="of a group above"),
        pytest.param(
            "1:cpu:/a", {"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"}, 4, id="first version"
        ),
        pytest.param(
            "1:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64, id="first, none"
        ),
        pytest.param("0::/", {"cpu.max": "9900000 100000"}, 64, id="more than there are"),
    ],
)
def test_a_containers_cores_are_seen(group, limits, cores, tmp_path, monkeypatch):
    for name, content in limits.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    (tmp_path / "own").write_text(group + "\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert machine.cores(tmp_path / "fs", tmp_path / "own") == cores


@pytest.mark.parametrize(("cores", "most"), [(1, 1), (3, 3), (64, 16)])
def test_no_more_photographs_are_decoded_at_once_than_there_are_cores(cores, most, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: cores)
    inside, highest, lock = [0], [0], threading.Lock()

    def transform(image: torch.Tensor) -> torch.Tensor:
        with lock:
            inside[0] += 1
            highest[0] = max(highest[0], inside[0])
        time.sleep(0.02)
        with lock:
            inside[0] -= 1
        return image.float()

    data = datasets.Arrays(torch.zeros(40, 3, 4, 4, dtype=torch.uint8), torch.zeros(40), ["a"])
    assert sum(len(batch.indices) for batch in datasets.batches(data, transform, 40)) == 40
    assert highest[0] <= most and (highest[0] > 1 or cores == 1)
