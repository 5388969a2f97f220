"""Augmentation: every change of the picture changes the labels with it. All of it follows from one generator."""

from dataclasses import replace

import cv2
import numpy as np

from estimator.sample import Sample
from manifests.skeleton import BODY_PARTS, EDGES, LIMB_PAIRS, MIRROR, SMPL_MIRROR, other_side

# The same for edges and body parts; limb pairs may also come with their limbs in the other order, which turns the sign.
_EDGES = [EDGES.index((MIRROR[a], MIRROR[b])) for a, b in EDGES]
_PARTS = [BODY_PARTS.index(other_side(name)) for name in BODY_PARTS]
_SWAPS = [(other_side(a), other_side(b)) for a, b in LIMB_PAIRS]
_PAIRS = [LIMB_PAIRS.index(pair if pair in LIMB_PAIRS else pair[::-1]) for pair in _SWAPS]
_SIGNS = np.array([1 if pair in LIMB_PAIRS else -1 for pair in _SWAPS], np.int8)

# The mirror is M = diag(-1, 1, 1); M R M is R with these signs: the same as negating y and z of the axis-angle vector.
_MIRROR = np.diag([-1, 1, 1]).astype(np.float32)
_MIRRORED = np.array([[1, -1, -1], [-1, 1, 1], [-1, 1, 1]], np.float32)


def augment(sample: Sample, rng: np.random.Generator) -> Sample:
    """A random variant of the sample: mirror, turn, scale, shift, then the look of paper and ink."""
    if rng.random() < 0.5:
        sample = mirror(sample)
    turn, scale = rng.normal(0, 12), np.exp(rng.normal(0, 0.1))
    shift = rng.normal(0, 0.04, 2) * sample.image.shape[0]
    sample = move(sample, float(turn), float(np.clip(scale, 0.75, 1.25)), shift)
    return replace(sample, image=_look(sample.image, rng))


def mirror(sample: Sample) -> Sample:
    """The sample seen in a mirror: left becomes right in the picture, the joints and the pose."""
    size, order, smpl = sample.image.shape[0], list(MIRROR), list(SMPL_MIRROR)
    flip = np.array([[-1, 0, size], [0, 1, 0], [0, 0, 1]], np.float32)
    x0, y0, x1, y1 = sample.bbox
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        joints2d=(sample.joints2d * (-1, 1) + (size, 0)).astype(np.float32)[order],
        visibility=sample.visibility[order],
        joints3d=(sample.joints3d @ _MIRROR)[order],
        joints3d_drawn=(sample.joints3d_drawn @ _MIRROR)[order],
        hips=_MIRROR @ sample.hips,
        pose=sample.pose[smpl] * _MIRRORED,
        bone_scales=sample.bone_scales[smpl],
        depth_step=sample.depth_step[_EDGES],
        foreshortening=sample.foreshortening[_EDGES],
        limb_order=sample.limb_order[_PAIRS] * _SIGNS,
        contacts=sample.contacts[_PARTS][:, _PARTS],
        bbox=np.array([size - x1, y0, size - x0, y1], np.float32),
        camera_K=flip @ sample.camera_K @ _MIRROR,
        camera_R=sample.camera_R * _MIRRORED,
        camera_t=_MIRROR @ sample.camera_t,
    )


def move(sample: Sample, turn: float, scale: float, shift: np.ndarray) -> Sample:
    """Turn (degrees, from x right to y down) and scale about the picture's centre, then shift (2,) px.

    Turning the picture turns the figure about the line of sight; scale and shift leave the 3D labels alone. The box turns with
    its corners, so it may end up wider than the figure.
    """
    size = sample.image.shape[0]
    turned = _about_z(turn).astype(np.float32)
    linear = scale * turned[:2, :2]
    offset = size / 2 - linear @ (size / 2, size / 2) + shift
    joints2d = (sample.joints2d @ linear.T + offset).astype(np.float32)
    outside = ((joints2d < 0) | (joints2d >= size)).any(1)
    return replace(
        sample,
        image=_warp(sample.image, linear, offset),
        joints2d=joints2d,
        visibility=np.where(outside, 0, sample.visibility).astype(np.uint8),
        joints3d=sample.joints3d @ turned.T,
        joints3d_drawn=sample.joints3d_drawn @ turned.T,
        hips=turned @ sample.hips,
        pose=np.concatenate([turned @ sample.pose[:1], sample.pose[1:]]),
        bbox=_box(sample.bbox, linear, offset),
        camera_K=_plane(linear, offset) @ sample.camera_K @ turned.T,
        camera_R=turned @ sample.camera_R,
        camera_t=turned @ sample.camera_t,
    )


def _about_z(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _plane(linear: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """linear (2, 2) and offset (2,) px as one matrix (3, 3) on homogeneous pixels."""
    return np.block([[linear, offset[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]]).astype(np.float32)


def _box(bbox: np.ndarray, linear: np.ndarray, offset: np.ndarray) -> np.ndarray:
    corners = bbox[[[0, 1], [2, 1], [0, 3], [2, 3]]] @ linear.T + offset
    return np.concatenate([corners.min(0), corners.max(0)]).astype(np.float32)


def _warp(image: np.ndarray, linear: np.ndarray, offset: np.ndarray) -> np.ndarray:
    # OpenCV counts from the centre of the first pixel, our labels from its corner, half a pixel away.
    offset = offset + linear @ (0.5, 0.5) - 0.5
    matrix = np.concatenate([linear, offset[:, None]], axis=1)
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _look(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    picture: np.ndarray = image.astype(np.float32) / 255
    if rng.random() < 0.3:
        picture = np.repeat(picture.mean(-1, keepdims=True), 3, -1)
    if rng.random() < 0.1:
        picture = 1 - picture
    if rng.random() < 0.3:
        picture = picture[..., rng.permutation(3)]
    picture = picture * rng.uniform(0.8, 1, 3) * rng.uniform(0.75, 1.1) + rng.uniform(0, 0.15)
    if rng.random() < 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.2))))
    picture = picture + rng.normal(0, rng.uniform(0, 0.05), picture.shape)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)
