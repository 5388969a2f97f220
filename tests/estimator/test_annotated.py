"""Annotated pictures of others: every mapping, every mistake, and scores worked by hand."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml

from estimator import judge
from estimator.annotated import read_annotated
from estimator.keypoints import CHARACTER_NAMES, LIMBS
from manifests.errors import UserError
from manifests.skeleton import JOINTS
from pipeline import cli
from stages.detector.metrics import overlap

COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
HEIGHT, WIDTH = 200, 300


def spread(names, **other):
    """{name: (x, y, v)}: every point somewhere else, all visible unless told otherwise."""
    return {name: other.get(name, (10 + 5 * i, 20 + 3 * i, 2)) for i, name in enumerate(names)}


def write_coco(folder, points, names=None, **changes):
    """A COCO file of one picture and one figure, and the picture; `changes` replace parts of it."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "a.png"), np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    words = {
        "images": [{"id": 3, "file_name": "a.png", "width": WIDTH, "height": HEIGHT} | changes.get("image", {})],
        "categories": [{"id": 1, "keypoints": list(names or points)}],
        "annotations": [
            {"id": 7, "image_id": 3, "category_id": 1, "bbox": [10, 20, 100, 50], "keypoints": np.ravel(list(points.values())).tolist()}
        ],
    }
    words["annotations"][0] |= changes.get("annotation", {})
    (folder / "coco.json").write_text(json.dumps(words | changes.get("file", {})))
    return folder / "coco.json"


def joint(sample, name):
    index = JOINTS.index(name)
    return (*sample.joints[index], int(sample.visibility[index])) if sample.known[index] else None


def test_our_own_names_keep_their_places(tmp_path):
    points = spread(JOINTS, left_toe=(5, 6, 1), head=(0, 0, 0))
    (sample,) = read_annotated(write_coco(tmp_path, points, image={"style": "ink"}))
    assert {name: joint(sample, name) for name in JOINTS} == points | {"head": None}
    assert sample.style == "ink" and sample.image.shape == (HEIGHT, WIDTH, 3)
    assert sample.box.tolist() == [10, 20, 110, 70]


def test_coco_makes_neck_of_shoulders_and_head_of_ears(tmp_path):
    points = spread(COCO, left_shoulder=(100, 50, 2), right_shoulder=(60, 54, 1), left_ear=(90, 20, 2), right_ear=(70, 22, 2))
    (sample,) = read_annotated(write_coco(tmp_path, points))
    assert joint(sample, "neck") == (80, 52, 1) and joint(sample, "head") == (80, 21, 2)
    assert joint(sample, "left_toe") is None and joint(sample, "right_toe") is None
    assert all(joint(sample, name) == points[name] for name in LIMBS)


def test_coco_without_an_ear_takes_the_nose_and_without_a_shoulder_no_neck(tmp_path):
    points = spread(COCO, nose=(77, 33, 1), left_ear=(0, 0, 0), right_shoulder=(0, 0, 0))
    (sample,) = read_annotated(write_coco(tmp_path, points))
    assert joint(sample, "head") == (77, 33, 1) and joint(sample, "neck") is None
    (sample,) = read_annotated(write_coco(tmp_path, points | {"nose": (0, 0, 0)}))
    assert joint(sample, "head") is None


@pytest.mark.parametrize("names", [("left_big_toe", "right_big_toe"), ("left_toe", "right_toe"), ("Left Big-Toe", "Right Big-Toe")])
def test_toes_by_their_names(tmp_path, names):
    points = spread((*COCO, *names, "face-0"))
    (sample,) = read_annotated(write_coco(tmp_path, points))
    assert joint(sample, "left_toe") == points[names[0]] and joint(sample, "right_toe") == points[names[1]]


def test_several_people_are_several_samples_and_crowds_none(tmp_path):
    path = write_coco(tmp_path, spread(JOINTS))
    words = json.loads(path.read_text())
    one = words["annotations"][0]
    words["annotations"] += [one | {"id": 8}, one | {"id": 9, "iscrowd": 1}, one | {"id": 10, "keypoints": [0] * 48}]
    path.write_text(json.dumps(words))
    assert len(read_annotated(path)) == 2


def test_pictures_of_a_folder_of_their_own_and_a_folder_for_the_json(tmp_path):
    path = write_coco(tmp_path, spread(JOINTS))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "elsewhere/a.png")
    (sample,) = read_annotated(tmp_path, tmp_path / "elsewhere")
    assert sample.path == tmp_path / "elsewhere/a.png"
    with pytest.raises(UserError, match=r"annotation 7: no such picture"):
        read_annotated(path)


def test_without_a_bbox_the_joints_make_one_and_a_joint_beyond_the_border_is_outside(tmp_path):
    points = spread(JOINTS, left_toe=(WIDTH + 10, 5, 2))
    (sample,) = read_annotated(write_coco(tmp_path, points, annotation={"bbox": None}))
    xs = [x for x, _, _ in points.values()]
    np.testing.assert_allclose(sample.box[[0, 2]], (min(xs) - 0.1 * (max(xs) - min(xs)), max(xs) + 0.1 * (max(xs) - min(xs))))
    assert joint(sample, "left_toe") == (WIDTH + 10, 5, 0)


GOOD = spread(JOINTS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"annotation": {"keypoints": [1, 2, 2]}}, r"coco.json: annotation 7: keypoints: 3 numbers for 16 names, expected 48"),
        ({"annotation": {"keypoints": ["x"] * 48}}, r"annotation 7: keypoints: expected numbers"),
        ({"annotation": {"keypoints": None}}, r"annotation 7: keypoints"),
        ({"annotation": {"keypoints": [1, 2, 5] * 16}}, r"annotation 7: keypoints: expected finite x and y, and a visibility"),
        ({"annotation": {"keypoints": [float("nan"), 2, 2] * 16}}, r"annotation 7: keypoints: expected finite"),
        ({"annotation": {"bbox": [1, 2, 3]}}, r"annotation 7: bbox \[1, 2, 3\]: expected x, y, width, height"),
        ({"annotation": {"bbox": [1, 2, 0, 3]}}, r"annotation 7: bbox .* above 0"),
        ({"annotation": {"image_id": 5}}, r"annotation 7: image_id 5 is not in the file"),
        ({"annotation": {"category_id": 5}}, r"annotation 7: category_id 5 is not in the file"),
        ({"names": ["knie"] * 16}, r"annotation 7: its category's keypoints have no right_shoulder, "),
        ({"image": {"file_name": "b.png"}}, r"annotation 7: no such picture: .*b.png"),
        ({"image": {"file_name": "coco.json"}}, r"annotation 7: cannot read the picture"),
        ({"image": {"file_name": None}}, r"annotation 7: image 3 has no file_name"),
        ({"image": {"width": 5}}, r"annotation 7: .*a.png is 300x200, the file says 5x200"),
        ({"image": {"style": "fresco"}}, r"annotation 7: style 'fresco' of its image"),
        ({"file": {"categories": [{"id": 1}]}}, r"annotation 7: its category has no list `keypoints`"),
        ({"file": {"annotations": []}}, r"no figure with a labelled joint"),
        ({"file": {"images": "none"}}, r"coco.json: not a COCO file"),
    ],
)
def test_mistakes_of_coco_are_one_sentence(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence) as e:
        read_annotated(write_coco(tmp_path, GOOD, **changes))
    assert "\n" not in str(e.value)


def test_malformed_json_and_folders_of_nothing(tmp_path):
    (tmp_path / "coco.json").write_text("{")
    with pytest.raises(UserError, match=r"coco.json: not a JSON file"):
        read_annotated(tmp_path / "coco.json")
    with pytest.raises(UserError, match=r"no such file or folder"):
        read_annotated(tmp_path / "nothing")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match=r"2 json files and no char_cfg.yaml"):
        read_annotated(tmp_path)


def write_character(folder, mask=False, **changes):
    folder.mkdir(parents=True)
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    cv2.imwrite(str(folder / "texture.png"), picture)
    if mask:
        picture[40:60, 30:90] = 255
        cv2.imwrite(str(folder / "mask.png"), picture[..., 0])
    names = ("root", "hip", *CHARACTER_NAMES)
    skeleton = [{"loc": [10 + i, 20 + i], "name": name, "parent": None} for i, name in enumerate(names)]
    (folder / "char_cfg.yaml").write_text(yaml.safe_dump({"height": HEIGHT, "width": WIDTH, "skeleton": skeleton} | changes))
    return folder


def test_characters_of_animated_drawings(tmp_path):
    folder = write_character(tmp_path / "one", mask=True)
    (sample,) = read_annotated(folder)
    order = ("root", "hip", *CHARACTER_NAMES)
    for theirs, ours in CHARACTER_NAMES.items():
        i = order.index(theirs)
        assert joint(sample, ours) == (10 + i, 20 + i, 2)
    assert joint(sample, "left_toe") is None and joint(sample, "right_toe") is None and sample.style is None
    assert sample.box.tolist() == [30, 40, 90, 60]
    assert (sample.image == 255).all()  # what is transparent is paper
    write_character(tmp_path / "two")
    samples = read_annotated(tmp_path)
    assert [s.path.parent.name for s in samples] == ["one", "two"]
    assert samples[1].box.tolist() == [0, 0, WIDTH, HEIGHT]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"skeleton": None}, r"char_cfg.yaml: skeleton: expected a list"),
        ({"skeleton": [{"name": "neck", "loc": [1]}]}, r"char_cfg.yaml: skeleton: loc of neck"),
        ({"skeleton": [{"name": "neck", "loc": [1, 2]}]}, r"char_cfg.yaml: skeleton: no joint named torso, "),
        ({"height": 3}, r"char_cfg.yaml: texture.png is 300x200, the file says 300x3"),
    ],
)
def test_mistakes_of_characters(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        read_annotated(write_character(tmp_path / "one", **changes))


def test_a_character_that_is_no_yaml_or_lacks_its_texture(tmp_path):
    folder = write_character(tmp_path / "one")
    (folder / "texture.png").unlink()
    with pytest.raises(UserError, match=r"char_cfg.yaml: no such picture: .*texture.png"):
        read_annotated(folder)
    (folder / "char_cfg.yaml").write_text("[")
    with pytest.raises(UserError, match=r"char_cfg.yaml: cannot read this character") as e:
        read_annotated(folder)
    assert "\n" not in str(e.value)
    (folder / "char_cfg.yaml").write_text("[]")
    with pytest.raises(UserError, match=r"char_cfg.yaml: expected height, width and skeleton"):
        read_annotated(folder)


class Shifted:
    """A detector that knows the truth: it moves some joints by (dx, dy), and more so with the box it finds itself."""

    def __init__(self, samples, shifts, shifts_given, box=(0, 0, 0, 0)):
        self.truth, self.boxes = np.stack([s.joints for s in samples]), np.stack([s.box for s in samples]) + box
        self.shifts, self.shifts_given, self.calls = shifts, shifts_given, 0

    def detect(self, images, boxes=None, flip=False):
        self.calls += 1
        joints = self.truth.copy()
        for name, shift in (self.shifts if boxes is None else self.shifts_given).items():
            joints[:, JOINTS.index(name)] += shift
        return SimpleNamespace(boxes=self.boxes if boxes is None else boxes, joints=joints)


def torso_of_100(**other):
    """Neck at (150, 40), hips about (150, 140): a torso of 100 px."""
    return spread(JOINTS, neck=(150, 40, 2), right_hip=(140, 140, 2), left_hip=(160, 140, 2), **other)


def test_pck_by_hand(tmp_path):
    path = write_coco(tmp_path, torso_of_100(head=(5, 5, 1), left_toe=(0, 0, 0)), image={"style": "stick"})  # 14 joints count
    samples = read_annotated(path)
    shifts = {"neck": (6, 8), "left_knee": (0, 10.1), "right_knee": (0, 20), "left_wrist": (30, 0), "head": (90, 90), "left_toe": (99, 9)}
    detector, said = Shifted(samples, shifts, {"left_wrist": (np.nan, 0)}, box=(0, 0, 100, 0)), []
    result = judge.evaluate(samples, detector, tmp_path / "out", said.append)
    expected = {"pck": round(11 / 14, 4), "pck_given_box": round(13 / 14, 4), "box_iou": 0.5, "figures": 1}
    assert result == expected | {"pictures": 1, "per_style": {"stick": expected}}
    errors = judge.judge(samples, detector).errors
    assert judge.pck(errors, 0.2) == round(13 / 14, 4) and judge.median(errors) == 0
    assert json.loads(json.dumps(result)) == result
    assert "| left_knee | 0.000 | 1.000 | 0.101 | 1.000 | 1.000 | 0.000 | - |" in said[0]
    assert "| head | - | - | - | - | - | - | - |" in said[0]
    assert "| stick | 0.786 | 0.929 | 0.000 | 0.929 | 0.929 | 0.000 | 0.500 |" in said[0]
    assert cv2.imread(str(tmp_path / "out/annotated.png")).shape == (256, 1024, 3)


@pytest.mark.parametrize("hidden", ["neck", "left_hip"])
def test_without_neck_or_hip_a_fifth_of_the_box_is_the_torso(tmp_path, hidden):
    points = torso_of_100() | {hidden: (0, 0, 0)}
    (sample,) = read_annotated(write_coco(tmp_path, points, annotation={"bbox": [0, 0, 10, 150]}))
    assert judge.torso(sample) == 30
    found = np.add(sample.joints, (0, 3.3))
    np.testing.assert_allclose(judge.error(sample, found)[sample.known], 0.11)


def test_box_overlap_by_hand():
    a = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]], float)
    b = np.array([[0, 0, 10, 10], [5, 5, 15, 15], [20, 0, 30, 10]], float)
    np.testing.assert_allclose(overlap(a, b), (1, 25 / 175, 0))


def test_the_command_ends_with_one_line_of_json(tmp_path, monkeypatch, capsys):
    path = write_coco(tmp_path, torso_of_100())
    monkeypatch.setattr(judge, "bundled_detector", lambda: Shifted(read_annotated(path), {}, {}))
    cli.evaluate(data=str(path), images=str(tmp_path), out=str(tmp_path / "sheet"))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["pck"] == 1
    assert (tmp_path / "sheet/annotated.png").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({}, "expected either a run folder or --data"),
        ({"folder": "runs/demo", "data": "x"}, "expected either a run folder or --data"),
        ({"folder": "runs/demo", "out": "x"}, "--images and --out go with --data"),
        ({"data": "nowhere"}, "nowhere: no such file or folder"),
    ],
)
def test_the_command_says_what_it_expects(words, sentence):
    with pytest.raises(UserError, match=sentence):
        cli.evaluate(**{"folder": "", "data": "", "images": "", "out": ""} | words)
