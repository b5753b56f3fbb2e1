"""What this machine has and lacks for the course, the cure for what it lacks, and how long the course computes here."""

import contextlib
import importlib.metadata
import math
import os
import platform
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from helpers import ROOT

if TYPE_CHECKING:
    from packaging.requirements import Requirement

MEMORY_GB = 3  # a notebook needs 1 to 2, and the browser wants some
DISK_GB = 1
TO_OPEN = ("jupyterlab", "jupyterlab-slideshow")  # those of requirements.txt that open notebooks
INSTALL = f'run "{Path(sys.executable).name} -m pip install -r requirements.txt"'
INSTALL_ALL = INSTALL.replace("requirements", "requirements-test")  # for the tests, and to publish the course
CGROUPS = Path("/sys/fs/cgroup")
WIDTH = 79  # of a terminal, and of a page of the book
COURSE_MINUTES, PASS_SECONDS, MARGIN = 11, 0.100, (0.7, 1.4)  # all notebooks and `_computing` on one core, and how sure

OK, OPTIONAL, MISSING = "ok", "optional", "missing"


class Finding(NamedTuple):
    """One row of the check: what was looked at, OK, OPTIONAL or MISSING, what was found, and the cure if not OK."""

    what: str
    state: str
    found: str
    cure: str = ""


def check() -> list[Finding]:
    """Look at Python, packages, memory, accelerator, speed, weights and data; downloads nothing and never raises."""
    version = platform.python_version()
    python = OK if sys.version_info >= (3, 11) else MISSING
    findings = [Finding("Python", python, version, "install Python 3.11 or later and start again"), *_packages()]
    if findings[1].state == OK:
        import psutil

        memory = min(psutil.virtual_memory().available, left_in_container())
        findings.append(_enough("memory", memory, MEMORY_GB, "close other programs"))
        findings.append(_enough("disk", shutil.disk_usage(ROOT).free, DISK_GB, "delete something"))
        try:
            import torch  # noqa: F401, seconds, and by far the largest
        except (ImportError, OSError) as error:
            return [*findings, Finding("PyTorch", MISSING, f"does not load ({error})", INSTALL)]
        findings += [*_computing(), *_weights_and_data()]
    return findings


def report(findings: list[Finding]) -> str:
    """The findings as a table of text, each cure below its row, and one sentence of conclusion."""
    widths = [max(len(finding[column]) for finding in findings) for column in range(2)]
    lines = []
    for what, state, found, cure in findings:
        row = f"{what:{widths[0]}}  {state:{widths[1]}}  "
        lines.append(_wrapped(found, row, " " * len(row)))
        if state != OK:
            lines.append(_wrapped(cure, "    -> ", " " * 7))
    missing = [finding.what for finding in findings if finding.state == MISSING]
    lines.append("\nThis machine has what the course needs." if not missing else f"\nMissing: {', '.join(missing)}.")
    return "\n".join(lines)


def _wrapped(text: str, first: str, others: str) -> str:
    """Text in lines of WIDTH behind those margins; a command or a path, in double quotes, is never broken."""
    whole = re.sub('"[^"]*"', lambda quoted: quoted[0].replace(" ", "\0"), text)
    wrapper = textwrap.TextWrapper(WIDTH, first, others, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(whole).replace("\0", " ")


def requirements() -> "list[Requirement]":
    """What requirements.txt asks for."""
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in (line.partition("#")[0] for line in lines) if line.strip()]


def control_groups(kind: str, root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> Iterator[tuple]:
    """The folders of this process's control groups (a container, a server's limit for each user) that limit its `kind`.

    And for each whether it is of the first version of control groups, which has other files in it.
    """
    for line in own.read_text().splitlines() if own.exists() else []:
        _, kinds, group = line.split(":", 2)
        if not kinds or kind in kinds.split(","):
            base = root / kind if kinds else root
            inner = base / group.lstrip("/")
            for folder in (inner, *inner.parents):  # a container sees its own group as the root
                if folder == base or base in folder.parents:
                    yield folder, bool(kinds)


def left_in_container(*places: Path) -> float:
    """Bytes of memory that this process's control groups leave it; often inf."""
    left = math.inf
    for folder, is_first in control_groups("memory", *places):
        limit, used = ("limit_in_bytes", "usage_in_bytes") if is_first else ("max", "current")
        with contextlib.suppress(OSError, ValueError):  # no limit is the word "max", or no file
            statistics = dict(each.split() for each in (folder / "memory.stat").read_text().splitlines())
            droppable = int(statistics.get("total_inactive_file", statistics.get("inactive_file", 0)))
            most, used = (int((folder / f"memory.{name}").read_text()) for name in (limit, used))
            left = min(left, most - used + droppable)
    return left


def cores(*places: Path) -> int:
    """The CPU cores that this process may use: those it is bound to, or as many as its control groups give it."""
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder, is_first in control_groups("cpu", *places):
        names = ("cfs_quota_us", "cfs_period_us") if is_first else ("max",)
        with contextlib.suppress(OSError, ValueError):  # as above
            quota, period = map(int, " ".join((folder / f"cpu.{name}").read_text() for name in names).split())
            most = min(most, math.ceil(quota / period)) if quota > 0 else most
    return most


def _packages() -> list[Finding]:
    try:
        wanted = requirements()
    except ImportError:
        return [Finding("packages", MISSING, "packaging is not installed", INSTALL)]
    wrong = {each: lack for each in wanted if (lack := _lack(each))}
    to_run = [each for each in wrong if each.name not in TO_OPEN]
    findings = []
    if to_run:
        cure = INSTALL
        if "COLAB_RELEASE_TAG" in os.environ:  # whose own packages must stay as they are
            cure = f'run "!pip install --no-deps {" ".join(map(str, to_run))}"'
        findings.append(Finding("packages", MISSING, "; ".join(wrong[each] for each in to_run), cure))
    else:
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "torchvision"))
        findings.append(Finding("packages", OK, f"all {len(wanted) - len(wrong)}, with {versions}"))
    if len(to_run) < len(wrong):
        cure = f"{INSTALL} (none needed in Colab and VS Code)"
        found = "; ".join(lack for each, lack in wrong.items() if each.name in TO_OPEN)
        findings.append(Finding("JupyterLab", OPTIONAL, found, cure))
    return findings


def _lack(requirement: "Requirement") -> str:
    """What is wrong with one package here; nothing if it is right."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} is {version}, not {requirement.specifier}"


def _enough(what: str, free: int, needed: int, cure: str) -> Finding:
    state = OK if free >= needed * 2**30 else MISSING
    return Finding(what, state, f"{free / 2**30:.0f} GiB free", f"{cure} until {needed} GiB are free")


def _computing() -> list[Finding]:
    """The GPU, and how long all notebooks will compute without one, by less than a second of SqueezeNet."""
    import torch

    from helpers import catalogue, device, timing

    best, found = device.accelerator(), f"none; PyTorch uses {torch.get_num_threads()} of the CPU's cores"
    if best.type != "cpu":
        found = torch.cuda.get_device_name(best) if best.type == "cuda" else "Apple GPU"
    cure = "none needed: the notebooks are made for CPUs. An NVIDIA GPU or an Apple chip would be used by itself, "
    cure += "where networks are trained or judge photographs: worth it once you have thousands of photographs"
    gpu = Finding("GPU", OPTIONAL if best.type == "cpu" else OK, found, cure)
    model, images = catalogue.build("squeezenet1_1", "cpu"), torch.zeros(8, 3, 224, 224)
    start, before = time.perf_counter(), time.process_time()
    slower = timing.cpu_time({"pass": lambda: model(images)}, rounds=5)["pass"] / PASS_SECONDS
    busy = (time.perf_counter() - start) / max(time.process_time() - before, 0.01)
    low, high = (round(COURSE_MINUTES * slower * factor) for factor in MARGIN)
    low, high = max(1, low), max(2, high)
    cure = f"the CPU is busy: at present about {busy:.0f} times as long; close other programs (or a server limits you)"
    found = f"{low} to {high} minutes of computing on the CPU for all notebooks"
    return [gpu, Finding("time", OK if busy < 1.5 else OPTIONAL, found, cure)]


def _weights_and_data() -> list[Finding]:
    from helpers import bundled, datasets, files, pretrained
    from helpers.errors import CourseError

    def look(what: str, find: Callable[[], str], cure: str = INSTALL) -> Finding:
        try:
            return Finding(what, OK, find())
        except CourseError as error:
            return Finding(what, MISSING, str(error), cure)

    names = pretrained.FROM_TORCHVISION
    cached = sum(files.exists(pretrained.weights_file(name)) for name in names)
    findings = [look(name, lambda name=name: pretrained.load(name).source) for name in pretrained.EMBEDDED]
    cure = "none needed; a notebook that asks for one downloads it"
    state = OK if cached == len(names) else OPTIONAL
    findings += [
        Finding("torchvision", state, f"{cached} of {len(names)} networks downloaded", cure),
        look("photographs", lambda: f"{len(bundled.labelled_photos())} with labels, {len(bundled.free_photos())} more"),
        look("animal silhouettes", lambda: f"{sum(map(len, bundled.animal_shapes())):,} images"),
    ]
    cure = "none needed; set IMAGENET_DIR to the folder of the validation set, if you have it"
    if "IMAGENET_DIR" not in os.environ:
        return [*findings, Finding("ImageNet photographs", OPTIONAL, "no folder given", cure)]
    return [*findings, look("ImageNet photographs", lambda: f"{len(datasets.imagenet_folder()):,}", cure)]
