"""Joints that a user puts in their place: `--joints2d file.json`."""

import json
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from manifests.skeleton import JOINTS
from stages.scan import MOST_SIDE

SURE = 10.0  # what a corrected joint counts, where one that is plain to see counts 1

Corrections = dict[str, np.ndarray]  # px of the picture by joint


def read_corrections(path: Path, pictures: list[str]) -> dict[str, Corrections]:
    """By picture's file name. The file has joints by name, `{"left_wrist": [x, y]}`, px of the picture from its top-left corner; for
    several pictures such an object by each one's file name. Raises UserError naming the file and the joint."""
    try:
        words = json.loads(path.read_bytes())
    except OSError as e:
        raise UserError(f"{path}: cannot read these joints ({e.strerror})") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON") from None
    if not isinstance(words, dict):
        raise UserError(f'{path}: expected joints by name, such as {{"left_wrist": [120, 88]}}')
    if len(pictures) == 1 and pictures[0] not in words:
        words = {pictures[0]: words}
    for name in words:
        if name not in pictures:
            raise UserError(f"{path}: {name} is none of the pictures; with several, joints are given by file name")
    return {name: _joints(path, joints) for name, joints in words.items()}


def _joints(path: Path, words: object) -> Corrections:
    if not isinstance(words, dict):
        raise UserError(f"{path}: expected joints by name")
    for name in words:
        if name not in JOINTS:
            raise UserError(f"{path}: {name} is no joint; expected some of {', '.join(JOINTS)}")
    return {name: _point(path, name, value) for name, value in words.items()}


def _point(path: Path, name: str, value: object) -> np.ndarray:
    try:
        point = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        point = np.zeros(0)
    if point.shape != (2,) or not (np.abs(point) <= MOST_SIDE).all():
        raise UserError(f"{path}: {name}: expected [x, y] in px, of {MOST_SIDE} at most, got {json.dumps(value)[:60]}")
    return point
