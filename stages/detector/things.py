"""What people draw that is nobody: outlines of trees, chairs, boats, words. The finder learns from them what a figure is not.

A thing is a list of lines (N, 2) in a unit square, y down; a line that ends where it began is the outline of an area.
"""

from collections.abc import Callable

import numpy as np

from stages.sketches.drawing.pen import arc, smooth, wander

Lines = list[np.ndarray]


def _closed(*points: tuple[float, float]) -> np.ndarray:
    return np.array([*points, points[0]], float)


def _box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return _closed((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _ring(middle: np.ndarray | tuple[float, float], wide: float, high: float | None = None) -> np.ndarray:
    return np.asarray(middle) + arc(np.zeros(2), 1.0) * [wide, wide if high is None else high]


def _line(*points: np.ndarray | tuple[float, float]) -> np.ndarray:
    return np.array(points, float)


def scribble(rng: np.random.Generator) -> Lines:
    """One to four lines that go anywhere."""
    return [smooth(np.repeat(rng.random((int(rng.integers(4, 18)), 2)), 6, 0), 14) for _ in range(int(rng.integers(1, 5)))]


def hatches(rng: np.random.Generator) -> Lines:
    """Strokes side by side, in a patch or two."""
    lines = []
    for _ in range(int(rng.integers(1, 4))):
        way, start, count = rng.normal(0, 0.2, 2), rng.uniform(0.1, 0.7, 2), int(rng.integers(5, 30))
        step = np.array([-way[1], way[0]]) / np.linalg.norm(way) * rng.uniform(0.01, 0.05)
        lines += [_line(start + k * step, start + k * step + way * rng.uniform(0.7, 1.2)) for k in range(count)]
    return lines


def shapes(rng: np.random.Generator) -> Lines:
    """Polygons, stars and ovals."""
    lines = []
    for _ in range(int(rng.integers(1, 8))):
        corners, middle, reach = int(rng.integers(3, 14)), rng.uniform(0.15, 0.85, 2), rng.uniform(0.05, 0.4)
        spikes = np.where(np.arange(corners) % 2, rng.uniform(0.3, 1.3), 1)[:, None]
        line = middle + reach * spikes * arc(np.zeros(2), 1, rng.uniform(0, 6), count=corners + 1)[:-1] * rng.uniform(0.4, 1, 2)
        lines.append(
            _ring(middle, rng.uniform(0.03, 0.3), rng.uniform(0.03, 0.3)) if rng.random() < 0.35 else np.concatenate([line, line[:1]])
        )
    return lines


def tree(rng: np.random.Generator) -> Lines:
    """A trunk that forks, with a crown or bare."""
    lines: Lines = []

    def grow(foot: np.ndarray, angle: float, length: float, left: int) -> None:
        tip = foot + length * np.array([np.sin(angle), -np.cos(angle)])
        lines.append(_line(foot, tip))
        for turn in rng.normal(0, 0.6, int(rng.integers(2, 4))) if left else ():
            grow(tip, angle + turn, length * rng.uniform(0.5, 0.85), left - 1)

    grow(np.array([rng.uniform(0.35, 0.65), 0.97]), rng.normal(0, 0.1), rng.uniform(0.2, 0.35), int(rng.integers(1, 5)))
    crown = [_ring(rng.normal((0.5, 0.35), 0.12), rng.uniform(0.08, 0.25)) for _ in range(int(rng.integers(0, 9)))]
    return crown + lines if rng.random() < 0.5 else lines + crown


def molecule(rng: np.random.Generator) -> Lines:
    """Balls and sticks, joined as no body is."""
    spots = rng.uniform(0.08, 0.92, (int(rng.integers(4, 12)), 2))
    bonds = [_line(spots[i], spots[int(rng.integers(0, i))]) for i in range(1, len(spots))]
    return bonds + [_ring(spot, rng.uniform(0.02, 0.07)) for spot in spots if rng.random() < 0.7]


def furniture(rng: np.random.Generator) -> Lines:
    """A chair, a table or a lamp."""
    x0, x1, seat, floor = rng.uniform(0.1, 0.35), rng.uniform(0.6, 0.9), rng.uniform(0.4, 0.6), rng.uniform(0.85, 0.97)
    thick, lean, kind = rng.uniform(0.02, 0.08), rng.normal(0, 0.05), rng.integers(3)
    if kind == 2:
        middle, foot = (x0 + x1) / 2, rng.uniform(0.05, 0.2)
        shade = _closed((middle - 0.1, 0.1), (middle + 0.1, 0.1), (middle + 0.25, 0.35), (middle - 0.25, 0.35))
        return [shade, _line((middle, 0.35), (middle, floor)), _ring((middle, floor), foot, 0.3 * foot)]
    legs = [_box(x, seat + thick, x + 0.6 * thick, floor) for x in (x0, x1 - 0.6 * thick)]
    inner = [_line((x, seat + thick), (x, floor - 0.12)) for x in (x0 + 0.12, x1 - 0.12)]
    back = [_closed((x0, seat), (x0 + lean, 0.05), (x0 + lean + thick, 0.05), (x0 + thick, seat))] if kind == 0 else []
    return [_box(x0, seat, x1, seat + thick), *legs, *inner, *back]


def vehicle(rng: np.random.Generator) -> Lines:
    """A car, a cart or a boat."""
    low, high, roof = rng.uniform(0.65, 0.8), rng.uniform(0.45, 0.6), rng.uniform(0.2, 0.4)
    if rng.random() < 0.4:
        hull = _closed((0.05, high), (0.95, high), (0.8, low), (0.2, low))
        mast = _line((0.5, high), (0.5, 0.05))
        return [hull, mast, _closed((0.5, 0.08), (0.5, high - 0.05), (rng.uniform(0.65, 0.9), high - 0.05))]
    cab = _closed((0.25, high), (rng.uniform(0.3, 0.4), roof), (rng.uniform(0.55, 0.7), roof), (0.78, high))
    wheels = [_ring((x, low), rng.uniform(0.07, 0.12)) for x in np.linspace(0.22, 0.78, int(rng.integers(2, 5)))]
    return [_box(0.05, high, 0.95, low), *([cab] if rng.random() < 0.7 else []), *wheels]


def landscape(rng: np.random.Generator) -> Lines:
    """Hills or peaks one behind the other, a sun, birds."""
    x = np.linspace(0, 1, 60)
    lines = [_ring(rng.uniform((0, 0.05), (1, 0.3)), rng.uniform(0.05, 0.12))] if rng.random() < 0.6 else []
    for height in np.sort(rng.uniform(0.3, 0.9, int(rng.integers(1, 5)))):
        y = height + rng.uniform(0.02, 0.12) * wander(rng, 60, rng.uniform(5, 25))
        lines.append(np.concatenate([np.stack([x, y], 1), [[1, 1], [0, 1], [0, y[0]]]]))
    for _ in range(int(rng.integers(0, 5))):
        place, wide = rng.uniform((0.1, 0.05), (0.9, 0.3)), rng.uniform(0.02, 0.06)
        lines.append(place + _line((-wide, -0.4 * wide), (0, 0), (wide, -0.4 * wide)))
    return lines


def diagram(rng: np.random.Generator) -> Lines:
    """Axes with a curve and bars, or a grid."""
    if rng.random() < 0.4:
        places = np.linspace(0.05, 0.95, int(rng.integers(3, 12)))
        return [_line((0.05, p), (0.95, p)) for p in places] + [_line((p, 0.05), (p, 0.95)) for p in places]
    x = np.linspace(0.1, 0.95, 40)
    curve = np.stack([x, np.clip(0.5 + 0.15 * wander(rng, 40, 9), 0.05, 0.9)], 1)
    bars = [_box(left, rng.uniform(0.2, 0.85), left + 0.06, 0.9) for left in np.arange(0.15, 0.9, 0.1)]
    return [_line((0.1, 0.05), (0.1, 0.9), (0.95, 0.9)), curve, *(bars if rng.random() < 0.5 else [])]


def still_life(rng: np.random.Generator) -> Lines:
    """A vase or a bottle, a bowl of fruit, a cup."""
    y = np.linspace(0, 1, 24)
    side = np.clip(0.12 + 0.05 * wander(rng, 24, 8), 0.03, 0.3)
    left, right = (np.stack([0.5 + turn * side, 0.2 + 0.6 * y], 1) for turn in (-1, 1))
    lines = [np.concatenate([left, right[::-1], left[:1]])]
    for _ in range(int(rng.integers(0, 6))):
        lines.append(_ring(rng.uniform((0.1, 0.65), (0.9, 0.8)), rng.uniform(0.04, 0.1)))
    return [*lines, _line((0, 0.8), (1, 0.8))] if rng.random() < 0.6 else lines


def house(rng: np.random.Generator) -> Lines:
    """Walls, a roof, a door and windows."""
    x0, x1, eaves, ridge = rng.uniform(0.1, 0.3), rng.uniform(0.65, 0.9), rng.uniform(0.4, 0.55), rng.uniform(0.05, 0.25)
    door = rng.uniform(x0 + 0.05, x1 - 0.2)
    windows = [_box(x, eaves + 0.08, x + 0.1, eaves + 0.2) for x in rng.uniform(x0 + 0.03, x1 - 0.13, int(rng.integers(1, 4)))]
    roof = _closed((x0 - 0.05, eaves), (rng.uniform(0.3, 0.7), ridge), (x1 + 0.05, eaves))
    return [_box(x0, eaves, x1, 0.95), roof, _box(door, 0.68, door + 0.14, 0.95), *windows]


def beast(rng: np.random.Generator) -> Lines:
    """Four legs under a long body, a neck, a head, a tail."""
    long, high, back = rng.uniform(0.2, 0.32), rng.uniform(0.08, 0.16), rng.uniform(0.35, 0.55)
    head = np.array([0.5 + long + rng.uniform(0, 0.12), back - rng.uniform(0.02, 0.3)])
    feet = rng.uniform(0.75, 0.95)
    legs = [
        _line((0.5 + k * long, back), (0.5 + (k + rng.normal(0, 0.2)) * long, (back + feet) / 2), (0.5 + k * long, feet))
        for k in (-0.9, -0.65, 0.65, 0.9)
    ]
    tail = smooth(_line((0.5 - long, back), (0.45 - long, back - 0.1), (0.4 - long, back + rng.normal(0, 0.15))), 2)
    neck = _line((0.5 + 0.8 * long, back - 0.3 * high), tuple(head))
    ears = [_line(tuple(head), (head[0] + dx, head[1] - 0.12)) for dx in (-0.03, 0.04)]
    return [*legs, tail, neck, *ears, _ring((0.5, back), long, high), _ring(head, rng.uniform(0.05, 0.1), rng.uniform(0.04, 0.08))]


def writing(rng: np.random.Generator) -> Lines:
    """Words on lines, in a hand that no one can read."""
    lines, high = [], rng.uniform(0.02, 0.06)
    for row in np.arange(0.1, 0.95, rng.uniform(2.2, 4) * high):
        start = 0.05
        while start < 0.85 and rng.random() < 0.95:
            long = min(rng.uniform(0.06, 0.3), 0.95 - start)
            count = max(6, int(long / high * 8))
            swing = np.where(np.arange(count) % 4 < 2, 1, -1) * high * rng.uniform(0.3, 1.5, count)
            letters = np.stack([start + np.linspace(0, long, count) + 0.4 * high * np.sin(np.arange(count) * 1.3), row + swing], 1)
            lines.append(smooth(np.repeat(letters, 3, 0), 2))
            start += long + rng.uniform(0.8, 2) * high
    return lines


def flowers(rng: np.random.Generator) -> Lines:
    """Stems with leaves and petals around an eye."""
    lines: Lines = []
    for _ in range(int(rng.integers(1, 5))):
        foot, head, size = np.array([rng.uniform(0.2, 0.8), 0.97]), rng.uniform((0.15, 0.1), (0.85, 0.5)), rng.uniform(0.03, 0.09)
        bend = (foot + head) / 2 + rng.normal(0, 0.06, 2)
        lines.append(smooth(np.stack([foot, foot, bend, bend, head, head]), 3))
        lines += [_ring(bend + side * np.array([0.06, -0.02]), 0.06, 0.02) for side in (-1, 1) if rng.random() < 0.6]
        lines += [_ring(head + 1.6 * size * spot, 0.8 * size) for spot in arc(np.zeros(2), 1, count=int(rng.integers(5, 9)))]
        lines.append(_ring(head, size))
    return lines


def balloons(rng: np.random.Generator) -> Lines:
    """Round things on stalks: balloons, lollipops, mushrooms."""
    lines: Lines = []
    for _ in range(int(rng.integers(1, 5))):
        top, high, wide = rng.uniform((0.15, 0.1), (0.85, 0.5)), rng.uniform(0.05, 0.2), rng.uniform(0.6, 1.6)
        foot = np.array([top[0] + rng.normal(0, 0.08), rng.uniform(0.7, 0.97)])
        bend = (top + foot) / 2 + [rng.normal(0, 0.05), 0]
        lines += [smooth(np.stack([top, top, bend, bend, foot, foot]), 3), _ring(top, wide * high, high)]
    return lines


def bird(rng: np.random.Generator) -> Lines:
    """An egg with a head, a beak, a wing, a tail and two thin legs."""
    long, high, head = rng.uniform(0.18, 0.28), rng.uniform(0.1, 0.18), rng.uniform(0.07, 0.12)
    place = np.array([0.5 + 0.9 * long, 0.5 - rng.uniform(0.8, 1.8) * high])
    beak = _closed((place[0] + head, place[1] - 0.03), (place[0] + 2 * head, place[1]), (place[0] + head, place[1] + 0.03))
    tail = _closed((0.5 - long, 0.48), (0.4 - 1.3 * long, 0.4), (0.4 - 1.3 * long, 0.55))
    legs = [_line((x, 0.5 + high), (x + rng.normal(0, 0.03), 0.8), (x + 0.08, 0.82)) for x in (0.45, 0.55)]
    wing = _ring((0.48, 0.5), 0.6 * long, 0.5 * high)
    return [tail, *legs, _ring((0.5, 0.5), long, high), wing, _ring(place, head), beak, _ring(place, 0.15 * head)]


def fish(rng: np.random.Generator) -> Lines:
    """One to three fish, with bubbles."""
    lines: Lines = []
    for _ in range(int(rng.integers(1, 4))):
        middle, long, high = rng.uniform((0.3, 0.2), (0.7, 0.8)), rng.uniform(0.1, 0.3), rng.uniform(0.05, 0.15)
        x, y = middle - [0.9 * long, 0]
        tail = _closed((x, y), (x - 0.6 * long, y - high), (x - 0.6 * long, y + high))
        eye = _ring((middle[0] + 0.65 * long, middle[1] - 0.2 * high), 0.12 * high)
        lines += [tail, _ring(middle, long, high), eye, middle + _line((0, -high), (-0.2 * long, -1.6 * high), (-0.4 * long, -0.9 * high))]
        lines += [_ring((middle[0] + long + 0.05 * k, middle[1] - 0.1 * k), 0.015) for k in range(int(rng.integers(0, 4)))]
    return lines


Draw = Callable[[np.random.Generator], Lines]
LEARNT: tuple[Draw, ...] = (
    scribble, hatches, shapes, tree, molecule, furniture, vehicle, landscape, diagram, still_life, house, beast, flowers, balloons,
)  # fmt: skip
HELD_OUT: tuple[Draw, ...] = (writing, bird, fish)  # never shown in training: they tell whether it has understood
