"""Changes of a photograph that leave what it shows as it is, and how far they move it in a space."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from PIL import Image, ImageOps
from torch.nn import functional
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as pixels

MARGIN = 1.5  # the photograph around the window: enough for every shift and turn, so that no edge comes into view


def wide(photo: Image.Image, side: int) -> torch.Tensor:
    """The central square of a photograph, uint8 [3, MARGIN side, MARGIN side]; `window` looks at its middle."""
    return pixels.to_image(ImageOps.fit(photo, (round(MARGIN * side),) * 2)).as_subclass(torch.Tensor)


def window(picture: torch.Tensor, side: int, right: float = 0.0, zoom: float = 1.0) -> torch.Tensor:
    """What a camera sees of `picture` [3, H, W]: its middle, [3, side, side].

    right: how far the camera is moved to the right, in sides; zoom: how much larger things are.
    """
    cut = round(side / zoom)
    top, left = ((length - cut) // 2 for length in picture.shape[1:])
    return pixels.resize(pixels.crop(picture, top, left + round(right * side), cut, cut), [side, side])


def shift(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """The camera moved to the right by `amount` sides."""
    return window(photo, side, right=amount)


def light(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """The light dimmed: each pixel times 1 - `amount`."""
    return _rounded(window(photo, side) * (1 - amount))


def scale(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """Everything larger by a factor of 1 + `amount`."""
    return window(photo, side, zoom=1 + amount)


def rotation(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """The camera turned by `amount` degrees."""
    return window(pixels.rotate(photo, amount, InterpolationMode.BILINEAR), side)


def noise(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """To each number another one is added, from a normal distribution of deviation `amount`: the same at each call."""
    generator = torch.Generator().manual_seed(0)
    return _rounded(window(photo, side) + amount * torch.randn(3, side, side, generator=generator))


def blur(photo: torch.Tensor, side: int, amount: float) -> torch.Tensor:
    """Out of focus: each pixel the mean of its neighbours, by a bell of `amount` pixels' deviation."""
    seen = window(photo, side)
    return pixels.gaussian_blur(seen, [2 * round(3 * amount) + 1] * 2, [amount] * 2) if amount else seen


class Change(NamedTuple):
    """A kind of change: what it makes of (wide photograph, side, amount), its largest amount, and how to say it."""

    make: Callable[[torch.Tensor, int, float], torch.Tensor]
    largest: float
    unit: str  # a format of the amount


CHANGES = {
    "translation": Change(shift, 0.25, "{:.0%} of the side"),
    "light": Change(light, 0.75, "{:.0%} darker"),
    "scale": Change(scale, 1.0, "{:.0%} larger"),
    "rotation": Change(rotation, 45.0, "{:.0f}°"),
    "noise": Change(noise, 60.0, "± {:.0f} of 255"),
    "blur": Change(blur, 3.0, "{:.1f} pixels"),
}


def distance_between_different(vectors: torch.Tensor) -> float:
    """The mean Euclidean distance between different rows of `vectors` [N, D], N > 1: the yardstick of a space."""
    return functional.pdist(vectors.double()).mean().item()


def _rounded(picture: torch.Tensor) -> torch.Tensor:
    return picture.round().clamp(0, 255).to(torch.uint8)
