"""What a network of the detector makes of held-out drawings."""

import numpy as np
import torch

from stages.detector.decoys import held_out
from stages.detector.drawings import Drawings
from stages.detector.eyes import OwnEyes
from stages.detector.finder_net import FinderNet, boxes_of
from stages.detector.loader import plain_crops, plain_pictures
from stages.detector.metrics import overlap, pck
from stages.detector.pose_net import PoseNet, normalised

_LOOK = 50  # drawings at a time
_DECOYS = 150  # held-out pictures of nobody, beside them


@torch.inference_mode()
def judge_finder(net: FinderNet, held: Drawings, device: str) -> dict[str, float]:
    """Median overlap of the boxes, share of right styles, share of figures and of decoys that are called what they are."""
    shares, right, there = [], [], []
    for batch in plain_pictures(held, _LOOK):
        found = net(normalised(batch.images.to(device)))
        shares.append(torch.from_numpy(overlap(boxes_of(found.edges).cpu().numpy(), batch.boxes.numpy())))
        right.append(found.styles.argmax(-1).cpu() == batch.styles)
        there.append(found.there.cpu() > 0)
    decoys = net(normalised(torch.from_numpy(np.stack(held_out(_DECOYS))).to(device))).there.cpu() <= 0
    named = {"style_accuracy": right, "figures_there": there, "decoys_refused": [decoys]}
    return {"box_iou": torch.cat(shares).median().item()} | {name: torch.cat(all_).float().mean().item() for name, all_ in named.items()}


@torch.inference_mode()
def judge_pose(net: PoseNet, held: Drawings, device: str) -> dict[str, float]:
    """PCK of visible and of all joints in the picture, and share of right visibilities, in crops of the true boxes."""
    eyes, parts = OwnEyes(net), []
    for batch in plain_crops(held, _LOOK):
        reading = eyes.joints(eyes.see(batch.images.to(device), flip=False))
        parts.append((reading.joints.cpu(), batch.joints, batch.visibility, reading.visibility.argmax(-1).cpu() == batch.visibility))
    found, true, visibility, right = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return {"pck": pck(found, true, visibility), "pck_inside": pck(found, true, visibility, 1), "visibility": float(right.mean())}
