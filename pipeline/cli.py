"""`skep`: every command, each importing what it needs only when it is called."""

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from manifests.errors import UserError
from manifests.recipe_files import load_recipe

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

RecipeName = Annotated[str, typer.Argument(help="a bundled recipe's name or a YAML file")]
RunFolder = Annotated[str, typer.Option("--run", help="run folder or fsspec URL; runs/<recipe name> if not given")]
GivenData = Annotated[str, typer.Argument(help="folder or fsspec URL of a run or a dataset")]
TrainedRun = Annotated[str, typer.Argument(help="run folder, on a disk")]
GivenRun = Annotated[str, typer.Argument(help="run folder or fsspec URL")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="change one key of the recipe: --set poses.count=300")]
OtherRecipe = Annotated[str, typer.Option("--recipe", help="compare with this recipe; else with the one that was run")]


@app.command()
def run(
    recipe: RecipeName = "demo",
    folder: RunFolder = "",
    overrides: Overrides = None,
    until: Annotated[str, typer.Option(help="stop after this stage")] = "",
    executor: Annotated[str, typer.Option(help="where to work: local, or ray")] = "local",
    ray_address: Annotated[str, typer.Option(help="Ray cluster to join (auto, or host:port); without it one is started here")] = "",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="try quarantined samples again")] = False,
) -> None:
    """Make the dataset of a recipe, or whatever part of it is missing or stale."""
    from pipeline.executors.choose import Where
    from pipeline.run import run as run_recipe

    where = Where.of(executor, ray_address)
    loaded = load_recipe(recipe, overrides)
    url = folder or f"runs/{loaded.name}"
    _spare(recipe, url)
    summary = run_recipe(loaded, url, until=until or None, retry_failed=retry_failed, where=where)
    print(f"{url}: " + (f"{summary.units} units made" if summary.units else "nothing to do, all is done"))
    if summary.outcomes:
        print(f"{url}: {sum(summary.outcomes.values())} samples planned = " + _sum_of(summary.outcomes))
    for reason, count in summary.rejected.items():
        print(f"  rejected {count:6}  {reason}")


def _spare(recipe: str, url: str) -> None:
    """Raises UserError where a new run would write its recipe over the user's own."""
    from pipeline.store import RECIPE_FILE

    own = Path(url) / RECIPE_FILE
    if Path(recipe).exists() and own.exists() and own.samefile(recipe) and not (own.parent / "events").exists():
        raise UserError(f"{recipe}: the run would write the recipe that it freezes over it; give --run a folder of its own")


@app.command()
def plan(recipe: RecipeName = "demo", folder: RunFolder = "", overrides: Overrides = None) -> None:
    """Say what a recipe will take and what would be redone, without doing it."""
    from pipeline.cost import cost
    from pipeline.plan import Pipeline
    from pipeline.store import Store

    loaded = load_recipe(recipe, overrides)
    store = Store(folder or f"runs/{loaded.name}")
    pipeline = Pipeline(loaded, store=store)
    c = cost(pipeline, store)
    told = {"measured here": c.measured, "from the recipe, of a CPU's core": c.assumed}
    rates = "; ".join(f"rates {where}: {', '.join(stages)}" for where, stages in told.items() if stages)
    print(f"{c.samples} samples wanted, {c.planned} planned in {c.partitions} partitions; {c.shards} shards, {c.gigabytes:.2f} GB")
    print(f"{c.cpu_hours:.2f} CPU-hours, {c.gpu_hours:.2f} GPU-hours ({rates})")
    print("seconds a sample (index: a shard): " + ", ".join(f"{stage} {each:.2g}" for stage, each in c.seconds.items()))
    _print_status(pipeline, store)


@app.command()
def status(folder: GivenRun, recipe: OtherRecipe = "", overrides: Overrides = None) -> None:
    """Of each stage: done, stale (and which field changed), failed, to do."""
    from pipeline.status import failures

    pipeline, store = _opened(folder, recipe, overrides)
    _print_status(pipeline, store)
    for row in failures(pipeline, store):
        print(f"failed: {row['sample_id']} in {row['stage']}: {row['reason']} (traceback {row['digest']})")


@app.command()
def verify(
    folder: GivenData,
    drop_damaged: Annotated[bool, typer.Option("--drop-damaged", help="forget damaged units; the next run makes them again")] = False,
    held_out: Annotated[str, typer.Option(help="a dataset, or val-600: its val poses must not be in this one's train split")] = "",
) -> None:
    """Compare every file with its sha256, and the splits with each other. Exits with 1 where something is wrong."""
    count = 0
    for problem in _problems(folder, drop_damaged, held_out):
        print(problem, flush=True)
        count += 1
    print(f"{folder}: {count} problems" if count else f"{folder}: every file is what it should be, nothing is on two sides")
    raise typer.Exit(1 if count else 0)


def _problems(folder: str, drop_damaged: bool, held_out: str) -> Iterator[str]:
    """Of a run and its dataset, if it has one yet; or of a dataset alone."""
    from manifests.dataset import FILE, Dataset
    from pipeline.store import Store
    from pipeline.verify import verify as find_problems
    from stages.shards.check import check_dataset
    from stages.shards.held_out import open_held_out

    store = Store(folder)
    alone = store.exists(FILE)
    if not alone:
        yield from find_problems(*_opened(folder), drop_damaged)
    if alone or store.exists(f"dataset/{FILE}"):
        other = open_held_out(held_out) if held_out else None
        try:
            yield from check_dataset(Dataset(folder), other)
        except UserError as e:  # an index that cannot be read is one problem beside those of the run
            yield str(e)


@app.command()
def push(folder: GivenData, url: Annotated[str, typer.Argument(help="where to: a folder or fsspec URL")]) -> None:
    """Copy a dataset to another place, check it there; goes on where it was cut short."""
    from manifests.dataset import Dataset
    from pipeline.push import push as send

    sent = send(Dataset(folder), url)
    print(f"{url}: {sent} files sent, every one checked there")


class Format(StrEnum):
    hmr2 = "hmr2"
    coco = "coco"


@app.command()
def export(
    folder: GivenData,
    out: Annotated[Path, typer.Argument(help="folder to write into")],
    kind: Annotated[Format, typer.Option("--format", help="hmr2: training tars of 4D-Humans; coco: person keypoints")],
    body: Annotated[Path | None, typer.Option(help="the body file that the dataset was made with; none for the bundled one")] = None,
) -> None:
    """Write a dataset in a format of others."""
    from manifests.dataset import Dataset
    from stages.exports.coco import export_coco
    from stages.exports.hmr2 import export_hmr2

    count = (export_hmr2 if kind is Format.hmr2 else export_coco)(Dataset(folder), out, body)
    print(f"{out}: {count} samples")


@app.command()
def show(
    folder: GivenRun,
    stage: Annotated[str, typer.Option(help="poses, projections, sketches or filter")] = "sketches",
    count: Annotated[int, typer.Option(min=1, max=2000, help="rows to show")] = 48,
    columns: Annotated[int, typer.Option(min=1, max=100)] = 8,
    cell: Annotated[int, typer.Option(min=16, max=1024, help="side of a picture in pixels")] = 160,
) -> None:
    """Write a contact sheet of a stage's rows into the run folder."""
    from pipeline.show import contact_sheet

    name, rows = contact_sheet(*_opened(folder), stage, count, columns, cell)
    print(f"contact sheet of {rows} rows: {folder.rstrip('/')}/{name}")


@app.command()
def report(folder: GivenRun, out: Annotated[str, typer.Option(help="file to write; else report.html in the run folder")] = "") -> None:
    """Write one page about a run: drawings, losses, distributions, times, accuracy, failures. It opens anywhere and loads nothing."""
    from pipeline.report.report import FILE
    from pipeline.report.report import report as write_report
    from pipeline.store import Store
    from stages.body.coarse import Coarse

    page = write_report(*_opened(folder), Coarse())
    path = out or f"{folder.rstrip('/')}/{FILE}"
    place, slash, name = path.rpartition("/")
    try:
        Store(place or slash or ".").write(name, page)
    except OSError as e:
        raise UserError(f"{path}: cannot write there ({e.strerror or e})") from None
    print(f"{path}: {len(page) / 1e6:.1f} MB")


@app.command()
def regenerate(folder: GivenRun, sample_id: Annotated[str, typer.Argument(help="such as ink-000012")]) -> None:
    """Draw one sample of a run again, alone, and say what it was drawn from."""
    from manifests.dataset import FILE, Dataset
    from pipeline.regenerate import regenerate as redraw
    from stages.shards.find import find_sample

    pipeline, store = _opened(folder)

    def packed(sample_id: str) -> bytes | None:
        found = find_sample(Dataset(folder), sample_id) if store.exists(f"dataset/{FILE}") else None
        return found.image if found else None

    done = redraw(pipeline, store, sample_id, packed)
    print(f"prompt: {done.prompt}")
    print(f"seed: {done.seed}, noise seed: {done.noise_seed}, generator: {done.generator}")
    print("pose: " + json.dumps([[round(float(v), 6) for v in joint] for joint in done.pose]))
    said = {True: "the same bytes as in the run", False: "not the bytes of the run", None: "the run has no picture of it"}[done.same]
    print(f"{folder.rstrip('/')}/{done.name}: {said}")


@app.command()
def review(
    folder: GivenRun,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8642,
) -> None:
    """Keep and reject samples by hand, on a page that this machine alone can open. Decisions are saved as they are made."""
    from pipeline.review.samples import Samples
    from pipeline.review.server import ReviewServer
    from pipeline.review.session import Session

    pipeline, store = _opened(folder)
    session = Session(Samples(pipeline, store), store)
    with ReviewServer(session, f"{pipeline.recipe.name}: review", port) as server:
        print(f"{server.url} (Ctrl-C ends it; the next `skep run` heeds what was decided)", flush=True)
        server.serve_forever()


@app.command()
def clean(folder: GivenRun) -> None:
    """Remove the intermediate tables of a finished run, once its shards verify."""
    from pipeline.verify import clean_run

    freed = clean_run(*_opened(folder))
    print(f"{folder}: {freed / 1e6:.1f} MB freed; the shards stay")


@app.command()
def doctor() -> None:
    """Say what this machine has: GL, GPU, Ray, weights, disk."""
    from pipeline.doctor import findings

    for what, there, sentence in findings():
        print(f"{'ok ' if there else 'no '} {what:13} {sentence}", flush=True)


@app.command()
def train(
    folder: TrainedRun,
    model: Annotated[str, typer.Option(help="pose2pose, lifter, sketch2pose, or the baseline global; else what the recipe names")] = "",
    profile: Annotated[str, typer.Option(help="sizes for a real training: cpu or gpu; else the recipe's")] = "",
    overrides: Overrides = None,
    ray_ranks: Annotated[int, typer.Option(help="ranks that Ray Train starts; 0: this process, or those of torchrun")] = 0,
    ray_address: Annotated[str, typer.Option(help="Ray cluster to join for --ray-ranks; without it one is started here")] = "",
) -> None:
    """Train a model on the shards of a run; goes on from the last checkpoint."""
    from estimator.profile import changes
    from estimator.train import train as train_model
    from pipeline.status import frozen_recipe
    from pipeline.store import Store

    _on_disk(folder)
    named = [f"estimator.model={model}"] if model else []
    recipe = frozen_recipe(Store(folder), [*changes(profile), *named, *(overrides or [])])
    out = Path(folder) / "estimator" / recipe.estimator.model
    given: dict[str, Any] = {"dataset": Path(folder) / "dataset", "out": out, "config": recipe.estimator}
    given |= {"seed": recipe.seed, "body": recipe.body.path}
    done = _train_on_ray(given, ray_ranks, ray_address) if ray_ranks else train_model(**given)
    print(f"model: {done}")


def _on_disk(folder: str) -> None:
    if "://" in folder:
        raise UserError(f"{folder}: expected a run folder on a disk, where trainings live")


def _train_on_ray(given: dict[str, Any], ranks: int, address: str) -> Path:
    from estimator.ray_train import train_on_ray
    from pipeline.executors.cluster import connect

    connect(address or None, ranks)
    return train_on_ray(**given, ranks=ranks)


@app.command()
def evaluate(
    folder: Annotated[str, typer.Argument(help="run folder, on a disk; none with --data")] = "",
    data: Annotated[str, typer.Option(help="annotated pictures: a COCO json, or folders of AnimatedDrawings characters")] = "",
    images: Annotated[str, typer.Option(help="folder of the pictures of --data; else beside it")] = "",
    out: Annotated[str, typer.Option(help="folder for a contact sheet of --data")] = "",
    held_out: Annotated[str, typer.Option(help="judge on the val split of this dataset, or val-600; else on the run's own")] = "",
    fit: Annotated[bool, typer.Option("--fit", help="the optimisation fit too, about 0.2 s a sketch")] = False,
) -> None:
    """Compare the trained models of RUN with the mean pose, or score 2D joints on annotated pictures. The last line is JSON."""
    if bool(folder) == bool(data):
        raise UserError("evaluate: expected either a run folder or --data")
    if folder and (images or out):
        raise UserError("evaluate: --images and --out go with --data")
    if data and (held_out or fit):
        raise UserError("evaluate: --held-out and --fit go with a run folder")
    print(json.dumps(_score_pictures(data, images, out) if data else _score_run(folder, held_out, fit)))


def _score_run(folder: str, held_out: str, fit: bool) -> dict:
    from estimator.evaluate import evaluate as evaluate_model
    from pipeline.status import frozen_recipe
    from pipeline.store import Store
    from stages.shards.held_out import open_held_out

    _on_disk(folder)
    recipe = frozen_recipe(Store(folder))
    own = Path(folder) / "dataset"
    judged = open_held_out(held_out).url if held_out else own
    result = evaluate_model(judged, Path(folder) / "estimator", recipe.body.path, own, fit=fit)
    return {method: groups["all"] for method, groups in result.items()}


def _score_pictures(data: str, images: str, out: str) -> dict:
    from estimator.judge import evaluate_pictures

    return evaluate_pictures(Path(data), Path(images) if images else None, Path(out) if out else None)


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="pictures, and folders of pictures")],
    out: Annotated[Path, typer.Option(help="folder to write into")] = Path("predictions"),
    weights: Annotated[Path | None, typer.Option(help="folder of a finished training; none for the bundled model")] = None,
    method: Annotated[
        str | None, typer.Option(help="network, or fit, which needs no weights; none: the network, the fit for a --body without --weights")
    ] = None,
    proportions: Annotated[str, typer.Option(help="of overlay, BVH and GLB: drawn, or body")] = "drawn",
    refine: Annotated[bool, typer.Option(help="lay what the model says on the joints that the detector finds")] = True,
    joints2d: Annotated[Path | None, typer.Option(help='joints that you put in their place: {"left_wrist": [x, y]}, px')] = None,
    front: Annotated[str, typer.Option(help="limbs that reach towards the viewer: left_arm,right_leg")] = "",
    touch: Annotated[str, typer.Option(help="parts that touch: left_hand:head,right_hand:hips")] = "",
    formats: Annotated[str, typer.Option("--format", help="what to write")] = "json,png,bvh,glb",
    clip: Annotated[str, typer.Option(help="the pictures are frames of one movement of this name: one BVH, one GLB")] = "",
    fps: Annotated[float, typer.Option(min=0.1, max=240, help="frames a second of a clip")] = 12.0,
    smooth: Annotated[float, typer.Option(min=0, max=100, help="frames that a clip is smoothed over; 0: none")] = 1.0,
    body: Annotated[Path | None, typer.Option(help="an SMPL-format body file; none for the bundled body")] = None,
) -> None:
    """Read drawings: pose, shape and proportions of the figure as JSON, overlay, BVH and glTF."""
    from estimator.predict import Options
    from estimator.predict import predict as predict_pictures

    chosen = tuple(name.strip() for name in formats.split(",") if name.strip())
    options = Options(
        weights=weights, method=method, body=body, proportions=proportions, refine=refine, joints2d=joints2d, front=front, touch=touch,
        formats=chosen, clip=clip, fps=fps, smooth=smooth,
    )  # fmt: skip
    predict_pictures(paths, out, options)


@app.command()
def export_model(
    out: Annotated[Path, typer.Argument(help="file to write: .pt2 for torch.export.load, .onnx for the rest of the world")],
    weights: Annotated[Path | None, typer.Option(help="folder of a finished training; none for the bundled model")] = None,
    body: Annotated[Path | None, typer.Option(help="the body file that the model was trained with; none for the bundled body")] = None,
) -> None:
    """Write a trained network, from the crop of a figure to SMPL, as one file that runs without SKEP."""
    from estimator.export.program import write_program

    size = write_program(out, weights, body)
    print(f"{out}: pictures (any number, 3, {size}, {size}) in [0, 1]; what it says: docs/predict.md")


def _opened(folder: str, recipe: str = "", overrides: list[str] | None = None) -> tuple[Any, Any]:
    """The pipeline of a run folder, by the recipe that it was last run with or another, and the folder."""
    from pipeline.plan import Pipeline
    from pipeline.status import frozen_recipe
    from pipeline.store import Store

    store = Store(folder)
    return Pipeline(load_recipe(recipe, overrides) if recipe else frozen_recipe(store, overrides), store=store), store


def _print_status(pipeline, store) -> None:
    from pipeline.status import status as look

    stages = look(pipeline, store)
    table = Table("stage", "done", "stale", "to do", "rejected", "failed", box=None)
    for name, s in stages.items():
        counts = (s.counts["done"], s.counts["stale"], s.counts["to do"], s.rejected, s.failed)
        table.add_row(name, *(map(str, counts) if s.counts else "?????"))  # what is to be done there, an earlier stage decides
    Console().print(table)
    for name, s in stages.items():
        for why, units in s.why.most_common():
            print(f"{name}: {units} to redo: {why}")


def _sum_of(outcomes: dict[str, int]) -> str:
    return " + ".join(f"{outcomes.get(name, 0)} {name}" for name in ("kept", "rejected", "surplus", "failed"))
