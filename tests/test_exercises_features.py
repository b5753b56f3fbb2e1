"""Each check of 07's exercises, against plausible wrong answers."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from helpers.exercises import features as exercises

CHECKS = {
    "my_neighbours": exercises.neighbours,
    "my_embedding": exercises.embedding,
    "my_split": exercises.split,
}


def unit(x, dim=1):
    return x / x.norm(dim=dim, keepdim=True)


def by_cosine(queries, known):
    return unit(queries) @ unit(known).T


def top(table, k, largest=True):
    return table.topk(k, dim=1, largest=largest).indices


def safe(module, images, read=lambda module, images: module.avgpool(module.features(images)).flatten(1)):
    """In evaluation mode, without gradients; `read` says what is taken."""
    module.eval()
    with torch.no_grad():
        return read(module, images)


def without_head(module, images):
    module.eval()
    module.classifier = nn.Identity()
    with torch.no_grad():
        return module(images)


def last_layer_replaced(module, images):
    module.eval()
    module.classifier[-1] = nn.Identity()
    with torch.no_grad():
        return module(images)


def in_training_mode(module, images):
    with torch.no_grad():
        return module.avgpool(module.features(images)).flatten(1)


def a_copy_in_training_mode(module, images):
    return in_training_mode(copy.deepcopy(module), images)


def evaluated_too_late(module, images):
    found = in_training_mode(module, images)
    module.eval()
    return found


def with_gradients(module, images):
    module.eval()
    return module.avgpool(module.features(images)).flatten(1)


def rows(mask):
    return torch.where(mask)[0]


def shuffled(labels, regions):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return order[len(order) // 4 :], order[: len(order) // 4]


def one_quarter(labels, regions):
    return rows(regions != 3), rows(regions == 3)


WRONG = [
    ("my_neighbours", lambda q, x, k: top(by_cosine(q, x), k, largest=False), "the least similar"),
    ("my_neighbours", lambda q, x, k: top(torch.cdist(q, x), k, largest=False), "Euclidean distance"),
    ("my_neighbours", lambda q, x, k: top(q @ x.T, k), "the dot product"),
    ("my_neighbours", lambda q, x, k: top(unit(q) @ x.T, k), "divide both by their lengths"),
    ("my_neighbours", lambda q, x, k: top(unit(q, 0) @ unit(x, 0).T, k), "lengths of columns"),
    ("my_neighbours", lambda q, x, k: by_cosine(q, x).topk(k, dim=1).values, "the cosines themselves"),
    ("my_neighbours", lambda q, x, k: by_cosine(q, x).topk(k, dim=1), "returns a topk"),
    ("my_neighbours", lambda q, x, k: by_cosine(q, x).argmax(dim=1), "the shape [6], not [6, 3]"),
    ("my_neighbours", lambda q, x, k: top(by_cosine(q, x).T, k), "the shape [12, 3], not [6, 3]"),
    ("my_neighbours", lambda q, x, k: top(by_cosine(q, x), k).flip(1), "are they ordered"),
    ("my_neighbours", lambda q, x, k: top(q @ x, k), "stops with RuntimeError"),
    ("my_embedding", lambda m, x: safe(m, x, lambda m, x: m(x)), "these are the logits"),
    ("my_embedding", lambda m, x: safe(m, x, lambda m, x: m.features(x)), "average over their places"),
    ("my_embedding", lambda m, x: safe(m, x, lambda m, x: m.avgpool(m.features(x))), "average over their places"),
    ("my_embedding", lambda m, x: safe(m, x, lambda m, x: m.features(x).flatten(1)), "not [4, 1280]"),
    ("my_embedding", lambda m, x: safe(m, x, lambda m, x: m.features[:-3](x).mean((2, 3))), "not [4, 1280]"),
    ("my_embedding", lambda m, x: safe(m, x, lambda m, x: m.features(x).amax((2, 3))), "the maximum of each map"),
    (
        "my_embedding",
        lambda m, x: safe(m, x, lambda m, x: m.avgpool(m.features(x)).flatten(1).softmax(dim=1)),
        "these are probabilities",
    ),
    (
        "my_embedding",
        lambda m, x: safe(m, x, lambda m, x: functional.normalize(m.avgpool(m.features(x)).flatten(1))),
        "the numbers differ",
    ),
    ("my_embedding", without_head, "has lost its head"),
    ("my_embedding", last_layer_replaced, "has lost its head"),
    ("my_embedding", in_training_mode, "running statistics have changed"),
    ("my_embedding", evaluated_too_late, "running statistics have changed"),
    ("my_embedding", a_copy_in_training_mode, "depends on the other images"),
    ("my_embedding", with_gradients, "inference_mode"),
    ("my_embedding", lambda m, x: safe(m, x).numpy(), "returns a ndarray"),
    ("my_split", shuffled, "have patches in both parts"),
    ("my_split", lambda labels, regions: (rows(labels != 0), rows(labels == 0)), "a photograph is missing"),
    ("my_split", lambda labels, regions: one_quarter(labels, regions)[::-1], "return training first"),
    ("my_split", lambda labels, regions: (rows(regions < 2), rows(regions >= 2)), "one region of four"),
    ("my_split", lambda labels, regions: (rows(regions >= 0), rows(regions == 3)), "in both parts: the test asks"),
    ("my_split", lambda labels, regions: (rows(regions < 2), rows(regions == 3)), "in neither part"),
    ("my_split", lambda labels, regions: rows(regions == 3), "does not return two things"),
    ("my_split", lambda labels: labels, "stops with TypeError"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    def body(module, images):
        body = copy.deepcopy(module).eval()
        body.classifier = nn.Identity()
        with torch.inference_mode():
            return body(images)

    exercises.neighbours(
        lambda q, x, k: functional.cosine_similarity(q[:, None], x, dim=2).argsort(dim=1).flip(1)[:, :k]
    )
    exercises.embedding(body)
    exercises.split(one_quarter)
    exercises.split(lambda labels, regions: (regions != 2, regions == 2))
    assert capsys.readouterr().out.count("right: ") == 4
