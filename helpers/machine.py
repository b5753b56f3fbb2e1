"""What this machine has and lacks for the course, and the cure for what it lacks."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from helpers import ROOT

MEMORY_GB = 3  # a notebook needs 1 to 2, and the browser wants some
DISK_GB = 1
INSTALL = f'run "{Path(sys.executable).name} -m pip install -r requirements.txt"'

OK, OPTIONAL, MISSING = "ok", "optional", "missing"


class Finding(NamedTuple):
    """One row of the check: what was looked at, OK, OPTIONAL or MISSING, what was found, and the cure if not OK."""

    what: str
    state: str
    found: str
    cure: str = ""


def check() -> list[Finding]:
    """Look at Python, packages, memory, accelerator, weights and data; downloads nothing and never raises."""
    version = platform.python_version()
    python = OK if sys.version_info >= (3, 11) else MISSING
    findings = [Finding("Python", python, version, "install Python 3.11 or later and start again"), _packages()]
    if findings[-1].state == OK:
        import psutil

        memory, disk = psutil.virtual_memory().available, shutil.disk_usage(ROOT).free
        findings.append(_enough("memory", memory, MEMORY_GB, "close other programs"))
        findings.append(_enough("disk", disk, DISK_GB, "delete something"))
        findings += [_accelerator(), *_weights_and_data()]
    return findings


def report(findings: list[Finding]) -> str:
    """The findings as a table of text, each cure below its row, and one sentence of conclusion."""
    widths = [max(len(finding[column]) for finding in findings) for column in range(2)]
    lines = []
    for finding in findings:
        lines.append(f"{finding.what:{widths[0]}}  {finding.state:{widths[1]}}  {finding.found}")
        if finding.state != OK:
            lines.append(f"{'':{sum(widths) + 2}}  → {finding.cure}")
    missing = [finding.what for finding in findings if finding.state == MISSING]
    lines.append("\nThis machine has what the course needs." if not missing else f"\nMissing: {', '.join(missing)}.")
    return "\n".join(lines)


def _packages() -> Finding:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return Finding("packages", MISSING, "packaging is not installed", INSTALL)
    lines = [line.partition("#")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()]
    wanted = [Requirement(line) for line in lines if line.strip()]
    wrong = []
    for requirement in wanted:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    if wrong:
        return Finding("packages", MISSING, "; ".join(wrong), INSTALL)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "torchvision"))
    return Finding("packages", OK, f"all {len(wanted)} of requirements.txt, with {versions}")


def _enough(what: str, free: int, needed: int, cure: str) -> Finding:
    state = OK if free >= needed * 2**30 else MISSING
    return Finding(what, state, f"{free / 2**30:.0f} GiB free", f"{cure} until {needed} GiB are free")


def _accelerator() -> Finding:
    import torch

    from helpers import device

    best = device.accelerator()
    if best.type == "cpu":
        cores = f"none; PyTorch computes on {torch.get_num_threads()} CPU cores"
        return Finding("accelerator", OPTIONAL, cores, "none needed; a CUDA GPU or an Apple chip would be used")
    return Finding("accelerator", OK, torch.cuda.get_device_name(best) if best.type == "cuda" else "Apple GPU")


def _weights_and_data() -> list[Finding]:
    from helpers import bundled, datasets, files, pretrained
    from helpers.errors import CourseError

    def look(what: str, find: Callable[[], str], cure: str = INSTALL) -> Finding:
        try:
            return Finding(what, OK, find())
        except CourseError as error:
            return Finding(what, MISSING, str(error), cure)

    findings = [
        look(f"weights of {name}", lambda name=name: pretrained.load(name).source) for name in pretrained.EMBEDDED
    ]
    folder = pretrained.weights_file("alexnet").parent
    cached = [name for name in pretrained.FROM_TORCHVISION if files.exists(pretrained.weights_file(name))]
    absent = [name for name in pretrained.FROM_TORCHVISION if name not in cached]
    if cached:
        findings.append(Finding("weights of torchvision", OK, f'{", ".join(cached)} in "{folder}"'))
    if absent:
        cure = f'none needed; downloaded into "{folder}" where a notebook asks for them'
        findings.append(Finding("weights of torchvision", OPTIONAL, f"without {', '.join(absent)}", cure))
    findings += [
        look("labelled photographs", lambda: f"{len(bundled.labelled_photos())}"),
        look("free photographs", lambda: f"{len(bundled.free_photos())}"),
        look("animal silhouettes", lambda: f"{sum(map(len, bundled.animal_shapes())):,}"),
    ]
    cure = "none needed; set IMAGENET_DIR to the folder of the validation set, if you have it"
    if "IMAGENET_DIR" not in os.environ:
        return [*findings, Finding("ImageNet photographs", OPTIONAL, "not set", cure)]
    return [*findings, look("ImageNet photographs", lambda: f"{len(datasets.imagenet_folder()):,}", cure)]
