"""Each check of 09's exercises, against plausible wrong answers."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from helpers import transfer
from helpers.exercises import fine_tuning as exercises

CHECKS = {
    "my_trained_parameters": exercises.trained_parameters,
    "my_leaks": exercises.leaks,
    "my_step": exercises.one_step,
}


def count(tensors):
    return sum(tensor.numel() for tensor in tensors)


def behind(replaced=True, which=1, buffers=False):
    def answer(module, cut, classes):
        module = transfer.with_head(module, classes if replaced else 1000)
        part = transfer.split(module, cut)[which]
        return count(part.parameters()) + buffers * count(part.buffers())

    return answer


def all_of_it(module, cut, classes):
    return count(transfer.with_head(module, classes).parameters())


def from_the_cut_on(module, cut, classes):
    number = int(cut.rpartition(".")[2])
    return count(module.features[number:].parameters()) + 1281 * classes


def in_place(module, cut, classes):
    module.classifier[1] = nn.Linear(1280, classes)
    return count(transfer.split(module, cut)[1].parameters())


def step(train=True, still=True, clear=True, learn=slice(3, None), sign=1, result=lambda loss: loss.item(), go=True):
    def answer(module, frozen, images, labels, rate):
        module.train(train)
        if still:
            module[:frozen].eval()
        loss = functional.cross_entropy(module(images), labels)
        optimiser = torch.optim.SGD(module[learn].parameters(), rate, maximize=sign < 0)
        if clear:
            module.zero_grad()
        loss.backward()
        if go:
            optimiser.step()
        return result(loss)

    return answer


def same(compare):
    return lambda training, validation: [name for name in validation if compare(name, training, validation)]


WRONG = [
    ("my_trained_parameters", behind(replaced=False), "the head is not replaced"),
    ("my_trained_parameters", behind(which=0), "these are the parameters that are frozen"),
    ("my_trained_parameters", behind(buffers=True), "running means and variances are no parameters"),
    ("my_trained_parameters", all_of_it, "all layers are counted"),
    ("my_trained_parameters", lambda m, cut, classes: count(m.parameters()), "the whole old network"),
    ("my_trained_parameters", from_the_cut_on, "the layer of the cut is frozen too"),
    ("my_trained_parameters", lambda m, cut, classes: 1281 * classes, "that is the head alone"),
    ("my_trained_parameters", lambda *a: behind()(*a) - a[2], "biases of the new head"),
    ("my_trained_parameters", lambda *a: behind()(*a) - 1281 * a[2], "the new head is not counted"),
    ("my_trained_parameters", in_place, "the given network is changed"),
    ("my_trained_parameters", lambda m, cut, classes: behind()(m, "features.17", 7), "one cut and not for another"),
    ("my_trained_parameters", lambda m, cut, classes: 3, "is not right"),
    ("my_leaks", same(lambda name, a, b: name in a), "compare what is in the files"),
    ("my_leaks", same(lambda name, a, b: name in a or b[name] in a.values()), "a name in both is no leak"),
    ("my_leaks", same(lambda name, a, b: len(b[name]) in map(len, a.values())), "equal length"),
    ("my_leaks", same(lambda name, a, b: list(b.values()).count(b[name]) > 1), "two copies in validation"),
    (
        "my_leaks",
        same(lambda name, a, b: any(a[one] == b[name] and one[:3] == name[:3] for one in a)),
        "wolf/1.jpg is missing",
    ),
    ("my_leaks", lambda a, b: [name for name in a if a[name] in b.values()], "these are the training files"),
    ("my_leaks", lambda a, b: [name for name in b if a.get(name) == b[name]], "under other names"),
    ("my_leaks", lambda a, b: ["cat/9.jpg", "cat/9.jpg", "wolf/1.jpg"], "more than once"),
    ("my_leaks", lambda a, b: 2, "return a list"),
    ("my_leaks", lambda a, b: ["dog/8.jpg"], "not dog/8.jpg"),
    ("my_step", step(learn=slice(None)), "frozen layers learn"),
    ("my_step", step(still=False), "batch norm below the cut is in training mode"),
    ("my_step", step(train=False), "batch norm above the cut is in evaluation mode"),
    ("my_step", step(learn=slice(8, None)), "only the head has learned"),
    ("my_step", step(clear=False), "call zero_grad()"),
    ("my_step", step(sign=-1), "up the slope"),
    ("my_step", step(go=False), "nothing has learned"),
    ("my_step", step(result=lambda loss: 0.0), "you return 0.000"),
    ("my_step", lambda module, frozen, images, labels: 0.0, "stops with TypeError"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    exercises.trained_parameters(behind())
    exercises.leaks(same(lambda name, a, b: b[name] in a.values()))
    exercises.leaks(lambda a, b: {name for name, content in b.items() if content in set(a.values())})
    exercises.one_step(step())
    exercises.one_step(step(result=lambda loss: loss.detach()))
    assert capsys.readouterr().out.count("right: ") == 5
