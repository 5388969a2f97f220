"""Which joint of a skeleton is the left elbow: bundled name maps, and the user's own in the same form."""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from manifests.errors import UserError
from manifests.recipe_files import NOT_YAML

ROLES = ("pelvis", "chest", "neck", "head", *(f"{side}_{part}" for side in ("left", "right") for part in (
    "collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe"
)))  # fmt: skip
_OPTIONAL = {"neck", "left_collar", "right_collar", "left_toe", "right_toe"}
_L_ALONE = re.compile(r"(?<![A-Za-z0-9])[lL](?![A-Za-z0-9])")  # Bip01 L Thigh, thigh.l
_L_FIRST = re.compile(r"(?<![^:])[lL]")  # lThigh, LHip, mixamorig:LHip


@dataclass(frozen=True)
class NameMap:
    """joints: role -> names that may play it, best first. skip: leading frames to leave out."""

    name: str
    joints: dict[str, tuple[str, ...]]
    skip: int = 0

    def match(self, names: tuple[str, ...]) -> dict[str, int]:
        """Role -> index among a file's joints, of the roles that the file has."""
        have = {_plain(name): i for i, name in reversed(list(enumerate(names)))}
        found = {role: next((have[_plain(n)] for n in options if _plain(n) in have), None) for role, options in self.joints.items()}
        return {role: index for role, index in found.items() if index is not None}


def choose_map(where: str, names: tuple[str, ...], own: Path | None) -> tuple[NameMap, dict[str, int]]:
    """The map that fits a file's joints, and what it found. Raises UserError naming what is missing."""
    maps = [read_map(own)] if own else list(bundled_maps().values())
    missing = {m.name: [r for r in ROLES if r not in m.match(names) and r not in _OPTIONAL] for m in maps}
    best = min(maps, key=lambda m: len(missing[m.name]))
    if missing[best.name]:
        lacking = ", ".join(missing[best.name][:4])
        raise UserError(f"{where}: no joint for {lacking} by the {best.name} names; give a name map of your own (docs/poses.md)")
    found = best.match(names)
    _refuse_shared(where, best, names, found)
    return best, found


def _refuse_shared(where: str, by: NameMap, names: tuple[str, ...], found: dict[str, int]) -> None:
    players: dict[int, str] = {}
    for role, joint in found.items():
        if joint in players:
            raise UserError(f"{where}: {names[joint]} plays both {players[joint]} and {role} by the {by.name} names; name each")
        players[joint] = role


@cache
def bundled_maps() -> dict[str, NameMap]:
    """Maps by name, in the order of names.yaml."""
    text = (resources.files("stages.poses") / "names.yaml").read_text("utf-8")
    return {name: _parse("names.yaml", name, entry) for name, entry in yaml.safe_load(text).items()}


@cache
def read_map(path: Path) -> NameMap:
    """A user's map: a YAML file with `joints` and perhaps `skip`. Raises UserError naming the file and the key."""
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except OSError as e:
        raise UserError(f"{path}: cannot read this name map ({e.strerror})") from None
    except NOT_YAML:
        raise UserError(f"{path}: not YAML") from None
    return _parse(str(path), path.name, data)


def _parse(where: str, name: str, data) -> NameMap:
    if not isinstance(data, dict) or not isinstance(data.get("joints"), dict) or not set(data) <= {"joints", "skip"}:
        raise UserError(f"{where}: expected the keys joints and skip")
    unknown = [str(role) for role in data["joints"] if role not in ROLES]
    if unknown:
        raise UserError(f"{where}: joints.{unknown[0]} is no part of a body; expected one of {', '.join(ROLES)}")
    joints = {role: tuple(str(n) for n in (names if isinstance(names, list) else [names])) for role, names in data["joints"].items()}
    return NameMap(name, {**_mirrored(joints), **joints}, _skip(where, data.get("skip", 0)))


def _skip(where: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"{where}: skip: expected a number of frames, got {value!r}")
    return value


def _mirrored(joints: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The right side's roles; a name that tells no side stands for none."""
    left = {role: names for role, names in joints.items() if role.startswith("left_")}
    return {_other(role): tuple(o for n in names if (o := _other(n)) != n) for role, names in left.items()}


def _other(name: str) -> str:
    """The right side's name for one of the left; a right side that is written down counts before this."""
    for left, right in (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT")):
        if left in name:
            return name.replace(left, right)
    return _L_ALONE.sub(_to_r, name) if _L_ALONE.search(name) else _L_FIRST.sub(_to_r, name)


def _to_r(found: re.Match[str]) -> str:
    return "R" if found[0] == "L" else "r"


def _plain(name: str) -> str:
    return name.rsplit(":", 1)[-1].strip().lower()
