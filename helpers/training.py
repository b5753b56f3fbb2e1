"""One training loop, for small images that fit in memory."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
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

    Attributes:
        steps: after how many steps.
        training: a Score on all training images, for each of the steps.
        validation: a Score on the validation images, or empty where there were none.
    """

    steps: list[int] = dataclasses.field(default_factory=list)
    training: list[Score] = dataclasses.field(default_factory=list)
    validation: list[Score] = dataclasses.field(default_factory=list)


def train(
    module: nn.Module,
    optimiser: Optimizer,
    training: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor] | None = None,
    *,
    steps: int,
    every: int,
    batch_size: int = 128,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
    scheduler: LRScheduler | None = None,
    target_error: float = -1.0,
    seed: int = 0,
    device: torch.device | None = None,
) -> History:
    """Minimise the cross-entropy of `module`, images [N, C, H, W] to logits [N, classes], and measure `every` n steps.

    Embeddings [N, D] may stand for images. Only the parameters that `optimiser` holds are changed; `module` stays on
    `device`, in evaluation mode.

    Args:
        training, validation: float images [N, C, H, W] and their labels int64 [N], in memory.
        steps: batches to train on at most; each epoch takes the images in a new order, and leaves out an incomplete
            batch at its end.
        augment: changes a batch of training images, on its device, each time that it is used.
        scheduler: sets the optimiser's learning rate, after each step.
        target_error: stop once the measured training error is no larger.
        seed: for the order of the images, dropout and augmentation. The module was initialised before.

    Raises CourseError when the loss becomes infinite or NaN, and for images and labels that do not fit together.
    """
    device = device or devices.accelerator()
    layout = devices.memory_format(device)
    images, labels = _checked("training", training, device, layout)
    validation = validation and _checked("validation", validation, device, layout)
    batch_size = min(batch_size, len(images))
    module.to(device, memory_format=layout)
    history, losses = History(), []
    devices.seed(seed)
    for step in progress(iterable=range(1, steps + 1), desc="training", unit=" steps"):
        position = (step - 1) % (len(images) // batch_size) * batch_size
        if position == 0:
            order = torch.randperm(len(images)).to(device)
        batch = order[position : position + batch_size]
        module.train()
        with devices.mixed_precision(device):
            loss = functional.cross_entropy(module(augment(images[batch]) if augment else images[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if scheduler:
            scheduler.step()
        losses.append(loss.detach())
        if step % every == 0 or step == steps:
            _require_finite(losses, step)
            losses.clear()
            history.steps.append(step)
            history.training.append(evaluate(module, images, labels))
            if validation:
                history.validation.append(evaluate(module, *validation))
            if history.training[-1].error <= target_error:
                break
    module.eval()
    return history


@torch.inference_mode()
def evaluate(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Score:
    """Loss and error of `module` in evaluation mode, where it stays, on float images [N, C, H, W], labels int64 [N]."""
    module.eval()
    batch_size = EVALUATION_BATCH
    if images.device.type == "cpu":  # of larger images fewer, so that what they leave stays in the cache
        batch_size = min(batch_size, max(16, batch_size * 3 * 32 * 32 // images[0].numel()))
    with devices.mixed_precision(images.device):
        logits = torch.cat([module(batch).float() for batch in images.split(batch_size)])
    wrong = logits.argmax(dim=1) != labels
    return Score(functional.cross_entropy(logits, labels).item(), wrong.float().mean().item())


def shift_and_flip(images: torch.Tensor, pixels: int) -> torch.Tensor:
    """Each image [N, C, H, W] shifted by up to `pixels` in each direction, and mirrored or not, at random.

    The image is padded with zeros and a crop of its size is cut out: (2 pixels + 1)² x 2 variants of each.
    """
    count, height, width = len(images), *images.shape[2:]
    padded = functional.pad(images, [pixels] * 4)
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


def _require_finite(losses: list[torch.Tensor], step: int) -> None:
    """The losses of the last steps, up to `step`, are looked at together: each look makes a GPU wait."""
    bad = (~torch.stack(losses).isfinite()).nonzero().flatten().tolist()
    if bad:
        first = step - len(losses) + bad[0] + 1
        raise CourseError(f"The loss of step {first} is not finite: lower the learning rate.")
