"""What models stand on and do not train, generator, detector and codes: where each lies, and the digest that vouches for it."""

from pathlib import Path

from estimator.state import BUNDLED
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.detector.weights import BUNDLED as DETECTOR
from stages.sketches.bundled import GENERATOR
from stages.tensorfile import weights_digest

LIFTER, SKETCH2POSE = "lifter", "sketch2pose"
CODES = BUNDLED / "codes.safetensors"
_PARTS = {"generator": GENERATOR, "detector": DETECTOR, "codes": CODES}
_OF = {SKETCH2POSE: tuple(_PARTS), LIFTER: ("detector",)}


def footing(config: Estimator) -> dict[str, Path]:
    """Where the parts that a config's model stands on lie. Raises UserError for one that is not there."""
    places = {name: getattr(config, name) or _PARTS[name] for name in _OF.get(config.model, ())}
    for name, path in places.items():
        if not path.exists():
            raise UserError(f"estimator.{name}: {path} is not there")
    return places


def digests(config: Estimator) -> dict[str, str]:
    """sha256 of the weights of each; empty for models that stand alone."""
    return {name: weights_digest(path) for name, path in footing(config).items()}
