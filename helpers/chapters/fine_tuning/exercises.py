"""Checks of 09's exercises."""

import copy
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from helpers import counting
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.checks import exercise, require, seeded


@exercise
def trained_parameters(answer: Callable[[nn.Module, str, int], int]) -> str:
    """`answer(model, cut, classes)`: the parameters that learn above `cut`, with a new head for `classes` classes."""
    with seeded():
        model, other = EfficientNetLite0(), torchvision.models.resnet18(weights=None)
    cut, classes = "features.17", 7
    above, old_head, whole = map(counting.parameters, (model.features[18:], model.classifier, model))
    head = 1280 * classes + classes
    wanted = above + head
    with_cut = counting.parameters(model.features[17]) + wanted
    values = sum(each.numel() for each in model.features[18:].state_dict().values()) + head
    mistakes = {
        above + old_head: "the head is not replaced: it still has 1,000 classes.",
        above: "the new head is not counted: it learns too.",
        head: "that is the head alone: the layers between the cut and the head learn too.",
        with_cut: "the layer at the cut is counted too: it is frozen, as all below it.",
        values: "batch norm's running statistics are counted: they are no parameters.",
        whole: "that is the whole model: leave out what is frozen, and replace the head.",
        whole - old_head + head: "what is frozen is counted too: cut the model first.",
        whole - above - old_head: "these are the parameters that are frozen: count the others.",
    }
    given = _counted(answer, model, cut, classes)
    otherwise = f"for a cut after {cut} and {classes} classes, {given:,} is not right."
    require(given == wanted, mistakes.get(given, otherwise))
    for each, layer, count, upper, width in (
        (model, "features.10", 2, model.features[11:], 1280),
        (other, "layer3", 5, other.layer4, 512),
    ):
        right = _counted(answer, each, layer, count) == counting.parameters(upper) + count * (width + 1)
        said = f"a {type(each).__name__} cut after {layer}, with {count} classes"
        require(right, f"it is not right for {said}: use the arguments, and find the head's width in the model.")
    return f"{wanted:,} of the model's {whole:,} parameters learn above {cut}."


def _counted(answer: Callable, model: nn.Module, cut: str, classes: int) -> int:
    """The answer as a number; the model must be left as it was."""
    before = copy.deepcopy(model)
    given = answer(model, cut, classes)
    require(not isinstance(given, str), "it returns text: return the number itself.")
    old, new = before.state_dict(), model.state_dict()
    same = old.keys() == new.keys() and all(tensor.equal(old[name]) for name, tensor in new.items())
    require(same, "the given model is changed: count on a copy, such as pretrained.with_head returns.")
    free = all(parameter.requires_grad for parameter in model.parameters())
    require(free, "parameters of the given model are left frozen: work on a copy of it.")
    return int(given)


LEAKS = (
    (
        {"cat/1.jpg": b"tom", "cat/2.jpg": b"kit", "dog/1.jpg": b"rex", "dog/2.jpg": b"toto"},
        {
            "cat/1.jpg": b"new",  # a different photograph under a name that is in both
            "cat/9.jpg": b"kit",  # a copy under another name
            "dog/8.jpg": b"pup",
            "dog/9.jpg": b"pup",  # twice in validation, but never trained on
            "wolf/1.jpg": b"rex",  # a copy in another class
        },
        ("cat/9.jpg", "wolf/1.jpg"),
    ),
    (
        {"a": b"abcd", "a2": b"abcd", "b": b"xyz" * 9, "c": b"sun", "k": b"0123456789-a-0123456789"},
        {
            "a": b"dcba",  # the same bytes in another order
            "b": b"xyz",  # a part of a training file
            "d": b"sunny",  # a training file is a part of it
            "e": b"axxx",  # the same first byte, and as long
            "f": b"abcd",
            "g": b"0123456789-b-0123456789",  # the same at both ends, and as long
            "h": b"abcd",  # a second copy
        },
        ("f", "h"),
    ),
)


@exercise
def leaks(answer: Callable[[dict[str, bytes], dict[str, bytes]], Iterable[str]]) -> str:
    """`answer(train, val)`: the names of the validation files whose content is also a training file's."""
    train, val, wanted = LEAKS[0]
    names = _named(answer, train, val)
    mistakes = {
        ("cat/1.jpg",): "two photographs may share a name, and a copy may not: compare what is in the files.",
        ("cat/2.jpg", "dog/1.jpg"): "these are the training files: name those of the validation.",
        ("dog/8.jpg", "dog/9.jpg"): "two copies in validation are no leak: look them up among the training files.",
    }
    otherwise = f"the leaks are cat/9.jpg and wolf/1.jpg, each named once, not {', '.join(names) or 'none'}."
    require(names == wanted, mistakes.get(names, otherwise))
    train, val, wanted = LEAKS[1]
    names = _named(answer, train, val)
    same = "it is right for one pair of folders and not for another: only files that agree in every byte are copies"
    require(names == wanted, f"{same}; and each once; here those are f and h, not {', '.join(names) or 'none'}.")
    require(_named(answer, train, {}) == (), "without validation files there is no leak: return an empty list.")
    return "every leak is found, the copy under another name and the one in another class."


def _named(answer: Callable, train: dict[str, bytes], val: dict[str, bytes]) -> tuple[str, ...]:
    given = answer(dict(train), dict(val))
    is_many = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    require(is_many, f"it returns a {type(given).__name__}: return a list of names.")
    return tuple(sorted(map(str, given)))


@exercise
def one_step(answer: Callable[[nn.Sequential, int, torch.Tensor, torch.Tensor, float], float]) -> str:
    """`answer(model, frozen, images, labels, lr)`: one SGD step on model[frozen:] alone; returns the loss before.

    Frozen layers stay byte-identical, batch norm's statistics included; those above are in training mode.
    """
    for frozen, lr in ((3, 0.1), (6, 0.02)):
        _one_step(answer, frozen, lr)
    return "what is frozen is byte-identical, batch norm's statistics included, and the rest has learned."


def _one_step(answer: Callable, frozen: int, lr: float) -> None:
    with seeded():
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
            nn.Conv2d(5, 5, 3, bias=False), nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
        )  # fmt: skip
        images, labels = torch.randn(8, 3, 9, 9) * 2 + 1, torch.arange(8) % 3
    mine = copy.deepcopy(model)
    for parameter in mine.parameters():
        parameter.grad = torch.ones_like(parameter)  # left over from whatever came before
    right, loss = _stepped(model, frozen, images, labels, lr)
    given = float(torch.as_tensor(answer(mine, frozen, images, labels, lr)).detach())
    old, new, wanted = (each.state_dict() for each in (model, mine, right))
    setting = f"with frozen = {frozen} and lr = {lr}"
    moved = {name for name, tensor in new.items() if not torch.equal(tensor, old[name])}
    below = {name for name in moved if int(name.partition(".")[0]) < frozen}
    weights = {name for name, _ in model.named_parameters()}
    require(not below & weights, f"frozen layers learn {setting}: train model[frozen:] alone.")
    require(not below, "batch norm below the cut is in training mode: its statistics moved. Call eval() on that part.")
    require(
        bool(moved & weights),
        "nothing has learned, or it was a copy: backward() on the loss, then step() on the optimizer.",
    )
    still = {name for name in wanted if not torch.equal(wanted[name], old[name])} - moved
    require(not still & weights, f"{setting} some layers above the cut do not learn: train all of model[frozen:].")
    uncounted = {name for name in still if name.endswith("num_batches_tracked")}
    require(not uncounted, "batch norm above the cut is in evaluation mode: call train() on model[frozen:].")
    for name in wanted.keys() - weights:
        once = torch.allclose(new[name].float(), wanted[name].float(), atol=1e-5)
        require(once, "batch norm's statistics above the cut are not those of one pass of this batch: run it once.")
    if not _agree(new, wanted):
        for mistake, options in MISTAKES.items():
            require(not _agree(new, _stepped(model, frozen, images, labels, lr, **options)[0].state_dict()), mistake)
        changes = [
            float((new[name] - old[name]).norm() / (wanted[name] - old[name]).norm())
            for name in sorted(weights & moved)
        ]
        ratio = changes[-1]
        even = all(abs(each / ratio - 1) < 0.01 for each in changes)
        require(not even, f"{setting} the step is {ratio:.3g} times what it should be: use lr, and the loss's mean.")
        require(
            False, f"{setting} the weights do not move by -lr times the gradient of the mean cross-entropy: plain SGD."
        )
    said = f"the loss of this batch before the step is {loss:.3f}; you return {given:.3f}."
    require(abs(given - loss) < 1e-4, said)


MISTAKES = {
    "old gradients were added to the new ones: call zero_grad() before backward().": {"stale": True},
    "the logits pass a softmax before cross_entropy, which has one inside: hand it the logits.": {"softmax": True},
    "the step goes up the gradient: the weights move by minus lr times it.": {"sign": -1},
}


def _stepped(
    model: nn.Sequential, frozen: int, images: torch.Tensor, labels: torch.Tensor, lr: float,
    stale: bool = False, softmax: bool = False, sign: int = 1,
) -> tuple[nn.Sequential, float]:  # fmt: skip
    """A copy of the model after one step, right or with a mistake, and the loss before it."""
    model = copy.deepcopy(model)
    logits = model[frozen:].train()(model[:frozen].eval()(images).detach())
    loss = F.cross_entropy(logits.softmax(dim=1) if softmax else logits, labels)
    loss.backward()
    with torch.no_grad():
        for parameter in model[frozen:].parameters():
            parameter -= sign * lr * (parameter.grad + stale)
    return model, loss.item()


def _agree(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(one[name].float(), other[name].float(), atol=1e-6, rtol=1e-4) for name in one)
