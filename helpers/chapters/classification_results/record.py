"""06's record: what both embedded networks say about 550 photographs of ten ImageNet classes (Imagenette).

`IMAGENET_DIR=folder python -m helpers.chapters.classification_results.record` writes record.csv anew, from the folders
train and val in it or from itself; two minutes. The photographs do not travel: guesses, ranks and probabilities do.
"""

import os
import platform
import subprocess
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F

from helpers import ROOT, datasets, evaluation, pretrained
from helpers.datasets import Photos
from helpers.evaluation import Predictions

FILE = Path(__file__).with_suffix(".csv")
NETWORKS = {"EfficientNet-Lite0": "efficientnet_lite0", "SqueezeNet": "squeezenet1_1"}


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature, of 91 from 0.25 to 4 on a logarithmic scale, at which the labels' log loss is least."""
    temperatures = torch.logspace(-2, 2, 91, base=2).tolist()
    losses = [F.cross_entropy(logits / each, labels).item() for each in temperatures]
    return temperatures[losses.index(min(losses))]


def judged(predictions: dict[str, Predictions], photos: Photos) -> pd.DataFrame:
    """A row for each network and photograph that it could read.

    Columns: network, photograph (the file's stem), label and guess (category numbers), rank (of the label, 1 is a right
    guess), confidence (the guess's probability), temperature (fitted on the *other* half of the photographs, which are
    dealt out in turn), calibrated (the guess's probability at that temperature), and the log losses of the label,
    before and after: loss, calibrated_loss.
    """
    tables = []
    for name, (logits, labels, indices, _) in predictions.items():
        half = torch.arange(len(labels)) % 2
        fitted = [fit_temperature(logits[half != part], labels[half != part]) for part in (0, 1)]
        temperature = torch.tensor(fitted)[half]
        cooled = logits / temperature[:, None]
        order = evaluation.top_k(logits, logits.shape[1]).classes
        columns = {
            "label": labels,
            "guess": order[:, 0],
            "rank": 1 + (order == labels[:, None]).int().argmax(dim=1),
            "confidence": logits.softmax(dim=1).max(dim=1).values,
            "temperature": temperature,
            "calibrated": cooled.softmax(dim=1).max(dim=1).values,
            "loss": F.cross_entropy(logits, labels, reduction="none"),
            "calibrated_loss": F.cross_entropy(cooled, labels, reduction="none"),
        }
        stems = [photos.samples[index][0].stem for index in indices]
        table = pd.DataFrame({key: column.numpy() for key, column in columns.items()})
        tables.append(table.assign(network=name, photograph=stems))
    return pd.concat(tables, ignore_index=True)


def load() -> pd.DataFrame:
    """The record, as `judged` made it."""
    return pd.read_csv(FILE, comment="#")


def measure(folder: Path) -> pd.DataFrame:
    """What `judged` says of the class folders in `folder`, or in its parts train and val, by both networks."""
    parts = [folder / name for name in ("train", "val") if (folder / name).is_dir()] or [folder]
    found = [datasets.imagenet_folder(part) for part in parts]
    photos = Photos([sample for part in found for sample in part.samples], found[0].categories)
    networks = {name: pretrained.load(key) for name, key in NETWORKS.items()}
    return judged({name: evaluation.predict(network, photos) for name, network in networks.items()}, photos)


if __name__ == "__main__":
    table, git = measure(Path(os.environ["IMAGENET_DIR"])), ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown"
    made = [f"machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores; commit: {commit} or later"]
    made += [f"versions: Python {platform.python_version()}, PyTorch {torch.__version__}"]
    made += [f"data: {len(table) // 2} photographs of {table.label.nunique()} ImageNet classes, a sample of Imagenette"]
    made += [f"by: IMAGENET_DIR=folder python -m {__spec__.name}"]
    FILE.write_text("".join(f"# {line}\n" for line in made) + table.to_csv(index=False, float_format="%.4f"))
