"""Tokenizer, words, conditions, lines, latents: what the model is made of and what it sees."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from manifests.errors import UserError
from manifests.skeleton import EDGES, STYLES
from stages.body.camera import intrinsics
from stages.body.figure import Figure, make_figure
from stages.body.model import load_body
from stages.sketches.drawing import charcoal, draw, kids
from stages.sketches.generator import conditions
from stages.sketches.generator.blur import start_as_blur
from stages.sketches.generator.build import build_vae, parameters
from stages.sketches.generator.config import load_profile
from stages.sketches.generator.distill import ddim, velocity_to
from stages.sketches.generator.lines import line_f1, psnr
from stages.sketches.generator.prompts import Prompts
from stages.sketches.generator.tokenizer import build_tokenizer
from stages.sketches.generator.whiten import whiten
from stages.sketches.generator.words import choose_phrase, phrases
from tests.generator.conftest import TINY


def test_every_word_of_a_caption_is_one_token():
    captions = phrases(30)
    tokenizer = build_tokenizer(captions, 64)
    words = {word for caption in captions for word in caption.replace("-", " ").replace(",", " ").split()}
    assert [word for word in words if len(tokenizer.tokenize(word)) != 1] == []
    assert tokenizer.unk_token_id not in [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(w))[0] for w in words]


@pytest.mark.parametrize("text", ["a figure with red trousers, a hat", "zebra", "é 漢字 ü!", ""])
def test_any_text_comes_back(text):
    tokenizer = build_tokenizer(["a figure with red trousers, a hat"], 64)
    ids = tokenizer(text).input_ids
    assert tokenizer.unk_token_id not in ids[1:-1]
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("guided", [False, True])
def test_embeddings_meet_on_one_device(monkeypatch, guided):
    """Those that are kept lie on the CPU, while a pipeline of another device answers there."""

    def encode_prompt(prompt, device, num_images_per_prompt, do_classifier_free_guidance):
        return (torch.ones(len(prompt), 3, 4, device=device),) * 2

    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.ones(tensor.shape))  # of the device meta nothing can be copied
    unet = SimpleNamespace(device=torch.device("meta"), dtype=torch.float16)
    words, _ = Prompts(SimpleNamespace(unet=unet, encode_prompt=encode_prompt), 2).embed(["a dog", "a cat"], guided)
    assert words.device == unet.device and words.shape == (4 if guided else 2, 3, 4)


def test_phrases_follow_from_the_seed_and_fit_the_style():
    for style in STYLES:
        first, again = (choose_phrase(style, np.random.default_rng(5)) for _ in range(2))
        assert first == again
        assert first.startswith("a stick figure" if style == "stick" else "a figure")


def test_charcoal_is_as_often_unclothed_as_the_renderer_draws_it():
    rng = np.random.default_rng(0)
    plain = np.mean([choose_phrase("charcoal", rng).startswith("a figure, in") for _ in range(2000)])
    assert abs(plain - (0.15 + 0.15 * 0.6)) < 0.03
    assert not any(choose_phrase(style, rng).startswith("a figure,") for style in ("cartoon", "oil", "ink") for _ in range(50))


def _turned(angle: float, size: int = 256) -> Figure:
    """A figure that stands at an angle of 0, and on its head at half a turn."""
    pose = np.zeros((24, 3))
    pose[0] = (0, 0, np.pi - angle)
    return make_figure(load_body(), pose, np.zeros(10), np.ones(24), np.array([0, 0, 6.0]), intrinsics(400 * size / 256, size), size)


def test_nobody_upside_down_is_asked_for_in_a_dress():
    for angle, asked in ((0.0, True), (np.pi, False)):
        rng, figure = np.random.default_rng(0), _turned(angle)
        said = [choose_phrase(style, rng, figure) for style in STYLES for _ in range(60)]
        assert any("dress" in words or "skirt" in words for words in said) == asked


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_legs_hang_down_in_pictures_of_any_size(size):
    assert kids.legs_down(_turned(0, size)) and not kids.legs_down(_turned(np.pi, size))


def test_a_kind_of_drawing_is_among_its_words():
    figure = _turned(0)
    for style, option, told in (("charcoal", "kind", charcoal._SAID), ("kids", "limbs", kids._LIMBS), ("kids", "fill", kids._FILL)):
        for seed in range(4):
            drawing = draw(figure, style, np.random.default_rng(seed))
            assert [word for word in told.values() if word in drawing.appearance] == [told[drawing.options[option]]]
        rng = np.random.default_rng(0)
        said = [choose_phrase(style, rng) for _ in range(20)]
        assert all(any(word in words for word in told.values()) for words in said)


def _joints():
    rng = np.random.default_rng(1)
    return rng.uniform(20, 236, (16, 2)), rng.uniform(2, 4, 16)


def test_bones_are_where_the_joints_are_and_the_nearest_is_on_top():
    joints, depth = _joints()
    picture = conditions.pose_map(joints, depth, 256)
    nearest = int(np.argmin(depth[np.array(EDGES)].mean(1)))
    a, b = EDGES[nearest]
    for share in (0.2, 0.5, 0.8):
        x, y = np.floor(joints[a] + share * (joints[b] - joints[a])).astype(int)
        assert picture[y, x].tolist() == conditions._SKEP[nearest].tolist()
    assert not conditions.pose_map(joints + 1000, depth, 256).any()


def test_unknown_joints_leave_their_bones_out():
    joints, _ = _joints()
    joints[4] = np.nan
    picture = conditions.pose_map(joints, np.zeros(16), 256)
    assert not (picture == conditions._SKEP[3]).all(-1).any()
    assert (picture == conditions._SKEP[2]).all(-1).any()


def test_openpose_colours():
    joints, depth = _joints()
    picture = conditions.pose_map(joints, depth, 256, "openpose")
    x, y = np.floor(joints[0]).astype(int)
    assert picture[y, x].tolist() == [255, 0, 0]


def test_the_part_map_shows_the_body_and_nothing_else():
    figure = make_figure(load_body(), np.zeros((24, 3)), np.zeros(10), np.ones(24), np.array([0, 0, 4.0]), intrinsics(200, 128), 128)
    parts = conditions.part_map(figure)
    assert ((parts[..., 0] > 0) == (figure.part > 0)).all()
    assert len(np.unique(parts[..., 0])) == len(np.unique(figure.part))
    inside = figure.part > 0
    assert np.abs(parts[inside][:, 1:] / 127.5 - 1 - figure.normal[inside][:, :2]).max() < 0.01
    full, bare = conditions.condition(parts, parts), conditions.condition(parts, None)
    assert full.shape == (6, 128, 128) and full.dtype == np.uint8 and not bare[3:].any() and (bare[:3] == full[:3]).all()
    assert conditions.condition(parts, parts, 3).shape == (3, 128, 128)


def test_whitening_changes_latents_and_no_picture():
    torch.manual_seed(0)
    vae = build_vae(TINY.networks)
    picture = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = vae.encode(picture).latent_dist
        copy = vae.decode(before.mean).sample
        mean, deviation = before.mean.mean((0, 2, 3)), before.mean.std((0, 2, 3))
        whiten(vae, (mean, deviation))
        after = vae.encode(picture).latent_dist
    assert after.mean.mean((0, 2, 3)).abs().max() < 1e-4 and (after.mean.std((0, 2, 3)) - 1).abs().max() < 1e-4
    assert (vae.decode(after.mean).sample - copy).abs().max() < 1e-4
    assert (after.std - before.std / deviation.view(1, -1, 1, 1)).abs().max() < 1e-4


def test_lines_are_missed_when_they_are_gone():
    picture = np.full((64, 64, 3), 250, np.uint8)
    picture[30:32] = 20
    blank = np.full_like(picture, 250)
    assert line_f1(picture, picture) == 1 and line_f1(picture, blank) == 0 and psnr(picture, picture) > 60 > psnr(picture, blank)
    assert line_f1(picture, np.roll(picture, 1, 0)) > 0.9


def test_the_wanted_velocity_leads_where_it_shall():
    g = torch.Generator().manual_seed(0)
    noisy, landed = torch.randn(3, 2, 4, 4, generator=g), torch.randn(3, 2, 4, 4, generator=g)
    now, then = torch.tensor([0.0, 0.3, 0.9]).view(-1, 1, 1, 1), torch.tensor([0.2, 0.7, 1.0]).view(-1, 1, 1, 1)
    assert (ddim(noisy, velocity_to(noisy, landed, now, then), now, then) - landed).abs().max() < 1e-4


def test_the_bundled_profiles_keep_to_the_budget():
    from stages.sketches.generator.build import build_pipeline

    pipeline = build_pipeline(load_profile("cpu").networks, phrases(), 1)
    maps = torch.zeros(2, 6, 256, 256)
    maps[1, :, 60:120, 80:140] = 1
    without, with_some = pipeline.controlnet.controlnet_cond_embedding(maps).detach()
    assert (with_some - without).std() > 0.01  # they are seen from the start
    sizes = {name: parameters(getattr(pipeline, name)) / 1e6 for name in ("vae", "unet", "controlnet", "text_encoder")}
    assert sizes["vae"] <= 4 and sum(sizes.values()) <= 20
    assert load_profile("gpu").networks.unet == load_profile("cpu").networks.unet


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("unett.batch=8", "profile cpu: unett: Extra inputs are not permitted"),
        ("unet.bach=8", r"profile cpu: unet\.bach: Extra inputs"),
        ("pictures.batch.more=8", "expected key=value"),
        ("unet.batch", "expected key=value"),
        ("unet.parts=[unet", "the value is not YAML"),
        ("unet.batch=0x_", "the value is not YAML"),
        ("unet.batch=yes", "unet.batch: Input should be a valid integer"),
    ],
)
def test_mistakes_in_what_is_set_are_named(item, sentence):
    with pytest.raises(UserError, match=sentence):
        load_profile("cpu", [item])


def test_the_autoencoder_starts_as_a_blur_in_the_pictures_colours():
    torch.manual_seed(2)
    vae = build_vae(TINY.networks)
    start_as_blur(vae)
    blocks = torch.rand(4, 3, 8, 8) * 2 - 1
    with torch.inference_mode():
        latent = vae.encode(torch.nn.functional.interpolate(blocks, scale_factor=4)).latent_dist
        copies = torch.nn.functional.avg_pool2d(vae.decode(latent.mean).sample, 4)
    assert latent.std.max() < 0.2
    for colour in range(3):
        assert np.corrcoef(copies[:, colour].flatten(), blocks[:, colour].flatten())[0, 1] > 0.8
