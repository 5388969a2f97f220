"""Boxes: the finder made here, and any pretrained object detector of `transformers` that knows persons."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForObjectDetection

from manifests.errors import UserError, first_line
from stages.detector.coco import CONFIG, PREPROCESSOR, class_of, colours, preprocessing, read_config
from stages.detector.crops import PICTURE, apply, cut, inverse, picture_matrix
from stages.detector.finder_net import FinderNet, boxes_of
from stages.detector.pose_net import normalised
from stages.detector.weights import load_into
from stages.tensorfile import read_tensors

_ENDING = "ForObjectDetection"
_LONGEST = 1333  # pixels, of those who name no other


class Look(NamedTuple):
    """boxes (N, 4) px of each picture; scores (N,); styles (N, 6) probabilities; figures (N, 32, 32) as in detect.Detections."""

    boxes: np.ndarray
    scores: np.ndarray
    styles: np.ndarray
    figures: np.ndarray


class Finder:
    """The network of finder_net.py, for pictures of any size."""

    def __init__(self, net: FinderNet, device: str):
        self.net, self.device = net.to(device), device

    @torch.inference_mode()
    def look(self, images: list[np.ndarray], batch: int) -> Look:
        """Where the figure is and how it is drawn. Batches are filled up, so that no picture's answer depends on the others."""
        matrices = [picture_matrix(*image.shape[:2]) for image in images]
        small = [cut(image, matrix, (PICTURE, PICTURE)) for image, matrix in zip(images, matrices, strict=True)]
        found = [self.net(normalised(part)) for part in batches(small, batch, self.device)]
        boxes = boxes_of(torch.cat([f.edges for f in found]))
        scores = torch.cat([f.there for f in found]).float().sigmoid()
        styles, figures = torch.cat([f.styles for f in found]).softmax(-1), torch.cat([f.figure for f in found]).sigmoid()
        pairs = zip(boxes.cpu().double().numpy(), matrices, strict=False)
        back = np.array([apply(inverse(matrix), box.reshape(2, 2)).ravel() for box, matrix in pairs])
        return Look(back, *(part[: len(images)].float().cpu().numpy() for part in (scores, styles, figures)))


def batches(pictures: list[np.ndarray], size: int, device: str) -> list[Tensor]:
    """Pictures of one shape as uint8 tensors (size, H, W, 3); the last is filled up with its first picture."""
    parts = [pictures[i : i + size] for i in range(0, len(pictures), size)]
    return [torch.from_numpy(np.stack(part + part[:1] * (size - len(part)))).to(device) for part in parts]


def read_finder(path: Path) -> FinderNet:
    """The network of a weights file, in single precision, for use."""
    net = FinderNet()
    load_into(net, read_tensors(path)[0], path)
    return net


class PersonFinder:
    """A pretrained detector; pictures go through it one by one, each in its own size. colours: mean and deviation to normalise by."""

    def __init__(self, net, person: int, size: dict, colours: tuple[Tensor, Tensor] | None, device: str):
        self.net, self.person, self.size, self.colours, self.device = net.to(device), person, size, colours, device

    @torch.inference_mode()
    def look(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """The box (4,) px of the likeliest person, and its score."""
        out = self.net(self._pixels(image))
        score, best = self._scores(out.logits[0].float()).max(0)
        cx, cy, width, height = out.pred_boxes[0, best].double().cpu().numpy() * np.tile(image.shape[1::-1], 2)
        return np.array([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]), float(score)

    def _scores(self, logits: Tensor) -> Tensor:
        """How sure each of (Q,) boxes holds a person. One class more than there are labels: the last says that there is nothing."""
        nothing = logits.shape[-1] > len(self.net.config.id2label)
        return (logits.softmax(-1) if nothing else logits.sigmoid())[:, self.person]

    def _pixels(self, image: np.ndarray) -> Tensor:
        """(1, 3, H, W) as the folder's preprocessor_config.json asks."""
        small = cv2.resize(image, _size(image.shape[:2], self.size)[::-1], interpolation=cv2.INTER_AREA)
        pixels = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        if self.colours:
            mean, std = self.colours
            pixels = (pixels - mean) / std
        return pixels.to(self.device)


def _size(shape: tuple[int, ...], asked: dict) -> tuple[int, int]:
    """(height, width) to resize to: as given, or by the shorter and the longest edge."""
    if "height" in asked:
        return int(asked["height"]), int(asked["width"])
    times = asked.get("shortest_edge", 640) / min(shape)
    times = min(times, asked.get("longest_edge", _LONGEST) / max(shape))
    return max(1, round(shape[0] * times)), max(1, round(shape[1] * times))


def read_person_finder(folder: Path, device: str) -> PersonFinder:
    """A folder with config.json and model.safetensors. Nothing is fetched and no code of the folder runs."""
    config = read_config(folder)
    if not class_of(config).endswith(_ENDING):
        raise UserError(f"{folder / CONFIG}: its class is {class_of(config) or 'not named'}; expected one that ends in {_ENDING}")
    try:
        net = AutoModelForObjectDetection.from_pretrained(folder, local_files_only=True, use_safetensors=True, trust_remote_code=False)
    except (OSError, SafetensorError, ValueError, RuntimeError, KeyError, ImportError) as e:
        raise UserError(f"{folder}: cannot load this {class_of(config)} from safetensors ({first_line(e)})") from None
    persons = [int(i) for i, label in net.config.id2label.items() if label == "person"]
    if not persons:
        raise UserError(f"{folder / CONFIG}: id2label has no 'person'")
    words = preprocessing(folder)
    normalised_by = colours(folder, words) if words.get("do_normalize", True) else None
    return PersonFinder(net.eval().requires_grad_(False), persons[0], _asked(folder, words), normalised_by, device)


def _asked(folder: Path, words: dict) -> dict:
    """`size` of a preprocessor_config.json; older files hold the shorter edge alone, and the longest in `max_size`."""
    size = words.get("size") or {}
    if isinstance(size, int):
        size = {"shortest_edge": size, "longest_edge": words.get("max_size", _LONGEST)}
    known = isinstance(size, dict) and all(isinstance(side, int | float) and 0 < side < np.inf for side in size.values())
    if not known or ("height" in size) != ("width" in size):
        raise UserError(f"{folder / PREPROCESSOR}: size: expected pixels or edges in pixels, got {size}")
    return size
