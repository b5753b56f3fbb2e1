"""The figures behind the notebooks' explorers: plain functions of a few values, so that tests can call each extreme."""

import functools
from collections.abc import Callable
from statistics import mean
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageOps
from torch import nn
from torchvision.transforms.v2 import functional as images

from helpers import changes, counting, evaluation, fine_tuning, plotting, receptive_field, timing
from helpers.architectures import mobilenet, resnet
from helpers.datasets import Arrays
from helpers.pretrained import Network
from helpers.transfer import Embeddings


def fewer_pixels(network: Network, photo: Image.Image, pixels: int) -> Figure:
    """A photograph reduced to `pixels` on its shorter side, as the network is given it, and the five best guesses."""
    small = shrink(photo, pixels)
    guesses = guess(network, small)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    left.imshow(small, interpolation="nearest")
    left.set_title(f"{small.width} x {small.height} pixels")
    left.axis("off")
    names = [network.categories[index] for index in guesses.classes[0]]
    plotting.guess_bars(right, names, guesses.probabilities[0], title=network.name)
    return figure


def shrink(photo: Image.Image, pixels: int) -> Image.Image:
    """The photograph with `pixels` on its shorter side, and at least 1 on the other."""
    scale = pixels / min(photo.size)
    return photo.resize([max(1, round(side * scale)) for side in photo.size])


def guess(network: Network, photo: Image.Image, k: int = 5) -> evaluation.Guesses:
    """The k likeliest categories of one photograph."""
    return evaluation.top_k(network(network.preprocess(photo)[None]), k)


def temperature(logits: torch.Tensor, categories: list[str], temperature: float) -> Figure:
    """softmax(logits [classes] / temperature): the five likeliest as bars, and all of them in falling order."""
    probabilities, classes = evaluation.top_k(logits[None] / temperature, k=len(logits))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    names = [categories[index] for index in classes[0, :5]]
    plotting.guess_bars(left, names, probabilities[0, :5], title=f"temperature {temperature:g}")
    right.plot(range(1, len(logits) + 1), probabilities[0].clamp(min=1e-12))
    right.set(xscale="log", yscale="log", ylim=(1e-8, 2), xlabel="rank of the category", ylabel="probability")
    return figure


def seen_by_one_unit(photo: Image.Image, kernel: int, stride: int, depth: int, dilation: int) -> Figure:
    """What one unit sees of a photograph, scaled to 224 x 224, behind `depth` equal convolutions (`kernel` odd).

    Left: the squares that the units of each layer see, the last and widest in orange. Right: the widest one cut out;
    pixels that no path reaches are black, what lies outside the photograph is grey.
    """
    network = convolutions(kernel, stride, depth, dilation)
    fields = list(receptive_field.fields(network).values())
    last, size = fields[-1], 224
    with torch.no_grad():
        unit = network(torch.zeros(1, 1, size, size)).shape[-1] // 2
    reached = receptive_field.measured(network, str(depth - 1), size) > 0
    photo = images.to_image(ImageOps.fit(photo, (size, size)))
    centre, margin = unit * last.jump, min(last.size // 2, size)  # a wider cut would only show more grey
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.4))
    plotting.show_photo(left, photo.permute(1, 2, 0).numpy(), f"behind layer {depth}: {last.size} x {last.size} pixels")
    for field in fields:
        corner, final = centre - field.size // 2 - 0.5, field is last
        style = {"edgecolor": plotting.ORANGE if final else plotting.YELLOW, "linewidth": 3 if final else 1.5}
        left.add_patch(Rectangle((corner, corner), field.size, field.size, fill=False, **style))
    left.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    cut = images.pad(photo * reached, [margin] * 4, fill=128)
    cut = cut[:, centre : centre + 2 * margin + 1, centre : centre + 2 * margin + 1]
    plotting.show_photo(right, cut.permute(1, 2, 0).numpy(), f"what it sees; its neighbour: {last.jump} px on")
    return figure


def convolutions(kernel: int, stride: int, depth: int, dilation: int) -> nn.Sequential:
    """`depth` convolutions of one channel, one after the other, padded so that stride 1 keeps the size."""
    padding = (kernel - 1) * dilation // 2
    return nn.Sequential(*(nn.Conv2d(1, 1, kernel, stride, padding, dilation) for _ in range(depth)))


ACTIVATIONS = {"ReLU": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def passed_gradient(activation: str, spread: float, inputs: int = 10_001) -> torch.Tensor:
    """The slopes of one of ACTIVATIONS at the quantiles of a normal distribution with deviation `spread`, [inputs].

    Their mean is the share of the gradient that a unit passes back on average.
    """
    quantiles = (torch.arange(inputs, dtype=torch.float64) + 0.5) / inputs
    x = (torch.special.ndtri(quantiles) * spread).requires_grad_()
    return torch.autograd.grad(ACTIVATIONS[activation](x).sum(), x)[0]


def saturation(activation: str, spread: float, layers: int) -> Figure:
    """Left: an activation function, its slope, and how the inputs of deviation `spread` lie under them. Right: the
    share of the gradient that is left behind 1 to `layers` layers, for each of ACTIVATIONS, on a logarithmic scale.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    x = torch.linspace(-6, 6, 241, requires_grad=True)
    y = ACTIVATIONS[activation](x)
    slope = torch.autograd.grad(y.sum(), x)[0]
    density = torch.exp(-((x.detach() / spread) ** 2) / 2)
    left.fill_between(x.detach(), density, color=plotting.YELLOW, alpha=0.6, linewidth=0)
    left.plot(x.detach(), y.detach(), color=plotting.BLUE, linestyle="-")
    left.plot(x.detach(), slope, color=plotting.RED, linestyle="--")
    left.annotate("its slope", (-5.9, 0.12), color=plotting.RED)
    left.annotate(activation, (5.9, 1.12), ha="right", color=plotting.BLUE)
    left.set(ylim=(-1.1, 1.6), xlabel=f"input (yellow: how they lie, deviation {spread:g})")
    depths = torch.arange(1, layers + 1)
    for (name, _), marker in zip(ACTIVATIONS.items(), "os^", strict=True):
        share = passed_gradient(name, spread).mean() ** depths
        style = {"linewidth": 4, "alpha": 1.0} if name == activation else {"linewidth": 2, "alpha": 0.5}
        right.plot(depths, share, marker=marker, **style)
        right.annotate(f"  {name}", (layers, share[-1]), va="center")
    right.set(yscale="log", xlabel="layers", title="gradient that is left")
    right.set(xlim=(0.5, layers * 1.35 + 0.5), xticks=depths)
    return figure


# The paper's top-1 accuracy in per cent by width and resolution, tables 6 and 7.
MOBILENET_ACCURACY = {
    (1.0, 224): 70.6, (0.75, 224): 68.4, (0.5, 224): 63.7, (0.25, 224): 50.6,
    (1.0, 192): 69.1, (1.0, 160): 67.2, (1.0, 128): 64.4,
}  # fmt: skip


def smaller_mobilenet(width: float, resolution: int) -> Figure:
    """Parameters, multiply-adds and measured time of MobileNet at a width and a resolution, beside the full one's.

    The title holds the paper's accuracy, where it has one. The time is for one photograph on one CPU core.
    """
    panels = {"parameters, millions": [], "mult-adds, millions": [], "milliseconds": []}
    computations = {}
    for name, alpha, side in (("full", 1.0, 224), ("yours", width, resolution)):
        network = mobilenet.MobileNet(width=alpha).eval()
        rows = counting.count(network, (3, side, side))
        for panel, what in zip(panels, ("parameters", "mult_adds"), strict=False):
            panels[panel].append(sum(getattr(row, what) for row in rows) / 1e6)
        image = torch.zeros(1, 3, side, side).to(memory_format=torch.channels_last)
        computations[name] = functools.partial(network.to(memory_format=torch.channels_last), image)
    panels["milliseconds"] = [1e3 * value for value in timing.seconds(computations, rounds=5).values()]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), sharey=True)
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        axis.barh([0, 1], values, color=[plotting.GREY, plotting.BLUE])
        for row, value in enumerate(values):
            axis.text(value + 0.02 * max(values), row, f"{value:.3g}", va="center")
        axis.set(title=title, xticks=[], xlim=(0, 1.35 * max(values)))
        axis.spines[["bottom", "left"]].set_visible(False)
        axis.tick_params(left=False)
    axes[0].set_yticks([0, 1], ["1.0, 224", f"{width:g}, {resolution}"])
    axes[0].invert_yaxis()
    accuracy = MOBILENET_ACCURACY.get((width, resolution))
    said = f"the paper's accuracy: {accuracy} % (full: 70.6 %)" if accuracy else "not in the paper's tables 6 and 7"
    figure.suptitle(f"width {width:g}, resolution {resolution}: {said}")
    return figure


class Branch(NamedTuple):
    """What one branch of an inception module puts out and costs, without biases: channels, and weights in two parts."""

    name: str
    channels: int
    reduction: int
    kernel: int


def inception_branches(
    inputs: int, one: int, reduce_3: int, three: int, reduce_5: int, five: int, pool: int
) -> list[Branch]:
    """The four branches of an inception module of these widths.

    A reduction of 0 stands for none: the large kernel reads all inputs. A `pool` of 0 stands for no projection: the
    pooling hands on all inputs.
    """
    return [
        Branch("1x1", one, 0, inputs * one),
        Branch("3x3", three, inputs * reduce_3, 9 * (reduce_3 or inputs) * three),
        Branch("5x5", five, inputs * reduce_5, 25 * (reduce_5 or inputs) * five),
        Branch("pool", pool or inputs, inputs * pool, 0),
    ]


def inception_cost(
    inputs: int, one: int, reduce_3: int, three: int, reduce_5: int, five: int, pool: int, side: int = 28
) -> Figure:
    """What an inception module costs on a map of `side` x `side`, and what it puts out, branch by branch."""
    branches = inception_branches(inputs, one, reduce_3, three, reduce_5, five, pool)
    weights = sum(branch.reduction + branch.kernel for branch in branches)
    plain = sum(branch.kernel for branch in inception_branches(inputs, one, 0, three, 0, five, 0))
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), sharey=True)
    for row, branch in enumerate(branches):
        cheap, dear = (part * side**2 / 1e6 for part in (branch.reduction, branch.kernel))
        left.barh(row, cheap, color=plotting.ORANGE, hatch="//", edgecolor="white")
        left.barh(row, dear, left=cheap, color=plotting.SKY)
        left.annotate(f" {cheap + dear:,.1f}", (cheap + dear, row), va="center")
        right.barh(row, branch.channels, color=plotting.GREEN)
        right.annotate(f" {branch.channels}", (branch.channels, row), va="center")
    left.set(yticks=range(4), title=f"{weights * side**2 / 1e6:,.0f} M mult-adds, naive {plain * side**2 / 1e6:,.0f} M")
    left.set_xlabel("million; orange hatched: 1x1 reductions, projection")
    left.set_yticklabels([branch.name for branch in branches])
    left.invert_yaxis()
    right.set(title=f"{weights:,} weights, {sum(branch.channels for branch in branches)} channels", xlabel="channels")
    for axes in (left, right):
        axes.margins(x=0.2)
    return figure


RESNET_PARTS = {
    "conv1": "first 7x7",
    "layer1": "stage 1",
    "layer2": "stage 2",
    "layer3": "stage 3",
    "layer4": "stage 4",
}


@functools.cache
def resnet_cost(depth: int, option: str, version: float) -> dict[str, tuple[int, int]]:
    """Parameters and multiply-adds of each part of a ResNet for 224 x 224 pixels, batch norm counted where it stands.

    The parts are those of RESNET_PARTS and "classes", the fully connected layer.
    """
    with torch.device("meta"):
        rows = counting.count(resnet.ResNet(depth, option=option, version=version))
    costs = {part: (0, 0) for part in (*RESNET_PARTS.values(), "classes")}
    for row in rows:
        name = row.layer.partition(".")[0]
        part = RESNET_PARTS.get("conv1" if name == "bn1" else name, "classes")
        parameters, mult_adds = costs[part]
        costs[part] = parameters + row.parameters, mult_adds + row.mult_adds
    return costs


def resnet_costs(depth: int, option: str, version: float) -> Figure:
    """Where the parameters and the multiply-adds of a ResNet sit, as bars by stage, with their sums as titles."""
    costs = resnet_cost(depth, option, version)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    parts = zip(axes, zip(*costs.values(), strict=True), ("parameters", "mult-adds"), (1e6, 1e9), strict=True)
    for axis, numbers, what, unit in parts:
        axis.barh(list(costs), [number / unit for number in numbers], color=plotting.SKY)
        prefix = "million" if unit == 1e6 else "10⁹"
        axis.set(title=f"{sum(numbers) / unit:.2f} {prefix} {what}", xlabel=prefix)
    axes[0].invert_yaxis()
    return figure


def changed_photo(
    embed: Callable[[torch.Tensor], torch.Tensor],
    photos: torch.Tensor,
    number: int,
    kind: str,
    strength: float,
    side: int = 128,
) -> Figure:
    """Photograph `number` before and after a change, and how far it moved in pixels and in features.

    embed: images uint8 [N, 3, side, side] to features [N, D]. photos: as made by changes.wide, [N, 3, H, W].
    kind: one of changes.CHANGES; strength: 0 (none) to 1 (its largest amount).
    """
    change = changes.CHANGES[kind]
    originals = torch.stack([changes.window(photo, side) for photo in photos])
    changed = change.make(photos[number], side, strength * change.largest)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.6), width_ratios=[3, 3, 4])
    plotting.show_photo(axes[0], originals[number].permute(1, 2, 0).numpy(), "before")
    title = f"{kind}: {change.unit.format(strength * change.largest)}"
    plotting.show_photo(axes[1], changed.permute(1, 2, 0).numpy(), title)
    spaces, furthest = {"pixels": lambda images: images.float().flatten(1), "features": embed}, 0.0
    for row, space in enumerate(spaces.values()):
        known, moved = space(originals), space(changed[None])
        far = torch.linalg.vector_norm(known - moved, dim=1)
        distance = far[number].item() / changes.distance_between_different(known)
        furthest = max(furthest, distance)
        axes[2].barh(row, distance, height=0.4, color=(plotting.ORANGE, plotting.BLUE)[row])
        nearest = "nearest: itself" if far.argmin() == number else "nearest: another"
        axes[2].text(0.02, row - 0.27, f"{distance:.2f}, {nearest}", size=14)
    axes[2].axvline(1, color=plotting.GREY, linestyle="--")
    label = "distance moved; 1: to another"
    axes[2].set(
        xlim=(0, max(1.6, 1.1 * furthest)), ylim=(1.3, -0.6), yticks=[0, 1], yticklabels=list(spaces), xlabel=label
    )
    return figure


def nearest_by_embedding(
    training: Embeddings, testing: Embeddings, shapes: tuple[Arrays, Arrays], layer: str, k: int, per_class: int
) -> Figure:
    """k nearest neighbours in the embedding of `layer`, among the first `per_class` training images of each class.

    Left: the accuracy on the test images, for every layer of the embeddings, `layer` marked. Right: a test image of
    each of five classes and its nearest training images, with their classes. shapes: the images of both embeddings.
    """
    ranks = nn.functional.one_hot(training.labels).cumsum(0).gather(1, training.labels[:, None])[:, 0]
    chosen = (ranks <= per_class).nonzero().flatten()
    known = training.labels[chosen]
    shares, nearest = {}, {}
    for name, values in training.values.items():
        mean, deviation = values[chosen].mean(0), values[chosen].std(0) + 1e-6
        inputs, queries = ((part - mean) / deviation for part in (values[chosen], testing.values[name]))
        nearest[name] = torch.cdist(queries, inputs).topk(min(k, len(chosen)), largest=False).indices
        votes = nn.functional.one_hot(known[nearest[name]]).double().sum(1)
        votes += 0.5 * nn.functional.one_hot(known[nearest[name][:, 0]], votes.shape[1])  # where two classes tie
        shares[name] = (votes.argmax(1) == testing.labels).double().mean().item()
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), width_ratios=[5, 6])
    rows = range(len(shares))
    left.barh(rows, shares.values(), color=[plotting.ORANGE if name == layer else plotting.SKY for name in shares])
    for row, (name, share) in enumerate(shares.items()):
        left.text(0.01, row, f"{name}: {share:.0%}", va="center", weight="bold" if name == layer else "normal")
    left.set(xlim=(0, 1), yticks=[], xlabel="accuracy on test images", title=f"k = {k}, {per_class} images a class")
    left.invert_yaxis()
    shown = [(testing.labels == label).nonzero()[0, 0].item() for label in range(0, 10, 2)]
    right.axis("off")
    right.set(xlim=(-0.7, 5.7), ylim=(5.2, -0.8), title=f"test image | nearest by {layer}")
    for row, query in enumerate(shown):
        neighbours = chosen[nearest[layer][query, :5]].tolist()
        pictures = [shapes[1].images[query], *shapes[0].images[neighbours]]
        labels = [testing.labels[query].item(), *training.labels[neighbours].tolist()]
        for column, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            place = (column - 0.36, column + 0.36, row + 0.22, row - 0.5)
            right.imshow(picture.tolist(), cmap="gray", extent=place, aspect="auto")
            right.text(
                column, row + 0.36, shapes[1].categories[label], ha="center", va="center", size=12,
                color=plotting.BLACK if label == labels[0] else plotting.RED,
                weight="bold" if column == 0 else "normal", style="normal" if label == labels[0] else "italic",
            )  # fmt: skip
    return figure


def retrained(runs: list[fine_tuning.Run], data: str, images: int, rate: float | None) -> Figure:
    """The errors of the recorded map along the cuts: a band for each, over the seeds, and what lies between them.

    `images` per class of `data`; every cut at the learning rate `rate`, or (None) each at its best one.
    """
    found = [fine_tuning.cell(runs, data, images, cut, rate) for cut in fine_tuning.CUTS]
    places = [place for place, cell in enumerate(found) if cell]
    cells, names = [found[place] for place in places], list(fine_tuning.CUTS.values())
    figure, axes = plt.subplots(figsize=(10, 5))
    for what, colour, marker in (("testing", plotting.RED, "o"), ("training", plotting.BLUE, "s")):
        errors = [[getattr(run, what) for run in cell] for cell in cells]
        low, high = [min(each) for each in errors], [max(each) for each in errors]
        axes.plot(places, [mean(each) for each in errors], color=colour, marker=marker)
        axes.fill_between(places, low, high, color=colour, alpha=0.2)
        axes.annotate(f"  {what}", (places[-1], mean(errors[-1])), va="center", color=colour, annotation_clip=False)
    for place in set(range(len(names))) - set(places):
        axes.text(place, 0.5, "not\nrecorded", ha="center", color=plotting.GREY)
    errors = [mean(run.testing for run in cell) for cell in cells]
    best = names[places[errors.index(min(errors))]]
    chosen = "the best rate of each cut" if rate is None else f"learning rate {rate:g}"
    axes.set_title(f"{images} {data} a class, {chosen}\nleast error {min(errors):.2f}: {best}")
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="error", ylim=(-0.03, 1), xlim=(-0.3, len(names) - 0.3))
    return figure
