"""Encoded bytes to pixels."""

import cv2
import numpy as np

UNREADABLE = "cannot be decoded"  # the reason of a row whose picture nobody can look at, and so nobody can keep


def decode(data: bytes) -> np.ndarray | None:
    """The RGB picture (H, W, 3) uint8 of encoded bytes, or None where they are no picture."""
    if not data:
        return None
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
