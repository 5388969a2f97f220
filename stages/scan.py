"""A picture file of any kind as the networks want it: scans and photographs of paper, transparent and dark backgrounds."""

import struct
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from manifests.errors import UserError
from stages.detector.crops import paper

MOST_SIDE, MOST_PIXELS = 20_000, 150_000_000  # beyond this a file is refused before it is decoded
WORKING = 2048  # px: larger pictures are scaled down to this side
LEAST = 16  # px: nobody is drawn in less
_DARK, _FLAT, _NEAR = 100, 0.6, 40  # level of a dark background, share of the picture that it fills, levels around it
_CLEAR, _WHITE = 16, 225  # alpha below which nothing is drawn; strokes lighter than this do not show on white


class Scan(NamedTuple):
    """shown (H, W, 3) uint8 RGB: the picture on white; clean (H, W, 3): dark strokes on light paper; scale: px of `shown` over
    those of the file; size: (width, height) of the file, turned upright as its EXIF data says."""

    shown: np.ndarray
    clean: np.ndarray
    scale: float
    size: tuple[int, int]


def read_scan(path: Path) -> Scan:
    """The picture in a file. Raises UserError naming it: missing, empty, not a picture, damaged, too large."""
    shown, size = _read(path)
    return Scan(shown, cleaned(shown), max(shown.shape[:2]) / max(size), size)


def scan_of(image: np.ndarray) -> Scan:
    """The same of an array (H, W, 3) or (H, W, 4) or (H, W), uint8."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        raise UserError(f"a picture {image.shape} {image.dtype}: expected (height, width, 3) or (height, width, 4), uint8")
    picture = Image.fromarray(image)
    _check_size(picture, "the picture")
    shown = _on_white(_shrunk(picture))
    return Scan(shown, cleaned(shown), max(shown.shape[:2]) / max(picture.size), picture.size)


def cleaned(image: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) with dark strokes on light paper: inverted where a dark page is drawn on in light.

    Uneven light stays: the networks have seen it, and dividing it away made nothing better.
    """
    return 255 - image if _is_inverted(image) else image


def _read(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """The picture (H, W, 3), and the file's (width, height)."""
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path}: an empty file, not a picture")
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:  # Pillow warns of what _check_size allows
            _check_size(opened, str(path))
            stored = opened.size
            opened.draft("RGB", (WORKING, WORKING))  # a large JPEG is decoded small
            decoded, upright = opened.size, ImageOps.exif_transpose(opened)  # of a TIFF, both are upright
            return _on_white(_shrunk(upright)), stored if upright.size == decoded else stored[::-1]
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not a picture, or of a kind that is not known here") from None
    except Image.DecompressionBombError:
        raise UserError(f"{path}: too large a picture; at most {MOST_SIDE} px a side and {MOST_PIXELS} px in all") from None
    except (OSError, ValueError, TypeError, SyntaxError, EOFError, MemoryError, RuntimeError, struct.error) as e:
        raise UserError(f"{path}: cannot read this picture ({' '.join(str(e).split())})") from None


def _check_size(picture: Image.Image, where: str) -> None:
    width, height = picture.size
    if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise UserError(f"{where}: {width}x{height} px is too large; at most {MOST_SIDE} px a side and {MOST_PIXELS} px in all")
    if min(width, height) < LEAST:
        raise UserError(f"{where}: {width}x{height} px is too small; at least {LEAST} px a side")


def _shrunk(picture: Image.Image) -> Image.Image:
    """In eight bits a channel, and at most WORKING px a side."""
    if picture.mode.startswith(("I", "F")):
        levels = np.asarray(picture, np.float64)
        picture = Image.fromarray(((levels - levels.min()) * (255 / (np.ptp(levels) or 1))).astype(np.uint8))
    if picture.mode not in ("RGB", "L") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    times = WORKING / max(picture.size)
    size = (max(1, round(picture.width * times)), max(1, round(picture.height * times)))
    return picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0) if times < 1 else picture


def _on_white(picture: Image.Image) -> np.ndarray:
    """RGB; what is transparent becomes white, or black where the strokes are as good as white themselves."""
    if picture.mode != "RGBA":
        return np.asarray(picture.convert("RGB"))
    pixels = np.asarray(picture)
    drawn = pixels[pixels[..., 3] >= _CLEAR][:, :3]
    clear = (pixels[..., 3] < _CLEAR).mean()
    light = clear > _FLAT and len(drawn) and drawn.mean() > _WHITE
    ground = Image.new("RGBA", picture.size, "black" if light else "white")
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))


def _is_inverted(image: np.ndarray) -> bool:
    """Whether most of the picture is one dark colour, and what stands out from it is lighter."""
    ground = paper(image)
    away = image.astype(np.int16) - ground.astype(np.int16)
    flat = np.abs(away).max(-1) < _NEAR
    return bool(ground.mean() < _DARK and flat.mean() > _FLAT and (flat.all() or away[~flat].mean() > 0))
