"""Captions by BLIP-2, for users who have its weights: what the model sees in a rendering of the pose."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from manifests.errors import UserError, first_line
from stages.body.model import BodyModel
from stages.body.shading import picture_of_pose

_PROMPT = "a figure"
_LONGEST = 24  # tokens


class Captioner:
    """A BLIP-2 folder in the format of `transformers`: config, processor files and safetensors weights. No network."""

    def __init__(self, folder: Path, body: BodyModel):
        self._body = body
        try:
            self._processor = Blip2Processor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            self._model = Blip2ForConditionalGeneration.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
            ).eval()
        except (OSError, ValueError, KeyError) as e:
            raise UserError(f"{folder}: not a BLIP-2 folder that can be read ({first_line(e, 120)})") from None

    def improve(self, motion: list[str], poses: np.ndarray) -> list[str]:
        """Captions of poses (N, 24, 3); where the model says nothing, the rules' words stay."""
        return [self._caption(pose) or text for text, pose in zip(motion, poses, strict=True)]

    @torch.no_grad()
    def _caption(self, pose: np.ndarray) -> str:
        """One at a time and without sampling: the words depend on the pose alone."""
        picture = Image.fromarray(picture_of_pose(self._body, pose, np.zeros(10), size=224))
        inputs = self._processor(images=picture, text=_PROMPT, return_tensors="pt")
        tokens = self._model.generate(**inputs, max_new_tokens=_LONGEST, do_sample=False, num_beams=1)
        said = " ".join(self._processor.batch_decode(tokens, skip_special_tokens=True)[0].split())
        return said if not said or said.startswith(_PROMPT) else f"{_PROMPT} {said}"
