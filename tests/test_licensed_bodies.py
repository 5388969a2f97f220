"""Licensed bodies by path: SMPL, SMPL-H and SMPL-X files posed as `smplx` does, and official pickles read without running them.

The files are made here from the bundled CC0 body, in the official layouts.
"""

import os
import pickle
import sys
import types

import numpy as np
import pytest

from manifests.errors import UserError
from stages.body.files import read_body
from stages.body.fold import TREES, fold
from stages.body.model import load_body

HANDS = {f"hands_{what}{side}": (np.eye(45) if what == "components" else np.zeros(45)) for what in ("components", "mean") for side in "lr"}
FACE = {"lmk_faces_idx": np.zeros(51, np.int64), "lmk_bary_coords": np.full((51, 3), 1 / 3)}


def model_file(joints, shapes=None, seed=0):
    """Arrays of an SMPL (24), SMPL-H (52) or SMPL-X (55) file with random pose correctives."""
    arrays = read_body(None, whole=joints > 24)
    random = np.random.default_rng(seed)
    if joints == 52:
        body = [*range(22), *range(25, 55)]
        arrays |= {"J_regressor": arrays["J_regressor"][body]}
        weights = arrays["weights"][:, body].copy()
        weights[:, 15] += arrays["weights"][:, 22:25].sum(1)
        arrays["weights"] = weights
    tree = np.stack([np.array(TREES[joints]), np.arange(joints)])
    posedirs = random.normal(0, 1e-3, (len(arrays["v_template"]), 3, 9 * (joints - 1))).astype(np.float32)
    more = {} if joints == 24 else {**HANDS, **(FACE if joints == 55 else {})}
    shapedirs = arrays["shapedirs"]
    if shapes:
        wide = np.zeros((*shapedirs.shape[:2], shapes), np.float32)
        wide[..., :10], wide[..., 300:310] = shapedirs[..., :10], shapedirs[..., 10:]
        shapedirs = wide
    return {**arrays, "shapedirs": shapedirs, "kintree_table": tree, "posedirs": posedirs, **more}


def oracle(kind, arrays, path, pose, betas):
    """Vertices and joints by smplx."""
    smplx = pytest.importorskip("smplx", reason="smplx (non-commercial) is not installed")
    torch = pytest.importorskip("torch")
    data = smplx.utils.Struct(**{k: v.astype(np.int64) if v.dtype.kind == "u" else v for k, v in arrays.items()})
    plain = {"use_pca": False, "flat_hand_mean": True, "dtype": torch.float64}
    t = {name: torch.tensor(np.asarray(value).reshape(1, -1)) for name, value in pose.items()}
    model = {
        "smpl": lambda: smplx.SMPL("", data_struct=data, dtype=torch.float64),
        "smplh": lambda: smplx.SMPLH("", data_struct=data, **plain),
        "smplx": lambda: smplx.SMPLX(str(path), num_expression_coeffs=10, **plain),
    }[kind]()
    with torch.no_grad():
        out = model(
            betas=torch.tensor(betas[None, :10]), **t, **({"expression": torch.tensor(betas[None, 10:])} if kind == "smplx" else {})
        )
    return out.vertices[0].numpy(), out.joints[0].numpy()


def named(kind, full):
    """A pose (J, 3) as smplx takes it."""
    parts = {"global_orient": full[0], "body_pose": full[1:24] if kind == "smpl" else full[1:22]}
    if kind == "smplx":
        parts |= {"jaw_pose": full[22], "leye_pose": full[23], "reye_pose": full[24]}
    return parts if kind == "smpl" else {**parts, "left_hand_pose": full[-30:-15], "right_hand_pose": full[-15:]}


@pytest.mark.parametrize(("kind", "joints", "shapes"), [("smpl", 24, None), ("smplh", 52, None), ("smplx", 55, None), ("smplx", 55, 400)])
def test_a_licensed_file_is_posed_as_smplx_poses_it(tmp_path, kind, joints, shapes):
    arrays, path = model_file(joints, shapes), tmp_path / f"{kind.upper()}_NEUTRAL.npz"
    np.savez(path, **arrays)
    random = np.random.default_rng(7)
    pose, betas = random.normal(0, 0.4, (joints, 3)), random.normal(0, 1, 20 if joints == 55 else 10)
    vertices, found = oracle(kind, arrays, path, named(kind, pose), betas)
    posed = load_body(path, whole=True).pose(pose, betas)
    assert np.abs(posed.vertices - vertices).max() < 1e-5
    assert np.abs(posed.joints - found[:joints]).max() < 1e-5


@pytest.mark.parametrize("joints", [52, 55])
def test_a_whole_body_folds_to_the_24_joints_of_the_pipeline(tmp_path, joints):
    path = tmp_path / "body.npz"
    np.savez(path, **model_file(joints))
    whole, folded = load_body(path, whole=True), load_body(path)
    pose = np.random.default_rng(1).normal(0, 0.4, (24, 3))
    pose[22:] = 0
    full = np.zeros((joints, 3))
    full[:22] = pose[:22]
    a, b = folded.pose(pose, np.ones(10)), whole.pose(full, np.ones(10))
    assert np.abs(a.vertices - b.vertices).max() < 1e-6
    assert np.abs(a.joints16 - b.joints16).max() < 1e-9
    assert np.array_equal(folded.face_parts, whole.face_parts)
    assert folded.face_parts.max() == 24


def test_the_bundled_body_has_24_and_55_joints():
    plain, whole = load_body(), load_body(whole=True)
    assert (len(plain.tree.parents), len(whole.tree.parents), whole.shapedirs.shape[2]) == (24, 55, 20)
    folded = fold(read_body(None, whole=True))
    assert np.abs(folded["weights"] - read_body(None)["weights"]).max() < 2e-5
    assert np.array_equal(folded["J_regressor"], read_body(None)["J_regressor"])


def test_a_smile_stays_in_the_face():
    body = load_body(whole=True)
    smile = np.zeros(20)
    smile[11] = 1
    moved = np.linalg.norm(body.vertices(np.zeros((55, 3)), smile) - body.vertices(np.zeros((55, 3)), np.zeros(10)), axis=1)
    assert moved.max() > 0.01
    assert set(body.vertex_joint[moved > 1e-3]) == {15}


# ---- official pickles: chumpy and scipy objects, written by stand-ins for those packages -----------------------------------


def fake_module(monkeypatch, name, **content):
    module = types.ModuleType(name)
    for key, value in content.items():
        value.__module__, value.__qualname__, value.__name__ = name, key, key
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


class Thing:
    def __init__(self, **state):
        self.__dict__.update(state)


@pytest.fixture
def chumpy(monkeypatch):
    """Ch and Select as chumpy names them."""
    ch, select = type("Ch", (Thing,), {}), type("Select", (Thing,), {})
    fake_module(monkeypatch, "chumpy")
    fake_module(monkeypatch, "chumpy.ch", Ch=ch)
    fake_module(monkeypatch, "chumpy.reordering", Select=select)
    return ch, select


def official(chumpy, arrays):
    """The arrays as in an official .pkl: some in chumpy objects, the regressor sparse."""
    import scipy.sparse as sparse

    ch, select = chumpy
    shapes = arrays["shapedirs"].astype(np.float64)
    picked = select(a=ch(x=np.concatenate([shapes, shapes], -1).ravel()), preferred_shape=shapes.shape, idxs=None)
    both = np.arange(2 * shapes.size).reshape(*shapes.shape[:2], 20)
    picked.idxs = both[..., :10].ravel()
    return {
        **arrays, "J_regressor": sparse.csc_matrix(arrays["J_regressor"].astype(np.float64)), "v_template": ch(x=arrays["v_template"]),
        "shapedirs": picked, "bs_type": "lrotmin", "bs_style": "lbs",
    }  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_an_official_pickle_is_read_and_converted_once(tmp_path, chumpy, protocol):
    arrays, path = read_body(None), tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(official(chumpy, arrays), protocol))
    body = load_body(path)
    assert (tmp_path / "SMPL_NEUTRAL.converted.npz").exists()
    again, plain = load_body(path), load_body()
    for name in ("template", "shapedirs", "points", "weights", "faces"):
        assert np.array_equal(getattr(body, name), getattr(plain, name)), name
        assert np.array_equal(getattr(again, name), getattr(plain, name)), name


def test_a_changed_pickle_is_converted_anew(tmp_path, chumpy):
    arrays, path = read_body(None), tmp_path / "SMPL_NEUTRAL.pkl"
    for height in (1.0, 1.1):
        path.write_bytes(pickle.dumps(official(chumpy, {**arrays, "v_template": arrays["v_template"] * np.float32(height)}), 2))
        assert np.ptp(load_body(path).template[:, 1]) == pytest.approx(height * np.ptp(arrays["v_template"][:, 1]), rel=1e-5)


@pytest.mark.parametrize("damage", [lambda data: data[:-200], lambda data: data.replace(b"weights.npy", b"height_.npy")])
def test_a_damaged_copy_of_a_pickle_is_no_copy(tmp_path, damage):
    path, copy = tmp_path / "SMPL_NEUTRAL.pkl", tmp_path / "SMPL_NEUTRAL.converted.npz"
    path.write_bytes(pickle.dumps(read_body(None), 2))
    body, sound = load_body(path), copy.read_bytes()
    copy.write_bytes(damage(sound))
    assert np.array_equal(load_body(path).weights, body.weights)
    assert copy.read_bytes() == sound and sorted(tmp_path.iterdir()) == [copy, path]


class Runs:
    """Pickles into a call of whatever is given."""

    def __init__(self, call, *args):
        self.call = (call, args)

    def __reduce__(self):
        return self.call


def evil(marker):
    yield "posix.system", Runs(os.system, f"touch {marker}")
    yield "builtins.eval", Runs(eval, f"open({str(marker)!r}, 'w')")
    yield "builtins.getattr", Runs(getattr, "text", "upper")
    yield "numpy", Runs(np.load, str(marker))


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused_with_a_sentence(tmp_path, which, protocol):
    marker, path = tmp_path / "ran", tmp_path / "SMPL_NEUTRAL.pkl"
    name, thing = list(evil(marker))[which]
    path.write_bytes(pickle.dumps({**read_body(None), "weights": thing}, protocol))
    with pytest.raises(UserError, match="this pickle asks for") as error:
        load_body(path)
    assert name.split(".")[0] in str(error.value).replace("__builtin__", "builtins") and str(path) in str(error.value)
    assert not marker.exists() and not list(tmp_path.glob("*.npz"))


DAMAGED = [b"", b"hello", b"\x80\x04K\x01.", b"(dp0\nS'f'\np1\n", b"\x80\x02\x8b\xff\xff\xff\x7f", b"cnumpy\nndarray\nR."]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_pickles_get_one_sentence(tmp_path, content):
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"SMPL_NEUTRAL\.pkl: "):
        load_body(path)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
def test_a_pickle_cut_short_gets_one_sentence(tmp_path, cut):
    data, path = pickle.dumps(read_body(None), 2), tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(UserError, match="not a whole pickle"):
        load_body(path)


def test_a_pickle_without_a_key_or_with_objects_names_it(tmp_path):
    path, arrays = tmp_path / "b.pkl", read_body(None)
    path.write_bytes(pickle.dumps({k: v for k, v in arrays.items() if k != "weights"}, 2))
    with pytest.raises(UserError, match=r"b\.pkl: weights is missing"):
        load_body(path)
    path.write_bytes(pickle.dumps({**arrays, "weights": np.array([None, {}], object)}, 2))
    with pytest.raises(UserError, match=r"b\.pkl: weights holds Python objects"):
        load_body(path)
    with pytest.raises(UserError, match=r"nowhere\.pkl"):
        load_body(tmp_path / "nowhere.pkl")


def test_an_unknown_number_of_joints_is_named(tmp_path):
    arrays = read_body(None)
    np.savez(tmp_path / "b.npz", **{**arrays, "kintree_table": arrays["kintree_table"][:, :20], "weights": arrays["weights"][:, :20],
                                    "J_regressor": arrays["J_regressor"][:20]})  # fmt: skip
    with pytest.raises(UserError, match=r"kintree_table has 20 joints, expected 24 \(SMPL\), 52 \(SMPL-H\) or 55"):
        load_body(tmp_path / "b.npz")


def test_joints_alone_are_those_of_smplx():
    smplx = pytest.importorskip("smplx")
    torch = pytest.importorskip("torch")
    arrays = {k: v.astype(np.int64) if v.dtype.kind == "u" else v for k, v in read_body(None).items()}
    arrays["posedirs"] = np.zeros((len(arrays["v_template"]), 3, 207), np.float32)
    theirs, ours = smplx.SMPL("", data_struct=smplx.utils.Struct(**arrays), batch_size=256), load_body()
    random = np.random.default_rng(0)
    poses, betas = random.normal(0, 0.4, (256, 24, 3)), random.normal(0, 1, (256, 10))
    t = [torch.tensor(a, dtype=torch.float32) for a in (betas, poses[:, 1:].reshape(256, -1), poses[:, 0])]
    joints, _ = ours.joints_of_many(poses, betas)
    with torch.no_grad():
        wanted = theirs(betas=t[0], body_pose=t[1], global_orient=t[2]).joints[:, :24].numpy()
    assert np.abs(joints - wanted).max() < 1e-4
    for i in (0, 100):  # and a body does not depend on those around it
        assert np.array_equal(ours.joints(poses[i], betas[i])[0], joints[i])
