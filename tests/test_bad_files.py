"""Whatever a learner may hand over as files of weights, names and connections: one sentence that names the cure."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import os
import pickle
import socket
import socketserver
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from helpers import bundled, files, pretrained
from helpers.errors import CourseError
from tests.bad_input import Place, forbidden, is_equal_to, judge, row

CURE = "use an embedded network."

# ---- checkpoints ----


class Payload:
    """A pickle of it makes a folder when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def reading_code(
    pack: Callable[[object], bytes], read: Callable[[Path], object], careless: Callable[[io.BytesIO], object]
) -> Callable[[Place], None]:
    """Read a file that would make a folder if its code ran; prove that it does not, and that `careless` would."""

    def call(place: Place) -> None:
        made = place.folder / "made by the code"
        path = place.write("evil.pkl", pack(Payload(made)))
        try:
            read(path)
        finally:
            assert not made.exists()
            careless(io.BytesIO(path.read_bytes()))
            assert made.exists()

    return call


def load_pickle_of_arrays(path: Path) -> object:
    return files.unpickle_arrays(path.read_bytes(), path)


def load_carelessly(file: io.BytesIO) -> object:
    return torch.load(file, weights_only=False)


STATE = saved(nn.Linear(3, 2).state_dict())


def load_published(state: object) -> Callable[[Place], pretrained.Network]:
    def call(place: Place) -> pretrained.Network:
        place.publish(state)
        return pretrained.load("mobilenet_v3_small")

    return call


# ---- the network ----


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextlib.contextmanager
def serving(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server on this machine that is well when asked for a file's header; `answer` says what it does for the file."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/weights.pth"
        finally:
            server.shutdown()  # also when the row raises: its thread would spin on the closed socket


def send(content: bytes, promised: int) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(promised))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def fetch(place: Place, url: str, sha256: str = digest(STATE)[:8]) -> bytes:
    """Download as `pretrained` does; whatever happens, no part of a file and no time limit may stay behind."""
    folder = place.folder / "cache"
    target = folder / "weights.pth"
    try:
        with files.downloading(url, folder, CURE):
            torch.hub.download_url_to_file(url, str(target), hash_prefix=sha256)
        return target.read_bytes()
    finally:
        assert [path for path in folder.glob("*") if path != target] == []
        assert socket.getdefaulttimeout() is None


def fetch_from(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Callable[[Place], bytes]:
    def call(place: Place) -> bytes:
        with serving(answer) as url:
            try:
                return fetch(place, url)
            except CourseError:
                assert not (place.folder / "cache" / "weights.pth").exists()
                raise

    return call


@contextlib.contextmanager
def weights_at(place: Place, home: Path) -> Iterator[None]:
    """Weights of ResNet-18 are on a server on this machine, which has other bytes; `home` is torch's cache."""
    weights = torchvision.models.get_model_weights("resnet18").IMAGENET1K_V1.value
    place.patch.setenv("TORCH_HOME", str(home))
    with serving(send(STATE, len(STATE))) as url:
        elsewhere = dataclasses.replace(weights, url=url.replace("weights", "resnet18-01234567"))
        enumeration = types.SimpleNamespace(IMAGENET1K_V1=elsewhere)
        place.patch.setattr(torchvision.models, "get_model_weights", lambda name: enumeration)
        yield


def load_weights_from_a_server_of_other_bytes(place: Place) -> None:
    with weights_at(place, place.folder):
        try:
            pretrained.load("resnet18")
        finally:
            assert [path for path in place.folder.rglob("*") if path.is_file()] == []


def fetch_from_a_server_that_stalls_halfway(place: Place) -> None:
    done = threading.Event()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        send(STATE[:100], promised=len(STATE))(handler)
        done.wait(5)

    try:
        fetch_from(answer)(place)
    finally:
        done.set()


def fetch_from_a_server_that_never_answers(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fetch(place, f"http://127.0.0.1:{listening.getsockname()[1]}/weights.pth")


def fetch_while_name_resolution_hangs(place: Place) -> None:
    done = threading.Event()
    place.patch.setattr(socket, "getaddrinfo", lambda *_, **__: done.wait(5))
    try:
        fetch(place, "https://download.pytorch.org/weights.pth")
    finally:
        done.set()


def fetch_into_a_cache_that_is_read_only(place: Place) -> None:
    (place.folder / "cache").mkdir()
    with serving(send(STATE, len(STATE))) as url, forbidden(place.folder / "cache", 0o500):
        fetch(place, url)


def fetch_into_a_cache_that_cannot_be_made(place: Place) -> None:
    with serving(send(STATE, len(STATE))) as url, forbidden(place.folder, 0o500):
        fetch(place, url)


def offline(call: Callable[[], object]) -> Callable[[Place], object]:
    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    def call_without_connection(place: Place) -> object:
        place.patch.setattr(socket, "getaddrinfo", fail)
        place.patch.setattr(bundled, "DOWNLOADS", place.folder)
        place.patch.setenv("TORCH_HOME", str(place.folder))
        return call()

    return call_without_connection


def load_from_a_forbidden_cache(place: Place) -> None:
    home = place.folder / "home"
    home.mkdir()
    with weights_at(place, home), forbidden(home):
        pretrained.load("resnet18")


def read_half_an_imagenette(place: Place) -> None:
    place.patch.setattr(bundled, "DOWNLOADS", place.folder)
    (place.folder / "imagenette2-160" / "train" / "n01440764").mkdir(parents=True)
    bundled.from_torchvision("Imagenette", train=True)


TABLE = [
    # checkpoints
    row(
        "truncated checkpoint",
        lambda at: files.load_state_dict(at.write("half.pth", STATE[: len(STATE) // 2]), digest(STATE)),
        *("half.pth", "not the published file", "download it again"),
    ),
    row(
        "truncated checkpoint without a hash",
        lambda at: files.load_state_dict(at.write("half.pth", STATE[: len(STATE) // 2])),
        *("half.pth", "damaged", "download or save it again"),
    ),
    row(
        "empty checkpoint", lambda at: files.load_state_dict(at.write("no.pth")), "no.pth", "download or save it again"
    ),
    row("missing checkpoint", lambda at: files.load_state_dict(at.folder / "no.pth"), "no.pth", "check the path"),
    row(
        "wrong hash",
        lambda at: files.load_state_dict(at.write("a.pth", STATE), "0123456789abcdef"),
        *("a.pth", digest(STATE)[:8], "01234567", "delete it"),
    ),
    row(
        "checkpoint of another network",
        load_published(nn.Linear(3, 2).state_dict()),
        *("network-", "MobileNetV3", "choose the network it was saved from"),
    ),
    row(
        "checkpoint that is a list",
        load_published([1, 2]),
        *("network-", "MobileNetV3", "choose the network it was saved from"),
    ),
    row(
        "code in a pickle of arrays",
        reading_code(pickle.dumps, load_pickle_of_arrays, pickle.load),
        *("evil.pkl", "mkdir", "was not read"),
    ),
    row(
        "code in a pickled checkpoint",
        reading_code(lambda code: pickle.dumps(code, protocol=2), files.load_state_dict, pickle.load),
        *("evil.pkl", "was not read", "save a network's state_dict()"),
    ),
    row(
        "code in a checkpoint",
        reading_code(saved, files.load_state_dict, load_carelessly),
        *("evil.pkl", "was not read", "save a network's state_dict()"),
    ),
    row(
        "damaged pickle of arrays",
        lambda at: load_pickle_of_arrays(at.write("a.pkl", b"\xff")),
        *("a.pkl", "was not read", "download it again"),
    ),
    # the network
    row("good download", fetch_from(send(STATE, len(STATE))), is_equal_to(STATE)),
    row("no connection", lambda at: fetch(at, "https://nowhere.invalid/a.pth"), "nowhere.invalid", CURE),
    row(
        "weights without connection",
        offline(lambda: pretrained.load("resnet18")),
        *("download.pytorch.org", 'pretrained.load("efficientnet_lite0")', "resnet18-f37072fd.pth", "checkpoints"),
    ),
    row(
        "data without connection",
        offline(lambda: bundled.from_torchvision("Flowers102", train=True)),
        *("www.robots.ox.ac.uk", "bundled.animal_shapes()", "Flowers102", "place"),
    ),
    row("server that never answers", fetch_from_a_server_that_never_answers, "127.0.0.1", "No connection", CURE),
    row(
        "name resolution that hangs",
        fetch_while_name_resolution_hangs,
        *("download.pytorch.org", "no answer in 1 s", CURE),
    ),
    row("other bytes than published", fetch_from(send(STATE[::-1], len(STATE))), "not the published file", CURE),
    row(
        "weights of other bytes than published",
        load_weights_from_a_server_of_other_bytes,
        *("resnet18-01234567.pth", "not the published file", 'pretrained.load("efficientnet_lite0")'),
    ),
    row("server that breaks off", fetch_from(send(STATE[:100], len(STATE))), "weights.pth", CURE),
    row("server that stalls halfway", fetch_from_a_server_that_stalls_halfway, "broke off", "timed out", CURE),
    row("gone from the server", fetch_from(lambda handler: handler.send_error(404)), "broke off", "404", CURE),
    row("read-only cache", fetch_into_a_cache_that_is_read_only, "cache", "cannot be written", CURE),
    row("cache that may not be looked into", load_from_a_forbidden_cache, "home", "cannot be written", "efficientnet"),
    row("half a data set", read_half_an_imagenette, "Imagenette", "incomplete", "delete them"),
    row("cache that cannot be made", fetch_into_a_cache_that_cannot_be_made, "cache", "cannot be written", CURE),
    # networks of one's own
    row(
        "saved by the first edition",
        lambda at: pretrained.load(
            at.write("old.pt", saved({"network": "resnet18", "pixels": 64, "categories": ["a"], "state": {}}))
        ),
        *("old.pt", "was not written by this edition's pretrained.save", "train the network again"),
    ),
    row("a tensor, not a network", lambda at: pretrained.load(at.write("a.pt", saved(torch.ones(3)))), "a.pt", "save"),
    row("no such file", lambda at: pretrained.load(at.folder / "none.pt"), "none.pt", "check the path"),
    row("damaged file", lambda at: pretrained.load(at.write("a.pt", b"?")), "a.pt", "was not read", "save a network's"),
    row(
        "saved into what is a file",
        lambda at: pretrained.save(at.network, at.write("file") / "model.pt"),
        *("cannot be written", "choose another folder"),
    ),
    # names
    row("unknown network", lambda _: pretrained.load("resnet19"), '"resnet19"', "choose one of", "resnet18"),
    row(
        "unknown data set",
        lambda _: bundled.from_torchvision("CIFAR11", train=True),
        *('"CIFAR11"', "choose one of", "CIFAR10"),
    ),
    row("missing package", lambda _: files.package_folder("no_package"), '"no_package"', "pip install"),
]


@pytest.mark.parametrize(("call", "expected"), TABLE)
def test_gives_one_sentence_that_names_the_cure(place, call, expected):
    judge(place, call, expected)
