"""What the tests share: a photograph, the networks, and a place for checkpoints."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import ipywidgets
import pytest
import torch
from PIL import Image

from helpers import bundled, evaluation, files, plotting, pretrained
from tests.bad_input import Place


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A photograph of a cat, 451 x 300 pixels, RGB."""
    return bundled.free_photos()[0][0]


@pytest.fixture(scope="session")
def networks() -> dict[str, pretrained.Network]:
    return {name: pretrained.load(name) for name in pretrained.EMBEDDED}


@pytest.fixture(scope="session")
def predictions(networks) -> dict[str, evaluation.Predictions]:
    """What each embedded network says about the 20 labelled photographs."""
    return {name: evaluation.predict(network, bundled.labelled_photos()) for name, network in networks.items()}


@pytest.fixture
def place(tmp_path, monkeypatch, photo, networks, publish) -> Place:
    """An empty folder for bad input; servers that do not answer are given up after a second."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.setattr(files, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(files, "STALL_SECONDS", 1)
    return Place(folder, monkeypatch, photo.resize((60, 40)), networks["squeezenet1_1"], publish)


@pytest.fixture
def tells(capsys) -> Callable[[Callable, Callable, str], None]:
    """Ask the check of an exercise about a wrong answer: it must name the mistake, in one line."""

    def ask(check: Callable, answer: Callable, mistake: str) -> None:
        check(answer)
        said = capsys.readouterr().out
        assert said.startswith("wrong: ") and mistake in said and said.count("\n") == 1

    return ask


@pytest.fixture
def displayed(monkeypatch):
    """What would be displayed: a list of its forms."""
    shown = []
    monkeypatch.setattr(plotting, "display", lambda bundle, raw: shown.append(bundle))
    return shown


@pytest.fixture
def panel(displayed):
    """The widget that was displayed last."""

    def find():
        model = displayed[-1]["application/vnd.jupyter.widget-view+json"]["model_id"]
        return ipywidgets.widget_serialization["from_json"](f"IPY_MODEL_{model}", None)

    return find


@pytest.fixture
def tree(tmp_path, photo):
    """Make a tree of folders with the same small photograph under each of the given paths."""
    content = tmp_path / "photo.jpg"
    photo.resize((60, 40)).save(content)

    def plant(*paths: str):
        for path in paths:
            target = tmp_path / "tree" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read_bytes())
        return tmp_path / "tree"

    return plant


@pytest.fixture
def publish(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Put a checkpoint where `pretrained` looks for torchvision's, under a name that carries its SHA-256."""

    def save(state: dict[str, torch.Tensor], **options) -> Path:
        path = tmp_path / "checkpoint.pth"
        torch.save(state, path, **options)
        path = path.rename(tmp_path / f"network-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")
        monkeypatch.setattr(pretrained, "weights_file", lambda name: path)
        return path

    return save
