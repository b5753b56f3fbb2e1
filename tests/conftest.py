"""What the tests share: a photograph, the networks, and a place for checkpoints."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers import datasets, evaluation, pretrained


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A photograph of a cat, 451 x 300 pixels, RGB."""
    return datasets.free_photos()[0][0]


@pytest.fixture(scope="session")
def networks() -> dict[str, pretrained.Network]:
    return {name: pretrained.load(name) for name in pretrained.EMBEDDED}


@pytest.fixture(scope="session")
def predictions(networks) -> dict[str, evaluation.Predictions]:
    """What each embedded network says about the 20 labelled photographs."""
    return {name: evaluation.predict(network, datasets.labelled_photos()) for name, network in networks.items()}


@pytest.fixture
def tells(capsys) -> Callable[[Callable, Callable, str], None]:
    """Ask the check of an exercise about a wrong answer: it must name the mistake, in one line."""

    def ask(check: Callable, answer: Callable, mistake: str) -> None:
        check(answer)
        said = capsys.readouterr().out
        assert said.startswith("wrong: ") and mistake in said and said.count("\n") == 1

    return ask


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
