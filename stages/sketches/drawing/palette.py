"""Colours with names: skin, hair, cloth, grounds."""

from dataclasses import dataclass

import cv2
import numpy as np

_APART = 70.0  # least distance in RGB at which a paint stands out


@dataclass(frozen=True)
class Paint:
    """A named colour, RGB 0..255."""

    name: str
    rgb: tuple[int, ...]

    @property
    def array(self) -> np.ndarray:
        """RGB (3,) float32."""
        return np.array(self.rgb, np.float32)


def _paints(**named: str) -> tuple[Paint, ...]:
    return tuple(Paint(name.replace("_", " "), tuple(bytes.fromhex(code))) for name, code in named.items())


SKINS = _paints(pale="f9dcc8", fair="f2c7a5", tan="dda778", olive="c99a6b", brown="a06a42", dark="6f4630")
HAIRS = _paints(
    black="26211f", dark="3d2b22", brown="6b4226", chestnut="8c4a2a", red="b5502a", blond="e2b659", grey="9d9a96", white="e6e1d8",
)  # fmt: skip
DYED = _paints(blue="3c6fc4", pink="e0679f", green="4f9d69", violet="7b52a8")
CLOTHS = _paints(
    red="c8372d", orange="e2802f", yellow="ecc23c", green="4f9a4b", olive="7c8440", teal="2f8f8a", sky_blue="6fb6dd",
    blue="3364b0", navy="27365f", violet="70519e", pink="e48fae", brown="7d5637", grey="8f9296", black="33333a",
    white="efece2", beige="d9c39c",
)  # fmt: skip
CRAYONS = _paints(
    red="d8322a", orange="f0862a", yellow="f4cf2e", green="3fa34a", blue="2f62c9", light_blue="58b4e6", violet="8a4bb0",
    pink="ee79ae", brown="8a5a33", black="2c2a2c",
)  # fmt: skip
PENS = _paints(black="23232a", blue="27408b", red="b02a30", green="2c6b3f", violet="5b3a86", brown="5a3b26", grey="5a5d63")


def pick(rng: np.random.Generator, paints: tuple[Paint, ...]) -> Paint:
    """One paint, every one as likely."""
    return paints[int(rng.integers(len(paints)))]


def vary(paint: Paint, rng: np.random.Generator, amount: float = 0.05) -> Paint:
    """The same colour mixed afresh: hue, saturation and value moved a little, the name kept."""
    hsv = cv2.cvtColor(np.array([[paint.rgb]], np.float32) / 255, cv2.COLOR_RGB2HSV)[0, 0]
    hsv[0] = (hsv[0] + rng.normal(0, 120 * amount)) % 360
    hsv[1:] = np.clip(hsv[1:] * np.exp(rng.normal(0, 2 * amount, 2)), 0, 1)
    rgb = cv2.cvtColor(hsv[None, None].astype(np.float32), cv2.COLOR_HSV2RGB)[0, 0] * 255
    return Paint(paint.name, tuple(int(v) for v in np.clip(rgb, 0, 255)))


def shade(rgb: np.ndarray, amount: float) -> np.ndarray:
    """A colour (…, 3) in shadow: darker, and turned to the blue as shadows are."""
    return np.clip(rgb * (1 - amount) + np.array([0, 2, 22], np.float32) * amount, 0, 255)


def far_from(rng: np.random.Generator, paints: tuple[Paint, ...], others: list[Paint]) -> Paint:
    """A paint that stands out against the others; the farthest of a few where none does."""
    draws = [pick(rng, paints) for _ in range(6)]
    gaps = [min((float(np.linalg.norm(p.array - o.array)) for o in others), default=1e9) for p in draws]
    good = [p for p, gap in zip(draws, gaps, strict=True) if gap >= _APART]
    return good[0] if good else draws[int(np.argmax(gaps))]
