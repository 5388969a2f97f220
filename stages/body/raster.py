"""A z-buffer in plain loops: depth, smooth normals, part and face of the first surface behind every pixel centre.

Perspective-correct: 1/z is linear in the image. No anti-aliasing, no culling: faces seen from behind count, as bodies are closed.
Triangles that reach nearer than NEAR are cut there: of them, pixels see what lies beyond.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

NEAR = 0.05  # metres


@dataclass(frozen=True)
class Buffers:
    """depth (H, W) float32 metres along z, 0 where empty; normal (H, W, 3) float32, camera frame, unit, facing the viewer;
    part (H, W) uint8, 0 where empty, else 1 + SMPL joint; face (H, W) int32, -1 where empty."""

    depth: np.ndarray
    normal: np.ndarray
    part: np.ndarray
    face: np.ndarray


def rasterize(vertices: np.ndarray, faces: np.ndarray, face_parts: np.ndarray, camera_K: np.ndarray, size: int) -> Buffers:
    """Buffers (size, size) of a mesh in the camera frame: vertices (V, 3) metres, faces (F, 3), face_parts (F,), K (3, 3) px."""
    depth, part = np.zeros((size, size), np.float32), np.zeros((size, size), np.uint8)
    normal, face = np.zeros((size, size, 3), np.float32), np.full((size, size), -1, np.int32)
    points = _project(vertices, camera_K)
    _nearest_faces(vertices, points, faces, camera_K, np.zeros((size, size)), face)
    _shade(vertices, points, faces, camera_K, vertex_normals(vertices, faces), face_parts, face, depth, normal, part)
    return Buffers(depth, normal, part, face)


@njit(cache=True)
def vertex_normals(vertices, faces):
    """Unit normals (V, 3): the mean of the faces around each vertex, weighted by area."""
    normals = np.zeros_like(vertices)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        u0, u1, u2 = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        v0, v1, v2 = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        n0, n1, n2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        _add(normals, a, n0, n1, n2)
        _add(normals, b, n0, n1, n2)
        _add(normals, c, n0, n1, n2)
    for i in range(len(normals)):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2)
        if length > 0:
            for k in range(3):
                normals[i, k] /= length
    return normals


@njit(cache=True, inline="always")
def _add(out, i, x, y, z):
    out[i, 0] += x
    out[i, 1] += y
    out[i, 2] += z


@njit(cache=True)
def _project(vertices, K):
    """(x, y, 1/z) of every vertex, x and y in pixels; 1/z is 0 where the vertex is too near."""
    points = np.zeros_like(vertices)
    for i in range(len(vertices)):
        z = vertices[i, 2]
        if z > NEAR:
            points[i, 0] = (K[0, 0] * vertices[i, 0] + K[0, 1] * vertices[i, 1]) / z + K[0, 2]
            points[i, 1] = K[1, 1] * vertices[i, 1] / z + K[1, 2]
            points[i, 2] = 1.0 / z
    return points


@njit(cache=True)
def _span(a, b, c, size):
    """First and last pixel whose centre lies between the least and the greatest of three coordinates."""
    return max(0, int(np.ceil(min(a, b, c) - 0.5))), min(size - 1, int(np.floor(max(a, b, c) - 0.5)))


@njit(cache=True)
def _corner_weights(ax, ay, bx, by, cx, cy, x, y):
    """Barycentric weights of a pixel centre in a triangle; of no area: weights that lie outside."""
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if area == 0.0:
        return -1.0, -1.0, -1.0
    px, py = x + 0.5, y + 0.5
    wa = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) / area
    wb = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) / area
    return wa, wb, 1.0 - wa - wb


@njit(cache=True)
def _nearest_faces(vertices, points, faces, K, inverse_depth, face):
    size = len(face)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az, bx, by, bz = points[a, 0], points[a, 1], points[a, 2], points[b, 0], points[b, 1], points[b, 2]
        cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
        if az == 0.0 or bz == 0.0 or cz == 0.0:
            if az != 0.0 or bz != 0.0 or cz != 0.0:
                _cut_face(vertices, faces, f, K, inverse_depth, face)
            continue
        x0, x1 = _span(ax, bx, cx, size)
        y0, y1 = _span(ay, by, cy, size)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                wa, wb, wc = _corner_weights(ax, ay, bx, by, cx, cy, x, y)
                if wa >= 0.0 and wb >= 0.0 and wc >= 0.0:
                    nearness = wa * az + wb * bz + wc * cz
                    if nearness > inverse_depth[y, x]:
                        inverse_depth[y, x] = nearness
                        face[y, x] = f


@njit(cache=True)
def _cut_face(vertices, faces, f, K, inverse_depth, face):
    """A face that the near plane cuts: each pixel's ray is met with the whole face; such faces are few and large."""
    a, b, c = faces[f]
    size = len(face)
    for y in range(size):
        for x in range(size):
            wa, wb, wc = _ray_weights(vertices[a], vertices[b], vertices[c], K, x, y)
            nearness = wa + wb + wc
            if wa >= 0.0 and wb >= 0.0 and wc >= 0.0 and inverse_depth[y, x] < nearness < 1.0 / NEAR:
                inverse_depth[y, x] = nearness
                face[y, x] = f


@njit(cache=True)
def _ray_weights(A, B, C, K, x, y):
    """Barycentric weights over depth of where a pixel's ray meets a triangle (their sum is 1/z there); negative where it misses.

    The ray d times z is the point wa A + wb B + wc C, so the weights over z solve [A B C] w = d.
    """
    dy = (y + 0.5 - K[1, 2]) / K[1, 1]
    dx = (x + 0.5 - K[0, 2] - K[0, 1] * dy) / K[0, 0]
    volume = _volume(A, B, C)
    if volume == 0.0:
        return -1.0, -1.0, -1.0
    d = np.array([dx, dy, 1.0])
    return _volume(d, B, C) / volume, _volume(A, d, C) / volume, _volume(A, B, d) / volume


@njit(cache=True)
def _volume(a, b, c):
    """Determinant of three columns (3,)."""
    return a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])


@njit(cache=True)
def _shade(vertices, points, faces, K, normals, face_parts, face, depth, normal, part):
    size = len(face)
    for y in range(size):
        for x in range(size):
            f = face[y, x]
            if f < 0:
                continue
            a, b, c = faces[f]
            if points[a, 2] == 0.0 or points[b, 2] == 0.0 or points[c, 2] == 0.0:
                wa, wb, wc = _ray_weights(vertices[a], vertices[b], vertices[c], K, x, y)
            else:
                wa, wb, wc = _corner_weights(points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1], x, y)
                wa, wb, wc = wa * points[a, 2], wb * points[b, 2], wc * points[c, 2]
            depth[y, x] = 1.0 / (wa + wb + wc)
            part[y, x] = face_parts[f]
            n0 = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
            n1 = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
            n2 = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
            length = np.sqrt(n0 * n0 + n1 * n1 + n2 * n2)
            if length > 0:
                normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = n0 / length, n1 / length, n2 / length
