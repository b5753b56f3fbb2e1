"""Checks of 06's exercises."""

from collections.abc import Callable

import torch

from helpers.exercises import Wrong, exercise, name_the_mistake


@exercise
def softmax_with_temperature(answer: Callable[[torch.Tensor, float], torch.Tensor]) -> str:
    """`answer(logits, temperature)`: probabilities of each row of logits [N, classes]."""
    logits = torch.tensor([[1.0, 2.0, 4.0], [300.0, 0.0, 0.0]])
    given, wanted = answer(logits, 2.0), (logits / 2).softmax(dim=1)
    if given.shape != wanted.shape:
        raise Wrong(f"the result has the shape {list(given.shape)}, not that of the logits, {list(logits.shape)}.")
    if given.isnan().any():
        raise Wrong("large logits overflow to NaN: subtract each row's largest logit before exp.")
    mistakes = [
        ("the temperature divides the logits; you multiplied by it.", (logits * 2).softmax(dim=1)),
        ("the temperature is not used.", logits.softmax(dim=1)),
        ("the temperature belongs inside exp: divide the logits, not the probabilities.", logits.softmax(dim=1) / 2),
        ("each row is one photograph: sum over dim=1, the classes.", (logits / 2).softmax(dim=0)),
    ]
    name_the_mistake(given, wanted, mistakes, "the rows are not softmax(logits / temperature).")
    return "a high temperature makes guesses more alike, a low one makes the first guess surer."


@exercise
def mean_class_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(guesses, labels)`, both int64 [N]: the error of each class that occurs, averaged over these classes."""
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2, 3])
    guesses = torch.tensor([0, 0, 0, 0, 0, 3, 2, 0, 1])
    given = torch.as_tensor(answer(guesses, labels), dtype=torch.float64)
    wrong = (guesses != labels).double()
    by_class = torch.stack([wrong[labels == label].mean() for label in (0, 2, 3)])
    mistakes = [
        ("that is the error over all photographs, in which large classes count more.", wrong.mean()),
        ("that is an accuracy: the error is the share of wrong guesses.", 1 - by_class.mean()),
        ("average over the classes that occur as labels: class 1 has no photograph.", by_class.sum() / 4),
        (
            "group by the labels, not by the guesses.",
            torch.stack([wrong[guesses == i].mean() for i in range(4)]).mean(),
        ),
    ]
    name_the_mistake(given, by_class.mean(), mistakes, "it is not the mean of the classes' errors 1/6, 1/2 and 1.")
    return "a rare class now counts as much as a common one."


@exercise
def calibration_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(confidence, right)`, float and bool [N]: the expected calibration error with ten bins of equal width."""
    confidence = torch.tensor([0.95, 0.91, 0.93, 0.97, 0.55, 0.52, 0.15])
    right = torch.tensor([True, False, True, False, True, True, False])
    given = torch.as_tensor(answer(confidence, right), dtype=torch.float64)
    bins = [slice(0, 4), slice(4, 6), slice(6, 7)]
    gaps = torch.stack([confidence[part].double().mean() - right[part].double().mean() for part in bins])
    counts = torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)
    mistakes = [
        ("weight each bin's gap by its photographs; you averaged the bins alike.", gaps.abs().mean()),
        ("divide by all photographs, not by the ten bins.", gaps.abs().sum() / 10),
        ("take each gap's absolute value, or gaps cancel.", (gaps * counts).sum() / 7),
        ("group into bins first: you compared photographs one by one.", (confidence - right.double()).abs().mean()),
        ("that leaves the sum undivided: divide by the number of photographs.", (gaps.abs() * counts).sum()),
    ]
    wanted = (gaps.abs() * counts).sum() / 7
    name_the_mistake(given, wanted, mistakes, f"for this example the error is {wanted:.3f}, yours is {given:.3f}.")
    return "0 would mean: of all guesses made with 80 % probability, 80 % are right."
