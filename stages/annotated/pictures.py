"""The pictures and the boxes of annotated figures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from stages.annotated.keypoints import FARTHEST, Joints
from stages.scan import Scan, read_scan

MARGIN = 0.1  # what a box made from joints is wider and taller by, on each side, in shares of its larger side


def check_size(picture: dict, scan: Scan, where: str) -> None:
    """Refuse a picture whose size is not the one that its annotation says."""
    width, height = scan.size
    if (picture.get("width", width), picture.get("height", height)) != (width, height):
        raise UserError(f"{where} is {width}x{height}, the file says {picture.get('width')}x{picture.get('height')}")


def box_of(bbox: object, found: Joints, where: str) -> np.ndarray:
    """COCO's x, y, width, height as x0, y0, x1, y1; from the joints if there is none."""
    if bbox is None:
        return _around(found.joints[found.known])
    try:
        x, y, width, height = np.asarray(bbox, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: bbox {bbox!r}: expected x, y, width, height") from None
    if not ((np.abs((x, y, width, height)) < FARTHEST).all() and width > 0 and height > 0):
        raise UserError(f"{where}: bbox {bbox!r}: expected numbers below {FARTHEST:,.0f}, width and height above 0")
    return np.array([x, y, x + width, y + height])


def _around(points: np.ndarray) -> np.ndarray:
    """A box (4,) px around points (K, 2) px, with a margin."""
    low, high = points.min(0), points.max(0)
    margin = max(MARGIN * (high - low).max(), 1.0)
    return np.concatenate([low - margin, high + margin])


def drawn_box(mask: Path, size: tuple[int, int], where: str) -> np.ndarray:
    """The box (4,) px of what the mask keeps; the whole picture without a mask, as AnimatedDrawings crops to the figure."""
    if not mask.is_file():
        return np.array([0.0, 0.0, *size])
    scan = read_picture(read_scan, mask, where)
    kept = np.argwhere(scan.shown[..., 0] > 127)
    if not len(kept):
        return np.array([0.0, 0.0, *size])
    (top, left), (bottom, right) = np.min(kept, 0), np.max(kept, 0) + 1
    return np.array([left, top, right, bottom]) / scan.scale


def read_picture(read: Callable[[Path], Scan], path: Path, where: str) -> Scan:
    """The picture as `read` has it. Raises UserError that says where it is wanted."""
    try:
        return read(path)
    except UserError as e:
        raise UserError(f"{where}: {e}") from None
