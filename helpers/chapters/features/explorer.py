"""07's explorer: how far a change moves a photograph, in pixels and in features."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from helpers import gallery, plotting
from helpers.chapters.features import changes


def changed_photo(
    embed: Callable, photos: torch.Tensor, number: int, kind: str, strength: float, side: int = 128
) -> Figure:
    """Photograph `number` before and after a change, and how far it moved in pixels and in features.

    embed: images uint8 [N, 3, side, side] to features [N, D]. photos: by changes.with_margin, [N, 3, H, W].
    kind: one of changes.CHANGES; strength: 0 (none) to 1 (its largest amount).
    """
    change = changes.CHANGES[kind]
    amount = strength * change.largest
    originals = torch.stack([changes.centre_crop(photo, side) for photo in photos])
    changed = change.make(photos[number], side, amount)
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4.6), width_ratios=[3, 3, 4])
    gallery.show_photo(left, originals[number], "before")
    gallery.show_photo(middle, changed, f"{kind}: {change.unit.format(amount)}")
    spaces = [(lambda images: images.float().flatten(1), plotting.ORANGE), (embed, plotting.BLUE)]
    for row, (space, colour) in enumerate(spaces):
        vectors = space(originals)
        distances = torch.linalg.vector_norm(vectors - space(changed[None]), dim=1)
        moved = distances[number].item() / changes.mean_pairwise_distance(vectors)
        right.barh(row, moved, height=0.4, color=colour)
        nearest = "itself" if distances.argmin() == number else "another"
        right.text(0.02, row - 0.27, f"{moved:.2f}, nearest: {nearest}", size=14)
    right.axvline(1, color=plotting.GREY, linestyle="--")
    right.set(xlim=(0, max(1.6, right.get_xlim()[1])), xlabel="distance moved; 1: to another")
    right.set(ylim=(1.3, -0.6), yticks=[0, 1], yticklabels=["pixels", "features"])
    return fig
