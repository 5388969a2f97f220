"""Sketch2PoseNet's parts: guidance, features of a frozen generator, the regressor, the codes."""

from dataclasses import asdict
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from estimator.features import Features, Generator
from estimator.footing import digests
from estimator.frozen import Frozen
from estimator.guidance import Guidance
from estimator.guide import Guide
from estimator.losses.criterion import Criterion
from estimator.mixed import set_dtype
from estimator.models import load_model
from estimator.pose_codes import CodesSize, PoseCodes
from estimator.skeleton import Skeleton
from estimator.sketch2pose import Sketch2PoseNet
from estimator.train import train
from estimator.train_codes import draw_poses, load_codes, train_codes
from manifests.errors import UserError
from manifests.recipe import Estimator
from manifests.skeleton import JOINTS
from stages.annotated.reader import read_annotated
from stages.body.model import load_body
from stages.detector.detect import Detector, load_detector
from stages.detector.weights import BUNDLED, POSE, write_half
from stages.tensorfile import read_tensors
from tests.estimator.figures import TINY

SMALL = CodesSize(tokens=4, codes=8, code=4, width=16, layers=1)
HAND = Path(__file__).parents[1] / "data" / "drawings" / "annotations.json"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def generator(tiny_generator) -> Generator:
    return Generator(tiny_generator)


def guidance_of(joints: torch.Tensor) -> Guidance:
    """Joints whose heatmaps, of the whole picture and more, say nothing."""
    batch = len(joints)
    none, visibility, share = torch.zeros(batch, 16), torch.full((batch, 16, 3), 1 / 3), torch.full((batch, 16, 64, 48), 1 / (64 * 48))
    crop = share, torch.full((batch,), 4 / 3), torch.zeros(batch, 2)
    return Guidance(joints, none + 1, joints, none, visibility, torch.zeros(batch, 16, 8), *crop, placed=none)


def sketch2pose(generator: Generator, detector: Detector) -> Sketch2PoseNet:
    torch.manual_seed(3)
    frozen = Frozen(Guide(detector.finder.net, detector.eyes.net), generator, PoseCodes(SMALL).requires_grad_(False))
    return Sketch2PoseNet(16, Skeleton(load_body()), torch.eye(3), frozen)


def awake(features: Features) -> Features:
    """With what starts as nothing set to something."""
    for layer in (*features.merge, features.join):
        torch.nn.init.normal_(layer.weight, std=0.1)
    return features


def test_the_guide_reads_pictures_as_the_detector_does(detector):
    samples = [s for s in read_annotated(HAND) if s.image.shape[0] == s.image.shape[1]][:4]
    side = samples[0].image.shape[0]
    images = [s.image for s in samples if s.image.shape[0] == side]
    found = detector.detect(images, thorough=False)
    told = Guide(detector.finder.net, detector.eyes.net)(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255)
    assert np.median(np.abs(told.joints.numpy() * side - found.joints)) < side / 100
    heat, middle = told.heat(16), (torch.arange(16) + 0.5) / 16
    assert torch.allclose(heat.sum((-1, -2)), torch.ones(len(images), 16), atol=1e-4)
    mean = torch.stack([heat.sum(2) @ middle, heat.sum(3) @ middle], -1)
    assert (mean - told.joints).norm(dim=-1).median() < 1 / 16  # the map says what the joints say


def test_only_what_is_learned_is_saved_and_learns(generator, detector):
    net = sketch2pose(generator, detector)
    awake(net.features)
    assert not [name for name in net.state_dict() if any(part in name for part in ("unet", "vae", "book", "eyes"))]
    before = [p.clone() for p in generator.unet.parameters()]
    out = net(torch.rand(2, 3, 32, 32))
    terms = (out.joints3d_drawn, out.joints2d, out.depth, out.confidence, out.camera, out.six)
    sum(term.square().sum() for term in terms).backward()
    learned = dict(net.named_parameters())
    assert [name for name, p in learned.items() if p.grad is None or not p.grad.isfinite().all()] == []
    assert learned["features.join.weight"].grad.abs().sum() > 0 and learned["features.names"].grad.abs().sum() > 0
    assert all(p.grad is None for p in generator.unet.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, generator.unet.parameters(), strict=True))


def test_each_place_shares_its_attention_among_the_joints(generator):
    tokens = torch.randn(2, len(JOINTS), generator.unet.config.cross_attention_dim)
    latent = generator.latent(torch.rand(2, 3, 32, 32))
    control = generator.bones(torch.rand(2, 16, 2), 32)
    features, attention = generator.look(latent, control, tokens)
    assert [f.shape[1] for f in features] == generator.levels
    for maps in attention:
        assert maps.shape[:2] == (2, 16) and torch.allclose(maps.sum(1), torch.ones(()), atol=1e-4)


def test_features_follow_the_joints_that_are_told(generator):
    torch.manual_seed(0)
    features, image = awake(Features(generator, 16)), torch.rand(1, 3, 32, 32)
    here, there = (features(image, guidance_of(torch.full((1, 16, 2), place))) for place in (0.2, 0.8))
    assert not torch.allclose(here, there)


def test_at_first_it_sees_what_it_sees_without_the_generator(generator):
    torch.manual_seed(0)
    image, guidance = torch.rand(1, 3, 32, 32), guidance_of(torch.rand(1, 16, 2))
    features = Features(generator, 16)
    whole = features(image, guidance)
    features.look = False
    torch.testing.assert_close(whole, features(image, guidance))
    awake(features)
    features.look = True
    assert not torch.allclose(whole, features(image, guidance))


def test_codes_of_the_true_pose_are_the_ones_to_say():
    torch.manual_seed(0)
    codes = PoseCodes(SMALL).requires_grad_(False)
    truth = SimpleNamespace(pose=torch.eye(3).expand(2, 24, 3, 3), joints2d=torch.zeros(2, 16, 2))
    right = codes.nearest(codes.encode(truth.pose[:, 1:]))
    said = 20.0 * torch.nn.functional.one_hot(right, SMALL.codes)
    criterion = Criterion({"codes": 1.0}, Skeleton(load_body()), load_body(), codes)
    costs = [criterion(SimpleNamespace(codes=logits), truth)["codes"].item() for logits in (said, 0 * said, said.roll(1, -1), None)]
    assert costs[0] < 1e-3 and costs[1] == pytest.approx(np.log(SMALL.codes)) and costs[2] > 19 and costs[3] == 0


def test_a_model_knows_what_it_was_trained_on(dataset, tiny_generator, tmp_path, monkeypatch):
    codes = tmp_path / "codes.safetensors"
    write_half(codes, PoseCodes(SMALL), {"size": asdict(SMALL)})
    monkeypatch.chdir(tmp_path)
    parts = {"generator": Path("drawer"), "codes": Path("codes.safetensors")}
    config = Estimator.model_validate({**TINY.model_dump(), "model": "sketch2pose", **parts, "steps": 2})
    with pytest.raises(UserError, match=r"estimator\.generator: .*drawer is not there"):
        train(dataset, tmp_path / "out", config, 1, None)
    copytree(tiny_generator, tmp_path / "drawer")
    path = train(dataset, tmp_path / "out", config, 1, None, log=lambda _: None)
    monkeypatch.chdir("/")  # from where no part is found by its relative path
    load_model(path, Skeleton(load_body()))
    words = read_tensors(path)[1]
    config = config.model_copy(update={name: tmp_path / path for name, path in parts.items()})
    assert words["frozen"] == digests(config) and words["frozen"].keys() == {"generator", "detector", "codes"}
    (tmp_path / "drawer" / "README.md").write_text("words change nothing")
    load_model(path, Skeleton(load_body()))
    write_half(codes, PoseCodes(SMALL), {"size": asdict(SMALL)})  # others, at random
    with pytest.raises(UserError, match=r"model\.safetensors: trained with another codes than .*codes\.safetensors; put that one there"):
        load_model(path, Skeleton(load_body()))


def test_a_generator_of_another_make_is_refused(tiny_generator, tmp_path):
    """The U-Net of SD 1.x has no attention in its coarsest level."""
    copytree(tiny_generator, tmp_path / "other")
    config = UNet2DConditionModel.load_config(tmp_path / "other/unet")
    kinds = ["UpBlock2D", *config["up_block_types"][1:]]
    UNet2DConditionModel.from_config(config, up_block_types=kinds).save_pretrained(tmp_path / "other/unet")
    with pytest.raises(UserError, match=r"estimator\.generator: .*other: some levels of its U-Net have no attention"):
        Generator(tmp_path / "other")


def test_lower_precision_stays_near(generator, detector):
    net, image = sketch2pose(generator, detector).eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        full = net(image)
        set_dtype(net, torch.bfloat16)
        half = net(image)
    assert half.pose.dtype == torch.float32
    apart = (full.depth - half.depth).abs().max()
    assert 0 < apart < 0.05


def test_codes_learn_poses_and_resume(tmp_path):
    poses, held = draw_poses("demo", 64, "train"), draw_poses("demo", 8, "val")
    assert poses.shape == (64, 24, 3, 3) and not np.isclose(poses[:, None, 1], held[None, :, 1]).all((-1, -2)).any()
    size = CodesSize(tokens=8, codes=64, code=8, width=32, layers=1)
    few, more = (train_codes(poses, poses, tmp_path / str(steps), steps, 1, size)["joints_mm"] for steps in (2, 60))
    assert more < 0.8 * few
    net = load_codes(tmp_path / "60" / "codes.safetensors")
    with pytest.raises(UserError, match=r"pose\.safetensors: its header does not describe a discrete pose prior"):
        load_codes(BUNDLED / POSE)
    pose = torch.from_numpy(held[:, 1:])
    codes = net.nearest(net.encode(pose))
    sure = 50.0 * torch.nn.functional.one_hot(codes, size.codes)
    assert torch.allclose(net.mixture(sure), net(pose).pose, atol=1e-3)  # tokens that are sure say the pose of their codes


def test_codes_do_not_go_on_with_other_poses(tmp_path, monkeypatch):
    poses, others = draw_poses("demo", 8, "train"), draw_poses("demo", 8, "val")
    size = CodesSize(tokens=8, codes=64, code=8, width=32, layers=1)
    monkeypatch.setattr("estimator.train_codes._SAVE_EVERY", 1)
    monkeypatch.setattr("estimator.train_codes.judge", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_codes(poses, poses, tmp_path, 3, 1, size)  # ends before its checkpoint is done with
    with pytest.raises(UserError, match="made with another poses_sha256"):
        train_codes(others, others, tmp_path, 3, 1, size)


def test_a_code_that_nobody_chooses_becomes_a_token():
    net = PoseCodes(SMALL)
    net.uses.fill_(0.0)
    net.uses[0] = 1000.0
    said = torch.randn(2, SMALL.tokens, SMALL.code)
    net.follow(said, torch.zeros(2, SMALL.tokens, dtype=torch.long), torch.Generator().manual_seed(1))
    assert torch.cdist(net.book[1:], said.flatten(0, 1)).amin(1).max() < 1e-4


def test_a_code_that_nobody_chooses_is_given_away():
    torch.manual_seed(0)
    net = PoseCodes(SMALL)
    said = torch.randn(32, SMALL.tokens, SMALL.code)
    net.book[0] = 1e3
    for _ in range(400):
        net.follow(said, net.nearest(said), torch.Generator().manual_seed(1))
    assert net.book.abs().max() < 10 and net.nearest(said).unique().numel() == SMALL.codes
