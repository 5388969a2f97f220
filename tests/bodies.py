"""Bodies beside the bundled one."""

from pathlib import Path

import numpy as np

from stages.body import model


def larger_body(folder: Path) -> Path:
    """The bundled body, a tenth larger, as a file."""
    with np.load(Path(model.__file__).parent / "data/body.npz") as bundled:
        arrays = dict(bundled)
    np.savez(folder / "larger.npz", **arrays | {"v_template": arrays["v_template"] * 1.1})
    return folder / "larger.npz"
