"""Whatever a learner may hand over as photographs or their folders: a right result, or one sentence with the cure."""

import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import datasets, evaluation, photos
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
