"""Joints, boxes and styles of drawings: `load_detector().detect(images)`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from manifests.errors import UserError
from manifests.skeleton import JOINTS, STYLES
from stages.detector.again import doubtful, matrices_about, seen_from
from stages.detector.coco import CONFIG, read_coco
from stages.detector.crops import HEIGHT, WIDTH, apply, crop_matrices, cut, inverse
from stages.detector.eyes import Eyes, OwnEyes, View, read_pose
from stages.detector.finder_net import MAP
from stages.detector.finders import Finder, Look, PersonFinder, batches, read_finder, read_person_finder
from stages.detector.pose_net import KINDS
from stages.detector.weights import BUNDLED, FINDER, POSE

BATCH = 8
LEAST_SCORE = 0.25  # of a box: below it nobody is drawn; to miss a figure is worse than to take a tree for one


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in N pictures; pixels count from the top-left corner, the first centre is (0.5, 0.5).

    boxes (N, 4) x0, y0, x1, y1 px, may reach beyond the picture; box_scores (N,) in [0, 1], low where no figure is drawn;
    joints (N, 16, 2) px in the order of skeleton.JOINTS; confidence (N, 16) in [0, 1]; visibility (N, 16, 3) probabilities of
    outside, occluded, visible; styles (N, 6) probabilities in the order of skeleton.STYLES; figures (N, 32, 32) probabilities of the
    figure in the cells of the square that crops.picture_matrix lays about the picture.
    """

    boxes: np.ndarray
    box_scores: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    visibility: np.ndarray
    styles: np.ndarray
    figures: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """How surely each joint (N, 16) was found: its confidence, less where it is thought to lie outside the picture."""
        return self.confidence * (1 - self.visibility[..., 0])


class Detector:
    """Finds the figure, cuts it out, reads its joints. Every pass has `batch` pictures, so that no answer depends on how many were
    asked for: few are filled up, which is lost time where one is asked for at a time."""

    def __init__(self, eyes: Eyes, finder: Finder, person: PersonFinder | None = None, device: str = "cpu", batch: int = BATCH):
        self.eyes, self.finder, self.person, self.device, self.batch = eyes, finder, person, device, batch

    def detect(self, images: list[np.ndarray], boxes: np.ndarray | None = None, thorough: bool = True) -> Detections:
        """images: (H, W, 3) uint8 RGB of any sizes; boxes (N, 4) px: used as they are, in place of the finder's.

        thorough: look at the mirror image too and take the mean, as ViTPose is mostly used, and look again, nearer, where that
        leaves doubt; without it a third of the work.
        """
        return self.read(images, self.find(images, boxes), thorough)

    def find(self, images: list[np.ndarray], boxes: np.ndarray | None = None) -> Look:
        """Where each figure is and how it is drawn; a box that is given is sure. Alone it takes a fraction of the time."""
        _check(images, boxes)
        if not images:
            return _nowhere()
        look = self.finder.look(images, self.batch)
        if boxes is not None:
            return look._replace(boxes=np.asarray(boxes, np.float64), scores=np.ones(len(images), np.float32))
        if self.person is None:
            return look
        persons = [self.person.look(image) for image in images]
        return look._replace(boxes=np.stack([box for box, _ in persons]), scores=np.array([score for _, score in persons], np.float32))

    @torch.inference_mode()
    def read(self, images: list[np.ndarray], look: Look, thorough: bool = True) -> Detections:
        """The joints of what was found in the images."""
        if not images:
            return _nothing(look)
        matrices = crop_matrices(look.boxes, self.eyes.padding)
        seen = self._see(images, matrices, thorough)
        if thorough and self.eyes.looks_again:
            self._look_again(images, seen, matrices)
        return Detections(look.boxes, look.scores, *self._placed(seen, matrices), look.styles, look.figures)

    def _look_again(self, images: list[np.ndarray], seen: View, matrices: np.ndarray) -> None:
        """Where a figure is in doubt, its crop and what is seen in it become those of a nearer look, averaged with the first."""
        joints, sure, _ = self._placed(seen, matrices)
        rows = doubtful(joints, sure)
        if len(rows):
            first, matrices[rows] = matrices[rows], matrices_about(joints[rows])
            nearer = self._see([images[i] for i in rows], matrices[rows], flip=True)
            seen.maps[rows] = (nearer.maps + seen_from(seen.maps[rows], first, matrices[rows])) / 2
            seen.visibility[rows] = (nearer.visibility + seen.visibility[rows]) / 2

    def _see(self, images: list[np.ndarray], matrices: np.ndarray, flip: bool) -> View:
        crops = [cut(image, matrix, (HEIGHT, WIDTH)) for image, matrix in zip(images, matrices, strict=True)]
        parts = [self.eyes.see(part, flip) for part in batches(crops, self.batch, self.device)]
        return View(*(torch.cat(column)[: len(crops)] for column in zip(*parts, strict=True)))

    def _placed(self, seen: View, matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Joints (N, 16, 2) px of the pictures, confidence, visibility."""
        reading = self.eyes.joints(seen)
        crops = reading.joints.double().cpu().numpy()
        joints = np.stack([apply(inverse(m), points) for m, points in zip(matrices, crops, strict=True)])
        return joints, reading.confidence.float().cpu().numpy(), reading.visibility.float().cpu().numpy()


def load_detector(
    folder: str | Path | None = None,
    device: str = "cpu",
    finder: str | Path | None = None,
    batch: int = BATCH,
    dtype: torch.dtype = torch.float32,
) -> Detector:
    """A detector from `folder`: weights of `make train-detector`, or a ViTPose that transformers saved; None: the bundled one.

    finder: a folder of a pretrained object detector, whose persons take the place of our finder's boxes. Styles always come
    from our own finder: that of the folder, or the bundled one. batch: pictures a pass. dtype: bfloat16 reads joints about two to three
    times as fast on a CPU that has instructions for it, a twentieth of a pixel off at the median.
    """
    home = BUNDLED if folder is None else Path(folder)
    if not home.is_dir():
        raise UserError(f"{home}: no such folder; expected the detector's weights or a saved {CONFIG}")
    eyes = read_coco(home, device) if (home / CONFIG).exists() else OwnEyes(read_pose(home / POSE).to(device))
    eyes.compute_in(dtype)
    own = home / FINDER if (home / FINDER).exists() or not (home / CONFIG).exists() else BUNDLED / FINDER
    person = None if finder is None else read_person_finder(Path(finder), device)
    return Detector(eyes, Finder(read_finder(own), device), person, device, batch)


def _check(images: list[np.ndarray], boxes: np.ndarray | None) -> None:
    for i, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise UserError(f"picture {i}: {image.shape} {image.dtype}; expected (height, width, 3) uint8 RGB")
    if boxes is not None and (np.shape(boxes) != (len(images), 4) or not np.isfinite(boxes).all()):
        raise UserError(f"boxes: {np.shape(boxes)}; expected finite numbers ({len(images)}, 4)")


def _nowhere() -> Look:
    return Look(*(np.zeros((0, *shape)) for shape in ((4,), (), (len(STYLES),), (MAP, MAP))))


def _nothing(look: Look) -> Detections:
    joints, confidence, visibility = (np.zeros((0, len(JOINTS), *shape)) for shape in ((2,), (), (KINDS,)))
    return Detections(look.boxes, look.scores, joints, confidence, visibility, look.styles, look.figures)
