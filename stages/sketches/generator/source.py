"""Where a Stable Diffusion model is: a folder, or a commit of the hub, whose files lie in the local cache."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from manifests.errors import UserError, first_line
from manifests.files import files_below
from stages.sketches.generator.notes import NOTES


@dataclass(frozen=True)
class Source:
    """where: a folder, or with a revision the id of a hub model. online: the hub may be asked."""

    where: str
    revision: str | None = None
    online: bool = False

    @cached_property
    def folder(self) -> Path:
        """Where its files are. Raises UserError where they cannot be had."""
        return Path(self.where) if self.revision is None else _snapshot(self.where, self.revision, self.online)

    @property
    def name(self) -> str:
        """What tells the model from any other: the digest of its files, or its commit on the hub."""
        return f"sha256:{folder_digest(self.folder)}" if self.revision is None else f"{self.where}@{self.revision}"


def folder_digest(folder: Path) -> str:
    """sha256 of the names and contents of a folder's files; what is only there to be read by people does not count."""
    digest = hashlib.sha256()
    for path in (p for p in files_below(folder) if p.suffix != ".md"):
        with path.open("rb") as file:
            digest.update(f"{path.relative_to(folder)}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _snapshot(where: str, revision: str, online: bool) -> Path:
    """The folder of a commit in the local cache; what diffusers needs of it is fetched if that is allowed."""
    from diffusers import DiffusionPipeline
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(DiffusionPipeline.download(where, revision=revision, local_files_only=not online, use_safetensors=True))
        if online:
            _fetch_notes(where, revision)
        return folder
    except HFValidationError:
        raise UserError(f"{where}: not the id of a hub model") from None
    except LocalEntryNotFoundError:
        more = "" if online else "; sketches.diffusion.online=true fetches it"
        raise UserError(f"{where}: its commit {revision} is not in the local cache{more}") from None
    except HfHubHTTPError as e:
        raise UserError(f"{where}: the hub refused ({first_line(e)})") from None
    except (OSError, ValueError) as e:
        raise UserError(f"{where}: cannot be had of the hub ({first_line(e)})") from None


def _fetch_notes(where: str, revision: str) -> None:
    """Of a model of ours, what diffusers does not need."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        hf_hub_download(where, NOTES, revision=revision)
    except EntryNotFoundError:
        pass  # a model of others, or nothing answers
