"""Crops to learn from: where the figure stands in them. Joints go with the picture, and all follows from one generator."""

from dataclasses import dataclass

import cv2
import numpy as np

from manifests.skeleton import EDGES, MIRROR
from stages.detector.crops import HEIGHT, PICTURE, WIDTH, apply, crop_matrices, cut, paper, picture_matrix
from stages.detector.decoys import SHEETS, nobody, sheet, with_props
from stages.detector.drawings import Drawings
from stages.detector.finder_net import CELL, MAP
from stages.detector.look import Noise, recolour, wear

_EMPTY, _PROPS = 0.35, 0.25  # of the pictures show nobody; of the figures stand among other things
_TURNED = np.array([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]])  # a mirror, of a picture one unit wide


@dataclass(frozen=True, eq=False)
class Crop:
    """image (256, 192, 3) uint8; joints (16, 2) px of the crop; visibility (16,), 0 also for what the crop leaves out."""

    image: np.ndarray
    joints: np.ndarray
    visibility: np.ndarray


@dataclass(frozen=True, eq=False)
class Picture:
    """image (128, 128, 3) uint8; there: whether it shows a figure; box (4,) px of it; figure (32, 32) uint8, 1 where the skeleton
    passes; style, its index. Of a picture without a figure, box and style say nothing."""

    image: np.ndarray
    there: bool
    box: np.ndarray
    figure: np.ndarray
    style: int


def crop_of(drawings: Drawings, index: int, other: int, rng: np.random.Generator, noise: Noise) -> Crop:
    """A random view of a drawing's figure; scraps of another drawing may lie in it."""
    image, joints, visibility = drawings.picture(index), drawings.joints[index], drawings.visibility[index]
    matrix = _homography(crop_matrices(_jittered(drawings.boxes[index], rng))[0])
    matrix = _view(rng) @ matrix
    order = np.arange(len(MIRROR))
    if rng.random() < 0.5:
        matrix, order = mirror_of(WIDTH) @ matrix, np.array(MIRROR)
    points = apply(matrix, joints.astype(np.float64))[order]
    inside = ((points >= 0) & (points < (WIDTH, HEIGHT))).all(1)
    crop = cut(image, _least(matrix), (HEIGHT, WIDTH), _border(image, rng))
    crop = with_props(crop, rng) if rng.random() < _PROPS else crop
    scraps = drawings.picture(other) if rng.random() < 0.12 else None
    return Crop(wear(crop, rng, noise, scraps), points.astype(np.float32), np.where(inside, visibility[order], 0))


def plain_crop(drawings: Drawings, index: int) -> Crop:
    """The figure as its label's box shows it."""
    matrix = crop_matrices(drawings.boxes[index])[0]
    image = cut(drawings.picture(index), matrix, (HEIGHT, WIDTH))
    return Crop(image, apply(matrix, drawings.joints[index]).astype(np.float32), drawings.visibility[index])


def picture_of(drawings: Drawings, index: int, other: int, rng: np.random.Generator, noise: Noise) -> Picture:
    """A random view of a whole drawing: smaller, larger, off the middle, mirrored, seldom upside down; its style stays clear. Or one of
    nobody, laid there in its place."""
    image = cv2.cvtColor(drawings.picture(index, cv2.IMREAD_REDUCED_COLOR_2), cv2.COLOR_BGR2RGB)
    there = rng.random() >= _EMPTY
    image = image if there else nobody(image, drawings.boxes[index] / 2, rng)
    matrix = _homography(picture_matrix(*image.shape[:2]))
    matrix = _placed(matrix, apply(matrix, drawings.boxes[index].reshape(2, 2) / 2), rng)
    if rng.random() < 0.5:
        matrix = mirror_of(PICTURE) @ matrix
    if rng.random() < 0.05:
        matrix = np.array([[1.0, 0, 0], [0, -1, PICTURE], [0, 0, 1]]) @ matrix
    small = cut(image, _least(matrix), (PICTURE, PICTURE), _border(image, rng))
    small = with_props(small, rng) if rng.random() < _PROPS else small
    scraps = _scraps(drawings, other, rng)
    matrix = matrix @ np.diag([0.5, 0.5, 1])  # from the whole picture, which was read at half its size
    corners = apply(matrix, drawings.boxes[index].reshape(2, 2).astype(np.float64))
    box = np.concatenate([corners.min(0), corners.max(0)]).astype(np.float32)
    figure = skeleton_of(apply(matrix, drawings.joints[index])) * np.uint8(there)
    return Picture(recolour(small, rng, noise, scraps), there, box, figure, int(drawings.styles[index]))


def _scraps(drawings: Drawings, other: int, rng: np.random.Generator) -> np.ndarray | None:
    """What lies about an edge of the picture: mostly nothing, else a piece of another drawing or of something that is no figure."""
    kind = rng.random()
    return drawings.picture(other) if kind < 0.12 else sheet(int(rng.integers(SHEETS))) if kind < 0.24 else None


def plain_picture(drawings: Drawings, index: int) -> Picture:
    """The whole drawing as the finder sees it."""
    image = drawings.picture(index)
    matrix = picture_matrix(*image.shape[:2])
    box = apply(matrix, drawings.boxes[index].reshape(2, 2)).ravel().astype(np.float32)
    figure = skeleton_of(apply(matrix, drawings.joints[index]))
    return Picture(cut(image, matrix, (PICTURE, PICTURE)), True, box, figure, int(drawings.styles[index]))


def mirror_of(width: int) -> np.ndarray:
    """The homography that mirrors a picture so wide, left to right."""
    return _TURNED * np.array([[1, 1, width], [1, 1, 1], [1, 1, 1]])


def skeleton_of(joints: np.ndarray) -> np.ndarray:
    """1 where the bones of joints (16, 2), px of the 128 px picture, pass through the finder's map (32, 32)."""
    figure = np.zeros((MAP, MAP), np.uint8)
    spots = np.clip(joints / CELL - 0.5, -1e3, 1e3).round().astype(int).tolist()
    for a, b in EDGES:
        cv2.line(figure, spots[a], spots[b], 1, 2)
    return figure


def _jittered(box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box (4,) as a finder would give it that errs by some hundredths of its sides."""
    sides = np.tile(box[2:] - box[:2], 2)
    return box + np.clip(rng.normal(0, 0.05, 4), -0.12, 0.12) * np.maximum(sides, 0.4 * sides.max())


def _view(rng: np.random.Generator) -> np.ndarray:
    """A turn, a scale, and now and then the slant of a photograph, about the middle of the crop."""
    angle = rng.uniform(-180, 180) if rng.random() < 0.08 else rng.uniform(-30, 30) if rng.random() < 0.6 else 0.0
    scale = np.exp(np.clip(rng.normal(0, 0.1), -0.25, 0.2))
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    view = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    if rng.random() < 0.15:
        view[2, :2] = rng.uniform(-0.12, 0.12, 2) / WIDTH
    there = np.array([[1, 0, WIDTH / 2], [0, 1, HEIGHT / 2], [0, 0, 1]])
    return there @ view @ np.array([[1, 0, -WIDTH / 2], [0, 1, -HEIGHT / 2], [0, 0, 1]])


def _placed(matrix: np.ndarray, corners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scales the picture and puts the middle of the figure, corners (2, 2) px, somewhere else."""
    if rng.random() < 0.2:
        return matrix
    scale = np.exp(rng.uniform(np.log(0.5), np.log(1.2)))
    sides = scale * (corners[1] - corners[0])
    room = np.maximum(PICTURE - 0.85 * sides, 0.1 * PICTURE) / 2
    middle = PICTURE / 2 + rng.uniform(-1, 1, 2) * room
    offset = middle - scale * corners.mean(0)
    return np.array([[scale, 0, offset[0]], [0, scale, offset[1]], [0, 0, 1]]) @ matrix


def _border(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What lies around the paper: mostly more of it, else anything."""
    return paper(image) if rng.random() < 0.75 else rng.uniform(0, 255, 3)


def _homography(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([matrix, [[0, 0, 1]]])


def _least(matrix: np.ndarray) -> np.ndarray:
    """The affine part (2, 3) where the homography (3, 3) is affine: that is faster to warp."""
    return matrix[:2] if not matrix[2, :2].any() else matrix
