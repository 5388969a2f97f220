"""Prompts as embeddings, by the pipeline's own text encoders; each is encoded once and kept for a while."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

_KEPT = 512  # embeddings kept, on the CPU
Row = tuple[Tensor, Tensor | None]


class Prompts:
    """Encodes for one pipeline, SD 1.x or SDXL, in batches of one size: an embedding depends on its own prompt alone."""

    def __init__(self, pipeline: Any, batch: int):
        self.pipeline, self.batch = pipeline, batch
        self.has_pooled = hasattr(pipeline, "text_encoder_2")
        self._known: OrderedDict[str, Row] = OrderedDict()
        self._none: Row | None = None

    def embed(self, prompts: list[str], guided: bool) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Embeddings (B, T, D), and SDXL's pooled ones; guided: twice as many, those of no prompt first."""
        self._learn(sorted(set(prompts) - self._known.keys()))
        rows = [self._known[prompt] for prompt in prompts]
        rows = [self._blind()] * len(rows) + rows if guided else rows
        while len(self._known) > max(_KEPT, self.batch):
            self._known.popitem(last=False)
        unet = self.pipeline.unet
        words = torch.stack([row[0] for row in rows]).to(unet.device, unet.dtype)
        if not self.has_pooled:
            return words, None
        return words, {"text_embeds": torch.stack([row[1] for row in rows if row[1] is not None]).to(unet.device, unet.dtype)}

    def forget(self) -> None:
        """Drop all embeddings: the text encoder has changed."""
        self._known.clear()
        self._none = None

    def _learn(self, prompts: list[str]) -> None:
        for first in range(0, len(prompts), self.batch):
            chosen = prompts[first : first + self.batch]
            padded = chosen + [""] * (self.batch - len(chosen))
            words, _, pooled = self._encoded(padded, guided=False)
            for i, prompt in enumerate(chosen):
                self._known[prompt] = _row(words[i], pooled if pooled is None else pooled[i])

    def _blind(self) -> Row:
        """What guidance leads away from."""
        if self._none is None:
            _, (words, pooled), _ = self._encoded([""], guided=True)
            self._none = _row(words[0], pooled if pooled is None else pooled[0])
        return self._none

    def _encoded(self, prompts: list[str], guided: bool):
        device = self.pipeline.unet.device
        out = self.pipeline.encode_prompt(prompt=prompts, device=device, num_images_per_prompt=1, do_classifier_free_guidance=guided)
        pooled, blind = (out[2], out[3]) if self.has_pooled else (None, None)
        return out[0], (out[1], blind), pooled


def _row(words: Tensor, pooled: Tensor | None) -> Row:
    return words.cpu(), None if pooled is None else pooled.cpu()
