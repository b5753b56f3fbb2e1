"""Several processes that compute together, as the GPUs of one machine do; all of them end when one fails."""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn import functional

from helpers.errors import CourseError

LOOPBACK = {"Linux": "lo", "Darwin": "lo0"}.get(platform.system())


def gradient_of_share(
    rank: int, processes: int, module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> dict[str, torch.Tensor]:
    """What one of the processes does in a data-parallel step: the gradient of its share, averaged with the others'.

    The shares must be of one size, so that the mean of their means is the mean of the batch.
    """
    device = device_of(rank)
    module.to(device)
    own = slice(rank, None, processes)
    loss = functional.cross_entropy(module(images[own].to(device)), labels[own].to(device))
    loss.backward()
    for parameter in module.parameters():
        dist.all_reduce(parameter.grad)  # waits for the other processes; now it is their sum, in each of them
        parameter.grad /= processes
    return {name: parameter.grad.cpu() for name, parameter in module.named_parameters()}


def run(work: Callable[..., Any], *arguments: Any, processes: int = 2, seconds: float = 120) -> list[Any]:
    """The results of `work(rank, processes, *arguments)` for rank 0, 1, …, each computed in a process of its own.

    The processes can reach each other through torch.distributed: by NCCL where each has its own CUDA GPU, else by Gloo
    on the CPU. `work` must be a function of a module, since each process imports it anew; arguments and results are
    pickled. However this ends, no process is left behind. Raises CourseError when one fails or when the time is up.
    """
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, end = Path(name), time.monotonic() + seconds
        team = [
            spawn.Process(target=_process, args=(rank, processes, folder, seconds, work, arguments), daemon=True)
            for rank in range(processes)
        ]
        try:
            for process in team:
                process.start()
            while any(process.exitcode is None for process in team):
                if time.monotonic() >= end:
                    raise CourseError(f"{processes} processes were stopped after {seconds:g} seconds: allow them more.")
                wait([process.sentinel for process in team if process.exitcode is None], timeout=0.2)
                if any(process.exitcode for process in team):
                    break
            _require_success([process.exitcode for process in team], folder)
        finally:
            for process in team:
                if process.pid:
                    process.kill()
                    process.join()
        # written by this program's own processes, into a folder that only this user may enter
        return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(processes)]


def _require_success(exit_codes: list[int | None], folder: Path) -> None:
    """Name the process that failed first: the others then fail too, for want of it."""
    reasons = sorted(folder.glob("*.failed"), key=lambda path: path.stat().st_mtime_ns)
    for rank, code in enumerate(exit_codes):
        if code and (code < 0 or not reasons):
            raise CourseError(f"Process {rank} was killed (exit code {code}), so all were stopped: is memory short?")
    if reasons:
        raise CourseError(f"Process {reasons[0].stem} failed, so all were stopped ({reasons[0].read_text()}).")


def device_of(rank: int) -> torch.device:
    """The device of one process: a CUDA GPU of its own where NCCL is in use, else the CPU."""
    return torch.device("cuda", rank) if dist.get_backend() == "nccl" else torch.device("cpu")


def _process(
    rank: int, processes: int, folder: Path, seconds: float, work: Callable[..., Any], arguments: tuple
) -> None:
    try:
        if (
            LOOPBACK
        ):  # else Gloo asks for the address of this machine's name, which a machine without a network may lack
            os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
        backend = "nccl" if torch.cuda.device_count() >= processes and dist.is_nccl_available() else "gloo"
        store, patience = dist.FileStore(str(folder / "meeting_point"), processes), timedelta(seconds=seconds)
        dist.init_process_group(backend, store=store, rank=rank, world_size=processes, timeout=patience)
        torch.save(work(rank, processes, *arguments), folder / f"{rank}.pt")
        dist.barrier()
        dist.destroy_process_group()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
        (folder / f"{rank}.failed").write_text(reason)
        sys.exit(1)  # quietly: `run` says why
