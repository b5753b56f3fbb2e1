"""Checks of 06's exercises."""

from collections.abc import Callable

import torch

from helpers.checks import close, exercise, name_the_mistake, require, seeded


def number(given: object) -> torch.Tensor:
    """A result that may be a number, a NumPy scalar or a tensor of one element, as a tensor []."""
    given = torch.as_tensor(given).detach().double()
    require(given.numel() == 1, f"it returns the shape {list(given.shape)}: return one number.")
    return given.reshape(())


@exercise
def softmax_with_temperature(answer: Callable[[torch.Tensor, float], torch.Tensor]) -> str:
    """`answer(logits, temperature)`: probabilities of each row of logits [N, classes]."""
    small = torch.tensor([[1.0, 2.0, 4.0], [0.5, -1.0, 0.0]])
    for temperature in (2.0, 0.5):
        wanted = (small / temperature).softmax(dim=1)
        mistakes = [
            ("the temperature is not used.", small.softmax(dim=1)),
            ("the temperature divides the logits; you multiplied by it.", (small * temperature).softmax(dim=1)),
            ("the temperature divides twice.", (small / temperature**2).softmax(dim=1)),
            ("each row is one photograph: sum over dim=1, the classes.", (small / temperature).softmax(dim=0)),
        ]
        given = torch.as_tensor(answer(small, temperature))
        name_the_mistake(given, wanted, mistakes, "the rows are not softmax(logits / temperature).")
    large = torch.tensor([[3000.0, 2999.0, 0.0], [-30.0, -29.0, -30.0]])
    given = torch.as_tensor(answer(large, 2.0))
    require(bool(given.isfinite().all()), "large logits overflow: subtract each row's largest logit before exp.")
    require(close(given, (large / 2).softmax(dim=1)), "3000 and 2999 should give different probabilities: do not clip.")
    return "a high temperature makes guesses more alike, a low one makes the first guess surer."


@exercise
def mean_class_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(guesses, labels)`, both int64 [N]: the error of each class that occurs, averaged over these classes."""
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 0, 2, 2, 3])
    guesses = torch.tensor([0, 0, 0, 0, 0, 0, 3, 2, 0, 1])
    given = number(answer(guesses, labels))
    require(not given.isnan(), "it is NaN: the mean of a class without photographs; class 1 has none. Leave it out.")
    errors = torch.tensor([1 / 7, 1 / 2, 1]).double()  # of the classes 0, 2 and 3
    by_guess = torch.tensor([1 / 7, 1, 0, 1]).double()  # of what is guessed as 0, 1, 2 and 3
    mistakes = [
        ("that is the error over all photographs, in which large classes count more.", torch.tensor(3 / 10)),
        ("that is an accuracy: the error is the share of wrong guesses.", 1 - errors.mean()),
        ("average over the classes that occur as labels: class 1 has no photograph.", errors.sum() / 4),
        ("group the photographs by label, not by guess.", by_guess.mean()),
        ("a whole-number division (//) loses the fraction.", torch.tensor(1 / 3)),
    ]
    name_the_mistake(given, errors.mean(), mistakes, "it is not the mean of the classes' errors 1/7, 1/2 and 1.")
    again = number(answer(torch.tensor([5, 7, 7, 7]), torch.tensor([5, 5, 5, 7])))
    require(close(again, torch.tensor(1 / 3)), "for the labels 5, 5, 5, 7, guessed 5, 7, 7, 7, it is 1/3.")
    return "a rare class now counts as much as a common one."


def expected_gap(confidence: torch.Tensor, right: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The calibration error with the bins `places`, int64 [N]."""
    sums = [(confidence - right.double())[places == place].sum().abs() for place in places.unique()]
    return torch.stack(sums).sum() / len(confidence)


def some_guesses() -> tuple[torch.Tensor, torch.Tensor]:
    """200 guesses, float64 and bool: 0, 1, and both sides of each tenth among them, no tenth itself but these two.

    One of the zeros is right, and all else in the first bin is wrong.
    """
    with seeded():
        sides = [tenth / 10 + side for tenth in range(1, 10) for side in (-0.004, 0.004)]
        inside = (torch.randint(10, (172,)) + 0.05 + 0.9 * torch.rand(172, dtype=torch.float64)) / 10
        confidence = torch.cat([torch.tensor([0.0, 0.0, *[1.0] * 8, *sides], dtype=torch.float64), inside])
        often = torch.randint(2, (41,)).bool()  # in each fortieth nearly all or hardly any are right
        often[36:] = True
        right = (torch.rand(200) < 0.9) == often[(confidence * 40).long()]
        right |= confidence > 0.9
        right &= confidence > 0.1
    right[:2], right[2:10] = torch.tensor([True, False]), torch.tensor([True, *[False] * 7])
    return confidence, right


@exercise
def calibration_error(answer: Callable[[torch.Tensor, torch.Tensor], float]) -> str:
    """`answer(confidence, right)`, float and bool [N]: the expected calibration error with ten bins of equal width."""
    few = torch.tensor([0.95, 0.91, 0.93, 0.97, 0.55, 0.52, 0.15]).double()
    hits = torch.tensor([True, False, True, False, True, True, False])
    many, rights = some_guesses()
    for confidence, right in ((many, rights), (many[10:], rights[10:]), (few, hits)):
        try:
            given = number(answer(confidence, right))
        except IndexError:
            require(1 not in confidence, "it stops at a confidence of exactly 1: that belongs to the last bin.")
            raise
        require(not given.isnan(), "it is NaN: an empty bin has no mean, so leave it out.")
        gap, places = confidence - right.double(), (confidence * 10).long().clamp(max=9)
        wanted, in_bin = expected_gap(confidence, right, places), [places == place for place in places.unique()]
        means = torch.stack([gap[each].mean() for each in in_bin])
        hits_in = torch.stack([right[each].double().sum() for each in in_bin])
        said = "weight each bin by all its guesses, not by the right ones alone."
        mistakes = [
            (said, (means.abs() * hits_in).sum() / hits_in.sum()),
            (said, (means.abs() * hits_in).sum() / len(right)),
            (
                "take the mean confidence of the guesses in each bin, not the middle of the bin.",
                expected_gap((places + 0.5) / 10, right, places),
            ),
            ("weight each bin's gap by its photographs; you averaged the bins alike.", means.abs().mean()),
            ("take each gap's absolute value, or gaps cancel.", gap.mean()),
            ("take each gap's absolute value, or gaps cancel.", gap.mean().abs()),
            ("the gaps are not squared: take their absolute values.", (gap.abs().square().mean()).sqrt()),
            ("that is the largest gap of a bin: average the gaps.", means.abs().max()),
            ("group into bins first: you compared photographs one by one.", gap.abs().mean()),
            (
                "a bin reaches from one tenth to the next: round down.",
                expected_gap(confidence, right, (10 * confidence).round().long()),
            ),
        ]
        for end, bin_of_end in ((1, "last"), (0, "first")):
            kept = confidence != end
            if not kept.all():
                lost = expected_gap(confidence[kept], right[kept], places[kept])
                said = f"a confidence of exactly {end} is in none of your bins: it belongs to the {bin_of_end}."
                mistakes += [(said, lost), (said, lost * kept.double().mean())]
                said = f"a confidence of exactly {end} belongs to the {bin_of_end} bin; you give it one of its own."
                mistakes += [(said, expected_gap(confidence, right, torch.where(kept, places, -1)))]
        equal = confidence.argsort().argsort() * 10 // len(confidence)
        mistakes.append(("the bins have equal width, not equal numbers.", expected_gap(confidence, right, equal)))
        for bins in (*range(2, 10), *range(11, 21), 25, 50, 100):
            finer = (confidence * bins).long().clamp(max=bins - 1)
            mistakes.append((f"you have {bins} bins: take ten.", expected_gap(confidence, right, finer)))
        otherwise = f"for {len(right)} guesses the error is {wanted:.4f}, yours is {given:.4f}."
        name_the_mistake(given, wanted, mistakes, otherwise)
    return "0 would mean: of all guesses made with 80 % probability, 80 % are right."
