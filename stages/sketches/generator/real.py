"""Real drawings of the user's, as chunks beside the library's: squares around each figure, with the joints that are known."""

import hashlib
from collections import Counter
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
_LEAST, _SPAN = 8, 0.03  # joints that must be known, and how far apart in the square
_STYLE = "kids"  # of drawings whose style nobody tells: Amateur Drawings and AnimatedDrawings
_QUALITY = 92


def add_real(folder: Path, text: str, size: int, log: Callable[[str], None] = print) -> list[Path]:
    """Chunks of the drawings of `[style:]path` as they are now. A chunk is named by what it holds; earlier ones of the path go."""
    style, path = parsed(text)
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    seen: Counter[bool] = Counter()
    figures = (figure for figure in read_annotated(path, left_out=log) if _counted(_is_shown(figure), seen))
    held = []
    for number, rows in enumerate(iter(lambda: list(islice(figures, _AT_ONCE)), [])):
        held.append(_write(folder, f"real-{name}-{number:05d}", rows, style, side_of(size)))
    for left in sorted(set(folder.glob(f"real-{name}-*.safetensors")) - set(held)):
        left.unlink()
    left_out = f", {seen[False]} left out that show fewer than {_LEAST} joints in the square around their box" if seen[False] else ""
    log(f"{path}: {seen[True]} real drawings{left_out}")
    return held


def _counted(shown: bool, seen: Counter[bool]) -> bool:
    seen[shown] += 1
    return shown


def _is_shown(figure: Annotated) -> bool:
    """Whether enough joints lie in the square that is cut, and not all in one place, as where a box is far too large."""
    places = apply(square_matrix(figure.box, 1), figure.joints)
    inside = places[((places >= 0) & (places <= 1)).all(-1)]
    return len(inside) >= _LEAST and float(np.ptp(inside, axis=0).max()) >= _SPAN


def parsed(text: str) -> tuple[str | None, Path]:
    """Style and path of `[style:]path`. Raises UserError where nothing is there."""
    head, colon, rest = text.partition(":")
    style, path = (head, Path(rest)) if colon and head in STYLES else (None, Path(text))
    if not path.exists():
        raise UserError(f"--drawings {text}: no such file or folder; expected [style:]path, style one of {', '.join(STYLES)}")
    return style, path


def _write(folder: Path, name: str, rows: list[Annotated], style: str | None, side: int) -> Path:
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
    digest = hashlib.sha256(b"".join([*pictures, *(array.tobytes() for array in arrays.values())])).hexdigest()[:12]
    path = folder / f"{name}-{digest}.safetensors"
    if not path.exists():
        write_chunk(path, pictures, [b""] * len(rows), arrays, words)
    return path
