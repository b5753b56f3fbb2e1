"""Whatever a learner may hand over as photographs or their folders: a right result, or one sentence with the cure."""

import contextlib
import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image

from helpers import bundled, datasets, evaluation, gallery, machine, photos, plotting, pretrained
from helpers.errors import CourseError
from tests.bad_input import Place, forbidden, is_equal_to, is_one_sentence, judge, row

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


# ---- calls that need more than one line ----


def read_forbidden(name: str, forbid: str) -> Callable[[Place], Image.Image]:
    def call(place: Place) -> Image.Image:
        path = place.save(name)
        with forbidden(place.folder / forbid):
            return photos.read_photo(path)

    return call


def list_forbidden(forbid: str, folder: str = "") -> Callable[[Place], datasets.Photos]:
    def call(place: Place) -> datasets.Photos:
        place.tree("a.jpg", "below/b.jpg")
        with forbidden(place.folder / forbid):
            return datasets.unlabelled_folder(place.folder / folder)

    return call


def guess_one_pixel(place: Place) -> evaluation.Guesses:
    place.save("dot.png", Image.new("RGB", (1, 1), RED))
    return evaluation.top_k(evaluation.predict(place.network, datasets.unlabelled_folder(place.folder)).logits, 5)


def are_five_guesses(guesses: evaluation.Guesses) -> None:
    assert guesses.classes.shape == (1, 5)
    assert 1 >= guesses.probabilities[0, 0] > guesses.probabilities[0, 4] > 0


def names_among_other_files(place: Place) -> list[str]:
    place.tree("b.PNG", "a.jpg", ".hidden.jpg", ".ipynb_checkpoints/a.jpg", "below/.cache/c.jpg", "below/d.jpeg")
    for name in ("notes.txt", "Thumbs.db", "jpg", "clip.mp4"):
        place.write(name, b"no photograph")
    (place.folder / "folder.jpg").mkdir()
    return [path.name for path, _ in datasets.unlabelled_folder(place.folder).samples]


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


def not_running_ghostscript(read: Callable[[Path], object]) -> Callable[[Place], None]:
    """Read an EPS file named .jpg; prove that no program is started, and that Pillow alone would start one."""

    def call(place: Place) -> None:
        ran = place.folder / "ran"
        program = place.write("bin/gs", f'#!/bin/sh\ntouch "{ran}"\nexit 1\n'.encode())
        program.chmod(0o755)
        place.patch.setattr(EpsImagePlugin, "gs_binary", str(program))
        eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
        path = place.write("cat.jpg", eps)
        try:
            read(path)
        finally:
            assert not ran.exists()
            with contextlib.suppress(Exception), Image.open(path) as photo:
                photo.load()
            assert ran.exists() or os.name == "nt"

    return call


def read_disguised(format: str) -> Callable[[Place], Image.Image]:
    return lambda place: photos.read_photo(place.save("cat.jpg", Image.new("RGB", (16, 16), RED), format=format))


def read_turned_tiff(mode: str, left, right) -> Callable[[Place], Image.Image]:
    return lambda place: place.read("a.tif", in_two_colours(mode, left, right), tiffinfo={274: 6})


def read_large(name: str, shorter: int, **options) -> Callable[[Place], Image.Image]:
    """Decode 400 x 200 pixels, red and green, of which `shorter` for the shorter side are enough."""

    def call(place: Place) -> Image.Image:
        place.patch.setattr(photos, "LEAST", 1)
        picture = in_two_colours("RGB", RED, GREEN).resize((400, 200))
        return photos.read_photo(place.save(name, picture, **options), shorter=shorter)

    return call


def read_with_bad_exif(tag: int, kind: int, content: bytes) -> Callable[[Place], Image.Image]:
    """Turned by a quarter, and one more entry of EXIF that Pillow reads but cannot write."""

    def call(place: Place) -> Image.Image:
        entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHI", tag, kind, 1) + content
        exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
        return place.read("a.jpg", in_two_colours("RGB", RED, GREEN), quality=95, exif=exif)

    return call


def read_in(folder: str, name: str) -> Callable[[Place], Image.Image]:
    """The one photograph of the working folder, under a name that looks like somebody's home."""

    def call(place: Place) -> Image.Image:
        place.save(f"{folder}/{name}", in_two_colours("RGB", RED, GREEN), quality=95)
        place.patch.chdir(place.folder)
        return datasets.unlabelled_folder(".")[0][0]

    return call


def list_where_the_working_folder_was_deleted(place: Place) -> datasets.Photos:
    gone = place.folder / "gone"
    gone.mkdir()
    place.patch.chdir(gone)
    gone.rmdir()
    try:
        return datasets.unlabelled_folder("photographs")
    finally:
        os.chdir(place.folder)


def duplicates_among(kind: str) -> Callable[[Place], list[int]]:
    def call(place: Place) -> list[int]:
        paths = [place.save("a.png"), place.endless("b.png", kind), place.save("c.png")]
        return datasets.duplicates(datasets.Photos([(path, 0) for path in paths], ["a"])).tolist()

    return call


def predict_among(kind: str) -> Callable[[Place], list[int]]:
    def call(place: Place) -> list[int]:
        place.endless("b.png", kind)
        return evaluation.predict(
            place.network, datasets.unlabelled_folder(place.tree("a.png", "c.png"))
        ).indices.tolist()

    return call


def list_folders_of_a_depth(levels: int) -> Callable[[Place], int]:
    def call(place: Place) -> int:
        made = []
        for level in range(1, levels + 1):
            made.append(f"{place.folder}{level * '/d'}")
            os.mkdir(made[-1])  # noqa: PTH102, a Path of so many parts is slow
        photo = place.save("a.jpg").rename(f"{made[-1]}/a.jpg")
        try:
            return len(datasets.unlabelled_folder(place.folder))
        finally:
            photo.unlink()
            for folder in reversed(made):  # pytest's way of removing them calls itself for each level
                os.rmdir(folder)  # noqa: PTH106

    return call


def list_classes_that_may_not_be_entered(place: Place) -> datasets.Photos:
    place.tree("cat/a.jpg", "dog/a.jpg")
    with forbidden(place.folder, 0o400):
        return datasets.image_folder(place.folder)


def classes_beside_a_loop(place: Place) -> list[str]:
    place.endless("loop", "loop")
    return datasets.image_folder(place.tree("cat/a.jpg", "dog/a.jpg")).categories


NO_LETTERS = os.fsdecode(b"gr\xfc\xdfe")  # as an old ZIP file unpacks them


def named(name: str) -> Callable[[Place], str]:
    """Draw a gallery of one photograph of that name: the words in its picture and beside it."""

    def call(place: Place) -> str:
        place.save(f"{name}.jpg")
        data = datasets.unlabelled_folder(place.folder)
        guesses = evaluation.top_k(torch.eye(1000)[:1], 2)
        figure, alt = gallery.guess_gallery(data, [0], {"network": guesses}, data.categories)
        plotting.png(figure, alt)
        alt.encode()
        return figure.axes[0].title._preprocess_math(figure.axes[0].get_title())

    return call


def bars_of(name: str) -> Callable[[Place], tuple]:
    def call(_: Place) -> tuple:
        figure, ax = plt.subplots()
        gallery.guess_bars(ax, [name, "b"], torch.tensor([0.9, 0.1]), title=name)
        plotting.png(figure)
        return ax.texts[0]._preprocess_math(ax.texts[0].get_text())

    return call


def eight_phone_photographs(place: Place) -> float:
    """The memory that eight photographs of 12 megapixels, in as many threads, take at most; in MB."""
    peak = Path("/proc/self/clear_refs")
    if not os.access(peak, os.W_OK):
        pytest.skip("only Linux tells the peak of a part of a program")

    def highest() -> float:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1000

    first = place.save("0.jpg", bundled.labelled_photos()[0][0].resize((4000, 3000)), quality=90, **turned(6))
    place.patch.setattr(machine, "cores", lambda: 8)
    data = datasets.Photos([(first, 0)] * 8, ["a"])
    peak.write_text("5")
    before = highest()
    assert len(next(iter(datasets.batches(data, place.network.preprocess, 8))).indices) == 8
    return highest() - before


def is_below(most: float) -> Callable[[float], None]:
    def check(result: float) -> None:
        assert result < most

    return check


NAN = torch.tensor([[1.0, 2.0], [float("nan"), 1.0]])


TABLE = [
    # photographs: damaged, disguised
    row("truncated JPEG", lambda at: photos.read_photo(at.cut("half.jpg")), "half.jpg", "damaged", "export it again"),
    row("truncated PNG", lambda at: photos.read_photo(at.cut("half.png")), "half.png", "damaged", "export it again"),
    row("truncated WebP", lambda at: photos.read_photo(at.cut("half.webp")), "half.webp", "damaged", "copy"),
    row("zero bytes", lambda at: at.decode("no.jpg", b""), "no.jpg", "empty", "copy or export it again"),
    row("text named .jpg", lambda at: at.decode("a.jpg", b"text"), "a.jpg", "save it as JPEG or PNG"),
    row("HEIC", lambda at: at.decode("a.heic", heic(b"heic")), "a.heic", "save it as JPEG or PNG"),
    row("HEIC, as mif1", lambda at: at.decode("a.heic", heic(b"mif1")), "a.heic", "save it as JPEG or PNG"),
    row(
        "EPS named .jpg",
        not_running_ghostscript(photos.read_photo),
        *("cat.jpg", "known format", "save it as JPEG or PNG"),
    ),
    row(
        "EPS by the upload button",
        not_running_ghostscript(lambda path: photos.read_photo(io.BytesIO(path.read_bytes()), "cat.jpg")),
        *("cat.jpg", "known format", "save it as JPEG or PNG"),
    ),
    row("ICO named .jpg", read_disguised("ICO"), "cat.jpg", "known format", "save it as JPEG or PNG"),
    row("DDS named .jpg", read_disguised("DDS"), "cat.jpg", "known format", "save it as JPEG or PNG"),
    row("TGA named .jpg", read_disguised("TGA"), "cat.jpg", "known format", "save it as JPEG or PNG"),
    row("PCX named .jpg", read_disguised("PCX"), "cat.jpg", "known format", "save it as JPEG or PNG"),
    row("WebP named .jpg", read_disguised("WEBP"), shows(RED, size=(16, 16))),
    row(
        "MPO, as phones save",
        lambda at: at.read("a.jpg", Image.new("RGB", (16, 8), RED), format="MPO", save_all=True, quality=95),
        shows(RED),
    ),
    row("HTML named .jpg", lambda at: at.decode("a.jpg", b"<!doctype html><title>404"), "a.jpg", "known format"),
    row(
        "pointer of Git LFS",
        lambda at: at.decode("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        *("a.jpg", "known format"),
    ),
    row(
        "PNG without its palette",
        lambda at: at.decode("a.png", png(16, 8, 8, 3, 8 * bytes(17))),
        *("a.png", "damaged", "Error)", "export it again"),
    ),
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
    row("turned TIFF, grey", read_turned_tiff("L", 0, 255), shows((0,) * 3, WHITE, size=(8, 16))),
    row("turned TIFF, RGBA", read_turned_tiff("RGBA", (*RED, 255), (*BLUE, 255)), shows(RED, BLUE, size=(8, 16))),
    row("turned TIFF, CMYK", read_turned_tiff("CMYK", (0, 255, 255, 0), (0,) * 4), shows(RED, WHITE, size=(8, 16))),
    row("turned TIFF, 16 bits", read_turned_tiff("I;16", 0, 65535), shows((0,) * 3, WHITE, size=(8, 16))),
    row(
        "EXIF of a type that cannot be written",
        read_with_bad_exif(0x011A, 5, struct.pack("<I", 0xFFFF)),
        shows(RED, GREEN, size=(8, 16)),
    ),
    row(
        "EXIF with a negative width",
        read_with_bad_exif(0x0100, 9, struct.pack("<i", -1)),
        shows(RED, GREEN, size=(8, 16)),
    ),
    row(
        "EXIF with a width that is no number",
        read_with_bad_exif(0x0100, 11, struct.pack("<f", float("nan"))),
        shows(RED, GREEN, size=(8, 16)),
    ),
    row(
        "animated GIF",
        lambda at: at.read(
            "a.gif", Image.new("RGB", (16, 8), RED), save_all=True, append_images=[Image.new("RGB", (16, 8), BLUE)]
        ),
        shows(RED),
    ),
    row("WebP", lambda at: at.read("a.webp", in_two_colours("RGB", RED, BLUE), lossless=True), shows(RED, BLUE)),
    # photographs: large ones, of which fewer pixels are enough
    row("large JPEG", read_large("a.jpg", 25, quality=95), shows(RED, GREEN, size=(200, 100))),
    row("very large JPEG", read_large("a.jpg", 6, quality=95), shows(RED, GREEN, size=(50, 25))),
    row("large JPEG, turned", read_large("a.jpg", 25, quality=95, **turned(6)), shows(RED, GREEN, size=(100, 200))),
    row("JPEG not large enough", read_large("a.jpg", 26, quality=95), shows(RED, GREEN, size=(400, 200))),
    row("large JPEG, whole", read_large("a.jpg", 0, quality=95), shows(RED, GREEN, size=(400, 200))),
    row("large PNG", read_large("a.png", 6), shows(RED, GREEN, size=(400, 200))),
    row(
        "large grey JPEG",
        lambda at: at.read("a.jpg", Image.new("L", (900, 900), 77)),
        shows((77,) * 3, size=(900, 900)),
    ),
    row("eight of 12 megapixels at once", eight_phone_photographs, is_below(400)),
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
    row("missing", lambda at: photos.read_photo(at.folder / "no.jpg"), "no.jpg", "does not exist", "check the path"),
    row("a folder", lambda at: photos.read_photo(at.folder), "place", "is a folder", "name a file in it"),
    row("unreadable", read_forbidden("a.jpg", "a.jpg"), "a.jpg", "may not be read", "permissions"),
    row("name too long", lambda _: photos.read_photo(200 * "ab" + ".jpg"), "may not be read", "check the path"),
    row("in an unreadable folder", read_forbidden("shut/a.jpg", "shut"), "a.jpg", "may not be read", "permissions"),
    row(
        "spaces and umlauts",
        lambda at: photos.read_photo(str(at.save("Mein Ölbild/süße Katze ß.jpg", Image.new("RGB", (16, 8), RED)))),
        shows(RED),
    ),
    row("a pipe", lambda at: photos.read_photo(at.endless("a.jpg", "pipe")), "a.jpg", "is a pipe or a device"),
    row("a device", lambda at: photos.read_photo(at.endless("a.jpg", "device")), "a.jpg", "is a pipe or a device"),
    row("a loop", lambda at: photos.read_photo(at.endless("a.jpg", "loop")), "a.jpg", "may not be read", "check the"),
    row("3 GB", lambda at: photos.read_photo(at.sparse("a.jpg")), "a.jpg", "3,000,000,000 bytes", "check it"),
    row("a pipe among good ones", predict_among("pipe"), is_equal_to([0, 2])),
    row("a device among good ones", predict_among("device"), is_equal_to([0, 2])),
    row("a loop among good ones", predict_among("loop"), is_equal_to([0, 2])),
    row("copies beside a pipe", duplicates_among("pipe"), is_equal_to([0, 1, 0])),
    row("copies beside a device", duplicates_among("device"), is_equal_to([0, 1, 0])),
    row("no letter", lambda _: photos.read_photo("a\0.jpg"), "a", "may not be read", "check the path"),
    row("None", lambda _: photos.read_photo(None), "None is no path", "give one as text"),
    row("a list of paths", lambda _: photos.read_photo(["a.jpg"]), "['a.jpg'] is no path", "give one as text"),
    row("no such user", lambda _: photos.read_photo("~no-such-user/a.jpg"), "~no-such-user", "does not exist"),
    row("name of an open document", read_in(".", "~$a.jpg"), shows(RED, GREEN)),
    row("folder named like a home", read_in("~no-such-user", "a.jpg"), shows(RED, GREEN)),
    row("line break in the name", lambda at: at.decode("a\nb.jpg", b"text"), "a b.jpg", "save it as JPEG or PNG"),
    row("name that is no text", lambda at: at.decode(f"{NO_LETTERS}.jpg", b"text"), "gr??e.jpg", "save it as JPEG"),
    row("$ in the name", named("price_$_in_$"), is_equal_to(("price_$_in_$.jpg", False))),
    row("formula for a name", named(r"$alpha$"), is_equal_to(("$alpha$.jpg", False))),
    row("gallery of a name that is no text", named(NO_LETTERS), is_equal_to(("gr??e.jpg", False))),
    row("$ in a class", bars_of("cost $_$"), is_equal_to(("cost $_$", False))),
    row("one $ in a class", bars_of("US$"), is_equal_to(("US$", False))),
    row("class that is no text", bars_of(NO_LETTERS), is_equal_to(("gr??e", False))),
    # folders
    row(
        "empty folder",
        lambda at: datasets.unlabelled_folder(at.folder),
        "place",
        "holds no photograph",
        "name a folder of",
    ),
    row("empty folder of classes", lambda at: datasets.image_folder(at.folder), "place", "make one folder"),
    row(
        "missing folder",
        lambda at: datasets.unlabelled_folder(at.folder / "nil"),
        "nil",
        "does not exist",
        "check the path",
    ),
    row("unreadable folder", list_forbidden(""), "place", "may not be read", "permissions"),
    row("folder in an unreadable one", list_forbidden("", "below"), "below", "may not be read", "permissions"),
    row("unreadable folder below", list_forbidden("below"), "below", "may not be read", "permissions"),
    row("folder's name too long", lambda _: datasets.unlabelled_folder(400 * "a"), "may not be read", "check the path"),
    row(
        "file for a folder",
        lambda at: datasets.unlabelled_folder(at.save("a.jpg")),
        "a.jpg",
        "is a file",
        "check the path",
    ),
    row("None for a folder", lambda _: datasets.unlabelled_folder(None), "None is no path", "give one as text"),
    row("number for a folder", lambda _: datasets.image_folder(3), "3 is no path", "give one as text"),
    row(
        "folder of no such user", lambda _: datasets.image_folder("~no-such-user/x"), "~no-such-user", "does not exist"
    ),
    row("pipe for a folder", lambda at: datasets.image_folder(at.endless("a", "pipe")), "is a file, not a folder"),
    row("loop for a folder", lambda at: datasets.image_folder(at.endless("a", "loop")), "may not be read", "check the"),
    row("loop among classes", classes_beside_a_loop, is_equal_to(["cat", "dog"])),
    row("classes that may not be entered", list_classes_that_may_not_be_entered, "may not be read", "permissions"),
    row(
        "deleted working folder", list_where_the_working_folder_was_deleted, "photographs", "a folder that was deleted"
    ),
    row("1,100 levels of folders", list_folders_of_a_depth(1100), is_equal_to(1)),
    row(
        "names of browsers for JPEG",
        lambda at: len(datasets.unlabelled_folder(at.write("a.jfif").parent)) + at.write("b.jpe").exists(),
        is_equal_to(2),
    ),
    row(
        "class folder whose name is no text",
        lambda at: datasets.image_folder(at.tree(f"{NO_LETTERS}/a.jpg", "dog/a.jpg")).categories,
        is_equal_to(["dog", "gr??e"]),
    ),
    row("one class", lambda at: datasets.image_folder(at.tree("cat/a.jpg")), "place", '"cat"', "add the folder"),
    row("one wnid", categories_of_one_wnid, is_equal_to(["tench"])),
    row(
        "class without photographs",
        lambda at: datasets.image_folder(at.tree("cat/a.jpg", "dog/.a.jpg")),
        *('dog"', "holds no photograph", "fill it or remove it"),
    ),
    row(
        "hidden folder among classes",
        lambda at: datasets.image_folder(at.tree(".ipynb_checkpoints/a.jpg", "cat/a.jpg", "dog/a.jpg")).categories,
        is_equal_to(["cat", "dog"]),
    ),
    row("other and hidden files", names_among_other_files, is_equal_to(["a.jpg", "b.PNG", "d.jpeg"])),
    row(
        "unknown wnids",
        lambda at: datasets.imagenet_folder(at.tree("n01440764/a.JPEG", "n99999999/a.JPEG")),
        *("place", "n99999999", "name them by wnid", "image_folder"),
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
]


@pytest.mark.parametrize(("call", "expected"), TABLE)
def test_gives_a_right_result_or_one_sentence_that_names_the_cure(place, call, expected):
    judge(place, call, expected)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_bad_photograph_among_good_ones_is_named_and_left_out(place, batch_size):
    for name in ("a.jpg", "c.jpg", "e.jpg"):
        place.save(name)
    place.cut("b.jpg")
    place.write("d.jpg", b"text")
    photos = datasets.unlabelled_folder(place.folder)
    logits, labels, indices, unreadable = evaluation.predict(place.network, photos, batch_size)
    assert indices.tolist() == [0, 2, 4]
    assert (len(logits), len(labels)) == (3, 3)
    assert [re.search(r"(\w+\.jpg)", sentence).group(1) for sentence in unreadable] == ["b.jpg", "d.jpg"]
    assert all(map(is_one_sentence, unreadable))


def test_where_every_photograph_is_bad_the_first_is_named(place):
    place.cut("a.jpg")
    place.cut("b.jpg")
    with pytest.raises(CourseError, match=r"a\.jpg"):
        evaluation.predict(place.network, datasets.unlabelled_folder(place.folder))


@pytest.mark.parametrize("name", pretrained.EMBEDDED)
def test_decoding_large_jpegs_at_a_half_changes_no_guess(name, networks, tmp_path, monkeypatch):
    """The labelled photographs, enlarged so far that they are decoded at a half, in full and at a half."""
    monkeypatch.setattr(photos, "LEAST", 1)
    network = networks[name].at(64)
    for number, (photo, _) in enumerate(bundled.labelled_photos().subset(slice(0, 20, 2))):
        scale = 560 / min(photo.size)
        photo.resize([round(side * scale) for side in photo.size]).save(tmp_path / f"{number}.jpg", quality=95)
    data = datasets.unlabelled_folder(tmp_path)
    half, full = (
        next(iter(datasets.batches(data, transform, len(data)))).images
        for transform in (network.preprocess, lambda photo: network.preprocess(photo))
    )
    assert not torch.equal(half, full)
    assert (half - full).abs().mean() < 0.02 * full.std()
    assert torch.equal(network(half).argmax(dim=1), network(full).argmax(dim=1))


def test_embedded_photographs_are_decoded_in_full_for_every_network():
    """So that no digit of the notebooks depends on how libjpeg halves a picture."""
    for data in (bundled.labelled_photos(), bundled.free_photos()):
        for path, _ in data.samples:
            assert photos.read_photo(path, shorter=1) == photos.read_photo(path)
