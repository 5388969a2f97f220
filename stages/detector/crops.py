"""Pictures to what the networks look at, and points back. Pixels count from the corner; the first centre is (0.5, 0.5)."""

import cv2
import numpy as np

HEIGHT, WIDTH = 256, 192  # of a crop
PICTURE = 128  # side of the whole picture as the finder sees it
PADDING = 1.12  # side of the crop over that of the box
FILL = 0.8  # share of a square that a figure's longer side spans, as in the pictures of a dataset
LEAST = 4.0  # px: a box has at least this side


def crop_matrices(boxes: np.ndarray, padding: float = PADDING) -> np.ndarray:
    """Affine maps (N, 2, 3) from picture to crop (px) of boxes (N, 4) x0, y0, x1, y1: centred, padded, never distorted."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    width, height = np.maximum(high - low, LEAST).T
    scale = HEIGHT / (padding * np.maximum(height, width * HEIGHT / WIDTH))
    return _centred(scale, (low + high) / 2, (WIDTH, HEIGHT))


def picture_matrix(height: int, width: int, side: int = PICTURE) -> np.ndarray:
    """The affine map (2, 3) that lays a whole picture in the middle of a square of `side` px."""
    centre = np.array([[width / 2, height / 2]])
    return _centred(np.array([side / max(height, width)]), centre, (side, side))[0]


def square_matrix(box: np.ndarray, size: int, fill: float = FILL) -> np.ndarray:
    """The affine map (2, 3) that lays a box (4,) px in the middle of a square of `size` px, its longer side over `fill` of it."""
    box = np.asarray(box, np.float64)
    scale = fill * size / max(float((box[2:] - box[:2]).max()), 1.0)
    return _centred(np.array([scale]), (box[:2] + box[2:])[None] / 2, (size, size))[0]


def _centred(scale: np.ndarray, centre: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    linear = scale[:, None, None] * np.eye(2)
    offset = np.array(size) / 2 - scale[:, None] * centre
    return np.concatenate([linear, offset[..., None]], axis=2)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 2) through an affine map (2, 3) or a homography (3, 3)."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved if len(matrix) == 2 else moved[..., :2] / moved[..., 2:]


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The affine map (2, 3) that undoes an affine map (2, 3)."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -linear @ matrix[:, 2:]], axis=1)


def cut(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: np.ndarray | None = None) -> np.ndarray:
    """The picture (H, W, 3) uint8 seen through `matrix`, (height, width) px; beyond its border lies its own paper, or `border`."""
    image, matrix = _shrunk(image, matrix)
    around = paper(image) if border is None else border
    look = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": around.tolist()}
    warp = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    return np.asarray(warp(image, from_centres(matrix), size[::-1], **look))  # type: ignore[call-overload]


def paper(image: np.ndarray) -> np.ndarray:
    """The median colour (3,) along the border of a picture (H, W, 3)."""
    sides = [image[0], image[-1], image[:, 0], image[:, -1]]
    return np.median(np.concatenate(sides), axis=0)


def from_centres(matrix: np.ndarray) -> np.ndarray:
    """The same map for OpenCV, which counts from the centre of the first pixel, half a pixel from the corner."""
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])[: len(matrix), : len(matrix)]
    there = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    if len(matrix) == 2:
        return matrix @ there - np.array([[0, 0, 0.5], [0, 0, 0.5]])
    return back @ matrix @ there


def _shrunk(image: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture that will be seen at half its size or less is averaged first, or thin lines would break."""
    times = int(1 / max(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))), 1e-6) + 1e-6)
    height, width = image.shape[:2]
    small = max(1, width // max(times, 1)), max(1, height // max(times, 1))
    if times < 2 or small == (width, height):
        return image, matrix
    grow = np.array([width / small[0], height / small[1], 1])
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), matrix * grow
