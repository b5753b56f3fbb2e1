"""What the tables of bad input stand on: a call, and a right result or the words of its one sentence."""

import contextlib
import ctypes
import dataclasses
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from helpers import photos, pretrained
from helpers.errors import CourseError

SECONDS = 30  # what a sentence may take on a machine on which ten other programs run


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
        return photos.read_photo(self.save(name, image, **options))

    def decode(self, name: str, content: bytes) -> Image.Image:
        return photos.read_photo(self.write(name, content))

    def cut(self, name: str) -> Path:
        """A photograph of which only the first half is there."""
        content = self.save(name).read_bytes()
        return self.write(name, content[: len(content) // 2])

    def endless(self, name: str, kind: str) -> Path:
        """What has no end: a "pipe" that nobody writes to, a "device" that never stops, a "loop" of links."""
        if os.name == "nt":
            pytest.skip("Windows has no such files")
        path = self.write(name)
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to({"device": "/dev/zero", "loop": path.name}[kind])
        return path

    def sparse(self, name: str) -> Path:
        """A file of 3 GB, which takes no room on the disk."""
        path = self.write(name)
        os.truncate(path, 3 * 10**9)
        return path

    def tree(self, *paths: str) -> Path:
        for path in paths:
            self.save(path)
        return self.folder


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


def never_privileged() -> None:
    """For subprocess's preexec_fn: root, as whom tests run in containers, may not get these two privileges again."""
    if os.geteuid() == 0:
        for privilege in (1, 2):
            assert ctypes.CDLL(None).prctl(24, privilege, 0, 0, 0) == 0


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


def is_equal_to(expected: object) -> Callable[[object], None]:
    def check(result: object) -> None:
        assert result == expected

    return check


def row(what: str, call: Callable[[Place], object], *expected: str | Callable[[object], None]):
    """One row: a call, and the words of its sentence, or else a check of its result."""
    return pytest.param(call, expected, id=what)


def judge(place: Place, call: Callable[[Place], object], expected: tuple) -> None:
    """Fail unless the call gives what is expected: a result, or a CourseError of one sentence with these words."""
    start = time.monotonic()
    if callable(expected[0]):
        expected[0](call(place))
    else:
        with pytest.raises(CourseError) as caught:
            call(place)
        sentence = str(caught.value)
        assert [word for word in expected if word not in sentence] == [], sentence
        assert is_one_sentence(sentence), sentence
    assert time.monotonic() - start < SECONDS


def is_one_sentence(text: str) -> bool:
    """Whether the text is one sentence of less than 500 characters, with a full stop."""
    ends_once = re.search(r"[^.!?)]\)*\.\Z", text)
    return bool(ends_once) and "\n" not in text and len(text) < 500 and not re.search(r"[.!?][)\"']* +[A-Z]", text)
