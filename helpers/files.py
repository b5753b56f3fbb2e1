"""Files that others made: checked before they are read, read without running anything, fetched without hanging."""

import contextlib
import hashlib
import http.client
import importlib.util
import io
import os
import pickle
import socket
import stat
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from helpers.errors import CourseError

CONNECT_SECONDS = 8  # what one sentence about a missing connection may take; name resolution has no limit of its own
STALL_SECONDS = 30
LARGEST = 2 * 2**30  # bytes of a file


def package_folder(package: str) -> Path:
    """The folder of an installed package, found without importing it; CourseError when it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise CourseError(f'The package "{package}" is missing: run "pip install -r requirements.txt".')
    return Path(spec.submodule_search_locations[0])


def local(path: str | Path) -> Path:
    """The path that is meant, where "~" is the home folder; CourseError for what is no path."""
    try:
        return Path(os.path.expanduser(path))  # noqa: PTH111, which raises where "~name" is a file and not a user
    except TypeError:
        raise CourseError(f"{repr(path)[:60]} is no path: give one as text.") from None


def readable(name: str) -> str:
    """The name of a file as text that can be shown: on Linux it may hold bytes that are no letters."""
    return name.encode("utf-8", "replace").decode()


def unreadable(path: Path, error: Exception) -> CourseError:
    """What to raise where `error` came when a file or a folder was to be read."""
    if not isinstance(error, FileNotFoundError):
        reason = getattr(error, "strerror", None) or error
        return CourseError(f'"{path}" may not be read ({reason}): check the path and its permissions.')
    try:
        here = f'"{Path.cwd()}"'
    except OSError:
        here = "a folder that was deleted"
    return CourseError(f'"{path}" does not exist: check the path (this program runs in {here}).')


def read(path: Path) -> bytes:
    """The bytes of a file; CourseError where it cannot be read, is too large, or is a pipe or device without an end."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise CourseError(f'"{path}" is a folder, not a file: name a file in it, or read it as a folder.')
        if not stat.S_ISREG(found.st_mode):
            raise CourseError(f'"{path}" is a pipe or a device, not a file: name a file.')
        if found.st_size > LARGEST:
            raise CourseError(f'"{path}" has {found.st_size:,} bytes, more than any photograph or network: check it.')
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def read_checked(path: Path, sha256: str) -> bytes:
    """The bytes of a file whose SHA-256 starts with the hexadecimal digits `sha256`; otherwise CourseError."""
    content = read(path)
    found = hashlib.sha256(content).hexdigest()[: len(sha256)]
    if found != sha256:
        raise CourseError(
            f'"{path}" is not the published file (its SHA-256 starts with {found[:8]}, not {sha256[:8]}): '
            "delete it, and install or download it again."
        )
    return content


class _Kind:
    """The type of an array's numbers as a pickle tells it; not of objects, which are addresses, nor structures."""

    def __init__(self, name: str, *_: object):
        self.dtype = np.dtype(str(name))
        if self.dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"it has an array of {self.dtype}")

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    def __setstate__(self, state: tuple) -> None:
        version, shape, kind, is_fortran, content = state
        super().__setstate__((version, shape, kind.dtype, is_fortran, content))


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can make arrays of numbers and nothing else, so that a pickle cannot run code."""

    def find_class(self, module: str, name: str) -> object:
        if (module.replace("numpy._core", "numpy.core"), name) == ("numpy.core.multiarray", "_reconstruct"):
            return lambda *_: _Array(0)  # which then gets its state
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return _Kind if name == "dtype" else None
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def unpickle_arrays(content: bytes, path: Path) -> object:
    """NumPy arrays in lists and dictionaries from a pickle's bytes; CourseError naming `path` for anything else."""
    try:
        return _ArraysOnly(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to ask for
        reason = str(error).rstrip(".")
        raise CourseError(
            f'"{path}" is no pickle of arrays alone ({reason}), so it was not read: install or download it again.'
        ) from error


def load_state_dict(path: Path, sha256: str = "") -> dict[str, torch.Tensor]:
    """The tensors of a PyTorch checkpoint, on the CPU; CourseError for a wrong SHA-256 or a file that is none.

    Nothing in the file is run (weights_only).
    """
    content = read_checked(local(path), sha256)
    try:
        if not sha256 and content.startswith(b"PK"):  # a ZIP, of whose checksums torch looks at none
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                if sum(part.file_size for part in parts.infolist()) > len(content) or parts.testzip():
                    raise zipfile.BadZipFile
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CourseError(
            f'"{path}" holds more than tensors, or is no checkpoint, so it was not read: '
            "save a network's state_dict() instead."
        ) from error
    except Exception as error:  # torch raises RuntimeError, EOFError and others for damaged files
        raise CourseError(f'"{path}" is damaged and cannot be read: download or save it again.') from error


def save(content: dict[str, object], path: Path) -> None:
    """Write tensors, numbers, text, lists and dictionaries to a file, for `load_state_dict`; make its folder.

    A write that is broken off leaves the file that was there before. Raises CourseError where it cannot be written.
    """
    path, buffer = local(path), io.BytesIO()
    half = path.parent / f"{path.name}.{uuid.uuid4().hex[:8]}"  # containers that share a folder count processes alike
    torch.save(content, buffer)  # which does not say why it fails where it writes files
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is a folder or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(buffer.getbuffer())
        half.replace(path)
    except (OSError, ValueError) as error:  # ValueError for letters that the file system does not have
        reason = getattr(error, "strerror", None) or error
        raise CourseError(f'"{path}" cannot be written ({reason}): choose another folder.') from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            half.unlink(missing_ok=True)


def load_into(model: torch.nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Load `state` into `model`, in place; CourseError naming `path` when it is the checkpoint of another network."""
    try:
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise CourseError(
            f'"{path}" is not a checkpoint of {type(model).__name__} (its layers have other names or shapes): '
            "choose the network it was saved from."
        ) from error


def exists(path: Path) -> bool:
    """Whether there is such a file; unlike Path.is_file also where its folder may not be looked into."""
    try:
        return path.is_file()
    except OSError:
        return False


@contextlib.contextmanager
def downloading(url: str, folder: Path, cure: str) -> Iterator[None]:
    """A context in which a library downloads from the server of `url` into `folder`, with a limit on every wait.

    Raises CourseError, ending in the sentence `cure`, within 8 seconds when the server does not answer, and whenever
    the download breaks off, brings other bytes than were published, or cannot be written.
    """
    _require_connection(url, cure)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)  # the libraries set none, and would wait for ever
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except RuntimeError as error:
        raise CourseError(f"What {url} sent is not the published file ({error}): {cure}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise CourseError(f"The download of {url} broke off ({error}): {cure}") from error
    except OSError as error:
        raise CourseError(f'"{folder}" cannot be written ({error.strerror}): {cure}') from error
    finally:
        socket.setdefaulttimeout(before)


def _require_connection(url: str, cure: str) -> None:
    outcome = []

    def attempt() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=CONNECT_SECONDS).close()
            outcome.append(None)
        except urllib.error.HTTPError:
            outcome.append(None)  # even a refusal is an answer
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)  # a thread, because no timeout bounds name resolution
    thread.start()
    thread.join(CONNECT_SECONDS)
    failure = outcome[0] if outcome else TimeoutError(f"no answer in {CONNECT_SECONDS} seconds")
    if failure is not None:
        host = urllib.parse.urlsplit(url).netloc
        raise CourseError(f"No connection to {host} ({getattr(failure, 'reason', failure)}): {cure}") from failure
