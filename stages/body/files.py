"""Reads SMPL-format `.npz` files and checks every key before anything is computed."""

import zipfile
from importlib import resources
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from manifests.skeleton import SMPL_PARENTS

SHAPES = 10
# Key -> shape; V and F are sizes that the file decides, None is any size.
_SHAPES: dict[str, tuple] = {
    "v_template": ("V", 3),
    "f": ("F", 3),
    "shapedirs": ("V", 3, None),
    "J_regressor": (24, "V"),
    "kintree_table": (2, 24),
    "weights": ("V", 24),
}
_OPTIONAL: dict[str, tuple] = {"posedirs": ("V", 3, 207)}


def read_body(path: Path | None) -> dict[str, np.ndarray]:
    """Arrays of an SMPL-format `.npz` by key; None reads the bundled body. Raises UserError naming the file and the key."""
    if path is None:
        with resources.as_file(resources.files("stages.body") / "data" / "body.npz") as bundled:
            return read_body(bundled)
    arrays = _load(Path(path))
    _check(str(path), arrays)
    return arrays


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if isinstance(archive, np.ndarray):
                raise UserError(f"{path}: not an .npz archive but a single array")
            return {key: _member(path, archive, key) for key in (*_SHAPES, *_OPTIONAL) if key in archive or key in _SHAPES}
    except (OSError, EOFError, zipfile.BadZipFile) as e:
        raise UserError(f"{path}: cannot read this body file ({getattr(e, 'strerror', None) or 'not an .npz archive'})") from None
    except ValueError as e:
        if isinstance(e, UserError):
            raise
        raise UserError(f"{path}: not an .npz archive") from None


def _member(path: Path, archive, key: str) -> np.ndarray:
    if key not in archive:
        raise UserError(f"{path}: {key} is missing from this body file")
    try:
        return archive[key]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile):
        raise UserError(f"{path}: {key} is damaged or holds Python objects; expected a plain array") from None


def _check(path: str, arrays: dict[str, np.ndarray]) -> None:
    sizes = {"V": arrays["v_template"].shape[:1], "F": arrays["f"].shape[:1]}
    for key, shape in {**_SHAPES, **_OPTIONAL}.items():
        if key in arrays:
            _check_shape(path, key, arrays[key], tuple(sizes[n][0] if sizes.get(n) else n for n in shape))
    if arrays["shapedirs"].shape[2] < SHAPES:
        raise UserError(f"{path}: shapedirs holds {arrays['shapedirs'].shape[2]} shapes, expected at least {SHAPES}")
    if arrays["f"].min() < 0 or arrays["f"].max() >= len(arrays["v_template"]):
        raise UserError(f"{path}: f points at vertices beyond v_template")
    if tuple(arrays["kintree_table"][0, 1:].tolist()) != SMPL_PARENTS[1:]:
        raise UserError(f"{path}: kintree_table is not SMPL's tree of 24 joints")
    if np.abs(arrays["weights"].sum(1) - 1).max() > 1e-2 or arrays["weights"].min() < 0:
        raise UserError(f"{path}: weights of a vertex must be at least 0 and sum to 1")


def _check_shape(path: str, key: str, array: np.ndarray, shape: tuple) -> None:
    fits = array.ndim == len(shape) and all(want is None or want == have for want, have in zip(shape, array.shape, strict=True))
    if not fits or not array.size:
        want = ", ".join("any" if n is None else str(n) for n in shape)
        raise UserError(f"{path}: {key} has shape {array.shape}, expected ({want})")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise UserError(f"{path}: {key} must hold finite numbers, got {array.dtype}")
