"""Real drawings of the user's, into the library: squares around each figure, with the joints that are known."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.skeleton import STYLES
from stages.sketches.annotated import Annotated, read_annotated
from stages.sketches.generator.drawings import encoded, side_of, write_chunk

_AT_ONCE = 60
_ROOM = 1.25  # side of the square over that of the figure's box
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 92]


def add_real(library: Path, text: str, size: int, log: Callable[[str], None] = print) -> None:
    """Add the drawings of `[style:]folder` to the train split. Those that are there already are left."""
    style, folder = _parsed(text)
    name = hashlib.sha256(f"{style}:{folder.resolve()}".encode()).hexdigest()[:12]
    rows: list[tuple[Annotated, np.ndarray]] = []
    number = 0
    for drawing in read_annotated(folder, style):
        picture = cv2.imread(str(drawing.path), cv2.IMREAD_COLOR)
        if picture is None:
            log(f"left out: {drawing.path} cannot be decoded")
            continue
        rows.append((drawing, picture))
        if len(rows) == _AT_ONCE:
            _write(library / "train" / f"real-{name}-{number:05d}.safetensors", rows, side_of(size))
            rows, number = [], number + 1
    if rows:
        _write(library / "train" / f"real-{name}-{number:05d}.safetensors", rows, side_of(size))
    log(f"{folder}: {number * _AT_ONCE + len(rows)} real drawings")


def _parsed(text: str) -> tuple[str | None, Path]:
    head, colon, rest = text.partition(":")
    style, folder = (head, Path(rest)) if colon and head in STYLES else (None, Path(text))
    if not folder.is_dir():
        raise UserError(f"--drawings {text}: no such folder; expected [style:]folder, style one of {', '.join(STYLES)}")
    return style, folder


def _write(path: Path, rows: list[tuple[Annotated, np.ndarray]], side: int) -> None:
    if path.exists():
        return
    pictures, joints = [], []
    for drawing, picture in rows:
        square, matrix = _square(picture, drawing.box, side)
        pictures.append(cv2.imencode(".jpg", square, _QUALITY)[1].tobytes())
        joints.append(drawing.joints @ matrix[:, :2].T + matrix[:, 2])
    arrays: dict[str, np.ndarray] = {
        "joints": np.array(joints, np.float32),
        "depth": np.zeros((len(rows), 16), np.float32),
        "styles": np.array([STYLES.index(drawing.style) for drawing, _ in rows], np.uint8),
    }
    nothing = [""] * len(rows)
    words = {"ids": [f"{d.path.stem}" for d, _ in rows], "appearance": nothing, "motion": nothing}
    blank = encoded(np.zeros((8, 8, 3), np.uint8))
    write_chunk(path, pictures, [blank] * len(rows), arrays, words)


def _square(picture: np.ndarray, box: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The square (side, side, 3) around a box (4,) px, on the picture's own paper, and the map (2, 3) of points into it."""
    low, high = box[:2], box[2:]
    scale = side / max(_ROOM * float((high - low).max()), 8.0)
    offset = side / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    centred = matrix.copy()  # OpenCV counts from pixel centres
    centred[:, 2] += scale / 2 - 0.5
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    paper = np.median(edge, axis=0).tolist()
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.warpAffine(picture, centred, (side, side), flags=shrink, borderValue=paper), matrix
