"""Name maps: bundled ones and the user's own, and one sentence for what is wrong with them."""

import json

import numpy as np
import pytest

from manifests.errors import UserError
from tests.test_sources import WAVING, bvh, read_bvh_text


def test_a_map_of_ones_own(tmp_path):
    text = bvh(WAVING).replace("LeftArm", "ArmL").replace("RightArm", "ArmR")
    with pytest.raises(UserError, match=r"clip\.bvh: no joint for left_shoulder, right_shoulder by the motionbuilder names"):
        read_bvh_text(tmp_path, text)
    names = {"pelvis": "Hips", "chest": "Spine", "head": "Head", "left_shoulder": "ArmL", "right_shoulder": "ArmR",
             "left_elbow": "LeftForeArm", "left_wrist": "LeftHand",
             "left_hip": "LeftUpLeg", "left_knee": "LeftLeg", "left_ankle": "LeftFoot"}  # fmt: skip
    own = tmp_path / "names.yaml"
    own.write_text(json.dumps({"joints": names, "skip": 1}))
    _, clip = read_bvh_text(tmp_path, text, names=own)
    assert len(clip.turns) == 2
    for bad, sentence in (
        ({"joint": names}, "expected the keys joints and skip"),
        ({"joints": {"tail": "Tail"}}, r"joints\.tail is no part"),
    ):
        (tmp_path / "bad.yaml").write_text(json.dumps(bad))
        with pytest.raises(UserError, match=rf"bad\.yaml: {sentence}"):
            read_bvh_text(tmp_path, text, names=tmp_path / "bad.yaml")
        (tmp_path / "bad.yaml").rename(tmp_path / f"{len(bad)}{sentence[:3]}.yaml")  # maps are read once
    (tmp_path / "date.yaml").write_text("skip: 2024-99-99")
    with pytest.raises(UserError, match=r"date\.yaml: not YAML"):
        read_bvh_text(tmp_path, text, names=tmp_path / "date.yaml")


LEFT = {
    "left_shoulder": "Arm",
    "left_elbow": "ForeArm",
    "left_wrist": "Hand",
    "left_hip": "UpLeg",
    "left_knee": "Leg",
    "left_ankle": "Foot",
}


def own_map(folder, name, left="Left{}", **more):
    """A user's name map for PERSON, of the left side alone."""
    joints = {"pelvis": "Hips", "chest": "Spine", "head": "Head", **{role: left.format(part) for role, part in LEFT.items()}}
    (folder / name).write_text(json.dumps({"joints": joints, **more}))
    return folder / name


@pytest.mark.parametrize(
    ("left", "right"), [("L{}", "R{}"), ("l{}", "r{}"), ("Bip01 L {}", "Bip01 R {}"), ("{}.l", "{}.r"), ("{}_L", "{}_R")]
)
def test_the_right_side_follows_from_the_left(tmp_path, left, right):
    plain, _ = read_bvh_text(tmp_path, bvh(WAVING))
    text = bvh(WAVING)
    for part in LEFT.values():
        text = text.replace(f" Left{part}\n", f" {left.format(part)}\n").replace(f" Right{part}\n", f" {right.format(part)}\n")
    made, _ = read_bvh_text(tmp_path, text, names=own_map(tmp_path, "names.yaml", left))
    assert np.array_equal(made.turns, plain.turns)


def test_names_that_tell_no_side_play_one_part(tmp_path):
    text = bvh(WAVING).replace("LeftUpLeg", "UpLegA")
    path = own_map(tmp_path, "names.yaml")
    path.write_text(path.read_text().replace("LeftUpLeg", "UpLegA"))
    with pytest.raises(UserError, match=r"clip\.bvh: no joint for right_hip by the names\.yaml names"):
        read_bvh_text(tmp_path, text, names=path)
    shared = tmp_path / "shared.yaml"
    shared.write_text(path.read_text().replace('"head": "Head"', '"head": "Head", "neck": "Head", "right_hip": "RightUpLeg"'))
    with pytest.raises(UserError, match=r"clip\.bvh: Head plays both head and neck by the shared\.yaml names"):
        read_bvh_text(tmp_path, text, names=shared)


@pytest.mark.parametrize("skip", ["ten", None, -1, True])
def test_frames_to_skip_are_a_number(tmp_path, skip):
    with pytest.raises(UserError, match=r"names\.yaml: skip: expected a number of frames"):
        read_bvh_text(tmp_path, bvh(WAVING), names=own_map(tmp_path, "names.yaml", skip=skip))


def test_a_number_is_no_part_of_a_body(tmp_path):
    (tmp_path / "names.yaml").write_text("joints: {5: Hips, tail: Spine}")
    with pytest.raises(UserError, match=r"names\.yaml: joints\.5 is no part of a body"):
        read_bvh_text(tmp_path, bvh(WAVING), names=tmp_path / "names.yaml")
