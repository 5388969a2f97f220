"""A pretrained ViTPose of `transformers`, which knows COCO's 17 points, read as the 16 joints of a drawing."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import VitPoseForPoseEstimation

from manifests.errors import UserError, first_line
from manifests.skeleton import JOINTS, other_side
from stages.detector.crops import HEIGHT, WIDTH
from stages.detector.eyes import Eyes, Reading, View
from stages.detector.heatmaps import COLUMNS, ROWS, decode, peaks

CONFIG, POSE_CLASS = "config.json", "VitPoseForPoseEstimation"
PREPROCESSOR = "preprocessor_config.json"
POINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
_SURE = 0.3  # an ear below this is not trusted
_STEP = (
    (WIDTH - 1) / (COLUMNS - 1),
    (HEIGHT - 1) / (ROWS - 1),
)  # px from cell to cell: these models lay the first and last cells on the border
_IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}


class CocoEyes(Eyes):
    """Neck and head are made of shoulders, ears and nose; toes are never seen."""

    padding, looks_again = 1.25, False  # as it was trained
    mirror = tuple(POINTS.index(other_side(name)) for name in POINTS)

    def __init__(self, net: VitPoseForPoseEstimation, mean: Tensor, std: Tensor):
        self.net, self.mean, self.std = net, mean, std

    def maps(self, crops: Tensor) -> View:
        """Heatmaps (B, 17, 64, 48), whose height is the confidence; of visibility nothing (B, 17, 0) is known."""
        pixels = crops.permute(0, 3, 1, 2).float() / 255
        pixels = (pixels - self.mean.to(pixels.device)) / self.std.to(pixels.device)
        maps = self.net(pixels, **self._experts(len(pixels))).heatmaps.float().clamp(min=0)
        return View(maps, maps.new_zeros((*maps.shape[:2], 0)))

    def joints(self, seen: View) -> Reading:
        """The 16 joints; one is as visible as it is sure, else outside."""
        maps = seen.maps
        cells, _ = decode(maps)
        row, column = peaks(maps)
        height = maps.flatten(2).gather(2, (row * COLUMNS + column)[..., None])[..., 0].clamp(0, 1)
        points = (cells - 0.5) * torch.tensor(_STEP, device=maps.device) + 0.5
        joints, sure = sixteen(points, height)
        return Reading(joints, sure, torch.stack([1 - sure, torch.zeros_like(sure), sure], -1))

    def _experts(self, count: int) -> dict[str, Tensor]:
        """ViTPose++ has an expert for each dataset; COCO's is the first."""
        if self.net.backbone.config.num_experts < 2:
            return {}
        return {"dataset_index": torch.zeros(count, dtype=torch.long, device=self.net.device)}


def sixteen(points: Tensor, sure: Tensor) -> tuple[Tensor, Tensor]:
    """Joints (B, 16, 2) and confidence (B, 16) of COCO points (B, 17, 2) and (B, 17)."""
    joints = points.new_zeros((len(points), len(JOINTS), 2))
    confidence = sure.new_zeros((len(points), len(JOINTS)))
    for i, name in enumerate(JOINTS):
        if name in POINTS:
            joints[:, i], confidence[:, i] = points[:, POINTS.index(name)], sure[:, POINTS.index(name)]
    joints[:, 1], confidence[:, 1] = _middle(points, sure, "shoulder")
    ears, heard = _middle(points, sure, "ear")
    trusted = heard >= _SURE
    joints[:, 0] = torch.where(trusted[:, None], ears, points[:, 0])
    confidence[:, 0] = torch.where(trusted, heard, sure[:, 0])
    for toe, ankle in ((14, 13), (15, 10)):
        joints[:, toe] = joints[:, ankle]
    return joints, confidence


def _middle(points: Tensor, sure: Tensor, part: str) -> tuple[Tensor, Tensor]:
    """Halfway between left and right, as sure as the less sure one."""
    left, right = POINTS.index(f"left_{part}"), POINTS.index(f"right_{part}")
    return (points[:, left] + points[:, right]) / 2, torch.minimum(sure[:, left], sure[:, right])


def read_config(folder: Path) -> dict:
    """config.json of a `transformers` folder."""
    return _mapping(folder / CONFIG)


def _mapping(path: Path) -> dict:
    try:
        words = json.loads(path.read_bytes())
    except OSError as e:
        raise UserError(f"{path}: cannot read it ({e.strerror}); expected a folder that transformers saved") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON") from None
    if not isinstance(words, dict):
        raise UserError(f"{path}: expected a mapping")
    return words


def class_of(config: dict) -> str:
    """The name of the class that a config belongs to; empty where it does not say."""
    named = config.get("architectures") or [config.get("_class_name")]
    return str(named[0] or "") if isinstance(named, list) and named else ""


def preprocessing(folder: Path) -> dict:
    """The folder's preprocessor_config.json, or nothing where there is none."""
    return _mapping(folder / PREPROCESSOR) if (folder / PREPROCESSOR).exists() else {}


def colours(folder: Path, words: dict) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1) of a preprocessor_config.json, ImageNet's where it names none."""
    mean, std = (_triple(folder, key, words.get(key, value)) for key, value in _IMAGENET.items())
    if std.min() <= 0:
        raise UserError(f"{folder / PREPROCESSOR}: image_std: expected numbers above 0, got {words['image_std']}")
    return mean, std


def _triple(folder: Path, key: str, value: object) -> Tensor:
    try:
        numbers = torch.tensor(value, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        numbers = torch.zeros(0)
    if numbers.shape != (3,) or not numbers.isfinite().all():
        raise UserError(f"{folder / PREPROCESSOR}: {key}: expected three finite numbers, got {str(value)[:60]}")
    return numbers.view(3, 1, 1)


def read_coco(folder: Path, device: str) -> CocoEyes:
    """A folder with config.json and model.safetensors. Nothing is fetched and no code of the folder runs."""
    config = read_config(folder)
    if class_of(config) != POSE_CLASS:
        raise UserError(f"{folder / CONFIG}: its class is {class_of(config) or 'not named'}; expected {POSE_CLASS}")
    try:
        net = VitPoseForPoseEstimation.from_pretrained(folder, local_files_only=True, use_safetensors=True, trust_remote_code=False)
    except (OSError, SafetensorError, ValueError, RuntimeError) as e:
        raise UserError(f"{folder}: cannot load this {POSE_CLASS} from safetensors ({first_line(e)})") from None
    side, points = list(net.backbone.config.image_size), net.config.num_labels
    if side != [HEIGHT, WIDTH] or points != len(POINTS):
        raise UserError(f"{folder / CONFIG}: {points} points at {side} px; expected COCO's {len(POINTS)} at [{HEIGHT}, {WIDTH}]")
    net.to(device).eval().requires_grad_(False)  # type: ignore[arg-type]
    return CocoEyes(net, *colours(folder, preprocessing(folder)))
