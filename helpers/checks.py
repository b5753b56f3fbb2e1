"""What the checks of exercises stand on. A check judges what the learner's answer computes, not how it is written.

It takes the learner's function and prints "not solved yet" where that returns nothing, "wrong" with the likely mistake,
or "right" with what that means. Each chapter has its checks in `helpers/chapters/<name>/exercises.py`.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from helpers.counting import FirstUse


class Wrong(Exception):
    """What a check raises for a wrong answer; its message names the likely mistake."""


class _Unsolved(Exception):
    pass


def exercise(check: Callable[[Callable], str]) -> Callable[[Callable], None]:
    """Turn `check(answer)`, which raises Wrong or returns a sentence about the right answer, into one that prints.

    The answer is handed clones of tensors, so that one that works in place changes nothing of the check's. What it
    raises is reported as wrong too, in one line, so that the notebook runs on.
    """

    @functools.wraps(check)
    def printing(answer: Callable) -> None:
        def attempt(*arguments: Any, **options: Any) -> Any:
            handed = tree_map_only(torch.Tensor, torch.clone, (arguments, options))
            result = answer(*handed[0], **handed[1])
            if result is None:
                raise _Unsolved
            return (
                torch.from_numpy(result) if isinstance(result, np.ndarray) and result.dtype.kind in "biuf" else result
            )

        try:
            print("right:", check(attempt))
        except _Unsolved:
            print(f"not solved yet: {answer.__name__} returns nothing.")
        except Wrong as mistake:
            print("wrong:", mistake)
        except Exception as error:  # whatever a learner's first attempt may raise
            reason = " ".join(str(error).split())
            print(f"wrong: {answer.__name__} stops with {type(error).__name__}: {reason}")

    return printing


def require(condition: bool, sentence: str) -> None:
    """Raise Wrong with `sentence` unless the condition holds."""
    if not condition:
        raise Wrong(sentence)


def close(given: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether two tensors have the same shape and, within rounding, the same values."""
    return given.shape == wanted.shape and torch.allclose(given.double(), wanted.double(), rtol=1e-4, atol=1e-4)


def name_the_mistake(
    given: torch.Tensor, wanted: torch.Tensor, mistakes: Iterable[tuple[str, torch.Tensor]], otherwise: str
) -> None:
    """Raise Wrong with the name of the mistake whose result `given` is, or `otherwise`, unless it is what is wanted."""
    if close(given, wanted):
        return
    for mistake, result in mistakes:
        require(not close(given, result), mistake)
    raise Wrong(otherwise)


@torch.no_grad()
def weights_in_use(block: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """The weights with which a learner's block computes, in the order in which it first uses them on input x.

    These are its parameters, and the running means and variances of its batch norms, filled with numbers as after
    training, so that two that are exchanged, or one that is left out, can be told from the block's output: a check
    computes with them what the block should, and with each likely mistake. The block is run once before, so that Lazy
    layers are complete, and left in evaluation mode. Weights [out, in] of linear layers are given as [out, in, 1, 1].
    Raises Wrong for what is no module, has no weights, or gives the same map two results in training mode (dropout).
    """
    require(isinstance(block, nn.Module), f"it returns a {type(block).__name__}, not a module: nn.Sequential is one.")
    once, again = block.train()(x.clone()), block(x.clone())
    require(isinstance(once, torch.Tensor), "its forward returns nothing: return the maps.")
    require(torch.equal(once, again), "two runs on the same map differ in training mode: leave dropout out.")
    block.eval()
    tensors = [each for each in [*block.parameters(), *block.buffers()] if each.is_floating_point()]
    require(bool(tensors), "it has no weights: layers in a plain list are not found; use nn.Sequential.")
    with seeded():
        for tensor in tensors:
            is_vector = tensor.numel() == max(tensor.shape, default=1)  # [C], or [C, 1, 1] in a hand-written norm
            tensor.uniform_(0.2, 1.2) if is_vector else tensor.normal_(0, tensor[0].numel() ** -0.5)
    used = []
    with FirstUse(tensors, used.append):
        block(x.clone())  # a ReLU that comes first may work in place
    return [each[..., None, None] if each.ndim == 2 else each for each in used]


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Within it random numbers are the same at each call; outside it the learner's own are not disturbed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
