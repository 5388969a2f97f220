"""A prediction as JSON. Every number's unit is in its name, frames as in estimator.figure."""

import json
from importlib import metadata
from typing import Any

import numpy as np

from estimator.figure import Figure, Hypothesis, in_picture, posed, undistorted
from estimator.load import Reading
from manifests.skeleton import JOINTS, SMPL_JOINTS
from stages.body.model import BodyModel
from stages.body.rotations import axis_angle_from_matrix

VERSION = 1  # of this layout


def record(name: str, reading: Reading, body: BodyModel) -> bytes:
    """The text of the file."""
    figure = reading.figure
    words = {
        "version": VERSION,
        "made_by": f"skep {metadata.version('skep')}",
        "picture": {"file": name, "width_px": reading.scan.size[0], "height_px": reading.scan.size[1]},
        "method": reading.method,
        "style": {"name": reading.style, "probability": _round(reading.style_probability, 3)},
        "box_px": _round(reading.box, 2),
        "camera": _camera(figure),
        "smpl": {"pose_axis_angle": _pose(figure), "betas": _round(figure.betas, 5)},
        "proportions": _proportions(figure),
        "joints": _joints(figure, body),
        "hypotheses": [
            {"score": _round(way.score, 4), "pose_axis_angle": _pose(way), "proportions": _proportions(way), "camera": _camera(way)}
            for way in figure.hypotheses
        ],
    }
    return json.dumps(words, indent=1).encode() + b"\n"


def _pose(way: Figure | Hypothesis) -> list:
    return _round(axis_angle_from_matrix(way.pose), 5)


def _proportions(way: Figure | Hypothesis) -> dict[str, float]:
    return dict(zip(SMPL_JOINTS, _round(way.bone_scales, 4), strict=True))


def _camera(way: Figure | Hypothesis) -> dict[str, Any]:
    return {"px_per_metre": _round(way.camera[0], 3), "hips_px": _round(way.camera[1:], 2)}


def _joints(figure: Figure, body: BodyModel) -> dict[str, Any]:
    drawn, plain = posed(body, figure).joints16, posed(body, undistorted(figure)).joints16
    shown = in_picture(figure, drawn)
    columns = {
        "seen_px": _round(figure.joints2d, 2),
        "confidence": _round(figure.confidence, 3),
        "projected_px": _round(shown, 2),
        "drawn_m": _round(drawn, 4),
        "body_m": _round(plain, 4),
    }
    return {name: {key: column[i] for key, column in columns.items()} for i, name in enumerate(JOINTS)}


def _round(values: Any, digits: int) -> Any:
    return (np.round(np.asarray(values, np.float64), digits) + 0.0).tolist()
