"""The estimator on a handful of stick figures: labels stay true, errors are what they say, training can be cut anywhere."""

import hashlib
import io
import json
import pickle
import tarfile
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from estimator import losses as loss
from estimator import metrics
from estimator.augment import SMPL_MIRROR, augment, mirror, move
from estimator.baseline import mean_pose
from estimator.checkpoint import read_tensors
from estimator.data import Sample, Sketches, from_hips
from estimator.evaluate import evaluate
from estimator.pose2pose import PositionNet, Prediction, pool_at
from estimator.rotations import from_6d, mean_rotation, to_6d
from estimator.skeleton import Skeleton
from estimator.state import differences
from estimator.train import schedule, train
from manifests import schema
from manifests.errors import UserError
from manifests.recipe import Estimator
from manifests.sample import encode_sample
from manifests.skeleton import EDGES, LEFT_HIP, NECK, RIGHT_HIP
from stages.body.model import load_body
from stages.body.rotations import axis_angle_from_matrix, matrix_from_axis_angle

SIZE = 96
TINY = Estimator(size=64, width=8, steps=6, batch=4, checkpoint_every=2)


# ---- figures and shards ----


def stick_row(number: int, split: str) -> dict:
    """A row with every column of a sample: a random pose, seen in weak perspective, drawn as lines."""
    rng = np.random.default_rng(number)
    pose = rng.normal(0, 0.3, (24, 3))
    pose[0] = (Rotation.from_euler("x", 180, degrees=True) * Rotation.from_rotvec(rng.normal(0, 0.4, 3))).as_rotvec()
    betas = rng.normal(0, 1, 10)
    joints3d = load_body().joints(pose, betas)[1]
    joints2d = from_hips(joints3d)[:, :2] * 0.32 * SIZE + SIZE / 2
    row = {f.name: np.zeros(schema.shape_of(f), f.type.value_type.to_pandas_dtype()) for f in schema.PROJECTIONS if b"shape" in f.metadata}
    labels = {"pose": pose, "betas": betas, "joints3d": joints3d, "joints3d_drawn": joints3d, "joints2d": joints2d}
    row |= {name: value.astype(np.float32) for name, value in labels.items()} | {"visibility": np.full(16, 2, np.uint8)}
    style = ("ink", "stick")[number % 2]
    words = dict.fromkeys(("proportions", "text_style", "appearance", "motion", "generator"), "-")
    picture = cv2.imencode(".png", stick_picture(joints2d))[1].tobytes()
    row |= words | {"sample_id": f"{style}-{number:06d}", "style": style, "split": split, "source_id": f"clip-{number}"}
    return row | {"score_ink": 0.1, "image": picture, "image_format": "png"}


def stick_picture(joints2d: np.ndarray) -> np.ndarray:
    image = np.full((SIZE, SIZE, 3), 255, np.uint8)
    for start, end in EDGES:
        a, b = (tuple(int(v) for v in (joints2d[joint] - 0.5).round()) for joint in (start, end))
        cv2.line(image, a, b, (60, 60, 60) if start in (2, 3, 8, 9, 10) else (160, 60, 0), 2, cv2.LINE_AA)
    return image


def write_shard(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def write_index(folder: Path, shards: dict[str, str]) -> None:
    listed = [{"shard": name, "split": split, "bytes": (folder / name).stat().st_size} for name, split in shards.items()]
    (folder / "dataset.json").write_text(json.dumps({"schema_version": 1, "shards": listed}))


def write_dataset(folder: Path, numbers: dict[str, range]) -> Path:
    folder.mkdir(parents=True)
    for split, chosen in numbers.items():
        rows = [stick_row(number, split) for number in chosen]
        members = {f"{row['sample_id']}.{ext}": data for row in rows for ext, data in encode_sample(row).items()}
        write_shard(folder / f"{split}-000000.tar", members)
    write_index(folder, {f"{split}-000000.tar": split for split in numbers})
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("estimator") / "dataset", {"train": range(8), "val": range(8, 12)})


@pytest.fixture(scope="module")
def sample(dataset):
    return Sketches(dataset, "train", SIZE)[0]


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return Skeleton(load_body())


def flat(sample) -> bytes:
    return b"".join(v.tobytes() for v in (getattr(sample, f.name) for f in fields(sample)) if isinstance(v, np.ndarray))


# ---- reading ----


def test_reads_what_was_written(dataset):
    row, sample = stick_row(0, "train"), Sketches(dataset, "train", SIZE)[0]
    assert (sample.sample_id, sample.style) == ("ink-000000", "ink")
    np.testing.assert_array_equal(sample.image, stick_picture(row["joints2d"])[..., ::-1])
    np.testing.assert_allclose(axis_angle_from_matrix(sample.pose), row["pose"], atol=1e-5)
    np.testing.assert_allclose(sample.joints3d[[RIGHT_HIP, LEFT_HIP]].mean(0), 0, atol=1e-6)


def test_smaller_pictures_scale_their_joints(dataset):
    np.testing.assert_allclose(Sketches(dataset, "train", 48)[1].joints2d * 2, Sketches(dataset, "train", 96)[1].joints2d, rtol=1e-6)


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def _with_pickle(members: dict[str, bytes]) -> dict[str, bytes]:
    return {**members, "ink-000000.pkl": pickle.dumps(_Bomb())}


def _with_objects(members: dict[str, bytes]) -> dict[str, bytes]:
    data = io.BytesIO()
    np.savez(data, pose=np.array([_Bomb()], object))
    return {**members, "ink-000000.npz": data.getvalue()}


def _with_path(members: dict[str, bytes]) -> dict[str, bytes]:
    return {f"../{name}": data for name, data in members.items()}


def _with_torn_picture(members: dict[str, bytes]) -> dict[str, bytes]:
    return {**members, "ink-000000.png": members["ink-000000.png"][:100]}


def _without_labels(members: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in members.items() if not name.endswith("npz")}


@pytest.mark.parametrize("harm", [_with_pickle, _with_objects, _with_path, _with_torn_picture, _without_labels])
def test_bad_members_are_refused(tmp_path, harm):
    members = {f"ink-000000.{ext}": data for ext, data in encode_sample(stick_row(0, "train")).items()}
    write_shard(tmp_path / "train-000000.tar", harm(members))
    write_index(tmp_path, {"train-000000.tar": "train"})
    with pytest.raises(UserError, match=r"train-000000\.tar.*ink-000000"):
        Sketches(tmp_path, "train", 64)[0]


def test_missing_datasets_are_named(tmp_path, dataset):
    with pytest.raises(UserError, match=r"dataset\.json: cannot read"):
        train(tmp_path / "none", tmp_path / "out", TINY, 0, None)
    only_train = write_dataset(tmp_path / "half", {"train": range(2)})
    with pytest.raises(UserError, match=r"dataset\.json: the val split has no samples"):
        Sketches(only_train, "val", 64)
    (only_train / "train-000000.tar").unlink()
    with pytest.raises(UserError, match=r"train-000000\.tar: this shard is missing"):
        Sketches(only_train, "train", 64)
    with pytest.raises(UserError, match=r"model\.safetensors: no such file"):
        evaluate(dataset, tmp_path, TINY, None)


def test_cut_shards_are_refused(tmp_path):
    folder = write_dataset(tmp_path / "cut", {"train": range(2)})
    shard = folder / "train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-600])
    with pytest.raises(UserError, match=r"train-000000\.tar: \d+ bytes where"):
        Sketches(folder, "train", 64)


# ---- augmentation ----


def test_mirror_twice_changes_nothing(sample):
    twice = mirror(mirror(sample))
    for name in ("image", "joints2d", "visibility", "joints3d", "pose"):
        np.testing.assert_allclose(getattr(twice, name), getattr(sample, name), atol=1e-5, err_msg=name)
    assert [SMPL_MIRROR[i] for i in SMPL_MIRROR] == list(range(24))


def test_mirror_negates_y_and_z_of_the_other_side(sample):
    vectors = axis_angle_from_matrix(sample.pose)[list(SMPL_MIRROR)] * (1, -1, -1)
    np.testing.assert_allclose(mirror(sample).pose, matrix_from_axis_angle(vectors), atol=1e-5)


def test_augmentation_follows_from_its_generator(sample):
    assert flat(augment(sample, np.random.default_rng(1))) == flat(augment(sample, np.random.default_rng(1)))
    assert flat(augment(sample, np.random.default_rng(1))) != flat(augment(sample, np.random.default_rng(2)))


@pytest.mark.parametrize("seed", range(4))
def test_augmented_labels_agree_with_each_other(sample, skeleton, seed):
    """The pose still leads to the joints, and the joints still project onto the drawn ones."""
    seen = augment(sample, np.random.default_rng(seed))
    pose, betas = torch.from_numpy(seen.pose)[None], torch.from_numpy(seen.betas)[None]
    # Mirrored figures may differ by what the body itself lacks in symmetry.
    np.testing.assert_allclose(skeleton(pose, betas)[0].numpy(), seen.joints3d, atol=2e-3)
    flat2d, flat3d = seen.joints2d - seen.joints2d.mean(0), (seen.joints3d - seen.joints3d.mean(0))[:, :2]
    scale = (flat2d * flat3d).sum() / (flat3d**2).sum()
    np.testing.assert_allclose(scale * flat3d, flat2d, atol=1e-3)


def test_the_picture_moves_with_its_joints():
    """A dot drawn at a joint is still there after every change."""
    dot, size = np.array([30.5, 20.5]), 64
    image = np.zeros((size, size, 3), np.uint8)
    image[20, 30] = 255
    plain = _bare(image, np.repeat(dot[None], 16, 0))
    for change in (mirror, lambda s: move(s, 25, 1.2, np.array([3.0, -2.0])), lambda s: move(s, -90, 0.9, np.zeros(2))):
        seen = change(plain)
        weight = seen.image[..., 0].astype(float)
        centre = np.array([(weight.sum(axis) * (np.arange(size) + 0.5)).sum() for axis in (0, 1)]) / weight.sum()
        np.testing.assert_allclose(centre, seen.joints2d[2], atol=0.35)


def _bare(image: np.ndarray, joints2d: np.ndarray) -> Sample:
    zeros = np.zeros((16, 3), np.float32)
    pose = np.repeat(np.eye(3, dtype=np.float32)[None], 24, 0)
    return Sample("x", "ink", image, joints2d.astype(np.float32), np.full(16, 2, np.uint8), zeros, pose, np.zeros(10, np.float32))


def test_joints_that_leave_the_picture_are_outside(sample):
    seen = move(sample, 0, 1, np.array([SIZE, 0]))
    assert (seen.visibility == 0).sum() >= 8 and (sample.visibility == 2).all()


# ---- rotations and the skeleton ----


def test_skeleton_agrees_with_the_body(skeleton):
    rng = np.random.default_rng(0)
    for _ in range(3):
        pose, betas = rng.normal(0, 0.6, (24, 3)), rng.normal(0, 1, 10)
        expected = from_hips(load_body().joints(pose, betas)[1])
        matrices = torch.from_numpy(matrix_from_axis_angle(pose)).float()[None]
        np.testing.assert_allclose(skeleton(matrices, torch.from_numpy(betas).float()[None])[0].numpy(), expected, atol=1e-5)


def test_six_numbers_make_the_rotation_they_came_from():
    matrices = torch.from_numpy(Rotation.random(20, rng=0).as_matrix())
    torch.testing.assert_close(from_6d(to_6d(matrices)), matrices)
    torch.testing.assert_close(from_6d(3 * to_6d(matrices)), matrices)


def test_mean_rotation_agrees_with_scipy():
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.7, (9, 3)))
    np.testing.assert_allclose(mean_rotation(turns.as_matrix()[:, None])[0], turns.mean().as_matrix(), atol=1e-6)


# ---- the network's parts ----


def test_heatmaps_and_pooling_share_one_scale():
    """A lone hot cell is found at its centre, and pooling there reads that very cell."""
    net = PositionNet(1)
    with torch.no_grad():
        net.heat.weight.zero_()
        net.heat.weight[:, 0, 1, 1] = 100
        net.heat.bias.zero_()
    features = torch.zeros(1, 1, 4, 4)
    features[0, 0, 1, 2] = 1
    where, heat = net(features)
    torch.testing.assert_close(where[0, 0, :2], torch.tensor([2.5 / 4, 1.5 / 4]))
    torch.testing.assert_close(pool_at(features, where[..., :2])[0, 0], torch.ones(1))
    assert heat.shape == (1, 16, 6, 6) and heat[0, 0].argmax() == 2 * 6 + 3
    inside = torch.ones(1, 16, dtype=torch.bool)
    assert loss.heat_loss(heat, where[..., :2], inside).item() == pytest.approx(0, abs=1e-5)


# ---- losses ----


def _truth(sample) -> loss.Batch:
    return loss.collate([sample], torch.device("cpu"))


def _right(truth: loss.Batch) -> Prediction:
    camera = torch.tensor([[0.32 * SIZE, SIZE / 2, SIZE / 2]])
    return Prediction(
        truth.pose, to_6d(truth.pose), truth.betas, camera, truth.joints3d, truth.joints2d, truth.joints3d[..., 2], _heat_at(truth.joints2d)
    )


def _heat_at(joints2d: torch.Tensor, cells: int = 12) -> torch.Tensor:
    """Log shares that fall with the distance from the joints."""
    centres = (torch.arange(-1, cells + 1) + 0.5) * SIZE / cells
    x, y = ((centres - joints2d[..., axis, None]) ** 2 / (SIZE / cells) ** 2 for axis in (0, 1))
    return (-y[..., :, None] - x[..., None, :]).flatten(2).log_softmax(-1).view(1, 16, cells + 2, cells + 2)


def test_the_truth_costs_nothing(sample):
    truth = _truth(sample)
    terms = loss.losses(_right(truth), truth)
    assert terms.pop("heat") < 2
    for name, value in terms.items():
        assert value.item() == pytest.approx(0, abs=1e-5), name


def _backwards(joints: torch.Tensor) -> torch.Tensor:
    """The left forearm turned end for end."""
    joints = joints.clone()
    joints[:, 7] = 2 * joints[:, 6] - joints[:, 7]
    return joints


@pytest.mark.parametrize(
    "term, field, spoil",
    [
        ("heat", "heat", lambda x: x.roll(2, dims=-1)),
        ("joints2d", "joints2d", lambda x: x + 3),
        ("depth", "depth", lambda x: -x),
        ("joints3d", "joints3d", _backwards),
        ("bones", "joints3d", _backwards),
        ("rotation", "pose", lambda x: x.transpose(-1, -2)),
        ("six", "six", lambda x: 3 * x),
        ("betas", "betas", lambda x: -x),
        ("camera", "camera", lambda x: x * 1.1),
    ],
)
def test_every_term_sees_its_error(sample, term, field, spoil):
    truth = _truth(sample)
    right = _right(truth)
    wrong = right._replace(**{field: spoil(getattr(right, field))})
    assert loss.losses(wrong, truth)[term] > loss.losses(right, truth)[term] + 1e-3


def test_a_bone_backwards_costs_more_than_a_bone_askew(sample):
    truth = _truth(sample).joints3d
    askew = truth.clone()
    askew[:, 7, 0] += 0.1
    assert loss.bone_loss(_backwards(truth), truth).item() == pytest.approx(2 / len(EDGES), abs=1e-5)
    assert loss.bone_loss(askew, truth) < loss.bone_loss(_backwards(truth), truth) / 2


def test_rotation_loss_does_not_jump_at_half_a_turn():
    a, b = (torch.from_numpy(matrix_from_axis_angle(np.array([angle, 0.0, 0.0]))) for angle in (np.pi - 0.01, -np.pi + 0.01))
    assert loss.rotation_loss(a, b) < 0.02


def test_joints_outside_the_picture_teach_no_place(sample):
    truth = _truth(replace(sample, visibility=np.where(np.arange(16) == 4, 0, 2).astype(np.uint8)))
    wrong = truth.joints2d.clone()
    wrong[:, 4] += 50
    assert loss.joints2d_loss(wrong, truth.joints2d, truth.visibility > 0) == 0


# ---- metrics ----


def _figure(seed: int = 0) -> np.ndarray:
    return from_hips(np.random.default_rng(seed).normal(0, 0.4, (3, 16, 3)))


def test_mpjpe_by_hand():
    truth = _figure()
    seen = truth.copy()
    seen[:, 0] += (0.03, 0.04, 0)  # 50 mm in one joint of sixteen
    np.testing.assert_allclose(metrics.mpjpe(seen, truth), 50 / 16)
    np.testing.assert_allclose(metrics.mpjpe(seen + 1, truth), 50 / 16)
    seen = truth.copy()
    seen[:, RIGHT_HIP] += (0.1, 0, 0)  # moves the hips' midpoint by 50 mm: so much for the others, and for this one
    np.testing.assert_allclose(metrics.mpjpe(seen, truth), 50)


def test_pa_mpjpe_forgives_a_similarity_but_no_mirror():
    truth = _figure()
    seen = 1.7 * truth @ Rotation.random(rng=3).as_matrix().T + (1, 2, 3)
    np.testing.assert_allclose(metrics.pa_mpjpe(seen, truth), 0, atol=1e-9)
    assert (metrics.pa_mpjpe(truth * (-1, 1, 1), truth) > 100).all()


def test_procrustes_agrees_with_scipy():
    seen, truth = _figure(1), _figure(2)
    for a, b, aligned in zip(seen, truth, metrics.procrustes(seen, truth), strict=True):
        x, y = a - a.mean(0), b - b.mean(0)
        turned = Rotation.align_vectors(y, x)[0].apply(x)
        scale = (turned * y).sum() / (x**2).sum()
        np.testing.assert_allclose(aligned, scale * turned + b.mean(0), atol=1e-9)


def test_pck_by_hand():
    truth = np.zeros((2, 16, 2))
    truth[:, NECK] = (0, -50)  # the torso is 50 px, so 5 px is a hit
    seen = truth + np.array((5, 0))
    seen[:, :4] += (1, 0)
    visibility = np.full((2, 16), 2)
    visibility[0, :2], visibility[1] = 1, 0
    first, second = metrics.pck(seen, truth, visibility)
    assert first == pytest.approx(12 / 14) and np.isnan(second)


def test_rotation_error_in_degrees():
    truth = matrix_from_axis_angle(np.random.default_rng(0).normal(0, 0.5, (1, 24, 3)))
    turn = matrix_from_axis_angle(np.array([0, np.radians(30), 0]))
    assert metrics.rotation_error(truth @ turn, truth)[0] == pytest.approx(30)


# ---- training and evaluation ----


class _Stop(BaseException):
    pass


def _stop_after(step: int):
    def log(text: str) -> None:
        if text.startswith(f"step {step}/"):
            raise _Stop

    return log


def test_resumed_training_ends_in_the_same_bytes(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("estimator.train.LOG_EVERY", 1)
    whole = train(dataset, tmp_path / "whole", TINY, 1, None, log=lambda _: None)
    for step in (3, 5):
        with pytest.raises(_Stop):
            train(dataset, tmp_path / "cut", TINY, 1, None, log=_stop_after(step))
    lines: list[str] = []
    cut = train(dataset, tmp_path / "cut", TINY, 1, None, log=lines.append)
    assert lines[0] == "going on after step 4 of 6"
    assert hashlib.sha256(cut.read_bytes()).digest() == hashlib.sha256(whole.read_bytes()).digest()
    assert not list(cut.parent.glob("*checkpoint*")) and list((cut.parent / "tensorboard").iterdir())
    train(dataset, tmp_path / "cut", TINY, 1, None, log=lines.append)
    assert lines[-1].endswith("nothing to do")


def test_a_changed_recipe_starts_over_and_says_so(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("estimator.train.LOG_EVERY", 1)
    with pytest.raises(_Stop):
        train(dataset, tmp_path, TINY, 1, None, log=_stop_after(3))
    lines: list[str] = []
    train(dataset, tmp_path, TINY.model_copy(update={"lr": 0.01, "steps": 3}), 1, None, log=lines.append)
    assert lines[0] == "starting over: since the checkpoint, config.lr, config.steps changed"
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4}) == ["b.c", "d"]


def test_torn_weights_are_named(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(UserError, match=r"model\.safetensors: damaged"):
        read_tensors(tmp_path / "model.safetensors")


def test_the_rate_rises_then_falls():
    rates = [schedule(step, 600) for step in (0, 49, 300, 599)]
    assert rates[0] < rates[1] > rates[2] > rates[3] > 0


def test_learns_eight_sketches_by_heart(dataset, tmp_path, monkeypatch):
    """Evaluated on what it has seen, the network beats the mean pose by far."""
    monkeypatch.setattr("estimator.train.augment", lambda sample, rng: sample)
    shown = tmp_path / "dataset"
    shown.mkdir()
    for split in ("train", "val"):
        (shown / f"{split}-000000.tar").write_bytes((dataset / "train-000000.tar").read_bytes())
    write_index(shown, {f"{split}-000000.tar": split for split in ("train", "val")})
    config = Estimator(size=64, width=16, steps=160, batch=8, lr=3e-3)
    train(shown, tmp_path / "out", config, 0, None, log=lambda _: None)
    result = evaluate(shown, tmp_path / "out", config, None, log=lambda _: None)
    ours, mean = result["pose2pose"]["all"], result["mean_pose"]["all"]
    assert ours["mpjpe"] < 0.25 * mean["mpjpe"] and ours["pa_mpjpe"] < 0.3 * mean["pa_mpjpe"] and ours["pck"] > 0.9


def test_evaluation_reports_both_methods(dataset, tmp_path):
    train(dataset, tmp_path, TINY, 1, None, log=lambda _: None)
    lines: list[str] = []
    result = evaluate(dataset, tmp_path, TINY, None, log=lines.append)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result
    assert (tmp_path / "evaluation.md").read_text() == lines[0] and "| pose2pose | all | 4 |" in lines[0]
    assert cv2.imread(str(tmp_path / "evaluation.png")) is not None
    assert list(result["mean_pose"]) == ["ink", "stick", "all"]
    val, mean = Sketches(dataset, "val", 64), mean_pose(Sketches(dataset, "train", 64))
    by_hand = np.mean([np.linalg.norm(val[i].joints3d - mean.joints3d, axis=-1).mean() for i in range(4)]) * 1000
    assert result["mean_pose"]["all"]["mpjpe"] == pytest.approx(by_hand, rel=1e-3)
    with pytest.raises(UserError, match="trained with another width"):
        evaluate(dataset, tmp_path, TINY.model_copy(update={"width": 16}), None)
