"""The estimator: learns 3D poses from the shards of a dataset and measures what it has learned."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from estimator.load import Estimator

# Read once, when torch is first imported. Threads that spin while they wait made training five times slower on shared cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def load_estimator(
    weights: str | Path | None = None,
    method: str | None = None,
    body: Path | None = None,
    refine: bool = False,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> "Estimator":
    """What reads drawings, `load_estimator()(image)`: see estimator.load. Nothing heavy is imported before it is called."""
    from estimator.load import load_estimator as load

    return load(weights, method, body, refine, dtype)
