"""Figures of a set of drawings, by style: what the detector reads of them, how they differ among themselves and from those learnt."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from manifests.schema import to_numpy
from manifests.skeleton import STYLES
from stages.detector.detect import Detector
from stages.detector.metrics import pck
from stages.sketches.generator.easel import rows_by_style
from stages.sketches.generator.likeness import Learnt, diversity

_AT_ONCE = 64
ByStyle = dict[str, float]


class Read(NamedTuple):
    """What the detector made of a set of drawings, by style: PCK with the true box and with the found one, styles named right."""

    pck: ByStyle
    pck_found: ByStyle
    named: ByStyle


def read(detector: Detector, pictures: list[np.ndarray], table: pa.Table) -> Read:
    """Read a drawing of each row of the table."""
    true, seen, boxes = (to_numpy(table, name) for name in ("joints2d", "visibility", "bbox"))
    given, found, styles = [], [], []
    for first in range(0, len(pictures), _AT_ONCE):
        some = pictures[first : first + _AT_ONCE]
        given.append(detector.detect(some, boxes[first : first + _AT_ONCE]).joints)
        own = detector.detect(some)
        found.append(own.joints)
        styles.append(own.styles.argmax(1))
    boxed, whole, named = (np.concatenate(parts) for parts in (given, found, styles))
    rows = rows_by_style(table).items()
    return Read(
        pck={s: pck(boxed[i], true[i], seen[i]) for s, i in rows},
        pck_found={s: pck(whole[i], true[i], seen[i]) for s, i in rows},
        named={s: float((named[i] == STYLES.index(s)).mean()) for s, i in rows},
    )


def ratio(ours: ByStyle, theirs: ByStyle) -> ByStyle:
    """Ours over theirs."""
    return {style: ours[style] / max(theirs[style], 1e-9) for style in ours}


def diversity_ratio(drawn: list[list[np.ndarray]], rendered: list[list[np.ndarray]], table: pa.Table) -> ByStyle:
    """Diversity of one pose's drawings over that of the renderer's, by style."""
    rows = rows_by_style(table)
    ours, theirs = (
        {s: diversity([[turn[i] for i in index] for turn in turns]) for s, index in rows.items()} for turns in (drawn, rendered)
    )
    return ratio(ours, theirs)


def nearest(learnt: Learnt, drawn: list[np.ndarray], rendered: list[np.ndarray], table: pa.Table) -> dict[str, ByStyle]:
    """Distance to the nearest drawing learnt from, over the median of the renderer's new drawings: median, and the least."""
    ours, theirs = learnt.nearest(drawn), learnt.nearest(rendered)
    rows = rows_by_style(table)
    shares = {s: ours[i] / max(float(np.median(theirs[i])), 1e-9) for s, i in rows.items()}
    return {
        "nearest_ratio": {s: float(np.median(v)) for s, v in shares.items()},
        "nearest_least": {s: float(v.min()) for s, v in shares.items()},
    }
