import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from helpers import device


def test_the_fastest_device_of_this_machine_is_chosen():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert device.accelerator().type == best


@pytest.mark.parametrize(("kind", "best"), [("cuda", "cuda"), ("mps", "mps"), ("xpu", "cpu")])
def test_cuda_and_mps_are_used_and_accelerators_that_the_course_does_not_know_are_not(monkeypatch, kind, best):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device(kind))
    assert device.accelerator().type == best


def test_the_same_seed_repeats_the_numbers_of_python_numpy_and_torch():
    def draw(number: int) -> list[float]:
        device.seed(number)
        return [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002

    first, other = draw(1), draw(2)
    assert draw(1) == first
    assert all(one != two for one, two in zip(first, other, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only CUDA computes with 16 bits")
def test_mixed_precision_computes_close_to_float32():
    here = device.accelerator()
    images, kernels = torch.rand(2, 3, 8, 8), torch.rand(4, 3, 3, 3)
    with device.mixed_precision(here):
        computed = F.conv2d(images.to(here), kernels.to(here))
    assert computed.dtype == torch.bfloat16
    torch.testing.assert_close(computed.cpu().float(), F.conv2d(images, kernels), rtol=0.02, atol=0)


def test_mixed_precision_leaves_a_cpu_alone():
    """There bfloat16 is many times slower."""
    with device.mixed_precision(torch.device("cpu")):
        assert F.conv2d(torch.rand(1, 3, 8, 8), torch.rand(4, 3, 3, 3)).dtype == torch.float32


def test_full_precision_holds_within_its_context_and_no_longer():
    before = torch.backends.cudnn.conv.fp32_precision
    with pytest.raises(KeyboardInterrupt), device.full_precision():
        assert torch.backends.cudnn.conv.fp32_precision == "ieee" != before
        assert F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)).item() == 9
        raise KeyboardInterrupt
    assert torch.backends.cudnn.conv.fp32_precision == before
