"""Pictures as bytes and back. Arrays are (H, W, 3) uint8 RGB; OpenCV's own order of colours stays in here."""

import cv2
import numpy as np

UNREADABLE = "cannot be decoded"  # the reason of a row whose picture nobody can look at, and so nobody can keep


def decode(data: bytes | np.ndarray) -> np.ndarray | None:
    """The picture of encoded bytes, None where they are none."""
    if not len(data):
        return None
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def decoded(data: bytes | np.ndarray, name: str) -> np.ndarray:
    """The picture of encoded bytes. Raises ValueError, with the name, where they are none."""
    picture = decode(data)
    if picture is None:
        raise ValueError(f"{name}: its picture {UNREADABLE}")
    return picture


def grid(cells: list[np.ndarray], columns: int) -> np.ndarray:
    """Pictures of one size in rows of so many; the last row is filled up with white."""
    filled = [*cells, *[np.full_like(cells[0], 255)] * (-len(cells) % columns)]
    return np.concatenate([np.concatenate(filled[first : first + columns], 1) for first in range(0, len(filled), columns)])


def png(picture: np.ndarray, level: int = 1) -> bytes:
    """As PNG, compressed so much, 0 to 9."""
    return _encoded(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, level])


def jpeg(picture: np.ndarray, quality: int) -> bytes:
    """As JPEG."""
    return _encoded(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _encoded(kind: str, picture: np.ndarray, options: list[int]) -> bytes:
    done, data = cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a picture of the shape {picture.shape} as {kind}")
    return data.tobytes()
