"""Other people's keypoints as our 16 joints, by name."""

from dataclasses import dataclass

import numpy as np

from manifests.errors import UserError
from manifests.skeleton import JOINTS

# What stands for a joint that the category does not name, the best first; two names: the point halfway between them.
STAND_INS: dict[str, tuple[tuple[str, ...], ...]] = {
    "head": (("left_ear", "right_ear"), ("nose",)),
    "neck": (("left_shoulder", "right_shoulder"),),
    "left_toe": (("left_big_toe",),),
    "right_toe": (("right_big_toe",),),
}
# AnimatedDrawings: "torso" is halfway between the shoulders, "neck" is COCO's nose, hands are wrists, feet are ankles.
CHARACTER_NAMES = {
    "neck": "head", "torso": "neck",
    "right_shoulder": "right_shoulder", "right_elbow": "right_elbow", "right_hand": "right_wrist",
    "left_shoulder": "left_shoulder", "left_elbow": "left_elbow", "left_hand": "left_wrist",
    "right_hip": "right_hip", "right_knee": "right_knee", "right_foot": "right_ankle",
    "left_hip": "left_hip", "left_knee": "left_knee", "left_foot": "left_ankle",
}  # fmt: skip
FARTHEST = 1e7  # px from the corner; farther out there are no crops that could be undone
LIMBS = tuple(name for name in JOINTS if name.partition("_")[2] in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))


@dataclass(frozen=True, eq=False)
class Joints:
    """joints (16, 2) px, NaN where not known; visibility (16,) 0 outside or unknown, 1 occluded, 2 visible."""

    joints: np.ndarray
    visibility: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(16,) bool."""
        return np.isfinite(self.joints).all(-1)


def names_limbs(names: object) -> bool:
    """Is this the list of a human figure's keypoints, with all joints of the limbs?"""
    return isinstance(names, list) and not _missing(_spelled(names))


def from_coco(names: object, keypoints: object, where: str) -> Joints:
    """keypoints: x, y, v of every name, one after the other; v 0 is not labelled, 1 occluded, 2 visible."""
    plain = _plain(names, where)
    values = _numbers(keypoints, len(plain), where)
    labelled = {name: row for name, row in zip(plain, values, strict=True) if row[2] > 0}
    return _gather({joint: _first(labelled, ((joint,),) if joint in plain else STAND_INS[joint]) for joint in JOINTS})


def from_character(skeleton: object, where: str) -> Joints:
    """skeleton: objects with `loc` (x, y) px of texture.png and `name`. All that is there counts as visible."""
    try:
        rows = {str(joint["name"]): np.array([*map(float, joint["loc"]), 2.0]) for joint in skeleton}  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: skeleton: expected a list of objects with loc: [x, y] and name") from None
    if wrong := [name for name, row in rows.items() if row.shape != (3,) or not (np.abs(row) < FARTHEST).all()]:
        raise UserError(f"{where}: skeleton: loc of {wrong[0]}: expected two numbers below {FARTHEST:,.0f}")
    if missing := [name for name in CHARACTER_NAMES if name not in rows]:
        raise UserError(f"{where}: skeleton: no joint named {', '.join(missing)}")
    return _gather({ours: rows[theirs] for theirs, ours in CHARACTER_NAMES.items()})


def _plain(names: object, where: str) -> list[str]:
    """Names in our spelling; joints of the limbs must be among them."""
    if not isinstance(names, list):
        raise UserError(f"{where}: its category has no list `keypoints` of names")
    plain = _spelled(names)
    if missing := _missing(plain):
        raise UserError(f"{where}: its category's keypoints have no {', '.join(missing)}; unknown names there, or no human figure")
    return plain


def _spelled(names: list) -> list[str]:
    return ["_".join(str(name).lower().replace("-", " ").split()) for name in names]


def _missing(plain: list[str]) -> list[str]:
    return [name for name in LIMBS if name not in plain]


def _numbers(keypoints: object, count: int, where: str) -> np.ndarray:
    """(count, 3) x, y, v."""
    try:
        values = np.asarray(keypoints, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: keypoints: expected numbers") from None
    if values.shape != (3 * count,):
        raise UserError(f"{where}: keypoints: {values.size} numbers for {count} names, expected {3 * count}")
    if not (np.abs(values) < FARTHEST).all() or not np.isin(values[2::3], (0, 1, 2)).all():
        raise UserError(f"{where}: keypoints: expected x and y below {FARTHEST:,.0f}, and a visibility of 0, 1 or 2")
    return values.reshape(count, 3)


def _first(labelled: dict[str, np.ndarray], choices: tuple[tuple[str, ...], ...]) -> np.ndarray | None:
    """x, y, v of the first choice that is labelled; halfway between two, as visible as the less visible one."""
    for names in choices:
        if all(name in labelled for name in names):
            rows = np.stack([labelled[name] for name in names])
            return np.append(rows[:, :2].mean(0), rows[:, 2].min())
    return None


def _gather(rows: dict[str, np.ndarray | None]) -> Joints:
    unknown = np.array([np.nan, np.nan, 0])
    table = np.stack([unknown if (row := rows.get(name)) is None else row for name in JOINTS])
    return Joints(table[:, :2], table[:, 2].astype(np.uint8))
