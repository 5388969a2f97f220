"""Recordings: BVH, DeepMimic, AMASS; what is read, what it becomes, and one sentence for what is wrong."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from manifests import schema
from manifests.errors import UserError, command
from manifests.recipe import AmassSource, BvhSource, DeepMimicSource, Recipe
from manifests.recipe_files import load_recipe
from manifests.skeleton import SMPL_JOINTS, SMPL_PARENTS
from manifests.stage import Config, Context
from stages.body.model import load_body
from stages.body.rotations import about, angle_between, axis_angle_from_matrix, matrix_from_axis_angle, mirror
from stages.poses import deepmimic, report
from stages.poses.clips import Catalogue
from stages.poses.kinematics import mirrored, place_joints, without_heading
from stages.poses.prior_data import draw_archetypes
from stages.poses.sources import BadClip
from stages.poses.stage import Poses
from tests.test_amass import recording

REST = load_body().rest_points(np.zeros(10))[:24]
MOCAP = Path(os.environ.get("SKEP_MOCAP", Path(__file__).parents[2] / "shared/mocap"))
NEEDS_MOCAP = pytest.mark.skipif(not MOCAP.is_dir(), reason="no recordings beside this checkout; SKEP_MOCAP names a folder")

# A small person, y up, facing +z, centimetres: name, parent, offset.
PERSON = (
    ("Hips", -1, (0, 90, 0)), ("Spine", 0, (0, 20, 0)), ("Neck", 1, (0, 30, 0)), ("Head", 2, (0, 10, 0)),
    ("LeftArm", 1, (17, 25, 0)), ("LeftForeArm", 4, (28, 0, 0)), ("LeftHand", 5, (25, 0, 0)),
    ("RightArm", 1, (-17, 25, 0)), ("RightForeArm", 7, (-28, 0, 0)), ("RightHand", 8, (-25, 0, 0)),
    ("LeftUpLeg", 0, (9, -5, 0)), ("LeftLeg", 10, (0, -40, 0)), ("LeftFoot", 11, (0, -40, 0)),
    ("RightUpLeg", 0, (-9, -5, 0)), ("RightLeg", 13, (0, -40, 0)), ("RightFoot", 14, (0, -40, 0)),
)  # fmt: skip


def bvh(frames, order="ZXY", up="y", scale=1.0, prefix="", person=PERSON):
    """Text of a BVH; frames: list of {joint: (x, y, z) degrees, turned in `order`}."""
    names = [p[0] for p in person]
    swap = (lambda v: (v[0], -v[2], v[1])) if up == "z" else tuple

    def joint(i, depth):
        pad, channels = "  " * depth, " ".join(f"{a}rotation" for a in order)
        place = "Xposition Yposition Zposition " if i == 0 else ""
        text = f"{pad}{'ROOT' if i == 0 else 'JOINT'} {prefix}{names[i]}\n{pad}{{\n"
        text += (
            f"{pad}OFFSET {' '.join(str(scale * v) for v in swap(person[i][2]))}\n{pad}CHANNELS {6 if i == 0 else 3} {place}{channels}\n"
        )
        children = [k for k, p in enumerate(person) if p[1] == i]
        for child in children:
            text += joint(child, depth + 1)
        return text + ("" if children else f"{pad}End Site\n{pad}{{\n{pad}OFFSET 0 1 0\n{pad}}}\n") + f"{pad}}}\n"

    def line(frame, i):
        angles = dict(zip("XYZ", frame.get(names[i], (0, 0, 0)), strict=True))
        own = ([0, 90 * scale, 0] if i == 0 else []) + [angles[a] for a in order]
        return " ".join([*map(str, own), *(line(frame, k) for k, p in enumerate(person) if p[1] == i)])

    motion = "\n".join(line(frame, 0) for frame in frames)
    return f"HIERARCHY\n{joint(0, 0)}MOTION\nFrames: {len(frames)}\nFrame Time: 0.05\n{motion}\n"


def read_bvh_text(folder, text, **more):
    (folder / "clip.bvh").write_text(text)
    catalogue = Catalogue(BvhSource(kind="bvh", path=folder, rate=60, **more))
    return catalogue.retargeted("clip"), catalogue.read("clip")


def joints_of(turns):
    return place_joints(turns, REST)[1]


WAVING = [{}, {"LeftArm": (0, 0, 80), "RightForeArm": (0, 60, 0)}, {"LeftUpLeg": (-90, 0, 0), "LeftLeg": (90, 0, 0), "Spine": (30, 0, 0)}]


def test_a_bvh_does_what_it_says(tmp_path):
    made, clip = read_bvh_text(tmp_path, bvh(WAVING))
    assert (made.up, made.unit, made.reference) == ("y", "cm", "zero pose")
    assert made.error.max() < 5
    joints = joints_of(clip.turns)
    assert joints[1, 20, 1] > joints[1, 15, 1]  # the left arm is up
    assert joints[2, 4, 2] > joints[2, 1, 2] + 0.3  # the left knee is ahead
    assert joints[2, 12, 2] > joints[0, 12, 2] + 0.1  # the trunk bends forwards


def test_no_foot_has_its_sole_to_the_sky(tmp_path):
    """Some recordings roll feet about their own length, which no line between joints shows; what an ankle can do is kept."""
    rolls = (0, 20, 150, -170)
    _, clip = read_bvh_text(tmp_path, bvh([{"LeftFoot": (0, 0, roll)} for roll in rolls]))
    ankle = clip.turns[:, SMPL_JOINTS.index("left_ankle")]
    turned = np.degrees(angle_between(ankle[:1], ankle))
    assert turned[1] == pytest.approx(20, abs=2) and (turned[2:] < 40).all()  # the foot points down a little: a roll turns that too


@pytest.mark.parametrize("order", ["XYZ", "YZX", "ZYX"])
def test_any_channel_order(tmp_path, order):
    frame = {"LeftArm": (20, 30, 40)}
    _, clip = read_bvh_text(tmp_path, bvh([frame], order))
    turn = np.eye(3)
    for axis in order:
        turn = turn @ about(axis.lower(), np.radians(frame["LeftArm"]["XYZ".index(axis)]))
    arm = joints_of(clip.turns)[0, 18] - joints_of(clip.turns)[0, 16]
    assert np.degrees(np.arccos(arm @ turn[:, 0] / np.linalg.norm(arm))) < 3


def test_z_up_other_units_and_prefixes_are_the_same_person(tmp_path):
    plain, clip = read_bvh_text(tmp_path, bvh([{}, {}]))
    for more, up, unit in (({"up": "z"}, "z", "cm"), ({"scale": 0.01}, "y", "m"), ({"prefix": "mixamorig:"}, "y", "cm")):
        made, other = read_bvh_text(tmp_path, bvh([{}, {}], **more))
        assert (made.up, made.unit) == (up, unit)
        assert np.abs(other.turns - clip.turns).max() < 1e-9
    assert plain.reference == "zero pose"


def test_a_zero_pose_that_is_no_person_takes_the_frame_that_stands(tmp_path):
    """All bones along +y; the frames turn them into a person."""
    text = bvh([{"LeftUpLeg": (0, 0, 180), "RightUpLeg": (0, 0, 180), "LeftArm": (0, 0, -90), "RightArm": (0, 0, 90)}] * 2)
    for old in ("28 0 0", "-28 0 0", "25 0 0", "-25 0 0", "0 -40 0"):
        text = text.replace(
            " ".join(f"{float(v)}" for v in old.split()), f"0.0 {abs(float(max(old.split(), key=lambda v: abs(float(v)))))} 0.0"
        )
    made, clip = read_bvh_text(tmp_path, text)
    assert made.reference == "frame 0"
    assert made.error.max() < 6
    assert np.abs(joints_of(clip.turns)[0, [20, 21], 1] - joints_of(clip.turns)[0, [16, 17], 1]).max() < 0.05  # a T


def test_heading_is_taken_away(tmp_path):
    _, there = read_bvh_text(tmp_path, bvh([{"Hips": (20, 0, 0)}]))
    _, back = read_bvh_text(tmp_path, bvh([{"Hips": (20, 140, 0)}], order="YXZ"))
    assert np.abs(there.turns - back.turns).max() < 1e-9


def test_a_recording_of_smpls_own_skeleton_is_read_as_it_was(tmp_path):
    turns = draw_archetypes(12, 9)
    person = [(n, p, 100 * (REST[i] - (REST[p] if p >= 0 else 0))) for i, (n, p) in enumerate(zip(SMPL_JOINTS, SMPL_PARENTS, strict=True))]
    angles = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_euler("ZXY", degrees=True).reshape(12, 24, 3)[..., [1, 2, 0]]
    _, clip = read_bvh_text(tmp_path, bvh([dict(zip(SMPL_JOINTS, frame, strict=True)) for frame in angles], person=person))
    apart = np.degrees(angle_between(clip.turns, turns))
    spine = [SMPL_JOINTS.index(f"spine{i}") for i in (1, 2, 3)]  # one joint of the file carries the shoulders, three are swung
    assert np.median(apart[:, spine], 0).max() < 1
    assert np.delete(apart, [*spine, *range(10, 12), *range(22, 24)], 1).max() < 0.1  # no toes or hands are carried over


GOOD = bvh(WAVING)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD[:60], "not a BVH file, or cut off before its MOTION part"),
        ("", "not a BVH file"),
        (GOOD[: GOOD.index("JOINT Neck")] + GOOD[GOOD.index("MOTION") :], r"line \d+: the HIERARCHY ends before"),
        (GOOD.replace("CHANNELS 3 Z", "CHANNELS 2 Z", 1), r"line \d+: cannot read 'CHANNELS 2"),
        (GOOD.replace("Zrotation", "Wrotation", 1), r"line \d+: cannot read"),
        (GOOD.replace("Frames: 3", "Frames: many"), r"line \d+: expected `Frames: <number>`"),
        (GOOD.replace("Frames: 3", "Frames: 1000000000"), r"line \d+: ends after 3 of 1000000000 frames"),
        (GOOD.replace("Frame Time: 0.05", "Frame Time: -1"), r"line \d+: 3 frames every -1\.0 seconds cannot be"),
        (GOOD.rstrip()[:-9], r"line \d+: \d+ numbers, expected 51, one a channel"),
        (GOOD.replace(" 80 ", " nan "), r"line \d+: a value is not finite"),
        (GOOD.replace(" 80 ", " eighty "), "holds something that is not a number"),
    ],
)
def test_bad_bvh_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(UserError, match=rf"clip\.bvh: {sentence}") as error:
        read_bvh_text(tmp_path, text)
    assert "\n" not in str(error.value)


def movement(**changes):
    """A DeepMimic file of two frames; changes: number -> value in the second."""
    row = [0.05, 0, 0.9, 0, *([1, 0, 0, 0] * 4), -1.5, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0.5]
    other = [changes.get(f"n{i}", v) for i, v in enumerate(row)]
    return {"Loop": "none", "Frames": [row, other]}


def read_deepmimic_data(folder, data):
    (folder / "a.txt").write_text(data if isinstance(data, str) else json.dumps(data))
    (folder / "character.txt").write_text('{"Skeleton": {}}')
    return Catalogue(DeepMimicSource(kind="deepmimic", path=folder, rate=60)).read("a")


def test_deepmimic_bends_the_right_knee_and_left_elbow(tmp_path):
    joints = joints_of(read_deepmimic_data(tmp_path, movement()).turns)[0]
    assert joints[8, 2] < joints[5, 2] - 0.3  # the right ankle is behind the knee
    assert joints[20, 2] > joints[18, 2] + 0.08  # the left hand is ahead of the elbow
    assert abs(joints[7, 2] - joints[4, 2]) < 0.05


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('{"Frames": [[0.1, 2', "not a DeepMimic movement, or cut off"),
        ('{"Frames": ' + "[" * 100_000, "not a DeepMimic movement, or cut off"),
        ({"Frames": []}, "holds no frames"),
        ({"Frames": [movement()["Frames"][0], [1, 2]]}, "frame 1 holds 2 numbers, expected 44"),
        (movement(n8=float("nan")), "frame 1: a value is not finite"),
        (movement(n8=0), "frame 1: the quaternion of chest is not one"),
        (movement(n8=10**400), "holds something that is not a number"),
        (movement(n8="x"), "holds something that is not a number"),
    ],
)
def test_bad_deepmimic_is_one_sentence(tmp_path, data, sentence):
    with pytest.raises(UserError, match=rf"a\.txt: {sentence}"):
        read_deepmimic_data(tmp_path, data)


def test_a_frame_is_named_by_its_place_in_the_file(tmp_path):
    good, bad = movement(n8=0)["Frames"]
    (tmp_path / "a.txt").write_text(json.dumps({"Frames": [good if i != 30 else bad for i in range(40)]}))
    with pytest.raises(UserError, match=r"a\.txt: frame 30: the quaternion of chest is not one"):
        Catalogue(DeepMimicSource(kind="deepmimic", path=tmp_path, rate=10)).read("a")


@pytest.mark.parametrize(
    ("argument", "sentence"), [("bvh:nowhere", "nowhere: no such file or folder"), ("fbx:here", "fbx:here: expected bvh")]
)
def test_the_report_ends_in_a_sentence(argument, sentence, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["report", argument])
    with pytest.raises(SystemExit) as end:
        command(report.main)
    assert end.value.code == 2 and sentence in capsys.readouterr().err


def test_folders_without_recordings(tmp_path):
    for kind in (BvhSource, AmassSource, DeepMimicSource):
        name = kind.model_fields["kind"].annotation.__args__[0]
        with pytest.raises(UserError, match=f"holds no {name} recordings"):
            Catalogue(kind(kind=name, path=tmp_path))
        with pytest.raises(UserError, match="nowhere: no such file or folder"):
            Catalogue(kind(kind=name, path=tmp_path / "nowhere"))


def test_a_name_that_is_not_utf_8_is_one_sentence(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.bvh")).write_text(GOOD)
    with pytest.raises(UserError, match=r"caf\\udce9\.bvh': its name is not UTF-8; rename it"):
        Catalogue(BvhSource(kind="bvh", path=tmp_path))


@given(st.integers(0, 2**32))
def test_a_mirror_in_a_mirror(seed):
    turns = matrix_from_axis_angle(np.random.default_rng(seed).normal(size=(3, 24, 3)))
    assert np.array_equal(mirrored(mirrored(turns)), turns)
    assert np.abs(axis_angle_from_matrix(mirrored(turns)[:, 0]) - mirror(axis_angle_from_matrix(turns[:, 0]))).max() < 1e-9
    assert np.abs(without_heading(without_heading(turns)) - without_heading(turns)).max() < 1e-9


NAMES = [f"ink-{i:06d}" for i in range(12)]


def stage(sources, val=0.5):
    recipe = Recipe.model_validate({"name": "t", "poses": {"count": 10, "sources": sources}, "split": {"val": val}})
    return Poses(Config(recipe, Poses.config))


def run(names, sources, val=0.5):
    table = pa.table({"sample_id": list(names), "style": ["ink"] * len(names)}, schema=schema.PLANNED)
    return stage(sources, val).process(table, Context.alone(3, "poses"))


@pytest.fixture
def mixed(tmp_path):
    """Recordings of each kind, and a recipe's sources that mix them with the rest."""
    for kind in ("bvh", "deepmimic", "amass"):
        (tmp_path / kind).mkdir()
    for i in range(3):
        (tmp_path / f"bvh/clip{i}.bvh").write_text(bvh(WAVING[i:] + WAVING))
    (tmp_path / "deepmimic/a.txt").write_text(json.dumps(movement()))
    np.savez(tmp_path / "amass/b.npz", **recording())
    clips = [{"kind": kind, "path": str(tmp_path / kind)} for kind in ("bvh", "deepmimic", "amass")]
    return [{"kind": "limits"}, {"kind": "prior", "weight": 2}, *clips]


def test_a_sample_does_not_know_its_neighbours(mixed):
    together, alone = run(NAMES, mixed), [run([name], mixed) for name in NAMES]
    assert together.equals(pa.concat_tables(alone).combine_chunks())
    assert len({s.split("-")[0] for s in together.column("source_id").to_pylist()}) >= 3


def test_the_split_is_by_clip(mixed):
    out = run([f"ink-{i:06d}" for i in range(40)], mixed[2:3])
    pairs = set(zip(out.column("source_id").to_pylist(), out.column("split").to_pylist(), strict=True))
    assert len(pairs) == 3
    assert {source for source, _ in pairs} == {f"bvh-clip{i}" for i in range(3)}


def test_a_recording_is_one_source(mixed, tmp_path):
    whole, part = {"kind": "bvh", "path": str(tmp_path)}, {"kind": "bvh", "path": str(tmp_path / "bvh"), "weight": 3}
    with pytest.raises(UserError, match=r"bvh/clip0\.bvh: is bvh-bvh/clip0 of one source and bvh-clip0 of another"):
        run(NAMES, [whole, part])
    assert len(run(NAMES, [part, {**part, "rate": 5}])) == len(NAMES)  # one name, so one side of the split


def test_betas_of_the_recordings_where_asked(mixed):
    drawn, own = (schema.to_numpy(run(NAMES, [{**mixed[4], "betas": b}]), "betas") for b in ("drawn", "clip"))
    assert np.abs(own - np.arange(10) / 8).max() < 1e-6
    assert np.abs(drawn - np.arange(10) / 8).max() > 0.5


def test_weights_decide_how_often(mixed):
    out = run([f"ink-{i:06d}" for i in range(400)], [{"kind": "limits", "weight": 3}, {"kind": "prior", "weight": 0}, {"kind": "prior"}])
    limits = sum(s.startswith("limits") for s in out.column("source_id").to_pylist())
    assert 260 < limits < 340


def test_a_clip_gone_bad_fails_its_samples_not_the_run(mixed, tmp_path):
    (tmp_path / "bvh/clip1.bvh").write_text(GOOD[:200])
    (tmp_path / "bvh/clip2.bvh").write_text(GOOD[:200])
    with pytest.raises(BadClip, match=r"clip[12]\.bvh: not a BVH file"):
        run([f"ink-{i:06d}" for i in range(40)], mixed[2:3])
    stage(mixed[2:3] * 5).setup("cpu")  # its draws are no sample's, and not all of them of the first clip


def test_a_path_in_the_list_counts_by_its_content(mixed, tmp_path):
    from pipeline.plan import Pipeline

    def declared():
        return Pipeline(load_recipe("smoke", [f"poses.sources={json.dumps(mixed)}"])).declared["poses"]

    before = declared()
    assert before["poses.sources.2.path"].startswith("sha256:")
    assert before["poses.sources.1.weight"] == 2
    (tmp_path / "bvh/clip1.bvh").write_text(GOOD)
    changed = {k for k, v in declared().items() if before[k] != v}
    assert changed == {"poses.sources.2.path"}


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ("[]", r"poses\.sources: expected a source with a weight above zero"),
        ("[{kind: bvh}]", r"poses\.sources\.0\.bvh\.path is missing"),
        ("[{kind: fbx}]", r"poses\.sources\.0: .*'fbx'"),
        ("[{kind: prior, widen: 2}]", r"poses\.sources\.0\.prior\.widen: .*less than or equal to 1, got 2"),
        ("[{kind: limits, wieght: 2}]", r"unknown key poses\.sources\.0\.limits\.wieght"),
    ],
)
def test_mistakes_in_the_list(sources, sentence):
    with pytest.raises(UserError, match=f"^recipe demo: {sentence}"):
        load_recipe("demo", [f"poses.sources={sources}"])


@NEEDS_MOCAP
@pytest.mark.parametrize("kind", ["bvh:cmu", "bvh:mixed", "deepmimic:deepmimic"])
def test_bones_keep_their_directions_in_every_recording(kind):
    kind, folder = kind.split(":")
    source = {"bvh": BvhSource, "deepmimic": DeepMimicSource}[kind](kind=kind, path=MOCAP / folder, rate=15)
    catalogue = Catalogue(source)
    for name in catalogue.names:
        assert np.median(catalogue.retargeted(name).error, 0).max() < 5, name


def test_deepmimic_counts_its_numbers():
    assert deepmimic.NUMBERS == 44
