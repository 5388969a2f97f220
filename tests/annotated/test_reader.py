"""Annotated pictures of others: every mapping and every mistake."""

import json

import numpy as np
import pytest
from PIL import Image

from manifests.errors import UserError
from manifests.skeleton import JOINTS
from stages.annotated.keypoints import CHARACTER_NAMES, LIMBS
from stages.annotated.reader import read_annotated, style_of
from stages.scan import WORKING
from tests.annotated.files import COCO, HEIGHT, WIDTH, joint, spread, write_character, write_coco


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
    assert len(list(read_annotated(path))) == 2


def test_boxes_without_keypoints_and_other_categories_are_passed_over(tmp_path):
    path = write_coco(tmp_path, spread(JOINTS))
    words = json.loads(path.read_text())
    one = words["annotations"][0]
    box = {name: value for name, value in one.items() if name != "keypoints"}
    words["categories"] += [{"id": 2, "name": "dog"}, {"id": 3, "name": "hand", "keypoints": ["thumb"]}]
    others = [box, box | {"category_id": 2}, one | {"keypoints": []}, one | {"category_id": 3, "keypoints": [1, 2, 2]}]
    words["annotations"] = [*others, one, one | {"category_id": 2}]
    path.write_text(json.dumps(words))
    assert len(list(read_annotated(path))) == 1


def test_pictures_of_a_folder_of_their_own_and_a_folder_for_the_json(tmp_path):
    path = write_coco(tmp_path, spread(JOINTS))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "elsewhere/a.png")
    (sample,) = read_annotated(tmp_path, tmp_path / "elsewhere")
    assert sample.path == tmp_path / "elsewhere/a.png"
    with pytest.raises(UserError, match=r"annotation 7: .*a.png: no such file"):
        list(read_annotated(path))


def test_without_a_bbox_the_joints_make_one_and_a_joint_beyond_the_border_is_outside(tmp_path):
    points = spread(JOINTS, left_toe=(WIDTH + 10, 5, 2))
    (sample,) = read_annotated(write_coco(tmp_path, points, annotation={"bbox": None}))
    xs = [x for x, _, _ in points.values()]
    np.testing.assert_allclose(sample.box[[0, 2]], (min(xs) - 0.1 * (max(xs) - min(xs)), max(xs) + 0.1 * (max(xs) - min(xs))))
    assert joint(sample, "left_toe") == (WIDTH + 10, 5, 0)


def test_a_picture_is_read_as_predict_reads_it(tmp_path):
    """Upright as its EXIF data says, of any depth, dark on light; joints and box go with it where it is made smaller."""
    path = write_coco(tmp_path, spread(JOINTS))
    drawing = np.full((HEIGHT, WIDTH), 20, np.uint8)
    drawing[50:150, 100:110] = 240
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    (sample,) = read_annotated(path)
    for picture, words in (
        (Image.fromarray(drawing), {}),
        (Image.fromarray(np.rot90(drawing, 2)), {"exif": exif}),
        (Image.fromarray(drawing.astype(np.uint16) * 257), {}),
    ):
        picture.save(tmp_path / "a.png", **words)
        (other,) = read_annotated(path)
        assert other.image[100, 105].max() < 30 and other.image[20, 20].min() > 220, picture.mode
        assert np.array_equal(other.joints, sample.joints) and np.array_equal(other.box, sample.box)
    Image.fromarray(np.kron(drawing, np.ones((10, 10), np.uint8))).save(tmp_path / "a.png")
    words = json.loads(path.read_text())
    words["images"][0] |= {"width": 10 * WIDTH, "height": 10 * HEIGHT}
    path.write_text(json.dumps(words))
    (large,) = read_annotated(path)
    assert large.image.shape[1] == WORKING
    np.testing.assert_allclose(large.joints, sample.joints * WORKING / (10 * WIDTH))


GOOD = spread(JOINTS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"annotation": {"keypoints": [1, 2, 2]}}, r"coco.json: annotation 7: keypoints: 3 numbers for 16 names, expected 48"),
        ({"annotation": {"keypoints": ["x"] * 48}}, r"annotation 7: keypoints: expected numbers"),
        ({"annotation": {"keypoints": None}}, r"no figure with a labelled joint"),
        ({"annotation": {"keypoints": [1, 2, 5] * 16}}, r"annotation 7: keypoints: expected x and y below 10,000,000, and a visibility"),
        ({"annotation": {"keypoints": [float("nan"), 2, 2] * 16}}, r"annotation 7: keypoints: expected x and y below"),
        ({"annotation": {"keypoints": [1e300, 2, 2] * 16, "bbox": None}}, r"annotation 7: keypoints: expected x and y below"),
        ({"annotation": {"keypoints": [10**400, 2, 2] * 16}}, r"annotation 7: keypoints: expected numbers"),
        ({"annotation": {"bbox": [1, 2, 3]}}, r"annotation 7: bbox \[1, 2, 3\]: expected x, y, width, height"),
        ({"annotation": {"bbox": [1, 2, 0, 3]}}, r"annotation 7: bbox .* above 0"),
        ({"annotation": {"bbox": [0, 0, 1e300, 1e300]}}, r"annotation 7: bbox .* expected numbers below 10,000,000"),
        ({"annotation": {"bbox": [0, 0, 10**400, 1]}}, r"annotation 7: bbox .* expected x, y, width, height"),
        ({"annotation": {"image_id": 5}}, r"annotation 7: image_id 5 is not in the file"),
        ({"annotation": {"category_id": 5}}, r"annotation 7: category_id 5 is not in the file"),
        ({"names": ["knie"] * 16}, r"annotation 7: its category's keypoints have no right_shoulder, "),
        ({"image": {"file_name": "b.png"}}, r"annotation 7: .*b.png: no such file"),
        ({"image": {"file_name": "coco.json"}}, r"annotation 7: .*coco.json: not a picture"),
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
        next(read_annotated(write_coco(tmp_path, GOOD, **changes)))
    assert "\n" not in str(e.value)


def test_malformed_json_and_folders_of_nothing(tmp_path):
    for text in ("{", "[" * 100_000):
        (tmp_path / "coco.json").write_text(text)
        with pytest.raises(UserError, match=r"coco.json: not a JSON file"):
            next(read_annotated(tmp_path / "coco.json"))
    with pytest.raises(UserError, match=r"no such file or folder"):
        next(read_annotated(tmp_path / "nothing"))
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match=r"2 json files and no char_cfg.yaml"):
        next(read_annotated(tmp_path))


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
    samples = list(read_annotated(tmp_path))
    assert [s.path.parent.name for s in samples] == ["one", "two"]
    assert samples[1].box.tolist() == [0, 0, WIDTH, HEIGHT]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"skeleton": None}, r"char_cfg.yaml: skeleton: expected a list"),
        ({"skeleton": [{"name": "neck", "loc": [1]}]}, r"char_cfg.yaml: skeleton: loc of neck"),
        ({"skeleton": [{"name": "neck", "loc": [1, 1e300]}]}, r"char_cfg.yaml: skeleton: loc of neck: expected two numbers below"),
        ({"skeleton": [{"name": "neck", "loc": [1, 10**400]}]}, r"char_cfg.yaml: skeleton: expected a list"),
        ({"skeleton": [{"name": "neck", "loc": [1, 2]}]}, r"char_cfg.yaml: skeleton: no joint named torso, "),
        ({"height": 3}, r"char_cfg.yaml: texture.png is 300x200, the file says 300x3"),
    ],
)
def test_mistakes_of_characters(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        next(read_annotated(write_character(tmp_path / "one", **changes)))


def test_a_character_that_is_no_yaml_or_lacks_its_texture(tmp_path):
    folder = write_character(tmp_path / "one")
    (folder / "texture.png").unlink()
    with pytest.raises(UserError, match=r"char_cfg.yaml: .*texture.png: no such file"):
        next(read_annotated(folder))
    for text in ("[", "[" * 9999, "height: 2024-99-99", "height: !!timestamp high", "height: !!bool 300", "height: !!int ''"):
        (folder / "char_cfg.yaml").write_text(text)
        with pytest.raises(UserError, match=r"char_cfg.yaml: cannot read this character") as e:
            next(read_annotated(folder))
        assert "\n" not in str(e.value)
    (folder / "char_cfg.yaml").write_text("[]")
    with pytest.raises(UserError, match=r"char_cfg.yaml: expected height, width and skeleton"):
        next(read_annotated(folder))


def test_folders_tell_the_style_and_an_image_may_say_it(tmp_path):
    told = {"images/ink_painting/1.png": "ink", "Oil Painting/1.png": "oil", "drinks/1.png": None}
    assert {name: style_of(name) for name in told} == told
    path = write_coco(tmp_path, spread(JOINTS), image={"file_name": "sketch/a.png"})
    (tmp_path / "sketch").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "sketch/a.png")
    assert next(read_annotated(path)).style == "charcoal"


def test_annotations_may_lie_apart_from_the_pictures(tmp_path):
    path = write_coco(tmp_path, spread(JOINTS))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "images/a.png")
    (sample,) = read_annotated(path.rename(tmp_path / "annotations/coco.json"))
    assert sample.path == tmp_path / "images/a.png"


def test_what_cannot_be_read_may_be_left_out(tmp_path):
    write_character(tmp_path / "one", skeleton=None)
    write_character(tmp_path / "two")
    said = []
    (sample,) = read_annotated(tmp_path, left_out=said.append)
    assert sample.path.parent.name == "two" and len(said) == 1 and "left out: " in said[0]
    assert np.isnan(sample.joints[~sample.known]).all() and sample.known.sum() == 14
