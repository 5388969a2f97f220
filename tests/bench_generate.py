"""Drawing by the sketches stage against the script that a user would write: `make bench-generate`; the last line is one JSON object.

The script: the diffusers pipeline, one picture at a time, 50 steps, guidance 7.5, PNG by PIL. Same checkpoint, same rows, one run;
then both with 8 steps and without guidance. In turns, so that a busy machine slows both.
"""

import argparse
import io
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import torch
from diffusers import StableDiffusionControlNetPipeline

from manifests.errors import command
from manifests.recipe import Diffusion
from manifests.sample import prompt_of
from manifests.schema import rows_of
from manifests.skeleton import STYLES
from stages.quiet import hush
from stages.sketches.generator.build import build_pipeline, save_folder
from stages.sketches.generator.conditions import shares
from stages.sketches.generator.config import load_profile
from stages.sketches.generator.easel import Easel, held_out
from stages.sketches.generator.evaluate import recipe_for
from stages.sketches.generator.words import phrases
from tests.timing import Clock, seconds

STEPS, GUIDANCE = 50, 7.5  # what such scripts ask for
FEW = 8
DTYPE = {"cpu": torch.float32, "cuda": torch.float16}  # what the script loads the model in: diffusers' default, and its advice for GPUs


def script(pipeline: Any, easel: Easel, table: pa.Table, steps: int, guidance: float) -> None:
    """A picture after the other; the conditions come from the same code as the stage's."""
    for row in rows_of(table):
        condition = shares(torch.from_numpy(easel.stage.artist.condition(row)))[None]
        prompt = prompt_of(row["style"], row["appearance"], row["motion"])
        noise = torch.Generator().manual_seed(1)
        picture = pipeline(prompt, image=condition, num_inference_steps=steps, guidance_scale=guidance, generator=noise).images[0]
        picture.save(io.BytesIO(), "PNG")


def measure(model: Path, batches: int, diffusion: Diffusion) -> dict[str, float]:
    """The figures of one model. The script draws one picture for each batch of the stage."""
    recipe, batch = recipe_for(diffusion), diffusion.batch
    recipe = recipe.model_copy(update={"sketches": recipe.sketches.model_copy(update={"image_format": "png"})})
    easel = Easel(recipe, diffusion)
    table = held_out(recipe, -(-batch * batches // len(STYLES))).slice(0, batch * batches)
    usual, same = (_opened(model, dtype, diffusion.device) for dtype in (DTYPE[diffusion.device], getattr(torch, diffusion.dtype)))
    tries = {"script": (usual, STEPS, GUIDANCE), "few": (usual, FEW, 1.0), "few_same": (same, FEW, 1.0)}
    easel.draw(table.slice(0, 1))  # the first time is slower, of each
    for pipeline, _, guidance in tries.values():
        script(pipeline, easel, table.slice(0, 1), 1, guidance)
    taken: dict[str, list[float]] = {name: [] for name in (*tries, "stage")}
    for first in range(0, len(table), batch):
        taken["stage"].append(seconds(partial(easel.draw, table.slice(first, batch))) / batch)
        for name, (pipeline, steps, guidance) in tries.items():
            taken[name].append(seconds(partial(script, pipeline, easel, table.slice(first, 1), steps, guidance)))
    usual_time = {name: float(np.median(values)) for name, values in taken.items()}
    speedup = {name: usual_time[name] / usual_time["stage"] for name in tries}
    return {
        "speedup": speedup["script"], "speedup_equal_steps": speedup["few"], "speedup_equal_steps_and_dtype": speedup["few_same"],
        "network_share": share(easel, table, diffusion.device), "images_per_s": 1 / usual_time["stage"],
    }  # fmt: skip


def share(easel: Easel, table: pa.Table, device: str) -> float:
    """Share of the stage's wall time inside the networks."""
    painter, clock = easel.stage.artist.painter, Clock(device)
    for owner, name in (painter, "_pass"), (painter, "_control"), (painter, "_decode"), (painter._embed, "forward"):
        clock.watch("networks", owner, name)
    clock.watch("networks", painter.pipeline, "encode_prompt")
    taken = seconds(partial(easel.draw, table, 1))  # other prompts than before: none is known
    return clock.spent["networks"] / taken


def _opened(model: Path, dtype: torch.dtype, device: str) -> Any:
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(model, dtype=dtype, local_files_only=True).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def random_model(folder: Path) -> Path:
    """A model of the cpu profile's sizes with random weights: the time does not depend on their values."""
    profile = load_profile("cpu")
    save_folder(build_pipeline(profile.networks, phrases(), profile.seed), folder, {"size": profile.networks.size})
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a generator; default: random weights of the cpu profile's sizes")
    parser.add_argument("--batches", type=int, default=10, help="batches of the stage; the script draws a picture for each")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="bfloat16", help="of the stage")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    hush()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if args.model is None:
            print("random weights of the cpu profile's sizes; name a model by --model")
        model = args.model or random_model(Path(folder) / "model")
        options = {"dtype": args.dtype, "device": args.device, "batch": args.batch}
        result = measure(model, args.batches, Diffusion(model=model, steps=FEW, guidance=1, **options))
    print(f"script: one picture at a time, {DTYPE[args.device]}; stage: batches of {args.batch}, {args.dtype}, {args.threads} threads")
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    command(main)
