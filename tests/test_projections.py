"""Projections: proportions, framing, labels, the stage."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from manifests import schema
from manifests.errors import UserError, command
from manifests.recipe import Recipe
from manifests.skeleton import CHILDREN, JOINTS, LIMB_PAIRS, MIRROR, PARENTS
from manifests.stage import Config, Context
from pipeline.page import page
from stages.body.camera import FRONT, focal_of, intrinsics, project, view_from
from stages.body.contacts import ContactFinder
from stages.body.figure import make_figure
from stages.body.model import load_body
from stages.body.rotations import about, axis_angle_from_matrix, matrix_from_axis_angle, mirror
from stages.poses.stage import Poses
from stages.projections import facts, labels, statistics
from stages.projections.framing import draw_view
from stages.projections.proportions import PRESETS, draw_proportions
from stages.projections.stage import SELF_PENETRATION, Projections

SIZE = 128
RECIPE = Recipe.model_validate({"name": "t", "poses": {"count": 10}, "projections": {"size": SIZE, "crop_share": 0}})
NAMES = [f"ink-{i:06d}" for i in range(24)]
STAGE = Projections(Config(RECIPE, Projections.config))
BODY = load_body()


def context(stage):
    return Context.alone(5, stage)


@pytest.fixture(scope="module")
def poses():
    table = pa.table({"sample_id": NAMES, "style": ["ink"] * len(NAMES)}, schema=schema.PLANNED)
    return Poses(Config(RECIPE, Poses.config)).process(table, context("poses"))


@pytest.fixture(scope="module")
def rows(poses):
    return STAGE.process(poses, context("projections"))


def arrays(table):
    return {name: schema.to_numpy(table, name) for name in schema.tensor_names(table.schema)}


def figures(poses, rows):
    data, betas = arrays(rows), schema.to_numpy(poses, "betas")
    for i in range(len(rows)):
        yield i, make_figure(BODY, data["pose"][i], betas[i], data["bone_scales"][i], data["transl"][i], data["camera_K"][i], SIZE)


def test_rows_fit_the_schema(rows):
    assert rows.schema.equals(schema.PROJECTIONS)
    assert rows.column("sample_id").to_pylist() == NAMES
    assert all(np.isfinite(values).all() for values in arrays(rows).values())


def test_joints2d_are_the_projection_of_the_drawn_joints(rows):
    data = arrays(rows)
    for i in range(len(rows)):
        pixels = project(data["joints3d_drawn"][i].astype(float), data["camera_K"][i].astype(float))
        assert np.abs(pixels - data["joints2d"][i]).max() < 0.01


def test_the_figure_can_be_drawn_again_from_its_labels(poses, rows):
    data = arrays(rows)
    for i, figure in figures(poses, rows):
        assert np.abs(figure.joints16_2d - data["joints2d"][i]).max() < 0.01
        assert np.array_equal(labels.visibility(figure.joints16_2d, figure.part), data["visibility"][i])
        filled = np.argwhere(figure.depth > 0)
        x0, y0, x1, y1 = data["bbox"][i]
        assert 0 <= x0 < x1 <= SIZE
        assert 0 <= y0 < y1 <= SIZE
        assert filled[:, 0].min() + 0.5 >= y0
        assert filled[:, 1].max() + 0.5 <= x1


def test_figures_fill_the_picture_as_asked(rows):
    boxes, (low, high) = schema.to_numpy(rows, "bbox"), RECIPE.projections.fill
    spans = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / SIZE
    assert spans.min() > low - 0.02
    assert spans.max() < high + 0.02


def test_world_and_camera_agree(poses, rows):
    data, world, betas = arrays(rows), schema.to_numpy(poses, "pose_world"), schema.to_numpy(poses, "betas")
    for i in range(len(rows)):
        joints = BODY.joints(world[i], betas[i])[1] @ data["camera_R"][i].T + data["camera_t"][i]
        assert np.abs(joints - data["joints3d"][i]).max() < 1e-4


def test_both_bodies_share_the_pelvis(poses, rows):
    data, betas = arrays(rows), schema.to_numpy(poses, "betas")
    for i, figure in figures(poses, rows):
        plain = BODY.joints(data["pose"][i], betas[i])[0] + data["transl"][i]
        assert np.abs(plain[0] - figure.joints[0]).max() < 1e-9


def test_every_label_follows_from_the_figure_that_is_drawn(poses, rows):
    data, betas, finder = arrays(rows), schema.to_numpy(poses, "betas"), ContactFinder(BODY)
    for i, figure in figures(poses, rows):
        edges = figure.joints16[CHILDREN] - figure.joints16[PARENTS]
        assert np.abs(edges[:, 2] - data["depth_step"][i]).max() < 1e-4
        flat = np.linalg.norm(edges[:, :2], axis=1) / np.linalg.norm(edges, axis=1)
        assert np.abs(flat - data["foreshortening"][i]).max() < 1e-4
        np.testing.assert_array_equal(data["limb_order"][i], labels.limb_order(figure.joints16, figure.camera_K))
        np.testing.assert_array_equal(data["contacts"][i], finder.contacts(data["pose"][i].astype(float), betas[i]))
    assert set(np.unique(data["limb_order"])) == {-1, 0, 1} and data["contacts"].any()
    assert (data["visibility"] == labels.VISIBLE).mean() > 0.7


@settings(max_examples=12, deadline=None)
@given(st.sets(st.integers(0, len(NAMES) - 1), min_size=1, max_size=5))
def test_a_sample_does_not_know_its_neighbours(chosen):
    table = pa.table({"sample_id": NAMES, "style": ["ink"] * len(NAMES)}, schema=schema.PLANNED)
    some = Poses(Config(RECIPE, Poses.config)).process(table, context("poses")).take(sorted(chosen))
    together = STAGE.process(some, context("projections"))
    alone = [STAGE.process(some.slice(i, 1), context("projections")) for i in range(len(some))]
    assert together.equals(pa.concat_tables(alone).combine_chunks())


def seen_from(yaw):
    pose = np.zeros((24, 3))
    pose[0] = [0, yaw, 0]
    pose[0] = axis_angle_from_matrix(FRONT @ matrix_from_axis_angle(pose[0]))
    figure = make_figure(BODY, pose, np.zeros(10), np.ones(24), np.array([0, 0, 6.0]), intrinsics(340, 256), 256)
    return dict(zip(JOINTS, labels.visibility(figure.joints16_2d, figure.part), strict=True))


def test_visibility_from_the_front_and_the_side():
    assert set(seen_from(0).values()) == {labels.VISIBLE}
    side = seen_from(np.pi / 2)  # the left arm points away from the viewer, the right one at him
    assert side["left_elbow"] == side["left_hip"] == side["left_knee"] == labels.OCCLUDED
    assert side["right_shoulder"] == labels.OCCLUDED
    assert side["right_wrist"] == side["right_knee"] == side["head"] == labels.VISIBLE


def test_visibility_outside_the_image():
    part = np.zeros((10, 10), np.uint8)
    part[5, 5] = 1
    joints = np.full((16, 2), 5.5)
    joints[1], joints[2], joints[3] = (-0.1, 5), (5, 10.0), (2, 2)
    assert labels.visibility(joints, part)[:4].tolist() == [labels.OCCLUDED, labels.OUTSIDE, labels.OUTSIDE, labels.VISIBLE]


def test_limb_order_tells_which_limb_is_in_front():
    joints = np.zeros((16, 3))
    joints[:, 0], joints[:, 2] = np.arange(16) * 5.0, 10
    joints[3], joints[4] = (-1, 0, 3), (1, 0, 3)  # right forearm, near
    joints[12], joints[13] = (0, -2, 5), (0, 2, 5)  # left shin, behind it
    order = dict(zip(LIMB_PAIRS, labels.limb_order(joints, intrinsics(100, 128)), strict=True))
    assert order["right_forearm", "left_shin"] == -1
    joints[3, 2] = joints[4, 2] = 8
    order = dict(zip(LIMB_PAIRS, labels.limb_order(joints, intrinsics(100, 128)), strict=True))
    assert order["right_forearm", "left_shin"] == 1
    assert order["right_forearm", "left_forearm"] == 0


def first_face(vertices, faces, direction):
    """Index of the first face that a ray from the camera meets, by brute force; -1 where it meets none."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    e, f = b - a, c - a
    p = np.cross(direction, f)
    area = (e * p).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (-a * p).sum(1) / area
        q = np.cross(-a, e)
        v, t = q @ direction / area, (f * q).sum(1) / area
    hit = (np.abs(area) > 1e-14) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
    return int(np.where(hit, t, np.inf).argmin()) if hit.any() else -1


def test_visibility_agrees_with_ray_casting():
    """Every joint of 200 random figures; rays through the centre of the pixel that a joint falls in, as the raster's."""
    random, checked = np.random.default_rng(0), 0
    for _ in range(200):
        pose = random.normal(0, 0.35, (24, 3))
        pose[0] = axis_angle_from_matrix(FRONT @ matrix_from_axis_angle([0, random.uniform(-3, 3), 0]))
        figure = make_figure(BODY, pose, np.zeros(10), np.ones(24), np.array([0, 0, 3.0]), intrinsics(150, SIZE), SIZE)
        seen = labels.visibility(figure.joints16_2d, figure.part)
        for joint, pixel in enumerate(figure.joints16_2d):
            if seen[joint] == labels.OUTSIDE:
                assert (pixel < 0).any() or (pixel >= SIZE).any()
                continue
            direction = np.linalg.inv(figure.camera_K) @ [*(np.floor(pixel) + 0.5), 1]
            face = first_face(figure.vertices, BODY.faces, direction)
            first = np.full((SIZE, SIZE), 0 if face < 0 else BODY.face_parts[face], np.uint8)
            assert labels.visibility(figure.joints16_2d, first)[joint] == seen[joint]
            checked += 1
    assert checked >= 3000


def process(poses, **changes):
    recipe = Recipe.model_validate({"name": "t", "poses": {"count": 10}, "projections": {"size": SIZE, **changes}})
    return Projections(Config(recipe, Projections.config)).process(poses, context("projections"))


def test_figures_are_cut_by_the_border_as_asked(poses):
    rows = process(poses, crop_share=1)
    boxes, seen = schema.to_numpy(rows, "bbox"), schema.to_numpy(rows, "visibility")
    beyond = np.stack([-boxes[:, 0], -boxes[:, 1], boxes[:, 2] - SIZE, boxes[:, 3] - SIZE], -1)
    assert (beyond.max(1) > 0.02 * SIZE).mean() > 0.9
    assert (beyond[:, 3] > 0).mean() > 0.35  # mostly below
    assert (seen[:, 0] != labels.OUTSIDE).all()  # never at the head
    assert ((seen != labels.OUTSIDE).sum(1) >= 6).all()
    assert ((seen == labels.OUTSIDE).any(1)).mean() > 0.5


def test_no_camera_hangs_upside_down():
    config = RECIPE.projections.model_copy(update={"elevation_deg": 60.0, "high_share": 0.0})
    up = [draw_view(np.random.default_rng(i), config).camera_R @ (0, 1, 0) for i in range(200)]
    assert max(y for _, y, _ in up) < 0  # the camera's y points down
    assert min(y for _, y, _ in up) < -0.9


def test_weak_perspective_hardly_shrinks_with_distance(poses):
    data = arrays(process(poses, weak_share=1, crop_share=0))
    assert (data["transl"][:, 2] > 50).all()
    joints, pixels = data["joints3d_drawn"].astype(float), data["joints2d"].astype(float)
    focal, middle = data["camera_K"][:, 0, 0], joints[:, :, 2].mean(1)
    weak = focal[:, None, None] / middle[:, None, None] * joints[..., :2] + SIZE / 2
    assert np.abs(weak - pixels).max() < 1.0
    assert np.abs(project(joints[0], data["camera_K"][0].astype(float)) - pixels[0]).max() < 0.01


def test_a_body_that_passes_through_itself_is_rejected_with_a_reason(poses):
    strict = process(poses, penetration_m=1e-4).column("reason").to_pylist()
    assert set(strict) == {"", SELF_PENETRATION}
    usual = process(poses).column("reason").to_pylist()
    assert usual.count("") >= strict.count("")
    assert usual.count("") >= 0.8 * len(usual)


def test_without_distortion_the_drawn_joints_are_smpls(poses):
    data, betas = arrays(process(poses, bone_spread=0, proportions={"realistic": 1})), schema.to_numpy(poses, "betas")
    even = np.abs(data["bone_scales"] - 1).max(1) == 0
    assert even.all()
    assert np.abs(data["joints3d"] - data["joints3d_drawn"]).max() <= 1e-5
    for i in range(3):
        assert np.abs(BODY.joints(data["pose"][i], betas[i])[1] + data["transl"][i] - data["joints3d"][i]).max() < 2e-5


def test_mirroring_twice_is_the_identity():
    pose = np.random.default_rng(0).normal(size=(24, 3))
    assert np.array_equal(mirror(mirror(pose)), pose)
    assert [MIRROR[i] for i in MIRROR] == list(range(16))


def test_viewpoints_are_read_off_the_labels(rows):
    """They undo what the camera was made with."""
    angles = np.array([-30.0, 0.0, 12.0, 55.0])
    assert np.allclose(facts.elevation(np.stack([view_from(np.radians(a)) for a in angles])), angles)
    assert np.allclose(facts.field_of_view(np.stack([intrinsics(focal_of(a, SIZE), SIZE) for a in (1.0, 12.0, 45.0)])), [1, 12, 45])
    pose = np.zeros((4, 24, 3))
    pose[:, 0] = axis_angle_from_matrix(FRONT @ np.stack([about("y", np.radians(a)) for a in angles]))
    assert np.allclose(facts.facing(pose), angles)
    told = {fact.name: fact for fact in STAGE.facts(rows)}
    assert np.array_equal(told["visible joints"].values, (arrays(rows)["visibility"] == 2).sum(1))
    assert told["heads in the picture"].values[3, 0] == pytest.approx(arrays(rows)["joints2d"][3, 0] / SIZE)


def test_statistics_of_a_run(tmp_path, rows):
    (tmp_path / "projections").mkdir()
    pq.write_table(rows, tmp_path / "projections" / "ink-0000.parquet")
    text = statistics.report(statistics.read_joints(tmp_path))
    kept = rows.column("reason").to_pylist().count("")
    assert "arm / torso, drawings" in text and "0.99" in text and f"{kept} figures" in text
    upright = np.zeros((1, 16, 2))
    upright[0, [2, 5]], upright[0, [8, 11]] = [(10, 10), (20, 10)], [(12, 30), (18, 30)]
    upright[0, [3, 4, 6, 7]] = [(10, 20), (10, 30), (20, 20), (20, 30)]
    found = statistics.measures(upright)
    assert found["torso tilt"][0] == pytest.approx(0)
    assert found["arm / torso"] == pytest.approx([1, 1])
    with pytest.raises(UserError, match="no projections here"):
        statistics.read_joints(tmp_path / "nowhere")
    (tmp_path / "projections" / "ink-0001.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match="cannot be read"):
        statistics.read_joints(tmp_path)


def test_statistics_of_nothing_end_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["statistics", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as end:
        command(statistics.main)
    assert end.value.code == 2 and "nowhere: no projections here" in capsys.readouterr().err


def test_a_page_holds_pictures_words_and_labels(poses, rows):
    row = next(schema.rows_of(rows))
    text = page("ink & wash", [row | {"motion": "runs <fast>"}], [Image.fromarray(STAGE.preview({**next(schema.rows_of(poses)), **row}))], {
        f.name: f for f in schema.PROJECTIONS})  # fmt: skip
    assert "data:image/png;base64," in text and "ink &amp; wash" in text and "runs &lt;fast&gt;" in text
    assert "depth_step" in text and "camera" in text and "http" not in text


def test_foreshortening_is_a_cosine():
    joints = np.zeros((16, 3))
    joints[:] = np.arange(16)[:, None] * [1.0, 0, 0]
    joints[0] = joints[1] + [0, 0, 2]
    joints[2] = joints[1] + [1, 0, 1]
    cosines = labels.foreshortening(joints)
    assert cosines[0] == 0
    assert cosines[1] == pytest.approx(np.sqrt(0.5))


@given(st.integers(0, 10_000), st.sampled_from(sorted(PRESETS)))
def test_proportions_stay_within_bounds(seed, preset):
    name, scales = draw_proportions(np.random.default_rng(seed), {preset: 1.0}, 0.1)
    assert name == preset
    assert (scales >= 0.35).all()
    assert (scales <= 2.5).all()
    assert scales[20] == scales[22]  # a hand keeps its form


def test_the_order_of_the_recipe_does_not_matter():
    weights = {"child": 1.0, "realistic": 2.0, "chibi": 1.0}
    for seed in range(10):
        names = {draw_proportions(np.random.default_rng(seed), w, 0.1)[0] for w in (weights, dict(sorted(weights.items())))}
        assert len(names) == 1


def test_preview_draws_the_skeleton(poses, rows):
    picture = STAGE.preview({**next(schema.rows_of(poses)), **next(schema.rows_of(rows))})
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8
