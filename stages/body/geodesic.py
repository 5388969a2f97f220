"""Even points on a mesh, and which of them are far apart along its surface."""

import numpy as np
from numba import njit
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra


def spread_out(template: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """Vertices (count,) of the skin, far from each other; what hangs loose inside, such as eyeballs, is left out."""
    edges, _ = _edges(template, faces)
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(template),) * 2)
    _, piece = connected_components(graph, directed=False)
    skin = np.flatnonzero(piece == np.bincount(piece).argmax())
    return skin[farthest_first(template[skin], count)]


def far_apart(template: np.ndarray, faces: np.ndarray, points: np.ndarray, distance: float) -> np.ndarray:
    """Symmetric bool (N, N): whether the way over the skin between two of the points is longer than `distance` metres.

    Ways run over the points themselves, from each to its neighbours and theirs, which makes them some per cent too long.
    """
    edges, lengths = _edges(template, faces)
    count = len(points)
    mesh = coo_matrix((lengths, edges.T), shape=(len(template),) * 2).tocsr()
    _, _, nearest = dijkstra(mesh, directed=False, indices=points, min_only=True, return_predecessors=True)
    cell = np.full(len(template), -1)
    cell[points] = np.arange(count)
    a, b = np.where(nearest[edges] >= 0, cell[nearest[edges]], -1).T
    apart = (a != b) & (a >= 0) & (b >= 0)
    one = coo_matrix((np.ones(apart.sum()), (a[apart], b[apart])), shape=(count, count)).tocsr()
    one = one + one.T
    two = (one + one @ one).tocoo()
    keep = two.row < two.col
    row, column = two.row[keep], two.col[keep]
    steps = np.linalg.norm(template[points[row]] - template[points[column]], axis=1)
    ways = coo_matrix((steps, (row, column)), shape=(count, count)).tocsr()
    return ~np.isfinite(dijkstra(ways, directed=False, limit=distance))


def _edges(template: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertex pairs (E, 2) and their distance (E,)."""
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1), axis=0)
    return edges, np.linalg.norm(template[edges[:, 0]] - template[edges[:, 1]], axis=1)


@njit(cache=True)
def farthest_first(points, count):
    """Indices (count,) of points (N, 3) that are far from each other: each is the farthest from those before it."""
    chosen = np.zeros(min(count, len(points)), np.int64)
    distance = np.full(len(points), np.inf)
    for i in range(1, len(chosen)):
        last, farthest = chosen[i - 1], 0
        for p in range(len(points)):
            x, y, z = points[p, 0] - points[last, 0], points[p, 1] - points[last, 1], points[p, 2] - points[last, 2]
            distance[p] = min(distance[p], x * x + y * y + z * z)
            if distance[p] > distance[farthest]:
                farthest = p
        chosen[i] = farthest
    return chosen
