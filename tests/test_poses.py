"""Poses: angles, limits, archetypes, captions, the stage."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import schema
from manifests.errors import UserError
from manifests.recipe import Poses as PosesConfig
from manifests.recipe import Recipe
from manifests.skeleton import SMPL_MIRROR
from manifests.stage import Config, Context
from stages.body.model import load_body
from stages.body.rotations import about, matrix_from_axis_angle
from stages.poses.anatomy import pose_from_angles
from stages.poses.archetypes import draw_figure, table
from stages.poses.capsules import capsules_of
from stages.poses.captions import measured, words
from stages.poses.kinematics import mirrored as flipped
from stages.poses.kinematics import place_joints
from stages.poses.limits import ANGLES, HIGH, INDEX, LOW, SIDE, clamp, mirrored
from stages.poses.stage import Poses
from stages.poses.viewpoint import draw_stand, turn_in_world

BODY = load_body()


def angles(**named):
    out = np.zeros(len(ANGLES))
    for name, value in named.items():
        for full in (f"left_{name}", f"right_{name}") if name in SIDE else (name,):
            out[INDEX[full]] = value
    return out


def measures_of(**named):
    return measured(joints_of(**named)[None])[0]


def joints_of(**named):
    return BODY.joints(pose_from_angles(angles(**named)), np.zeros(10))[0]


def planned(*names):
    return pa.table({"sample_id": list(names), "style": ["ink"] * len(names)}, schema=schema.PLANNED)


def stage(**sections):
    return Poses(Config(Recipe.model_validate({"name": "t", "poses": {"count": 10}, **sections}), Poses.config))


def run(names, seed=3, **sections):
    context = Context.alone(seed, "poses")
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
        swap = list(SMPL_MIRROR)
        assert np.abs(back[swap] * [-1, 1, 1] - there).max() < 3e-3


def test_the_table_is_within_reach():
    stances, gestures = table()
    assert len(stances) >= 25
    assert len(gestures) >= 12
    for s in stances:
        assert np.abs(clamp(s.mean) - s.mean).max() < 1e-9, s.says
        assert s.weight > 0


@pytest.mark.parametrize(
    ("text", "named"),
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
        ("raising the left leg, facing the viewer", {"left_hip_flex": 80}),
        ("standing, facing the viewer", {"right_knee": 110}),  # on one leg: no knee is on the ground
        ("bending over", {"pelvis_pitch": 85, "left_hip_flex": 85}),  # on one leg, the other stretched back
        ("standing, both arms stretched back, facing the viewer", {"arm_raise": 75, "arm_plane": -80}),
        ("lying on the back", {"pelvis_pitch": -90}),
        ("lying face down", {"pelvis_pitch": 90}),
        ("lying on the side, facing the viewer", {"pelvis_roll": 90}),
        (
            "crawling, both arms stretched ahead",
            {"pelvis_pitch": 85, "left_hip_flex": 80, "right_hip_flex": 20, "knee": 88, "arm_raise": 88, "arm_plane": 90},
        ),
        ("lunging, facing the viewer", {"left_hip_flex": 62, "left_knee": 62, "right_hip_flex": -25, "right_knee": 20}),
        ("bending forward, facing the viewer", {"hip_flex": 30, "pelvis_pitch": 30, "spine_flex": 20}),
        ("standing with bent knees, facing the viewer", {"hip_flex": 35, "knee": 60}),
        ("standing, both elbows bent, facing the viewer", {"arm_raise": 15, "elbow": 100, "arm_twist": 0}),
        ("upside down, seen from behind", {"pelvis_pitch": 180}),
        ("on all fours, both arms stretched ahead", {"pelvis_pitch": 85, "hip_flex": 85, "knee": 88, "arm_raise": 88, "arm_plane": 90}),
        ("striding, facing the viewer", {"left_hip_flex": 30, "right_hip_flex": -20}),
    ],
)
def test_captions_of_known_poses(text, named):
    assert words(measures_of(**named)) == f"a figure {text}"


def test_known_words_go_before_the_rules():
    text = words(measures_of(), "running", ("left fist raised",))
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


def test_words_are_read_off_each_pose_alone():
    many = np.array([BODY.joints(pose_from_angles(draw_figure(np.random.default_rng(i)).angles), np.zeros(10))[0] for i in range(20)])
    assert [words(m) for m in measured(many)] == [words(measured(joints[None])[0]) for joints in many]


def test_a_body_in_itself_is_rejected_with_the_reason():
    capsules = capsules_of(BODY)
    poses = np.array([pose_from_angles(angles(**named)) for named in ({}, {"arm_raise": 90}, {"hip_abd": -25})])
    depth, pair = capsules.deepest(*place_joints(matrix_from_axis_angle(poses), BODY.rest_points(np.zeros(10))[:24]))
    reasons = [capsules.reason(d, p) for d, p in zip(depth, pair, strict=True)]
    assert reasons[:2] == ["", ""]
    assert re.fullmatch(r"self-penetration: \w+ \w+ in \w+ \w+, \d+ mm", reasons[2])


@given(st.integers(0, 2**32))
def test_capsules_measure_as_a_mirror_does(seed):
    capsules, rest = capsules_of(BODY), BODY.rest_points(np.zeros(10))[:24]
    turns = matrix_from_axis_angle(np.random.default_rng(seed).normal(0, 0.6, (2, 24, 3)))
    there, back = (capsules.deepest(*place_joints(t, rest))[0] for t in (turns, flipped(turns)))
    assert np.abs(there - back).max() < 5e-3  # the body's halves differ by millimetres


def test_those_who_lie_are_seen_from_the_side():
    config = PosesConfig(count=1, facing_deg=0, back_share=0, lean_deg=0)
    stands = [draw_stand(np.random.default_rng(i), config) for i in range(8)]
    lying, upright = (np.repeat(about("x", angle)[None], 8, 0) for angle in (-np.pi / 2, 0.0))
    turned = turn_in_world(lying, np.full(8, np.nan), stands)
    assert (np.abs(turned[:, 0, 1]) > 0.9).all()  # the trunk points across the picture
    assert np.abs(turn_in_world(upright, np.full(8, np.nan), stands) - np.eye(3)).max() < 1e-9
    assert np.abs(turn_in_world(upright, np.full(8, 30.0), stands) - about("y", np.radians(30))).max() < 1e-9


def test_captions_by_a_model(tmp_path):
    tiny_blip(tmp_path)
    out = run(NAMES[:2], poses={"count": 10, "captioner": str(tmp_path)})
    assert out.equals(run(NAMES[:2], poses={"count": 10, "captioner": str(tmp_path)}))
    assert all(text.startswith("a figure") for text in out.column("motion").to_pylist())
    with pytest.raises(UserError, match="not a BLIP-2 folder"):
        run(NAMES[:1], poses={"count": 10, "captioner": str(tmp_path.parent / "nowhere")})


def tiny_blip(folder):
    """A BLIP-2 of random weights, small enough for a test, in the format of `transformers`."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor, PreTrainedTokenizerFast

    vocabulary = ["<pad>", "<s>", "</s>", "<unk>", "a", "figure", "standing", "sitting", "on", "one", "leg", "<image>"]
    plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Blip2Config(
        vision_config={**small, "image_size": 32, "patch_size": 16},
        qformer_config={**small, "encoder_hidden_size": 16, "vocab_size": 12},
        text_config={"model_type": "opt", "vocab_size": 12, "hidden_size": 16, "ffn_dim": 16, "num_hidden_layers": 1,
                     "num_attention_heads": 2, "word_embed_proj_dim": 16, "max_position_embeddings": 64,
                     "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
        num_query_tokens=4, image_token_index=vocabulary.index("<image>"),
    )  # fmt: skip
    torch.manual_seed(0)
    Blip2ForConditionalGeneration(config).save_pretrained(folder)
    Blip2Processor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer, num_query_tokens=4).save_pretrained(folder)


def test_preview_draws_a_body():
    picture = stage().preview(next(schema.rows_of(run(NAMES[:1]))))
    assert picture.shape == (256, 256, 3)
    assert 0.02 < (picture.min(2) < 240).mean() < 0.7
