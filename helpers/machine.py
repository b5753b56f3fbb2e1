"""What this machine has and lacks for the course, and the cure for what it lacks."""

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
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
    findings = [Finding("Python", python, version, "install Python 3.11 or 3.12 and start again"), _packages()]
    if findings[-1].state == OK:
        findings += [_memory(), _disk(), _accelerator(), *_weights(), *_data()]
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
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
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


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available / 2**30
    state = OK if free >= MEMORY_GB else MISSING
    return Finding("memory", state, f"{free:.0f} GiB free", f"close other programs until {MEMORY_GB} GiB are free")


def _disk() -> Finding:
    free = shutil.disk_usage(ROOT).free / 2**30
    state = OK if free >= DISK_GB else MISSING
    return Finding("disk", state, f"{free:.0f} GiB free", f"delete something until {DISK_GB} GiB are free")


def _accelerator() -> Finding:
    import torch

    from helpers import device

    best = device.accelerator()
    if best.type == "cpu":
        cores = f"none; PyTorch computes on {torch.get_num_threads()} CPU cores"
        return Finding("accelerator", OPTIONAL, cores, "none needed; a CUDA GPU or an Apple chip would be used")
    name = torch.cuda.get_device_name(best) if best.type == "cuda" else "Apple GPU"
    return Finding("accelerator", OK, f"{best.type}: {name}")


def _weights() -> list[Finding]:
    from helpers import files, pretrained
    from helpers.errors import CourseError

    findings = []
    for name in pretrained.EMBEDDED:
        try:
            found, state = pretrained.load(name).source, OK
        except CourseError as error:
            found, state = str(error), MISSING
        findings.append(Finding(f"weights of {name}", state, found, INSTALL))
    cached = [name for name in pretrained.FROM_TORCHVISION if files.is_there(pretrained.weights_file(name))]
    absent = [name for name in pretrained.FROM_TORCHVISION if name not in cached]
    folder = pretrained.weights_file("alexnet").parent
    if cached:
        findings.append(Finding("weights of torchvision", OK, f'{", ".join(cached)} in "{folder}"'))
    if absent:
        cure = f'none needed; downloaded into "{folder}" where a notebook asks for them'
        findings.append(Finding("weights of torchvision", OPTIONAL, f"without {', '.join(absent)}", cure))
    return findings


def _data() -> list[Finding]:
    from helpers import datasets
    from helpers.errors import CourseError

    findings = []
    for what, count in {
        "labelled photographs": lambda: len(datasets.labelled_photos()),
        "free photographs": lambda: len(datasets.free_photos()),
        "animal silhouettes": lambda: sum(len(part.labels) for part in datasets.animal_shapes()),
    }.items():
        try:
            found, state = f"{count():,}", OK
        except CourseError as error:
            found, state = str(error), MISSING
        findings.append(Finding(what, state, found, INSTALL))
    folder = os.environ.get("IMAGENET_DIR")
    cure = "none needed; set IMAGENET_DIR to the folder of the validation set, if you have it"
    try:
        found, state = (f"{len(datasets.imagenet_folder()):,} in {folder}", OK) if folder else ("not set", OPTIONAL)
    except CourseError as error:
        found, state = str(error), MISSING
    return [*findings, Finding("ImageNet photographs", state, found, cure)]
