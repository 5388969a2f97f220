"""Drawing with models: of any folder, in batches that change nothing, through the stage and alone."""

from dataclasses import replace

import cv2
import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from manifests.errors import UserError
from manifests.recipe_files import load_recipe
from manifests.sample import prompt_of
from manifests.schema import rows_of
from manifests.stage import Config
from pipeline.commit import read_marker
from pipeline.plan import Pipeline
from pipeline.regenerate import regenerate
from pipeline.run import run
from pipeline.store import Store
from pipeline.tables import Reader
from stages.pictures import decode
from stages.poses.stage import Poses
from stages.projections.stage import Projections
from stages.sketches.generator.conditions import condition, part_map, pose_map, shares
from stages.sketches.generator.sampler import Order, Painter
from stages.sketches.stage import Sketches
from tests.batch import through
from tests.generator.others import save_controlnet, save_sd, save_sdxl, save_tiny_vae, stage_of


def _orders(count, channels=6):
    rng = np.random.default_rng(3)
    return [
        Order(f"kids drawing, a figure in a {c} dress", rng.integers(0, 256, (channels, 32, 32), np.uint8), i)
        for i, c in enumerate("abcdefgh"[:count])
    ]


def test_a_picture_is_the_same_in_any_company(pipeline):
    orders = _orders(5)
    painter = Painter(pipeline, steps=2, guidance=2.0, batch=4)
    together = painter.paint(orders)
    for i, order in enumerate(orders):
        assert np.array_equal(painter.paint([order])[0], together[i])
    assert len({picture.tobytes() for picture in together}) == 5


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_batch_of_one_differs_by_rounding_alone(pipeline, guidance, monkeypatch):
    """Of values from -1 to 1, before they are pictures of 256 levels."""
    orders, decoded, shown = _orders(8), Painter._decoded, []
    monkeypatch.setattr(Painter, "_decoded", lambda self, latents: shown.append(decoded(self, latents)) or shown[-1])
    for batch in (1, 8):
        Painter(pipeline, steps=2, guidance=guidance, batch=batch).paint(orders)
    alone, together = torch.cat(shown[:8]), shown[8]
    assert together.shape == (8, 3, 32, 32) and together.std() > 0.01
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_it_draws_what_the_diffusers_pipeline_draws(pipeline, guidance):
    order = _orders(1)[0]
    ours = Painter(pipeline, steps=3, guidance=guidance, batch=1).paint([order])[0]
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(order.seed))
    theirs = pipeline(
        order.prompt, image=shares(torch.from_numpy(order.condition[None])), latents=noise, num_inference_steps=3, guidance_scale=guidance,
        output_type="np",
    ).images[0]  # fmt: skip
    assert np.abs(ours / 255 - theirs).max() < 1 / 255


def test_a_controlnet_of_blue_first_sees_what_it_was_taught(pipeline):
    """As the diffusers pipeline gives it: the channels the other way round."""
    order = _orders(1)[0]
    config = pipeline.controlnet.config
    pipeline.controlnet.register_to_config(controlnet_conditioning_channel_order="bgr")
    try:
        turned = Painter(pipeline, steps=2, guidance=1.0, batch=1).paint([order])[0]
    finally:
        pipeline.controlnet.register_to_config(controlnet_conditioning_channel_order=config.controlnet_conditioning_channel_order)
    given = replace(order, condition=order.condition[::-1].copy())
    assert np.array_equal(turned, Painter(pipeline, steps=2, guidance=1.0, batch=1).paint([given])[0])


def test_where_memory_runs_out_the_batch_halves(pipeline, capsys):
    painter, small = Painter(pipeline, steps=1, guidance=1.0, batch=4), Painter(pipeline, steps=1, guidance=1.0, batch=2)
    whole, limit = painter._batch, 2

    def short(orders):
        if painter.batch > limit:
            raise torch.OutOfMemoryError("out of memory")
        return whole(orders)

    painter._batch = short
    orders = _orders(5)
    assert [p.tobytes() for p in painter.paint(orders)] == [p.tobytes() for p in small.paint(orders)]
    assert painter.batch == 2 and "going on with 2" in capsys.readouterr().err
    limit = 1
    assert len(painter.paint(orders)) == 5 and painter.batch == 1
    limit = 0
    with pytest.raises(torch.OutOfMemoryError):
        painter.paint(orders)


@pytest.fixture(scope="module")
def projected():
    """Stages up to projections."""
    recipe = load_recipe("smoke", ["projections.size=128"])
    stages = [stage(Config(recipe, stage.config)) for stage in (Poses, Projections)]
    return through(stages, ["stick-000000", "ink-000001", "kids-000002"])[0]


def _drawn(stage, known):
    from manifests.stage import Context

    return stage.process(known.select(["sample_id", "style", *stage.reads]), Context.alone(1, "sketches"))


@pytest.mark.parametrize("kind", ["ours", "sd", "sdxl", "tiny_vae"])
def test_the_stage_takes_any_folder(pipeline, folder, projected, tmp_path, kind):
    if kind == "ours":
        given = {"model": folder}
    elif kind == "tiny_vae":
        given = {"model": folder, "tiny_vae": save_tiny_vae(pipeline, tmp_path / "vae")}
    else:
        model = (save_sd if kind == "sd" else save_sdxl)(pipeline, tmp_path / kind)
        unet = pipeline.unet if kind == "sd" else _unet(model)
        given = {"model": model, "controlnet": save_controlnet(unet, tmp_path / "control"), "guidance": 2.0, "colours": "openpose"}
    stage = stage_of(**given)
    drawn = _drawn(stage, projected)
    assert pc.all(pc.starts_with(drawn["generator"], "sha256:")).as_py() and not [r for r in drawn["reason"].to_pylist() if r]
    assert len(set(drawn["image"].to_pylist())) == 3
    alone = _drawn(stage, projected.slice(2, 1))
    assert alone["image"][0].as_py() == drawn["image"][2].as_py()
    assert stage.made_with()["batch"] == 2


def test_a_script_draws_a_sample_again_from_what_its_row_says(pipeline, folder, projected):
    stage = stage_of(model=folder, guidance=1.0)
    drawn = _drawn(stage, projected)
    pipeline.set_progress_bar_config(disable=True)
    for row, made in zip(rows_of(projected), rows_of(drawn), strict=True):
        given = shares(torch.from_numpy(stage.artist.condition(row, stage.artist.figure(row))[None]))
        noise = torch.Generator("cpu").manual_seed(made["noise_seed"])
        prompt = prompt_of(row["style"], made["appearance"], row["motion"])
        theirs = pipeline(prompt, image=given, num_inference_steps=1, guidance_scale=1.0, generator=noise, output_type="np").images[0]
        shown = cv2.resize((theirs * 255).round().astype(np.uint8), (128, 128), interpolation=cv2.INTER_CUBIC)
        assert np.abs(shown.astype(int) - decode(made["image"])).max() <= 2


def test_what_the_renderer_draws_has_no_noise(projected):
    recipe = load_recipe("smoke", ["projections.size=128", "sketches.source=renderer"])
    stage = Sketches(Config(recipe, Sketches.config))
    stage.setup("cpu")
    assert set(_drawn(stage, projected)["noise_seed"].to_pylist()) == {-1}


def _unet(model):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(model, subfolder="unet")


def test_conditions_of_the_stage_are_those_of_the_training(folder, projected):
    stage = stage_of(model=folder)
    row = next(_rows(projected))
    made = stage.artist.condition(row, stage.artist.figure(row))
    scale = stage.artist.side / 128
    pose = pose_map(row["joints2d"] * scale, row["joints3d_drawn"][:, 2], 32)
    labels = {name: row[name] for name in ("pose", "betas", "bone_scales", "transl")}
    from stages.body.figure import make_figure

    figure = make_figure(stage.body, **labels, camera_K=np.diag([scale, scale, 1]) @ row["camera_K"], size=32)
    assert np.array_equal(made, condition(pose, part_map(figure))) and made[3:].any()
    bare = stage_of(model=folder, condition="skeleton")
    assert np.array_equal(bare.artist.condition(row, bare.artist.figure(row)), condition(pose, None))


def _rows(table):
    from manifests.schema import rows_of

    return rows_of(table.drop_columns(["reason"]))


def test_recipes_that_cannot_be_are_refused():
    for change, text in (
        (["sketches.diffusion.hub=a/b"], "needs a revision"),
        (["sketches.source=gan"], "'renderer', 'diffusion' or 'mix'"),
    ):
        with pytest.raises(UserError, match=text):
            load_recipe("smoke", change)


def test_a_mixed_run_and_one_sample_of_it_alone(folder, tmp_path):
    changes = ["run.workers=0", "styles=[stick]", "poses.count=6", "partition_size=6", "sketches.source=mix", "sketches.rendered_share=0.5"]
    recipe = load_recipe("smoke", [*changes, f"sketches.diffusion.model={folder}", "sketches.diffusion.batch=4"])
    run(recipe, str(tmp_path / "run"), quiet=True, until="sketches")
    store, pipeline = Store(str(tmp_path / "run")), Pipeline(recipe)
    reader = Reader(pipeline, store)
    ids = reader.ids(pipeline.by_name["sketches"], "stick-p00000")
    table = reader.gather(("generator", "noise_seed"), "stick-p00000", _chunked(ids))
    made = [name.partition(":")[0] for name in table["generator"].to_pylist()]
    assert set(made) == {"renderer", "sha256"}
    for row in map(made.index, ("renderer", "sha256")):
        done = regenerate(pipeline, store, ids[row])
        assert done.noise_seed == table["noise_seed"][row].as_py()
        assert done.same and done.prompt.startswith("stick figure, a stick figure") and done.pose.shape == (24, 3)
        assert (tmp_path / "run" / done.name).exists()
    with pytest.raises(UserError, match="not a sample id of this recipe"):
        regenerate(pipeline, store, "oil-000001")


def test_a_batch_that_memory_cut_short_is_recorded_and_used_again(folder, tmp_path, monkeypatch, capsys):
    changes = ["run.workers=0", "styles=[stick]", "poses.count=6", "partition_size=3", "sketches.source=diffusion"]
    recipe = load_recipe("smoke", [*changes, f"sketches.diffusion.model={folder}", "sketches.diffusion.batch=2"])
    whole, store, calls = Painter._batch, Store(str(tmp_path / "run")), []

    def short(painter, orders):
        if orders[0].prompt:  # not the first picture, which tries whether the model draws at all
            calls.append(painter.batch)
            if painter.batch > 1 and len(calls) > 1:
                raise torch.OutOfMemoryError("out of memory")
        return whole(painter, orders)

    with monkeypatch.context() as patch:
        patch.setattr(Painter, "_batch", short)
        run(recipe, store.url, quiet=True, until="sketches")
    assert calls == [2, 2, 1, 1, 1, 1, 1, 1, 1]  # the first unit halfway, to its end, once more; the second
    assert "at 2 pictures a batch, going on with 1" in capsys.readouterr().err
    before = read_marker(store, "sketches", "stick-p00000")
    assert before.environment["batch"] == 1
    store.remove("sketches/stick-p00000.parquet")
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Painter, "_batch", lambda painter, orders: calls.append(painter.batch) or whole(painter, orders))
        run(recipe, store.url, quiet=True, until="sketches")
    assert calls == [1, 1, 1, 1] and read_marker(store, "sketches", "stick-p00000") == before  # the try among them


def test_a_marker_is_true_of_every_row_however_often_memory_runs_out(folder, tmp_path, monkeypatch):
    changes = ["run.workers=0", "styles=[stick]", "poses.count=5", "partition_size=5", "sketches.source=diffusion"]
    recipe = load_recipe("smoke", [*changes, f"sketches.diffusion.model={folder}", "sketches.diffusion.batch=4"])
    whole, store, last, calls = Painter._batch, Store(str(tmp_path / "run")), {}, []

    def short(painter, orders):
        if orders[0].prompt:
            calls.append(painter.batch)
            if len(calls) in (2, 6):  # in the second unit, and in it once more
                raise torch.OutOfMemoryError("out of memory")
            last.update({order.seed: painter.batch for order in orders})
        return whole(painter, orders)

    with monkeypatch.context() as patch:
        patch.setattr(Painter, "_batch", short)
        run(recipe, store.url, quiet=True, until="sketches")
    assert calls == [4, 4, 2, 2, 2, 2, 1, 1, 1, 1]  # one unit of four rows, and three times one of three
    markers = [read_marker(store, "sketches", f"stick-p0000{number}").environment["batch"] for number in (0, 1)]
    assert markers == [4, 1] and sorted(last.values()) == [1, 1, 1, 4, 4, 4, 4]


def test_no_prompt_is_read_once(pipeline, monkeypatch):
    painter, calls = Painter(pipeline, steps=1, guidance=2.0, batch=2), []
    encode = type(pipeline).encode_prompt
    monkeypatch.setattr(type(pipeline), "encode_prompt", lambda self, **given: calls.append(given["prompt"]) or encode(self, **given))
    painter.paint(_orders(4))
    painter.paint(_orders(4))
    assert calls.count([""]) == 1 and len(calls) == 3


def test_latents_whose_channels_are_spread_are_brought_back(pipeline):
    painter, latents = Painter(pipeline, steps=1, guidance=1.0, batch=1), torch.randn(1, 4, 8, 8)
    std, mean = torch.tensor([2.0, 1.0, 0.5, 3.0]), torch.tensor([0.1, -0.2, 0.0, 1.0])
    expected = painter._decoded((latents * std.view(1, -1, 1, 1) + mean.view(1, -1, 1, 1)) * pipeline.vae.config.scaling_factor)
    before = pipeline.vae.config
    pipeline.vae.register_to_config(latents_std=std.tolist(), latents_mean=mean.tolist())
    try:
        torch.testing.assert_close(painter._decoded(latents * pipeline.vae.config.scaling_factor), expected)
    finally:
        pipeline.vae.register_to_config(latents_std=before.get("latents_std"), latents_mean=before.get("latents_mean"))


def _chunked(ids):
    import pyarrow as pa

    return pa.chunked_array([ids])
