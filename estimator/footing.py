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


def given(config: Estimator) -> dict[str, str]:
    """Where the parts lie that are not the bundled ones."""
    return {name: str(getattr(config, name)) for name in _OF.get(config.model, ()) if getattr(config, name)}


def found_again(model: str, frozen: dict[str, str], places: dict[str, str], beside: Path) -> dict[str, Path | None]:
    """The parts with these digests, for the fields of a config; None for the bundled one.

    Looked for among the bundled ones, at their places, then beside the model under the names that they have there. Raises UserError where
    one is nowhere.
    """
    return {name: _found(name, frozen.get(name), places.get(name), beside) for name in _OF.get(model, ())}


def _found(part: str, digest: str | None, place: str | None, beside: Path) -> Path | None:
    named = Path(place or _PARTS[part])
    for path in (None, named, beside / named.name):
        if (path or _PARTS[part]).exists() and weights_digest(path or _PARTS[part]) == digest:
            return path
    raise UserError(
        f"trained with another {part} than {named}; put that one there or beside the model (as {named.name}), or train it again"
    )


def digests(config: Estimator) -> dict[str, str]:
    """sha256 of the weights of each; empty for models that stand alone."""
    return {name: weights_digest(path) for name, path in footing(config).items()}
