"""Checks of 06's exercises."""

from collections.abc import Callable

import torch

from helpers.checks import exercise, name_the_mistake, require


@exercise
def softmax_with_temperature(answer: Callable[[torch.Tensor, float], torch.Tensor]) -> str:
    """`answer(logits, temperature)`: probabilities of each row of logits [N, classes]."""
    logits = torch.tensor([[1.0, 2.0, 4.0], [300.0, 0.0, 0.0]])
    given, wanted = answer(logits, 2.0), (logits / 2).softmax(dim=1)
    require(not given.isnan().any(), "large logits overflow to NaN: subtract each row's largest logit before exp.")
    mistakes = [
        ("the temperature divides the logits; you multiplied by it.", (logits * 2).softmax(dim=1)),
        ("each row is one photograph: sum over dim=1, the classes.", (logits / 2).softmax(dim=0)),
    ]
    name_the_mistake(given, wanted, mistakes, "the rows are not softmax(logits / temperature).")
    return "a high temperature makes guesses more alike, a low one makes the first guess surer."


@exercise
def mean_class_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(guesses, labels)`, both int64 [N]: the error of each class that occurs, averaged over these classes."""
    labels, guesses = torch.tensor([[0, 0, 0, 0, 0, 0, 2, 2, 3], [0, 0, 0, 0, 0, 3, 2, 0, 1]])
    given = torch.as_tensor(answer(guesses, labels))
    errors = torch.tensor([1 / 6, 1 / 2, 1])  # of the classes 0, 2 and 3
    mistakes = [
        ("that is the error over all photographs, in which large classes count more.", torch.tensor(3 / 9)),
        ("that is an accuracy: the error is the share of wrong guesses.", 1 - errors.mean()),
        ("average over the classes that occur as labels: class 1 has no photograph.", errors.sum() / 4),
    ]
    name_the_mistake(given, errors.mean(), mistakes, "it is not the mean of the classes' errors 1/6, 1/2 and 1.")
    return "a rare class now counts as much as a common one."


@exercise
def calibration_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(confidence, right)`, float and bool [N]: the expected calibration error with ten bins of equal width."""
    confidence = torch.tensor([0.95, 0.91, 0.93, 0.97, 0.55, 0.52, 0.15])
    right = torch.tensor([True, False, True, False, True, True, False])
    given = torch.as_tensor(answer(confidence, right))
    gaps, counts = torch.tensor([0.94 - 2 / 4, 0.535 - 1, 0.15]), torch.tensor([4, 2, 1])  # of three bins
    wanted = (gaps.abs() * counts).sum() / 7
    mistakes = [
        ("weight each bin's gap by its photographs; you averaged the bins alike.", gaps.abs().mean()),
        ("take each gap's absolute value, or gaps cancel.", (gaps * counts).sum() / 7),
        ("group into bins first: you compared photographs one by one.", (confidence - right.float()).abs().mean()),
    ]
    name_the_mistake(given, wanted, mistakes, f"for this example the error is {wanted:.3f}, yours is {given:.3f}.")
    return "0 would mean: of all guesses made with 80 % probability, 80 % are right."
