"""Poses: angles, limits, archetypes, captions, the stage."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import schema
from manifests.recipe import Recipe
from manifests.stage import Config, Context
from stages.body.model import load_body
from stages.poses.anatomy import pose_from_angles
from stages.poses.archetypes import draw_figure, table
from stages.poses.captions import caption
from stages.poses.limits import ANGLES, HIGH, INDEX, LOW, SIDE, clamp, mirrored
from stages.poses.stage import Poses

BODY = load_body()


def angles(**named):
    out = np.zeros(len(ANGLES))
    for name, value in named.items():
        for full in (f"left_{name}", f"right_{name}") if name in SIDE else (name,):
            out[INDEX[full]] = value
    return out


def joints_of(**named):
    return BODY.joints(pose_from_angles(angles(**named)), np.zeros(10))[0]


def planned(*names):
    return pa.table({"sample_id": list(names), "style": ["ink"] * len(names)}, schema=schema.PLANNED)


def stage(**sections):
    return Poses(Config(Recipe.model_validate({"name": "t", "poses": {"count": 10}, **sections}), Poses.config))


def run(names, seed=3, **sections):
    context = Context(seed=seed, stage="poses", unit="t", sink=None, device="cpu", ledger=None)
    return stage(**sections).process(planned(*names), context)


def test_angles_mean_what_they_say():
    at_ease = joints_of()
    assert (at_ease[[20, 21], 1] < at_ease[[16, 17], 1] - 0.4).all()  # arms hang
    assert joints_of(hip_flex=90)[4, 2] > at_ease[4, 2] + 0.3  # the knee comes forwards
    assert joints_of(knee=90)[7, 2] < at_ease[7, 2] - 0.3  # the ankle goes back
    assert joints_of(left_hip_abd=40)[4, 0] > at_ease[4, 0] + 0.2
    assert joints_of(arm_raise=90, arm_plane=90)[20, 2] > 0.4
    assert joints_of(arm_raise=170)[20, 1] > at_ease[15, 1]
    assert joints_of(elbow=90)[20, 2] > at_ease[20, 2] + 0.15
    assert joints_of(spine_side=30)[12, 0] > 0.1


def test_raised_level_arms_are_the_rest_pose():
    assert np.abs(joints_of(arm_raise=90) - BODY.rest_points(np.zeros(10))[:24]).max() < 0.05


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_figures_keep_within_the_limits(seed):
    drawn = draw_figure(np.random.default_rng(seed)).angles
    assert (drawn >= LOW).all()
    assert (drawn <= HIGH).all()
    assert np.array_equal(clamp(drawn), drawn)


@given(st.lists(st.floats(-400, 400), min_size=len(ANGLES), max_size=len(ANGLES)))
def test_clamping_twice_is_clamping_once_and_mirrors(values):
    once = clamp(np.array(values))
    assert np.array_equal(clamp(once), once)
    assert np.array_equal(mirrored(mirrored(once)), once)
    assert once[INDEX["left_arm_raise"]] <= 60 or once[INDEX["left_arm_plane"]] > -60


def test_mirrored_angles_are_the_mirrored_figure():
    random = np.random.default_rng(1)
    for _ in range(5):
        drawn = draw_figure(random).angles
        there, back = (BODY.joints(pose_from_angles(a), np.zeros(10))[0] for a in (drawn, mirrored(drawn)))
        swap = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
        assert np.abs(back[swap] * [-1, 1, 1] - there).max() < 3e-3


def test_the_table_is_within_reach():
    stances, gestures = table()
    assert len(stances) >= 25
    assert len(gestures) >= 12
    for s in stances:
        assert np.abs(clamp(s.mean) - s.mean).max() < 1e-9, s.says
        assert s.weight > 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("standing, both arms stretched sideways, facing the viewer", {"arm_raise": 90}),
        ("standing, facing the viewer", {"arm_raise": 12}),
        ("standing, right arm raised, in profile to the right", {"right_arm_raise": 160, "pelvis_yaw": 90}),
        ("standing, both hands on the hip, facing the viewer", {"arm_raise": 50, "arm_plane": -19, "arm_twist": 62, "elbow": 93}),
        ("standing, left arm stretched ahead, seen from behind", {"left_arm_raise": 90, "left_arm_plane": 90, "pelvis_yaw": 180}),
        ("sitting, facing the viewer", {"hip_flex": 88, "knee": 88}),
        ("sitting on the floor, in profile to the left", {"hip_flex": 88, "pelvis_yaw": -90}),
        ("crouching, facing the viewer", {"hip_flex": 110, "knee": 130, "spine_flex": 10}),
        ("kneeling, facing the viewer", {"knee": 95}),
        ("kneeling on one knee, facing the viewer", {"left_hip_flex": 85, "left_knee": 88, "right_knee": 92}),
        ("raising one leg, facing the viewer", {"left_hip_flex": 80}),
        ("lying", {"pelvis_pitch": -90}),
        ("upside down, seen from behind", {"pelvis_pitch": 180}),
        ("on all fours, both arms stretched ahead", {"pelvis_pitch": 85, "hip_flex": 85, "knee": 88, "arm_raise": 88, "arm_plane": 90}),
        ("striding, facing the viewer", {"left_hip_flex": 30, "right_hip_flex": -20}),
    ],
)
def test_captions_of_known_poses(words, named):
    assert caption(joints_of(**named)) == f"a figure {words}"


def test_known_words_go_before_the_rules():
    text = caption(joints_of(), "running", ("left fist raised",))
    assert text == "a figure running, left fist raised, facing the viewer"


NAMES = [f"ink-{i:06d}" for i in range(6)]


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 5))
def test_a_sample_does_not_know_its_neighbours(names, seed):
    chosen = sorted(names)
    together, alone = run(chosen, seed), [run([name], seed) for name in chosen]
    assert together.equals(pa.concat_tables(alone).combine_chunks())


def test_rows_answer_the_plan():
    out = run(NAMES, split={"val": 1.0})
    assert out.schema.equals(schema.POSES)
    assert out.column("sample_id").to_pylist() == NAMES
    assert set(out.column("split").to_pylist()) == {"val"}
    assert len(set(out.column("source_id").to_pylist())) == len(NAMES)
    assert np.isfinite(schema.to_numpy(out, "pose_world")).all()
    assert np.abs(schema.to_numpy(out, "betas")).max() <= 2


def test_facing_follows_the_recipe():
    names = [f"ink-{i:06d}" for i in range(150)]
    level = {"count": 10, "facing_deg": 0, "back_share": 0, "lean_deg": 0}
    front = run(names, poses=level).column("motion").to_pylist()
    around = run(names, poses={**level, "back_share": 1}).column("motion").to_pylist()
    assert 3 * sum("behind" in text for text in front) < sum("behind" in text for text in around)


def test_preview_draws_a_body():
    picture = stage().preview(run(NAMES[:1]).to_pylist()[0])
    assert picture.shape == (256, 256, 3)
    assert 0.02 < (picture.min(2) < 240).mean() < 0.7
