"""The one place that knows about CUDA, Apple's MPS and the CPU."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


def accelerator() -> torch.device:
    """The fastest device there is to compute on: CUDA, MPS, or else the CPU."""
    present = torch.accelerator.current_accelerator(check_available=True)
    return present if present is not None and present.type in ("cuda", "mps") else torch.device("cpu")


def memory_format(device: torch.device) -> torch.memory_format:
    """How to lay out images [N, C, H, W]: channels last on CPU and CUDA, whose convolutions are faster so."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """A context for the forward pass: 16 bit on CUDA, where it pays; float32 elsewhere.

    Prefers bfloat16, which needs no loss scaling. On a CPU without instructions for it, bfloat16 is many times slower.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """A context in which CUDA's convolutions use all of float32, so that printed digits are those of a CPU.

    Otherwise cuDNN rounds the factors to 10 bits (TF32).
    """
    convolutions = torch.backends.cudnn.conv
    before, convolutions.fp32_precision = convolutions.fp32_precision, "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


def seed(number: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators, on every device, so that a run can be repeated."""
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002, libraries still draw from this global generator
    torch.manual_seed(number)
