"""One file in, one upright RGB photograph out, or one clear sentence."""

import threading
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.errors import CourseError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"}
EXTENSIONS |= {".avif", ".heic", ".heif"}  # from phones; where Pillow cannot decode them, they are named, not missed
MAX_ASPECT_RATIO = 50

_opening = threading.Lock()  # a warnings filter belongs to the whole process, so only one thread may change it


def read_photo(source: str | Path | BinaryIO, name: str | None = None) -> Image.Image:
    """Decode one photograph, from a path or from an open binary file that is called `name`.

    Returns an RGB image, 8 bits a channel, the first frame of an animation, turned as its EXIF data says, transparent
    parts white. Raises CourseError, naming the file and the cure, for whatever is not a complete photograph.
    """
    name = f'"{name or source}"'
    if isinstance(source, str | Path):
        source = _require_file(Path(source).expanduser())
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            photo = Image.open(source)
        with photo:
            if max(photo.size) > MAX_ASPECT_RATIO * min(photo.size):
                width, height = photo.size
                raise CourseError(f"{name} is {width} x {height} pixels, too narrow for a photograph: crop it.")
            photo.load()
            ImageOps.exif_transpose(photo, in_place=True)
            return _to_rgb(photo, name)
    except CourseError:
        raise
    except PermissionError:
        raise CourseError(f"{name} may not be read: change its permissions (chmod +r) or copy it.") from None
    except UnidentifiedImageError:
        raise CourseError(f"{name} is not a photograph in a known format: save it as JPEG or PNG.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise CourseError(f"{name} has more than {limit} million pixels: save it smaller.") from None
    except Exception as error:  # Pillow's decoders raise a dozen types for damaged files
        reason = str(error).rstrip(".")
        raise CourseError(f"{name} is damaged and cannot be decoded ({reason}): copy or export it again.") from error


def _require_file(path: Path) -> Path:
    try:
        if path.is_dir():
            raise CourseError(f'"{path}" is a folder, not a photograph: name a file in it, or read it as a folder.')
        if not path.exists():
            raise CourseError(f'"{path}" does not exist: check the path (this program runs in "{Path.cwd()}").')
        if path.stat().st_size == 0:
            raise CourseError(f'"{path}" is empty, of 0 bytes: copy or export it again.')
    except OSError as error:
        reason = error.strerror
        raise CourseError(f'"{path}" may not be read ({reason}): check the path and its permissions.') from None
    return path


def _to_rgb(photo: Image.Image, name: str) -> Image.Image:
    if photo.mode.startswith("I"):  # 16 bits a pixel, which convert("RGB") would clip to white
        values = np.asarray(photo)
        if values.min() < 0 or values.max() > 65535:
            raise CourseError(f"{name} has pixels of more than 16 bits: export it again with 8 bits a channel.")
        photo = Image.fromarray((values / 257).round().astype(np.uint8))
    if photo.mode == "F":
        raise CourseError(f"{name} has floating-point pixels: export it again with 8 bits a channel.")
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo)
    return photo.convert("RGB")
