"""What was made of recordings: `python -m stages.poses.report bvh:folder deepmimic:folder` prints a table for docs/poses.md."""

import sys
from pathlib import Path

import numpy as np

from manifests.errors import UserError, command
from manifests.markdown import table
from manifests.recipe import BvhSource, ClipSource, DeepMimicSource
from stages.poses.clips import Catalogue
from stages.poses.retarget import Retargeted

_KINDS: dict[str, type] = {"bvh": BvhSource, "deepmimic": DeepMimicSource}
_RATE = 30
_HEAD = ("file", "frames", "up", "unit", "reference", "worst bone", "95 %", "shoulders", "hips", "trunk")
_LIMBS = 8  # of the bones are limbs, the rest lines of the trunk


def rows(kind: str, path: Path) -> list[list[str]]:
    """A row of the table for each recording; what cannot be read says why."""
    source: ClipSource = _KINDS[kind](kind=kind, path=path, rate=_RATE)
    catalogue = Catalogue(source)
    return [_row(name, catalogue) for name in catalogue.names]


def _row(name: str, catalogue: Catalogue) -> list[str]:
    try:
        made = catalogue.retargeted(name)
    except UserError as e:
        return [name, str(e), *[""] * (len(_HEAD) - 2)]
    return [name, str(len(made.turns)), made.up, made.unit, made.reference, *_figures(made)]


def _figures(made: Retargeted) -> list[str]:
    """Degrees: the worst bone's median over the frames, the 95th percentile over all, medians of shoulder and hip line and trunk."""
    lines = np.median(made.error[:, _LIMBS:], 0)
    figures = [np.median(made.error, 0).max(), np.percentile(made.error, 95), *lines]
    return [f"{value:.1f}" for value in figures]


def main() -> None:
    lines = []
    for argument in sys.argv[1:]:
        kind, _, path = argument.partition(":")
        if kind not in _KINDS:
            raise UserError(f"{argument}: expected bvh:folder or deepmimic:folder")
        lines += rows(kind, Path(path))
    print(table(_HEAD, lines, numbers=5))


if __name__ == "__main__":
    command(main)
