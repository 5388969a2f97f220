"""Dresses the figure. Garments end along the limb, at a place chosen by seed, not at the seams of the mesh."""

from dataclasses import replace

import cv2
import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import ARMS, HEAD, HIPS, LEGS, NECK, PELVIS, SHOULDERS, Surface, head_of, surface_of
from stages.sketches.drawing.colour import polygon
from stages.sketches.drawing.dressed import BOTTOM, FAR, SHOES, SKIN, STRIPE, TOP, Dressed
from stages.sketches.drawing.hair import add_hair
from stages.sketches.drawing.wardrobe import Look

_ARM_PARTS, _LEG_PARTS = [j for limb in ARMS for j in limb], [j for limb in LEGS for j in limb]


def dress(figure: Figure, look: Look, turn: np.ndarray | None = None) -> Dressed:
    """Put clothes and hair on the figure's buffers; turn (3, 3): the head's rotation in the camera frame, where known."""
    if look.outfit in ("skirt", "dress") and not _hangs(figure, look.skirt):
        look = replace(look, outfit="trousers" if look.outfit == "skirt" else "suit", leg=min(look.leg, 0.8))
    surface, head = surface_of(figure), head_of(figure, turn)
    region, piece = np.zeros(figure.part.shape, np.uint8), lines.PIECE_OF_PART[figure.part]
    region[surface.rows, surface.columns] = _regions(surface, figure, look)
    depth = np.where(figure.part > 0, figure.depth, FAR).astype(np.float32)
    dressed = Dressed(region, piece, depth, figure.normal.copy(), look, head, figure)
    if look.outfit in ("skirt", "dress"):
        _add_skirt(dressed, figure, surface)
    add_hair(dressed, surface)
    return dressed


def _regions(surface: Surface, figure: Figure, look: Look) -> np.ndarray:
    region = np.full(len(surface.part), SKIN, np.uint8)
    arm, leg = np.isin(surface.part, _ARM_PARTS), np.isin(surface.part, _LEG_PARTS)
    torso = ~arm & ~leg & (surface.part != HEAD)
    if look.outfit != "bare":
        region[torso | (arm & (surface.along < look.sleeve)) | (leg & (surface.along < 0.35))] = TOP
        if look.stripes:
            region[(region == TOP) & (surface.height % look.stripes < look.stripes / 2)] = STRIPE
    below = (torso | (leg & (surface.along < look.leg))) & (surface.height < look.hem)
    region[below | (leg & (surface.along > 0.35) & (surface.along < look.leg))] = BOTTOM
    region[_bare_neck(surface, figure, look)] = SKIN
    if not look.barefoot:
        region[leg & (surface.along > look.boot)] = SHOES
    return region


def _bare_neck(surface: Surface, figure: Figure, look: Look) -> np.ndarray:
    neck, shoulders = figure.joints[NECK], figure.joints[list(SHOULDERS)]
    reach = look.neckline * np.linalg.norm(shoulders[0] - shoulders[1])
    near = np.linalg.norm(surface.points - neck, axis=1) < reach
    return (surface.part == HEAD) | (near & np.isin(surface.part, [9, NECK, 13, 14])) | ((surface.part == NECK) & (surface.height > 1.12))


def _hangs(figure: Figure, length: float) -> bool:
    """Can a skirt hang: do both legs go down and not too far apart?"""
    joints = figure.joints2d
    down = joints[PELVIS] - joints[NECK]
    legs = np.stack([joints[limb[1]] - joints[limb[0]] for limb in LEGS])
    reach = np.linalg.norm(down)
    along = legs @ down / reach**2
    spread = abs(np.diff(legs @ np.array([-down[1], down[0]]))[0]) / reach**2
    return bool(along.min() > 0.42 and spread < 0.85 and reach > 0.12 * figure.size and down[1] > 0.4 * reach)


def _add_skirt(dressed: Dressed, figure: Figure, surface: Surface) -> None:
    """A cloth from the waist to the hem over both legs; arms before it stay before it."""
    look = dressed.look
    leg = np.isin(surface.part, _LEG_PARTS)
    under = ((surface.height < look.hem) & ~np.isin(surface.part, _ARM_PARTS)) & ((leg & (surface.along < look.skirt)) | ~leg)
    if under.sum() < 12:
        return
    spots = np.stack([surface.columns[under], surface.rows[under]], 1) + 0.5
    outline = cv2.convexHull(np.concatenate([spots, _hem(figure, look)]).astype(np.float32))[:, 0]
    cloth = polygon(dressed.size, outline).ink > 0.5
    front = float(np.quantile(surface.points[under, 2], 0.03)) - 0.02
    arms = np.isin(figure.part, np.array(_ARM_PARTS) + 1) & (figure.depth < front + 0.08)
    cloth &= ~arms & (figure.part != 1 + HEAD)
    dressed.region[cloth] = TOP if look.outfit == "dress" else BOTTOM
    dressed.piece[cloth], dressed.depth[cloth] = lines.SKIRT, front
    dressed.normal[cloth] = cv2.GaussianBlur(_bulge(cloth), (0, 0), dressed.size / 80)[cloth]


def _hem(figure: Figure, look: Look) -> np.ndarray:
    """Four points (4, 2) px: where the cloth ends beside each leg."""
    joints = figure.joints2d
    across = joints[HIPS[0]] - joints[HIPS[1]]
    hips = float(np.linalg.norm(figure.joints[HIPS[0]] - figure.joints[HIPS[1]]))
    width = max(hips * figure.camera_K[0, 0] / figure.joints[PELVIS][2], 3.0)
    out = across / (np.linalg.norm(across) + 1e-6)
    ends = []
    for limb in LEGS:
        k = min(int(look.skirt), 1)
        end = joints[limb[k]] + (look.skirt - k) * (joints[limb[k + 1]] - joints[limb[k]])
        ends += [end + side * out * width * (0.35 + look.flare * look.skirt * 0.6) for side in (-1, 1)]
    return np.stack(ends)


def _bulge(mask: np.ndarray) -> np.ndarray:
    """Normals (H, W, 3) of a cushion over the mask."""
    deep = np.sqrt(np.minimum(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3), len(mask) / 16))
    slope = np.stack([-cv2.Sobel(deep, cv2.CV_32F, 1, 0), -cv2.Sobel(deep, cv2.CV_32F, 0, 1), np.full(mask.shape, -2, np.float32)], -1)
    return slope / np.linalg.norm(slope, axis=-1, keepdims=True)
