"""Checks of 09's exercises."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from helpers.architectures.efficientnet import EfficientNetLite0
from helpers.exercises import Wrong, exercise, seeded


@exercise
def trained_parameters(answer: Callable[[nn.Module, str, int], int]) -> str:
    """`answer(module, cut, classes)`: the parameters that learn above `cut`, with a new head for `classes` classes."""
    with seeded():
        module = EfficientNetLite0()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    cut, classes, named = "features.17", 7, dict(module.named_parameters())
    blocks = module.features[18:]
    above, inside = (_parameters(part) for part in (blocks, module.features[17]))
    head, old_head = 1280 * classes + classes, _parameters(module.classifier)
    below = sum(one.numel() for one in named.values()) - above - inside - old_head
    statistics = sum(one.numel() for one in blocks.buffers())
    wanted = above + head
    mistakes = {
        above + old_head: "the head is not replaced: it still has 1,000 classes.",
        above: "the new head is not counted: it learns too.",
        head: "that is the head alone: the layers between the cut and the head learn too.",
        wanted + inside: "the layer of the cut is frozen too: start above it.",
        wanted + inside + below: "all layers are counted: leave out those up to and including the cut.",
        above + inside + below + old_head: "that is the whole old network: freeze up to the cut, and replace the head.",
        inside + below: "these are the parameters that are frozen: count the others.",
        wanted - classes: "the biases of the new head are forgotten.",
        wanted + statistics: "batch norm's running means and variances are no parameters: nothing is trained there.",
    }
    given = answer(module, cut, classes)
    if any(not tensor.equal(before[name]) for name, tensor in module.state_dict().items()):
        raise Wrong("the given network is changed: count on a copy, such as transfer.with_head returns.")
    if given != wanted:
        raise Wrong(mistakes.get(int(given), f"for a cut behind {cut} and {classes} classes, {given:,} is not right."))
    if answer(module, "features.10", 2) != _parameters(module.features[11:]) + 2 * 1281:
        raise Wrong("it is right for one cut and not for another: use the arguments cut and classes.")
    return f"{wanted:,} of the network's {wanted + inside + below:,} parameters learn above {cut}."


def _parameters(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


@exercise
def leaks(answer: Callable[[dict[str, bytes], dict[str, bytes]], list[str]]) -> str:
    """`answer(training, validation)`: the names of the validation files whose content is also a training file's."""
    training = {"cat/1.jpg": b"tom", "cat/2.jpg": b"kit", "dog/1.jpg": b"rex", "dog/2.jpg": b"toto"}
    validation = {
        "cat/1.jpg": b"new",  # another photograph under a name that is in both
        "cat/9.jpg": b"kit",  # a copy under another name
        "dog/8.jpg": b"pup",
        "dog/9.jpg": b"pup",  # twice in validation, but never trained on
        "wolf/1.jpg": b"rex",  # a copy in another class
    }
    given = answer(dict(training), dict(validation))
    try:
        names = set(given)
    except TypeError:
        raise Wrong(f"it returns a {type(given).__name__}: return a list of names.") from None
    mistakes = [
        ({"cat/1.jpg"}, "two photographs may share a name, and a copy may have another: compare what is in the files."),
        ({"cat/1.jpg", "cat/9.jpg", "wolf/1.jpg"}, "a name in both is no leak: compare what is in the files alone."),
        ({"cat/2.jpg", "dog/1.jpg"}, "these are the training files: name those of the validation."),
        ({"dog/9.jpg"}, "a photograph twice in validation is not trained on: look it up among the training files."),
        ({"dog/8.jpg", "dog/9.jpg"}, "two copies in validation are no leak: look them up among the training files."),
        ({"cat/9.jpg", "wolf/1.jpg", "dog/9.jpg"}, "dog/9.jpg is a copy of a validation file, not of a training file."),
        (set(validation), "that is all of the validation: files of equal length need not be equal."),
        ({"cat/9.jpg"}, "wolf/1.jpg is missing: a copy leaks from whatever class it is in."),
        (set(), "two are leaks, cat/9.jpg and wolf/1.jpg, under other names than in training."),
    ]
    if names != {"cat/9.jpg", "wolf/1.jpg"}:
        raise Wrong(dict((frozenset(key), why) for key, why in mistakes).get(
            frozenset(names), f"the leaks are cat/9.jpg and wolf/1.jpg, not {', '.join(sorted(map(str, names)))}."
        ))  # fmt: skip
    if len(list(given)) != 2:
        raise Wrong("a name is given more than once: name each leak once.")
    return "both leaks are found, the copy under another name and the one in another class."


@exercise
def one_step(answer: Callable[[nn.Sequential, int, torch.Tensor, torch.Tensor, float], float]) -> str:
    """`answer(module, frozen, images, labels, rate)`: one SGD step on module[frozen:] alone; returns the loss before.

    Frozen layers stay byte-identical, batch norm's statistics included; those above are in training mode.
    """
    with seeded():
        module = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
        )  # fmt: skip
        images, labels, rate, frozen = torch.randn(8, 3, 9, 9) * 2 + 1, torch.arange(8) % 3, 0.1, 3
        wanted, mine = copy.deepcopy(module), copy.deepcopy(module)
        for parameter in mine.parameters():
            parameter.grad = torch.randn_like(parameter)  # left over from whatever came before
        loss = _reference_step(wanted, frozen, images, labels, rate)
        given = answer(mine, frozen, images, labels, rate)
    old, new, right = (one.state_dict() for one in (module, mine, wanted))
    moved = {name for name, tensor in new.items() if not torch.equal(tensor, old[name])}
    below = {name for name in moved if int(name.partition(".")[0]) < frozen}
    learned = {name for name in moved if name.endswith(("weight", "bias"))}
    if below & learned:
        raise Wrong(f"frozen layers learn ({', '.join(sorted(below & learned))}): train module[frozen:] alone.")
    if below:
        raise Wrong("batch norm below the cut is in training mode: its statistics moved. Call eval() on that part.")
    if not learned:
        raise Wrong("nothing has learned: call backward() on the loss, then step() on the optimiser.")
    if learned == {"8.weight", "8.bias"}:
        raise Wrong("only the head has learned: all of module[frozen:] shall.")
    if not moved - learned:
        raise Wrong("batch norm above the cut is in evaluation mode: call train() on module[frozen:].")
    if all(torch.allclose(new[name] - old[name], old[name] - right[name], atol=1e-5) for name in learned):
        raise Wrong("the step goes up the slope: subtract the gradient, as an optimiser does.")
    if not all(torch.allclose(new[name], right[name], atol=1e-5) for name in learned):
        raise Wrong("the step is not rate times this batch's gradient: call zero_grad() before backward().")
    if abs(float(given) - loss) > 1e-4:
        raise Wrong(f"the loss of this batch before the step is {loss:.3f}; you return {float(given):.3f}.")
    return "what is frozen is byte-identical, batch norm's statistics included, and the rest has learned."


def _reference_step(
    module: nn.Sequential, frozen: int, images: torch.Tensor, labels: torch.Tensor, rate: float
) -> float:
    lower, upper = module[:frozen].eval(), module[frozen:].train()
    with torch.no_grad():
        maps = lower(images)
    loss = functional.cross_entropy(upper(maps), labels)
    optimiser = torch.optim.SGD(upper.parameters(), rate)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
