"""07's explorer: how far a change moves a photograph, in several spaces."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from helpers import gallery, plotting
from helpers.chapters.features import changes


def changed_photo(
    spaces: dict[str, tuple[Callable, str]], photos: torch.Tensor, number: int, kind: str, strength: float, side=128
) -> Figure:
    """Photograph `number` before and after a change, and how far it moved in each space.

    spaces: by name, a function of images uint8 [N, 3, side, side] to vectors [N, D], and the colour of its bar.
    photos: by changes.with_margin, [N, 3, H, W]. kind: one of changes.CHANGES; strength: 0 (none) to 1 (its largest).
    """
    change = changes.CHANGES[kind]
    amount = strength * change.largest
    originals = torch.stack([changes.centre_crop(photo, side) for photo in photos])
    changed = change.make(photos[number], side, amount)
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.6), width_ratios=[3, 3, 5])
    gallery.show_photo(left, originals[number], "before")
    gallery.show_photo(middle, changed, f"after {kind}: {change.unit.format(amount)}")
    for row, (space, colour) in enumerate(spaces.values()):
        vectors = space(originals)
        distances = torch.linalg.vector_norm(vectors - space(changed[None]), dim=1)
        moved = distances[number].item() / changes.mean_pairwise_distance(vectors)
        right.barh(row, moved, height=0.4, color=colour)
        nearest = "itself" if distances.argmin() == number else "a different one"
        right.text(0.02, row - 0.27, f"{moved:.2f}, nearest: {nearest}", size=14)
    right.axvline(1, color=plotting.GREY, linestyle="--")
    right.set(xlim=(0, max(1.6, right.get_xlim()[1])), title="how far it moved")
    right.set_xlabel("1: as far as to a different photograph")
    right.set(ylim=(len(spaces) - 0.7, -0.6), yticks=range(len(spaces)), yticklabels=spaces)
    return fig
