"""Picture files of every kind become dark strokes on light paper; what is no picture is refused in a sentence."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from manifests.errors import UserError
from stages.scan import WORKING, read_scan, scan_of


def page(ink=(20, 20, 30), paper=(255, 255, 255), size=(60, 80)):
    """(H, W, 3) with a thick upright stroke."""
    image = np.full((*size, 3), paper, np.uint8)
    image[10:50, 36:42] = ink
    return image


def save(tmp_path, picture, name="drawing.png", **words):
    path = tmp_path / name
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **words)
    return path


def test_a_plain_picture_stays_as_it_is(tmp_path):
    scan = read_scan(save(tmp_path, page()))
    assert np.array_equal(scan.shown, page()) and np.array_equal(scan.clean, page()) and (scan.scale, scan.size) == (1, (80, 60))


def test_transparent_paper_becomes_white(tmp_path):
    alpha = np.where((page() < 100).all(-1), 255, 0).astype(np.uint8)
    scan = read_scan(save(tmp_path, np.dstack([np.zeros_like(page()), alpha])))
    assert (scan.clean[0, 0] == 255).all() and (scan.clean[30, 38] == 0).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_colour_that_stands_for_nothing_becomes_white(tmp_path, mode):
    pixels = Image.fromarray(page((0, 0, 0), (9, 9, 9))).convert(mode)
    pixels.save(tmp_path / "drawing.png", transparency=(9, 9, 9) if mode == "RGB" else 9)
    clean = read_scan(tmp_path / "drawing.png").clean
    assert (clean[0, 0] == 255).all() and (clean[30, 38] == 0).all()


def test_white_strokes_on_nothing_become_dark_on_light(tmp_path):
    alpha = np.where((page() < 100).all(-1), 255, 0).astype(np.uint8)
    clean = read_scan(save(tmp_path, np.dstack([np.full_like(page(), 255), alpha]))).clean
    assert (clean[0, 0] == 255).all() and (clean[30, 38] == 0).all()


def test_light_strokes_on_a_dark_page_are_inverted_and_shown_as_they_are(tmp_path):
    scan = read_scan(save(tmp_path, page((230, 230, 230), (20, 30, 25))))
    assert scan.clean[0, 0].min() > 200 and scan.clean[30, 38].max() < 50 and scan.shown[0, 0].max() < 50


def test_a_dark_painting_is_not_inverted(tmp_path):
    rng = np.random.default_rng(0)
    painted = rng.integers(0, 180, (60, 80, 3), dtype=np.uint8)
    assert np.array_equal(scan_of(painted).clean, painted)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "CMYK", "I;16"])
def test_any_kind_of_pixels(tmp_path, mode):
    grey = Image.fromarray(page((0, 0, 0)))
    deep = Image.fromarray(np.asarray(grey.convert("L")).astype(np.uint16) * 257)
    picture = deep if mode == "I;16" else grey.convert(mode)
    path = save(tmp_path, picture, "drawing.tif" if mode in ("CMYK", "I;16") else "drawing.png")
    clean = read_scan(path).clean
    assert clean.shape == (60, 80, 3) and clean[0, 0].min() > 250 and clean[30, 38].max() < 5


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.webp", "photo.tif"])
def test_a_photograph_is_turned_upright(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6
    scan = read_scan(save(tmp_path, page(), name, exif=exif, quality=95))
    assert scan.shown.shape == (80, 60, 3) and scan.size == (60, 80) and scan.clean[38, 30].max() < 80


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_blank_page_of_any_depth_is_a_picture(tmp_path, kind):
    clean = read_scan(save(tmp_path, Image.fromarray(np.zeros((40, 50), kind)), "blank.tif")).clean
    assert clean.shape == (40, 50, 3) and np.ptp(clean) == 0


def test_an_orientation_that_is_no_number_turns_nothing(tmp_path):
    text = b"Exif\0\0" + struct.pack(">2sHIHHHI4sI", b"MM", 42, 8, 1, 0x0112, 2, 3, b"up\0\0", 0)
    path = save(tmp_path, page(), "odd.jpg", exif=text)
    assert read_scan(path).size == (80, 60)


def test_a_narrow_page_keeps_its_shape():
    assert scan_of(np.full((20000, 100, 3), 255, np.uint8)).scale == WORKING / 20000


@pytest.mark.parametrize("name", ["large.png", "large.jpg"])
def test_a_large_scan_is_made_smaller_and_says_so(tmp_path, name):
    scan = read_scan(save(tmp_path, Image.new("RGB", (4200, 2100), "white"), name))
    assert scan.shown.shape == (WORKING // 2, WORKING, 3) and scan.size == (4200, 2100)
    assert scan.scale == pytest.approx(WORKING / 4200)


def _bomb(width, height):
    """A PNG that claims to be large."""
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)


def broken_files(tmp_path):
    """Bad files by what is said of them."""
    whole = save(tmp_path, np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8), "whole.png").read_bytes()
    contents = {
        "empty.png": (b"", "an empty file, not a picture"),
        "text.png": (b"hello, I am no picture", "not a picture"),
        "cut.png": (whole[: len(whole) // 2], "cannot read this picture"),
        "wide.png": (_bomb(50_000, 40), "50000x40 px is too large"),
        "bomb.png": (_bomb(50_000, 50_000), "too large"),
        "speck.png": (save(tmp_path, np.zeros((3, 3, 3), np.uint8), "tiny.png").read_bytes(), "too small"),
    }
    for name, (data, _) in contents.items():
        (tmp_path / name).write_bytes(data)
    return {name: says for name, (_, says) in contents.items()} | {"missing.png": "no such file"}


def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path):
    for name, says in broken_files(tmp_path).items():
        with pytest.raises(UserError) as caught:
            read_scan(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name)) and says in str(caught.value) and "\n" not in str(caught.value)


def test_arrays_of_other_kinds_are_refused():
    for bad in (np.zeros((20, 20, 3)), np.zeros((20, 20, 2), np.uint8), np.zeros((0, 20, 3), np.uint8)):
        with pytest.raises(UserError, match="expected"):
            scan_of(bad)
