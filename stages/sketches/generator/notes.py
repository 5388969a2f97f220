"""What lies beside a model of ours and says how it wants to be used."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from manifests.errors import UserError

NOTES = "skep.json"  # beside model_index.json


class Notes(BaseModel):
    """How one of our models wants to be used: side of its pictures in pixels, network passes, guidance. Others say nothing."""

    model_config = ConfigDict(frozen=True)

    size: PositiveInt | None = None
    steps: PositiveInt | None = None
    guidance: Annotated[float, Field(ge=1)] | None = None


def notes_of(folder: Path, where: str) -> Notes:
    """Those of a folder, which users know as `where`, or none. Raises UserError where they cannot be read."""
    try:
        return Notes.model_validate_json((folder / NOTES).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Notes()
    except OSError as e:
        raise UserError(f"{where}/{NOTES}: cannot read ({e.strerror})") from None
    except ValidationError as e:
        first = e.errors()[0]
        raise UserError(f"{where}/{NOTES}: {'.'.join(map(str, first['loc'])) or 'its content'}: {first['msg'].lower()}") from None
