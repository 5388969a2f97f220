"""The filter stage: sketches that are no drawing are rejected with a reason."""

import cv2
import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.stage import Context, Stage
from stages.filters import ink

UNREADABLE = "cannot be decoded"


class Filter(Stage):
    """Looks at each picture alone; keeps every row, with the reason where it is rejected."""

    name = "filter"
    version = 2
    config = ("filter",)
    reads = ("image",)
    writes = schema.FILTER

    def setup(self, device: str) -> None:
        """OpenCV keeps to the one thread that the stage declares."""
        cv2.setNumThreads(1)

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """The verdict on each row."""
        verdicts = [self._verdict(data) for data in table["image"].to_pylist()]
        reasons, scores = [reason for reason, _ in verdicts], [score for _, score in verdicts]
        return schema.to_table(schema.FILTER, {"sample_id": table["sample_id"].to_pylist(), "score_ink": scores, "reason": reasons})

    def preview(self, row: dict) -> np.ndarray:
        """The picture; if it was rejected, with the reason written on it."""
        picture = decode(row["image"])
        picture = np.full((256, 256, 3), 235, np.uint8) if picture is None else picture
        if row.get("reason"):
            scale = len(picture) / 640
            cv2.putText(picture, row["reason"], (4, len(picture) - 8), cv2.FONT_HERSHEY_SIMPLEX, scale, (210, 30, 40), 1, cv2.LINE_AA)
        return picture

    def _verdict(self, data: bytes) -> tuple[str, float]:
        picture = decode(data)
        if picture is None:
            return UNREADABLE, 0.0
        _, reason, score = ink.check(picture, self.cfg.filter.ink)
        return reason, score


def decode(data: bytes) -> np.ndarray | None:
    """The RGB picture (H, W, 3) uint8 of encoded bytes, or None where they are no picture."""
    if not data:
        return None
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
