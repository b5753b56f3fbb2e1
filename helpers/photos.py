"""One file in, one upright RGB photograph out, or one clear sentence."""

import contextlib
import io
import struct
import threading
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers import files
from helpers.errors import CourseError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "HEIF")  # some of Pillow's others run programs
EXTENSIONS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"}
EXTENSIONS |= {".avif", ".heic", ".heif"}  # from phones; where Pillow cannot decode them, they are named, not missed
MAX_ASPECT_RATIO = 50
LEAST = 896  # pixels of the shorter side, as 4 * 224: more than half of any of the course's own photographs has

_opening = threading.Lock()  # a warnings filter belongs to the whole process, so only one thread may change it


def read_photo(source: str | Path | BinaryIO, name: str | None = None, shorter: int = 0) -> Image.Image:
    """Decode one photograph, from a path or from an open binary file that is called `name`.

    Where its shorter side is to become `shorter` pixels, a large JPEG comes at a half, a quarter or an eighth of its
    size, never below four times as many nor below LEAST: this takes a fraction of the memory and time.

    Returns an RGB image, 8 bits a channel, the first frame of an animation, turned as its EXIF data says, transparent
    parts white. Raises CourseError, naming the file and the cure, for whatever is not a complete photograph.
    """
    if not hasattr(source, "read"):
        path = files.local(source)
        content, name = files.read(path), f'"{name or path}"'
        if not content:
            raise CourseError(f"{name} is empty, of 0 bytes: copy or export it again.")
        source = io.BytesIO(content)  # Pillow maps a file, and dies when it is cut short meanwhile
    else:
        name = f'"{name}"'
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.init()
            photo = Image.open(source, formats=[each for each in FORMATS if each in Image.OPEN])
        with photo:
            if max(photo.size) > MAX_ASPECT_RATIO * min(photo.size):
                width, height = photo.size
                raise CourseError(f"{name} is {width} x {height} pixels, too narrow for a photograph: crop it.")
            if shorter:
                photo.draft(None, (max(4 * shorter, LEAST),) * 2)
            photo.load()
            with contextlib.suppress(ArithmeticError, AttributeError, TypeError, ValueError, struct.error):
                # What it raises, once the photograph is turned, where it cannot write damaged EXIF data again.
                ImageOps.exif_transpose(photo, in_place=True)
            return _to_rgb(photo, name)
    except CourseError:
        raise
    except UnidentifiedImageError:
        raise CourseError(f"{name} is not a photograph in a known format: save it as JPEG or PNG.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise CourseError(f"{name} has more than {limit} million pixels: save it smaller.") from None
    except Exception as error:  # Pillow's decoders raise a dozen types for damaged files
        reason = str(error).rstrip(".") or type(error).__name__
        raise CourseError(f"{name} is damaged and cannot be decoded ({reason}): copy or export it again.") from error


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
