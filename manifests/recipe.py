"""A recipe: everything that decides what a dataset contains, checked before anything runs."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Style = Literal["cartoon", "oil", "ink", "charcoal", "stick", "kids"]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Fill = Annotated[float, Field(ge=0.1, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Count = Annotated[int, Field(ge=1)]
StageName = Literal["poses", "projections", "sketches", "filter", "select", "shards", "index"]


def _not_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("expected a path")  # an empty one would be the folder that somebody stands in
    return value


def _whole_start(value: str) -> str:
    return value if value in ("", "bundled") else str(Path(value).absolute())


# Whole from the start: a run is gone on with, and a model loaded, from any folder.
GivenPath = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(Path.absolute)]
# A field that plans how much is made; it changes no sample, so no fingerprint of a partition covers it.
PLAN_ONLY: dict[str, Any] = {"plan_only": True}


class Section(BaseModel):
    """Base of every part of a recipe: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


class Body(Section):
    """The body model. `path`: an SMPL, SMPL-H or SMPL-X file, .npz or official .pkl; null is the bundled CC0 body."""

    path: GivenPath | None = Field(None, json_schema_extra={"content": True})


class Split(Section):
    """How many sources are held out; decided by a hash of the source id before anything is sampled."""

    val: Share = 0.1


class Val(Section):
    """The samples that are held out. `per_style`: so many of `poses.count` in each style, no more and no fewer; null: what comes."""

    per_style: Count | None = None


class _Source(Section):
    weight: Weight = Field(1, description="how often poses come from here, against the other sources")


class _Clips(_Source):
    """Recordings."""

    path: GivenPath = Field(json_schema_extra={"content": True}, description="a file, or a folder that is searched for files")
    rate: Annotated[float, Field(gt=0, le=1000)] = Field(10, description="frames a second that stand for a recording")
    mirror: bool = Field(True, description="half of the poses as a mirror shows them")


class LimitsSource(_Source):
    """Stances and gestures within the limits of human joints."""

    kind: Literal["limits"] = "limits"


class PriorSource(_Source):
    """A learned prior. `path`: weights from `make train-prior`; null is the bundled one."""

    kind: Literal["prior"] = "prior"
    path: GivenPath | None = Field(None, json_schema_extra={"content": True})
    widen: Share = Field(0.4, description="share of poses that leave the data: limbs of two poses, or farther out in the latent space")


class BvhSource(_Clips):
    """`.bvh` files. `names`: a YAML map of joint names; null tries the bundled ones."""

    kind: Literal["bvh"]
    names: GivenPath | None = Field(None, json_schema_extra={"content": True})
    up: Literal["auto", "y", "z"] = Field("auto", description="auto: how trunks are held on the whole")


class DeepMimicSource(_Clips):
    """`.txt` movements of DeepMimic's humanoid."""

    kind: Literal["deepmimic"]


Gender = Literal["female", "male", "neutral", "unknown"]


class AmassSource(_Clips):
    """AMASS `.npz` files. `betas`: the dataset's bodies are drawn, or those of the clips (for SMPL body files)."""

    kind: Literal["amass"]
    genders: tuple[Gender, ...] = get_args(Gender)
    betas: Literal["drawn", "clip"] = "drawn"
    up: Literal["auto", "y", "z"] = Field("auto", description="auto: how trunks are held on the whole; in doubt z")


ClipSource = BvhSource | DeepMimicSource | AmassSource
Source = Annotated[LimitsSource | PriorSource | ClipSource, Field(discriminator="kind")]


class Poses(Section):
    """How many samples the dataset shall hold and where poses come from."""

    count: Count = Field(json_schema_extra=PLAN_ONLY, description="samples of the finished dataset")
    oversample: Annotated[float, Field(ge=1)] = Field(
        1.15, json_schema_extra=PLAN_ONLY, description="samples that are planned for each that is wanted, since some are rejected"
    )
    sources: tuple[Source, ...] = (LimitsSource(weight=1), PriorSource(weight=2))
    captioner: GivenPath | None = Field(None, json_schema_extra={"content": True}, description="folder of a BLIP-2 model; null: rules")
    facing_deg: Degrees = Field(35, description="standard deviation of the turn away from the viewer")
    back_share: Share = Field(0.08, description="share of figures seen from any side, back included")
    lean_deg: Annotated[float, Field(ge=0, le=60)] = Field(6, description="standard deviation of the lean of the whole body")


class Projections(Section):
    """Proportions, camera and picture size."""

    size: Literal[128, 256, 512] = Field(256, description="pixels of a picture's side")
    bone_spread: Annotated[float, Field(ge=0, le=0.6)] = Field(0.12, description="sd of the log of each bone's factor")
    proportions: dict[Literal["realistic", "heroic", "chibi", "child", "long"], Weight] = {
        "realistic": 5, "heroic": 1, "chibi": 1, "child": 1, "long": 2,
    }  # fmt: skip
    elevation_deg: Annotated[float, Field(ge=0, le=60)] = Field(8, description="standard deviation of the view from above")
    high_share: Share = Field(0.08, description="share of views from 20 to 55 degrees above or below")
    fov_deg: tuple[Annotated[float, Field(gt=0, lt=120)], Annotated[float, Field(gt=0, lt=120)]] = Field(
        (12, 45), description="field of view, least and most"
    )
    weak_share: Share = Field(0.15, description="share of cameras so far away that they are weak-perspective; the others draw fov_deg")
    fill: tuple[Fill, Fill] = Field((0.6, 0.92), description="share of the picture's side that the figure spans")
    crop_share: Share = Field(0.05, description="share of figures that the picture's border cuts")
    penetration_m: Annotated[float, Field(gt=0)] = Field(0.09, description="a body that passes deeper through itself is rejected")


class Diffusion(Section):
    """The model that draws, an SD 1.x or SDXL with ControlNet, and how. With neither `model` nor `hub`: the bundled generator."""

    model: GivenPath | None = Field(None, json_schema_extra={"content": True}, description="a folder as diffusers saves it")
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = Field(None, description="id on the hub, owner/name")
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = Field(None, description="the commit of `hub`")
    online: bool = Field(False, json_schema_extra=PLAN_ONLY, description="the hub may be asked; else it must lie in the local cache")
    controlnet: GivenPath | None = Field(None, json_schema_extra={"content": True}, description="for a model that brings none")
    tiny_vae: GivenPath | None = Field(None, json_schema_extra={"content": True}, description="an AutoencoderTiny to decode with")
    condition: Literal["full", "skeleton"] = Field("full", description="skeleton: the pose map alone")
    colours: Literal["skep", "openpose"] = Field("skep", description="of the pose map: those that the model has learnt")
    steps: Count | None = Field(None, description="network passes a picture; null: what the model says, else 20")
    guidance: Annotated[float, Field(ge=1, le=30)] | None = Field(None, description="1 is none; null: what the model says, else 7.5")
    batch: Annotated[int, Field(ge=1, le=1024)] = Field(8, description="pictures at once; halved where memory runs out")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="bfloat16: fast where `skep doctor` says so")
    device: Literal["cpu", "cuda"] = "cpu"
    compile: bool = Field(False, description="torch.compile of U-Net, ControlNet and decoder; minutes at the start, for GPUs")

    @model_validator(mode="after")
    def _sensible(self):
        if self.model and self.hub:
            raise ValueError("model and hub exclude each other")
        if self.hub and not self.revision:
            raise ValueError("hub needs a revision, the 40 digits of a commit: a name alone may mean another model tomorrow")
        return self


class Sketches(Section):
    """What draws the pictures: the renderer, a diffusion model, or each of them a share."""

    source: Literal["renderer", "diffusion", "mix"] = "diffusion"
    rendered_share: Share = Field(0.5, description="of a mix, the share that the renderer draws")
    diffusion: Diffusion = Diffusion()
    image_format: Literal["png", "jpg"] = "png"


class Ink(Section):
    """Bounds of the share of pixels that differ from the paper."""

    least: Share = 0.004
    most: Share = 0.98
    border: Share = Field(0.6, description="most of a side (left, right, top) that ink may cover on plain paper")


class Check(Section):
    """One check of the filter. `least`: the score below which it rejects; null: as calibrated for the style."""

    on: bool = True
    least: Share | None = None


class PoseCheck(Check):
    """The labels against the joints that are read back: `least` bounds the OKS, `least_pck` the share of joints that agree."""

    least_pck: Share | None = None


class Filter(Section):
    """Which sketches are thrown away. `detector`, `calibration`: a folder of weights and the thresholds for them; null: bundled."""

    ink: Ink = Ink()
    pose: PoseCheck = PoseCheck()
    limbs: Check = Check()
    box: Check = Check()
    figures: Check = Check()
    style: Check = Check()
    detector: GivenPath | None = Field(None, json_schema_extra={"content": True})
    calibration: GivenPath | None = Field(None, json_schema_extra={"content": True})
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="of reading joints; bfloat16: fast where `skep doctor` says so")


class Duplicates(Section):
    """What counts as the same again: pictures as near as both bounds say. `on` also keeps a pose on one side of the split."""

    on: bool = True
    hash_bits: Annotated[int, Field(ge=0, le=7)] = Field(6, description="most bits of 64 in which the hashes of two pictures differ")
    picture: Share = Field(0.15, description="most that two pictures differ as thumbnails; 1 is nothing in common")


class Select(Section):
    """Duplicates, counts, rounds. A style that is short gets further partitions, `rounds` times at most."""

    duplicates: Duplicates = Duplicates()
    rounds: Annotated[int, Field(ge=0, le=20)] = 3


class Shards(Section):
    """How kept samples are packed: a shard is closed at so many samples, or before it would be larger than so many megabytes."""

    samples: Count = 1000
    megabytes: Annotated[float, Field(gt=0)] = 300


class Card(Section):
    """What the dataset's card says beside what the run knows. `licence`: an SPDX id or a sentence; null: CC0-1.0 where everything
    comes from bundled parts, else a sentence that names what was brought in."""

    title: str = ""
    licence: str | None = None
    creators: tuple[str, ...] = ()
    url: str = Field("", description="where the dataset is published")
    published: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = Field("", description="the day, as in 2026-01-31")


class Estimator(Section):
    """A model of sketches, trained on the shards."""

    model: str = Field("pose2pose", description="pose2pose, lifter, sketch2pose, or the baseline global")
    start: Annotated[str, AfterValidator(_whole_start)] = Field(
        "", description="folder of a finished training to go on from, or `bundled`; empty: random weights"
    )
    size: Literal[64, 96, 128, 192, 256] = Field(128, description="pixels of the side of what it looks at")
    width: Annotated[int, Field(ge=8, le=256, multiple_of=8)] = Field(32, description="channels of its first layer, a multiple of 8")
    groups: Literal[1, 2, 4, 8] = Field(1, description="of each norm; one is fastest on a CPU")
    steps: Count = Field(600, description="of training")
    batch: Count = Field(16, description="samples a step, over all ranks")
    lr: Annotated[float, Field(gt=0, le=1)] = Field(2e-3, description="greatest learning rate")
    ema: Share = Field(0.99, description="of the averaged weights, which are what is kept")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="of the backbone's arithmetic in training")
    losses: Literal["skep", "paper"] = Field("skep", description="paper: the four of Sketch2PoseNet in place of ours")
    weights: dict[str, Weight] = Field({}, description="weights of losses that differ from the preset's; 0 leaves a loss out")
    checkpoint_every: Count = Field(100, description="steps")
    workers: Annotated[int, Field(ge=0)] = Field(0, description="processes that read and augment samples")
    styles: tuple[Style, ...] = Field(get_args(Style), description="styles to learn from")
    samples: Count | None = Field(None, description="learn from the first so many; null: from all")
    without: tuple[Literal["pooling", "features", "generator"], ...] = Field((), description="parts left out, to see what they are worth")
    generator: GivenPath | None = Field(None, description="of sketch2pose: folder of the frozen generator; null: the bundled one")
    detector: GivenPath | None = Field(None, description="of sketch2pose and lifter: folder of the detector; null: the bundled one")
    codes: GivenPath | None = Field(None, description="of sketch2pose: file of `make train-codes`; null: the bundled one")

    @model_validator(mode="after")
    def _norms_have_whole_groups(self) -> "Estimator":
        if self.width // 2 % self.groups:
            raise ValueError(f"width {self.width} with {self.groups} groups: half of the width must be a multiple of the groups")
        return self


class Run(Section):
    """How the run is carried out. Nothing here reaches the data or a fingerprint."""

    workers: Annotated[int, Field(ge=0)] = Field(
        2, description="processes; 0 runs in the launcher itself; a cluster that is joined decides"
    )
    device: Literal["cuda", "auto", "cpu"] = Field("cuda", description="of stages that want a GPU; auto: cpu where there is none")
    recycle_after: Count = Field(1000, description="units after which a cluster's worker that holds a model is replaced")
    timeout_s: Annotated[float, Field(gt=0)] = Field(300, description="longest time one call of a stage may take")
    timeout_per_sample_s: Annotated[float, Field(ge=0)] = Field(10, description="and so much more for each of its samples")
    failed_ceiling: Share = Field(0.01, description="share of samples that may fail before the run stops")
    log_level: Literal["debug", "info", "warning"] = Field("info", description="warning: no progress; debug: a line a unit")


class Plan(Section):
    """What `skep plan` reckons with until a run has measured its own: seconds of a core, with the bundled generator."""

    seconds_per_sample: dict[StageName, Weight] = {
        "poses": 0.0003, "projections": 0.008, "sketches": 0.47, "filter": 0.18, "select": 0.0002, "shards": 0.002, "index": 0.03,
    }  # fmt: skip
    bytes_per_sample: Count | None = Field(None, description="of the dataset; none: by the pictures' size and format")


class Recipe(Section):
    """A whole recipe. Source: manifests/recipes/*.yaml."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = Field(description="the dataset's")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="of everything random")
    styles: tuple[Style, ...] = Field(get_args(Style), description="samples are shared out among them")
    partition_size: Annotated[int, Field(ge=1, le=100_000)] = Field(1000, description="samples that are committed and redone together")
    body: Body = Body()
    split: Split = Split()
    val: Val = Val()
    poses: Poses
    projections: Projections = Projections()
    sketches: Sketches = Sketches()
    filter: Filter = Filter()
    select: Select = Select()
    shards: Shards = Shards()
    card: Card = Card()
    estimator: Estimator = Estimator()
    run: Run = Run()
    plan: Plan = Plan()

    @model_validator(mode="after")
    def _sensible(self):
        if len(set(self.styles)) != len(self.styles) or not self.styles:
            raise ValueError("styles: expected at least one style, each once")
        if self.poses.count < len(self.styles):
            raise ValueError(f"poses.count: expected at least one sample a style, {len(self.styles)}")
        for name, (low, high) in (("projections.fov_deg", self.projections.fov_deg), ("projections.fill", self.projections.fill)):
            if low > high:
                raise ValueError(f"{name}: expected [low, high]")
        if not any(source.weight for source in self.poses.sources):
            raise ValueError("poses.sources: expected a source with a weight above zero")
        if not any(self.projections.proportions.values()):
            raise ValueError("projections.proportions: expected a weight above zero")
        if self.filter.ink.least >= self.filter.ink.most:
            raise ValueError("filter.ink: expected least < most")
        return self

    @model_validator(mode="after")
    def _both_sides_can_be_filled(self):
        held_out, each = self.val.per_style, self.poses.count // len(self.styles)
        if held_out is None:
            return self
        if held_out > each:
            raise ValueError(f"val.per_style: expected at most {each}, the samples of a style")
        if self.split.val == 0 or (self.split.val == 1 and held_out * len(self.styles) < self.poses.count):
            raise ValueError("split.val: expected 0 < split.val < 1, so that sources of both sides come in for val.per_style")
        return self


def share_out(count: int, styles: tuple[str, ...]) -> dict[str, int]:
    """How many of `count` samples each style gets; the first styles take the remainder."""
    each, over = divmod(count, len(styles))
    return {style: each + (i < over) for i, style in enumerate(styles)}
