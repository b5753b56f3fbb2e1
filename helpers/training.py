"""One training loop, for small images that fit in memory."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers import device as devices
from helpers.errors import CourseError
from helpers.progress import progress

EVALUATION_BATCH = 512


class Score(NamedTuple):
    """Mean cross-entropy loss, and the share of wrong first guesses from 0 to 1."""

    loss: float
    error: float


@dataclasses.dataclass
class History:
    """What was measured during training, each time in evaluation mode: no dropout, no augmentation.

    After each of `steps`, a Score on all training images, and one on the validation images where there were any.
    """

    steps: list[int] = dataclasses.field(default_factory=list)
    train: list[Score] = dataclasses.field(default_factory=list)
    val: list[Score] = dataclasses.field(default_factory=list)


def train(
    model: nn.Module,
    optimizer: Optimizer,
    train_set: tuple[torch.Tensor, torch.Tensor],
    val_set: tuple[torch.Tensor, torch.Tensor] | None = None,
    *,
    steps: int,
    measure_every: int,
    batch_size: int = 128,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
    scheduler: LRScheduler | None = None,
    target_error: float = -1.0,
    seed: int | None = None,
    device: torch.device | None = None,
) -> History:
    """Minimise the cross-entropy of `model`, and measure every `measure_every` steps.

    Works on `model` in place: the parameters that `optimizer` holds are changed, and the model is left on `device`, in
    evaluation mode.

    Args:
        model: images [N, C, H, W], or embeddings [N, D], to logits [N, classes].
        train_set, val_set: float images or embeddings and their labels int64 [N], in memory.
        steps: batches to train on at most; each epoch takes the images in a new order, and leaves out an incomplete
            batch at its end.
        augment: changes a batch of training images, on its device, each time that it is used.
        scheduler: sets the optimizer's learning rate, after each step.
        target_error: stop once the measured training error is no larger.
        seed: set all random generators to it first (see `device.seed`), so that the order of the images, dropout and
            augmentation are the same on each run; None draws on from where they stand.

    Raises CourseError when the loss becomes infinite or NaN, and for images and labels that do not fit together.
    """
    if steps < 1 or measure_every < 1 or batch_size < 1:
        raise CourseError(
            f"steps = {steps}, measure_every = {measure_every} and batch_size = {batch_size}: each must be 1 or more."
        )
    device = device or devices.accelerator()
    layout = devices.memory_format(device)
    images, labels = _checked("training", train_set, device, layout)
    val_set = val_set and _checked("validation", val_set, device, layout)
    batch_size = min(batch_size, len(images))
    model.to(device, memory_format=layout)
    history, losses = History(), []
    if seed is not None:
        devices.seed(seed)
    for step in progress(iterable=range(1, steps + 1), desc="training", unit=" steps"):
        position = (step - 1) % (len(images) // batch_size) * batch_size
        if position == 0:
            order = torch.randperm(len(images)).to(device)
        batch = order[position : position + batch_size]
        model.train()
        with devices.mixed_precision(device):
            logits = model(augment(images[batch]) if augment else images[batch])
            if step == 1:
                _require_classes(logits.shape[1], torch.cat([labels, val_set[1]]) if val_set else labels)
            loss = F.cross_entropy(logits, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        losses.append(loss.detach())
        if step % measure_every == 0 or step == steps:
            _require_finite(losses, step)
            losses.clear()
            history.steps.append(step)
            history.train.append(evaluate(model, images, labels))
            if val_set:
                history.val.append(evaluate(model, *val_set))
            if history.train[-1].error <= target_error:
                break
    model.eval()
    return history


@torch.inference_mode()
def evaluate(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Score:
    """Loss and error of `model` on float images [N, C, H, W] and labels int64 [N], on the model's device.

    Puts the model into evaluation mode, and leaves it there.
    """
    model.eval()
    batch_size = EVALUATION_BATCH
    if images.device.type == "cpu":  # of larger images fewer, so that what they leave stays in the cache
        batch_size = min(batch_size, max(16, batch_size * 3 * 32 * 32 // images[0].numel()))
    with devices.mixed_precision(images.device):
        logits = torch.cat([model(batch).float() for batch in images.split(batch_size)])
    wrong = logits.argmax(dim=1) != labels
    return Score(F.cross_entropy(logits, labels).item(), wrong.float().mean().item())


def shift_and_flip(images: torch.Tensor, pixels: int) -> torch.Tensor:
    """Each image [N, C, H, W] shifted by up to `pixels` in each direction, and mirrored or not, at random.

    The image is padded with zeros and a crop of its size is cut out: (2 pixels + 1)² x 2 variants of each.
    """
    count, height, width = len(images), *images.shape[2:]
    padded = F.pad(images, [pixels] * 4)
    crops = padded.unfold(2, height, 1).unfold(3, width, 1)  # [N, C, 2 pixels + 1, 2 pixels + 1, H, W]
    down, right = torch.randint(2 * pixels + 1, (2, count), device=images.device)
    shifted = crops[torch.arange(count, device=images.device), :, down, right]
    mirrored = torch.rand(count, 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, shifted.flip(3), shifted)


def _checked(
    name: str, pair: tuple[torch.Tensor, torch.Tensor], device: torch.device, layout: torch.memory_format
) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = pair
    if images.ndim not in (2, 4) or not images.is_floating_point() or len(images) == 0:
        kind = str(images.dtype).removeprefix("torch.")
        raise CourseError(
            f"The {name} images are {kind} {list(images.shape)}: give float images [N, C, H, W], or embeddings [N, D]."
        )
    if labels.shape != images.shape[:1]:
        raise CourseError(f"There are {len(images)} {name} images and {len(labels)} labels: give one label for each.")
    layout = layout if images.ndim == 4 else torch.contiguous_format
    return images.to(device, memory_format=layout), labels.to(device)


def _require_classes(classes: int, labels: torch.Tensor) -> None:
    if labels.min() < 0 or labels.max() >= classes:
        raise CourseError(
            f"The labels run from {labels.min()} to {labels.max()}, but the model tells {classes} classes apart: "
            "give it a head for all of them."
        )


def _require_finite(losses: list[torch.Tensor], step: int) -> None:
    """The losses of the last steps, up to `step`, are looked at together: each look makes a GPU wait."""
    bad = (~torch.stack(losses).isfinite()).nonzero().flatten().tolist()
    if bad:
        first = step - len(losses) + bad[0] + 1
        raise CourseError(f"The loss of step {first} is not finite: lower the learning rate.")
