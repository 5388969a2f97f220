"""Shaded pictures of a figure by OpenGL (pyrender), with the camera of its labels. Our own raster needs none of this."""

import os
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from manifests.errors import UserError, first_line
from stages.body.camera import FRONT
from stages.body.figure import Figure
from stages.body.raster import vertex_normals
from stages.body.rotations import about

NEAR, FAR = 0.05, 1000.0
_SKIN = (0.86, 0.78, 0.72, 1.0)
_NO_GL = (
    "no OpenGL on this machine ({why}); install a software one (Debian: apt-get install libegl1 libgl1) "
    "or do without shaded pictures, which no other part of SKEP needs"
)


class Shot(NamedTuple):
    """colour (size, size, 3) uint8 RGB on white; depth (size, size) float32 metres, 0 where empty."""

    colour: np.ndarray
    depth: np.ndarray


class Studio:
    """A renderer for square pictures, to be used in a `with` statement and by one thread. Raises UserError where GL is missing."""

    def __init__(self, size: int):
        self._pyrender = import_pyrender()
        try:
            self._renderer: Any = self._pyrender.OffscreenRenderer(size, size)
        except Exception as e:  # pyrender, PyOpenGL and EGL fail in a dozen ways of their own, none with a class of its own
            raise UserError(_NO_GL.format(why=first_line(e, 80))) from None

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._renderer.delete()

    def shoot(self, figure: Figure, faces: np.ndarray) -> Shot:
        """The figure lit from the upper left of the camera; faces (F, 3) of its body."""
        p, K = self._pyrender, figure.camera_K
        scene = p.Scene(bg_color=(1.0, 1.0, 1.0, 0.0), ambient_light=(0.35, 0.35, 0.35))
        skin = p.MetallicRoughnessMaterial(baseColorFactor=_SKIN, metallicFactor=0.0, roughnessFactor=0.9, doubleSided=True)
        # OpenGL looks along -z with y up.
        mesh = p.Primitive(positions=(figure.vertices @ FRONT).astype(np.float32), indices=faces, material=skin,
                           normals=(vertex_normals(figure.vertices, faces) @ FRONT).astype(np.float32))  # fmt: skip
        node = scene.add(p.Mesh([mesh]))
        scene.add(p.IntrinsicsCamera(K[0, 0], K[1, 1], K[0, 2], K[1, 2], znear=NEAR, zfar=FAR))
        scene.add(p.DirectionalLight(intensity=2.2), pose=_light())
        colour, _ = self._renderer.render(scene)
        # The depth that comes with a shaded picture is a sample's beside the pixel's centre; segmentation turns multisampling off.
        _, depth = self._renderer.render(scene, flags=p.RenderFlags.SEG, seg_node_map={node: (255, 255, 255)})
        return Shot(np.array(colour[..., :3]), np.array(depth))


def import_pyrender() -> Any:
    """pyrender, told to open no window: its viewer would ask for a screen at import."""
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    os.environ.setdefault("PYGLET_HEADLESS", "1")
    try:
        import pyrender
    except Exception as e:  # without GL even the import fails, and not with an ImportError
        raise UserError(_NO_GL.format(why=first_line(e, 80))) from None
    if not hasattr(np, "infty"):
        np.infty = np.inf  # type: ignore[attr-defined]  # pyrender 0.1 asks numpy 2 for its old name
    return pyrender


def _light() -> np.ndarray:
    """Pose (4, 4) of a light that shines down, right and away."""
    pose = np.eye(4)
    pose[:3, :3] = about("y", -0.6) @ about("x", -0.7)
    return pose
