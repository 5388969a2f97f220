"""Sketch2PoseNet's parts: guidance, features of a frozen generator, the regressor, the codes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from estimator.features import Features, Generator
from estimator.guidance import Guidance, Guide
from estimator.pose_codes import CodesSize, PoseCodes
from estimator.skeleton import Skeleton
from estimator.sketch2pose import Sketch2PoseNet
from estimator.train_codes import draw_poses, load_codes, train_codes
from manifests.errors import UserError
from manifests.skeleton import JOINTS
from stages.annotated.reader import read_annotated
from stages.body.model import load_body
from stages.detector.detect import Detector, load_detector
from stages.detector.weights import BUNDLED, POSE
from stages.sketches.generator.build import build_pipeline, save_folder
from stages.sketches.generator.config import load_profile

SMALL = CodesSize(tokens=4, codes=8, code=4, width=16, layers=1)
HAND = Path(__file__).parents[1] / "data" / "drawings" / "annotations.json"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> Generator:
    """A tiny generator of random weights, from a folder."""
    folder = tmp_path_factory.mktemp("generator") / "model"
    save_folder(build_pipeline(load_profile("tiny").networks, ["a man walks"], 1), folder, {})
    return Generator(folder)


def guidance_of(joints: torch.Tensor, cells: int) -> Guidance:
    batch = len(joints)
    heat = torch.full((batch, 16, cells, cells), 1 / cells**2)
    return Guidance(joints, torch.ones(batch, 16), torch.full((batch, 16, 3), 1 / 3), heat)


def guide_of(detector: Detector, cells: int) -> Guide:
    return Guide(detector.finder.net, detector.eyes.net, cells)


def sketch2pose(generator: Generator, detector: Detector) -> Sketch2PoseNet:
    torch.manual_seed(3)
    return Sketch2PoseNet(16, Skeleton(load_body()), torch.eye(3), guide_of(detector, 8), generator, PoseCodes(SMALL))


def test_the_guide_reads_pictures_as_the_detector_does(detector):
    samples = [s for s in read_annotated(HAND) if s.image.shape[0] == s.image.shape[1]][:4]
    side = samples[0].image.shape[0]
    images = [s.image for s in samples if s.image.shape[0] == side]
    found = detector.detect(images, flip=False)
    told = guide_of(detector, 16)(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255)
    assert np.median(np.abs(told.joints.numpy() * side - found.joints)) < side / 100
    assert torch.allclose(told.heat.sum((-1, -2)), torch.ones(len(images), 16), atol=1e-4)
    middle = (torch.arange(16) + 0.5) / 16
    mean = torch.stack([told.heat.sum(2) @ middle, told.heat.sum(3) @ middle], -1)
    assert (mean - told.joints).norm(dim=-1).median() < 1 / 16  # the map says what the joints say


def test_only_what_is_learned_is_saved_and_learns(generator, detector):
    net = sketch2pose(generator, detector)
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
    features, image = Features(generator, 16), torch.rand(1, 3, 32, 32)
    here, there = (features(image, guidance_of(torch.full((1, 16, 2), place), 8)) for place in (0.2, 0.8))
    assert not torch.allclose(here, there)


def test_the_digest_of_a_generator_follows_its_weights(generator, tmp_path):
    folder = tmp_path / "other"
    save_folder(build_pipeline(load_profile("tiny").networks, ["a man walks"], 2), folder, {})
    assert Generator(folder).digest != generator.digest


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


def test_a_code_that_nobody_chooses_is_given_away():
    torch.manual_seed(0)
    net = PoseCodes(SMALL)
    said = torch.randn(32, SMALL.tokens, SMALL.code)
    net.book[0] = 1e3
    for _ in range(400):
        net.follow(said, net.nearest(said), torch.Generator().manual_seed(1))
    assert net.book.abs().max() < 10 and net.nearest(said).unique().numel() == SMALL.codes
