"""The thresholds of the checks, by style: read from the file that `stages.filters.calibrate` writes."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from stages.detector.weights import BUNDLED
from stages.filters.limbs import EVIDENCE
from stages.tensorfile import weights_digest

BUNDLED_FILE = Path(__file__).parent / "data" / "calibration.json"
WEIGHED = (*EVIDENCE, "constant")


@dataclass(frozen=True, eq=False)
class Calibration:
    """thresholds: by score and style; limbs: weights (6,) of limbs.EVIDENCE and a constant; detector: digest of the weights that
    they hold for."""

    where: str
    thresholds: dict[str, dict[str, float]]
    limbs: np.ndarray
    detector: str

    def least(self, score: str, style: str) -> float:
        """The least score with which a drawing of the style passes."""
        try:
            return float(self.thresholds[score][style])
        except KeyError:
            raise UserError(f"{self.where}: no threshold for {score} of {style}; calibrate with drawings of every style") from None


def read_calibration(path: Path | None, detector: Path | None) -> Calibration:
    """The calibration of a file, None: the bundled one. Raises UserError where it was made with another detector."""
    where = BUNDLED_FILE if path is None else Path(path)
    try:
        data = json.loads(where.read_text("utf-8"))
        least = {name: dict(by_style) for name, by_style in data["least"].items()}
        limbs = np.array([float(data["limbs"][name]) for name in WEIGHED])
        made = Calibration(str(where), least, limbs, str(data["detector"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as e:
        raise UserError(f"{where}: not a calibration of the filter ({type(e).__name__}); `make calibrate-filter` writes one") from None
    if made.detector != detector_digest(detector):
        raise UserError(f"{where}: made with another detector than {detector or BUNDLED}; run `make calibrate-filter` again")
    return made


def detector_digest(folder: Path | None) -> str:
    """sha256 over the weights of a detector's folder, None: the bundled one."""
    return weights_digest(BUNDLED if folder is None else Path(folder))
