"""The detector as others call it: shapes, batches, boxes, flips, pretrained folders, bad input."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation, YolosConfig, YolosForObjectDetection

from estimator.data import Sketches
from manifests.errors import UserError
from manifests.skeleton import JOINTS, MIRROR
from stages.detector.coco import POINTS, sixteen
from stages.detector.crops import HEIGHT, WIDTH, apply, crop_matrices, inverse
from stages.detector.decoys import held_out
from stages.detector.detect import LEAST_SCORE, load_detector
from stages.detector.eyes import View
from stages.detector.finders import read_person_finder
from stages.detector.weights import BUNDLED, FINDER, POSE
from stages.shards.held_out import open_held_out
from tests.detector.figures import drawings, figure

DRAWINGS = Path(__file__).parents[1] / "data/drawings"
PICTURES = [figure(i)[0] for i in range(11)] + [np.full((90, 300, 3), 200, np.uint8), figure(20)[0][:, 60:201]]


@pytest.fixture(scope="module")
def detector(folder):
    return load_detector(folder)


@pytest.fixture(scope="module")
def coco(tmp_path_factory, folder):
    """A ViTPose of transformers with random weights, and our finder beside it."""
    home = tmp_path_factory.mktemp("coco")
    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, out_indices=[2])
    VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17)).save_pretrained(home)
    (home / FINDER).write_bytes((folder / FINDER).read_bytes())
    return home


@pytest.fixture(scope="module")
def persons(tmp_path_factory):
    """A detector of transformers with random weights."""
    home = tmp_path_factory.mktemp("persons")
    torch.manual_seed(0)
    config = YolosConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[96, 128],
        num_detection_tokens=9, id2label={0: "N/A", 1: "person", 2: "kite"}, label2id={"N/A": 0, "person": 1, "kite": 2},
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(home)
    (home / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": 96, "longest_edge": 160}}))
    return home


def test_what_comes_back(detector):
    found = detector.detect(PICTURES)
    n = len(PICTURES)
    shapes = {name: getattr(found, name).shape for name in found.__dataclass_fields__}
    assert shapes == {
        "boxes": (n, 4), "box_scores": (n,), "joints": (n, 16, 2), "confidence": (n, 16), "visibility": (n, 16, 3), "styles": (n, 6),
        "figures": (n, 32, 32),
    }  # fmt: skip
    for share in (found.box_scores, found.confidence):
        assert share.min() >= 0 and share.max() <= 1
    for share in (found.visibility, found.styles):
        np.testing.assert_allclose(share.sum(-1), 1, atol=1e-5)
    assert all(np.isfinite(getattr(found, name)).all() for name in shapes)


def test_lower_precision_reads_the_same():
    """The bundled detector, as the filter's `dtype` asks for it: other sums, the same joints, in single precision again."""
    drawings = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted(DRAWINGS.glob("*.png"))[:4]]
    exact, rough = (load_detector(dtype=dtype).detect(drawings) for dtype in (torch.float32, torch.bfloat16))
    apart = np.linalg.norm(exact.joints - rough.joints, axis=-1) / np.ptp(exact.boxes[:, 1::2], axis=1)[:, None]
    assert 0 < np.median(apart) < 2e-3
    assert all(getattr(rough, name).dtype == getattr(exact, name).dtype for name in exact.__dataclass_fields__)
    assert np.abs(exact.visibility - rough.visibility).mean() < 0.02


def test_no_pictures_no_detections(detector):
    found = detector.detect([])
    assert found.joints.shape == (0, 16, 2) and found.styles.shape == (0, 6)


def test_a_picture_does_not_depend_on_the_others(detector):
    together = detector.detect(PICTURES)
    for i in (0, 8, 12):
        alone = detector.detect([PICTURES[i]])
        for name in together.__dataclass_fields__:
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(together, name)[i], atol=1e-4)


def test_boxes_that_are_given_are_used(detector):
    boxes = np.tile((40.0, 30, 200, 240), (3, 1))
    found = detector.detect(PICTURES[:3], boxes)
    np.testing.assert_array_equal(found.boxes, boxes)
    assert (found.box_scores == 1).all()


def test_a_mirrored_picture_has_mirrored_joints_under_the_flip_test(detector):
    image = np.random.default_rng(0).integers(0, 256, (256, 192, 3)).astype(np.uint8)
    boxes = np.array([[96 - 76.8, 128 - 102.4, 96 + 76.8, 128 + 102.4]])
    there = detector.detect([image], boxes)
    back = detector.detect([np.ascontiguousarray(image[:, ::-1])], boxes)
    order = list(MIRROR)
    np.testing.assert_allclose(back.joints[0] * (-1, 1) + (192, 0), there.joints[0][order], atol=1e-2)
    np.testing.assert_allclose(back.confidence[0], there.confidence[0][order], atol=1e-4)
    np.testing.assert_allclose(back.visibility[0], there.visibility[0][order], atol=1e-4)


def test_coco_points_become_joints():
    points = torch.arange(34.0).reshape(1, 17, 2)
    sure = torch.full((1, 17), 0.9)
    sure[0, POINTS.index("left_shoulder")] = 0.5
    joints, confidence = sixteen(points, sure)
    wrist, nose, ears = POINTS.index("right_wrist"), POINTS.index("nose"), [POINTS.index(f"{s}_ear") for s in ("left", "right")]
    assert (joints[0, JOINTS.index("right_wrist")] == points[0, wrist]).all()
    assert (joints[0, 1] == (points[0, 5] + points[0, 6]) / 2).all() and confidence[0, 1] == 0.5
    assert (joints[0, 0] == points[0, ears].mean(0)).all()
    assert (confidence[0, 14:] == 0).all() and (confidence[0, :14] > 0).all()
    sure[0, ears[0]] = 0.1
    assert (sixteen(points, sure)[0][0, 0] == points[0, nose]).all()


def test_a_vitpose_of_transformers_reads_joints(coco):
    detector = load_detector(coco)
    image, joints = figure(0)
    box = np.array([[*joints.min(0), *joints.max(0)]])
    found = detector.detect([image], box)
    assert found.joints.shape == (1, 16, 2) and (found.confidence[0, 14:] == 0).all()
    crop = apply(inverse(crop_matrices(box, 1.25)[0]), np.array([[0.0, 0], [WIDTH, HEIGHT]]))
    assert ((found.joints[0] >= crop[0]) & (found.joints[0] <= crop[1])).all()


def test_cells_of_a_vitpose_lie_border_to_border(coco):
    eyes = load_detector(coco).eyes
    maps = torch.zeros(1, 17, 64, 48)
    maps[0, :, 63, 47] = 0.5
    reading = eyes.joints(View(maps, maps.new_zeros(1, 17, 0)))
    torch.testing.assert_close(reading.joints[0, 3], torch.tensor([191.5, 255.5]))
    assert reading.confidence[0, 3] == 0.5


def test_a_person_detector_takes_the_place_of_the_finder(folder, persons):
    found = load_detector(folder, finder=persons).detect(PICTURES[:2])
    own = load_detector(folder).detect(PICTURES[:2])
    assert not np.allclose(found.boxes, own.boxes)
    np.testing.assert_allclose(found.styles, own.styles)
    assert ((found.box_scores >= 0) & (found.box_scores <= 1)).all()


@pytest.mark.parametrize("name", [POSE, FINDER])
def test_weights_that_cannot_be_read_are_named(folder, tmp_path, name):
    for file in (POSE, FINDER):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / name).write_bytes((folder / name).read_bytes()[:5000])
    with pytest.raises(UserError, match=name):
        load_detector(tmp_path)
    save_file({"a": torch.zeros(2)}, tmp_path / name, {"skep": "{}"})
    with pytest.raises(UserError, match=name):
        load_detector(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{name}: no such file"):
        load_detector(tmp_path)


def test_folders_of_the_wrong_class_are_named(coco, persons, folder, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        load_detector(tmp_path / "nowhere")
    with pytest.raises(UserError, match="its class is YolosForObjectDetection"):
        load_detector(persons)
    with pytest.raises(UserError, match="its class is VitPoseForPoseEstimation"):
        load_detector(folder, finder=coco)
    with pytest.raises(UserError, match=r"config\.json: cannot read"):
        load_detector(folder, finder=tmp_path)
    (tmp_path / "config.json").write_bytes((coco / "config.json").read_bytes())
    with pytest.raises(UserError, match="cannot load this VitPoseForPoseEstimation"):
        load_detector(tmp_path)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(UserError, match="not JSON"):
        load_detector(tmp_path)


def test_pictures_and_boxes_of_another_shape_are_refused(detector):
    with pytest.raises(UserError, match="picture 1"):
        detector.detect([PICTURES[0], PICTURES[0][..., 0]])
    with pytest.raises(UserError, match="boxes"):
        detector.detect(PICTURES[:2], np.zeros((1, 4)))


def test_the_bundled_detector_is_small_and_sees():
    sizes = [path.stat().st_size for path in (BUNDLED / POSE, BUNDLED / FINDER)]
    assert sum(sizes) <= 12e6
    some = drawings(8)
    found = load_detector().detect([some.picture(i) for i in range(8)])
    assert np.median(np.linalg.norm(found.joints - some.joints, axis=-1)) < 40


def test_the_bundled_finder_tells_figures_from_what_is_none():
    """The kinds of decoys are those that it has never seen; beasts and plants drawn by hand are harder than these."""
    detector = load_detector()
    held = Sketches(open_held_out("val-600").url, "val", 256)
    figures = [held[i].image for i in range(0, 600, 10)]
    assert (detector.find(figures).scores >= LEAST_SCORE).mean() > 0.95
    assert (detector.find(held_out(60)).scores < LEAST_SCORE).mean() > 0.75


def test_code_beside_the_weights_never_runs(persons, tmp_path):
    """A config that names a class of its own: the class would leave a file behind."""
    folder = Path(shutil.copytree(persons, tmp_path / "own"))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForObjectDetection": "own.Model"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": own}))
    with pytest.raises(UserError, match="own"):
        read_person_finder(folder, "cpu")
    assert not (tmp_path / "ran").exists()


def test_pictures_are_shrunk_as_the_folder_asks(persons, tmp_path):
    folder = Path(shutil.copytree(persons, tmp_path / "own"))
    for words, shape in (
        ({"size": 96, "max_size": 160}, (53, 160)),
        ({"size": 96}, (96, 288)),
        ({"size": {"height": 64, "width": 80}}, (64, 80)),
    ):
        (folder / "preprocessor_config.json").write_text(json.dumps(words))
        finder = read_person_finder(folder, "cpu")
        assert finder._pixels(np.zeros((200, 600, 3), np.uint8)).shape == (1, 3, *shape)
    for size in ("large", [96, 160], {"height": 64}, {"shortest_edge": "96"}, -96, {"height": np.inf, "width": 64}):
        (folder / "preprocessor_config.json").write_text(json.dumps({"size": size}))
        with pytest.raises(UserError, match=r"preprocessor_config\.json: size: expected"):
            read_person_finder(folder, "cpu")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected a mapping"),
        ('{"image_mean": [0.5]}', r"image_mean: expected three finite numbers, got \[0\.5\]"),
        ('{"image_mean": "grey"}', "image_mean: expected three finite numbers, got grey"),
        ('{"image_std": [0.5, 0.5, 1e999]}', "image_std: expected three finite numbers"),
        ('{"image_std": [0.5, 0.5, "0.5"]}', "image_std: expected three finite numbers"),
        ('{"image_std": [0.5, 0.5, 0]}', "image_std: expected numbers above 0"),
    ],
)
def test_a_preprocessor_that_makes_no_sense_is_one_sentence(coco, persons, tmp_path, text, sentence):
    for home, read in ((coco, load_detector), (persons, lambda folder: read_person_finder(folder, "cpu"))):
        folder = Path(shutil.copytree(home, tmp_path / home.name))
        (folder / "preprocessor_config.json").write_text(text)
        with pytest.raises(UserError, match=rf"preprocessor_config\.json: {sentence}"):
            read(folder)


def test_pictures_are_normalised_as_the_folder_asks(coco, persons, tmp_path):
    pose, finder = (Path(shutil.copytree(home, tmp_path / home.name)) for home in (coco, persons))
    words = {"image_mean": [0.5] * 3, "image_std": [0.25, 0.5, 1]}
    (pose / "preprocessor_config.json").write_text(json.dumps(words))
    eyes = load_detector(pose).eyes
    assert eyes.mean.flatten().tolist() == [0.5] * 3 and eyes.std.flatten().tolist() == [0.25, 0.5, 1]
    white = np.full((64, 64, 3), 255, np.uint8)
    for more, shown in (({}, [2, 1, 0.5]), ({"do_normalize": False, "image_std": None}, [1, 1, 1])):
        (finder / "preprocessor_config.json").write_text(json.dumps({**words, **more, "size": {"height": 64, "width": 64}}))
        assert read_person_finder(finder, "cpu")._pixels(white)[0, :, 0, 0].tolist() == shown
