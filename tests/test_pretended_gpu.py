"""What a machine without a GPU can say of one: that tensors and networks are moved to it and back, where they must."""

import subprocess
import sys

import nbformat
import pytest
import torch

from helpers import ROOT

pytestmark = pytest.mark.skipif(
    not hasattr(torch._C, "_ensureCUDADeviceGuardSet"), reason="this release of PyTorch cannot pretend"
)

RIGHT = """
import torch
from helpers import bundled, datasets, device, evaluation, pretrained, training, transfer
assert device.accelerator().type == "cuda"
network = pretrained.load("squeezenet1_1").at(64)
animals = bundled.animal_shapes()[1].subset(slice(0, 1600, 50))
logits = evaluation.predict(network, animals).logits
assert next(network.model.parameters()).device.type == "cpu" == logits.device.type
images, labels = datasets.load_images(animals, network.preprocess)[:2]
network.model.to(device.accelerator())
assert torch.allclose(network(images), logits, atol=1e-3)
model = pretrained.with_head(network.model, 10)
frozen = transfer.freeze_(model, "features.7")
optimizer = torch.optim.SGD([one for one in frozen.parameters() if one.requires_grad], 0.001)
before = training.evaluate(frozen.cpu(), images, labels).loss
history = training.train(frozen, optimizer, (images, labels), steps=10, measure_every=10, seed=0)
assert history.train[-1].loss < before
for cut in ("features.7", None):
    tuned = transfer.fine_tune(network, (images, labels), categories=animals.categories, cut=cut, lr=1e-3, steps=2)
    assert tuned.network(images).shape == (32, 10)
assert transfer.embed(network, animals).layers["classifier.0"].shape == (32, 512)
"""
WRONG = """
image = network.preprocess(animals.rgb())[:1]
network.model(image)
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
