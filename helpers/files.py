"""Files that others made: checked before they are read, read without running anything, fetched without hanging."""

import contextlib
import hashlib
import http.client
import importlib.util
import io
import os
import pickle
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from helpers.errors import CourseError

CONNECT_SECONDS = 8  # what one sentence about a missing connection may take; name resolution has no limit of its own
STALL_SECONDS = 30


def package_folder(package: str) -> Path:
    """The folder of an installed package, found without importing it; CourseError when it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise CourseError(f'The package "{package}" is missing: run "pip install -r requirements.txt".')
    return Path(spec.submodule_search_locations[0])


def read_checked(path: Path, sha256: str) -> bytes:
    """The bytes of a file whose SHA-256 starts with the hexadecimal digits `sha256`; otherwise CourseError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CourseError(f'"{path}" cannot be read ({error.strerror}): check the path and its permissions.') from error
    found = hashlib.sha256(content).hexdigest()[: len(sha256)]
    if found != sha256:
        raise CourseError(
            f'"{path}" is not the published file (its SHA-256 starts with {found[:8]}, not {sha256[:8]}): '
            "delete it, and install or download it again."
        )
    return content


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can name NumPy's arrays and nothing else, so that a pickle cannot run code."""

    def find_class(self, module: str, name: str) -> object:
        if (module.replace("numpy._core", "numpy.core"), name) == ("numpy.core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
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
    content = read_checked(path.expanduser(), sha256)
    try:
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
    path = path.expanduser()
    half = path.with_suffix(f"{path.suffix}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, half)
        half.replace(path)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError for a missing folder and a full disk
        reason = str(error).splitlines()[0].rstrip(".")
        raise CourseError(f'"{path}" cannot be written ({reason}): choose another folder.') from error
    finally:
        with contextlib.suppress(OSError):
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
