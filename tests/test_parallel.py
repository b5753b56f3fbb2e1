"""Data-parallel processes: the same gradient as one process, and nothing left behind when one fails."""

import os
import signal
import time

import psutil
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional

from helpers import parallel
from helpers.errors import CourseError


def one_fails_while_the_other_waits(rank, processes):
    if rank == 1:
        raise ValueError("no luck")
    dist.barrier()


def one_is_killed_while_the_other_waits(rank, processes):
    if rank == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


def both_wait_for_ever(rank, processes):
    time.sleep(1000)


@pytest.fixture(autouse=True)
def no_process_is_left():
    def offspring():
        children = psutil.Process().children()
        return {child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline())}

    before = offspring()
    yield
    assert offspring() == before


def test_the_gradient_of_two_processes_is_that_of_one():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    images, labels = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 2, 2, 1, 1])
    functional.cross_entropy(module(images), labels).backward()
    both = parallel.run(parallel.gradient_of_share, module, images, labels)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(both[0][name], parameter.grad)
        assert torch.equal(both[0][name], both[1][name])
    own_share = torch.autograd.grad(functional.cross_entropy(module(images[::2]), labels[::2]), module[3].weight)[0]
    assert not torch.allclose(own_share, both[0]["3.weight"], rtol=0.01)


def test_when_one_process_fails_the_other_is_stopped_and_the_reason_is_said():
    with pytest.raises(CourseError, match=r"Process 1 failed, so all were stopped \(ValueError: no luck\)\."):
        parallel.run(one_fails_while_the_other_waits)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_when_one_process_is_killed_the_other_is_stopped():
    with pytest.raises(CourseError, match=r"Process 0 was killed \(exit code -9\), so all were stopped"):
        parallel.run(one_is_killed_while_the_other_waits)


def test_processes_that_take_too_long_are_stopped():
    start = time.monotonic()
    with pytest.raises(CourseError, match="2 processes were stopped after 2 seconds: allow them more"):
        parallel.run(both_wait_for_ever, seconds=2)
    assert time.monotonic() - start < 10
