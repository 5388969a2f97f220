"""A recorded movement of any skeleton: what every motion-capture format is read into before it is retargeted."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Motion:
    """J joints, T frames, in the file's own units and axes.

    parents (J,): -1 for the root, otherwise an earlier joint. rest (J, 3): joints of the zero pose.
    turns (T, J, 3, 3) and moves (T, J, 3): rotation and translation of each joint against its parent.
    numbers (T,): which frames of the file these are.
    """

    where: str
    names: tuple[str, ...]
    parents: np.ndarray
    rest: np.ndarray
    turns: np.ndarray
    moves: np.ndarray
    numbers: np.ndarray
    fps: float

    def forward(self) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (T, J, 3, 3) and position (T, J, 3) of each joint in the world of the file."""
        world, places = np.empty_like(self.turns), np.empty_like(self.moves)
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                world[:, joint], places[:, joint] = self.turns[:, joint], self.moves[:, joint]
            else:
                world[:, joint] = world[:, parent] @ self.turns[:, joint]
                places[:, joint] = places[:, parent] + (world[:, parent] @ self.moves[:, joint, :, None])[..., 0]
        return world, places

    def without_first(self, skip: int) -> "Motion":
        """The movement from frame number `skip` on; a recording that is nothing else keeps its last frame."""
        keep = self.numbers >= min(skip, self.numbers[-1])
        return replace(self, turns=self.turns[keep], moves=self.moves[keep], numbers=self.numbers[keep])


def thinned(frames: int, fps: float, rate: float) -> np.ndarray:
    """Indices of the frames, `rate` a second, that stand for a recording of `fps`; every frame of a slower one."""
    return np.arange(0, frames, max(1.0, fps / rate)).astype(np.int64)
