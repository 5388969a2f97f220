"""What Sketch2PoseNet stands on and does not train, generator, detector and codes: where each lies, and the digest that vouches for it."""

import hashlib
from pathlib import Path

from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.detector.weights import BUNDLED as DETECTOR
from stages.sketches.bundled import GENERATOR

SKETCH2POSE = "sketch2pose"
CODES = Path(__file__).parent / "weights" / "codes.safetensors"
_BUNDLED = {"generator": GENERATOR, "detector": DETECTOR, "codes": CODES}


def footing(config: Estimator) -> dict[str, Path]:
    """Where a config's generator, detector and codes lie. Raises UserError for one that is not there."""
    places = {name: getattr(config, name) or bundled for name, bundled in _BUNDLED.items()}
    for name, path in places.items():
        if not path.exists():
            raise UserError(f"estimator.{name}: {path} is not there")
    return places


def digests(config: Estimator) -> dict[str, str]:
    """sha256 of the weights of each; empty for models that stand alone."""
    return {name: _digest(path) for name, path in footing(config).items()} if config.model == SKETCH2POSE else {}


def _digest(path: Path) -> str:
    """Of a file, or of the names and bytes of a folder's safetensors."""
    sha = hashlib.sha256()
    for file in sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]:
        sha.update(file.relative_to(path).as_posix().encode())
        sha.update(file.read_bytes())
    return sha.hexdigest()
