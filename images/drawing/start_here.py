"""00's picture."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import ImageOps

from helpers import bundled, datasets, evaluation, gallery, pretrained
from images.drawing.shapes import block


def start_here() -> Figure:
    """A photograph of a cat, an arrow into a box named EfficientNet-Lite0, an arrow out of it to five bars: the
    likeliest of 1,000 categories, of which the first four are cats."""
    network = pretrained.load("efficientnet_lite0")
    cat = datasets.Photos(bundled.free_photos().samples[:1], network.categories)
    guesses = evaluation.top_k(evaluation.predict(network, cat).logits)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4), width_ratios=[3, 4, 4])
    gallery.show_photo(left, ImageOps.fit(cat[0][0], (224, 224)), "a photograph")
    weights = sum(parameter.numel() for parameter in network.model.parameters())
    block(middle, f"EfficientNet-Lite0\n{weights / 1e6:.1f} million weights\ntrained on ImageNet")
    names = [network.categories[index] for index in guesses.classes[0]]
    gallery.guess_bars(right, names, guesses.probabilities[0], title="5 of 1,000 probabilities")
    return figure
