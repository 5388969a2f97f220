"""Folders of models: what is wrong with one is a sentence before anything is drawn, and each is told from any other."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from manifests.errors import UserError
from manifests.files import files_below
from pipeline.digests import Digests
from stages.sketches.generator.folder import open_pipeline
from stages.sketches.generator.source import Source, folder_digest
from tests.generator.others import save_controlnet, save_sd, save_sdxl, save_tiny_vae, stage_of

COMMIT = "0123456789" * 4


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """Our tiny model, to be damaged."""
    return shutil.copytree(folder, tmp_path / "model")


def _refuses(text, where, control=None):
    with pytest.raises(UserError, match=text):
        open_pipeline(Source(str(where)), control and Source(str(control)), torch.float32)


def _say(folder: Path, file: str, **words) -> None:
    known = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(known | words))


def _weights(folder: Path, part: str) -> Path:
    return next(iter(sorted((folder / part).glob("*.safetensors"))))


def _lose_a_tensor(folder: Path, part: str) -> None:
    tensors = load_file(_weights(folder, part))
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, _weights(folder, part), {"format": "pt"})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"_class_name": "FluxPipeline"}, "is a FluxPipeline; expected one of"),
        ({"vae": ["antigravity", "Vae"]}, "expected a class of diffusers or transformers"),
        ({"_class_name": ["pipeline", "Mine"]}, "expected a class of diffusers or transformers"),
        ({"vae": ["diffusers", "UNet2DConditionModel"]}, r"model_index\.json: vae is a UNet2DConditionModel; expected a AutoencoderKL"),
        ({"vae": ["diffusers", None]}, "vae is a None; expected a AutoencoderKL"),
        ({"unet": [None, None]}, "unet is a None; expected a UNet2DConditionModel"),
        ({"text_encoder": 3}, "text_encoder is a None; expected a CLIPTextModel"),
        ({"controlnet": ["diffusers", "MultiControlNetModel"]}, "controlnet is a MultiControlNetModel; expected a ControlNetModel"),
        ({"scheduler": ["diffusers", "Nothing"]}, "diffusers cannot load it"),
    ],
)
def test_an_index_that_cannot_be_is_a_sentence(copy, words, sentence):
    _say(copy, "model_index.json", **words)
    _refuses(sentence, copy)


@pytest.mark.parametrize("part", ["vae", "unet", "controlnet", "text_encoder"])
def test_weights_that_lack_something_are_a_sentence(copy, part):
    """diffusers would leave it out, transformers make it up."""
    _lose_a_tensor(copy, part)
    _refuses(f"{part}: its weights lack [a-z_.]+", copy)


@pytest.mark.parametrize("part", ["vae", "unet", "controlnet", "text_encoder"])
def test_damaged_weights_are_a_sentence(copy, part):
    file = _weights(copy, part)
    file.write_bytes(file.read_bytes()[:-100])
    _refuses("diffusers cannot load it", copy)


def test_folders_that_lack_something_are_a_sentence(pipeline, copy, tmp_path):
    _refuses("nobody/nothing: no model_index.json there", "nobody/nothing")
    _refuses("no model_index.json there", tmp_path)
    for path in (copy / "vae").glob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))
    _refuses(r"vae: no \*\.safetensors there; other formats are not read", copy)
    shutil.rmtree(copy / "vae")
    _refuses("names vae, but there is no folder vae", copy)


def test_a_tokenizer_without_its_words_is_a_sentence(copy):
    (copy / "tokenizer" / "tokenizer.json").unlink()
    _refuses(r"tokenizer: no tokenizer\.json and no merges\.txt there", copy)


def test_a_tokenizer_of_other_lengths_is_a_sentence(copy):
    _say(copy, "tokenizer/tokenizer_config.json", model_max_length=77)
    _refuses("tokenizer makes 77 tokens of [0-9]+ words, text_encoder takes 64 of", copy)


def test_controlnets_that_cannot_be_are_a_sentence(pipeline, folder, tmp_path):
    sd = save_sd(pipeline, tmp_path / "sd")
    _refuses("has no ControlNet", sd)
    _refuses("takes 4 channels; expected 3", sd, save_controlnet(pipeline.unet, tmp_path / "four", 4))
    _refuses("is a AutoencoderKL; expected a ControlNetModel", sd, folder / "vae")
    control = save_controlnet(pipeline.unet, tmp_path / "three")
    _lose_a_tensor(tmp_path, "three")
    _refuses("three: its weights lack", sd, control)


@pytest.mark.parametrize(
    ("notes", "sentence"),
    [
        ("[]", r"skep\.json: its content"),
        ("{", r"skep\.json: its content"),
        ('{"steps": "many"}', r"skep\.json: steps: input should be a valid integer"),
        ('{"steps": -3}', r"skep\.json: steps: input should be greater than 0"),
        ('{"guidance": 0.5}', r"skep\.json: guidance: input should be greater than or equal to 1"),
        ('{"size": 33}', "its parts do not draw together"),
    ],
)
def test_notes_that_cannot_be_are_a_sentence(copy, notes, sentence):
    (copy / "skep.json").write_text(notes)
    with pytest.raises(UserError, match=sentence):
        stage_of(model=copy)


def test_parts_that_do_not_fit_are_a_sentence_before_any_sample(pipeline, folder, copy, tmp_path):
    def refuses(sentence, **given):
        with pytest.raises(UserError, match=sentence):
            stage_of(**given)

    unet = UNet2DConditionModel(**{**pipeline.unet.config, "block_out_channels": (8, 24)})
    given = {"model": save_sd(pipeline, tmp_path / "sd"), "controlnet": save_controlnet(unet, tmp_path / "other")}
    refuses("sd: its parts do not draw together", **given)
    refuses("asked for 32 px and draws 64", model=folder, tiny_vae=save_tiny_vae(pipeline, tmp_path / "vae", 3))
    _say(copy, "scheduler/scheduler_config.json", _class_name="FlowMatchEulerDiscreteScheduler")
    _say(copy, "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])
    refuses("model: its parts do not draw together", model=copy)


def test_memory_that_runs_out_at_the_first_picture_is_no_fault_of_the_model(folder, monkeypatch):
    def short(painter, orders):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("stages.sketches.generator.sampler.Painter._batch", short)
    with pytest.raises(torch.OutOfMemoryError):
        stage_of(model=folder)


def test_a_linked_part_counts_like_any_other(copy, tmp_path):
    (copy / "unet").rename(tmp_path / "elsewhere")
    (copy / "unet").symlink_to(tmp_path / "elsewhere")
    (copy / "round").symlink_to(copy)  # never left, if it were entered
    before = folder_digest(copy), Digests().of(copy)
    assert copy / "unet" / "config.json" in files_below(copy)
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    assert folder_digest(copy) != before[0] and Digests().of(copy) != before[1]


def test_a_model_is_told_from_one_with_other_parts(pipeline, folder, tmp_path):
    sd = save_sd(pipeline, tmp_path / "sd")
    names = [stage_of(model=sd, controlnet=save_controlnet(pipeline.unet, tmp_path / name)).artist.name for name in ("a", "b")]
    names += [stage_of(model=folder).artist.name, stage_of(model=folder, tiny_vae=save_tiny_vae(pipeline, tmp_path / "vae")).artist.name]
    assert len(set(names)) == 4 and all(name.startswith("sha256:") for name in names)


@pytest.fixture
def hub(folder, tmp_path, monkeypatch) -> Path:
    """The local cache of a hub, with our tiny model in it; where the process works is another folder of its name."""
    model = tmp_path / "hub" / "models--me--gen"
    snapshot = shutil.copytree(folder, model / "snapshots" / COMMIT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "work" / "me" / "gen").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    return snapshot


def test_a_model_of_the_hub_is_drawn_with_in_its_own_manner(hub):
    """And a folder that happens to have its name has no part in it."""
    artist = stage_of(hub="me/gen", revision=COMMIT, steps=None).artist
    assert (artist.painter.steps, artist.painter.guidance, artist.side) == (2, 1.0, 32)
    assert artist.name == f"me/gen@{COMMIT}"
    assert os.path.samefile(artist.sources["model"].folder, hub)


def test_what_the_cache_does_not_hold_is_a_sentence(hub):
    with pytest.raises(UserError, match=r"me/gen: its commit f+ is not in the local cache; sketches\.diffusion\.online=true fetches it"):
        stage_of(hub="me/gen", revision="f" * 40)
    shutil.rmtree(hub / "unet")
    with pytest.raises(UserError, match=r"me/gen: .*no folder unet"):
        stage_of(hub="me/gen", revision=COMMIT)
    _refuses("me/gen: no model_index.json there", "me/gen")  # without a commit it is a folder


def test_an_sdxl_without_its_second_encoder_is_a_sentence(pipeline, tmp_path):
    model = save_sdxl(pipeline, tmp_path / "xl")
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    _say(model, "model_index.json", text_encoder_2=[None, None])
    _refuses("text_encoder_2 is a None; expected a CLIPTextModelWithProjection", model, save_controlnet(unet, tmp_path / "control"))
