"""Several processes that compute together, as the GPUs of one machine do; all of them end when one fails."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import multiprocessing, nn

from helpers.errors import CourseError

# The interface for Gloo: by default it looks up the machine's name, which without a network may have no address.
LOOPBACK = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
FAILED = 3  # the exit code of a process whose work raised an exception


def gradient_of_share(
    rank: int, processes: int, model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> dict[str, torch.Tensor]:
    """What one of the processes does in a data-parallel step.

    The gradient of its share of the batch, averaged with the gradients of the others.
    The shares must be of one size: then the mean of their means is the batch's mean.
    """
    device = device_of(rank)
    model.to(device)
    share = slice(rank, None, processes)
    logits = model(images[share].to(device))
    F.cross_entropy(logits, labels[share].to(device)).backward()
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad)  # waits for the others; now it is the sum
        parameter.grad /= processes
    return {name: parameter.grad.cpu() for name, parameter in model.named_parameters()}


def device_of(rank: int) -> torch.device:
    """The device of one process: a CUDA GPU of its own where NCCL is in use, else the CPU."""
    return torch.device("cuda", rank) if dist.get_backend() == "nccl" else torch.device("cpu")


def run(work: Callable, *arguments: object, processes: int = 2, seconds: float = 300) -> list:
    """The results of `work(rank, processes, *arguments)` for rank 0, 1, …, each computed in a process of its own.

    The processes can reach each other through torch.distributed: by NCCL where each has its own CUDA GPU, else by Gloo
    on the CPU. `work` must be a function of a module, since each process imports it anew; arguments and results are
    pickled. However this ends, no process is left behind. Raises CourseError when one fails or when the time is up.
    """
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        team = multiprocessing.spawn(_process, (processes, folder, work, arguments), processes, join=False, daemon=True)
        try:
            while None in (codes := [process.exitcode for process in team.processes]) and not any(codes):
                running = [team.processes[rank].sentinel for rank, code in enumerate(codes) if code is None]
                if not connection.wait(running, max(0.0, end - time.monotonic())):
                    raise CourseError(f"{processes} processes were stopped after {seconds:g} seconds: allow them more.")
            for rank, code in enumerate(codes):  # the killed one first: for want of it the others fail
                if code not in (None, 0, FAILED):
                    raise CourseError(f"Process {rank} was killed (exit code {code}), so all were stopped: low memory?")
            if FAILED in codes:
                raise CourseError(Path(folder, "failed").read_text().splitlines()[0])
        finally:
            for process in team.processes:
                process.kill()
                process.join()
        # written by this program's own processes, into a folder that only this user may enter
        return [torch.load(f"{folder}/{rank}.pt", weights_only=False) for rank in range(processes)]


def _process(rank: int, processes: int, folder: str, work: Callable, arguments: tuple) -> None:
    try:
        if LOOPBACK:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
        backend = "nccl" if torch.cuda.device_count() >= processes and dist.is_nccl_available() else "gloo"
        store = dist.FileStore(f"{folder}/meeting_point", processes)
        dist.init_process_group(backend, store=store, rank=rank, world_size=processes)
        torch.save(work(rank, processes, *arguments), f"{folder}/{rank}.pt")
        dist.barrier()
        dist.destroy_process_group()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
        with Path(folder, "failed").open("a") as file:  # whose first line is of the process that failed first
            file.write(f"Process {rank} failed, so all were stopped ({reason}).\n")
        sys.exit(FAILED)
