"""Checks of 09's exercises."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from helpers import counting
from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.checks import exercise, require, seeded


@exercise
def trained_parameters(answer: Callable[[nn.Module, str, int], int]) -> str:
    """`answer(model, cut, classes)`: the parameters that learn above `cut`, with a new head for `classes` classes."""
    with seeded():
        model = EfficientNetLite0()
    before = copy.deepcopy(model.state_dict())
    cut, classes = "features.17", 7
    above, old_head, whole = map(counting.parameters, (model.features[18:], model.classifier, model))
    head = 1280 * classes + classes
    wanted = above + head
    mistakes = {
        above + old_head: "the head is not replaced: it still has 1,000 classes.",
        above: "the new head is not counted: it learns too.",
        head: "that is the head alone: the layers between the cut and the head learn too.",
        whole - above - old_head: "these are the parameters that are frozen: count the others.",
    }
    given = answer(model, cut, classes)
    same = all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    require(same, "the given model is changed: count on a copy, such as pretrained.with_head returns.")
    otherwise = f"for a cut after {cut} and {classes} classes, {given:,} is not right."
    require(given == wanted, mistakes.get(int(given), otherwise))
    other = answer(model, "features.10", 2) == counting.parameters(model.features[11:]) + 2 * 1281
    require(other, "it is right for one cut and not for another: use the arguments cut and classes.")
    return f"{wanted:,} of the model's {whole:,} parameters learn above {cut}."


@exercise
def leaks(answer: Callable[[dict[str, bytes], dict[str, bytes]], list[str]]) -> str:
    """`answer(train, val)`: the names of the validation files whose content is also a training file's."""
    train = {"cat/1.jpg": b"tom", "cat/2.jpg": b"kit", "dog/1.jpg": b"rex", "dog/2.jpg": b"toto"}
    val = {
        "cat/1.jpg": b"new",  # another photograph under a name that is in both
        "cat/9.jpg": b"kit",  # a copy under another name
        "dog/8.jpg": b"pup",
        "dog/9.jpg": b"pup",  # twice in validation, but never trained on
        "wolf/1.jpg": b"rex",  # a copy in another class
    }
    given = answer(dict(train), dict(val))
    require(isinstance(given, list | tuple | set), f"it returns a {type(given).__name__}: return a list of names.")
    mistakes = {
        ("cat/1.jpg",): "two photographs may share a name, and a copy may not: compare what is in the files.",
        ("cat/2.jpg", "dog/1.jpg"): "these are the training files: name those of the validation.",
        ("dog/8.jpg", "dog/9.jpg"): "two copies in validation are no leak: look them up among the training files.",
    }
    names = tuple(sorted(given))
    otherwise = f"the leaks are cat/9.jpg and wolf/1.jpg, each named once, not {', '.join(names) or 'none'}."
    require(names == ("cat/9.jpg", "wolf/1.jpg"), mistakes.get(names, otherwise))
    return "both leaks are found, the copy under another name and the one in another class."


@exercise
def one_step(answer: Callable[[nn.Sequential, int, torch.Tensor, torch.Tensor, float], float]) -> str:
    """`answer(model, frozen, images, labels, lr)`: one SGD step on model[frozen:] alone; returns the loss before.

    Frozen layers stay byte-identical, batch norm's statistics included; those above are in training mode.
    """
    with seeded():
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
        )  # fmt: skip
        images, labels, lr, frozen = torch.randn(8, 3, 9, 9) * 2 + 1, torch.arange(8) % 3, 0.1, 3
    right, mine = copy.deepcopy(model), copy.deepcopy(model)
    for parameter in mine.parameters():
        parameter.grad = torch.ones_like(parameter)  # left over from whatever came before
    loss = F.cross_entropy(right[frozen:].train()(right[:frozen].eval()(images).detach()), labels)
    loss.backward()
    torch.optim.SGD(right[frozen:].parameters(), lr).step()
    given = answer(mine, frozen, images, labels, lr)
    old, new, wanted = (each.state_dict() for each in (model, mine, right))
    moved = {name for name, tensor in new.items() if not torch.equal(tensor, old[name])}
    below = {name for name in moved if int(name.partition(".")[0]) < frozen}
    learned = {name for name in moved if name.endswith(("weight", "bias"))}
    require(not below & learned, "frozen layers learn: train model[frozen:] alone.")
    require(not below, "batch norm below the cut is in training mode: its statistics moved. Call eval() on that part.")
    require(bool(learned), "nothing has learned: call backward() on the loss, then step() on the optimizer.")
    require(moved > learned, "batch norm above the cut is in evaluation mode: call train() on model[frozen:].")
    right_step = all(torch.allclose(new[name].float(), wanted[name].float(), atol=1e-5) for name in new)
    require(
        right_step,
        "the step is not -lr times this batch's gradient, of all of model[frozen:]: did you call zero_grad()?",
    )
    said = f"the loss of this batch before the step is {loss.item():.3f}; you return {float(given):.3f}."
    require(abs(float(given) - loss.item()) < 1e-4, said)
    return "what is frozen is byte-identical, batch norm's statistics included, and the rest has learned."
