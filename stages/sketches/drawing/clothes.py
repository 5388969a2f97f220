"""Dresses the figure. Garments end along the limb, at a place chosen by seed, not at the seams of the mesh."""

from dataclasses import replace

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import lines, trunk, tubes
from stages.sketches.drawing.anatomy import HEAD, NECK, ON_ARM, ON_LEG, SHOULDERS, Surface, head_of, surface_of
from stages.sketches.drawing.build import Build, build_of, trunk_rings
from stages.sketches.drawing.cloth import Strip, lay_over
from stages.sketches.drawing.dressed import BOTTOM, FAR, SHOES, SKIN, STRIPE, TOP, Dressed
from stages.sketches.drawing.hair import add_hair
from stages.sketches.drawing.hats import hat
from stages.sketches.drawing.pattern import add_pattern
from stages.sketches.drawing.wardrobe import Look


def dress(figure: Figure, look: Look, turn: np.ndarray | None = None) -> Dressed:
    """Put clothes and hair on the figure's buffers (256, 256); turn (3, 3): the head's rotation in the camera frame, where known."""
    look = that_hangs(figure, look)
    surface, head = surface_of(figure), head_of(figure, turn)
    region, piece = np.zeros(figure.part.shape, np.uint8), lines.PIECE_OF_PART[figure.part]
    region[surface.rows, surface.columns] = _regions(surface, figure, look)
    depth = np.where(figure.part > 0, figure.depth, FAR).astype(np.float32)
    dressed = Dressed(region, piece, depth, figure.normal.copy(), look, head, figure)
    if len(surface.rows):
        buffers = region, piece, depth, dressed.normal
        lay_over(buffers, figure.part, figure.camera_K, _garments(figure, look, build_of(figure, surface)))
        add_pattern(dressed, figure)
        add_hair(dressed, surface)
        if look.hat != "none":
            lay_over(buffers, figure.part, figure.camera_K, [hat(head, look.hat)])
    return dressed


def that_hangs(figure: Figure, look: Look) -> Look:
    """The look with garments that would fall off in this pose replaced."""
    if trunk.can_hang(figure):
        return look
    if look.outfit == "coat":
        return replace(look, coat=0.0)
    if look.outfit in ("skirt", "dress"):
        return replace(look, outfit="trousers" if look.outfit == "skirt" else "suit", leg=min(look.leg, 0.8))
    return look


def _garments(figure: Figure, look: Look, build: Build) -> list[Strip]:
    strips = []
    if look.outfit in ("skirt", "dress"):
        strips += trunk.skirt(figure, look, build)
    else:
        strips += tubes.trouser_legs(figure, look, build)
    if look.outfit == "coat":
        strips += trunk.coat(figure, look, build)
    elif look.outfit != "bare":
        waisted = look if look.outfit == "trousers" else replace(look, hem=max(look.hem, 0.05))
        strips += trunk.shirt(figure, waisted, build)
    if look.outfit != "bare":
        strips += tubes.sleeves(figure, look, build)
        if look.neckline_cut in ("collar", "hood"):
            strips += trunk.collar(figure, look, build)
    return strips


def _regions(surface: Surface, figure: Figure, look: Look) -> np.ndarray:
    """What each pixel of the body (n,) wears next to the skin."""
    region = np.full(len(surface.part), SKIN, np.uint8)
    arm, leg = ON_ARM[surface.part], ON_LEG[surface.part]
    body = ~arm & ~leg & (surface.part != HEAD)
    if look.outfit != "bare":
        region[body | (arm & (surface.along < look.sleeve)) | (leg & (surface.along < 0.35))] = TOP
    lower = TOP if look.outfit == "dress" else BOTTOM
    end = 0.35 if look.outfit in ("skirt", "dress") else look.leg
    below = (body | (leg & (surface.along < end))) & (surface.height < max(look.hem, 0.02))
    region[below | (leg & (surface.along > 0.35) & (surface.along < end))] = lower
    if look.outfit == "coat":
        ahead = _in_front(surface, figure)
        region[body & ~ahead] = TOP
        region[body & (region == TOP) & ahead] = STRIPE
    region[_bare_neck(surface, figure, look)] = SKIN
    if not look.barefoot:
        region[leg & (surface.along > look.boot)] = SHOES
    return region


def _in_front(surface: Surface, figure: Figure) -> np.ndarray:
    """Pixels (n,) bool of the middle of the chest and belly, which show between the edges of a coat."""
    level = np.linspace(-0.3, 1.2, 31)
    rings = trunk_rings(figure, level)
    k = np.clip(np.round((surface.height + 0.3) * 20).astype(int), 0, 30)
    offset = surface.points - rings.centre[k]
    return (np.einsum("ij,ij->i", offset, rings.front[k]) > 0) & (np.abs(np.einsum("ij,ij->i", offset, rings.left[k])) < 0.09)


def _bare_neck(surface: Surface, figure: Figure, look: Look) -> np.ndarray:
    neck, shoulders = figure.joints[NECK], figure.joints[list(SHOULDERS)]
    reach = look.neckline * np.linalg.norm(shoulders[0] - shoulders[1])
    near = np.linalg.norm(surface.points - neck, axis=1) < reach
    return (surface.part == HEAD) | (near & np.isin(surface.part, [9, NECK, 13, 14])) | ((surface.part == NECK) & (surface.height > 1.12))
