"""What is exported, read back by code that shares nothing with the writers, is the body of stages.body in the same pose."""

import io
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from estimator.export.bvh import to_bvh
from estimator.export.gltf import to_glb
from estimator.export.take import take_of
from estimator.figure import Figure, posed
from manifests.skeleton import LEFT_HIP, RIGHT_HIP, SMPL_JOINTS
from stages.body.model import load_body
from stages.poses.bvh import read_bvh as read_own
from stages.poses.naming import choose_map
from tests.estimator.readers import Gltf, bvh_joints, read_bvh

MM = 1e-3
# Metres within which 98 % of the skin must be, and all of it: what is left off of more than four influences; and where bones of
# other lengths meet, the mean rest place of a vertex that follows both.
PLAIN, DRAWN = (0.001, 0.02), (0.015, 0.05)


@pytest.fixture(scope="module")
def body():
    return load_body()


def figure(number, spread=0.25):
    rng = np.random.default_rng(number)
    turns = Rotation.from_rotvec(rng.normal(0, 0.5, (24, 3))).as_matrix()
    turns[0] = Rotation.from_rotvec([np.pi, 0, 0]).as_matrix() @ Rotation.random(random_state=number).as_matrix()
    scales = np.exp(rng.normal(0, spread, 24))
    return Figure(turns, rng.normal(0, 1, 10), scales, np.array([120.0, 200, 240]), np.zeros((16, 2)), np.ones(16))


def clip(count):
    """Frames of one figure that moves to the right and up."""
    first = figure(7)
    steps = [Rotation.from_rotvec(np.full((24, 3), 0.05 * i)).as_matrix() for i in range(count)]
    cameras = [first.camera + np.array([0, 6.0 * i, -3.0 * i]) for i in range(count)]
    return [replace(first, pose=first.pose @ s, camera=c) for s, c in zip(steps, cameras, strict=True)]


def true_shape(body, seen):
    """Joints (24, 3) and vertices (V, 3), y up, z towards the viewer, standing on y = 0 with the pelvis above the origin."""
    shape = posed(body, seen)
    joints, vertices = shape.joints * (1, -1, -1), shape.vertices * (1, -1, -1)
    shift = np.array([0, vertices[:, 1].min(), 0])
    return joints - shift, vertices - shift, shape.joints16 * (1, -1, -1) - shift


@pytest.mark.parametrize("number", range(6))
def test_bvh_read_back_is_the_posed_body(body, number):
    seen = figure(number)
    bones, values, _ = read_bvh(to_bvh(take_of([seen], body)).decode())
    joints, _, sixteen = true_shape(body, seen)
    found = {name: places[0] / 100 for name, places in bvh_joints(bones, values).items()}
    assert [b.name for b in bones if b.channels] and {b.name for b in bones if b.channels} == set(SMPL_JOINTS)
    apart = [np.linalg.norm(found[name] - joints[i]) for i, name in enumerate(SMPL_JOINTS)]
    assert max(apart) < MM
    for end, joint in (("head end", 0), ("left_foot end", 14), ("right_foot end", 15)):
        assert np.linalg.norm(found[end] - sixteen[joint]) < MM


@pytest.mark.parametrize(("number", "spread", "bounds"), [*((n, 0.0, PLAIN) for n in range(4)), *((n, 0.25, DRAWN) for n in range(4))])
def test_glb_read_back_is_the_posed_body(body, number, spread, bounds):
    seen = figure(number, spread)
    file = Gltf(to_glb(take_of([seen], body)))
    joints, vertices, _ = true_shape(body, seen)
    found = file.joints()
    assert max(np.linalg.norm(found[name] - joints[i]) for i, name in enumerate(SMPL_JOINTS)) < MM
    apart = np.linalg.norm(file.skinned() - vertices, axis=1)
    assert np.quantile(apart, 0.98) < bounds[0] and apart.max() < bounds[1]


def test_skin_that_follows_one_bone_is_exact(body):
    seen = figure(3)
    one = body.weights[:, 0] > 0.9999
    apart = np.linalg.norm(Gltf(to_glb(take_of([seen], body))).skinned() - true_shape(body, seen)[1], axis=1)
    assert one.sum() > 5000 and apart[one].max() < MM


def test_rest_mesh_and_inverse_binds_hold_the_drawn_proportions(body):
    seen = figure(1)
    file = Gltf(to_glb(take_of([seen], body)))
    rest = body.pose(np.zeros((24, 3)), seen.betas, seen.bone_scales)
    assert np.abs(file.attribute("POSITION") - rest.vertices).max() < 1e-5
    binds = np.linalg.inv(file.array(file.words["skins"][0]["inverseBindMatrices"]))
    assert np.abs(binds[:, :3, 3] - rest.joints).max() < 1e-5 and np.abs(binds[:, :3, :3] - np.eye(3)).max() < 1e-6
    assert not any("scale" in node or "matrix" in node for node in file.words["nodes"])


def test_a_clip_moves_as_its_frames_do(body):
    frames = clip(5)
    take = take_of(frames, body, fps=12)
    file, (bones, values, seconds) = Gltf(to_glb(take)), read_bvh(to_bvh(take).decode())
    bvh, times = bvh_joints(bones, values), file.array(file.words["animations"][0]["samplers"][0]["input"])
    assert seconds == pytest.approx(1 / 12, abs=1e-6) and np.allclose(times, np.arange(5) / 12)
    lowest = []
    for i, frame in enumerate(frames):
        shape = posed(body, frame)
        middle = np.array([6.0 * i, 3.0 * i, 0]) / 120
        true = shape.joints * (1, -1, -1) + middle
        found = np.stack([file.joints(i)[name] for name in SMPL_JOINTS])
        shift = found[0] - true[0]
        assert np.abs(found - true - shift).max() < MM and np.abs(shift[[0, 2]]).max() < MM
        assert np.abs(np.stack([bvh[name][i] for name in SMPL_JOINTS]) / 100 - found).max() < MM
        lowest.append((shape.vertices * (1, -1, -1) + middle + shift)[:, 1].min())
    assert min(lowest) == pytest.approx(0, abs=MM)


def test_quaternions_and_angles_do_not_jump(body):
    base = figure(2, 0.0)
    turning = [Rotation.from_rotvec([0, 0.3 * i, 0]).as_matrix() for i in range(24)]
    frames = [replace(base, pose=np.concatenate([(base.pose[0] @ turn)[None], base.pose[1:]])) for turn in turning]
    take = take_of(frames, body)
    file = Gltf(to_glb(take))
    for sampler in file.words["animations"][0]["samplers"][1:]:
        turns = file.array(sampler["output"])
        assert ((turns[1:] * turns[:-1]).sum(1) > 0.9).all()
    assert np.abs(np.diff(read_bvh(to_bvh(take).decode())[1][:, 3:], axis=0)).max() < 180


def test_a_knee_that_bends_past_a_right_angle_does_not_spin(body):
    """Its other Euler angles, half a turn off, would be as right for a frame and wrong between frames."""
    base, frames = figure(2, 0.0), []
    for degrees in range(60, 130, 6):
        pose = base.pose.copy()
        pose[4] = Rotation.from_rotvec(np.radians(degrees) * np.array([0.9, 0.3, 0.3])).as_matrix()
        frames.append(replace(base, pose=pose))
    take = take_of(frames, body)
    bones, values, _ = read_bvh(to_bvh(take).decode())
    assert np.abs(np.diff(values[:, 6:], axis=0)).max() < 45
    found, true = bvh_joints(bones, values), Gltf(to_glb(take))
    for i in range(len(frames)):
        assert max(np.linalg.norm(found[name][i] / 100 - place) for name, place in true.joints(i).items()) < MM


def test_structure_of_the_glb(body):
    data = to_glb(take_of(clip(3), body))
    file = Gltf(data)
    words = file.words
    assert words["asset"]["version"] == "2.0" and words["buffers"] == [{"byteLength": len(file.binary)}]
    ends = [0]
    for view in words["bufferViews"]:
        assert view["byteOffset"] % 4 == 0 and view["byteOffset"] >= ends[-1]
        ends.append(view["byteOffset"] + view["byteLength"])
    assert ends[-1] <= len(file.binary) < ends[-1] + 4
    position = words["accessors"][words["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert position["min"] == file.attribute("POSITION").min(0).tolist() and position["max"] == file.attribute("POSITION").max(0).tolist()
    weights, bones = file.attribute("WEIGHTS_0"), file.attribute("JOINTS_0")
    assert weights.shape[1] == 4 and np.abs(weights.sum(1) - 1).max() < 1e-6 and (weights >= 0).all() and bones.max() < 24
    assert not bones[weights == 0].any()
    faces = file.array(words["meshes"][0]["primitives"][0]["indices"])
    assert faces.max() < position["count"] and len(faces) == body.faces.size
    assert np.abs(np.linalg.norm(file.attribute("NORMAL"), axis=1) - 1).max() < 1e-5
    assert len(words["skins"][0]["joints"]) == 24
    for node in words["nodes"][1:]:
        assert np.linalg.norm(node["rotation"]) == pytest.approx(1)
    assert to_glb(take_of(clip(3), body)) == data


def test_trimesh_opens_it(body):
    seen = figure(4)
    scene = trimesh.load(io.BytesIO(to_glb(take_of([seen], body))), file_type="glb")
    mesh = next(iter(scene.geometry.values()))
    assert len(mesh.faces) == len(body.faces)
    rest = body.pose(np.zeros((24, 3)), seen.betas, seen.bone_scales).vertices
    assert np.allclose(mesh.bounds, [rest.min(0), rest.max(0)], atol=1e-4)
    assert set(SMPL_JOINTS) <= set(scene.graph.nodes)


def test_our_own_reader_knows_our_own_bvh(body, tmp_path):
    path = tmp_path / "drawn.bvh"
    path.write_bytes(to_bvh(take_of(clip(4), body, fps=30)))
    motion = read_own(path, 30)
    chosen, found = choose_map(str(path), motion.names, None)
    assert chosen.name == "smpl" and motion.names[found["chest"]] == "spine3" and len(motion.turns) == 4


def test_hips_stand_where_the_camera_says(body):
    seen = figure(5)
    shape = posed(body, seen)
    assert np.abs(shape.joints16[[RIGHT_HIP, LEFT_HIP]].mean(0)).max() < 1e-9
