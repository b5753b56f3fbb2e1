"""What a machine without a GPU can say of one: that tensors and networks are moved to it and back, where they must."""

import subprocess
import sys

import nbformat
import pytest
import torch

from helpers.machine import ROOT

pytestmark = pytest.mark.skipif(
    not hasattr(torch._C, "_ensureCUDADeviceGuardSet"), reason="this release of PyTorch cannot pretend"
)

RIGHT = """
import torch
from helpers import datasets, device, evaluation, pretrained, training, transfer
assert device.accelerator().type == "cuda"
network = pretrained.load("squeezenet1_1").at(64)
animals = datasets.animal_shapes()[1].part(slice(0, 1600, 50))
logits = evaluation.predict(network, animals).logits
assert next(network.module.parameters()).device.type == "cuda" and logits.device.type == "cpu"
assert torch.allclose(network(network.preprocess(animals.rgb())), logits, atol=1e-3)
module = transfer.freeze(transfer.with_head(network.module, 10), "features.7")
optimiser = torch.optim.SGD([one for one in module.parameters() if one.requires_grad], 0.001)
images = network.preprocess(animals.rgb())
before = training.evaluate(module.cpu(), images, animals.labels).loss
after = training.train(module, optimiser, (images, animals.labels), steps=10, every=10).training[-1].loss
assert after < before
assert transfer.embed(network, animals).values["classifier.0"].shape == (32, 512)
"""
WRONG = """
image = network.preprocess(animals.rgb())[:1]
network.module(image)
"""


def run(notebook, home):
    environment = {"PATH": "", "TORCH_HOME": str(home), "PYTHONPATH": str(ROOT), "HOME": str(home)}
    command = [sys.executable, ROOT / "tests/pretended_gpu.py", notebook]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_what_is_on_the_accelerator_may_not_be_mixed_with_what_is_not(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in (RIGHT, WRONG)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "cells.ipynb")
    ended = run(tmp_path / "cells.ipynb", tmp_path)
    assert "1 of 2 code cells failed" in ended.stderr, ended.stderr
    assert "code cell 1 fails" in ended.stderr and "to be on the same device" in ended.stderr


@pytest.mark.parametrize("name", ["00_start_here"])
def test_a_notebook_runs_on_it_unchanged(name, tmp_path):
    ended = run(ROOT / f"notebooks/{name}.ipynb", tmp_path)
    assert ended.returncode == 0, ended.stderr
