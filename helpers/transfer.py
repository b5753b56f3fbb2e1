"""Pretrained networks for other tasks: embeddings, new heads, and networks of which only a part learns on."""

import contextlib
import copy
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import fx, nn
from torchvision.models import feature_extraction

from helpers import evaluation, files, pretrained
from helpers.datasets import Arrays, Photos
from helpers.errors import CourseError
from helpers.pretrained import Network

# ---- embeddings ----


class Embeddings(NamedTuple):
    """The response of a network to a data set, at one or more layers.

    Attributes:
        values: for each layer its float32 [N, D], on the CPU; maps [N, D, H, W] are averaged over their places.
        labels, indices, unreadable: as in evaluation.Predictions.
    """

    values: dict[str, torch.Tensor]
    labels: torch.Tensor
    indices: torch.Tensor
    unreadable: list[str]


def embed(
    network: Network, data: Photos | Arrays, layers: str | Sequence[str] = (), device: torch.device | None = None
) -> Embeddings:
    """The responses of `network` at `layers` (or at its embedding_layer) to all of `data`, in one pass, with progress.

    They are kept in memory, and on disk in cache_folder(), under a key of everything that they depend on: the
    network's weights, the layers, the preprocessing and the photographs. A kept file that is damaged is computed
    again; a disk that is full or may not be written to costs only the time of the next run. Raises CourseError for a
    layer that the network does not have, and where no photograph can be read.
    """
    layers = [layers] if isinstance(layers, str) else list(layers) or [embedding_layer(network.module)]
    key = _key(network, data, layers)
    path = cache_folder() / f"{key}.pt"
    if key not in _memory:
        _memory[key] = _read(path) or _compute(network, data, layers, device, path)
    return _memory[key]


def cache_folder() -> Path:
    """Where embeddings are kept on disk: beside torchvision's weights, in TORCH_HOME. It may be deleted at any time."""
    return Path(torch.hub.get_dir()) / "embeddings"


_memory: dict[str, Embeddings] = {}


def _key(network: Network, data: Photos | Arrays, layers: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((network.name, network.preprocess, layers)).encode())
    for name, tensor in network.module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    if isinstance(data, Arrays):
        digest.update(repr(data.images.shape).encode())
        digest.update(data.images.contiguous().numpy().tobytes())
        digest.update(data.labels.numpy().tobytes())
    else:
        for path, label in data.samples:
            status = path.stat() if files.is_there(path) else None
            changed = (status.st_size, status.st_mtime_ns) if status else None
            digest.update(repr((str(path.absolute()), changed, label)).encode())
    return digest.hexdigest()


def _compute(
    network: Network, data: Photos | Arrays, layers: list[str], device: torch.device | None, path: Path
) -> Embeddings:
    extractor = dataclasses.replace(network, module=_Responses(network.module, layers))
    found, labels, indices, unreadable = evaluation.predict(extractor, data, device=device)
    values = dict(zip(layers, found.split(extractor.module.sizes, dim=1), strict=True))
    embeddings = Embeddings({layer: value.clone() for layer, value in values.items()}, labels, indices, unreadable)
    if not unreadable:  # a photograph that is mended later may keep its size and time
        with contextlib.suppress(CourseError):  # on a full disk only the time of the next run is lost
            files.save({"values": embeddings.values, "labels": labels, "indices": indices}, path)
    return embeddings


class _Responses(nn.Module):
    """[N, 3, H, W] to the responses at several layers, each as one vector, one behind the other."""

    def __init__(self, module: nn.Module, layers: Sequence[str]):
        super().__init__()
        known = feature_extraction.get_graph_node_names(module, LEAVES)[1]
        for layer in layers:
            if not any(name == layer or name.startswith(f"{layer}.") for name in known):
                raise CourseError(f'The network has no layer "{layer}": choose one of {", ".join(known[1:])}.')
        nodes = {layer: layer for layer in layers}
        self.extract = feature_extraction.create_feature_extractor(module, nodes, tracer_kwargs=LEAVES).eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        responses = [vector(response) for response in self.extract(x).values()]
        self.sizes = [response.shape[1] for response in responses]
        return torch.cat(responses, dim=1)


LEAVES = {"leaf_modules": [nn.Conv2d]}  # also those that calculate their padding from the size of the map


def vector(response: torch.Tensor) -> torch.Tensor:
    """A layer's response [N, D] as it is; maps [N, D, H, W] averaged over their places, to [N, D]."""
    return response.mean(dim=(2, 3)) if response.ndim == 4 else response.flatten(1)


def _read(path: Path) -> Embeddings | None:
    if not files.is_there(path):
        return None
    try:
        kept = files.load_state_dict(path)
        return Embeddings(kept["values"], kept["labels"], kept["indices"], [])
    except (CourseError, KeyError, TypeError):
        return None


# ---- heads ----


def head_name(module: nn.Module) -> str:
    """The name of the layer that computes the logits: the last linear layer or 1x1 convolution."""
    layers = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    if not layers:
        raise CourseError(f"{type(module).__name__} has neither a linear layer nor a convolution to take for its head.")
    return layers[-1]


def embedding_layer(module: nn.Module) -> str:
    """The name of the layer whose output the head reads."""
    names = feature_extraction.get_graph_node_names(module, LEAVES)[1]
    return names[names.index(head_name(module)) - 1]


def with_head(module: nn.Module, classes: int) -> nn.Module:
    """A copy of `module` whose head is a new one for `classes` classes, with PyTorch's random initial weights."""
    module = copy.deepcopy(module)
    name = head_name(module)
    old = module.get_submodule(name)
    if isinstance(old, nn.Conv2d):
        new = nn.Conv2d(old.in_channels, classes, old.kernel_size)
    else:
        new = nn.Linear(old.in_features, classes)
    module.set_submodule(name, new.to(next(module.parameters()).device))
    return module


# ---- freezing ----


class Frozen(nn.Module):
    """A part of a network that learns no more: no gradients, and batch norm's statistics stay as they are.

    Also in training mode it computes as in evaluation.
    """

    def __init__(self, part: nn.Module):
        super().__init__()
        self.part = part.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] to what the part makes of it."""
        return self.part(x)


def split(module: nn.Module, cut: str) -> tuple[nn.Module, nn.Module]:
    """The network up to and including the layer or block `cut`, and the rest of it: upper(lower(x)) = module(x).

    Both share their layers with `module`: what one learns, the other knows. Raises CourseError for a layer that the
    network does not have, and for one that lies inside a block, around which other paths lead.
    """
    tracer = feature_extraction.NodePathTracer(leaf_modules=(nn.Conv2d,))
    nodes = list(tracer.trace(module).nodes)
    inside = [row for row, node in enumerate(nodes) if f"{tracer.node_to_qualname.get(node)}.".startswith(f"{cut}.")]
    if not inside:
        names = ", ".join(name for name, _ in module.named_children())
        raise CourseError(f'The network has no layer "{cut}": choose one of its parts ({names}), or a layer of them.')
    below, above, border = nodes[: inside[-1] + 1], nodes[inside[-1] + 1 :], nodes[inside[-1]]
    if any(user in above for node in below[:-1] for user in node.users):
        raise CourseError(f'The network cannot be cut behind "{cut}", inside a block: other paths lead around it.')
    lower, upper = fx.Graph(), fx.Graph()
    copied = {}
    for node in below:
        copied[node] = lower.node_copy(node, copied.__getitem__)
    lower.output(copied[border])
    copied = {border: upper.placeholder("x")}
    for node in above:
        copied[node] = upper.node_copy(node, copied.__getitem__)
    parts = (fx.GraphModule(tracer.root, graph).train(module.training) for graph in (lower, upper))
    return tuple(parts)


def freeze(module: nn.Module, cut: str) -> nn.Sequential:
    """The same network with all layers up to and including `cut` Frozen; what learns on is shared with `module`."""
    lower, upper = split(module, cut)
    return nn.Sequential(Frozen(lower), upper)


# ---- a network of one's own, kept ----


def save(network: Network, path: str | Path) -> None:
    """Write the weights of `network`, its categories and its preprocessing's size into one file, for `load`.

    Raises CourseError where the file cannot be written; a file that was there before is then as it was.
    """
    kept = {
        "network": network.name,
        "pixels": network.pixels,
        "categories": network.categories,
        "state": {name: tensor.cpu() for name, tensor in network.module.state_dict().items()},
    }
    files.save(kept, Path(path))


def load(path: str | Path) -> Network:
    """The network that `save` wrote to `path`, ready for photographs; CourseError for any other file."""
    kept = files.load_state_dict(Path(path))
    try:
        name, pixels, categories, state = (kept[key] for key in ("network", "pixels", "categories", "state"))
    except (KeyError, TypeError):
        raise CourseError(f'"{path}" was not written by transfer.save: name such a file.') from None
    network = pretrained.untrained(name).at(pixels)
    module = with_head(network.module, len(categories)).eval()
    files.fill(module, state, Path(path))
    return dataclasses.replace(network, module=module, categories=categories, source=str(path))
