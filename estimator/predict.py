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
from estimator.scan import Scan, read_scan
from estimator.smoothing import smoothed
from manifests.errors import UserError
from stages.tensorfile import write_atomically

FORMATS = ("json", "png", "bvh", "glb")
PROPORTIONS = ("drawn", "body")
_UNSEEN = Scan(np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0, 3), np.uint8), 1.0, (0, 0))
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}  # of a folder's files


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
    pictures = _pictures(paths, options.joints2d)
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
    read = [(p, r._replace(scan=_UNSEEN)) for i in starts for p, r in _read(pictures[i : i + BATCH], options, estimator, troubles)]
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


def _pictures(paths: Sequence[Path], joints2d: Path | None) -> list[_Picture]:
    """Every picture that is named, and of folders all in the order of their names. Equal stems keep their endings."""
    files = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
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
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.name)], file.name


def _check(options: Options) -> None:
    for name in options.formats:
        if name not in FORMATS:
            raise UserError(f"--format {name}: expected some of {', '.join(FORMATS)}")
    if options.proportions not in PROPORTIONS:
        raise UserError(f"--proportions {options.proportions}: expected drawn or body")
    if "/" in options.clip or options.clip.startswith("."):
        raise UserError(f"--clip {options.clip}: expected a name, not a path")
