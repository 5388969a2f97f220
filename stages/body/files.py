"""Reads SMPL-format files and checks every key before anything is computed."""

import hashlib
import io
from contextlib import suppress
from importlib import resources
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from stages.body.fold import TREES, fold
from stages.body.legacy import read_pickle
from stages.npz import open_npz, read_array
from stages.wholefile import write_atomically

SHAPES = 10
EXPRESSIONS = 10
_WIDE = 300  # shapes before the expressions in an SMPL-X file that has all of them
# Key -> shape; V and F are sizes that the file decides, J its number of joints, C three times three for all but the root.
_SHAPES: dict[str, tuple] = {
    "kintree_table": (2, "J"),
    "v_template": ("V", 3),
    "f": ("F", 3),
    "shapedirs": ("V", 3, None),
    "J_regressor": ("J", "V"),
    "weights": ("V", "J"),
}
_OPTIONAL: dict[str, tuple] = {"posedirs": ("V", 3, "C")}
_KEYS = (*_SHAPES, *_OPTIONAL)
_OF = "pickle_sha256"  # in the copy of a pickle: of which one


def read_body(path: Path | None, whole: bool = False) -> dict[str, np.ndarray]:
    """Arrays of an SMPL-format file by key, `.npz` or an official `.pkl`; None reads the bundled body.

    With 24 joints, to which SMPL-H and SMPL-X files are folded; `whole`: with all the joints of the file, 55 of the bundled body,
    and expressions behind the ten shapes. Raises UserError naming the file and the key.
    """
    if path is None:
        return _bundled(whole)
    path = Path(path)
    arrays = _converted(path) if path.suffix == ".pkl" else load_npz(path, _KEYS)
    check_arrays(str(path), arrays)
    return {**arrays, "shapedirs": arrays["shapedirs"][:, :, shape_columns(arrays)]} if whole else fold(arrays)


def bundled_path() -> Path:
    """The bundled body's file."""
    with resources.as_file(resources.files("stages.body") / "data" / "body.npz") as bundled:
        return bundled


def shape_columns(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Columns of shapedirs: ten shapes, then the expressions of a file with a face, where SMPL-X keeps them."""
    count, face = arrays["shapedirs"].shape[2], arrays["weights"].shape[1] == 55
    first = _WIDE if count > _WIDE else SHAPES
    return np.array([*range(SHAPES), *(range(first, min(first + EXPRESSIONS, count)) if face else ())])


def _bundled(whole: bool) -> dict[str, np.ndarray]:
    path = bundled_path()
    arrays = load_npz(path, _KEYS)
    if whole:
        more = load_npz(path, ("J_regressor_55", "kintree_table_55", "weights_55", "exprdirs"))
        arrays |= {key.removesuffix("_55"): value for key, value in more.items() if key != "exprdirs"}
        arrays["shapedirs"] = np.concatenate([arrays["shapedirs"], more["exprdirs"]], -1)
    check_arrays(str(path), arrays)
    return arrays


def _converted(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a pickle: from the `.npz` that the first reading left beside it, as long as the pickle is still the same."""
    npz = path.with_suffix(".converted.npz")
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as e:
        raise UserError(f"{path}: cannot read this body file ({e.strerror})") from None
    with suppress(UserError):  # a copy that is not there, or damaged
        arrays = load_npz(npz, (*_KEYS, _OF))
        if str(arrays.pop(_OF, "")) == digest:
            check_arrays(str(npz), arrays)
            return arrays
    arrays = read_pickle(path, _KEYS)
    check_arrays(str(path), arrays)
    _keep(npz, {**arrays, _OF: np.array(digest)})
    return arrays


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Several processes may do so at once; a folder that is not ours to write in is no error."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    with suppress(OSError):
        write_atomically(path, file.getvalue(), shared=True)


def load_npz(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Those of `keys` that an `.npz` has. Raises UserError where it cannot be read or holds Python objects there."""
    with open_npz(path, "body file") as archive:
        names = archive.namelist()
        return {key: read_array(archive, key) for key in keys if f"{key}.npy" in names}


def check_arrays(path: str, arrays: dict[str, np.ndarray]) -> None:
    """Raise UserError with one sentence on the first key that is missing or makes no sense."""
    for key in _SHAPES:
        if key not in arrays:
            raise UserError(f"{path}: {key} is missing from this body file")
    joints = arrays["kintree_table"].shape[1:]
    sizes = {"V": arrays["v_template"].shape[:1], "F": arrays["f"].shape[:1], "J": joints, "C": tuple(9 * (j - 1) for j in joints)}
    for key, shape in {**_SHAPES, **_OPTIONAL}.items():
        if key in arrays:
            _check_shape(path, key, arrays[key], tuple(sizes[n][0] if sizes.get(n) else n for n in shape))
    _check_tree(path, arrays["kintree_table"])
    if arrays["shapedirs"].shape[2] < SHAPES:
        raise UserError(f"{path}: shapedirs holds {arrays['shapedirs'].shape[2]} shapes, expected at least {SHAPES}")
    if arrays["f"].min() < 0 or arrays["f"].max() >= len(arrays["v_template"]):
        raise UserError(f"{path}: f points at vertices beyond v_template")
    if np.abs(arrays["weights"].sum(1) - 1).max() > 1e-2 or arrays["weights"].min() < 0:
        raise UserError(f"{path}: weights of a vertex must be at least 0 and sum to 1")


def _check_tree(path: str, tree: np.ndarray) -> None:
    parents = TREES.get(tree.shape[1])
    if parents is None:
        raise UserError(f"{path}: kintree_table has {tree.shape[1]} joints, expected 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X)")
    if tuple(tree[0, 1:].tolist()) != parents[1:]:
        raise UserError(f"{path}: kintree_table is not SMPL's tree of {len(parents)} joints")


def _check_shape(path: str, key: str, array: np.ndarray, shape: tuple) -> None:
    fits = array.ndim == len(shape) and all(want is None or want == have for want, have in zip(shape, array.shape, strict=True))
    if not fits or not array.size:
        want = ", ".join("any" if n is None else str(n) for n in shape)
        raise UserError(f"{path}: {key} has shape {array.shape}, expected ({want})")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise UserError(f"{path}: {key} must hold finite numbers, got {array.dtype}")
