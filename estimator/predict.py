"""`skep predict`: picture files to JSON, overlay, BVH and glTF. What a picture gives is worked out whole before any of it is written."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from estimator.corrections import Corrections, read_corrections
from estimator.export.bvh import to_bvh
from estimator.export.gltf import to_glb
from estimator.export.take import take_of
from estimator.figure import Figure, undistorted
from estimator.hints import hints_of
from estimator.load import BATCH, Estimator, Reading, load_estimator
from estimator.overlay import overlay
from estimator.record import record
from estimator.smoothing import smoothed
from manifests.errors import UserError
from stages.scan import Scan, read_scan
from stages.wholefile import write_atomically

FORMATS = ("json", "png", "bvh", "glb")
PROPORTIONS = ("drawn", "body")
_NOTHING = np.zeros((0, 0, 3), np.uint8)
# Of a folder's files: what Pillow opens, and what cameras write, lest a frame be passed over in silence.
PICTURES = {
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".webp", ".avif", ".heic", ".heif", ".gif", ".bmp", ".tif", ".tiff", ".tga",
    ".ppm", ".pgm", ".pbm", ".pnm",
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What the user asked for. clip: name of the one movement whose frames the pictures are; smooth: frames; see `skep predict --help`."""

    weights: Path | None = None
    method: str | None = None
    body: Path | None = None
    proportions: str = "drawn"
    refine: bool = True
    joints2d: Path | None = None
    front: str = ""
    touch: str = ""
    formats: tuple[str, ...] = FORMATS
    clip: str = ""
    fps: float = 12.0
    smooth: float = 1.0


class _Picture(NamedTuple):
    path: Path
    stem: str
    corrections: Corrections


def predict(paths: Sequence[Path], out: Path, options: Options, log: Callable[[str], None] = print) -> int:
    """Predict every picture and write its files to `out`; of a clip the movement as well. Returns the number of pictures.

    A picture that cannot be read spares the others, but not those of its clip; then a UserError says so at the end, a sentence each.
    """
    _check(options)
    pictures = _pictures(_named(paths, bool(options.clip)), options.joints2d)
    _spare(pictures, out, options)
    hints_of(options.front, options.touch)
    estimator = load_estimator(options.weights, options.method, options.body, options.refine)
    if options.clip:
        return _clip(pictures, out, options, estimator, log)
    troubles: list[str] = []
    for start in range(0, len(pictures), BATCH):
        for picture, reading in _read(pictures[start : start + BATCH], options, estimator, troubles):
            written = _write(out, picture.stem, _files(picture.path.name, reading, estimator, options))
            log(f"{picture.path}: {reading.style}, {written}")
    if troubles:
        raise UserError("\n".join(troubles))
    return len(pictures)


def _clip(pictures: list[_Picture], out: Path, options: Options, estimator: Estimator, log: Callable[[str], None]) -> int:
    """Frames are read like other pictures, then made to agree."""
    troubles: list[str] = []
    starts = range(0, len(pictures), BATCH)
    # Without their pictures, or a long clip would not fit in memory.
    read = [(p, _unseen(r)) for i in starts for p, r in _read(pictures[i : i + BATCH], options, estimator, troubles)]
    troubles += _sizes(read)
    if troubles:
        raise UserError("\n".join(troubles))
    figures = smoothed([reading.figure for _, reading in read], options.smooth)
    frames = replace(options, formats=tuple(f for f in options.formats if f in ("json", "png")))
    for (picture, reading), figure in zip(read, figures, strict=True):
        _write(
            out, picture.stem, _files(picture.path.name, reading._replace(figure=figure, scan=read_scan(picture.path)), estimator, frames)
        )
    written = _write(out, options.clip, _movement(figures, estimator, options))
    log(", ".join(filter(None, (f"{options.clip}: {len(figures)} frames", written))))
    return len(pictures)


def _unseen(reading: Reading) -> Reading:
    return reading._replace(scan=reading.scan._replace(shown=_NOTHING, clean=_NOTHING))


def _sizes(read: list[tuple[_Picture, Reading]]) -> list[str]:
    """A sentence where frames are of two sizes: nobody knows which pixels of the one are which of the other."""
    sizes = [f"{width}x{height}" for width, height in (reading.scan.size for _, reading in read)]
    other = next((i for i, size in enumerate(sizes) if size != sizes[0]), None)
    if other is None:
        return []
    return [f"{read[other][0].path}: {sizes[other]} px, and {read[0][0].path} {sizes[0]}; frames of a movement are of one size"]


def _read(pictures: list[_Picture], options: Options, estimator: Estimator, troubles: list[str]) -> list[tuple[_Picture, Reading]]:
    """Those of the pictures that somebody is found in; sentences about the others are added to the troubles."""
    opened: list[tuple[_Picture, Scan]] = []
    for picture in pictures:
        try:
            opened.append((picture, read_scan(picture.path)))
        except UserError as e:
            troubles.append(str(e))
    hints = [hints_of(options.front, options.touch)] * len(opened)
    readings = estimator.read([scan for _, scan in opened], hints, [picture.corrections for picture, _ in opened])
    troubles += [f"{p.path}: no figure found in it" for (p, _), reading in zip(opened, readings, strict=True) if reading is None]
    return [(p, reading) for (p, _), reading in zip(opened, readings, strict=True) if reading is not None]


def _files(name: str, reading: Reading, estimator: Estimator, options: Options) -> dict[str, bytes]:
    """The files of one picture by ending."""
    shown = reading if options.proportions == "drawn" else reading._replace(figure=undistorted(reading.figure))
    makers = {"json": lambda: record(name, reading, estimator.body), "png": lambda: overlay(shown, estimator.body)}
    made = {ending: make() for ending, make in makers.items() if ending in options.formats}
    return made | _movement([reading.figure], estimator, options)


def _movement(figures: Sequence[Figure], estimator: Estimator, options: Options) -> dict[str, bytes]:
    makers = {"bvh": to_bvh, "glb": to_glb}
    if not set(makers) & set(options.formats):
        return {}
    chosen = figures if options.proportions == "drawn" else [undistorted(figure) for figure in figures]
    take = take_of(chosen, estimator.body, options.fps)
    return {ending: make(take) for ending, make in makers.items() if ending in options.formats}


def _write(out: Path, stem: str, files: dict[str, bytes]) -> str:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for ending, data in files.items():
            write_atomically(out / f"{stem}.{ending}", data)
    except OSError as e:
        raise UserError(f"{out}: cannot write there ({e.strerror})") from None
    return ", ".join(str(out / f"{stem}.{ending}") for ending in files)


def _named(paths: Sequence[Path], are_frames: bool) -> list[Path]:
    """Every picture that is named, and of folders all in the order of their names; so are the frames of a movement, however named."""
    files = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
    return sorted(files, key=_counted) if are_frames else files


def _pictures(files: Sequence[Path], joints2d: Path | None) -> list[_Picture]:
    """The pictures with what their user knows. Equal stems keep their endings."""
    stems = Counter(file.stem for file in files)
    names = [file.stem if stems[file.stem] == 1 else file.name for file in files]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"{twice[0]}: two pictures of this name; predict them into two folders")
    given = read_corrections(joints2d, [file.name for file in files]) if joints2d else {}
    return [_Picture(file, name, given.get(file.name, {})) for file, name in zip(files, names, strict=True)]


def _spare(pictures: list[_Picture], out: Path, options: Options) -> None:
    """Raises UserError where a file that is read would be written over."""
    given = {path.resolve() for path in (*(picture.path for picture in pictures), options.joints2d, options.body) if path}
    stems = [*(picture.stem for picture in pictures), *([options.clip] if options.clip else [])]
    for path in (out / f"{stem}.{ending}" for stem in stems for ending in options.formats):
        if path.resolve() in given or (options.weights and path.resolve().parent == options.weights.resolve()):
            raise UserError(f"{path}: it would be written over; choose another folder with --out")


def _inside(folder: Path) -> list[Path]:
    pictures = (file for file in folder.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith("."))
    files = sorted(pictures, key=_counted)
    if not files:
        raise UserError(f"{folder}: no pictures in this folder")
    return files


def _counted(file: Path) -> tuple[list[tuple[int, str]], str]:
    """A key by which frame 2 comes before frame 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.as_posix())], file.name


def _check(options: Options) -> None:
    for name in options.formats or ("",):
        if name not in FORMATS:
            raise UserError(f"--format {name}: expected some of {', '.join(FORMATS)}")
    if options.proportions not in PROPORTIONS:
        raise UserError(f"--proportions {options.proportions}: expected drawn or body")
    if "/" in options.clip or options.clip.startswith("."):
        raise UserError(f"--clip {options.clip}: expected a name, not a path")
