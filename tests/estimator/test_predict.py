"""`skep predict` as a user calls it: drawings made by hand in, files out; mistakes are a sentence each."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from estimator import load_estimator
from estimator.corrections import read_corrections
from estimator.figure import in_picture, posed
from estimator.hints import Hints
from estimator.predict import FORMATS, Options, _inside, _named, predict
from estimator.refining import misses
from estimator.train import train
from manifests.errors import UserError
from manifests.skeleton import JOINTS, SMPL_JOINTS
from stages.body.rotations import axis_angle_from_matrix
from stages.detector.crops import apply, square_matrix
from tests.commands import skep
from tests.estimator.figures import TINY
from tests.estimator.readers import Gltf, bvh_joints, read_bvh
from tests.test_scan import broken_files

DRAWINGS = Path(__file__).parent.parent / "data/drawings"
JUMP, REACH = DRAWINGS / "cartoon_jump.png", DRAWINGS / "kids_football.png"


def quiet(_):
    pass


@pytest.fixture(scope="module")
def estimator():
    return load_estimator(method="fit")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A drawing's files, made by the command itself."""
    out = tmp_path_factory.mktemp("predict") / "out"
    done = skep("predict", JUMP, "--method", "fit", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_a_drawing_becomes_four_files(made):
    assert sorted(p.name for p in made.iterdir()) == sorted(f"cartoon_jump.{ending}" for ending in FORMATS)
    words = json.loads((made / "cartoon_jump.json").read_text())
    assert words["picture"] == {"file": "cartoon_jump.png", "width_px": 360, "height_px": 480}
    assert words["method"] == "fit" and words["style"]["name"] == "cartoon"
    assert np.shape(words["smpl"]["pose_axis_angle"]) == (24, 3) and list(words["joints"]) == list(JOINTS)
    assert list(words["proportions"]) == list(SMPL_JOINTS) and sum(h["score"] for h in words["hypotheses"]) == pytest.approx(1, abs=1e-3)
    assert words["hypotheses"][0]["pose_axis_angle"] == words["smpl"]["pose_axis_angle"]
    with Image.open(made / "cartoon_jump.png") as overlay:
        assert overlay.size == (3 * 384, 384)


def test_the_projected_joints_lie_where_the_drawing_has_them(made):
    words = json.loads((made / "cartoon_jump.json").read_text())
    notes = json.loads((DRAWINGS / "annotations.json").read_text())
    number = next(i["id"] for i in notes["images"] if i["file_name"] == "cartoon_jump.png")
    true = np.reshape(next(a["keypoints"] for a in notes["annotations"] if a["image_id"] == number), (16, 3))[:, :2]
    found = np.array([words["joints"][name]["projected_px"] for name in JOINTS])
    torso = np.linalg.norm(true[1] - true[[8, 11]].mean(0))
    assert np.median(np.linalg.norm(found - true, axis=1)) < 0.2 * torso


def test_json_bvh_and_glb_tell_the_same(made):
    words = json.loads((made / "cartoon_jump.json").read_text())
    bones, values, _ = read_bvh((made / "cartoon_jump.bvh").read_text())
    bvh = {name: p[0] / 100 for name, p in bvh_joints(bones, values).items()}
    glb = Gltf((made / "cartoon_jump.glb").read_bytes()).joints()
    own = {name: np.array(words["joints"][name]["drawn_m"]) * (1, -1, -1) for name in JOINTS}
    middle = (glb["left_hip"] + glb["right_hip"]) / 2
    for name in ("left_wrist", "right_ankle", "neck", "left_knee"):
        assert np.linalg.norm(bvh[name] - glb[name]) < 1e-3
        assert np.linalg.norm(glb[name] - middle - own[name]) < 1e-3


def test_the_python_face(estimator, made):
    words = json.loads((made / "cartoon_jump.json").read_text())
    image = np.asarray(Image.open(JUMP).convert("RGB"))
    for figure in (estimator(image), estimator(JUMP)):
        assert np.allclose(axis_angle_from_matrix(figure.pose), words["smpl"]["pose_axis_angle"], atol=0.02)
    assert figure.confidence.shape == (16,) and figure.bone_scales.shape == (24,)


def test_joints_are_in_px_of_the_file(estimator):
    image = np.asarray(Image.open(JUMP).convert("RGB"))
    large = cv2.resize(image, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    small, big = estimator(image), estimator(large)
    assert max(large.shape) > 2048
    assert np.median(np.linalg.norm(big.joints2d / 6 - small.joints2d, axis=1)) < 4 and big.camera[0] / 6 == pytest.approx(
        small.camera[0], rel=0.1
    )


def test_a_correction_wins(estimator):
    plain = estimator(JUMP)
    wrist = JOINTS.index("right_wrist")
    place = plain.joints2d[wrist] + (20, 40)
    figure = estimator(JUMP, corrections={"right_wrist": place})
    assert np.array_equal(figure.joints2d[wrist], place) and figure.confidence[wrist] == 1
    shown = in_picture(figure, posed(estimator.body, figure).joints16)[wrist]
    assert np.linalg.norm(shown - place) < 15


def test_many_corrections_win_over_what_the_network_says():
    estimator = load_estimator()
    plain = estimator(JUMP)
    swapped = {}
    for part in ("shoulder", "elbow", "wrist"):
        for side, other in (("left", "right"), ("right", "left")):
            swapped[f"{side}_{part}"] = plain.joints2d[JOINTS.index(f"{other}_{part}")]
    figure = estimator(JUMP, corrections=swapped)
    joints = [JOINTS.index(name) for name in swapped]
    assert misses(replace(plain, joints2d=figure.joints2d), joints, estimator.body) > 0.5  # another figure altogether
    assert misses(figure, joints, estimator.body) < 0.05


def test_front_brings_a_limb_forward(estimator):
    for limb, (first, last) in {"left_arm": (5, 7), "right_leg": (8, 10)}.items():
        z = posed(estimator.body, estimator(JUMP, Hints(nearer=(limb,)))).joints16[:, 2]
        assert z[last] < z[first]


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    for name in ("f10.png", "f2.png", "f1.png", "f02b.png", "cover.png", "3.png"):
        (tmp_path / name).write_bytes(b"")
    assert [file.name for file in _inside(tmp_path)] == ["3.png", "cover.png", "f1.png", "f2.png", "f02b.png", "f10.png"]


def test_frames_that_a_shell_names_are_a_movement_in_the_order_of_their_numbers():
    named = [Path(f"walk/{i}.png") for i in (1, 10, 11, 2, 3)]
    assert [int(file.stem) for file in _named(named, True)] == [1, 2, 3, 10, 11]
    assert _named(named, False) == named


def test_frames_of_two_sizes_are_no_movement(tmp_path):
    image = cv2.imread(str(REACH))
    cv2.imwrite(str(tmp_path / "1.png"), image)
    cv2.imwrite(str(tmp_path / "2.png"), cv2.resize(image, None, fx=0.5, fy=0.5))
    with pytest.raises(UserError, match=r"2\.png: \d+x\d+ px, and .*1\.png \d+x\d+; frames of a movement are of one size"):
        predict([tmp_path], tmp_path / "out", Options(method="fit", clip="kick"), quiet)
    assert not (tmp_path / "out").exists()


def test_a_name_of_no_encoding_ends_nothing(tmp_path):
    for name in (b"caf\xe9.png", b"tea.png"):
        (tmp_path / os.fsdecode(name)).write_bytes(REACH.read_bytes())
    words = ["predict", tmp_path, "--out", tmp_path / "out", "--method", "fit", "--format", "json"]
    command = [sys.executable, "-m", "pipeline", *map(str, words)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0, done.stderr.decode()
    assert rb"caf\udce9.png: kids" in done.stdout and len(list((tmp_path / "out").iterdir())) == 2


def test_a_folder_goes_on_past_what_is_no_drawing(tmp_path):
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    (folder / "b.png").write_bytes(REACH.read_bytes())
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not looked at")
    Image.new("RGB", (200, 200), "white").save(folder / "blank.png")
    with pytest.raises(UserError) as caught:
        predict([folder], out, Options(method="fit", formats=("json",)), quiet)
    assert str(caught.value).splitlines() == [
        f"{folder / 'a.png'}: not a picture, or of a kind that is not known here",
        f"{folder / 'blank.png'}: no figure found in it",
    ]
    assert [p.name for p in out.iterdir()] == ["b.json"]


def test_frames_become_one_movement(tmp_path):
    folder, out = tmp_path / "frames", tmp_path / "out"
    folder.mkdir()
    image = cv2.imread(str(REACH))
    for i in range(4):
        cv2.imwrite(str(folder / f"{i:02}.png"), np.roll(image, 3 * i, axis=1))
    options = Options(method="fit", clip="kick", fps=8, formats=("bvh", "glb"))
    assert predict([folder], out, options, quiet) == 4
    assert sorted(p.name for p in out.iterdir()) == ["kick.bvh", "kick.glb"]
    bones, values, seconds = read_bvh((out / "kick.bvh").read_text())
    assert len(values) == 4 and seconds == pytest.approx(1 / 8)
    hips = bvh_joints(bones, values)["pelvis"]
    assert hips[3, 0] > hips[0, 0] and np.ptp(hips[:, 2]) < 40
    assert len(Gltf((out / "kick.glb").read_bytes()).words["animations"]) == 1


def test_frames_of_a_movement_keep_what_the_user_corrected(tmp_path):
    """Whichever reading of a frame the movement takes, it is laid on the joints."""
    names, wrist = ["a.png", "b.png"], [330.0, 60.0]
    for name in names:
        (tmp_path / name).write_bytes(JUMP.read_bytes())
    (tmp_path / "joints.json").write_text(json.dumps({name: {"left_wrist": wrist} for name in names}))
    options = Options(joints2d=tmp_path / "joints.json", clip="jump", smooth=0, formats=("json",))
    predict([tmp_path / name for name in names], tmp_path / "out", options, quiet)
    for name in names:
        words = json.loads((tmp_path / f"out/{Path(name).stem}.json").read_text())
        joint = words["joints"]["left_wrist"]
        assert joint["seen_px"] == wrist and np.linalg.norm(np.subtract(joint["projected_px"], wrist)) < 10
        assert words["smpl"]["pose_axis_angle"] in [way["pose_axis_angle"] for way in words["hypotheses"]]


def test_nothing_that_is_read_is_written_over(tmp_path):
    drawing, joints = tmp_path / "a.png", tmp_path / "a.json"
    drawing.write_bytes(JUMP.read_bytes())
    joints.write_text('{"head": [200, 60]}')
    for options in (Options(), Options(joints2d=joints, formats=("json", "glb")), Options(clip="walk")):
        with pytest.raises(UserError, match=r"a\.(png|json): it would be written over"):
            predict([drawing], tmp_path, options, quiet)
    assert drawing.read_bytes() == JUMP.read_bytes() and len(list(tmp_path.iterdir())) == 2
    assert predict([drawing], tmp_path, Options(method="fit", formats=("bvh",)), quiet) == 1


def test_a_frame_without_a_figure_leaves_nothing(tmp_path):
    Image.new("RGB", (200, 200), "white").save(tmp_path / "blank.png")
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"blank\.png: no figure found"):
        predict([REACH, tmp_path / "blank.png"], out, Options(method="fit", clip="kick"), quiet)
    assert not out.exists()


def test_proportions_of_the_body(tmp_path, estimator):
    heights = {}
    for kind in ("drawn", "body"):
        predict([REACH], tmp_path / kind, Options(method="fit", proportions=kind, formats=("glb",)), quiet)
        heights[kind] = Gltf((tmp_path / kind / "kids_football.glb").read_bytes()).attribute("POSITION")
    assert np.abs(heights["body"] - estimator.body.pose(np.zeros((24, 3)), np.zeros(10)).vertices).max() < 1e-5
    assert np.abs(heights["drawn"] - heights["body"]).max() > 0.01


def test_a_trained_model_reads_and_is_refined(tmp_path, dataset):
    train(dataset, tmp_path / "trained", TINY, 0, None, quiet)
    plain = load_estimator(tmp_path / "trained")(JUMP)
    assert 1 <= len(plain.hypotheses) <= 5 and sum(h.score for h in plain.hypotheses) == pytest.approx(1)
    assert all(first.score >= then.score for first, then in pairwise(plain.hypotheses))
    assert np.allclose(plain.pose @ np.swapaxes(plain.pose, 1, 2), np.eye(3), atol=1e-4)
    assert (plain.camera[1:] > 0).all() and (plain.camera[1:] < 600).all()
    refined = load_estimator(tmp_path / "trained", refine=True)(JUMP)
    body = load_estimator(method="fit").body
    laid = [in_picture(f, posed(body, f).joints16) for f in (plain, refined)]
    off = [np.linalg.norm(joints - refined.joints2d, axis=1).mean() for joints in laid]  # these are the detector's
    assert off[1] < 0.3 * off[0]


def test_joints_are_read_in_lower_precision_on_request(estimator):
    fast, exact = load_estimator(method="fit", dtype="bfloat16")(JUMP), estimator(JUMP)
    off = np.linalg.norm(fast.joints2d - exact.joints2d, axis=1)
    assert off.any() and np.median(off) < 1  # px of a picture of 512
    with pytest.raises(UserError, match="dtype half: expected float32 or bfloat16"):
        load_estimator(dtype="half")


def test_a_box_lies_in_the_middle_of_the_models_input():
    corners = apply(square_matrix(np.array([10.0, 20, 50, 100]), 128, 0.8), np.array([[10.0, 20], [50, 100]]))
    assert np.allclose(corners.mean(0), 64) and np.allclose(np.ptp(corners, axis=0), [51.2, 102.4])


@pytest.mark.parametrize(("words", "says"), [
    ('{"left_paw": [1, 2]}', "left_paw is no joint"), ('{"left_wrist": [1]}', r"left_wrist: expected \[x, y\] in px"),
    ('{"left_wrist": [1, NaN]}', "left_wrist: expected"), ('{"left_wrist": [1, 1e300]}', "of 20000 at most, got"),
    ('{"left_wrist": [1, 1' + "0" * 400 + "]}", "of 20000 at most, got"), ("[1]", "expected joints by name"), ("{", "not JSON"),
    ("[" * 100_000, "not JSON"),
])  # fmt: skip
def test_corrections_that_make_no_sense(tmp_path, words, says):
    (tmp_path / "joints.json").write_text(words)
    with pytest.raises(UserError, match=says):
        read_corrections(tmp_path / "joints.json", ["a.png"])


def test_corrections_of_several_pictures(tmp_path):
    path = tmp_path / "joints.json"
    path.write_text('{"b.png": {"head": [3, 4]}}')
    assert list(read_corrections(path, ["a.png", "b.png"])) == ["b.png"]
    path.write_text('{"head": [3, 4]}')
    assert read_corrections(path, ["a.png"])["a.png"]["head"].tolist() == [3, 4]
    with pytest.raises(UserError, match="head is none of the pictures"):
        read_corrections(path, ["a.png", "b.png"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(formats=("fbx",)), "--format fbx"),
        (Options(formats=()), "--format : expected some of json"),
        (Options(proportions="mine"), "--proportions mine"),
        (Options(front="tail"), "--front tail"),
        (Options(method="magic"), "--method magic"),
        (Options(weights=Path("nowhere")), "nowhere: no finished training there"),
        (Options(method="fit", weights=Path("x")), "--method fit"),
        (Options(clip="../x"), "--clip"),
        (Options(joints2d=Path("none.json")), "none.json: cannot read"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, says):
    with pytest.raises(UserError, match=says):
        predict([JUMP], tmp_path / "out", options, quiet)
    assert not (tmp_path / "out").exists()


def test_bad_files_are_one_sentence_and_exit_code_2(tmp_path):
    names = broken_files(tmp_path)
    done = skep("predict", *(tmp_path / name for name in names), "--out", tmp_path / "out", "--method", "fit")
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == len(names) and not (tmp_path / "out").exists()
    for line, (name, says) in zip(lines, names.items(), strict=True):
        assert f"{tmp_path / name}:" in line and says in line


def test_an_empty_folder_and_two_of_one_name(tmp_path):
    with pytest.raises(UserError, match="no pictures in this folder"):
        predict([tmp_path], tmp_path / "out", Options(method="fit"), quiet)
    with pytest.raises(UserError, match="two pictures of this name"):
        predict([JUMP, JUMP], tmp_path / "out", Options(method="fit"), quiet)


def test_equal_pictures_equal_files(tmp_path):
    options = replace(Options(method="fit"), formats=FORMATS)
    for out in ("a", "b"):
        predict([REACH], tmp_path / out, options, quiet)
    for ending in FORMATS:
        assert (tmp_path / f"a/kids_football.{ending}").read_bytes() == (tmp_path / f"b/kids_football.{ending}").read_bytes()


def test_importing_the_estimator_is_light():
    code = "import sys, estimator; estimator.load_estimator; print([m for m in ('torch', 'numpy', 'numba', 'cv2') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
