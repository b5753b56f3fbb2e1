"""How long computations take on one core of the CPU, measured so that other programs hardly count."""

import statistics
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch

Name = TypeVar("Name", bound=Hashable)


def cpu_time(computations: dict[Name, Callable[[], Any]], rounds: int = 7) -> dict[Name, float]:
    """The median time in seconds of each computation over `rounds` in turns, after one round that is not counted.

    On one core, and the time for which this process computed, whatever other programs did meanwhile. (Two threads wait
    for each other: where another program holds one of two cores, they took up to a hundred times as long.) No gradients
    are kept.
    """
    measured = {name: [] for name in computations}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(1 + rounds):
                for name, compute in computations.items():
                    start = time.process_time()
                    compute()
                    measured[name].append(time.process_time() - start)
    finally:
        torch.set_num_threads(before)
    return {name: statistics.median(times[1:]) for name, times in measured.items()}
