"""Everything that decides a training, in one place: profiles.yaml, read and checked here."""

from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from manifests.errors import UserError
from manifests.recipe import Count, Section, Share, Weight
from manifests.recipe_files import parse_value

Rate = Annotated[float, Field(gt=0, le=1)]
Widths = tuple[Count, ...]


class Networks(Section):
    """Sizes of the four networks. A U-Net level halves the latent, a VAE level but the first halves the picture."""

    size: Annotated[int, Field(ge=32, le=1024, multiple_of=16)] = Field(description="side of the picture in pixels")
    latent_channels: Count
    vae: Widths = Field(description="channels of each level, full resolution first: narrow there, it costs most")
    vae_groups: Count
    unet: Widths
    unet_layers: Count
    heads: Count
    groups: Count
    condition: Widths = Field(description="channels of the condition's path to the latent; as many levels as the VAE")
    text_width: Count
    text_layers: Count
    text_heads: Count
    tokens: Annotated[int, Field(ge=8, le=77)] = Field(description="most tokens of a prompt")

    @model_validator(mode="after")
    def _fits_together(self) -> "Networks":
        if len(self.condition) != len(self.vae):
            raise ValueError(f"condition has {len(self.condition)} levels and vae {len(self.vae)}: they must be as many")
        for name, parts, widths in (
            ("vae_groups", self.vae_groups, self.vae), ("groups", self.groups, self.unet), ("heads", self.heads, self.unet),
            ("text_heads", self.text_heads, (self.text_width,)),
        ):  # fmt: skip
            if odd := [width for width in widths if width % parts]:
                raise ValueError(f"{name} {parts} does not divide the width {odd[0]}")
        if self.size % (whole := 2 ** (len(self.vae) + len(self.unet) - 2)):
            raise ValueError(f"size {self.size} is not a multiple of {whole}, which the levels of vae and unet halve it to")
        return self


class Stretch(Section):
    """One stage of the training. samples: pictures shown in all. Checkpoints and grids: every so many steps."""

    samples: Count
    batch: Count
    rate: Rate
    warmup: Count = 200
    ema: Share = 0.999
    weight_decay: Weight = 0.01
    clip: Weight = 1.0
    checkpoint_every: Count = 250
    grid_every: Count = 1000

    @property
    def steps(self) -> int:
        """All of them."""
        return -(-self.samples // self.batch)

    def decisive(self) -> dict:
        """The fields that decide the weights, as JSON; which parts learn follows from the model as well, so a job tells it."""
        return self.model_dump(mode="json", exclude={"parts", "checkpoint_every", "grid_every"})


class VaeStretch(Stretch):
    """Weights of the losses: L1, gradients at three scales, extra weight of lines, mean colours, KL; adversary 0 leaves it out."""

    crop: Annotated[int, Field(ge=16, multiple_of=16)] | None = Field(None, description="pixels a side that are shown; null: all")
    whole_from: Share = Field(0.9, description="share of the training after which whole pictures are shown, as in use")

    edges: Weight = 1.0
    lines: Weight = 4.0
    tone: Weight = 4.0
    kl: Weight = 1e-5
    adversary: Weight = 0.0
    adversary_from: Share = Field(0.5, description="share of the training after which the discriminator joins")


class UnetStretch(Stretch):
    """Dropouts are shares of samples. snr_gamma: min-SNR weighting, 0 for none; floor: least weight at more noise than that: a pose is
    decided there. parts: what learns; null: all of a new model, of one that is fine-tuned the ControlNet."""

    parts: tuple[Literal["unet", "controlnet", "text_encoder"], ...] | None = None
    drop_text: Share = 0.1
    drop_looks: Share = Field(0.1, description="prompts that keep the style alone")
    drop_parts: Share = Field(0.2, description="samples without the part map: the skeleton-only setting")
    snr_gamma: Weight = 5.0
    floor: Share = 0.6
    figure: Weight = Field(2.0, description="so much more weighs a cell of the figure than one of the paper")


class DistillStretch(Stretch):
    """The student takes `passes` steps, without guidance; the teacher `substeps` guided ones for each of them."""

    passes: Annotated[int, Field(ge=1, le=50)] = 8
    substeps: Count = 2
    guidance: Weight = Field(2.0, description="how far the teacher leads away from what it was early on; 1: not at all")
    drop_parts: Share = 0.2


class Profile(Section):
    """A whole training. pictures: drawings in the library; held: of the val split, for judging; dtype: of autocast."""

    seed: Annotated[int, Field(ge=0)] = 11
    pictures: Count
    held: Count
    each: Count = Field(10, description="drawings of each style in a chunk of the library")
    threads: Count = 2
    workers: Annotated[int, Field(ge=0)] = 0
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    dtype: Annotated[str, Field(pattern="^(float32|bfloat16)$")] = "bfloat16"
    networks: Networks
    vae: VaeStretch
    unet: UnetStretch
    distill: DistillStretch

    @model_validator(mode="after")
    def _shows_what_there_is(self) -> "Profile":
        if self.vae.crop and self.vae.crop > self.networks.size:
            raise ValueError(f"vae.crop {self.vae.crop} is more than networks.size {self.networks.size}")
        return self


def profile_names() -> list[str]:
    """Names of the bundled profiles."""
    return list(_bundled())


def load_profile(name: str, overrides: list[str] | None = None) -> Profile:
    """A bundled profile, with `key.key=value` overrides. Raises UserError with one sentence."""
    known = _bundled()
    if name not in known:
        raise UserError(f"PROFILE={name}: expected one of {', '.join(known)}")
    data = known[name]
    for item in overrides or []:
        _override(data, item)
    try:
        return Profile.model_validate(data)
    except ValidationError as e:
        first = e.errors()[0]
        where = [f"profile {name}", *([".".join(map(str, first["loc"]))] if first["loc"] else [])]
        raise UserError(": ".join([*where, first["msg"].removeprefix("Value error, ")])) from None


def _bundled() -> dict[str, dict]:
    return yaml.safe_load((resources.files("stages.sketches.generator") / "profiles.yaml").read_text("utf-8"))


def _override(data: Any, item: str) -> None:
    key, eq, value = item.partition("=")
    *parents, leaf = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {}) if isinstance(data, dict) else None  # a new section is one that nobody knows
    if not eq or not isinstance(data, dict):
        raise UserError(f"--set {item}: expected key=value, as in unet.samples=1000")
    data[leaf] = parse_value(item, value)
