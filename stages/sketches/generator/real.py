"""Real drawings of the user's, as chunks beside the library's: squares around each figure, with the joints that are known."""

import hashlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from manifests.skeleton import STYLES
from stages.annotated.reader import Annotated, read_annotated
from stages.detector.crops import apply, cut, square_matrix
from stages.library.chunks import write_chunk
from stages.library.studio import side_of
from stages.pictures import jpeg

_AT_ONCE = 60
_LEAST = 8  # joints that must be known
_STYLE = "kids"  # of drawings whose style nobody tells: Amateur Drawings and AnimatedDrawings
_QUALITY = 92


def add_real(folder: Path, text: str, size: int, log: Callable[[str], None] = print) -> None:
    """Chunks of the drawings of `[style:]path`. Those that are there already are left."""
    style, path = _parsed(text)
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(f"{style}:{path.resolve()}".encode()).hexdigest()[:12]
    figures = (figure for figure in read_annotated(path, left_out=log) if figure.known.sum() >= _LEAST)
    count = 0
    for number, rows in enumerate(iter(lambda: list(islice(figures, _AT_ONCE)), [])):
        _write(folder / f"real-{name}-{number:05d}.safetensors", rows, style, side_of(size))
        count += len(rows)
    log(f"{path}: {count} real drawings")


def _parsed(text: str) -> tuple[str | None, Path]:
    head, colon, rest = text.partition(":")
    style, path = (head, Path(rest)) if colon and head in STYLES else (None, Path(text))
    if not path.exists():
        raise UserError(f"--drawings {text}: no such file or folder; expected [style:]path, style one of {', '.join(STYLES)}")
    return style, path


def _write(path: Path, rows: list[Annotated], style: str | None, side: int) -> None:
    if path.exists():
        return
    pictures, joints, boxes = [], [], []
    for figure in rows:
        matrix = square_matrix(figure.box, side)
        square = cut(figure.image, matrix, (side, side))
        pictures.append(jpeg(square, _QUALITY))
        joints.append(apply(matrix, figure.joints))
        boxes.append(apply(matrix, figure.box.reshape(2, 2)).ravel())
    arrays: dict[str, np.ndarray] = {
        "joints": np.array(joints, np.float32),
        "depth": np.zeros((len(rows), 16), np.float32),
        "visibility": np.array([figure.visibility for figure in rows], np.uint8),
        "boxes": np.array(boxes, np.float32),
        "styles": np.array([STYLES.index(style or figure.style or _STYLE) for figure in rows], np.uint8),
    }
    nothing = [""] * len(rows)
    words = {"ids": [figure.path.stem for figure in rows], "appearance": nothing, "motion": nothing}
    write_chunk(path, pictures, [b""] * len(rows), arrays, words)
