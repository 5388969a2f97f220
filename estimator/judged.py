"""`judged.parquet`: what each method says of each sample beside the truth, for pages that show the samples."""

import io

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from estimator.metrics import Shares
from estimator.sample import Sample
from estimator.scores import Said, Scores
from manifests.schema import JUDGED, METRIC, METRICS, TRUTH, to_table
from stages.body.rotations import axis_angle_from_matrix
from stages.pictures import jpeg

SIDE, QUALITY = 192, 82  # of the pictures


def judged(samples: list[Sample], said: dict[str, Said], scores: dict[str, Scores]) -> pa.Table:
    """schema.JUDGED of N samples: the truth of all of them, then what each method says of all."""
    labels = {name: np.stack([getattr(s, name) for s in samples]) for name in ("joints2d", "pose", "bone_scales", "betas")}
    parts = [_rows(samples, TRUTH, labels, {}, [_jpeg(s.image) for s in samples])]
    for method, words in said.items():
        seen = {name: np.asarray(getattr(words.seen, name)) for name in labels}
        parts.append(_rows(samples, method, seen, scores[method], [b""] * len(samples)))
    return pa.concat_tables(parts)


def as_parquet(table: pa.Table) -> bytes:
    """The table as a file."""
    data = io.BytesIO()
    pq.write_table(table, data, compression="zstd", write_page_checksum=True)
    return data.getvalue()


def _rows(samples: list[Sample], method: str, figure: dict[str, np.ndarray], scores: Scores, jpegs: list[bytes]) -> pa.Table:
    ids, styles = [s.sample_id for s in samples], [s.style for s in samples]
    nothing = np.full(len(samples), np.nan)
    return to_table(
        JUDGED,
        {
            "sample_id": ids, "style": styles, "method": [method] * len(ids), "jpeg": jpegs, **figure,
            **{f"{METRIC}{name}": _each(scores.get(name, nothing)) for name in METRICS.names},
            "joints2d": figure["joints2d"] / len(samples[0].image), "pose": axis_angle_from_matrix(figure["pose"]),
        },
    )  # fmt: skip


def _each(values: np.ndarray | Shares) -> np.ndarray:
    """A metric of every sample (N,)."""
    if not isinstance(values, Shares):
        return values
    of = np.asarray(values.of, np.float64)
    return np.divide(values.right, of, out=np.full(len(of), np.nan), where=of > 0)


def _jpeg(image: np.ndarray) -> bytes:
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) if len(image) > SIDE else image
    return jpeg(small, QUALITY)
