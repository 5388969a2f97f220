"""The look of paper, ink and camera on pictures to learn from, uint8 all along for speed."""

import cv2
import numpy as np

_SIDE = 512  # of the noise that all pictures take their part of


class Noise:
    """Gaussian noise drawn once; each picture sees a part of it."""

    def __init__(self, seed: int):
        rng = np.random.Generator(np.random.Philox(seed))
        self.field = rng.normal(0, 1, (_SIDE, _SIDE, 3)).astype(np.float32)

    def on(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture with noise of a random strength, coloured or grey."""
        height, width = image.shape[:2]
        y, x = rng.integers(0, _SIDE - height + 1), rng.integers(0, _SIDE - width + 1)
        part = self.field[y : y + height, x : x + width]
        part = part if rng.random() < 0.5 else np.repeat(part[..., :1], 3, -1)
        return cv2.add(image, part * rng.uniform(2, 16), dtype=cv2.CV_8U)


def wear(image: np.ndarray, rng: np.random.Generator, noise: Noise, scraps: np.ndarray | None) -> np.ndarray:
    """Anything that a drawing may have gone through, so long as a person would still see the joints."""
    image = _littered(image, rng, scraps)
    if rng.random() < 0.2:
        image = _erased(image, rng)
    if rng.random() < 0.15:
        image = _coarser(image, rng)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    image = _inks(image, rng, strong=True)
    if rng.random() < 0.15:
        image = _lit(image, rng)
    if rng.random() < 0.3:
        image = noise.on(image, rng)
    return _packed(image, rng) if rng.random() < 0.15 else image


def recolour(image: np.ndarray, rng: np.random.Generator, noise: Noise, scraps: np.ndarray | None) -> np.ndarray:
    """The same more gently: the style must stay plain to see."""
    image = _littered(image, rng, scraps)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.8))
    image = _inks(image, rng, strong=False)
    if rng.random() < 0.15:
        image = _lit(image, rng)
    if rng.random() < 0.15:
        image = noise.on(image, rng)
    return _packed(image, rng) if rng.random() < 0.1 else image


def _inks(image: np.ndarray, rng: np.random.Generator, strong: bool) -> np.ndarray:
    """Gain, offset and gamma of each channel; where strong also grey, exchanged or inverted ones."""
    reach = 1.0 if strong else 0.5
    ramp = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.25 * reach))
    ramp = ramp * (1 - rng.uniform(0, 0.3 * reach)) * (1 - rng.uniform(0, 0.2 * reach, 3)) + rng.uniform(0, 0.15 * reach)
    if strong and rng.random() < 0.07:
        ramp = 1 - ramp
    if strong and rng.random() < 0.1:
        image = image[..., rng.permutation(3)]
    if strong and rng.random() < 0.25:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
    table = (np.clip(ramp, 0, 1) * 255).astype(np.uint8).reshape(1, 256, 3)
    return np.asarray(cv2.LUT(np.ascontiguousarray(image), table))


def _lit(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light that falls unevenly, as on a photograph of a page."""
    coarse = rng.uniform(0.55, 1, (3, 3)).astype(np.float32)
    field = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.multiply(image, cv2.merge([field] * 3), dtype=cv2.CV_8U)


def _coarser(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture of fewer pixels, enlarged."""
    share = rng.uniform(0.25, 0.7)
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _packed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture that was a small JPEG file."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _erased(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to three patches of one colour each."""
    image = np.array(image)
    for _ in range(rng.integers(1, 4)):
        (x0, y0), (x1, y1) = _patch(image, rng, 0.05, 0.22)
        image[y0:y1, x0:x1] = image[y0, x0] if rng.random() < 0.5 else rng.integers(0, 256, 3)
    return image


def _littered(image: np.ndarray, rng: np.random.Generator, scraps: np.ndarray | None) -> np.ndarray:
    """Stray lines, and a piece of another drawing laid over an edge of this one."""
    if rng.random() < 0.15:
        image = np.array(image)
        for _ in range(rng.integers(1, 6)):
            start, end = (rng.uniform(-0.2, 1.2, (2, 2)) * image.shape[1::-1]).astype(int).tolist()
            colour = rng.integers(0, 256, 3).tolist()
            cv2.line(image, start, end, colour, int(rng.integers(1, 3)), cv2.LINE_AA)
    return image if scraps is None else _overlaid(image, rng, scraps)


def _overlaid(image: np.ndarray, rng: np.random.Generator, scraps: np.ndarray) -> np.ndarray:
    image = np.array(image)
    (x0, y0), (x1, y1) = _patch(image, rng, 0.15, 0.35)
    side = rng.integers(0, 4)  # pushed to one of the four borders
    width, height = x1 - x0, y1 - y0
    x0 = 0 if side == 0 else image.shape[1] - width if side == 1 else x0
    y0 = 0 if side == 2 else image.shape[0] - height if side == 3 else y0
    part = cv2.resize(scraps, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    part = part[:height, :width]
    place = image[y0 : y0 + len(part), x0 : x0 + part.shape[1]]
    np.minimum(place, part[: len(place), : place.shape[1]], out=place)
    return image


def _patch(image: np.ndarray, rng: np.random.Generator, least: float, most: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Corners of a rectangle whose sides are shares of the picture's."""
    size = (rng.uniform(least, most, 2) * image.shape[1::-1]).astype(int) + 1
    corner = (rng.random(2) * (image.shape[1::-1] - size)).astype(int)
    return (int(corner[0]), int(corner[1])), (int(corner[0] + size[0]), int(corner[1] + size[1]))
