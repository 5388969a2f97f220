"""Training: cut off and resumed it ends in the same bytes; what it makes, diffusers loads without us."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, PNDMScheduler, StableDiffusionControlNetPipeline

from manifests.errors import UserError
from manifests.skeleton import STYLES
from stages.detector.crops import cut, square_matrix
from stages.library.chunks import Chunk
from stages.pictures import png
from stages.sketches.generator.config import load_profile
from stages.sketches.generator.distill import Teacher
from stages.sketches.generator.library import Library
from stages.sketches.generator.real import add_real
from stages.sketches.generator.train import Training, main
from stages.sketches.generator.train_unet import EARLY, PARTS, evenly
from stages.tensorfile import read_tensors
from tests.annotated.files import COCO, HEIGHT, WIDTH, spread, write_character, write_coco
from tests.generator.conftest import QUIET, TINY
from tests.generator.others import save_controlnet, save_sd


def _copy(trained, out, *stages):
    """A training that shares the library and the finished stages of another."""
    out.mkdir()
    for name in ("library", *stages):
        (out / name).symlink_to(trained / name)
    return Training(out, TINY, **QUIET)


def _weights(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


@pytest.mark.parametrize(("stage", "before"), [("vae", ()), ("unet", ("vae",)), ("distill", ("vae", "unet"))])
def test_cut_off_and_resumed_ends_in_the_same_weights(trained, tmp_path, stage, before):
    training = _copy(trained, tmp_path / "out", *before)
    assert not training.run(stage, stop_after=1)
    assert (training.out / stage / "checkpoint.safetensors").exists()
    assert training.run(stage)
    made, whole = _weights(training.out / stage), _weights(trained / stage)
    assert made == whole and made
    assert not (training.out / stage / "checkpoint.safetensors").exists()


def test_a_finished_stage_is_left_alone_and_a_changed_one_refused(trained, tmp_path):
    said: list[str] = []
    assert Training(trained, TINY, log=said.append).run("vae")
    assert "trained already" in said[0]
    training = _copy(trained, tmp_path / "out")
    training.run("vae", stop_after=1)
    training.profile = load_profile("tiny", ["vae.rate=0.01"])
    with pytest.raises(UserError, match=r"made with another config\.rate"):
        training.run("vae")
    with pytest.raises(UserError, match=r"finished with another config\.rate; name another folder"):
        Training(trained, load_profile("tiny", ["vae.rate=0.01"])).run("vae")


def test_stages_come_in_order(trained, tmp_path):
    with pytest.raises(UserError, match="run STAGE=vae first"):
        _copy(trained, tmp_path / "a").run("unet")
    with pytest.raises(UserError, match="run STAGE=unet first"):
        _copy(trained, tmp_path / "b", "vae").run("distill")
    with pytest.raises(UserError, match="PROFILE=huge: expected one of cpu"):
        load_profile("huge")


def test_diffusers_loads_the_folder_without_us(trained):
    model = trained / "distill" / "model"
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(model, local_files_only=True, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline(
        "stick figure, a figure sitting", image=torch.rand(1, 6, 32, 32), num_inference_steps=2, guidance_scale=1.0,
        generator=torch.Generator().manual_seed(1), output_type="np",
    ).images[0]  # fmt: skip
    assert picture.shape == (32, 32, 3) and np.isfinite(picture).all()
    assert json.loads((model / "skep.json").read_text()) == {"size": 32, "steps": 2, "guidance": 1.0}
    assert pipeline.controlnet.config.conditioning_channels == 6 and pipeline.scheduler.config.prediction_type == "v_prediction"
    assert not [p for p in model.rglob("*") if p.suffix in (".bin", ".pt", ".ckpt", ".pkl")]


def test_what_is_written_on_the_way(trained):
    for stage in ("vae", "unet", "distill"):
        assert list((trained / stage / "tensorboard").glob("events*")) and list((trained / stage / "grids").glob("*.png"))
    measured = json.loads((trained / "vae" / "done.json").read_text())["measured"]
    assert {f"{what}/{style}" for what in ("line_f1", "psnr") for style in STYLES} == set(measured)


def test_the_library_holds_train_sources_and_is_drawn_once(trained):
    training = Training(trained, TINY, **QUIET)
    train, val = training.library("train"), training.library("val")
    assert len(train) == 12 and len(val) == 6 and {train.style(i) for i in range(6)} == set(STYLES)
    before = {p: p.stat().st_mtime_ns for p in (trained / "library").rglob("*") if p.is_file()}
    training.prepare([])
    assert before == {p: p.stat().st_mtime_ns for p in (trained / "library").rglob("*") if p.is_file()}


@pytest.mark.parametrize("channels", [0, 3, 6])
def test_a_stable_diffusion_folder_is_fine_tuned_by_the_same_script(trained, pipeline, tmp_path, channels):
    start = save_sd(pipeline, tmp_path / "sd")
    if channels:
        controlnet = save_controlnet(pipeline.unet, start / "controlnet", channels)
        index = json.loads((start / "model_index.json").read_text())
        index |= {"_class_name": "StableDiffusionControlNetPipeline", "controlnet": ["diffusers", "ControlNetModel"]}
        (start / "model_index.json").write_text(json.dumps(index))
        assert controlnet.is_dir()
    training = _copy(trained, tmp_path / "out")
    training.start = start
    training.profile = load_profile("tiny", ["unet.samples=4", "unet.grid_every=100"])
    assert training.run("unet")
    made = StableDiffusionControlNetPipeline.from_pretrained(training.out / "unet" / "model", local_files_only=True)
    assert made.controlnet.config.conditioning_channels == (channels or 6)
    assert torch.equal(made.unet.conv_in.weight.half(), pipeline.unet.conv_in.weight.half())
    with pytest.raises(UserError, match="keeps its VAE"):
        training.run("vae")


SCHEDULERS = {
    "euler": EulerDiscreteScheduler(prediction_type="epsilon"),
    "dpm": DPMSolverMultistepScheduler(prediction_type="v_prediction"),
    "pndm": PNDMScheduler(prediction_type="v_prediction"),
}


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_fine_tuning_goes_on_past_a_grid_and_a_stop_whatever_draws(trained, pipeline, tmp_path, kind):
    start = save_sd(pipeline, tmp_path / "sd")
    SCHEDULERS[kind].save_pretrained(start / "scheduler")
    made = {}
    for name, stops in (("whole", ()), ("stopped", (1, 2))):
        for stop_after in (*stops, None):
            torch.manual_seed(1000 + len(made) + (stop_after or 0))  # as in another process
            out = tmp_path / name
            training = _copy(trained, out) if not out.exists() else Training(out, TINY, **QUIET)
            training.start, training.profile = (
                start,
                load_profile("tiny", ["unet.samples=16", "unet.checkpoint_every=1", "unet.grid_every=2"]),
            )
            assert training.run("unet", stop_after) == (stop_after is None)
        made[name] = _weights(tmp_path / name / "unet" / "model")
    assert made["whole"] == made["stopped"]


def test_noise_is_what_the_model_was_trained_with_whatever_draws(trained, pipeline, tmp_path):
    """Some schedulers noise in another way, or remember what they last drew with."""
    latents, drawn, times = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([100, 500, 900])
    for kind, scheduler in SCHEDULERS.items():
        start = save_sd(pipeline, tmp_path / kind)
        scheduler.save_pretrained(start / "scheduler")
        training = _copy(trained, tmp_path / f"out-{kind}")
        training.start = start
        job = training._unet_job()
        job.grid()
        share = job.alphas[times].view(-1, 1, 1, 1)
        wanted = share.sqrt() * latents + (1 - share).sqrt() * drawn
        torch.testing.assert_close(job.scheduler.add_noise(latents, drawn, times), wanted)


def test_the_figure_weighs_more_than_the_paper(trained):
    job = Training(trained, TINY, **QUIET)._unet_job()
    batch = job.batches()[0]
    cells = batch["figure"]
    assert cells.shape == batch["latents"].shape[:1] + batch["latents"].shape[2:] and 0 < cells.float().mean() < 1
    missed = torch.where(cells[:, None], 1.0, 0.0).expand(batch["latents"].shape)
    costs = []
    for wrong in (missed, 1 - missed):
        job.denoise = lambda *_, wrong=wrong: wrong
        job._target = lambda latents, *_: torch.zeros_like(latents)
        job._weight = torch.ones_like
        costs.append(job.terms(batch, 0, torch.Generator().manual_seed(0))["noise"].item())
    share = cells.float().mean((1, 2))
    heavier = 1 + TINY.unet.figure
    expected = (heavier * share / (heavier * share + 1 - share)).mean().item()
    assert costs == pytest.approx([expected, 1 - expected], rel=1e-4) and expected > share.mean()


def test_much_noise_counts_and_hardly_any_does_not(trained):
    """Of velocities, whose plain min-SNR weights go to nothing on both sides."""
    job = Training(trained, TINY, **QUIET)._unet_job()
    snr = (job.alphas / (1 - job.alphas)).double()
    weights, floor, gamma = job._weight(torch.arange(1000)).double(), job.config.floor, job.config.snr_gamma
    noisy = snr < gamma
    torch.testing.assert_close(weights[noisy], (snr / (snr + 1)).clamp(min=floor)[noisy])
    torch.testing.assert_close(weights[~noisy], (gamma / (snr + 1))[~noisy])
    assert weights[999] == pytest.approx(floor) and weights[0] < 0.01


def test_every_part_of_the_noise_is_in_a_batch():
    noise = torch.Generator().manual_seed(0)
    first, second = (evenly(32, 1000, noise) for _ in range(2))
    parts = torch.arange(32) * 1000 / 32
    assert all(((parts - 1 < times) & (times < parts + 1000 / 32)).all() for times in (first, second))
    assert (first != second).sum() > 20  # anywhere in its part


def test_the_teacher_leads_away_from_what_it_was_early_on(trained, pipeline):
    tokens, conditions = torch.ones((2, 64), dtype=torch.long), torch.rand(2, 6, 32, 32)
    noisy, alphas = torch.randn(2, 4, 8, 8), DDPMScheduler.from_config(pipeline.scheduler.config).alphas_cumprod
    early = {f"unet.{name}": value + 0.02 * torch.randn(value.shape) for name, value in pipeline.unet.state_dict().items()}
    same = {f"{part}.{name}": value for part in PARTS for name, value in getattr(pipeline, part).state_dict().items()}

    def end(weights, guidance):
        return Teacher(pipeline, weights, guidance, alphas).walk(noisy, torch.full((2,), 624), 100, 1, tokens, conditions)

    now, back, on = end(early, 1.0), end(early, 0.0), end(early, 3.0)
    torch.testing.assert_close(now, end(same, 3.0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(on - now, 2 * (now - back), atol=1e-4, rtol=1e-3)  # one step of DDIM is linear
    assert (now - back).abs().max() > 1e-3


def test_a_training_that_is_killed_while_it_keeps_what_it_knew_early_on_keeps_it_then(trained, tmp_path, monkeypatch):
    training = _copy(trained, tmp_path / "out", "vae")
    with monkeypatch.context() as killed:
        killed.setattr("stages.sketches.generator.train_unet.UnetJob.keep", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            training.run("unet")
    training.profile = load_profile("tiny", ["unet.grid_every=2"])  # has no part in it
    assert training.run("unet")
    assert (training.out / "unet" / EARLY).read_bytes() == (trained / "unet" / EARLY).read_bytes()
    assert _weights(training.out / "unet") == _weights(trained / "unet")


def _interrupt(*_):
    raise KeyboardInterrupt


def test_what_a_training_knew_early_on_is_kept_for_its_distillation(trained):
    tensors, words = read_tensors(trained / "unet" / EARLY)
    assert words == {"step": 1} and {name.partition(".")[0] for name in tensors} == set(PARTS)
    assert all(value.dtype == torch.float16 for value in tensors.values())
    assert not (trained / "distill" / EARLY).exists()


def test_a_unet_of_which_nothing_early_was_kept_is_a_sentence(trained, tmp_path):
    training = _copy(trained, tmp_path / "out", "vae")
    shutil.copytree(trained / "unet", training.out / "unet")
    (training.out / "unet" / EARLY).unlink()
    with pytest.raises(UserError, match=r"unet/early\.safetensors: not there, as an earlier SKEP left none; train STAGE=unet anew"):
        training.check("distill")


def test_what_cannot_be_distilled_is_a_sentence(trained, pipeline, tmp_path):
    training = _copy(trained, tmp_path / "out", "vae", "unet")
    training.profile = load_profile("tiny", ["distill.passes=6"])
    with pytest.raises(UserError, match=r"distill\.passes: expected a divisor of the scheduler's 1000 times, got 6"):
        training.run("distill")
    training = _copy(trained, tmp_path / "fine")
    training.start, training.profile = save_sd(pipeline, tmp_path / "sd"), load_profile("tiny", ["unet.samples=4"])
    assert training.run("unet")
    with pytest.raises(UserError, match="predicts epsilon; only velocity can be distilled"):
        training.run("distill")


@pytest.mark.parametrize("part", ["unet", "tokenizer"])
def test_a_start_that_lacks_a_part_is_named(pipeline, tmp_path, part):
    start = save_sd(pipeline, tmp_path / "sd")
    shutil.rmtree(start / part)
    with pytest.raises(UserError, match=f"names {part}, but there is no folder {part}"):
        Training(tmp_path / "out", TINY, start, **QUIET).started()


def _coco(folder):
    (folder / "images/ink_painting").mkdir(parents=True)
    path = write_coco(folder, spread(COCO), image={"file_name": "images/ink_painting/a.png"})
    (folder / "a.png").rename(folder / "images/ink_painting/a.png")
    return path


def test_real_drawings_join_the_library(tmp_path):
    _coco(tmp_path / "coco")
    add_real(tmp_path / "real", f"charcoal:{tmp_path / 'coco'}", 32, **QUIET)
    entry = Library(sorted((tmp_path / "real").iterdir()), 32)[0]
    assert entry.style == "charcoal" and entry.pose.any() and not entry.parts.any() and entry.picture.shape == (32, 32, 3)
    write_character(tmp_path / "characters/one")
    add_real(tmp_path / "real", str(tmp_path / "characters"), 32, **QUIET)
    add_real(tmp_path / "real", str(tmp_path / "coco/coco.json"), 32, **QUIET)
    library = Library(sorted((tmp_path / "real").iterdir()), 32)
    assert sorted(library.style(i) for i in range(len(library))) == ["charcoal", "ink", "kids"]
    again = add_real(tmp_path / "real", f"oil:{tmp_path / 'coco'}", 32, **QUIET)  # of another style after all
    library = Library(sorted((tmp_path / "real").iterdir()), 32)
    assert len(again) == 1 and sorted(library.style(i) for i in range(len(library))) == ["ink", "kids", "oil"]
    with pytest.raises(UserError, match="no such file or folder"):
        add_real(tmp_path / "real", "ink:/nowhere", 32)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no char_cfg"):
        add_real(tmp_path / "real", str(tmp_path / "empty"), 32)


@pytest.mark.parametrize("box", [[5000, 5000, 100, 100], [100, 100, 0.001, 0.001], [-1e6, -1e6, 2e6, 2e6]])
def test_real_drawings_whose_box_shows_nobody_are_left_out(tmp_path, box):
    said: list[str] = []
    write_coco(tmp_path, spread(COCO), annotation={"bbox": box})
    assert add_real(tmp_path / "real", str(tmp_path), 32, said.append) == []
    assert said[-1].endswith("0 real drawings, 1 left out that show fewer than 8 joints in the square around their box")


def test_only_those_that_are_named_are_learned_from(trained, tmp_path):
    _coco(tmp_path / "coco")
    training = _copy(trained, tmp_path / "out")
    for real, more in (([f"ink:{tmp_path / 'coco'}"], 1), ([], 0)):
        training.prepare(real)
        assert len(training.library("train")) == TINY.pictures + more


@pytest.fixture
def character(tmp_path):
    """Writes a character, and gives the names of all that are taken over then."""

    def write(*names):
        for name in names:
            folder = write_character(tmp_path / "characters" / name)
            if name.startswith("a"):
                (folder / "texture.png").write_bytes(png(np.full((HEIGHT, WIDTH, 3), 128, np.uint8)))
        add_real(tmp_path / "real", str(tmp_path / "characters"), 32, **QUIET)
        chunks = sorted((tmp_path / "real").iterdir())
        return chunks, [i for chunk in chunks for i in Chunk(chunk).words["ids"]]

    return write


def test_a_folder_that_changes_is_taken_over_as_it_is(character, tmp_path, monkeypatch):
    monkeypatch.setattr("stages.sketches.generator.real._AT_ONCE", 2)
    first, ids = character("m1", "m2", "m3")
    assert (len(first), len(ids)) == (2, 3)
    grown, ids = character("a1")  # before the others, so that every chunk has other drawings
    assert (len(grown), len(ids)) == (2, 4) and not {*grown} & {*first}
    before = [path.stat().st_mtime_ns for path in grown]
    assert [path.stat().st_mtime_ns for path in character()[0]] == before  # nothing has changed
    for name in ("a1", "m1", "m2"):
        shutil.rmtree(tmp_path / "characters" / name)
    left, ids = character()
    assert len(left) == len(ids) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("networks.condition=[8,16]", r"networks: condition has 2 levels and vae 3: they must be as many"),
        ("networks.heads=7", "networks: heads 7 does not divide the width 8"),
        ("networks.vae_groups=3", "networks: vae_groups 3 does not divide the width 8"),
        ("networks.text_heads=3", "networks: text_heads 3 does not divide the width 16"),
        ("networks.vae=[8,8,8,8,8,8]", "networks: condition has 3 levels"),
        ("vae.crop=512", r"profile tiny: vae\.crop 512 is more than networks\.size 32"),
        ("device=foo", "profile tiny: device: String should match"),
    ],
)
def test_networks_that_do_not_fit_together_are_refused(change, sentence):
    with pytest.raises(UserError, match=sentence):
        load_profile("tiny", [change])


def test_what_cannot_be_trained_is_said_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "prepare", lambda *_: pytest.fail("drawn"))
    cases = {
        "device: torch finds no GPU here; --set device=cpu": ("--profile", "gpu"),
        "--drawings kids:/nowhere: no such file": ("--profile", "tiny", "--drawings", "kids:/nowhere"),
        f"{tmp_path}/vae: not finished; run STAGE=vae first": ("--profile", "tiny", "--stage", "unet"),
        f"{tmp_path}/unet: not finished; run STAGE=unet first": ("--profile", "tiny", "--stage", "distill"),
        "STAGE=vae: a model that is fine-tuned keeps": ("--profile", "tiny", "--stage", "vae", "--start", str(tmp_path)),
        f"{tmp_path / 'none'}": ("--profile", "tiny", "--start", str(tmp_path / "none")),
    }
    for sentence, more in cases.items():
        monkeypatch.setattr("sys.argv", ["train", str(tmp_path), *more])
        with pytest.raises(UserError) as refused:
            main()
        assert str(refused.value).startswith(sentence)


def test_thin_lines_of_large_drawings_stay_whole():
    picture = np.full((1200, 1200, 3), 255, np.uint8)
    picture[100:1100, 601:603] = 0
    matrix = square_matrix(np.array([100.0, 100, 1100, 1100]), 64)
    ink = (255 - cut(picture, matrix, (64, 64))[8:-8].astype(float)).sum(1)[:, 0]
    assert ink.min() > 0.8 * 255 * 2 * matrix[0, 0]  # as much of each row as the line covers
    assert ink.max() < 1.3 * ink.min()
