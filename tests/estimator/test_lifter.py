"""The lifter: what it is told of joints becomes a figure."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import cv2
import numpy as np
import pytest
import torch
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

from estimator import evaluate as evaluation
from estimator import readings
from estimator.batch import collate
from estimator.data import Sketches
from estimator.figure import figures_of
from estimator.fitted import look_at
from estimator.footing import found_again
from estimator.guidance import Guidance
from estimator.guide import Guide, load_guide
from estimator.inference import predict_all
from estimator.lifter import Lifter
from estimator.losses.criterion import Criterion, weights_of
from estimator.metrics import pa_mpjpe
from estimator.mixed import set_dtype
from estimator.models import load_model
from estimator.network import Network, said_of
from estimator.skeleton import Skeleton
from estimator.state import finished
from estimator.train import train
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.body.model import load_body
from stages.detector.crops import apply
from stages.detector.detect import load_detector
from stages.detector.weights import BUNDLED, POSE
from stages.loop import CHECKPOINT
from stages.tensorfile import read_tensors, weights_digest, write_tensors
from tests.detector.figures import figure
from tests.estimator.figures import TINY

SIDE = 64


@pytest.fixture(scope="module")
def guide() -> Guide:
    return load_guide(BUNDLED, torch.device("cpu"))


@pytest.fixture
def lifter(guide, skeleton) -> Lifter:
    return Lifter(8, skeleton, torch.eye(3).expand(24, 3, 3), guide)


def _told(joints: torch.Tensor, features: torch.Tensor) -> Guidance:
    """Joints that are all seen, and sure."""
    batch = len(joints)
    none, visibility = torch.zeros(batch, 16), torch.tensor([0.0, 0.0, 1.0]).expand(batch, 16, 3)
    crop = torch.zeros(batch, 16, 64, 48), torch.ones(batch), torch.zeros(batch, 2)
    return Guidance(joints, none + 1, joints, none, visibility, features, *crop, placed=none)


def test_true_joints_are_lifted_to_their_figures(lifter, skeleton, dataset):
    """Of eight figures that it learns by heart."""
    sketches = Sketches(dataset, "train", SIDE)
    truth = collate([sketches[i] for i in range(8)])
    told = _told(truth.joints2d / SIDE, torch.zeros(8, 16, 192))
    criterion = Criterion(weights_of(Estimator()), skeleton, load_body())
    optimizer = torch.optim.Adam(lifter.parameters(), 2e-3)
    errors = []
    for _ in range(150):
        seen = lifter.lifted(told, SIDE)
        errors.append(pa_mpjpe(seen.joints3d.detach().numpy(), truth.joints3d.numpy()).mean())
        optimizer.zero_grad()
        criterion.total(criterion(seen, truth)).backward()
        optimizer.step()
    assert errors[-1] < 0.3 * errors[0]
    lifter.eval()
    seen = lifter.lifted(told, SIDE)
    assert (seen.joints2d - truth.joints2d).abs().mean() < 0.02 * SIDE
    laid = seen.joints3d_drawn[..., :2] * seen.camera[:, None, :1] + seen.camera[:, None, 1:]
    assert (laid - truth.joints2d).norm(dim=-1).mean() < 0.05 * SIDE


def test_what_was_seen_at_the_joints_counts_unless_left_out(guide, skeleton):
    joints = torch.rand(2, 16, 2)
    for features in (True, False):
        net = Lifter(8, skeleton, torch.eye(3).expand(24, 3, 3), guide, features).eval()
        torch.nn.init.normal_(net.head.turns.weight)
        here, there = (net.lifted(_told(joints, torch.full((2, 16, 192), value)), SIDE).pose for value in (0.0, 1.0))
        assert torch.allclose(here, there) != features


def test_it_concludes_from_a_more_thorough_look_where_there_is_one(lifter):
    picture, network = figure(1)[0], Network(lifter.eval(), 256, "lifter")
    found = load_detector(batch=1).detect([picture])
    elsewhere = replace(found, joints=found.joints + 3)
    (plain, matrices), (again, _) = (said_of(network, [picture], found.boxes, None, one) for one in (None, elsewhere))
    expected = apply(matrices[0], elsewhere.joints[0])
    np.testing.assert_allclose(again.joints2d[0].numpy(), expected, atol=0.01)
    assert np.abs(plain.joints2d[0].numpy() - expected).mean() > 1


def test_many_are_told_of_a_thorough_look_a_batch_at_a_time(lifter, dataset, monkeypatch):
    samples = list(Sketches(dataset, "val", SIDE))[:3]
    found = look_at(samples).across(SIDE)
    seen, _ = predict_all(lifter.eval(), samples, 2, found)
    torch.testing.assert_close(seen.joints2d, found.joints * SIDE)
    alone, _ = predict_all(lifter, samples, 2)
    assert not torch.allclose(alone.joints2d, seen.joints2d, atol=0.1)
    monkeypatch.setattr(lifter.guide, "bundled", False)  # it has learned to read another detector
    assert torch.equal(predict_all(lifter, samples, 2, found)[0].joints2d, alone.joints2d)


def test_a_joint_that_is_placed_lies_there_for_sure(lifter):
    torch.nn.init.normal_(lifter.head.turns.weight)
    network, picture, box = Network(lifter.eval(), SIDE, "lifter"), np.zeros((90, 120, 3), np.uint8), np.array([[30.0, 10.0, 80.0, 70.0]])
    placed = np.full((1, 16, 2), np.nan)
    plain = figures_of(*said_of(network, [picture], box, placed))[0]
    placed[0, 4] = 75, 20
    corrected = figures_of(*said_of(network, [picture], box, placed))[0]
    assert np.allclose(corrected.joints2d[4], (75, 20), atol=1e-3) and not np.allclose(plain.pose, corrected.pose, atol=1e-4)
    others = np.arange(16) != 4
    assert np.allclose(corrected.joints2d[others], plain.joints2d[others], atol=1e-3)


def test_it_goes_where_it_is_sent_with_its_guide():
    net = Lifter(8, Skeleton(load_body()), torch.eye(3).expand(24, 3, 3), load_guide(BUNDLED, torch.device("cpu"))).to("meta")
    assert {p.device.type for part in (net, net.guide.eyes, net.guide.finder) for p in part.parameters()} == {"meta"}


def test_all_but_the_guide_learns_and_is_saved(lifter, guide):
    out = lifter(torch.rand(2, 3, SIDE, SIDE))
    terms = (out.joints3d_drawn, out.depth, out.confidence, out.camera, out.six)
    sum(term.square().sum() for term in terms).backward()
    learned = dict(lifter.named_parameters())
    assert [name for name, p in learned.items() if p.grad is None or not p.grad.isfinite().all()] == []
    assert not [name for name in lifter.state_dict() if "eyes" in name or "finder" in name]
    assert all(p.grad is None for p in guide.eyes.parameters())


def test_lower_precision_stays_near(lifter):
    """In pictures of somebody; in noise a joint is anywhere."""
    small = [cv2.resize(figure(i)[0], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for i in range(2)]
    image = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2) / 255
    lifter.eval()
    torch.nn.init.normal_(lifter.found.weight, std=0.1)
    with torch.no_grad():
        full = lifter(image)
        set_dtype(lifter, torch.bfloat16)
        half = lifter(image)
    assert half.pose.dtype == half.depth.dtype == torch.float32
    assert 0 < (full.depth - half.depth).abs().max() < 0.1


def _other_detector(folder: Path) -> Path:
    """The bundled one, with other weights."""
    copytree(BUNDLED, folder)
    _change(folder)
    return folder


def _change(detector: Path) -> None:
    tensors, words = read_tensors(detector / POSE)
    write_tensors(detector / POSE, {name: tensor + 0.001 for name, tensor in tensors.items()}, words)


def test_a_trained_one_knows_its_detector(dataset, skeleton, tmp_path):
    folder = _other_detector(tmp_path / "detector")
    config = Estimator.model_validate({**TINY.model_dump(), "model": "lifter", "detector": folder, "steps": 2})
    path = train(dataset, tmp_path / "out", config, 1, None, log=lambda _: None)
    load_model(path, skeleton)
    assert read_tensors(path)[1]["frozen"].keys() == {"detector"}
    _change(folder)
    with pytest.raises(UserError, match=rf"model\.safetensors: trained with another detector than {folder}; put that one there or beside"):
        load_model(path, skeleton)


def test_its_detector_may_be_moved(dataset, skeleton, tmp_path):
    """Beside the model, as to another machine; and a training goes on, since it is the same detector."""
    folder = _other_detector(tmp_path / "guide")
    config = Estimator.model_validate({**TINY.model_dump(), "model": "lifter", "detector": folder, "steps": 2})
    path = train(dataset, tmp_path / "out", config, 1, None, log=lambda _: None)
    moved = folder.rename(tmp_path / "out" / "guide")
    assert load_model(path, skeleton)[1].detector == moved
    said: list[str] = []
    train(dataset, tmp_path / "out", config.model_copy(update={"detector": moved}), 1, None, log=said.append)
    assert "trained already" in said[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 0}, "trained by a SKEP whose lifter was another; train it again"),
        ({"config": {"model": "another"}}, "trained by a SKEP whose another was another; train it again"),
        ({"config": {"model": "lifter", "colour": "red"}}, "its config is not one of this SKEP; train it again"),
        ({"frozen": {}}, "trained with another detector than"),
    ],
)
def test_a_model_of_another_code_is_a_sentence(dataset, skeleton, tmp_path, change, sentence):
    config = Estimator.model_validate({**TINY.model_dump(), "model": "lifter", "steps": 2})
    tensors, words = read_tensors(train(dataset, tmp_path / "out", config, 1, None, log=lambda _: None))
    write_tensors(tmp_path / "old.safetensors", tensors, words | change)
    with pytest.raises(UserError, match=rf"old\.safetensors: {sentence}"):
        load_model(tmp_path / "old.safetensors", skeleton)
    tensors.popitem()
    write_tensors(tmp_path / "less.safetensors", tensors, words)
    with pytest.raises(UserError, match=r"less\.safetensors: its weights are not those of its config"):
        load_model(tmp_path / "less.safetensors", skeleton)


def test_a_copy_of_the_bundled_detector_is_the_bundled_one(tmp_path):
    copy = copytree(BUNDLED, tmp_path / "copy")
    assert load_guide(copy, torch.device("cpu")).bundled
    assert found_again("lifter", {"detector": weights_digest(copy)}, {"detector": str(tmp_path / "gone")}, tmp_path) == {"detector": None}


def test_a_detector_of_another_kind_cannot_guide(tmp_path):
    backbone = VitPoseBackboneConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, out_indices=[1])
    VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="a detector of another kind; only one of `make train-detector` can guide"):
        load_guide(tmp_path, torch.device("cpu"))


def test_one_that_is_stopped_while_its_detector_reads_goes_on_and_leaves_nothing(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(readings, "_ROWS", 7)
    config, look, looks, lines = TINY.model_copy(update={"model": "lifter"}), Guide.__call__, [], []

    def struck(guide, images):
        looks.append(len(images))
        if len(looks) == 3:
            raise KeyboardInterrupt
        return look(guide, images)

    with monkeypatch.context() as patch:
        patch.setattr(Guide, "__call__", struck)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, tmp_path / "m", config, 1, None, log=lines.append)
        assert "the same command goes on after step 0" in lines[-1] and len(list((tmp_path / "m/readings").iterdir())) == 2
        train(dataset, tmp_path / "m", config, 1, None, log=lines.append)
    assert looks[:5] == [7, 7, 7, 7, 3] and any("2 of 4 parts" in line for line in lines)
    assert not (tmp_path / "m/readings").exists()


def test_what_a_finished_training_left_goes_and_another_training_s_stays(dataset, tmp_path):
    config, checkpoint, lines = TINY.model_copy(update={"model": "lifter", "steps": 1}), tmp_path / CHECKPOINT, []
    train(dataset, tmp_path, config, 1, None, log=lines.append)
    (tmp_path / "readings").mkdir()
    for identity, stays in (({"seed": 2}, True), (finished(tmp_path), False)):  # as a kill leaves them
        write_tensors(checkpoint, {}, {"step": 1, "identity": identity})
        train(dataset, tmp_path, config, 1, None, log=lines.append)
        assert "trained already" in lines[-1]
        assert checkpoint.exists() == (tmp_path / "readings").exists() == stays


def test_evaluations_fit_it_from_the_thorough_look_and_judge_it_by_its_own(dataset, tmp_path, monkeypatch):
    train(dataset, tmp_path / "lifter", TINY.model_copy(update={"model": "lifter", "steps": 2}), 1, None, log=lambda _: None)
    say, told = evaluation._say_net, []
    monkeypatch.setattr(evaluation, "_say_net", lambda net, *given: told.append((type(net), given[-1] is not None)) or say(net, *given))
    result = evaluation.evaluate(dataset, tmp_path, None, dataset, log=lambda _: None, fit=True)
    assert {"lifter", "lifter+fit", "bundled+fit"} <= result.keys()
    assert told.count((Lifter, True)) == told.count((Lifter, False)) > 0 and {net for net, looked in told if looked} == {Lifter}
