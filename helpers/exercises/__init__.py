"""Checks of the exercises, a module for each chapter: each prints one line and neither passes nor fails the run.

A check takes the learner's function and says in one line how far it is:
    not solved yet: …    the function returns nothing, as its stub does
    wrong: …             and which mistake that looks like
    right: …             and what this result means
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn


class Wrong(Exception):
    """What a check raises for a wrong answer; its message names the likely mistake."""


class _Unsolved(Exception):
    pass


def exercise(check: Callable[[Callable], str]) -> Callable[[Callable], None]:
    """Turn `check(answer)`, which raises Wrong or returns a sentence about the right answer, into one that prints.

    What the learner's function `answer` raises is reported as wrong too, in one line, so that the notebook runs on.
    """

    @functools.wraps(check)
    def printing(answer: Callable) -> None:
        def attempt(*arguments: Any, **options: Any) -> Any:
            result = answer(*arguments, **options)
            if result is None:
                raise _Unsolved
            return result

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


def layers_in(block: Any) -> list[nn.Module]:
    """The layers of a learner's block, each as often as it stands there; Wrong where it is no module at all."""
    if not isinstance(block, nn.Module):
        raise Wrong(f"it returns a {type(block).__name__}, not a module: put the layers into nn.Sequential(*layers).")
    every = block.named_modules(remove_duplicate=False)  # one ReLU may serve twice
    return [module for _, module in every if not list(module.children())]


def name_the_mistake(
    given: torch.Tensor, wanted: torch.Tensor, mistakes: Iterable[tuple[str, torch.Tensor]], otherwise: str
) -> None:
    """Raise Wrong with the name of the mistake whose result `given` is, or `otherwise`, unless it is what is wanted."""

    def is_close(result: torch.Tensor) -> bool:
        return given.shape == result.shape and torch.allclose(given.double(), result.double(), rtol=1e-4, atol=1e-4)

    if is_close(wanted):
        return
    for mistake, result in mistakes:
        if is_close(result):
            raise Wrong(mistake)
    raise Wrong(otherwise)


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Within it random numbers are the same at each call; outside it the learner's own are not disturbed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
