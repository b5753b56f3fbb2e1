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
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
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


def load_and_forget(at: Path, sha256: str = "") -> None:
    files.load_state_dict(at, sha256)


def spoilt(place: Place, start: float, length: int, value: int | None) -> dict[str, torch.Tensor]:
    """A checkpoint of 200 kB of which `length` bytes, at a share `start` of it, are flipped or set to `value`."""
    content = bytearray(saved({"weight": torch.rand(50_000, generator=torch.Generator().manual_seed(0))}))
    first = int(start * len(content))
    for at in range(first, first + length):
        content[at] = content[at] ^ 255 if value is None else value
    return files.load_state_dict(place.write("spoilt.pt", bytes(content)))


def inflating(place: Place) -> dict[str, torch.Tensor]:
    """A checkpoint of 100 kB whose one tensor is of 100 MB, packed."""
    packed, plain = io.BytesIO(), zipfile.ZipFile(io.BytesIO(saved({"weight": torch.zeros(25_000_000)})))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as parts:
        for name in plain.namelist():
            parts.writestr(name, plain.read(name))
    return files.load_state_dict(place.write("bomb.pt", packed.getvalue()))


def arrays_from(content: object, *, is_pickle: bool = False) -> Callable[[Place], object]:
    """Read a pickle of `content`, or these bytes as they are."""
    return lambda place: load_pickle_of_arrays(place.write("a.pkl", content if is_pickle else pickle.dumps(content)))


class Calls:
    """Pickled, it asks for a call, and then for a state of what comes of it."""

    def __init__(self, *reduced: object):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


OBJECTS_OVER_BYTES = Calls(np.ndarray, ((1,), "O", b"AAAAAAAA"))
HIDDEN_OBJECTS = Calls(
    np.dtype, ("V8", False, True), (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)
)  # a structure that says that it holds none
NUMBERS_THAT_HIDE_OBJECTS = Calls(
    np.dtype, ("f8", False, True), (3, "<", None, ("a",), {"a": (np.dtype("O"), 0)}, -1, -1, 0)
)
ARRAYS = {"fire2": (np.arange(6, dtype=">f4").reshape(2, 3), np.arange(3, dtype=np.uint8)), "n": [np.eye(2) > 0]}


def are_the_arrays(result: dict) -> None:
    assert result.keys() == ARRAYS.keys()
    for one, other in zip([*result["fire2"], *result["n"]], [*ARRAYS["fire2"], *ARRAYS["n"]], strict=True):
        np.testing.assert_array_equal(one, other, strict=False)
        assert one.dtype == other.dtype.newbyteorder("=")
        torch.from_numpy(np.ascontiguousarray(one.astype(np.float32)))


# ---- saving ----


def save_over_an_older_one(place: Place, interruption: Callable[[], contextlib.AbstractContextManager]) -> None:
    """Whatever happens on the way, the older file stays, and nothing half."""
    path = place.folder / "kept.pt"
    files.save({"weight": torch.ones(1)}, path)
    try:
        with interruption():
            files.save({"weight": torch.zeros(100_000)}, path)
    finally:
        assert files.load_state_dict(path)["weight"].item() == 1
        assert list(place.folder.iterdir()) == [path]


def on_a_full_disk() -> contextlib.AbstractContextManager:
    """A limit for the size of files, which stops a write halfway as a full disk does."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def limited() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited()


def stop_while_saving(place: Place) -> str:
    def stop(*_) -> None:
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def interrupted() -> Iterator[None]:
        with place.patch.context() as patch:
            patch.setattr(Path, "replace", stop)
            yield

    with pytest.raises(KeyboardInterrupt):
        save_over_an_older_one(place, interrupted)
    return "stopped"


def save_at_once(place: Place) -> set[float]:
    """Four writers and readers of one file, who count as one process, as in two containers: never a mixture."""
    path, found = place.folder / "shared.pt", []

    def work(number: int) -> None:
        for _ in range(8):
            files.save({"weight": torch.full((20_000,), float(number))}, path)
            found.append(files.load_state_dict(path)["weight"].unique().tolist())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert list(place.folder.iterdir()) == [path]
    return {len(each) for each in found}


def fetch_at_once(place: Place) -> list[bytes]:
    """Four ask for the same weights in one cache."""
    target = place.folder / "cache" / "weights.pth"

    def work(url: str) -> bytes:
        torch.hub.download_url_to_file(url, str(target), hash_prefix=digest(STATE)[:8])
        return target.read_bytes()

    with (
        serving(send(STATE, len(STATE))) as url,
        files.downloading(url, target.parent, CURE),
        ThreadPoolExecutor(4) as pool,
    ):
        found = list(pool.map(work, [url] * 4))
    assert list(target.parent.iterdir()) == [target]
    return found


def load_in_a_home(place: Place, mode: int) -> None:
    """Weights that are to be fetched into a home of these rights, where TORCH_HOME does not name another place."""
    home = place.folder / "home"
    home.mkdir()
    with weights_at(place, home), forbidden(home, mode):
        for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
            place.patch.delenv(name, raising=False)
        place.patch.setenv("HOME", str(home))
        pretrained.load("resnet18")


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
    row(
        "object where an array belongs",
        arrays_from(OBJECTS_OVER_BYTES),
        *("a.pkl", "no pickle of arrays alone", "download it again"),
    ),
    row("structure of hidden objects", arrays_from(HIDDEN_OBJECTS), "a.pkl", "array of", "download it again"),
    row("numbers of hidden objects", arrays_from(NUMBERS_THAT_HIDE_OBJECTS), "a.pkl", "array of object", "download"),
    row("array of objects", arrays_from(np.array([{}, 1], dtype=object)), "a.pkl", "array of object", "download"),
    row("array of words", arrays_from(np.array(["a"])), "a.pkl", "array of <U1", "download it again"),
    row("array of times", arrays_from(np.zeros(1, "M8[s]")), "a.pkl", "array of datetime64", "download it again"),
    row("array of records", arrays_from(np.zeros(1, "f4,i4")), "a.pkl", "was not read", "download it again"),
    row(
        "pickle that promises 4 EB",
        arrays_from(b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"ab.", is_pickle=True),
        *("a.pkl", "was not read", "download it again"),
    ),
    row(
        "array shorter than it says",
        arrays_from(pickle.dumps(np.arange(99.0)).replace(b"Kc", b"Kd"), is_pickle=True),
        "a.pkl",
        "was not read",
        "download it again",
    ),
    row("arrays", arrays_from(ARRAYS), are_the_arrays),
    row("one flipped byte", lambda at: spoilt(at, 0.5, 1, None), "spoilt.pt", "damaged", "download or save it again"),
    row("flipped bytes near the end", lambda at: spoilt(at, 0.9, 40, None), "spoilt.pt", "damaged", "save it again"),
    row("block of zeros", lambda at: spoilt(at, 0.3, 4096, 0), "spoilt.pt", "damaged", "download or save it again"),
    row("flipped bytes in the list of parts", lambda at: spoilt(at, 0.995, 200, None), "spoilt.pt", "damaged"),
    row("checkpoint that inflates", inflating, "bomb.pt", "damaged", "download or save it again"),
    row("pipe for a checkpoint", lambda at: load_and_forget(at.endless("a.pt", "pipe")), "a.pt", "pipe or a device"),
    row(
        "device for a checkpoint", lambda at: load_and_forget(at.endless("a.pt", "device")), "a.pt", "pipe or a device"
    ),
    row("loop for a checkpoint", lambda at: load_and_forget(at.endless("a.pt", "loop")), "a.pt", "may not be read"),
    row("folder for a checkpoint", lambda at: load_and_forget(at.folder), "place", "is a folder", "name a file in it"),
    row("checkpoint of 3 GB", lambda at: load_and_forget(at.sparse("a.pt")), "a.pt", "3,000,000,000", "check it"),
    row("pipe for a published file", lambda at: load_and_forget(at.endless("a.pt", "pipe"), "0123"), "a.pt", "pipe"),
    row("checkpoint of no such user", lambda _: load_and_forget("~no-such-user/a.pt"), "~no-such-user", "not exist"),
    row("None for a checkpoint", lambda _: load_and_forget(None), "None is no path", "give one as text"),
    # saving
    row("saved without a name", lambda _: files.save({}, ""), "cannot be written", "choose another folder"),
    row("saved onto a folder", lambda at: files.save({}, at.folder), "place", "cannot be written", "it is a folder"),
    row(
        "saved onto a device",
        lambda at: files.save({}, at.endless("a.pt", "device")),
        "a.pt",
        "it is a folder or a dev",
    ),
    row(
        "saved under a name too long",
        lambda at: files.save({}, at.folder / (300 * "a")),
        "cannot be written",
        "too long",
    ),
    row("saved on a full disk", lambda at: save_over_an_older_one(at, on_a_full_disk), "kept.pt", "too large"),
    row("stopped while saving", stop_while_saving, is_equal_to("stopped")),
    row("four save and load at once", save_at_once, is_equal_to({1})),
    row("four fetch at once", fetch_at_once, is_equal_to([STATE] * 4)),
    row("home that is read-only", lambda at: load_in_a_home(at, 0o500), "home", "cannot be written", "TORCH_HOME"),
    row("home that may not be entered", lambda at: load_in_a_home(at, 0), "home", "cannot be written", "TORCH_HOME"),
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
