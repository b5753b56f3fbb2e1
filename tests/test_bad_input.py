"""Whatever a learner may hand to the helpers: a right result, or one sentence that names the culprit and the cure."""

import contextlib
import ctypes
import dataclasses
import hashlib
import http.server
import io
import os
import pickle
import re
import socket
import socketserver
import struct
import threading
import time
import types
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from helpers import datasets, device, evaluation, files, pretrained
from helpers.errors import CourseError

CURE = "use an embedded network."


@dataclasses.dataclass
class Place:
    """An empty folder, and what the rows of the table need besides."""

    folder: Path
    patch: pytest.MonkeyPatch
    photo: Image.Image
    network: pretrained.Network
    publish: Callable[..., Path]

    def write(self, name: str, content: bytes = b"") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def save(self, name: str, image: Image.Image | None = None, **options) -> Path:
        path = self.write(name)
        (image or self.photo).save(path, **options)
        return path

    def read(self, name: str, image: Image.Image, **options) -> Image.Image:
        return datasets.read_photo(self.save(name, image, **options))

    def decode(self, name: str, content: bytes) -> Image.Image:
        return datasets.read_photo(self.write(name, content))

    def cut(self, name: str) -> Path:
        """A photograph of which only the first half is there."""
        content = self.save(name).read_bytes()
        return self.write(name, content[: len(content) // 2])

    def tree(self, *paths: str) -> Path:
        for path in paths:
            self.save(path)
        return self.folder


@pytest.fixture
def place(tmp_path, monkeypatch, photo, networks, publish):
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.setattr(files, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(files, "STALL_SECONDS", 1)
    return Place(folder, monkeypatch, photo.resize((60, 40)), networks["squeezenet1_1"], publish)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Root reads and writes what it likes, so lay down that privilege of root (CAP_DAC_OVERRIDE, _READ_SEARCH)."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    header, privileges = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, privileges) == 0
    lowered = (ctypes.c_uint32 * 6)(*privileges)
    lowered[0] &= ~0b110
    assert libc.capset(header, lowered) == 0
    try:
        yield
    finally:
        assert libc.capset(header, privileges) == 0


@contextlib.contextmanager
def forbidden(path: Path, mode: int = 0) -> Iterator[None]:
    """Leave only the rights of `mode` to a path."""
    if os.name == "nt":
        pytest.skip("Windows knows no such rights")
    path.chmod(mode)
    try:
        with without_privileges():
            yield
    finally:
        path.chmod(0o700)


# ---- pictures ----


def png(width: int, height: int, bits: int, colour: int, pixels: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def heic(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100)


def in_two_colours(mode: str, left, right) -> Image.Image:
    picture = Image.new(mode, (16, 8), left)
    picture.paste(right, (8, 0, 16, 8))
    return picture


def in_palette() -> Image.Image:
    picture = in_two_colours("P", 0, 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    return picture


def turned(orientation: int) -> dict[str, Image.Exif]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


GRADIENT = np.tile(np.arange(256, dtype=np.uint16) * 257, (8, 1))
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def shows(*colours: tuple[int, int, int], size: tuple[int, int] = (16, 8)) -> Callable[[Image.Image], None]:
    """An expected picture: RGB, of that size, with these colours in its upper left and lower right corner."""

    def check(picture: Image.Image) -> None:
        assert (picture.mode, picture.size) == ("RGB", size)
        corners = [picture.getpixel((1, 1)), picture.getpixel((size[0] - 2, size[1] - 2))]
        np.testing.assert_allclose(corners, [colours[0], colours[-1]], atol=3)

    return check


def shows_the_gradient(picture: Image.Image) -> None:
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture)[3], np.arange(256)[:, None].repeat(3, axis=1))


def is_equal_to(expected: object) -> Callable[[object], None]:
    def check(result: object) -> None:
        assert result == expected

    return check


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


def load_weights_from_a_server_of_other_bytes(place: Place) -> None:
    weights = torchvision.models.get_model_weights("resnet18").IMAGENET1K_V1.value
    place.patch.setenv("TORCH_HOME", str(place.folder))
    with serving(send(STATE, len(STATE))) as url:
        elsewhere = dataclasses.replace(weights, url=url.replace("weights", "resnet18-01234567"))
        enumeration = types.SimpleNamespace(IMAGENET1K_V1=elsewhere)
        place.patch.setattr(torchvision.models, "get_model_weights", lambda name: enumeration)
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
        place.patch.setattr(datasets, "DOWNLOADS", place.folder)
        place.patch.setenv("TORCH_HOME", str(place.folder))
        return call()

    return call_without_connection


# ---- devices ----


def ask_for_cuda_where_there_is_none(place: Place) -> None:
    place.patch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    place.patch.setattr(torch.accelerator, "device_count", lambda: 0)
    device.accelerator("cuda")


# ---- calls that need more than one line ----


def read_forbidden(name: str, forbid: str) -> Callable[[Place], Image.Image]:
    def call(place: Place) -> Image.Image:
        path = place.save(name)
        with forbidden(place.folder / forbid):
            return datasets.read_photo(path)

    return call


def list_forbidden(forbid: str, folder: str = "") -> Callable[[Place], datasets.Photos]:
    def call(place: Place) -> datasets.Photos:
        place.tree("a.jpg", "below/b.jpg")
        with forbidden(place.folder / forbid):
            return datasets.photos_in(place.folder / folder)

    return call


def load_from_a_forbidden_cache(place: Place) -> None:
    place.patch.setenv("TORCH_HOME", str(place.folder / "home"))
    place.patch.setattr(files, "_require_connection", lambda url, cure: None)
    (place.folder / "home").mkdir()
    with forbidden(place.folder / "home"):
        pretrained.load("resnet18")


def read_half_an_imagenette(place: Place) -> None:
    place.patch.setattr(datasets, "DOWNLOADS", place.folder)
    (place.folder / "imagenette2-160" / "train" / "n01440764").mkdir(parents=True)
    datasets.from_torchvision("Imagenette", training=True)


def guess_one_pixel(place: Place) -> evaluation.Guesses:
    place.save("dot.png", Image.new("RGB", (1, 1), RED))
    return evaluation.top_k(evaluation.predict(place.network, datasets.photos_in(place.folder)).logits, 5)


def are_five_guesses(guesses: evaluation.Guesses) -> None:
    assert guesses.classes.shape == (1, 5)
    assert 1 >= guesses.probabilities[0, 0] > guesses.probabilities[0, 4] > 0


def names_among_other_files(place: Place) -> list[str]:
    place.tree("b.PNG", "a.jpg", ".hidden.jpg", ".ipynb_checkpoints/a.jpg", "below/.cache/c.jpg", "below/d.jpeg")
    for name in ("notes.txt", "Thumbs.db", "jpg", "clip.mp4"):
        place.write(name, b"no photograph")
    (place.folder / "folder.jpg").mkdir()
    return [path.name for path, _ in datasets.photos_in(place.folder).samples]


def categories_of_one_wnid(place: Place) -> list[str]:
    photos = datasets.imagenet_folder(place.tree("n01440764/a.JPEG"))
    return [photos.categories[label] for _, label in photos]


def ask_for_imagenet(value: str | None) -> Callable[[Place], datasets.Photos]:
    def call(place: Place) -> datasets.Photos:
        if value:
            place.patch.setenv("IMAGENET_DIR", str(place.folder / value))
        return datasets.imagenet_folder()

    return call


def error_for_labels(*labels: int, rows: int = 2) -> Callable[[Place], evaluation.ErrorRate]:
    return lambda _: evaluation.top_k_error(torch.zeros(rows, 1000), torch.tensor(labels, dtype=torch.int64))


def row(what: str, call: Callable[[Place], object], *expected: str | Callable[[object], None]):
    """One row: a call, and the words of its sentence, or else a check of its result."""
    return pytest.param(call, expected, id=what)


NAN = torch.tensor([[1.0, 2.0], [float("nan"), 1.0]])
TABLE = [
    # photographs: damaged, disguised
    row("truncated JPEG", lambda at: datasets.read_photo(at.cut("half.jpg")), "half.jpg", "damaged", "export it again"),
    row("truncated PNG", lambda at: datasets.read_photo(at.cut("half.png")), "half.png", "damaged", "export it again"),
    row("truncated WebP", lambda at: datasets.read_photo(at.cut("half.webp")), "half.webp", "damaged", "copy"),
    row("zero bytes", lambda at: at.decode("no.jpg", b""), "no.jpg", "empty", "copy or export it again"),
    row("text named .jpg", lambda at: at.decode("a.jpg", b"text"), "a.jpg", "save it as JPEG or PNG"),
    row("HEIC", lambda at: at.decode("a.heic", heic(b"heic")), "a.heic", "save it as JPEG or PNG"),
    row("HEIC, as mif1", lambda at: at.decode("a.heic", heic(b"mif1")), "a.heic", "save it as JPEG or PNG"),
    # photographs: modes
    row("CMYK", lambda at: at.read("a.jpg", in_two_colours("CMYK", (0, 255, 255, 0), (0, 0, 0, 0))), shows(RED, WHITE)),
    row("greyscale", lambda at: at.read("a.jpg", in_two_colours("L", 77, 200)), shows((77,) * 3, (200,) * 3)),
    row("16-bit PNG", lambda at: at.read("a.png", Image.fromarray(GRADIENT)), shows_the_gradient),
    row("16-bit TIFF", lambda at: at.read("a.tif", Image.fromarray(GRADIENT.astype(">u2"))), shows_the_gradient),
    row(
        "16-bit PNG in colour",
        lambda at: at.decode("a.png", png(16, 8, 16, 2, 8 * (b"\0" + 16 * b"\xff\xff\0\0\0\0"))),
        shows(RED),
    ),
    row(
        "32-bit TIFF",
        lambda at: at.read("deep.tif", Image.fromarray(np.full((8, 16), 70_000, np.int32))),
        *("deep.tif", "16 bits", "export it again"),
    ),
    row(
        "float TIFF",
        lambda at: at.read("deep.tif", Image.fromarray(np.full((8, 16), 0.5, np.float32))),
        *("deep.tif", "floating-point", "export it again"),
    ),
    row(
        "palette with transparency",
        lambda at: at.read("a.png", in_palette(), transparency=bytes([255, 0])),
        shows(RED, WHITE),
    ),
    row("palette", lambda at: at.read("a.png", in_palette()), shows(RED, BLUE)),
    row("RGBA", lambda at: at.read("a.png", in_two_colours("RGBA", RED, (0, 0, 0, 0))), shows(RED, WHITE)),
    row(
        "half transparent",
        lambda at: at.read("a.png", in_two_colours("LA", (0, 255), (0, 128))),
        shows((0,) * 3, (127,) * 3),
    ),
    row(
        "EXIF rotation",
        lambda at: at.read("a.jpg", in_two_colours("RGB", RED, GREEN), quality=95, **turned(6)),
        shows(RED, GREEN, size=(8, 16)),
    ),
    row(
        "EXIF rotation by a half",
        lambda at: at.read("a.jpg", in_two_colours("RGB", RED, GREEN), quality=95, **turned(3)),
        shows(GREEN, RED),
    ),
    row(
        "EXIF data that are none",
        lambda at: at.read("a.jpg", in_two_colours("RGB", RED, GREEN), quality=95, exif=b"Exif\0\0nonsense"),
        shows(RED, GREEN),
    ),
    row(
        "animated GIF",
        lambda at: at.read(
            "a.gif", Image.new("RGB", (16, 8), RED), save_all=True, append_images=[Image.new("RGB", (16, 8), BLUE)]
        ),
        shows(RED),
    ),
    row("WebP", lambda at: at.read("a.webp", in_two_colours("RGB", RED, BLUE), lossless=True), shows(RED, BLUE)),
    # photographs: sizes
    row("one pixel", guess_one_pixel, are_five_guesses),
    row(
        "20,000 x 1", lambda at: at.read("line.png", Image.new("RGB", (20_000, 1))), "line.png", "20000 x 1", "crop it"
    ),
    row(
        "20,000 x 20,000, a bomb",
        lambda at: at.decode("bomb.png", png(20_000, 20_000, 8, 2)),
        *("bomb.png", "million pixels", "save it smaller"),
    ),
    row(
        "10,000 x 10,000, of which Pillow only warns",
        lambda at: at.decode("bomb.png", png(10_000, 10_000, 8, 2)),
        *("bomb.png", "million pixels", "save it smaller"),
    ),
    # photographs: paths
    row("missing", lambda at: datasets.read_photo(at.folder / "no.jpg"), "no.jpg", "does not exist", "check the path"),
    row("a folder", lambda at: datasets.read_photo(at.folder), "place", "is a folder", "name a file in it"),
    row("unreadable", read_forbidden("a.jpg", "a.jpg"), "a.jpg", "may not be read", "permissions"),
    row("name too long", lambda _: datasets.read_photo(200 * "ab" + ".jpg"), "may not be read", "check the path"),
    row("in an unreadable folder", read_forbidden("shut/a.jpg", "shut"), "a.jpg", "may not be read", "permissions"),
    row(
        "spaces and umlauts",
        lambda at: datasets.read_photo(str(at.save("Mein Ölbild/süße Katze ß.jpg", Image.new("RGB", (16, 8), RED)))),
        shows(RED),
    ),
    # folders
    row("empty folder", lambda at: datasets.photos_in(at.folder), "place", "holds no photograph", "name a folder of"),
    row("empty folder of classes", lambda at: datasets.class_folders(at.folder), "place", "make one folder"),
    row("missing folder", lambda at: datasets.photos_in(at.folder / "nil"), "nil", "does not exist", "check the path"),
    row("unreadable folder", list_forbidden(""), "place", "may not be read", "permissions"),
    row("folder in an unreadable one", list_forbidden("", "below"), "below", "may not be read", "permissions"),
    row("unreadable folder below", list_forbidden("below"), "below", "may not be read", "permissions"),
    row("folder's name too long", lambda _: datasets.photos_in(400 * "a"), "may not be read", "check the path"),
    row("file for a folder", lambda at: datasets.photos_in(at.save("a.jpg")), "a.jpg", "is a file", "check the path"),
    row("one class", lambda at: datasets.class_folders(at.tree("cat/a.jpg")), "place", '"cat"', "add the folder"),
    row("one wnid", categories_of_one_wnid, is_equal_to(["tench"])),
    row(
        "class without photographs",
        lambda at: datasets.class_folders(at.tree("cat/a.jpg", "dog/.a.jpg")),
        *('dog"', "holds no photograph", "fill it or remove it"),
    ),
    row(
        "hidden folder among classes",
        lambda at: datasets.class_folders(at.tree(".ipynb_checkpoints/a.jpg", "cat/a.jpg", "dog/a.jpg")).categories,
        is_equal_to(["cat", "dog"]),
    ),
    row("other and hidden files", names_among_other_files, is_equal_to(["a.jpg", "b.PNG", "d.jpeg"])),
    row(
        "unknown wnids",
        lambda at: datasets.imagenet_folder(at.tree("n01440764/a.JPEG", "n99999999/a.JPEG")),
        *("place", "n99999999", "name them by wnid", "class_folders"),
    ),
    row("IMAGENET_DIR pointing nowhere", ask_for_imagenet("nowhere"), "IMAGENET_DIR", "nowhere", "check the path"),
    row("no IMAGENET_DIR", ask_for_imagenet(None), "give one", "set the environment variable IMAGENET_DIR"),
    # evaluation
    row("k = 0", lambda _: evaluation.top_k(torch.zeros(2, 3), 0), "k = 0", "choose k of 1 or more"),
    row("k = -1", lambda _: evaluation.top_k_error(torch.zeros(2, 3), torch.zeros(2), -1), "k = -1", "1 or more"),
    row(
        "k > classes",
        lambda _: evaluation.top_k(torch.eye(3), 9).classes.tolist(),
        is_equal_to([[0, 1, 2], [1, 0, 2], [2, 0, 1]]),
    ),
    row("label -1", error_for_labels(0, -1), "-1", "999", "leave out unlabelled photographs"),
    row("label 1000", error_for_labels(0, 1000), "1000", "999", "use the labels the network was trained on"),
    row("fewer labels than logits", error_for_labels(1), "2 rows", "[1]", "give one for each row"),
    row(
        "labels in a column",
        lambda _: evaluation.top_k_error(torch.zeros(2, 3), torch.zeros(2, 1)),
        *("2 rows", "[2, 1]", "give one for each row"),
    ),
    row("no logits", error_for_labels(rows=0), "no photographs", "name a folder"),
    row(
        "no photographs",
        lambda at: evaluation.predict(at.network, datasets.Photos([], [])),
        *("no photographs", "name a folder"),
    ),
    row("logits with NaN", lambda _: evaluation.top_k(NAN, 1), "row 1", "NaN", "learning rate that is too high"),
    row("infinite logits", lambda _: evaluation.top_k(NAN.nan_to_num(torch.inf), 1), "row 1", "infinity", "learning"),
    row("error of NaN", lambda _: evaluation.top_k_error(NAN, torch.tensor([0, 1])), "row 1", "NaN", "learning rate"),
    row("one row of logits", lambda _: evaluation.top_k(torch.zeros(3), 1), "[3]", "give one row per photograph"),
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
        offline(lambda: datasets.from_torchvision("Flowers102", training=True)),
        *("www.robots.ox.ac.uk", "datasets.animal_shapes()", "Flowers102", "place"),
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
    # names
    row("CUDA asked for and absent", ask_for_cuda_where_there_is_none, '"cuda"', "does not have it", 'use "cpu"'),
    row("no device", lambda _: device.accelerator("gpu"), '"gpu"', 'use "cuda", "mps" or "cpu"'),
    row("unknown network", lambda _: pretrained.load("resnet19"), '"resnet19"', "choose one of", "resnet18"),
    row(
        "unknown data set",
        lambda _: datasets.from_torchvision("CIFAR11", training=True),
        *('"CIFAR11"', "choose one of", "CIFAR10"),
    ),
    row("missing package", lambda _: datasets.package_folder("no_package"), '"no_package"', "pip install"),
]


@pytest.mark.parametrize(("call", "expected"), TABLE)
def test_bad_input_gives_a_right_result_or_one_sentence_that_names_the_cure(place, call, expected):
    start = time.monotonic()
    if callable(expected[0]):
        expected[0](call(place))
    else:
        with pytest.raises(CourseError) as caught:
            call(place)
        sentence = str(caught.value)
        assert [word for word in expected if word not in sentence] == [], sentence
        assert is_one_sentence(sentence), sentence
    assert time.monotonic() - start < 3


def is_one_sentence(text: str) -> bool:
    ends_once = re.search(r"[^.!?)]\)*\.\Z", text)
    return bool(ends_once) and "\n" not in text and len(text) < 500 and not re.search(r"[.!?][)\"']* +[A-Z]", text)


@pytest.mark.parametrize(
    "text", ["Two. Sentences.", "No end", "Two ends..", "An end (within.).", "Two\nlines.", "a" * 500]
)
def test_whatever_is_not_one_sentence_is_told_from_one(text):
    assert not is_one_sentence(text)
    assert is_one_sentence('"a.b/c.jpg" is (quite (deep)): use model.load("x") (or 0.5).')


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_bad_photograph_among_good_ones_is_named_and_left_out(place, batch_size):
    for name in ("a.jpg", "c.jpg", "e.jpg"):
        place.save(name)
    place.cut("b.jpg")
    place.write("d.jpg", b"text")
    photos = datasets.photos_in(place.folder)
    logits, labels, indices, unreadable = evaluation.predict(place.network, photos, batch_size)
    assert indices.tolist() == [0, 2, 4]
    assert (len(logits), len(labels)) == (3, 3)
    assert [re.search(r"(\w+\.jpg)", sentence).group(1) for sentence in unreadable] == ["b.jpg", "d.jpg"]
    assert all(map(is_one_sentence, unreadable))


def test_where_every_photograph_is_bad_the_first_is_named(place):
    place.cut("a.jpg")
    place.cut("b.jpg")
    with pytest.raises(CourseError, match=r"a\.jpg"):
        evaluation.predict(place.network, datasets.photos_in(place.folder))
