"""Latents of the whole library, encoded once by the frozen autoencoder and kept on disk; a cut-off encoding goes on where it was."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.sketches.generator.library import Library
from stages.sketches.generator.pictures import to_tensor
from stages.wholefile import write_json

_AT_ONCE, _SAVE_EVERY = 8, 512


def encode_library(vae: Any, library: Library, folder: Path, dtype: torch.dtype, log: Callable[[str], None] = print) -> np.ndarray:
    """Means (N, C, h, w) float16 of the library's latents, scaled as the U-Net sees them; read from disk as they are needed."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = hashlib.sha256(f"{library.digest()} {library.size} {digest_of(vae)} {dtype}".encode()).hexdigest()[:16]
    path, notes = folder / f"latents-{identity}.npy", folder / f"latents-{identity}.json"
    side = library.size // 2 ** (len(vae.config.block_out_channels) - 1)
    shape = (len(library), vae.config.latent_channels, side, side)
    done = json.loads(notes.read_bytes())["done"] if notes.exists() and path.exists() else 0
    latents = np.lib.format.open_memmap(path, "r+" if done else "w+", np.float16, shape)
    for first in range(done, len(library), _AT_ONCE):
        last = min(first + _AT_ONCE, len(library))
        latents[first:last] = _encoded(vae, library, range(first, last), dtype)
        if last % _SAVE_EVERY == 0 or last == len(library):
            latents.flush()
            write_json(notes, {"done": last})
            log(f"latents: {last} of {len(library)} encoded")
    return np.lib.format.open_memmap(path, "r")


def digest_of(module: torch.nn.Module) -> str:
    """sha256 of the weights in half precision, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@torch.no_grad()
def _encoded(vae: Any, library: Library, rows: range, dtype: torch.dtype) -> np.ndarray:
    batch = to_tensor([library.picture(row) for row in rows]).to(vae.device)
    with torch.autocast(vae.device.type, dtype, enabled=dtype != torch.float32):
        mean = vae.encode(batch).latent_dist.mean
    return (mean.float() * vae.config.scaling_factor).cpu().numpy().astype(np.float16)
