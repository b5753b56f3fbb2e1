"""Changes of a photograph that leave what it shows as it is, and how far they move it in a space."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as TF

MARGIN = 1.5  # sides: enough surroundings for every shift and rotation, so that no edge comes into view


def with_margin(photo: Image.Image, side: int) -> torch.Tensor:
    """The central square of a photograph, uint8 [3, MARGIN side, MARGIN side]; `centre_crop` looks at its middle."""
    return TF.to_image(ImageOps.fit(photo, (round(MARGIN * side),) * 2)).as_subclass(torch.Tensor)


def centre_crop(photo: torch.Tensor, side: int, right: float = 0.0, factor: float = 1.0) -> torch.Tensor:
    """What a camera sees of the middle of `photo` [3, H, W], as an image [3, side, side].

    right: how far the camera is moved to the right, in sides; factor: how much larger things are.
    """
    cut = round(side / factor)
    top, left = ((length - cut) // 2 for length in photo.shape[1:])
    return TF.resize(TF.crop(photo, top, left + round(right * side), cut, cut), [side, side])


def shift(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """The camera is moved to the right by `amount` sides."""
    return centre_crop(photo, side, right=amount)


def darken(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """The light is dimmed: each pixel times 1 - `amount`."""
    return _rounded(centre_crop(photo, side) * (1 - amount))


def zoom(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """Everything becomes larger by a factor of 1 + `amount`."""
    return centre_crop(photo, side, factor=1 + amount)


def rotate(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """The camera is turned by `amount` degrees."""
    return centre_crop(TF.rotate(photo, amount, InterpolationMode.BILINEAR), side)


def add_noise(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """Gaussian noise of standard deviation `amount` is added to each value; the same noise at each call."""
    generator = torch.Generator().manual_seed(0)
    return _rounded(centre_crop(photo, side) + amount * torch.randn(3, side, side, generator=generator))


def blur(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """Out of focus: a Gaussian blur of standard deviation `amount`, in pixels."""
    cropped = centre_crop(photo, side)
    return TF.gaussian_blur(cropped, [2 * round(3 * amount) + 1] * 2, [amount] * 2) if amount else cropped


class Change(NamedTuple):
    """A kind of change: what it makes of (photo with margin, side, amount), its largest amount, and how to say it."""

    make: Callable[[torch.Tensor, int, float], torch.Tensor]
    largest: float
    unit: str  # a format of the amount


CHANGES = {
    "translation": Change(shift, 0.25, "{:.0%} of the side"),
    "light": Change(darken, 0.75, "{:.0%} darker"),
    "scale": Change(zoom, 1.0, "{:.0%} larger"),
    "rotation": Change(rotate, 45.0, "{:.0f}°"),
    "noise": Change(add_noise, 60.0, "deviation {:.0f} of 255"),
    "blur": Change(blur, 3.0, "{:.1f} pixels"),
}


def mean_pairwise_distance(vectors: torch.Tensor) -> float:
    """The mean Euclidean distance between two different rows of `vectors` [N, D], N > 1: the yardstick of a space."""
    return F.pdist(vectors.double()).mean().item()


def _rounded(image: torch.Tensor) -> torch.Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)
